# SPDX-License-Identifier: Apache-2.0
"""Nothing grows: each way through the extension, also each that fails, is gone many times, and the
interpreter holds as many blocks of memory afterwards as before."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import natskit
import natskit.sync
import pytest
from natskit import errors

ROUNDS = 300
SPARE = 60  # blocks: caches of the interpreter, not one for each round


def blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


def ways(nc: Any, sub: Any, events: Any) -> dict[str, Callable[[], Any]]:
    """Calls that give something to be awaited with asyncio, and are done with the blocking face."""
    wrong: Any = object()
    return {
        "publish": lambda: nc.publish("leak", b"x", "re.ply", {"A": ["1", "2"]}),
        "publish view": lambda: nc.publish("leak", memoryview(bytearray(b"x" * 70000))),
        "publish headers": lambda: nc.publish("leak", b"x", headers=natskit.Headers({"A": ["1", "2"]})),
        "publish json": lambda: nc.publish("leak", json={"a": [1]}, trace_destination="leak.trace"),
        "publish bad json": lambda: nc.publish("leak", json=wrong),
        "publish bad trace": lambda: nc.publish("leak", headers={"A": "1"}, trace_destination=wrong),
        "request of its own": lambda: nc.request("leak.nobody", b"x", 5, own_sub=True, json=None),
        "request bad reply": lambda: nc.request("leak", b"x", 5, reply="not ok"),
        "many": lambda: nc.request_many("leak.nobody", json=1, headers={"A": "1"}, max_msgs=1).close(),
        "many bad": lambda: nc.request_many("leak", b"x", reply="not ok"),
        "publish bad subject": lambda: nc.publish("not ok", b"x", headers={"A": "1"}),
        "publish bad type": lambda: nc.publish("leak", wrong),
        "publish bad header": lambda: nc.publish("leak", bytearray(b"x"), headers=[("A", "1"), ("B", 5)]),
        "publish bad call": lambda: nc.publish("leak", nonsense=1),
        "batch": lambda: nc.publish_batch([("leak", b"x"), ("leak", bytearray(b"y"), "", {"A": "1"})]),
        "batch that fails": lambda: nc.publish_batch([("leak", b"x"), ("leak", b"x", "not ok"), 5]),
        "request": lambda: nc.request("leak.nobody", b"x", 5, {"A": "1"}),
        "request bad": lambda: nc.request("not ok", bytearray(b"x")),
        "flush": lambda: nc.flush(),
        "jetstream": lambda: nc.jetstream().account_info(),
        "jetstream bad": lambda: nc.jetstream().call("stream.info", stream="a.b", more=[1]),
        "jetstream bad call": lambda: nc.jetstream().call("nonsense"),
        "nothing there": lambda: events.next_msg(0),
        "timeout": lambda: events.next_msg(0.001),
        "batch timeout": lambda: events.next_batch(3, 0.001),
        "next_msg": lambda: sub.next_msg(),
        "next_batch": lambda: sub.next_batch(2),
        "bad n": lambda: sub.next_batch(-1),
    }


def change(headers: Any) -> None:
    """Every way to change headers, also those that fail."""
    headers["B"] = ["1", "2"]
    headers.set("b", "3", match="ignore_case")
    headers.append("C", "4")
    headers.update({"C": "5"})
    headers.delete("c", match="canonical"), headers.last("B"), headers.copy(), repr(headers)
    with contextlib.suppress(errors.Error):
        headers["D"] = ["1", "a\nb"]
    with contextlib.suppress(TypeError):
        headers["D"] = ["1", 5]
    with contextlib.suppress(KeyError):
        del headers["missing"]


def look(nc: Any, sub: Any, msg: Any) -> None:
    """Everything that can be looked at."""
    for name in ("subject", "reply", "data", "headers", "sid", "status_code", "description", "text", "size"):
        getattr(msg, name)
    with contextlib.suppress(ValueError):
        msg.json()
    getattr(nc.publish_msg(msg, "leak.again"), "close", int)()  # asyncio: it waits for room, perhaps
    natskit.nuid(), nc.server_at_least(2), nc.client_ip
    change(natskit.Headers(msg))
    if msg.headers is not None:
        headers = msg.headers
        headers.pairs(), dict(headers), headers == {"A": "1"}, len(headers)
        headers.get("a", ignore_case=True), headers.get_all("A")
        with contextlib.suppress(KeyError):
            headers["missing"]
        with contextlib.suppress(TypeError):
            headers[5]
    bytes(memoryview(msg)), repr(msg), len(msg)
    for name in ("subject", "queue", "pending_msgs", "dropped", "reason", "messages"):
        getattr(sub, name)
    sub.stats(), repr(sub), nc.stats(), nc.new_inbox(), nc._server_info()
    for name in ("is_connected", "connected_url", "max_payload", "client_id", "last_error"):
        getattr(nc, name)


WAYS = list(ways(None, None, None))


def settled(measure: list[int]) -> bool:
    return measure[-1] - measure[-2] <= SPARE


@pytest.mark.parametrize("way", WAYS)
async def test_asyncio(url: str, way: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("leak", pending_msgs_limit=1_000_000)
        events = nc.events()
        call: Callable[[], Awaitable[Any]] = ways(nc, sub, events)[way]

        async def rounds() -> None:
            for i in range(ROUNDS):
                for _ in range(8):
                    await nc.publish("leak", b"filler", headers={"A": "1"} if i % 2 else None)
                with contextlib.suppress(errors.Error, TypeError):
                    await call()
                with contextlib.suppress(errors.Error, TypeError):
                    call().close()
                with contextlib.suppress(errors.Error, TypeError, asyncio.CancelledError):
                    task = asyncio.create_task(call())
                    await asyncio.sleep(0)
                    task.cancel()
                    await task
                look(nc, sub, await sub.next_msg())
                (await nc.subscribe("other")).close()
            while sub.pending_msgs:
                await sub.next_batch(1000)

        measure = [0]
        # The event loop keeps up to a hundred timers that were cancelled, so this may take some rounds.
        while len(measure) < 10 and not settled([*measure, blocks()][-2:]):
            measure.append(blocks())
            await rounds()
        assert settled([*measure, blocks()]), measure


@pytest.mark.parametrize("way", WAYS)
def test_sync(url: str, way: str) -> None:
    with natskit.sync.connect(url) as nc:
        sub = nc.subscribe("leak", pending_msgs_limit=1_000_000)
        events = nc.events()
        call = ways(nc, sub, events)[way]

        def rounds() -> None:
            for i in range(ROUNDS):
                for _ in range(8):
                    nc.publish("leak", b"filler", headers={"A": "1"} if i % 2 else None)
                with contextlib.suppress(errors.Error, TypeError):
                    call()
                look(nc, sub, next(sub) if i % 3 else sub.next_msg())
                nc.subscribe("other").close()
                while sub.pending_msgs > 100:
                    sub.next_batch(1000)
            while sub.pending_msgs:
                sub.next_batch(1000)

        measure = []
        for _ in range(4):
            rounds()
            measure.append(blocks())
        assert any(settled(measure[: i + 2]) for i in range(3)), measure


KEY_ROUNDS = 150  # each of them waits for the server


def key_ways(kv: Any) -> dict[str, Callable[[], Any]]:
    wrong: Any = object()
    return {
        "get": lambda: kv.get("a"),
        "get revision": lambda: kv.get("a", 1),
        "get nothing": lambda: kv.get("nothing"),
        "get deleted": lambda: kv.get("deleted"),
        "get bad key": lambda: kv.get("not ok"),
        "get bad revision": lambda: kv.get("a", -1),
        "put": lambda: kv.put("b", bytearray(b"x" * 600)),
        "put bad key": lambda: kv.put("not ok", memoryview(b"x")),
        "put bad value": lambda: kv.put("b", wrong),
        "create that is refused": lambda: kv.create("a", b"x"),
        "update that is refused": lambda: kv.update("a", bytearray(b"x"), 99999999),
        "delete": lambda: kv.delete("c"),
        "purge": lambda: kv.purge("c"),
        "keys": lambda: kv.keys(),
        "keys bad": lambda: kv.keys("not ok"),
        "history": lambda: kv.history("a"),
        "time is over": lambda: kv.history("a", 0),
        "watch": lambda: kv.watch("a", marker=True).close(),
        "watch bad": lambda: kv.watch("a", cb=5),
        "watch bad keys": lambda: kv.watch(["a", "not ok"]),
        "open": lambda: kv._js.key_value("L"),
        "open bad": lambda: kv._js.kv("not ok"),
        "configuration": lambda: kv._js.create_key_value(bucket="L", storage="memory"),
        "configuration bad": lambda: kv._js.create_key_value(bucket="L", history=99),
    }


def look_at_entry(entry: Any, watcher: Any) -> None:
    for name in ("bucket", "key", "value", "revision", "delta", "created", "created_ns", "length", "operation"):
        getattr(entry, name)
    repr(entry), repr(watcher), watcher.stats(), watcher.reason


KEY_WAYS = list(key_ways(None))


@pytest.mark.parametrize("way", KEY_WAYS)
async def test_keys_asyncio(js_url: str, way: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await nc.jetstream().create_key_value(bucket="L", storage="memory")
        await kv.put("a", b"1")
        await kv.delete("deleted")
        call = key_ways(kv)[way]

        async def rounds() -> None:
            for _ in range(KEY_ROUNDS):
                with contextlib.suppress(errors.Error, TypeError):
                    await call()
                with contextlib.suppress(errors.Error, TypeError):
                    call().close()
                with contextlib.suppress(errors.Error, TypeError, asyncio.CancelledError):
                    task = asyncio.create_task(call())
                    await asyncio.sleep(0)
                    task.cancel()
                    await task
            async with await kv.watch("a", marker=True) as watcher:
                async for entry in watcher:
                    if entry is None:
                        break
                    look_at_entry(entry, watcher)

        measure = [0]
        while len(measure) < 10 and not settled([*measure, blocks()][-2:]):
            measure.append(blocks())
            await rounds()
        assert settled([*measure, blocks()]), measure


@pytest.mark.parametrize("way", KEY_WAYS)
def test_keys_sync(js_url: str, way: str) -> None:
    with natskit.sync.connect(js_url) as nc:
        kv = nc.jetstream().create_key_value(bucket="L", storage="memory")
        kv.put("a", b"1")
        kv.delete("deleted")
        call = key_ways(kv)[way]

        def rounds() -> None:
            for _ in range(KEY_ROUNDS):
                with contextlib.suppress(errors.Error, TypeError):
                    call()
            with kv.watch("a", marker=True) as watcher:
                for entry in watcher:
                    if entry is None:
                        break
                    look_at_entry(entry, watcher)

        measure = []
        for _ in range(4):
            rounds()
            measure.append(blocks())
        assert any(settled(measure[: i + 2]) for i in range(3)), measure


def test_connections_and_errors(url: str) -> None:
    async def one() -> None:
        async with natskit.connect(url, name="n") as nc:
            sub = await nc.subscribe("a", "q", max_msgs=5)
            await nc.publish("a", b"x")
            await sub.next_msg()
            assert [event.type async for event in take(nc.events(), nc)]
        with contextlib.suppress(errors.Error):
            await natskit.connect(url, nonsense=1)
        with contextlib.suppress(TypeError):
            await natskit.connect(url, name=5)

    def rounds() -> None:
        for _ in range(30):
            asyncio.run(one())

    measure = []
    for _ in range(5):
        rounds()
        measure.append(blocks())
    assert any(settled(measure[: i + 2]) for i in range(4)), measure


async def take(events: natskit.Events, nc: natskit.Client) -> Any:
    """The events of the end."""
    await nc.close()
    async for event in events:
        for name in ("type", "error", "server", "subject", "text", "epoch", "sid", "count", "time_ns"):
            getattr(event, name)
        repr(event)
        yield event


def js_ways(nc: Any, consumer: Any) -> dict[str, Callable[[], Any]]:
    """The same with JetStream; the consumer's stream holds messages that need no ack."""
    lost = type(consumer)(nc.jetstream(), natskit.js.api.ConsumerInfo({"stream_name": "LEAK", "name": "no"}))
    return {
        "info": lambda: consumer.info(),
        "stream": lambda: nc.jetstream().stream("LEAK"),
        "message": lambda: nc.jetstream().get_msg("LEAK", 1),
        "refused": lambda: nc.jetstream().stream_info("NO"),
        "fetch": lambda: consumer.fetch(10),
        "fetch nothing": lambda: consumer.fetch(10, 0, max_bytes=1),
        "fetch from nobody": lambda: lost.fetch(1, 1),
        "fetch badly": lambda: consumer.fetch(1, 1, heartbeat=5),
        "consume": lambda: consumer.consume(max_msgs=5, status_events=True).close(),
        "consume badly": lambda: consumer.consume(expires=-5),
        "publish": lambda: nc.jetstream().publish("leak", b"x", msg_id=natskit.nuid(), headers={"A": "1"}),
        "publish badly": lambda: nc.jetstream().publish("leak", b"x", msg_id="a\nb", expected_last_seq=1),
        "publish wrongly": lambda: nc.jetstream().publish("leak", b"x", 5, expected_last_seq=1),
        "publisher": lambda: published(nc.jetstream().publisher(max_pending=4)),
    }


