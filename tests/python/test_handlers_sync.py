# SPDX-License-Identifier: Apache-2.0
"""Handlers of the blocking face: they run in the threads that call dispatch(), and nowhere else."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import natskit.sync
import pytest
from natskit import errors
from natskit_testing import wait_for


def dispatch_all(nc: natskit.sync.Client, count: int) -> int:
    handled = 0
    while handled < count:
        some = nc.dispatch(10)
        assert some > 0
        handled += some
    return handled


def test_order_and_counts(url: str) -> None:
    got: list[int] = []
    threads = set()

    def handler(msg: natskit.sync.Msg) -> None:
        got.append(int(msg.data))
        threads.add(threading.get_ident())

    with natskit.sync.connect(url) as nc:
        sub = nc.subscribe("order", cb=handler)
        for i in range(1000):
            nc.publish("order", str(i))
        nc.flush()
        assert not got
        assert dispatch_all(nc, 1000) == 1000
        assert got == list(range(1000)) and threads == {threading.get_ident()}
        assert (sub.processed, sub.received, sub.handler_errors) == (1000, 1000, 0)
        begin = time.monotonic()
        assert nc.dispatch(0.1) == 0 and nc.dispatch(0) == 0
        assert 0.05 < time.monotonic() - begin < 5


def test_many_subscriptions(url: str) -> None:
    got: list[str] = []
    with natskit.sync.connect(url) as nc:
        for i in range(200):
            nc.subscribe(f"several.{i}", cb=lambda msg: got.append(msg.subject))
        for i in range(200):
            nc.publish(f"several.{i}", b"")
        nc.flush()
        dispatch_all(nc, 200)
        assert len(set(got)) == 200


def test_errors(url: str, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Any] = []

    def handler(msg: natskit.sync.Msg) -> None:
        if msg.data == b"bad":
            raise KeyError("of a handler")
        if msg.data == b"stop":
            raise KeyboardInterrupt

    with natskit.sync.connect(url, error_cb=told.append) as nc:
        sub = nc.subscribe("errors", cb=handler)
        other = nc.subscribe("errors", cb=lambda msg: None)
        for data in (b"1", b"bad", b"2"):
            nc.publish("errors", data)
        nc.flush()
        with caplog.at_level(logging.ERROR, "natskit"):
            assert dispatch_all(nc, 6) == 6
        assert sub.handler_errors == 1 and "of a handler" in caplog.text
        assert [type(error) for error in told] == [KeyError]
        nc.publish("errors", b"stop")
        nc.publish("errors", b"after")
        nc.flush()
        with pytest.raises(KeyboardInterrupt):
            while True:
                nc.dispatch(10)
        while sub.processed < 5 or other.processed < 5:
            assert nc.dispatch(10)
    caplog.clear()  # what was raised refers to messages


def test_run_forever_ends_with_the_subscriptions(url: str) -> None:
    with natskit.sync.connect(url) as nc, natskit.sync.connect(url) as other:
        got: list[bytes] = []
        nc.run_forever()  # there is none
        nc.subscribe("forever", cb=lambda msg: got.append(msg.data))
        limited = nc.subscribe("forever", cb=lambda msg: None, max_msgs=1)
        nc.flush()
        work = threading.Thread(target=nc.run_forever)
        work.start()
        for i in range(3):
            other.publish("forever", str(i))
        other.flush()
        wait_for(lambda: len(got) == 3 and limited.reason is not None)
        assert work.is_alive()
        nc.drain(10)
        work.join(10)
        assert not work.is_alive() and got == [b"0", b"1", b"2"]


@pytest.mark.parametrize("way", ["subscription", "connection"])
def test_close_from_another_thread(url: str, way: str) -> None:
    nc = natskit.sync.connect(url)
    sub = nc.subscribe("closed", cb=lambda msg: None)
    work = threading.Thread(target=nc.run_forever)
    work.start()
    time.sleep(0.1)
    (sub if way == "subscription" else nc).close()
    work.join(10)
    assert not work.is_alive()
    nc.close()


@pytest.mark.parametrize("slow", (False, True))
def test_ends_from_inside(url: str, slow: bool) -> None:
    last = 1 if slow else 2  # the first of a turn, after which the clock is looked at, or another
    for call in ("unsubscribe", "close", "connection"):
        nc = natskit.sync.connect(url)
        got: list[bytes] = []

        def handler(msg: natskit.sync.Msg, nc: Any = nc, got: Any = got, call: str = call) -> None:
            got.append(msg.data)
            if len(got) == last:
                time.sleep(0.005 if slow else 0)  # longer than a turn
                nc.close() if call == "connection" else getattr(sub, call)()  # noqa: B023 (it is called in its round alone)

        sub = nc.subscribe("inside", cb=handler)
        for i in range(5):
            nc.publish("inside", str(i))
        nc.flush()
        nc.run_forever()
        assert len(got) == (5 if call == "unsubscribe" else last)
        nc.close()


def test_threads_share_the_work(url: str) -> None:
    running = most = 0
    lock = threading.Lock()

    def handler(msg: natskit.sync.Msg) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1

    with natskit.sync.connect(url) as nc, natskit.sync.connect(url) as other:
        for concurrency in (1, 3):
            most = 0
            sub = nc.subscribe("shared", cb=handler, concurrency=concurrency)
            nc.flush()
            threads = [threading.Thread(target=nc.run_forever) for _ in range(4)]
            for thread in threads:
                thread.start()
            for _ in range(200):
                other.publish("shared", b"")
            other.flush()
            wait_for(lambda sub=sub: sub.processed == 200, 30.0)
            assert most <= concurrency
            sub.unsubscribe()
            for thread in threads:
                thread.join(10)
                assert not thread.is_alive()


def test_a_handler_may_dispatch(url: str) -> None:
    """Then other subscriptions have their turn, its own has not."""
    order: list[str] = []
    with natskit.sync.connect(url) as nc:

        def outer(msg: natskit.sync.Msg) -> None:
            order.append("outer")
            nc.publish("nested.inner", b"")
            nc.flush()
            while "inner" not in order:
                nc.dispatch(5)

        nc.subscribe("nested.outer", cb=outer)
        nc.subscribe("nested.inner", cb=lambda msg: order.append("inner"))
        nc.publish("nested.outer", b"")
        nc.flush()
        while len(order) < 2:
            nc.dispatch(5)
        assert order == ["outer", "inner"]


def test_wrong_calls(url: str) -> None:
    with natskit.sync.connect(url) as nc:
        sub = nc.subscribe("wrong", cb=lambda msg: None)
        for take in (lambda: sub.next_msg(), lambda: sub.next_batch(1), lambda: next(sub), lambda: iter(sub)):
            with pytest.raises(errors.InvalidError, match="handler"):
                take()
        with pytest.raises(errors.InvalidError):
            nc.dispatch(-1)
        with pytest.raises(TypeError):
            nc.dispatch("1")  # type: ignore[arg-type]


def test_interrupted(url: str) -> None:
    script = """
