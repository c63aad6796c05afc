# SPDX-License-Identifier: Apache-2.0
"""Events, reconnecting, first connects, flush and its likes, close, deadlines with a server that stands still, a full
outbox, and functions given to connect."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import SCHEME, Server, Tap, wait_for


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
            assert 0.15 < time.monotonic() - begin < 10
        begin = time.monotonic()
        await nc.publish("still", b"does not wait")
        assert time.monotonic() - begin < 5
        begin = time.monotonic()
        with pytest.raises(errors.TimeoutError):
            await nc.close(0.2)
        assert 0.15 < time.monotonic() - begin < 10
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
        sent = nc.stats()["out_msgs"]
        with pytest.raises(errors.TimeoutError) as caught:
            await nc.publish_batch([("full", b"")] * 80000, timeout=0.2)
        assert caught.value.published == nc.stats()["out_msgs"] - sent  # who sends the rest repeats nothing
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
        async with natskit.connect(server.url.replace("://", "://u:p@")) as nc:
            events = nc.events()
            await nc.publish("forbidden.fruit", b"")
            await nc.flush()
            async for event in events:
                if event.type == "async_error":
                    assert isinstance(event.error, errors.PermissionsError)
                    assert "forbidden.fruit" in event.text
                    break
            assert nc.is_connected


# ------------------------------------------------------------------------------- what can be waited for


async def test_rtt(url: str) -> None:
    async with natskit.connect(url) as nc:
        begin = time.perf_counter()
        rtt = await nc.rtt()
        assert isinstance(rtt, float) and 0 < rtt <= time.perf_counter() - begin
        assert 0 < await nc.rtt(timeout=5) < 5


async def test_rtt_tells_the_delay(tap: Tap) -> None:
    async with natskit.connect(tap.url) as nc:
        tap.command("down delay 100")
        assert 0.09 < await nc.rtt(20)
        with pytest.raises(errors.TimeoutError):
            await nc.rtt(0.02)


async def test_written(server: Server, own_tap: Tap) -> None:
    """It waits through a reconnect."""
    async with natskit.connect(own_tap.url, reconnect_wait_ms=20) as nc:
        await nc.written()
        await nc.publish("a", b"x")
        await nc.written(20)
        await nc.flush()
        server.kill()
        wait_for(lambda: nc.is_reconnecting, what="reconnecting")
        await nc.publish("a", b"meanwhile")
        with pytest.raises(errors.TimeoutError):
            await nc.written(0.1)
        work = face.spawn(nc.written, 60)
        await face.rest()
        assert not work.done()
        server.restart()
        await face.join(work)
        assert nc.stats()["pending_out_bytes"] == 0
        await nc.flush()
        if SCHEME != "wss":  # where the tap does not see what TLS hides
            assert own_tap.stats()["pub"] == 2
        work = face.spawn(nc.written, None)
    await face.join(work)


async def test_closed(url: str) -> None:
    nc = await natskit.connect(url)
    with pytest.raises(errors.TimeoutError):
        await nc.closed(0.05)
    with pytest.raises(errors.TimeoutError):
        await nc.closed(0)
    works = [face.spawn(nc.closed) for _ in range(3)]
    await face.rest()
    assert not any(work.done() for work in works)
    await nc.close()
    for work in works:
        assert await face.join(work) is None
    assert await nc.closed() is None
    assert await natskit.Client().closed() is None


async def test_closed_with_a_reason(server: Server) -> None:
    nc = await natskit.connect(server.url, reconnect=False)
    work = face.spawn(nc.closed, 60)
    await face.rest()
    server.kill()
    reason = await face.join(work)
    assert isinstance(reason, errors.NetworkError) and reason.text
    assert type(await nc.closed()) is type(reason)
    await nc.close()
    kept = await nc.closed()
    assert isinstance(kept, errors.NetworkError) and kept.text == reason.text


async def test_outage_that_takes_too_long(server: Server) -> None:
    """The reason may be a deadline that was passed; that is not the deadline of the wait."""
    async with natskit.connect(server.url, max_outage_ms=100, reconnect_wait_ms=10) as nc:
        server.kill()
        assert isinstance(await nc.closed(60), errors.TimeoutError)


# ------------------------------------------------------------------------------------------- reconnecting


async def test_forced_reconnect(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("forced")
        events = nc.events()
        await nc.flush()
        await nc.reconnect()
        seen = await types_until(events, "reconnected")
        assert seen[:2] == ["forced_reconnect", "disconnected"]
        await nc.publish("forced", b"over the new one")
        assert (await sub.next_msg(20)).data == b"over the new one"
        assert nc.stats()["reconnects"] == 1


async def test_events_of_pings(url: str) -> None:
    async with natskit.connect(url, ping_interval=0.01, max_pings_out=1000) as nc:
        plain = nc.events()
        events = nc.events(debug=True)
        while True:
            event = await events.next_msg(20)
            if event.type == "ping":
                break
        assert event.count >= 1 and event.request == 0 and event.delay == 0.0 and event.pending == 0
        with pytest.raises(errors.NoReplyError):
            event.answer(1)
        await nc.close()
        assert "ping" not in [event.type async for event in plain]


async def test_slow_consumer_tells_what_waits(url: str) -> None:
    async with natskit.connect(url) as nc:
        events = nc.events()
        sub = await nc.subscribe("slow", pending_msgs_limit=3)
        for _ in range(10):
            await nc.publish("slow", b"x")
        await nc.flush()
        while True:
            event = await events.next_msg(20)
            if event.type == "slow_consumer":
                break
        assert event.sid == sub.sid and event.subject == "slow" and event.pending == 3
        assert isinstance(event.error, errors.SlowConsumerError)


async def test_answers(server: Server) -> None:
    """The program decides on each pause; one subscription of a connection can get the requests."""
    options = {"reconnect_wait_ms": 60_000, "reconnect_wait_max_ms": 60_000, "answer_timeout_ms": 60_000}
    async with natskit.connect(server.url, **options) as nc:
        events = nc.events(answers=True)
        with pytest.raises(errors.BusyError):
            nc.events(answers=True)
        server.kill()
        asked = []
        while len(asked) < 4:
            event = await events.next_msg(20)
            if event.type == "delay_needed":
                asked.append(event)
                assert event.request > 0 and event.delay >= 60.0
                for wrong in (-1, None, "1", float("inf"), 1e7):
                    with pytest.raises((errors.InvalidError, TypeError)):
                        event.answer(wrong)
                if len(asked) == 4:
                    server.restart()
                event.answer(0)
                with pytest.raises(errors.NotFoundError):
                    event.answer(delay=0.5)
        assert [event.count for event in asked] == sorted({event.count for event in asked})
        await types_until(events, "reconnected")
        with pytest.raises(errors.NotFoundError):
            asked[-1].answer(1)


# ----------------------------------------------------------------------------------------- first connect


async def test_first_connect_fails(server: Server) -> None:
    server.kill()
    begin = time.monotonic()
    with pytest.raises(errors.NetworkError):
        await natskit.connect(server.url, timeout=60)
    assert time.monotonic() - begin < 20


async def test_first_connect_retries(server: Server) -> None:
    server.kill()
    options = {"first_connect": "retry", "reconnect_wait_ms": 20}
    with pytest.raises(errors.TimeoutError):
        await natskit.connect(server.url, timeout=0.3, **options)

    async def connect() -> natskit.Client:
        return await natskit.connect(server.url, timeout=60, **options)

    work = face.spawn(connect)
    await face.nap(0.05)
    assert not work.done()
    server.restart()
    async with await face.join(work) as nc:
        assert nc.is_connected
        await nc.flush()


async def test_first_connect_in_the_background(server: Server) -> None:
    """The call returns at once; what is subscribed and published meanwhile is so later."""
    server.kill()
    begin = time.monotonic()
    nc = await natskit.connect(server.url, first_connect="background", reconnect_wait_ms=20)
    assert time.monotonic() - begin < 5
    async with nc:
        assert nc.is_connecting and not nc.is_connected and nc.connected_url is None
        sub = await nc.subscribe("early")
        for i in range(10):
            await nc.publish("early", str(i))
        events = nc.events()
        server.restart()
        assert "connected" in await types_until(events, "connected")
        await nc.flush(20)
        assert [msg.data for msg in await sub.next_batch(100, 20)] == [str(i).encode() for i in range(10)]


# ----------------------------------------------------------------------------------------- a full outbox


async def test_full_outbox_fails_at_once(server: Server) -> None:
    data = bytes(60000)
    async with natskit.connect(server.url, outbox_bytes=1 << 18, outbox_full="fail") as nc:
        sub = await nc.subscribe("ask")
        await nc.publish("ask", b"x", "answer")
        msg = await sub.next_msg(20)
        server.pause()
        try:
            begin = time.monotonic()
            for call in (
                lambda: nc.publish("full", data, timeout=60),
                lambda: nc.publish_batch([("full", data)] * 10, timeout=60),
                lambda: nc.request("full", data, timeout=0.05),
                lambda: msg.respond(data, timeout=60),
            ):
                with pytest.raises(errors.OutboundBufferLimitError) as caught:
                    while True:  # the system may have taken some more meanwhile
                        with contextlib.suppress(errors.TimeoutError):
                            await call()
                assert caught.value.name == "WOULD_BLOCK" and "outbox" in caught.value.text
            assert time.monotonic() - begin < 30
        finally:
            server.resume()
        await nc.flush(20)


async def test_nothing_is_accepted_while_disconnected(server: Server) -> None:
    options = {"reconnect_buffer_bytes": 0, "reconnect_wait_ms": 20}
    for option in (options, {"pending_size": 0, "reconnect_wait_ms": 20}):
        async with natskit.connect(server.url, **option) as nc:
            await nc.publish("a", b"x")
            await nc.flush()
            events = nc.events()
            server.kill()
            wait_for(lambda: nc.is_reconnecting, what="reconnecting")
            for call in (
                lambda: nc.publish("a", b"x"),
                lambda: nc.publish_batch([("a", b"x")]),
                lambda: nc.request("a", b"x", 20),
            ):
                with pytest.raises(errors.DisconnectedError):
                    await call()
            server.restart()
            await types_until(events, "reconnected")
            await nc.publish("a", b"x")
            await nc.flush(20)


# ------------------------------------------------------------------------ functions given to connect


class Log:
    """Notes which functions were called, and with what."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.errors: list[errors.Error] = []

    def functions(self) -> dict[str, Any]:
        names = ("disconnected_cb", "reconnected_cb", "closed_cb", "discovered_server_cb", "lame_duck_mode_cb")

        def noting(name: str) -> Any:
            async def note() -> None:
                await face.rest()
                self.calls.append(name)

            return note

        return {**{name: noting(name) for name in names}, "error_cb": self.errors.append}


