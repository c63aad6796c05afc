# SPDX-License-Identifier: Apache-2.0
"""Messages of pull consumers: fetching, the next one, consuming, against a real server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Server


async def made(nc: natskit.Client, count: int = 0, **config: Any) -> natskit.Consumer:
    """A stream with so many messages, and a consumer of it."""
    js = nc.jetstream()
    await js.add_stream(name="S", subjects=["s.>"])
    await fill(nc, count)
    await js.add_consumer("S", **{"durable_name": "c", **config})
    return await js.consumer("S", "c")


async def fill(nc: natskit.Client, count: int, start: int = 0) -> None:
    for i in range(start, start + count):
        await nc.publish("s.x", b"%d" % i, headers={"Number": str(i)} if i % 2 else None)
    await nc.flush()


def numbers(msgs: list[natskit.Msg]) -> list[int]:
    return [int(msg.data) for msg in msgs]


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        await face.nap(0.005)


# ---------------------------------------------------------------------------------------------- fetch


async def test_fetch(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 25)
        assert numbers(await consumer.fetch()) == [0]
        msgs = await consumer.fetch(10)
        assert numbers(msgs) == list(range(1, 11))
        msg = msgs[0]
        assert (msg.subject, msg.metadata.stream, msg.metadata.consumer) == ("s.x", "S", "c")
        assert msg.headers is not None and msg.headers["Number"] == "1" and msgs[1].headers is None
        begin = time.monotonic()
        assert numbers(await consumer.fetch(100, 2)) == list(range(11, 25))
        assert 1.9 < time.monotonic() - begin < 20
        assert await consumer.fetch(5, 0.1) == []
        assert await consumer.fetch(5, 0) == []
        await fill(nc, 3, 100)
        while (await consumer.info()).num_pending < 3:  # a stream stores what is published in its own time
            pass
        begin = time.monotonic()
        assert numbers(await consumer.fetch(5, 0)) == [100, 101, 102]
        assert time.monotonic() - begin < 20
        assert nc.stats()["subs"] <= 1


async def test_fetch_by_bytes(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 50)
        some = await consumer.fetch(max_bytes=1000, timeout=20)
        assert 0 < len(some) < 50 and sum(msg.size for msg in some) <= 1000
        assert len(await consumer.fetch(2, 20, max_bytes=1000)) == 2


async def test_fetch_many(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 5000, max_ack_pending=-1)
        assert numbers(await consumer.fetch(4000)) == list(range(4000))
        assert numbers(await consumer.fetch(4000, 0.3)) == list(range(4000, 5000))


async def test_acks(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 4, ack_wait=30)
        msgs = await consumer.fetch(4)
        await msgs[0].ack()
        await msgs[1].nak()
        await msgs[2].term()
        await msgs[3].ack_sync(5)
        again = await consumer.next()
        assert again.data == b"1" and again.metadata.redelivered
        await again.ack_sync(5)
        info = await consumer.info()
        assert (info.num_ack_pending, info.num_pending, info.ack_floor.stream_seq) == (0, 0, 4)


async def test_next(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 1)
        assert (await consumer.next()).data == b"0"
        for timeout in (0, 0.05):
            with pytest.raises(errors.TimeoutError):
                await consumer.next(timeout)
        waiting = face.spawn(consumer.next, 20)
        await face.nap(0.1)
        await nc.publish("s.x", b"late")
        assert (await face.join(waiting)).data == b"late"


async def test_many_fetch_at_once(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc)
        waiting = [face.spawn(consumer.fetch, 10, 20) for _ in range(10)]
        await fill(nc, 100)
        got = []
        for work in waiting:
            msgs = await face.join(work)
            assert len(msgs) == 10
            got += numbers(msgs)
        assert sorted(got) == list(range(100))


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception]]] = [
    ((0,), {}, errors.InvalidError),
    ((-1,), {}, errors.InvalidError),
    ((2_000_000,), {}, errors.InvalidError),
    (("5",), {}, TypeError),
    ((True,), {}, TypeError),
    ((2.5,), {}, TypeError),
    ((1, -1), {}, errors.InvalidError),
    ((1, 1e5), {}, errors.InvalidError),
    ((1, "5"), {}, TypeError),
    ((1, None), {}, TypeError),
    ((1,), {"heartbeat": 20}, errors.InvalidError),
    ((1,), {"priority": 11}, errors.InvalidError),
    ((1,), {"nonsense": 1}, TypeError),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
async def test_wrong_arguments(js_url: str, case: int) -> None:
    args, named, wanted = WRONG[case]
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 1)
        with pytest.raises(wanted):
            await consumer.fetch(*args, **named)
        with pytest.raises((errors.InvalidError, TypeError)):
            consumer.consume(max_msgs=-1)
        with pytest.raises(TypeError):
            consumer.consume(5)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidError):
            consumer.consume(lambda msg: None, concurrency=0)


async def test_what_a_fetch_raises(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 0)
        js = nc.jetstream()
        await js.add_consumer("S", durable_name="push", deliver_subject="push.here")
        push = await js.consumer("S", "push")
        with pytest.raises(errors.PullRefusedError) as caught:
            await push.fetch(1, 5)
        assert caught.value.code == 409 and "push" in caught.value.text.lower()
        waiting = face.spawn(consumer.fetch, 1, 20)
        await face.nap(0.1)
        await consumer.delete()
        with pytest.raises(errors.ConsumerDeletedError):
            await face.join(waiting)
        with pytest.raises(errors.ConsumerNotFoundError):
            await consumer.fetch(1, 5)
        await js.delete_stream("S")
        with pytest.raises(errors.StreamNotFoundError):
            await consumer.fetch(1, 5)
    with pytest.raises(errors.ConnectionClosedError):
        await consumer.fetch(1, 5)


async def test_the_connection_ends_while_fetching(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 0)
        waiting = face.spawn(consumer.fetch, 1, 20)
        await face.nap(0.1)
    with pytest.raises(errors.ConnectionClosedError):
        await face.join(waiting)


async def test_without_jetstream(url: str, js_url: str) -> None:
    async with natskit.connect(js_url) as nc, natskit.connect(url) as other:
        consumer = await made(nc, 0)
        lost = natskit.Consumer(other.jetstream(), consumer.cached_info)
        with pytest.raises(errors.Error):
            await lost.fetch(1, 5)


# -------------------------------------------------------------------------------------------- consume


async def test_consume(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 1000, max_ack_pending=-1)
        sub = consumer.consume(max_msgs=50)
        assert sub.subject == "S.c"
        got = []
        async for msg in sub:
            got.append(int(msg.data))
            await msg.ack()
            if len(got) == 500:
                break  # leaving the loop loses nothing
        async for msg in sub:
            got.append(int(msg.data))
            await msg.ack()
            if len(got) == 1000:
                break
        assert got == list(range(1000))
        stats = sub.stats()
        assert stats["pulls"] >= 20 and stats["dropped_msgs"] == 0 and stats["high_msgs"] <= 50
        await fill(nc, 1, 5000)
        assert (await sub.next_msg(5)).data == b"5000"
        await sub.close()
        with pytest.raises(errors.SubscriptionClosedError):
            await sub.next_msg(1)


async def test_consume_with_a_handler(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 200)
        got: list[int] = []

        async def handle(msg: natskit.Msg) -> None:
            got.append(int(msg.data))
            await msg.ack()

        sub = consumer.consume(handle, concurrency=1, max_msgs=20)
        # [sync] while len(got) < 200:
        # [sync]     nc.dispatch(5)
        await until(lambda: len(got) == 200)
        assert got == list(range(200)) and sub.handler_errors == 0
        await sub.close()


async def test_a_handler_is_told_of_the_end(js_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """As a loop raises it: nobody else would learn why no message comes any more."""
    told: list[Exception] = []
    async with natskit.connect(js_url, error_cb=told.append) as nc:
        consumer = await made(nc, 1)
        sub = consumer.consume(lambda msg: None, abort_on_missing=True, heartbeat=0.5)
        await consumer.delete()
        await until(lambda: told)  # [async]
        # [sync] until(lambda: nc.dispatch(0.1) < 0 or told)
        assert isinstance(told[0], (errors.ConsumerDeletedError, errors.ConsumerNotFoundError))
        assert str(told[0]) == str(sub.reason) and sub.handler_errors == 0
        await sub.close()
    assert len(told) == 1 and any("S.c" in text and "has ended" in text for text in caplog.messages)


async def test_limit_holds_for_what_is_taken_ahead(js_url: str) -> None:
    """Messages that an iterator has ahead are still on their way to the program."""
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 300)
        got = 0
        async for _ in consumer.consume(max_msgs=20):
            got += 1
            if got % 7 == 0:  # whenever it is asked
                assert (await consumer.info()).num_ack_pending <= got + 20
            if got == 300:
                break


async def test_drain(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 300)
        sub = consumer.consume(max_msgs=100)
        got: list[int] = []

        async def work() -> None:
            async for msg in sub:
                got.append(int(msg.data))
                await msg.ack()

        working = face.spawn(work)
        await until(lambda: len(got) > 20)
        await sub.drain(20)
        await face.join(working)
        await nc.flush()
        info = await consumer.info()
        # What the server was about to send when the drain began is pending, and comes again.
        assert info.num_ack_pending + info.num_pending == 300 - len(got)
        assert got == list(range(len(got)))
        assert isinstance(sub.reason, errors.UnsubscribedError)


async def test_the_end_of_the_connection_ends_the_loop(js_url: str) -> None:
    nc = await natskit.connect(js_url)
    consumer = await made(nc, 3)
    got: list[int] = []

    async def work() -> None:
        async for msg in consumer.consume():
            got.append(int(msg.data))
            await msg.ack()

    working = face.spawn(work)
    await until(lambda: len(got) == 3)
    await nc.drain(20)
    await face.join(working)
    assert nc.is_closed


async def test_a_consumer_that_goes_and_comes(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 1)
        sub = consumer.consume(status_events=True, heartbeat=2, expires=10)
        assert (await sub.next_msg(10)).data == b"0"
        await consumer.delete()
        seen: list[Any] = [await sub.next_msg(10)]
        assert isinstance(seen[0], natskit.Status)
        assert seen[0].type == "consumer_deleted" and seen[0].code == 409 and seen[0].count >= 0
        assert "onsumer" in seen[0].text and tuple(seen[0])[0] == seen[0].type
        await nc.jetstream().add_consumer("S", durable_name="c")
        while isinstance(seen[-1], natskit.Status):
            seen.append(await sub.next_msg(20))
        assert seen[-1].data == b"0" and "resumed" in [status.type for status in seen[:-1]]
        await sub.close()


async def test_a_consumer_that_goes_for_good(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 1)
        sub = consumer.consume(abort_on_missing=True)
        got = []
        with pytest.raises(errors.ConsumerDeletedError):
            async for msg in sub:
                got.append(msg)
                await consumer.delete()
        assert len(got) == 1 and isinstance(sub.reason, errors.ConsumerDeletedError)
        with pytest.raises(errors.ConsumerNotFoundError):
            async for msg in consumer.consume(abort_on_missing=True):
                got.append(msg)


async def test_a_server_that_restarts() -> None:
    with Server() as own:
        async with natskit.connect(own.url, reconnect_wait_ms=20, reconnect_wait_max_ms=100) as nc:
            consumer = await made(nc, 50)
            sub = consumer.consume(max_msgs=10)
            got: set[int] = set()
            async for msg in sub:
                got.add(int(msg.data))
                await msg.ack()
                if len(got) == 25:
                    own.stop()
                    own.restart()
                if len(got) == 50:
                    break
            assert got == set(range(50))
            await sub.close()


async def test_a_pinned_group(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        consumer = await made(nc, 10, priority_groups=["g"], priority_policy="pinned_client")
        first = consumer.consume(group="g", max_msgs=5)
        assert (await first.next_msg(5)).data == b"0"
        assert await consumer.fetch(1, 0.3, group="g") == []
        assert (await consumer.info()).priority_groups[0].pinned_client_id
        await first.close()
        with pytest.raises(errors.Error):
            await consumer.fetch(1, 1)


# ------------------------------------------------------------------------------------------- nats-py's way


async def test_pull_subscribe(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="S", subjects=["s.>"])
        await fill(nc, 3)
        await nc.publish("s.y", b"9")
        psub = await js.pull_subscribe("s.x", "worker")
        assert numbers(await psub.fetch(2)) == [0, 1]
        info = await psub.consumer_info()
        assert (info.config.filter_subject, info.config.durable_name, info.num_ack_pending) == ("s.x", "worker", 2)
        again = await js.pull_subscribe("s.x", "worker", "S")
        assert numbers(await again.fetch(5, 0.2)) == [2]
        with pytest.raises(errors.TimeoutError):
            await again.fetch(1, 0.1)
        with pytest.raises(errors.TimeoutError):
            await again.next(0)
        nameless = await js.pull_subscribe("s.>", stream="S", config=natskit.js.api.ConsumerConfig(ack_wait=7))
        assert numbers(await nameless.fetch(10, 0.2)) == [0, 1, 2, 9]
        assert nameless.cached_info.config.ack_wait == 7 and nameless.cached_info.config.durable_name is None
        bound = await js.pull_subscribe_bind("worker", "S")
        assert bound.name == "worker"
        await bound.unsubscribe()
        assert "worker" in await js.consumer_names("S")
        with pytest.raises(errors.StreamNotFoundError):
            await js.pull_subscribe("elsewhere")