import natskit.sync, sys
with natskit.sync.connect(sys.argv[1]) as nc:
    nc.subscribe("x", cb=lambda msg: None)
    print("ready", flush=True)
    try:
        nc.run_forever()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    package = str(Path(natskit.__file__).parents[1])
    work = subprocess.Popen(
        [sys.executable, "-c", script, url],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": package},
        text=True,
    )
    assert work.stdout and work.stdout.readline() == "ready\n"
    time.sleep(0.2)
    begin = time.monotonic()
    work.send_signal(signal.SIGINT)
    assert work.stdout.readline() == "interrupted\n"
    assert work.wait(20) == 0 and time.monotonic() - begin < 10
    work.stdout.close()


def test_fork_and_shutdown(url: str) -> None:
    """In a child the inherited connection calls no handlers; after the library's end dispatch() returns."""
    script = """
import natskit.sync, os, sys, threading
from natskit import errors
nc = natskit.sync.connect(sys.argv[1])
sub = nc.subscribe("x", cb=lambda msg: None)
child = os.fork()
if child == 0:
    try:
        nc.dispatch(5)
    except errors.ForkedError:
        with natskit.sync.connect(sys.argv[1]) as own:
            own.subscribe("y", cb=lambda msg: None)
            own.publish("y", b"")
            assert own.dispatch(10) == 1
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
nc.publish("x", b"")
assert nc.dispatch(10) == 1 and sub.processed == 1
work = threading.Thread(target=nc.run_forever)
work.start()
natskit.sync.shutdown(10)
work.join(10)
assert not work.is_alive() and nc.dispatch(10) == 0
"""
    package = str(Path(natskit.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script, url],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_grows(url: str) -> None:
    with natskit.sync.connect(url) as nc:
        kept = nc.subscribe("grow", cb=lambda msg: None)
        measure = []
        for _ in range(5):
            for _ in range(100):
                sub = nc.subscribe("grow", cb=lambda msg: None)
                nc.publish_batch([("grow", b"x")] * 5)
                nc.dispatch(1)
                sub.close()
            nc.flush()
            while kept.pending_msgs:
                nc.dispatch(1)
            gc.collect()
            measure.append(sys.getallocatedblocks())
        assert any(b - a <= 60 for a, b in zip(measure, measure[1:], strict=False)), measure