async def until(log: Log, name: str) -> None:
    for _ in range(10_000):
        if name in log.calls:
            return
        await face.nap(0.002)
    raise AssertionError(f"{name} is not in {log.calls}")


async def test_functions_are_called(server: Server) -> None:
    log = Log()
    async with natskit.connect(server.url, reconnect_wait_ms=20, **log.functions()) as nc:
        server.kill()
        await until(log, "disconnected_cb")
        server.restart()
        await until(log, "reconnected_cb")
        assert "closed_cb" not in log.calls
        assert log.errors and all(isinstance(error, errors.Error) for error in log.errors)
        assert isinstance(log.errors[0], errors.NetworkError)
        await nc.flush()
    assert log.calls[-2:] == ["disconnected_cb", "closed_cb"]  # close() has waited for it
    assert log.calls.count("closed_cb") == 1


async def test_functions_of_the_end(url: str) -> None:
    log = Log()
    nc = await natskit.connect(url, **log.functions())
    sub = await nc.subscribe("a")
    work = face.spawn(nc.drain)
    async for _ in sub:
        pass
    await face.join(work)
    assert log.calls[-1] == "closed_cb" and not log.errors
    await nc.close()


async def test_functions_of_a_server_that_leaves(server: Server) -> None:
    log = Log()
    async with natskit.connect(server.url, reconnect=False, **log.functions()) as nc:
        server.lame_duck()
        await until(log, "lame_duck_mode_cb")
        server.kill()
        await until(log, "closed_cb")
        assert nc.is_closed


