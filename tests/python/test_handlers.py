# SPDX-License-Identifier: Apache-2.0
"""Handlers of asyncio: order and concurrency, what they raise, drains, ends from inside, what they
cost."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import natskit
import pytest
from natskit import errors
from natskit_testing import Server

WHERE: contextvars.ContextVar[str] = contextvars.ContextVar("WHERE", default="nowhere")


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.005)


KINDS = ["function", "coroutine", "suspends", "partial", "object", "returns", "method"]


@pytest.mark.parametrize("kind", KINDS)
async def test_order(url: str, kind: str) -> None:
    """One after another, in the order of the messages, whatever is given."""
    got: list[int] = []
    running = 0

    def function(msg: natskit.Msg) -> None:
        got.append(int(msg.data))

    async def coroutine(msg: natskit.Msg) -> None:
        function(msg)

    async def suspends(msg: natskit.Msg) -> None:
        nonlocal running
        running += 1
        assert running == 1
        if int(msg.data) % 3 == 0:
            await asyncio.sleep(0)
        elif int(msg.data) % 50 == 1:
            await asyncio.sleep(0.001)
        function(msg)
        running -= 1

    async def with_more(_: int, msg: natskit.Msg) -> None:
        await suspends(msg)

    class Handler:
        async def __call__(self, msg: natskit.Msg) -> None:
            await suspends(msg)

        async def method(self, msg: natskit.Msg) -> None:
            await suspends(msg)

    cb = {
        "function": function,
        "coroutine": coroutine,
        "suspends": suspends,
        "partial": functools.partial(with_more, 1),
        "object": Handler(),
        "returns": lambda msg: suspends(msg),
        "method": Handler().method,
    }[kind]
    async with natskit.connect(url) as nc, natskit.connect(url) as sender:
        sub = await nc.subscribe("order", cb=cb)
        await nc.flush()
        for i in range(1000):
            await sender.publish("order", str(i))
            if i % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(got) == 1000)
        assert got == list(range(1000))
        await until(lambda: sub.processed == 1000)
        assert (sub.received, sub.delivered, sub.handler_errors, sub.pending_msgs) == (1000, 1000, 0, 0)


async def test_concurrency(url: str) -> None:
    running = most = done = 0
    go = asyncio.Event()

    async def handler(msg: natskit.Msg) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await go.wait()
        running -= 1
        done += 1

    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("parallel", cb=handler, concurrency=5)
        for i in range(12):
            await nc.publish("parallel", str(i))
        await until(lambda: running == 5)
        await asyncio.sleep(0.05)
        assert (most, done, sub.delivered) == (5, 0, 5)
        go.set()
        await until(lambda: done == 12)
        assert most == 5
        await until(lambda: sub.processed == 12)
        go.clear()
        await nc.publish("parallel", b"")
        await until(lambda: running == 1)
        await nc.publish("parallel", b"")
        await until(lambda: running == 2)
        go.set()


async def test_errors(url: str, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Exception] = []
    got: list[bytes] = []

    def function(msg: natskit.Msg) -> None:
        got.append(msg.data)
        if msg.data == b"bad":
            raise KeyError("of a function")

    async def coroutine(msg: natskit.Msg) -> None:
        function(msg)
        await asyncio.sleep(0)
        if msg.data == b"later":
            raise KeyError("of a coroutine")

    async def error_cb(error: Exception) -> None:
        await asyncio.sleep(0)
        told.append(error)

    async with natskit.connect(url, error_cb=error_cb) as nc:
        with caplog.at_level(logging.ERROR, "natskit"):
            handlers = (function, coroutine, lambda msg: coroutine(msg))
            subs = [await nc.subscribe("errors", cb=cb) for cb in handlers]
            for data in (b"1", b"bad", b"2", b"later", b"3"):
                await nc.publish("errors", data)
            await until(lambda: [sub.processed for sub in subs] == [5, 5, 5])
        assert [sub.handler_errors for sub in subs] == [1, 2, 2]
        assert got.count(b"3") == 3
        await until(lambda: len(told) == 5)
        assert all(isinstance(error, KeyError) for error in told)
        assert len(caplog.records) == 5
        assert all(record.name == "natskit" and record.exc_info for record in caplog.records)
        assert "of a function" in caplog.text and "Traceback" in caplog.text
    caplog.clear()  # what was raised refers to messages


async def test_what_is_no_exception_ends_nothing(url: str) -> None:
    """CancelledError out of a function goes to the loop; messages go on."""
    got: list[bytes] = []
    seen: list[Any] = []

    def handler(msg: natskit.Msg) -> None:
        got.append(msg.data)
        if msg.data == b"cancel":
            raise asyncio.CancelledError

    async with natskit.connect(url) as nc:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        await nc.subscribe("cancel", cb=handler)
        for data in (b"1", b"cancel", b"2"):
            await nc.publish("cancel", data)
        await until(lambda: got == [b"1", b"cancel", b"2"])
        asyncio.get_running_loop().set_exception_handler(None)
        assert len(seen) == 1 and isinstance(seen[0]["exception"], asyncio.CancelledError)


async def test_context_and_task(url: str) -> None:
    found: list[tuple[str, bool]] = []

    def function(msg: natskit.Msg) -> None:
        found.append((WHERE.get(), asyncio.current_task() is None))

    async def coroutine(msg: natskit.Msg) -> None:
        assert asyncio.current_task() is not None
        async with asyncio.timeout(10):
            found.append((WHERE.get(), False))
            WHERE.set("inside")

    async with natskit.connect(url) as nc:
        WHERE.set("here")
        await nc.subscribe("context", cb=function)
        await nc.subscribe("context", cb=coroutine)
        WHERE.set("later")
        await nc.publish("context", b"")
        await until(lambda: len(found) == 2)
        assert sorted(found) == [("here", False), ("here", True)]
        assert WHERE.get() == "later"


@pytest.mark.parametrize("way", ["subscription", "connection"])
async def test_drain_waits_for_handlers(url: str, way: str) -> None:
    done = 0

    async def handler(msg: natskit.Msg) -> None:
        nonlocal done
        await asyncio.sleep(0.01)
        await msg.respond(b"done")
        done += 1

    async with natskit.connect(url) as nc, natskit.connect(url) as other:
        answers = await other.subscribe("drained.answers")
        subs = [await nc.subscribe("drained", cb=handler, concurrency=n) for n in (1, 4)]
        await nc.flush()
        await other.flush()
        for _ in range(20):
            await other.publish("drained", b"", "drained.answers")
        await other.flush()
        if way == "connection":
            await nc.drain(20)
        else:
            await asyncio.gather(*(sub.drain(20) for sub in subs))
        assert done == 40
        for _ in range(40):
            await answers.next_msg(10)


@pytest.mark.parametrize("call", ["unsubscribe", "close", "close connection", "drain"])
@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_ends_from_inside(url: str, call: str, kind: str) -> None:
    count = 0
    after: list[str] = []
    nc = await natskit.connect(url)
    waiting: list[Any] = []

    def end() -> Any:
        if call == "close connection":
            return nc.close()
        return sub.drain() if call == "drain" else getattr(sub, call)()

    def function(msg: natskit.Msg) -> None:
        nonlocal count
        count += 1
        if count == 3:
            waiting.append(end())
            after.append("went on")

    async def coroutine(msg: natskit.Msg) -> None:
        nonlocal count
        count += 1
        if count == 3:
            if call == "drain":  # it would wait for itself
                waiting.append(end())
            else:
                await end()
            await asyncio.sleep(0.01)
            after.append("went on")

    sub = await nc.subscribe("inside", cb=function if kind == "function" else coroutine)
    await nc.publish_batch([("inside", b"")] * 10)  # at once: the handler may close the connection
    await until(lambda: after)
    for one in waiting:
        await one
    await asyncio.sleep(0.02)
    if call in ("unsubscribe", "drain"):
        await until(lambda: sub.reason is not None)
        await until(lambda: count == sub.received)
    else:
        assert count == 3
    await nc.close()
    assert after == ["went on"]


async def test_close_cancels_tasks(url: str) -> None:
    ends: list[str] = []

    async def handler(msg: natskit.Msg) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    tasks = asyncio.all_tasks()
    for closes_connection in (False, True):
        ends.clear()
        async with natskit.connect(url) as nc:
            sub = await nc.subscribe("cancelled", cb=handler, concurrency=3)
            for _ in range(5):
                await nc.publish("cancelled", b"")
            await until(lambda sub=sub: sub.delivered == 3)
            await (nc.close() if closes_connection else sub.close())
            await until(lambda: ends == ["cancelled"] * 3)
            assert sub.is_closed
            assert asyncio.all_tasks() == tasks


async def test_it_is_kept(url: str) -> None:
    """The program need not keep the subscription; who closed the connection has given all back."""
    got: list[bytes] = []
    async with natskit.connect(url) as nc:
        await nc.subscribe("kept", cb=lambda msg: got.append(msg.data))
        gc.collect()
        await nc.publish("kept", b"1")
        await until(lambda: got == [b"1"])
    assert natskit.counters()["subs"] == 0


async def test_dropped_with_its_connection(url: str) -> None:
    async def run() -> None:
        nc = await natskit.connect(url)
        await nc.subscribe("dropped", cb=lambda msg: None)
        await nc.publish("dropped", b"")

    await run()
    await asyncio.sleep(0.05)
    gc.collect()
    await until(lambda: natskit.counters()["conns"] == 0)
    assert natskit.counters()["subs"] == 0


async def test_no_task_and_no_thread_for_a_thousand(url: str) -> None:
    got: set[str] = set()

    async def handler(msg: natskit.Msg) -> None:
        got.add(msg.subject)

    async with natskit.connect(url) as nc:
        tasks = asyncio.all_tasks()
        threads = threading.active_count(), natskit.counters()["threads"]
        for i in range(500):
            await nc.subscribe(f"thousand.{i}", cb=handler)
            await nc.subscribe(f"thousand.{500 + i}", cb=lambda msg: got.add(msg.subject))
        assert (threading.active_count(), natskit.counters()["threads"]) == threads
        assert asyncio.all_tasks() == tasks
        for i in range(1000):
            await nc.publish(f"thousand.{i}", b"")
        await until(lambda: len(got) == 1000)
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == tasks


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_the_loop_lives(url: str, kind: str) -> None:
    """A flood does not keep the loop from its other work."""
    count = 0
    longest = 0.0

    def function(msg: natskit.Msg) -> None:
        nonlocal count
        count += 1

    async def coroutine(msg: natskit.Msg) -> None:
        function(msg)

    async with natskit.connect(url) as nc, natskit.connect(url) as sender:
        sub = await nc.subscribe("flood", pending_msgs_limit=100_000)
        await nc.flush()
        for _ in range(50):
            await sender.publish_batch([("flood", b"x")] * 1000)
        await until(lambda: sub.received == 50_000)
        turns = 0
        cb = function if kind == "function" else coroutine
        sub._handle(cb, kind != "function", 1, contextvars.copy_context())
        while count < 50_000:
            before = count
            await asyncio.sleep(0)
            longest = max(longest, count - before)
            turns += 1
        assert longest <= 256 and turns >= 190


async def test_first_message_timeout(url: str, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Exception] = []
    async with natskit.connect(url, error_cb=told.append) as nc:
        sub = await nc.subscribe("silent", cb=lambda msg: None, first_msg_timeout=0.1)
        await until(lambda: told)
        assert isinstance(told[0], errors.TimeoutError) and sub.handler_errors == 0


async def test_max_msgs(url: str) -> None:
    got: list[bytes] = []
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("limited", "q", lambda msg: got.append(msg.data), max_msgs=3)
        for i in range(6):
            await nc.publish("limited", str(i))
        await until(lambda: sub.reason is not None)
        await until(lambda: got == [b"0", b"1", b"2"])
        assert isinstance(sub.reason, errors.MaxReachedError) and sub.max_msgs == 3


async def test_reconnect(server: Server) -> None:
    got: list[bytes] = []
    async with natskit.connect(server.url, reconnect_time_wait=0.05) as nc:
        await nc.subscribe("again", cb=lambda msg: got.append(msg.data))
        await nc.publish("again", b"1")
        await until(lambda: got == [b"1"])
        server.restart()
        await nc.publish("again", b"2")
        await until(lambda: got == [b"1", b"2"])


async def test_wrong_calls(url: str) -> None:
    async with natskit.connect(url) as nc:
        with pytest.raises(TypeError):
            await nc.subscribe("wrong", cb="no function")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await nc.subscribe("wrong", cb=print, concurrency=1.5)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidError):
            await nc.subscribe("wrong", cb=print, concurrency=0)
        sub = await nc.subscribe("right", cb=lambda msg: None)
        for take in (sub.next_msg, lambda: sub.next_batch(1), lambda: anext(sub), lambda: aiter(sub)):
            with pytest.raises(errors.InvalidError, match="handler"):
                take()


@pytest.mark.parametrize("kind", ["function", "coroutine", "suspends", "raises", "closes"])
async def test_nothing_grows(url: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("natskit").addFilter(silent := lambda record: False)
    count = 0

    async with natskit.connect(url) as nc:

        def function(msg: natskit.Msg) -> None:
            nonlocal count
            count += 1
            if kind == "raises":
                raise KeyError("again")

        async def coroutine(msg: natskit.Msg) -> None:
            function(msg)
            if kind == "suspends":
                await asyncio.sleep(0)

        cb = function if kind in ("function", "raises", "closes") else coroutine
        kept = None if kind == "closes" else await nc.subscribe("grow", cb=cb, concurrency=3)

        async def rounds() -> None:
            nonlocal count
            count = 0
            for _ in range(100):
                sub = kept or await nc.subscribe("grow", cb=cb)
                await nc.publish_batch([("grow", b"x")] * 5)
                if kind == "closes":
                    await sub.close()
                await asyncio.sleep(0)
            if kept:
                await until(lambda: count == 500)
                await until(lambda: not kept.pending_msgs)
            await nc.flush()
            await asyncio.sleep(0.01)

        measure = []
        for _ in range(5):
            await rounds()
            gc.collect()
            measure.append(sys.getallocatedblocks())
        assert any(b - a <= 60 for a, b in zip(measure, measure[1:], strict=False)), measure
    logging.getLogger("natskit").removeFilter(silent)
