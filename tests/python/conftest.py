# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the Python tests: real servers, and in front of them the tap, whose strict parser reads every
byte that the client writes. Tests that are coroutines run in a loop of their own; that needs no plugin."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "support" / "python"))

import natskit  # noqa: E402
import natskit.sync  # noqa: E402
from natskit_testing import HarnessError, Server, Tap, wait_for  # noqa: E402

TEST_SECONDS = 100.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS))
    return True


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Short names for tests whose parameter is long or cannot be printed."""
    if isinstance(val, (str, bytes)) and (len(val) > 30 or not str(val).isprintable()):
        return argname
    return None


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server for all tests that leave it alone."""
    try:
        server = Server(jetstream=False)
    except HarnessError as error:
        pytest.exit(f"the Python tests need the harness of tests/support, which says: {error}", returncode=3)
    with server:
        yield server


@pytest.fixture(scope="session")
def shared_jetstream() -> Iterator[Server]:
    """One server with JetStream for all tests that leave it alone."""
    with Server() as server:
        yield server


@pytest.fixture
def js_url(shared_jetstream: Server) -> Iterator[str]:
    """The tap before it; the streams that the test leaves are deleted."""
    with Tap(shared_jetstream) as proxy:
        yield proxy.url
    with natskit.sync.connect(shared_jetstream.url) as nc:
        js = nc.jetstream()
        for name in js.stream_names():
            js.delete_stream(name)
    # nats-server 2.15.1 may answer before the files are gone; a stream that is made anew takes over what is left.
    streams = shared_jetstream.dir / "store/jetstream/$G/streams"
    wait_for(lambda: not any(entry.is_dir() for entry in streams.iterdir()), 20.0, "the end of the streams' files")


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, to be stopped, killed and restarted."""
    with Server(jetstream=False) as own:
        yield own


@pytest.fixture
def tap(shared_server: Server) -> Iterator[Tap]:
    """The tap before the shared server. Leaving it fails the test if the client broke the protocol."""
    with Tap(shared_server) as proxy:
        yield proxy


@pytest.fixture
def url(tap: Tap) -> str:
    return tap.url


@pytest.fixture
def own_tap(server: Server) -> Iterator[Tap]:
    """The tap before the test's own server."""
    with Tap(server) as proxy:
        yield proxy


def _live() -> dict[str, int]:
    counters = natskit.counters()
    names = ("options", "headers", "conns", "subs", "ops", "waitsets", "jsons", "msgs", "contexts", "publishers")
    names += ("kvs", "services", "object_stores", "object_writers", "object_readers")
    return {name: counters[name] for name in names}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Every test gives back what it took."""
    before = _live()
    yield

    def given_back() -> bool:
        gc.collect()
        # Not "equal": what a failed test before this one left may go meanwhile.
        return all(number <= before[name] for name, number in _live().items())

    try:
        wait_for(given_back, 10.0)
    except AssertionError:
        pytest.fail(f"live objects before the test: {before}, after it: {_live()}")
