# SPDX-License-Identifier: Apache-2.0
"""The catalogue of bad inputs and faults (tests/catalogue): a scripted server plays each case, and what the client
makes of it is compared with what the case expects. Only errors of natskit may leave the library; memory is watched
meanwhile."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import natskit
import pytest
from cases import Case, read, unescape
from natskit import errors
from natskit_testing import Scripted

SLACK = 3.0  # seconds that a busy machine adds to a deadline
STEP = 15.0  # for what should come at once
FILL = bytes(32768)


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """After each of some hundred tests garbage is collected: what is there before them need not be looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def plain(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@contextlib.contextmanager
def bounded_memory(limit: Callable[[], int]) -> Iterator[None]:
    """Looks at what the library holds while the block runs."""
    start = peak = natskit.counters()["allocated_bytes"]
    done = threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, natskit.counters()["allocated_bytes"])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert peak - start <= limit(), f"{(peak - start) // 1024} KiB of memory"


@contextlib.contextmanager
def in_time(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds + SLACK, "the deadline was not kept"


class Player:
    """One case; each step has its method."""

    def __init__(self, server: Scripted) -> None:
        self.server = server
        self.options: dict[str, Any] = {}
        self.deadline = STEP
        self.memory = 1024 * 1024
        self.url = server.url
        self.nc: natskit.Client | None = None
        self.subs: dict[str, natskit.Subscription] = {}

    async def play(self, step: str) -> None:
        word, _, rest = step.partition(" ")
        if word not in ("set", "deadline", "memory", "url", "fails") and self.nc is None:
            await self.connect()
            assert self.nc is not None
            self.events = self.nc.events()
            await self.step_subscribe("x")
        await getattr(self, "step_" + word.replace("-", "_"))(rest)

    async def connect(self) -> None:
        with in_time(self.deadline):
            self.nc = await natskit.connect(self.url, timeout=self.deadline, **self.options)

    async def close(self) -> None:
        if self.nc is not None:
            await self.nc.close(0)
            await self.events.close()
        for sub in self.subs.values():
            await sub.close()

    # ---------------------------------------------------------------- settings

    async def step_set(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        self.options[name] = value == "true" if value in ("true", "false") else int(value)

    async def step_deadline(self, rest: str) -> None:
        self.deadline = int(rest) / 1000

    async def step_memory(self, rest: str) -> None:
        self.memory = int(rest) * 1024

    async def step_url(self, rest: str) -> None:
        self.url = rest.replace("@", str(self.server.port))

    # ---------------------------------------------------------- the connection

    async def step_fails(self, rest: str) -> None:
        names, _, text = rest.partition(" ")
        with pytest.raises(errors.Error) as caught:
            await self.connect()
        assert caught.value.name in names.split("|"), repr(caught.value)
        assert caught.value.text and text.removeprefix("~") in caught.value.text

    async def step_event(self, rest: str) -> None:
        name, _, rest = rest.partition(" ")
        status, _, text = rest.partition(" ")
        while True:
            self.event = await self.events.next_msg(STEP)
            if self.event.type == name:
                break
        if status:
            assert self.event.error is not None and self.event.error.name in status.split("|"), repr(self.event)
        assert text.removeprefix("~") in self.event.text

    async def step_count(self, rest: str) -> None:
        assert self.event.count == int(rest)

    async def step_about(self, rest: str) -> None:
        assert plain(self.event.subject) == unescape(rest)

    async def step_closed(self, rest: str) -> None:
        await self.step_event("closed " + rest)
        for queue in (self.events, self.subs["x"]):
            with pytest.raises(errors.SubscriptionEnded):
                await queue.next_msg(STEP)

    def stats(self) -> dict[str, int]:
        assert self.nc is not None
        return self.nc.stats()

    async def step_reconnects(self, rest: str) -> None:
        assert self.stats()["reconnects"] == int(rest)

    async def step_orphans(self, rest: str) -> None:
        assert self.stats()["orphan_msgs"] == int(rest)

    async def step_max_payload(self, rest: str) -> None:
        assert self.nc is not None and self.nc.max_payload == int(rest)

    # ---------------------------------------------------------------- messages

    async def step_subscribe(self, rest: str) -> None:
        subject, _, limit = rest.partition(" ")
        assert self.nc is not None
        self.sub = self.subs[subject] = await self.nc.subscribe(subject, max_msgs=int(limit) if limit else None)

    async def step_unsubscribe(self, rest: str) -> None:
        await self.sub.unsubscribe()

    async def step_on(self, rest: str) -> None:
        self.sub = self.subs[rest]

    async def step_message(self, rest: str) -> None:
        self.msg = await self.sub.next_msg(STEP)
        assert self.msg.data == unescape(rest)

    async def step_probe(self, rest: str) -> None:
        await self.step_message("probe")

    async def step_bytes(self, rest: str) -> None:
        self.msg = await self.sub.next_msg(STEP)
        assert len(self.msg.data) == int(rest)

    async def step_ends(self, rest: str) -> None:
        with pytest.raises(errors.SubscriptionEnded):
            await self.sub.next_msg(STEP)
        assert self.sub.reason is not None and self.sub.reason.name == rest

    async def step_subject(self, rest: str) -> None:
        assert plain(self.msg.subject) == unescape(rest)

    async def step_reply(self, rest: str) -> None:
        assert plain(self.msg.reply) == unescape(rest)

    async def step_code(self, rest: str) -> None:
        code, _, description = rest.partition(" ")
        assert self.msg.status_code == int(code)
        assert plain(self.msg.description) == unescape(description)

    def pairs(self) -> list[tuple[str, str]]:
        return self.msg.headers.pairs() if self.msg.headers is not None else []

    async def step_headers(self, rest: str) -> None:
        assert len(self.pairs()) == int(rest)

    async def step_header(self, rest: str) -> None:
        index, name, value = (rest + "  ").split(" ", 2)
        got = self.pairs()[int(index) - 1]
        assert (plain(got[0]), plain(got[1])) == (unescape(name), unescape(value[:-2] if value else ""))

    # ---------------------------------------------------- what the client does

    async def step_publish(self, rest: str) -> None:
        status, _, headers = rest.partition(" ")
        assert self.nc is not None
        name = "OK"
        try:
            await self.nc.publish("y", b"data", headers={"A": "b"} if headers else None, timeout=STEP)
        except errors.Error as error:
            name = error.name
        assert name in status.split("|"), name

    async def step_flush(self, rest: str) -> None:
        status, _, ms = rest.partition(" ")
        assert self.nc is not None
        name = "OK"
        with in_time(int(ms) / 1000):
            try:
                await self.nc.flush(int(ms) / 1000)
            except errors.Error as error:
                name = error.name
        assert name in status.split("|"), name

    async def step_request(self, rest: str) -> None:
        status, _, ms = rest.partition(" ")
        assert self.nc is not None
        name = "OK"
        with in_time(int(ms) / 1000):
            try:
                await self.nc.request("service", b"data", int(ms) / 1000)
            except errors.Error as error:
                name = error.name
        assert name in status.split("|"), name

    async def step_fill(self, rest: str) -> None:
        status, _, ms = rest.partition(" ")
        assert self.nc is not None
        end = time.monotonic() + STEP
        name = "OK"
        while name == "OK" and time.monotonic() < end:
            with in_time(int(ms) / 1000):
                try:
                    await self.nc.publish("y", FILL, timeout=int(ms) / 1000)
                except errors.Error as error:
                    name = error.name
        assert name in status.split("|"), name

    async def step_proceed(self, rest: str) -> None:
        self.server.proceed()


@pytest.mark.parametrize("case", read(), ids=lambda case: case.id)
async def test_case(case: Case) -> None:
    with Scripted(case.script, timeout=STEP) as server:
        player = Player(server)
        step = ""
        try:
            with bounded_memory(lambda: player.memory):
                for step in case.steps:
                    await player.play(step)
                step = "at the end"
        except BaseException as error:
            error.add_note(f"case {case.title} ({case.where}), step: {step}")
            raise
        finally:
            await player.close()
