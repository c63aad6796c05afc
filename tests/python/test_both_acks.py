# SPDX-License-Identifier: Apache-2.0
"""Acks of messages of JetStream consumers, known by what the server says of the consumer, and their metadata."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Server, Tap, wait_for

LONG = 600_000_000_000  # ack wait in ns: what comes again comes because of an ack


@pytest.fixture(scope="module")
def js_server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def js_url(js_server: Server) -> Iterator[str]:
    with Tap(js_server) as tap:
        yield tap.url


async def call(nc: natskit.Client, name: str, body: object = None) -> dict[str, Any]:
    payload = b"" if body is None else json.dumps(body)
    answer: dict[str, Any] = (await nc.request(f"$JS.API.{name}", payload, 10)).json()
    return answer


async def make(
    nc: natskit.Client, messages: int, ack_wait: int = LONG, storage: str = "memory", **more: object
) -> None:
    """A new stream S of subject s with these numbers, and a consumer c of it. In memory: the files of a stream that
    was deleted may still be there when the next one of that name is made."""
    await call(nc, "STREAM.DELETE.S")
    assert "error" not in await call(nc, "STREAM.CREATE.S", {"name": "S", "subjects": ["s"], "storage": storage})
    config = {"durable_name": "c", "ack_policy": "explicit", "ack_wait": ack_wait, **more}
    answer = await call(nc, "CONSUMER.DURABLE.CREATE.S.c", {"stream_name": "S", "config": config})
    assert "error" not in answer
    for i in range(1, messages + 1):
        await nc.request("s", str(i), 10)
    if not more:  # the consumer learns of them a little later
        deadline = time.monotonic() + 20
        while (await call(nc, "CONSUMER.INFO.S.c"))["num_pending"] != messages:
            assert time.monotonic() < deadline


async def fetch(nc: natskit.Client, **more: object) -> natskit.Msg:
    body = json.dumps({"batch": 1, "expires": 20_000_000_000, **more})
    return await nc.request("$JS.API.CONSUMER.MSG.NEXT.S.c", body, 20, own_sub=True)


async def until(nc: natskit.Client, pending: int, floor: int) -> None:
    """Waits until the consumer has so many messages to be acked, and has acks of all up to this one."""
    deadline = time.monotonic() + 20
    found = None
    while found != (pending, floor):
        assert time.monotonic() < deadline, found
        info = await call(nc, "CONSUMER.INFO.S.c")
        found = (info["num_ack_pending"], info["ack_floor"]["stream_seq"])


async def test_metadata(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        before = datetime.now(timezone.utc)
        await make(nc, 2)
        msg = await fetch(nc)
        meta = msg.metadata
        assert isinstance(meta, natskit.Metadata) and meta == msg.metadata
        assert (meta.stream, meta.consumer, meta.domain, meta.account) == ("S", "c", None, None)
        assert (meta.sequence.stream, meta.sequence.consumer) == (1, 1)
        assert (meta.num_pending, meta.num_delivered, meta.redelivered) == (1, 1, False)
        assert meta.timestamp.tzinfo is timezone.utc
        assert abs((meta.timestamp - before).total_seconds()) < 100
        assert int(meta.timestamp.timestamp() * 1e6) - meta.timestamp_ns // 1000 in (-1, 0, 1)
        assert msg.reply.split(".")[7] == str(meta.timestamp_ns)
        with pytest.raises(AttributeError):
            meta.stream = "other"  # type: ignore[misc]
        await msg.ack()


async def test_ack(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        await make(nc, 2)
        msg = await fetch(nc)
        assert not msg.is_acked
        assert await msg.ack() is None
        assert msg.is_acked
        await until(nc, 0, 1)
        for again in (msg.ack, msg.nak, msg.term, msg.in_progress, msg.ack_sync):
            with pytest.raises(errors.MsgAlreadyAckdError) as caught:
                await again()
            assert isinstance(caught.value, errors.JetStreamError)
        assert (await fetch(nc)).data == b"2"


async def test_nak(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        await make(nc, 1)
        await (await fetch(nc)).nak()
        msg = await fetch(nc)
        assert msg.metadata.num_delivered == 2 and msg.metadata.redelivered
        begin = time.monotonic()
        await msg.nak(delay=0.4)
        msg = await fetch(nc)
        assert time.monotonic() - begin >= 0.38
        assert msg.metadata.num_delivered == 3
        await msg.nak(None)
        await (await fetch(nc)).ack()
        await until(nc, 0, 1)


async def test_in_progress(js_url: str) -> None:
    """What is in progress does not come again; what was delivered after it, and is not, does."""
    async with natskit.connect(js_url) as nc:
        await make(nc, 2, 2_000_000_000)
        first = await fetch(nc)
        await fetch(nc)
        found: list[natskit.Msg] = []

        async def look() -> None:
            found.append(await fetch(nc))

        work = face.spawn(look)
        while not found:
            await first.in_progress()
            await face.nap(0.05)
        await face.join(work)
        again = found[0]
        assert again.data == b"2" and again.metadata.num_delivered == 2
        assert not first.is_acked
        await first.ack()
        await again.ack()
        await until(nc, 0, 2)


async def test_term(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        advisories = await nc.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c")
        await make(nc, 2)
        msg = await fetch(nc)
        for wrong in ("two\nlines", "nul\0"):
            with pytest.raises(errors.InvalidError, match="reason: not one line"):
                await msg.term(wrong)
        with pytest.raises(TypeError, match="reason"):
            await msg.term(5)  # type: ignore[arg-type]
        with pytest.raises(errors.MaxPayloadError):
            await msg.term("x" * 2_000_000)
        assert not msg.is_acked
        await msg.term("no such ärticle")
        assert (await advisories.next_msg(20)).json()["reason"] == "no such ärticle"
        await (await fetch(nc)).term()
        assert "reason" not in (await advisories.next_msg(20)).json()
        await until(nc, 0, 2)
        assert (await fetch(nc, expires=100_000_000)).status_code == 408


async def test_ack_sync(js_url: str) -> None:
    """When it has returned the server has the ack: nothing is to be waited for."""
    async with natskit.connect(js_url) as nc:
        await make(nc, 2)
        for i in (1, 2):
            msg = await fetch(nc)
            reply = await (msg.ack_sync() if i == 1 else msg.ack_sync(timeout=20))
            assert reply.data == b"" and isinstance(reply, natskit.Msg)
            assert (await call(nc, "CONSUMER.INFO.S.c"))["ack_floor"]["stream_seq"] == i
            assert msg.is_acked
            with pytest.raises(errors.MsgAlreadyAckdError):
                await msg.ack_sync()


async def test_not_confirmed(js_server: Server) -> None:
    """Nobody knows whether the server has it, so the message can be acked again."""
    async with natskit.connect(js_server.url) as nc:
        await make(nc, 1)
        msg = await fetch(nc)
        js_server.pause()
        try:
            with pytest.raises(errors.TimeoutError):
                await msg.ack_sync(0.2)
            assert not msg.is_acked
        finally:
            js_server.resume()
        await msg.ack_sync(20)
        assert msg.is_acked
        await until(nc, 0, 1)


async def test_ack_batch(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        sub = await nc.subscribe("delivered")
        await make(nc, 100, deliver_subject="delivered")
        msgs = []
        while len(msgs) < 100:
            msgs += await sub.next_batch(100, 20)
        assert [msg.metadata.sequence.stream for msg in msgs] == list(range(1, 101))
        await until(nc, 100, 0)
        assert await nc.ack_batch([]) == 0
        assert await nc.ack_batch(iter(msgs[:40])) == 40
        assert await nc.ack_batch(msgs[40:80]) == 40
        await until(nc, 20, 80)
        with pytest.raises(errors.MsgAlreadyAckdError) as caught:
            await nc.ack_batch([*msgs[80:90], msgs[0], *msgs[90:]])
        assert caught.value.published == 10
        await until(nc, 10, 90)
        assert await nc.ack_batch(msgs[90:]) == 10
        await until(nc, 0, 100)
        for wrong in ([1], [msgs[0], None]):
            with pytest.raises(TypeError, match="ack_batch"):
                await nc.ack_batch(wrong)  # type: ignore[arg-type]


async def test_other_messages(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("plain")
        for reply in ("", "inbox", "$JS.FC.s.c.1"):
            await nc.publish("plain", b"", reply=reply)
            msg = await sub.next_msg(10)
            assert not msg.is_acked
            for use in (msg.ack, msg.nak, msg.term, msg.in_progress, msg.ack_sync):
                with pytest.raises(errors.NotJSMessageError):
                    await use()
            with pytest.raises(errors.NotJSMessageError):
                msg.metadata  # noqa: B018
            with pytest.raises(errors.NotJSMessageError) as caught:
                await nc.ack_batch([msg])
            assert caught.value.published == 0


async def test_arguments(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        await make(nc, 1)
        msg = await fetch(nc)
        for wrong in (-1, float("nan"), float("inf"), 1e300):
            with pytest.raises(errors.InvalidError, match="delay"):
                await msg.nak(delay=wrong)
        with pytest.raises(TypeError):
            await msg.nak("soon")  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidError, match="timeout"):
            await msg.ack_sync(-1)
        with pytest.raises(TypeError):
            await msg.ack(1)  # type: ignore[call-arg]
        assert not msg.is_acked
        await msg.ack()


async def until_api(nc: natskit.Client) -> None:
    """Waits until the API knows the consumer again after a restart."""
    deadline = time.monotonic() + 20
    while True:
        try:
            if "error" not in await call(nc, "CONSUMER.INFO.S.c"):
                return
        except errors.NoRespondersError:
            pass
        assert time.monotonic() < deadline
        await face.nap(0.005)


async def test_while_disconnected() -> None:
    """Acks wait in the outbox for the reconnect; the closed connection takes none."""
    with Server() as server:  # its own, on which no stream was deleted
        nc = await natskit.connect(server.url)
        await make(nc, 2, storage="file")
        kept, late = await fetch(nc), await fetch(nc)
        server.stop()
        wait_for(lambda: nc.is_reconnecting, what="the disconnect")
        await kept.ack()
        assert kept.is_acked
        server.restart()
        wait_for(lambda: nc.is_connected, what="the reconnect")
        await until_api(nc)
        await until(nc, 1, 1)
        await nc.close()
        with pytest.raises(errors.ConnectionClosedError):
            await late.ack()
        with pytest.raises(errors.ConnectionClosedError):
            await late.ack_sync()
        assert not late.is_acked


async def fill(nc: natskit.Client) -> None:
    """Publishes until the outbox has no room at all."""
    for size in (60000, 1000, 1):
        full = 0  # a second long without a break: the engine may have had no turn in a part of it
        while full < 4:
            try:
                await nc.publish("full", bytes(size), timeout=0.3)
                full = 0
            except errors.TimeoutError:
                full += 1


async def test_full_outbox(js_server: Server) -> None:
    """Acks wait for room, as all that is sent does, and each is sent once."""
    async with natskit.connect(js_server.url, outbox_bytes=1 << 18) as nc:
        await make(nc, 9)
        msgs = [await fetch(nc) for _ in range(9)]
        js_server.pause()
        try:
            await fill(nc)
            with pytest.raises(errors.TimeoutError):
                await msgs[0].ack_sync(0.1)
            with pytest.raises(errors.TimeoutError) as caught:
                await nc.ack_batch(msgs[:2], timeout=0.1)
            assert caught.value.published == 0 and not msgs[0].is_acked
            works = [
                face.spawn(msgs[0].ack),
                face.spawn(msgs[1].ack_sync, 30),
                face.spawn(msgs[2].term, "why"),
                face.spawn(msgs[3].nak, 600),
                face.spawn(msgs[4].in_progress),
                face.spawn(nc.ack_batch, msgs[5:]),
            ]
            for _ in range(50):
                await face.rest()
            assert not any(msg.is_acked for msg in msgs)
        finally:
            js_server.resume()
        for work in works:
            await face.join(work)
        assert [msg.is_acked for msg in msgs] == [True] * 4 + [False] + [True] * 4
        await until(nc, 2, 3)


async def test_full_outbox_fails(js_server: Server) -> None:
    async with natskit.connect(js_server.url, outbox_bytes=1 << 18, outbox_full="fail") as nc:
        await make(nc, 1)
        msg = await fetch(nc)
        js_server.pause()
        try:
            for size in (60000, 1000, 1):
                for _ in range(20):  # the system takes some more each time
                    with pytest.raises(errors.OutboundBufferLimitError):
                        while True:
                            await nc.publish("full", bytes(size))
                    await face.nap(0.01)
            for use in (msg.ack, msg.nak, msg.term, msg.in_progress, msg.ack_sync):
                with pytest.raises(errors.OutboundBufferLimitError):
                    await use()
            with pytest.raises(errors.OutboundBufferLimitError):
                await nc.ack_batch([msg])
            assert not msg.is_acked
        finally:
            js_server.resume()
        await nc.flush(20)
        await msg.ack()
        await until(nc, 0, 1)


async def test_long_subjects() -> None:
    """Of a server that writes domain and account into them."""
    with Server(extra="feature_flags { js_ack_fc_v2: true }\n") as server:
        async with natskit.connect(server.url) as nc:
            await make(nc, 2)
            msg = await fetch(nc)
            assert len(msg.reply.split(".")) >= 11
            meta = msg.metadata
            assert (meta.stream, meta.consumer, meta.domain) == ("S", "c", None)
            assert meta.account and meta.sequence.stream == 1 and meta.num_pending == 1
            await msg.ack()
            await (await fetch(nc)).ack_sync(20)
            await until(nc, 0, 2)
