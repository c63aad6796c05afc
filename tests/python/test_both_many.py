# SPDX-License-Identifier: Apache-2.0
"""Requests for many replies, requests with a subscription of their own, messages published once more, JSON,
traces, and what the connection tells of itself."""

from __future__ import annotations

import gc
import time
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Server, wait_for

RESTRICTED = 'authorization { users = [ { user: "u", password: "p", permissions: { publish: "ok.>" } } ] }'


async def answer(service: natskit.Subscription, *replies: bytes) -> None:
    """Answers one request that is under way."""
    msg = await service.next_msg(10)
    for reply in replies:
        await msg.respond(reply)


async def gone(nc: natskit.Client, subs: int) -> None:
    """The connection has so many subscriptions again."""
    for _ in range(500):
        if nc.stats()["subs"] <= subs:
            break
        await face.nap(0.01)
    assert nc.stats()["subs"] <= subs


# ------------------------------------------------------------------------------------------- many replies


async def test_ends(url: str) -> None:
    async with natskit.connect(url) as nc:
        service = await nc.subscribe("many")
        ends: list[tuple[dict[str, Any], list[bytes], type[errors.Error]]] = [
            ({"max_msgs": 2}, [b"1", b"2"], errors.MaxReachedError),
            ({"sentinel": True}, [b"1", b"2"], errors.SentinelError),
            ({"stall": 1}, [b"1", b"2", b""], errors.StalledError),
            ({"max_wait": 2}, [b"1", b"2", b""], errors.TimeoutError),
        ]
        before = nc.stats()["subs"]
        for options, replies, reason in ends:
            answers = nc.request_many("many", b"?", **{"max_wait": 20, **options})
            assert answers.reason is None and answers.subject.startswith("_INBOX.")
            await answer(service, b"1", b"2", b"")
            begin = time.monotonic()
            assert [msg.data async for msg in answers] == replies
            assert time.monotonic() - begin < 15
            assert type(answers.reason) is reason
            assert answers.received >= 2
            assert [msg async for msg in answers] == []
        del answers
        await gone(nc, before)


async def test_by_hand_and_as_a_context(url: str) -> None:
    async with natskit.connect(url) as nc:
        service = await nc.subscribe("by.hand")
        async with nc.request_many("by.hand", json={"n": 1}, reply="my.answers", max_wait=5) as answers:
            assert answers.subject == "my.answers"
            msg = await service.next_msg()
            assert msg.json() == {"n": 1} and msg.reply == "my.answers"
            await msg.respond(b"1")
            assert (await anext(answers)).data == b"1"
        assert isinstance(answers.reason, errors.SubscriptionClosedError)
        with pytest.raises(StopAsyncIteration):
            await anext(answers)


async def test_leaving_ends_it(url: str) -> None:
    async with natskit.connect(url) as nc:
        service = await nc.subscribe("leave")
        before = nc.stats()["subs"]
        answers = nc.request_many("leave", max_wait=60)
        await answer(service, b"1", b"2")
        async for msg in answers:
            assert msg.data == b"1"
            break
        del msg
        await gone(nc, before)
        assert isinstance(answers.reason, errors.SubscriptionClosedError)

        async def fails() -> None:
            answers = nc.request_many("leave", max_wait=60)
            await answer(service, b"1", b"2")
            async for _ in answers:
                raise KeyError("of the program")

        with pytest.raises(KeyError):
            await fails()
        await gone(nc, before)
        nc.request_many("leave", max_wait=60)  # and nobody keeps it
        await service.next_msg()
        gc.collect()
        await gone(nc, before)


async def test_errors_at_once(url: str) -> None:
    async with natskit.connect(url) as nc:
        begin = time.monotonic()
        answers = nc.request_many("nobody.listens", max_wait=30)
        with pytest.raises(errors.NoRespondersError):
            await anext(answers)
        with pytest.raises(errors.NoRespondersError):
            [msg async for msg in nc.request_many("nobody.listens", max_wait=30)]
        assert isinstance(answers.reason, errors.NoRespondersError)
        assert time.monotonic() - begin < 5
        wrong: dict[str, Any]
        for wrong in ({"max_wait": 0}, {"max_wait": -1}, {"max_msgs": -1}, {"stall": -2}, {"reply": "a b"}):
            with pytest.raises(errors.InvalidError):
                nc.request_many("x", **wrong)
        for bad in ({"max_wait": "1"}, {"max_msgs": "x", "sentinel": 5}, {"reply": 5}):
            with pytest.raises((TypeError, errors.InvalidError)):
                nc.request_many("x", **bad)
        with pytest.raises(errors.BadSubjectError):
            nc.request_many("not ok")
        with pytest.raises(TypeError):
            nc.request_many("x", b"data", json=1)
    with pytest.raises(errors.ConnectionClosedError):
        nc.request_many("x")


