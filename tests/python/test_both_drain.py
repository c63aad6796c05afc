# SPDX-License-Identifier: Apache-2.0
"""Drains of subscriptions and connections: what has come is handled, what was published arrives, loops end, and
the deadline holds."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import SCHEME, Server, Tap, wait_for


class Service:
    """A loop that answers, and takes its time before it counts a message as handled."""

    def __init__(self, pause: float = 0.0) -> None:
        self.handled = 0
        self.draining: set[bool] = set()
        self.pause = pause

    async def run(self, sub: natskit.Subscription, nc: natskit.Client) -> None:
        async for msg in sub:
            if self.pause:
                await face.nap(self.pause)
            await msg.respond(msg.data)
            self.draining.add(nc.is_draining)
            self.handled += 1


async def take_all(sub: natskit.Subscription) -> list[bytes]:
    return [msg.data async for msg in sub]


async def until_draining(nc: natskit.Client, sub: natskit.Subscription | None = None) -> None:
    """Until the drain that another began is under way and the server has answered it."""
    for _ in range(3000):
        if nc.is_draining or (sub is not None and sub.stats()["draining"]):
            break
        await face.nap(0.002)
    else:
        raise AssertionError("no drain has begun")
    await nc.flush()


# ---------------------------------------------------------------------------------------- subscriptions


async def test_subscription_with_a_slow_handler(url: str) -> None:
    count = 60
    async with natskit.connect(url) as nc, natskit.connect(url) as sender:
        answers = await sender.subscribe("answers")
        sub = await nc.subscribe("slow")
        await nc.flush()
        for i in range(count):
            await sender.publish("slow", str(i), "answers")
        await sender.flush()
        service = Service(0.005)
        work = face.spawn(service.run, sub, nc)
        assert await sub.drain() is None
        assert service.handled == count
        await face.join(work)
        assert isinstance(sub.reason, errors.UnsubscribedError)
        await nc.flush()
        await sender.flush()
        assert [int(msg.data) for msg in await answers.next_batch(1000)] == list(range(count))
        await sender.publish("slow", b"too late", "answers")
        await sender.flush()
        assert sub.stats()["received"] == count
        assert nc.is_connected and not nc.is_draining
        await (await nc.subscribe("slow")).close()


async def test_subscription_that_waits(url: str) -> None:
    """A loop that waits for its next message is told the end."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("idle")
        works = [face.spawn(take_all, sub) for _ in range(3)]
        await face.rest()
        begin = time.monotonic()
        await sub.drain(timeout=60)
        assert time.monotonic() - begin < 20
        for work in works:
            assert await face.join(work) == []


async def test_look_ahead_counts_as_not_taken(url: str) -> None:
    """What was taken from the core's queue in advance is waited for, too, with no loop in sight."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("ahead")
        for i in range(10):
            await nc.publish("ahead", str(i))
        await nc.flush()
        assert (await sub.next_msg()).data == b"0"
        work = face.spawn(sub.drain, 60)
        await until_draining(nc, sub)
        assert not work.done()
        for i in range(1, 9):
            assert (await sub.next_msg()).data == str(i).encode()
        await nc.flush()
        assert not work.done() and sub.pending_msgs == 1
        assert (await sub.next_batch(5))[0].data == b"9"
        await face.join(work)
        with pytest.raises(errors.SubscriptionEnded):
            await sub.next_msg()


async def test_leaving_a_loop_ends_its_hold(url: str) -> None:
    async with natskit.connect(url) as nc:
        for way in ("break", "raise", "close", "drop"):
            sub = await nc.subscribe("left")
            for _ in range(3):
                await nc.publish("left", b"x")
            await nc.flush()
            taken = 0
            if way in ("break", "raise"):
                with contextlib.suppress(KeyError):
                    async for _ in sub:
                        taken += 1
                        if taken == 3 and way == "raise":
                            raise KeyError
                        if taken == 3:
                            break
            else:
                loop = aiter(sub)  # [async]
                # [sync] loop = iter(sub)
                for _ in range(3):
                    await anext(loop)
                if way == "close":
                    await loop.aclose()  # [async]
                    # [sync] loop.close()
                else:
                    del loop
            begin = time.monotonic()
            await sub.drain(60)
            assert time.monotonic() - begin < 20, way
            assert isinstance(sub.reason, errors.UnsubscribedError)


async def test_what_nobody_takes_meets_the_deadline(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("left")
        for i in range(5):
            await nc.publish("left", str(i))
        await nc.flush()
        async for msg in sub:
            if msg.data == b"2":
                break
        begin = time.monotonic()
        with pytest.raises(errors.TimeoutError, match="drain"):
            await sub.drain(0.2)
        assert 0.15 < time.monotonic() - begin < 20
        assert await take_all(sub) == [b"3", b"4"]  # it has ended, and keeps what it has
        await sub.drain(20)
        assert nc.is_connected


async def test_hold(url: str) -> None:
    """A block of code can be waited for as a loop is."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("held")
        with sub.hold(), sub.hold() as hold:
            assert hold is not None
            with pytest.raises(errors.TimeoutError, match="hold"):
                await sub.drain(0.1)
            work = face.spawn(sub.drain, 60)
            await nc.flush()
            await face.rest()
        await face.join(work)