async def test_functions_of_errors() -> None:
    config = 'authorization { users = [ { user: "u", password: "p", permissions: { publish: "ok.>" } } ] }'
    log = Log()
    with Server(extra=config, jetstream=False) as server:
        async with natskit.connect(server.url.replace("://", "://u:p@"), error_cb=log.errors.append) as nc:
            await nc.publish("forbidden.fruit", b"")
            await nc.flush()
        assert [type(error) for error in log.errors] == [errors.PermissionsError]


async def test_functions_that_raise(server: Server) -> None:
    """What they raise is reported, and the loop goes on."""
    log = Log()

    async def broken(*_: object) -> None:
        raise KeyError("of the application")

    given = {**log.functions(), "disconnected_cb": broken, "error_cb": broken}
    with face.reported() as found:
        async with natskit.connect(server.url, reconnect_wait_ms=20, **given) as nc:
            server.kill()
            wait_for(lambda: nc.is_reconnecting, what="reconnecting")
            server.restart()
            await until(log, "reconnected_cb")
        assert log.calls[-1] == "closed_cb"
    assert len(found) >= 2 and all(isinstance(error, KeyError) for error in found)


async def test_functions_of_a_first_connect_that_fails(server: Server) -> None:
    server.kill()
    log = Log()
    with pytest.raises(errors.NetworkError):
        await natskit.connect(server.url, **log.functions())
    await face.nap(0.05)
    assert "closed_cb" not in log.calls