async def test_denied() -> None:
    with Server(extra=RESTRICTED, jetstream=False) as server:
        async with natskit.connect(server.url.replace("://", "://u:p@")) as nc:
            begin = time.monotonic()
            with pytest.raises(errors.PermissionsError, match='Publish to "denied"'):
                [msg async for msg in nc.request_many("denied", max_wait=30)]
            with pytest.raises(errors.PermissionsError):
                await nc.request("denied", timeout=30)
            assert time.monotonic() - begin < 10


async def test_connection_lost(server: Server) -> None:
    async with natskit.connect(server.url, reconnect_time_wait=0.05) as nc:
        service = await nc.subscribe("lost")
        waits = nc.request_many("lost", max_wait=20, wait_reconnect=True, max_msgs=1)
        fails = nc.request_many("lost", max_wait=20)
        first = await service.next_msg(10)
        await service.next_msg(10)
        server.restart()
        with pytest.raises(errors.DisconnectedError):
            [msg async for msg in fails]
        await first.respond(b"late")
        assert [msg.data async for msg in waits] == [b"late"]


async def test_connection_closed(url: str) -> None:
    nc = await natskit.connect(url)
    await nc.subscribe("closing")
    service = await nc.subscribe("closing")
    answers = nc.request_many("closing", max_wait=30)
    await service.next_msg()
    await nc.close()
    with pytest.raises((errors.ConnectionClosedError, errors.DisconnectedError)):
        [msg async for msg in answers]


# ------------------------------------------------------------------------------------ requests of their own


async def test_request_with_a_subscription_of_its_own(url: str) -> None:
    async with natskit.connect(url) as nc:
        service = await nc.subscribe("own")

        async def serve() -> None:
            for _ in range(4):
                msg = await service.next_msg(10)
                await msg.respond(msg.reply, headers=msg.headers)

        work = face.spawn(serve)
        shared = (await nc.request("own", timeout=10)).text
        own = (await nc.request("own", timeout=10, own_sub=True)).text
        assert shared.count(".") != own.count(".") or shared.rpartition(".")[0] != own.rpartition(".")[0]
        assert (await nc.request("own", timeout=10, reply="my.reply")).subject == "my.reply"
        reply = await nc.request("own", json=[1], timeout=10, wait_reconnect=True, headers={"A": "b"})
        assert reply.headers == {"A": "b"}
        await face.join(work)
        with pytest.raises(errors.NoRespondersError):
            await nc.request("own.nobody", own_sub=True)
        with pytest.raises(TypeError):
            await nc.request("own", reply=5)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidError):
            await nc.request("own", reply="not ok")
        await gone(nc, 1)


async def test_request_outlives_the_connection(server: Server) -> None:
    async with natskit.connect(server.url, reconnect_time_wait=0.05) as nc:
        service = await nc.subscribe("outlive")
        work = face.spawn(lambda: nc.request("outlive", b"", 30, own_sub=True, wait_reconnect=True))
        msg = await service.next_msg(10)
        server.restart()
        await msg.respond(b"after all")
        assert (await face.join(work)).data == b"after all"


# --------------------------------------------------------------------------------------------- messages


async def test_once_more(url: str) -> None:
    async with natskit.connect(url) as nc, natskit.connect(url) as other:
        sub = await nc.subscribe("once.>")
        await nc.publish("once.a", b"data", "re.ply", headers=[("A", "1"), ("A", "2")])
        msg = await sub.next_msg()
        await msg.republish()
        await msg.republish("once.b")
        await msg.republish("once.c", "")
        await nc.publish_msg(msg, "once.d", "other.reply")
        await nc.flush()
        await other.publish_msg(msg)
        await other.flush()
        got = [await sub.next_msg() for _ in range(5)]
        assert [(one.subject, one.reply) for one in got] == [
            ("once.a", "re.ply"),
            ("once.b", "re.ply"),
            ("once.c", ""),
            ("once.d", "other.reply"),
            ("once.a", "re.ply"),
        ]
        assert all(one.data == b"data" and one.headers.pairs() == [("A", "1"), ("A", "2")] for one in got)
        with pytest.raises(errors.BadSubjectError):
            await msg.republish("not ok")
        with pytest.raises(errors.BadSubjectError):
            await msg.republish("fine", "not ok")
        with pytest.raises(TypeError):
            await nc.publish_msg(b"no message")  # type: ignore[arg-type]
    with pytest.raises(errors.ConnectionClosedError):
        await msg.republish()


