# SPDX-License-Identifier: Apache-2.0
"""Events, reconnecting, flush, close, deadlines with a server that stands still, and a full outbox."""

from __future__ import annotations

import time

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Server, Tap, wait_for


async def types_until(events: natskit.Events, last: str) -> list[str]:
    """The types of events up to the first of that type."""
    seen = []
    while last not in seen:
        seen.append((await events.next_msg(20)).type)
    return seen


async def test_events_of_a_reconnect(server: Server, own_tap: Tap) -> None:
    async with natskit.connect(own_tap.url, reconnect_wait_ms=20) as nc:
        events = nc.events()
        sub = await nc.subscribe("again")
        await nc.flush()
        server.kill()
        assert "disconnected" in await types_until(events, "disconnected")
        wait_for(lambda: nc.is_reconnecting, what="reconnecting")
        assert nc.connected_url is None
        await nc.publish("again", b"while it was away")
        server.restart()
        seen = await types_until(events, "reconnected")
        assert "reconnecting" in seen
        assert nc.is_connected
        assert (await sub.next_msg(10)).data == b"while it was away"
        assert nc.stats()["reconnects"] == 1
        assert isinstance(nc.last_error, errors.Error)


async def test_fields_of_events(server: Server) -> None:
    async with natskit.connect(server.url, reconnect=False) as nc:
        events = nc.events()
        server.kill()
        seen = [event async for event in events]
        assert seen[-1].type == "closed"
        lost = next(event for event in seen if event.type == "disconnected")
        assert isinstance(lost.error, errors.NetworkError)
        assert lost.epoch == 1 and abs(lost.time_ns - time.time_ns()) < 60e9
        assert lost.server == server.url
        assert lost.sid == 0 and lost.subject == "" and isinstance(lost.text, str) and lost.count >= 0
        assert "disconnected" in repr(lost)
        assert nc.is_closed
        assert isinstance(events.reason, errors.Error)
        with pytest.raises(errors.SubscriptionEnded):
            await events.next_msg()
        with pytest.raises(errors.UsageError):
            await nc.publish("a")


async def test_closed_event_is_the_last(url: str) -> None:
    nc = await natskit.connect(url)
    events = nc.events()
    other = nc.events(pending_msgs_limit=1)
    await nc.close()
    assert [event.type async for event in events][-1] == "closed"
    await events.close()
    await other.close()


async def test_server_leaves_for_good(server: Server) -> None:
    async with natskit.connect(server.url, reconnect=False) as nc:
        sub = await nc.subscribe("gone")
        work = face.spawn(sub.next_msg, 30)
        await face.rest()
        server.kill()
        with pytest.raises(errors.SubscriptionEnded):
            await face.join(work)
        assert isinstance(sub.reason, errors.Error)


async def test_flush(url: str) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await nc.flush(5)
        await nc.flush(timeout=None)


async def test_server_stands_still(server: Server) -> None:
    """With a stopped server every call that waits ends by its deadline."""
    nc = await natskit.connect(server.url)
    sub = await nc.subscribe("still")
    await nc.flush()
    server.pause()
    try:
        for call in (
            lambda: nc.flush(0.2),
            lambda: nc.request("still", b"", 0.2),
            lambda: sub.next_msg(0.2),
            lambda: sub.next_batch(5, 0.2),
            lambda: natskit.connect(server.url, timeout=0.2),
        ):
            begin = time.monotonic()
            with pytest.raises(errors.TimeoutError):
                await call()
            assert 0.15 < time.monotonic() - begin < 1.5
        begin = time.monotonic()
        await nc.publish("still", b"does not wait")
        assert time.monotonic() - begin < 0.5
        begin = time.monotonic()
        with pytest.raises(errors.TimeoutError):
            await nc.close(0.2)
        assert 0.15 < time.monotonic() - begin < 1.5
        assert nc.is_closed
    finally:
        server.resume()


async def fill(nc: natskit.Client, room_timeout: float) -> int:
    """Publishes until the outbox is full; how many were accepted."""
    accepted = 0
    data = bytes(60000)
    with pytest.raises(errors.TimeoutError):
        while True:
            await nc.publish("full", data, timeout=room_timeout)
            accepted += 1
    return accepted


