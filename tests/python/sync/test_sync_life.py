# SPDX-License-Identifier: Apache-2.0
# Generated from tests/python/test_both_life.py by bindings/python/tools/generate_sync.py: change that one.
"""Events, reconnecting, flush, close, deadlines with a server that stands still, and a full outbox."""

from __future__ import annotations

import time

import face_sync as face
import natskit.sync as natskit
import pytest
from natskit import errors
from natskit_testing import Server, Tap, wait_for


def types_until(events: natskit.Events, last: str) -> list[str]:
    """The types of events up to the first of that type."""
    seen = []
    while last not in seen:
        seen.append((events.next_msg(20)).type)
    return seen


def test_events_of_a_reconnect(server: Server, own_tap: Tap) -> None:
    with natskit.connect(own_tap.url, reconnect_wait_ms=20) as nc:
        events = nc.events()
        sub = nc.subscribe("again")
        nc.flush()
        server.kill()
        assert "disconnected" in types_until(events, "disconnected")
        wait_for(lambda: nc.is_reconnecting, what="reconnecting")
        assert nc.connected_url is None
        nc.publish("again", b"while it was away")
        server.restart()
        seen = types_until(events, "reconnected")
        assert "reconnecting" in seen
        assert nc.is_connected
        assert (sub.next_msg(10)).data == b"while it was away"
        assert nc.stats()["reconnects"] == 1
        assert isinstance(nc.last_error, errors.Error)


def test_fields_of_events(server: Server) -> None:
    with natskit.connect(server.url, reconnect=False) as nc:
        events = nc.events()
        server.kill()
        seen = [event for event in events]
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
            events.next_msg()
        with pytest.raises(errors.UsageError):
            nc.publish("a")


def test_closed_event_is_the_last(url: str) -> None:
    nc = natskit.connect(url)
    events = nc.events()
    other = nc.events(pending_msgs_limit=1)
    nc.close()
    assert [event.type for event in events][-1] == "closed"
    events.close()
    other.close()


def test_server_leaves_for_good(server: Server) -> None:
    with natskit.connect(server.url, reconnect=False) as nc:
        sub = nc.subscribe("gone")
        work = face.spawn(sub.next_msg, 30)
        face.rest()
        server.kill()
        with pytest.raises(errors.SubscriptionEnded):
            face.join(work)
        assert isinstance(sub.reason, errors.Error)


def test_flush(url: str) -> None:
    with natskit.connect(url) as nc:
        nc.flush()
        nc.flush(5)
        nc.flush(timeout=None)


def test_server_stands_still(server: Server) -> None:
    """With a stopped server every call that waits ends by its deadline."""
    nc = natskit.connect(server.url)
    sub = nc.subscribe("still")
    nc.flush()
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
                call()
            assert 0.15 < time.monotonic() - begin < 1.5
        begin = time.monotonic()
        nc.publish("still", b"does not wait")
        assert time.monotonic() - begin < 0.5
        begin = time.monotonic()
        with pytest.raises(errors.TimeoutError):
            nc.close(0.2)
        assert 0.15 < time.monotonic() - begin < 1.5
        assert nc.is_closed
    finally:
        server.resume()


def fill(nc: natskit.Client, room_timeout: float) -> int:
    """Publishes until the outbox is full; how many were accepted."""
    accepted = 0
    data = bytes(60000)
    with pytest.raises(errors.TimeoutError):
        while True:
            nc.publish("full", data, timeout=room_timeout)
            accepted += 1
    return accepted


def test_full_outbox_has_a_deadline(server: Server) -> None:
    nc = natskit.connect(server.url, outbox_bytes=1 << 20)
    server.pause()
    try:
        begin = time.monotonic()
        accepted = fill(nc, 0.3)
        assert accepted >= 10
        assert 0.25 < time.monotonic() - begin < 20
        data = bytes(60000)
        with pytest.raises(errors.WouldBlockError):
            for _ in range(100):
                nc.publish("full", data, timeout=0)
        with pytest.raises(errors.TimeoutError) as caught:
            nc.publish_batch([("full", data)] * 100, timeout=0.2)
        assert caught.value.published < 100
        with pytest.raises(errors.TimeoutError):
            for _ in range(100):
                nc.request("full", data, timeout=0.2)
    finally:
        server.resume()
    nc.flush(20)
    nc.publish("full", data)
    nc.close()


def test_full_outbox_gets_room(server: Server) -> None:
    """Who waits for room goes on when the server does, and nothing is lost or reordered."""
    with natskit.connect(server.url) as receiver, natskit.connect(server.url, outbox_bytes=1 << 20) as nc:
        sub = receiver.subscribe("room", pending_bytes_limit=1 << 30)
        receiver.flush()
        count = 600

        def send() -> None:
            for i in range(count // 2):
                nc.publish("room", i.to_bytes(4, "big") * 15000, timeout=30)
            rest = [("room", i.to_bytes(4, "big") * 15000) for i in range(count // 2, count)]
            assert nc.publish_batch(rest, timeout=30) == len(rest)

        server.pause()
        work = face.spawn(send)
        for _ in range(50):
            face.rest()
        wait_for(lambda: nc.stats()["pending_out_bytes"] > 500000 or face.NAME == "asyncio", what="a full outbox")
        server.resume()
        for i in range(count):
            msg = sub.next_msg(30)
            assert int.from_bytes(msg.data[:4], "big") == i
        face.join(work)


def test_stats(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("counted")
        for _ in range(10):
            nc.publish("counted", b"12345")
        nc.flush()
        stats = nc.stats()
        assert stats["out_msgs"] == 10 and stats["in_msgs"] == 10 and stats["subs"] == 1
        assert stats["out_bytes"] > 50 and stats["in_bytes"] > 50
        sub.close()
    assert nc.stats()["out_msgs"] == 10


def test_calls_after_close(url: str) -> None:
    nc = natskit.connect(url)
    nc.close()
    for call in (
        lambda: nc.publish("a", b""),
        lambda: nc.publish_batch([("a", b"")]),
        lambda: nc.request("a", b""),
        lambda: nc.subscribe("a"),
        lambda: nc.flush(),
    ):
        with pytest.raises(errors.ConnectionClosedError):
            call()
    with pytest.raises(errors.ConnectionClosedError):
        nc.events()
    with pytest.raises(errors.ConnectionClosedError):
        nc.new_inbox()


def test_objects_die_in_any_order(url: str) -> None:
    for order in ("nc sub msg", "sub msg nc", "msg nc sub", "msg sub nc"):
        things = {"nc": natskit.connect(url)}
        things["sub"] = things["nc"].subscribe("dying")
        things["nc"].publish("dying", b"x")
        things["msg"] = things["sub"].next_msg()
        things["nc"].publish("dying", b"stays in the queue")
        for name in order.split():
            del things[name]


def test_permission_events() -> None:
    config = 'authorization { users = [ { user: "u", password: "p", permissions: { publish: "ok.>" } } ] }'
    with Server(extra=config, jetstream=False) as server:
        plain = server.url.rpartition("@")[2].removeprefix("nats://")
        with natskit.connect(f"nats://u:p@{plain}") as nc:
            events = nc.events()
            nc.publish("forbidden.fruit", b"")
            nc.flush()
            for event in events:
                if event.type == "async_error":
                    assert isinstance(event.error, errors.PermissionsError)
                    assert "forbidden.fruit" in event.text
                    break
            assert nc.is_connected
