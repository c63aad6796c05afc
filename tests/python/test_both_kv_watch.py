# SPDX-License-Identifier: Apache-2.0
"""Watches of key-value buckets as iterators: what they begin with, what they survive, how they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# [async]
import asyncio
import random

# [end]
import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Server, Tap


async def made(nc: natskit.Client, **config: Any) -> natskit.KeyValue:
    """The bucket B, which keeps everything."""
    return await nc.jetstream().create_key_value(**{"bucket": "B", "history": 64, **config})


async def until(condition: Callable[[], Any], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        await face.nap(0.005)


async def told(watcher: natskit.Watcher, count: int) -> list[Any]:
    """So many of its entries: what identifies each; None for the marker."""
    found: list[Any] = []
    for _ in range(count):
        entry = await watcher.next_msg(20)
        found.append(entry and (entry.key, entry.revision, entry.operation))
    return found


async def silent(watcher: natskit.Watcher) -> None:
    with pytest.raises(errors.TimeoutError):
        await watcher.next_msg(0.2)


# --------------------------------------------------------------------------------- what it begins with


async def filled(nc: natskit.Client) -> natskit.KeyValue:
    kv = await made(nc, storage="memory")
    await kv.put("a.x", b"1")
    await kv.put("a.y", b"2")
    await kv.put("a.x", b"3")
    await kv.put("b", b"4")
    await kv.delete("b")
    await kv.put("c", b"six")
    return kv


BEGINS: list[tuple[Any, dict[str, Any], list[Any]]] = [
    (None, {}, [("a.y", 2, None), ("a.x", 3, None), ("b", 5, "DEL"), ("c", 6, None)]),
    (">", {"ignore_deletes": True}, [("a.y", 2, None), ("a.x", 3, None), ("c", 6, None)]),
    ("a.*", {}, [("a.y", 2, None), ("a.x", 3, None)]),
    ("a.x", {"include_history": True}, [("a.x", 1, None), ("a.x", 3, None)]),
    (["a.x", "c"], {}, [("a.x", 3, None), ("c", 6, None)]),
    (("b",), {"include_history": True}, [("b", 4, None), ("b", 5, "DEL")]),
    (None, {"from_revision": 4}, [("b", 4, None), ("b", 5, "DEL"), ("c", 6, None)]),
    ("a.>", {"from_revision": 3}, [("a.x", 3, None)]),
    (None, {"updates_only": True}, []),
    ("nothing.here", {}, []),
    ([], {"from_revision": 6}, [("c", 6, None)]),
]


@pytest.mark.parametrize("case", range(len(BEGINS)))
async def test_begins(js_url: str, case: int) -> None:
    """What there is, the marker once, then what is written."""
    keys, options, wanted = BEGINS[case]
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        watcher = kv.watch(keys, marker=True, **options)
        assert await told(watcher, len(wanted) + 1) == [*wanted, None]
        await silent(watcher)
        plain = kv.watch(keys, **options)
        assert await told(plain, len(wanted)) == wanted
        await silent(plain)
        key = "a.x" if keys is None or "a" in str(keys) else "nothing.here" if "no" in str(keys) else "b"
        key = "c" if keys == [] else key
        await kv.put(key, b"new")
        for each in (watcher, plain):
            assert await told(each, 1) == [(key, 7, None)]
            await silent(each)
            await each.close()


async def test_an_empty_bucket(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, storage="memory")
        kinds: tuple[dict[str, Any], ...] = ({}, {"include_history": True}, {"updates_only": True}, {"meta_only": True})
        for options in kinds:
            async with kv.watchall(marker=True, **options) as watcher:
                begin = time.monotonic()
                assert await watcher.next_msg(20) is None
                assert time.monotonic() - begin < 5
                await silent(watcher)
        assert nc.stats()["subs"] <= 1


async def test_names_of_nats_py(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        watcher = kv.watch("c", marker=True)
        entry = await watcher.updates()
        assert entry is not None and entry.key == "c"
        assert await watcher.updates(timeout=20) is None
        with pytest.raises(errors.TimeoutError):
            await watcher.updates(0.05)
        await watcher.stop()
        assert watcher.is_closed
        with pytest.raises(errors.SubscriptionClosedError):
            await watcher.updates()
        with pytest.raises(TypeError):
            kv.watch("c", print)  # type: ignore[misc]  # nats-py has another parameter there
        try:
            assert await kv.keys("nothing.here") == []
        except errors.NoKeysError:
            raise AssertionError from None


@pytest.mark.parametrize("name", ["meta_only", "headers_only"])
async def test_without_values(js_url: str, name: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        watcher = kv.watch("c", **{name: True})  # type: ignore[arg-type]
        entry = await watcher.next_msg(20)
        assert (entry.key, entry.value, entry.length, entry.operation) == ("c", b"", 3, None)
        await kv.purge("c")
        assert (await watcher.next_msg(20)).operation == "PURGE"
        await watcher.close()


async def test_what_a_watcher_is(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        watcher = kv.watch(["a.*", "b"])
        assert isinstance(watcher, natskit.Watcher) and repr(watcher) == "<Watcher subject='B: a.*,b'>"
        # [async]
        assert await watcher is watcher
        # [end]
        assert watcher.subject == "B: a.*,b" and watcher.reason is None and watcher.messages is watcher
        entries = []
        async for entry in watcher:
            entries.append(entry)
            if len(entries) == 2:
                break  # leaving the loop loses nothing
        async for entry in watcher:
            entries.append(entry)
            break
        assert [entry.delta for entry in entries] == [2, 1, 0]
        assert [entry.revision for entry in entries] == [2, 3, 5]
        assert entries[0].value is entries[0].value
        await until(lambda: watcher.stats()["live"])  # entries may be faster than the answer that tells of that
        stats = watcher.stats()
        assert (stats["last_revision"], stats["live"], stats["initial_done"], stats["resets"]) == (5, 1, 1, 0)
        await kv.put("a.1", b"")
        await kv.put("a.2", b"")
        await until(lambda: watcher.pending_msgs == 2)
        assert [entry.key for entry in await watcher.next_batch(10)] == ["a.1", "a.2"]
        await watcher.close()
        assert watcher.is_closed and isinstance(watcher.reason, errors.SubscriptionClosedError)
        with pytest.raises(errors.SubscriptionClosedError):
            await watcher.next_msg()
        with pytest.raises(TypeError):
            natskit.Watcher()
        with pytest.raises(errors.InvalidError):
            kv.watch(["a"] * 65)


async def test_a_handler(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        found: list[int] = []
        watcher = kv.watch("a.*", cb=lambda entry: found.append(entry.revision))
        every = kv.watchall(cb=lambda entry: found.append(-entry.revision), ignore_deletes=True)
        # [sync] while len(found) < 5:
        # [sync]     nc.dispatch(5)
        await until(lambda: len(found) == 5)
        await kv.put("a.z", b"")
        # [sync] while len(found) < 7:
        # [sync]     nc.dispatch(5)
        await until(lambda: len(found) == 7)
        assert [number for number in found if number > 0] == [2, 3, 7]
        assert [number for number in found if number < 0] == [-2, -3, -6, -7]
        await watcher.close()
        await every.close()
        marked: list[Any] = []

        async def handle(entry: Any) -> None:
            marked.append(entry and entry.revision)

        watcher = kv.watch("a.*", cb=handle, marker=True)
        # [sync] while len(marked) < 4:
        # [sync]     nc.dispatch(5)
        await until(lambda: len(marked) == 4)
        await kv.put("a.z", b"")
        # [sync] while len(marked) < 5:
        # [sync]     nc.dispatch(5)
        await until(lambda: len(marked) == 5)
        assert marked == [2, 3, 7, None, 8] and watcher.handler_errors == 0
        await watcher.close()


# ------------------------------------------------------------------------------------- what it survives


class Run:
    """A writer straight to the server, and a loop over a watch through the tap, with all that it gave."""

    def __init__(self) -> None:
        self.written = 0
        self.got: list[int] = []
        self.marks = 0
        self.stop = False
        self.work: Any = None
        self.loop: Any = None

    async def write(self, kv: natskit.KeyValue) -> None:
        n = 0
        while not self.stop:
            try:
                await kv.put(f"a.{n}", b"%d" % n, timeout=1)
            except errors.Error:  # perhaps it is stored: an entry more then
                await face.nap(0.01)
                continue
            n += 1
            self.written = n
            await face.nap(0.001)

    async def follow(self, watcher: natskit.Watcher, pause: float = 0.0) -> None:
        async for entry in watcher:
            if entry is None:
                self.marks += 1
                continue
            self.got.append(entry.revision)
            if pause and entry.revision % 50 == 0:
                await face.nap(pause)

    async def more(self, count: int = 30) -> None:
        """Until so many more are written, and taken."""
        wanted = self.written + count
        await until(lambda: self.written >= wanted)
        await until(lambda: len(self.got) >= wanted)

    async def end(self, kv: natskit.KeyValue, watcher: natskit.Watcher) -> None:
        """Everything has come, once and in order."""
        self.stop = True
        await face.join(self.work)
        last = (await kv.status()).state.last_seq
        assert last >= self.written > 0
        await until(lambda: len(self.got) >= last and self.marks > 0)
        assert self.got == list(range(1, last + 1)) and self.marks == 1
        stats = watcher.stats()
        assert stats["dropped_msgs"] == 0 and stats["last_revision"] == last
        await watcher.close()
        await face.join(self.loop)


FAST = {"reconnect_wait_ms": 20, "reconnect_wait_max_ms": 100}


async def through(happen: Callable[..., Any], storage: str = "memory") -> None:
    """What `happen` does to server, tap and bucket takes nothing from a watch."""
    with Server() as own, Tap(own) as tap:
        async with natskit.connect(tap.url, **FAST) as nc, natskit.connect(own.url, **FAST) as other:
            writer = await made(other, storage=storage)
            kv = nc.jetstream().kv("B")
            watcher = kv.watch("a.*", marker=True)
            run = Run()
            run.work = face.spawn(run.write, writer)
            run.loop = face.spawn(run.follow, watcher)
            await run.more()
            await happen(own, tap, writer, watcher, run)
            await run.more()
            await run.end(writer, watcher)


async def test_a_restarted_server() -> None:
    async def happen(own: Server, tap: Tap, kv: natskit.KeyValue, watcher: natskit.Watcher, run: Run) -> None:
        for end in (own.stop, own.kill, own.stop):
            end()
            await face.nap(0.1)
            own.restart()
            await run.more()
        assert watcher.stats()["resets"] >= 3

    await through(happen, "file")


async def test_a_deleted_consumer() -> None:
    async def happen(own: Server, tap: Tap, kv: natskit.KeyValue, watcher: natskit.Watcher, run: Run) -> None:
        for count in range(1, 3):
            for name in await kv._js.consumer_names("KV_B"):
                await kv._js.delete_consumer("KV_B", name)
            await until(lambda wanted=count: watcher.stats()["resets"] >= wanted)
            await run.more()

    await through(happen)


async def test_cut_connections() -> None:
    async def happen(own: Server, tap: Tap, kv: natskit.KeyValue, watcher: natskit.Watcher, run: Run) -> None:
        for command in ("live cut", "live reset", "live down cut-after 1000", "live down cut-in-msg", "live cut"):
            tap.command(command)
            await run.more(20)

    await through(happen)


async def test_slow_taking() -> None:
    """The server is held up, nothing is dropped."""
    with Server() as own, Tap(own) as tap:
        async with natskit.connect(tap.url, **FAST) as nc, natskit.connect(own.url, **FAST) as other:
            writer = await made(other, storage="memory")
            for i in range(4000):
                await other.publish(f"$KV.B.a.{i}", b"v" * 1000)
            await other.flush()
            while (await writer.status()).state.last_seq < 4000:
                await face.nap(0.01)
            run = Run()
            watcher = nc.jetstream().kv("B").watch(marker=True)
            run.written = 4000
            run.work = face.spawn(face.rest)
            run.loop = face.spawn(run.follow, watcher, 0.05)
            await run.end(writer, watcher)


async def test_a_watch_before_its_server_is_back() -> None:
    with Server() as own:
        async with natskit.connect(own.url, **FAST) as nc:
            kv = await made(nc)
            await kv.put("a", b"1")
            own.stop()
            watcher = kv.watch()
            with pytest.raises(errors.TimeoutError):
                await watcher.next_msg(0.2)
            own.restart()
            assert (await watcher.next_msg(30)).value == b"1"
            await watcher.close()


# ----------------------------------------------------------------------------------------- how it ends


async def test_a_deleted_bucket(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        watcher = kv.watch()
        found = []
        with pytest.raises(errors.StreamNotFoundError):
            async for entry in watcher:
                found.append(entry.revision)
                if len(found) == 4:
                    await nc.jetstream().delete_key_value("B")
        assert found == [2, 3, 5, 6]
        assert isinstance(watcher.reason, errors.StreamNotFoundError)
        with pytest.raises(errors.StreamNotFoundError):
            async for _ in watcher:
                raise AssertionError
        with pytest.raises(errors.StreamNotFoundError):
            async for _ in nc.jetstream().kv("never").watch():
                raise AssertionError


async def test_a_deleted_bucket_of_a_handler(js_url: str) -> None:
    told: list[Exception] = []
    async with natskit.connect(js_url, error_cb=told.append) as nc:
        kv = await made(nc)
        watcher = kv.watch(cb=lambda entry: None)
        closed = kv.watch(cb=lambda entry: None)
        await closed.close()
        await nc.jetstream().delete_key_value("B")
        await until(lambda: told)  # [async]
        # [sync] until(lambda: nc.dispatch(0.1) < 0 or told)
        assert isinstance(told[0], errors.StreamNotFoundError) and str(told[0]) == str(watcher.reason)
        await watcher.close()
    assert len(told) == 1


@pytest.mark.parametrize("way", ["close", "drain", "unsubscribe", "connection", "drain of the connection"])
async def test_closing_ends_the_loop(js_url: str, way: str) -> None:
    nc = await natskit.connect(js_url)
    kv = await filled(nc)
    watcher = kv.watch()
    run = Run()
    run.loop = face.spawn(run.follow, watcher)
    await until(lambda: len(run.got) == 4)
    if way == "close":
        await watcher.close()
    elif way == "drain":
        await watcher.drain(20)
    elif way == "unsubscribe":
        await watcher.unsubscribe()
    elif way == "connection":
        await nc.close()
    else:
        await nc.drain(20)
    await face.join(run.loop)
    assert run.got == [2, 3, 5, 6]
    await nc.close()


async def test_dropped_without_closing(js_url: str) -> None:
    """Its consumer goes with it."""
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        async for entry in kv.watch():
            assert entry.revision == 2
            break
        js = nc.jetstream()
        deadline = time.monotonic() + 20
        while await js.consumer_names("KV_B"):
            assert time.monotonic() < deadline
            await face.nap(0.05)


# [async]
async def test_keys_while_written(js_url: str) -> None:
    """Each key is listed once, and none is missing, however often it is written meanwhile."""
    count = 500
    async with natskit.connect(js_url) as nc, natskit.connect(js_url) as other:
        kv = await made(nc, storage="memory", history=1)
        writer = other.jetstream().kv("B")
        await asyncio.gather(*(kv.put(f"k.{number}", b"1") for number in range(count)))

        async def write() -> None:
            while True:
                await asyncio.gather(*(writer.put(f"k.{random.randrange(count)}", b"x") for _ in range(100)))

        writing = asyncio.ensure_future(write())
        for _ in range(30):
            assert sorted(await kv.keys()) == sorted(f"k.{number}" for number in range(count))
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing


async def test_a_cancelled_task(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        watcher = kv.watch()
        run = Run()
        work = asyncio.create_task(run.follow(watcher))
        await until(lambda: len(run.got) == 4)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await kv.put("d", b"")
        assert (await watcher.next_msg(20)).key == "d"
        await watcher.close()


async def test_cancelling_loses_nothing(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, storage="memory")
        watcher = kv.watch("a.*")
        run = Run()
        run.work = asyncio.create_task(run.write(kv))
        chance = random.Random(7)
        while len(run.got) < 500:
            try:
                entry = await asyncio.wait_for(anext(watcher), chance.random() * 0.003)
            except TimeoutError:
                continue
            run.got.append(entry.revision)
        run.stop = True
        await run.work
        assert run.got == list(range(1, 501))
        await watcher.close()


async def test_cancelled_calls(js_url: str) -> None:
    """Each await can be cancelled, and leaves nothing behind."""
    async with natskit.connect(js_url) as nc:
        kv = await filled(nc)
        calls = (
            lambda: kv.get("c"),
            lambda: kv.put("n", b"x"),
            lambda: kv.create("m", b"x"),
            lambda: kv.keys(),
            lambda: kv.history("c"),
        )
        for call in calls:
            cancelled = 0
            for _ in range(20):
                task = asyncio.create_task(call())
                await asyncio.sleep(0)
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    cancelled += 1
                except errors.KeyExistsError:  # the answer was faster
                    pass
            assert cancelled > 0
        assert sorted(await kv.keys("c")) == ["c"]
        assert nc.stats()["subs"] <= 1


# [end]