async def test_full_outbox_has_a_deadline(server: Server) -> None:
    nc = await natskit.connect(server.url, outbox_bytes=1 << 20)
    server.pause()
    try:
        begin = time.monotonic()
        accepted = await fill(nc, 0.3)
        assert accepted >= 10
        assert 0.25 < time.monotonic() - begin < 20
        data = bytes(60000)
        with pytest.raises(errors.WouldBlockError):
            for _ in range(100):
                await nc.publish("full", data, timeout=0)
        with pytest.raises(errors.TimeoutError) as caught:
            await nc.publish_batch([("full", data)] * 100, timeout=0.2)
        assert caught.value.published < 100
        with pytest.raises(errors.TimeoutError):
            for _ in range(100):
                await nc.request("full", data, timeout=0.2)
    finally:
        server.resume()
    await nc.flush(20)
    await nc.publish("full", data)
    await nc.close()


async def test_full_outbox_gets_room(server: Server) -> None:
    """Who waits for room goes on when the server does, and nothing is lost or reordered."""
    small = {"outbox_bytes": 1 << 20}
    async with natskit.connect(server.url) as receiver, natskit.connect(server.url, **small) as nc:
        sub = await receiver.subscribe("room", pending_bytes_limit=1 << 30)
        await receiver.flush()
        count = 600

        async def send() -> None:
            for i in range(count // 2):
                await nc.publish("room", i.to_bytes(4, "big") * 15000, timeout=30)
            rest = [("room", i.to_bytes(4, "big") * 15000) for i in range(count // 2, count)]
            assert await nc.publish_batch(rest, timeout=30) == len(rest)

        server.pause()
        work = face.spawn(send)
        for _ in range(50):
            await face.rest()
        if face.NAME == "sync":
            wait_for(lambda: nc.stats()["pending_out_bytes"] > 500000, what="a full outbox")
        server.resume()
        for i in range(count):
            msg = await sub.next_msg(30)
            assert int.from_bytes(msg.data[:4], "big") == i
        await face.join(work)


async def test_stats(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("counted")
        for _ in range(10):
            await nc.publish("counted", b"12345")
        await nc.flush()
        stats = nc.stats()
        assert stats["out_msgs"] == 10 and stats["in_msgs"] == 10 and stats["subs"] == 1
        assert stats["out_bytes"] > 50 and stats["in_bytes"] > 50
        await sub.close()
    assert nc.stats()["out_msgs"] == 10


async def test_calls_after_close(url: str) -> None:
    nc = await natskit.connect(url)
    await nc.close()
    for call in (
        lambda: nc.publish("a", b""),
        lambda: nc.publish_batch([("a", b"")]),
        lambda: nc.request("a", b""),
        lambda: nc.subscribe("a"),
        lambda: nc.flush(),
    ):
        with pytest.raises(errors.ConnectionClosedError):
            await call()
    with pytest.raises(errors.ConnectionClosedError):
        nc.events()
    with pytest.raises(errors.ConnectionClosedError):
        nc.new_inbox()


async def test_objects_die_in_any_order(url: str) -> None:
    for order in ("nc sub msg", "sub msg nc", "msg nc sub", "msg sub nc"):
        things = {"nc": await natskit.connect(url)}
        things["sub"] = await things["nc"].subscribe("dying")
        await things["nc"].publish("dying", b"x")
        things["msg"] = await things["sub"].next_msg()
        await things["nc"].publish("dying", b"stays in the queue")
        for name in order.split():
            del things[name]


async def test_permission_events() -> None:
    config = 'authorization { users = [ { user: "u", password: "p", permissions: { publish: "ok.>" } } ] }'
    with Server(extra=config, jetstream=False) as server:
        plain = server.url.rpartition("@")[2].removeprefix("nats://")
        async with natskit.connect(f"nats://u:p@{plain}") as nc:
            events = nc.events()
            await nc.publish("forbidden.fruit", b"")
            await nc.flush()
            async for event in events:
                if event.type == "async_error":
                    assert isinstance(event.error, errors.PermissionsError)
                    assert "forbidden.fruit" in event.text
                    break
            assert nc.is_connected