async def test_a_loop_cannot_wait_for_itself(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("self")
        await nc.publish("self", b"x")
        async for _ in sub:
            with pytest.raises(errors.TimeoutError):
                await sub.drain(0.1)
        await sub.drain(20)


async def test_subscription_twice(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("twice")
        with sub.hold():
            work = face.spawn(sub.drain, 60)
            await until_draining(nc, sub)
            with pytest.raises(errors.ConnectionDrainingError):
                await sub.drain(60)
        await face.join(work)
        await sub.drain(60)
        await sub.close()
        with pytest.raises(errors.SubscriptionClosedError):
            await sub.drain()


async def test_close_ends_the_drain(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("both")
        with sub.hold():
            work = face.spawn(sub.drain, 60)
            await until_draining(nc, sub)
            await sub.close()
            with pytest.raises(errors.ConnectionClosedError):
                await face.join(work)


# ------------------------------------------------------------------------------------------ connections


async def test_connection(url: str) -> None:
    """Three loops, a thousand messages that wait: each is handled and answered, then the connection is closed."""
    count, loops = 1000, 3
    async with natskit.connect(url) as sender:
        answers = await sender.subscribe("replies")
        nc = await natskit.connect(url)
        subs = [await nc.subscribe(f"work.{k}") for k in range(loops)]
        await nc.flush()
        for i in range(count):
            await sender.publish(f"work.{i % loops}", str(i), "replies")
        await sender.flush()
        await nc.flush()
        assert sum(sub.pending_msgs for sub in subs) == count
        services = [Service() for _ in subs]
        services[0].pause = 0.0005
        works = [face.spawn(service.run, sub, nc) for service, sub in zip(services, subs)]
        assert await nc.drain() is None
        assert sum(service.handled for service in services) == count
        assert nc.is_closed and not nc.is_draining
        assert True in set().union(*(service.draining for service in services))
        for work in works:
            await face.join(work)
        await sender.flush()
        got: list[int] = []
        while len(got) < count:
            got += [int(msg.data) for msg in await answers.next_batch(1000, 20)]
        assert sorted(got) == list(range(count))
        assert await nc.closed(20) is None
        stats = nc.stats()
        assert stats["abandoned_msgs"] == 0 and stats["unsent"] == 0
        await nc.close()
        assert await nc.closed() is None


async def test_context_manager_after_a_drain(url: str) -> None:
    async with natskit.connect(url) as nc:
        await nc.publish("a", b"x")
        await nc.drain()
    assert nc.is_closed


async def test_request_in_flight(url: str) -> None:
    """A drain waits for the answer of a request that is under way."""
    async with natskit.connect(url) as other:
        nc = await natskit.connect(url)
        service = await other.subscribe("later")
        await other.flush()
        asked = face.spawn(nc.request, "later", b"?", 60)
        msg = await service.next_msg(20)
        work = face.spawn(nc.drain, 60)
        while not nc.is_draining:
            await face.nap(0.002)
        assert not work.done()
        await msg.respond(b"!")
        assert (await face.join(asked)).data == b"!"
        await face.join(work)
        assert nc.is_closed


async def test_calls_while_draining_and_after(url: str) -> None:
    nc = await natskit.connect(url)
    sub = await nc.subscribe("held")
    with sub.hold():
        work = face.spawn(nc.drain, 60)
        await until_draining(nc)
        with pytest.raises(errors.ConnectionDrainingError):
            await nc.subscribe("more")
        with pytest.raises(errors.ConnectionDrainingError):
            await nc.drain()
        with pytest.raises(errors.ConnectionDrainingError):
            await nc.reconnect()
        await nc.publish("still", b"accepted")
        assert issubclass(errors.ConnectionDrainingError, errors.UsageError)
    await face.join(work)
    calls: tuple[Any, ...] = (
        lambda: nc.publish("a", b""),
        lambda: nc.request("a", b""),
        lambda: nc.subscribe("a"),
        lambda: nc.drain(),
        lambda: nc.reconnect(),
        lambda: nc.rtt(),
        lambda: nc.written(),
    )
    for call in calls:
        with pytest.raises(errors.ConnectionClosedError):
            await call()


async def test_connection_meets_its_deadline(url: str) -> None:
    nc = await natskit.connect(url)
    sub = await nc.subscribe("abandoned")
    for _ in range(5):
        await nc.publish("abandoned", b"x")
    await nc.flush()
    begin = time.monotonic()
    with pytest.raises(errors.TimeoutError, match="5 messages were not taken"):
        await nc.drain(0.2)
    assert 0.15 < time.monotonic() - begin < 20
    assert nc.is_closed
    assert nc.stats()["abandoned_msgs"] == 5
    assert len(await take_all(sub)) == 5
    assert isinstance(await nc.closed(20), errors.TimeoutError)
    await nc.close()
    assert isinstance(await nc.closed(20), errors.TimeoutError)


async def test_server_is_away_and_comes_back(server: Server, own_tap: Tap) -> None:
    """What was published meanwhile is sent after the reconnect, then the connection is closed."""
    nc = await natskit.connect(own_tap.url, reconnect_wait_ms=20)
    sub = await nc.subscribe("away")
    await nc.publish("away", b"queued")
    await nc.flush()
    server.kill()
    wait_for(lambda: nc.is_reconnecting, what="reconnecting")
    before = own_tap.stats()["pub"]
    for _ in range(10):
        await nc.publish("away", b"meanwhile")
    work = face.spawn(nc.drain, 60)
    while not nc.is_draining:
        await face.nap(0.002)
    assert await take_all(sub) == [b"queued"]
    assert not work.done()
    server.restart()
    await face.join(work)
    assert nc.is_closed
    if SCHEME != "wss":  # where the tap does not see what TLS hides
        assert own_tap.stats()["pub"] == before + 10
    assert nc.stats()["unsent"] == 0


async def test_server_stays_away(server: Server) -> None:
    nc = await natskit.connect(server.url, reconnect_wait_ms=20)
    server.kill()
    wait_for(lambda: nc.is_reconnecting, what="reconnecting")
    await nc.publish("never", b"sent")
    with pytest.raises(errors.TimeoutError):
        await nc.drain(0.3)
    assert nc.is_closed and nc.stats()["unsent"] == 1


async def test_events_do_not_hold_a_drain_up(url: str) -> None:
    """A loop over events goes on to the last one."""
    nc = await natskit.connect(url)

    async def types() -> list[str]:
        return [event.type async for event in nc.events()]

    work = face.spawn(types)
    await face.nap(0.01)
    await nc.drain(20)
    assert (await face.join(work))[-1:] == ["closed"]


@pytest.mark.parametrize("wrong", [-1, float("nan"), "soon"])
async def test_wrong_timeouts(url: str, wrong: Any) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("wrong")
        for call in (nc.drain, sub.drain, nc.closed, nc.written, nc.rtt):
            with pytest.raises((errors.InvalidError, TypeError)):
                await call(wrong)
        assert nc.is_connected and not nc.is_draining