async def published(pub: natskit.Publisher) -> None:
    """Twenty messages, two of which their stream refuses."""
    async with pub:
        for number in range(18):
            await pub.publish("leak", b"x", headers={"A": "1"} if number % 2 else None)
        await pub.publish("leak", b"x", expected_last_seq=1)
        await pub.publish_batch([("leak", b"x", {"Nats-Expected-Last-Sequence": "1"})])


JS_WAYS = """info, stream, message, refused, fetch, fetch nothing, fetch from nobody, fetch badly, consume, consume badly,
    publish, publish badly, publish wrongly, publisher"""


@pytest.mark.parametrize("way", [way.strip() for way in JS_WAYS.split(",")])
async def test_jetstream(js_url: str, way: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="LEAK", subjects=["leak"], storage="memory")
        await nc.publish_batch([("leak", b"x", "", {"A": "1"})] * 20000)
        await js.add_consumer("LEAK", name="c", ack_policy="none")
        call = js_ways(nc, await js.consumer("LEAK", "c"))[way]

        async def rounds() -> None:
            for _ in range(ROUNDS // 3):
                with contextlib.suppress(errors.Error):
                    result = await call()
                    if isinstance(result, natskit.Stream):
                        repr(result.cached_info.config), result.cached_info.state.messages
                    for msg in result if isinstance(result, list) else []:
                        look_at_delivery(msg)
                with contextlib.suppress(errors.Error, asyncio.CancelledError):
                    work = call()
                    task = asyncio.ensure_future(work)
                    await asyncio.sleep(0)
                    task.cancel()
                    await task

        measure = [0]
        while len(measure) < 10 and not settled([*measure, blocks()][-2:]):
            measure.append(blocks())
            await rounds()
        assert settled([*measure, blocks()]), measure


def look_at_delivery(msg: Any) -> None:
    repr(msg.metadata), msg.is_acked, msg.headers