async def test_wrong_functions(url: str) -> None:
    for name in ("reconnect_delay", "error_cb", "closed_cb"):
        with pytest.raises(TypeError, match=f"{name} must be callable"):
            await natskit.connect(url, **{name: 5})


async def test_reconnect_delay(server: Server) -> None:
    """The function is asked before each pause and obeyed: without it the pauses are a minute long."""
    asked: list[natskit.Event] = []

    async def delay(event: natskit.Event) -> float:
        asked.append(event)
        return 0.01

    options = {"reconnect_wait_ms": 60_000, "reconnect_wait_max_ms": 60_000, "answer_timeout_ms": 60_000}
    async with natskit.connect(server.url, reconnect_delay=delay, **options) as nc:
        server.kill()
        for _ in range(10_000):
            if len(asked) >= 3:
                break
            await face.nap(0.002)
        server.restart()
        events = nc.events()
        if not nc.is_connected:
            await types_until(events, "reconnected")
        assert len(asked) >= 3
        assert all(event.type == "delay_needed" and event.delay >= 60.0 for event in asked)
        await nc.flush()


@pytest.mark.parametrize("way", ["none", "raises", "nonsense"])
async def test_reconnect_delay_without_a_number(server: Server, way: str) -> None:
    """Then the pause is the one that options ask for."""
    asked: list[natskit.Event] = []

    def delay(event: natskit.Event) -> Any:
        asked.append(event)
        if way == "raises":
            raise KeyError
        return None if way == "none" else "soon"

    options = {"reconnect_wait_ms": 20, "answer_timeout_ms": 20}
    with face.reported() as found:
        async with natskit.connect(server.url, reconnect_delay=delay, **options) as nc:
            server.kill()
            for _ in range(10_000):
                if len(asked) >= 2:
                    break
                await face.nap(0.002)
            server.restart()
            for _ in range(10_000):
                if nc.is_connected:
                    break
                await face.nap(0.002)
            assert nc.is_connected and len(asked) >= 2
    wanted = {"none": set(), "raises": {KeyError}, "nonsense": {TypeError}}[way]
    assert {type(error) for error in found} == wanted


async def test_reconnect_delay_of_the_first_connect(server: Server) -> None:
    """The loop runs before the connection does."""
    server.kill()
    asked: list[natskit.Event] = []

    def delay(event: natskit.Event) -> float:
        asked.append(event)
        if len(asked) == 2:
            server.restart()
        return 0.01

    options = {"first_connect": "retry", "reconnect_wait_ms": 200, "reconnect_wait_max_ms": 200}
    async with natskit.connect(server.url, timeout=60, reconnect_delay=delay, **options) as nc:
        assert nc.is_connected
        assert len(asked) >= 2


async def test_dropped_with_functions(url: str) -> None:
    """The functions do not keep a connection open that the program has dropped."""
    log = Log()
    nc = await natskit.connect(url, reconnect_delay=lambda event: None, **log.functions())
    assert nc.is_connected
    del nc
    await until(log, "closed_cb")