async def test_json_text_and_size(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("json")
        value = {"name": "j\u00f6", "list": [1, 2.5, None, True]}
        await nc.publish("json", json=value)
        msg = await sub.next_msg()
        assert msg.json() == value and msg.text == '{"name":"j\u00f6","list":[1,2.5,null,true]}'
        assert msg.size == len("json") + len(msg.data)
        await nc.publish("json", b"\xff", "re", headers={"A": "1"})
        msg = await sub.next_msg()
        assert msg.size > len("json") + len("re") + 1 + len("NATS/1.0")
        with pytest.raises(UnicodeDecodeError):
            _ = msg.text
        with pytest.raises(ValueError):
            msg.json()
        with pytest.raises(TypeError):
            await nc.publish("json", b"x", json=value)
        with pytest.raises(TypeError):
            await nc.publish("json", json=object())
        with pytest.raises(ValueError):
            await nc.publish("json", json=float("nan"))
        await nc.publish("json", json=None)
        assert (await sub.next_msg()).text == ""


async def test_traces(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("traced")
        traces = await nc.subscribe("trace.it")
        mine = natskit.Headers({"A": "1"})
        await nc.publish("traced", b"x", headers=mine, trace_destination="trace.it")
        msg = await sub.next_msg()
        assert msg.headers == {"A": "1", "Nats-Trace-Dest": "trace.it"} and mine == {"A": "1"}
        assert "events" in (await traces.next_msg(10)).json()
        await nc.publish("traced", b"x", trace_destination="trace.it", trace_only=True)
        assert "events" in (await traces.next_msg(10)).json()
        assert sub.pending_msgs == 0
        with pytest.raises(errors.InvalidError):
            await nc.publish("traced", trace_only=True)
        with pytest.raises(errors.BadSubjectError):
            await nc.publish("traced", trace_destination="not ok")
        with pytest.raises(TypeError):
            await nc.publish("traced", trace_destination=5)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------- subscriptions


async def test_counters(url: str) -> None:
    async with natskit.connect(url) as nc:
        limits = {"max_msgs": 10, "pending_msgs_limit": 3, "pending_bytes_limit": 1 << 20}
        sub = await nc.subscribe("count.*", "q", **limits)
        for _ in range(5):
            await nc.publish("count.x", b"x")
        await nc.flush()
        assert (sub.subject, sub.queue, sub.max_msgs) == ("count.*", "q", 10)
        assert (sub.received, sub.pending_msgs, sub.dropped, sub.high_msgs) == (5, 3, 2, 3)
        assert (sub.pending_msgs_limit, sub.pending_bytes_limit) == (3, 1 << 20)
        assert sub.high_bytes >= sub.pending_bytes > 0
        await sub.next_msg()
        assert (sub.processed, sub.delivered, sub.handler_errors) == (1, 1, 0) and not sub.is_draining


async def test_first_message(url: str) -> None:
    async with natskit.connect(url) as nc:
        late = await nc.subscribe("first", first_msg_timeout=0.1)
        begin = time.monotonic()
        with pytest.raises(errors.TimeoutError):
            [msg async for msg in late]
        assert 0.05 < time.monotonic() - begin < 5
        assert isinstance(late.reason, errors.TimeoutError)
        kept = await nc.subscribe("first", first_msg_timeout=1)
        await nc.publish("first", b"x")
        await kept.next_msg()
        await face.nap(1.2)
        await nc.publish("first", b"y")
        assert (await kept.next_msg()).data == b"y"
        with pytest.raises(TypeError):
            await nc.subscribe("first", first_msg_timeout="1")  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------- the connection


async def test_what_it_tells(url: str) -> None:
    async with natskit.connect(url) as nc:
        assert nc.client_ip == "127.0.0.1" and nc.client_id > 0
        assert nc.server_at_least(2) and nc.server_at_least(2, 10, 0) and not nc.server_at_least(99, 1)
        major, minor, patch = (int(part) for part in nc.connected_server_version.split("-")[0].split("."))
        assert nc.server_at_least(major, minor, patch)
        assert not nc.server_at_least(major, minor, patch + 1)
        with pytest.raises(TypeError):
            nc.server_at_least("2")  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidError):
            nc.server_at_least(-1)
        known = await nc.context()
        assert known["account"] == "$G" and "user" in known and "ver" in known["server"]
    assert not nc.server_at_least(2) and nc.client_ip == ""


async def test_context_with_permissions() -> None:
    config = RESTRICTED.replace('"ok.>"', '["ok.>", "$SYS.>"]')
    with Server(extra=config, jetstream=False) as server:
        async with natskit.connect(server.url.replace("://", "://u:p@")) as nc:
            known = await nc.context()
            assert known["user"] == "u" and sorted(known["permissions"]["publish"]["allow"]) == ["$SYS.>", "ok.>"]


def test_nuid() -> None:
    some = {natskit.nuid() for _ in range(1000)}
    assert len(some) == 1000 and all(len(one) == 22 and one.isalnum() for one in some)


async def test_nothing_is_left(url: str) -> None:
    before = natskit.counters()["headers"]
    async with natskit.connect(url) as nc:
        service = await nc.subscribe("left")
        for _ in range(100):
            answers = nc.request_many("left", headers=natskit.Headers({"A": "1"}), max_wait=60)
            await answer(service, b"1")
            async for _msg in answers:
                break
        del answers
    wait_for(lambda: natskit.counters()["headers"] <= before, 10.0)
