# SPDX-License-Identifier: Apache-2.0
"""Stored messages without a consumer: one, runs, and the last of each subject."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Cluster, Tap


async def filled(js: natskit.JetStreamContext, *tokens: str, **config: Any) -> None:
    """A stream A with these messages, whose data are their tokens."""
    await js.add_stream(
        **{"name": "A", "subjects": ["s.*"], "storage": "memory", "allow_direct": True, **config}
    )
    for token in tokens:
        await js.publish(f"s.{token}", token.encode())


async def found(reading: natskit.Reading) -> list[tuple[str, int]]:
    return [(msg.subject, msg.seq) async for msg in reading]


@pytest.mark.parametrize("direct", [False, True])
async def test_one(js_url: str, direct: bool) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await filled(js, "a", "b")
        third = await js.publish("s.a", b"{\"n\": 3}", headers={"Key": "v"})
        msg = await js.get_msg("A", third.seq, direct=direct)
        assert isinstance(msg, natskit.StoredMsg)
        assert (msg.subject, msg.seq, msg.sequence, msg.stream) == ("s.a", 3, 3, "A")
        assert (msg.json(), msg.pending) == ({"n": 3}, 0)
        assert msg.headers is not None and msg.headers.pairs() == [("Key", "v")]
        assert msg.hdrs == b"NATS/1.0\r\nKey: v\r\n\r\n"
        assert abs(msg.time - datetime.now(timezone.utc)) < timedelta(hours=1)
        assert msg.time_ns // 1000 == round(msg.time.timestamp() * 1e6)
        assert "seq=3" in repr(msg)
        first = await js.get_msg("A", 1, direct=direct)
        assert (first.data, first.headers, first.hdrs) == (b"a", None, b"")
        assert (await js.get_msg("A", subject="s.b", direct=direct)).seq == 2
        assert (await js.get_last_msg("A", "s.*", direct)).seq == 3
        assert (await js.get_msg("A", 2, "s.a", direct, next=True)).seq == 3
        assert (await js.get_msg("A", direct=direct, start_time=msg.time)).seq in (2, 3)
        stream = await js.stream("A")
        assert (await stream.get_msg(2, direct=direct)).data == b"b"
        assert (await stream.get_last_msg("s.b", direct)).seq == 2
        with pytest.raises(errors.MsgNotFoundError) as caught:
            await js.get_msg("A", 9, direct=direct)
        assert caught.value.code == 404
        with pytest.raises(errors.StreamNotFoundError):
            await js.get_msg("NO", 1, direct=direct)


async def test_one_where_it_is_not_allowed(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await filled(js, "a", "b", allow_direct=False)
        assert (await js.direct_get("A", 2)).data == b"b"
        assert (await js.direct_get("A", subject="s.a", next=True)).seq == 1


async def test_what_does_not_fit(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        with pytest.raises(errors.InvalidError):
            await js.get_msg("A")
        with pytest.raises(errors.InvalidError):
            await js.get_msg("A", 1, "s.a")
        with pytest.raises(errors.InvalidError):
            await js.get_msg("A", start_time="yesterday")
        with pytest.raises(errors.InvalidError):
            js.get_batch("A", seq=1, start_time="2026-01-02T03:04:05Z")
        with pytest.raises(errors.InvalidError):
            js.get_last_msgs_for("A", ["a..b"])
        with pytest.raises(errors.InvalidError):
            js.get_batch("A.B")


async def test_batch(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await filled(js, "a", "b", "a", "c")
        assert await found(js.get_batch("A")) == [("s.a", 1), ("s.b", 2), ("s.a", 3), ("s.c", 4)]
        assert await found(js.get_batch("A", 2, seq=2)) == [("s.b", 2), ("s.a", 3)]
        assert await found(js.get_batch("A", subject="s.a", page_msgs=1)) == [("s.a", 1), ("s.a", 3)]
        assert await found(js.get_batch("A", seq=2, up_to_seq=3)) == [("s.b", 2), ("s.a", 3)]
        assert await found(js.get_batch("A", max_bytes=1)) == [("s.a", 1)]
        begin = datetime(2020, 1, 1, tzinfo=timezone.utc)
        assert await found(js.get_batch("A", start_time=begin, subject="s.c")) == [("s.c", 4)]
        assert await found(js.get_batch("A", seq=5)) == []
        stream = await js.stream("A")
        async with stream.get_batch(1) as reading:
            msg = await reading.next_msg(20)
            assert (msg.data, msg.pending) == (b"a", 3)


async def test_last_msgs_for(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await filled(js, "a", "b", "a", "c")
        assert await found(js.get_last_msgs_for("A")) == [("s.b", 2), ("s.a", 3), ("s.c", 4)]
        assert await found(js.get_last_msgs_for("A", "s.a", up_to_seq=2)) == [("s.a", 1)]
        assert await found(js.get_last_msgs_for("A", ["s.a", "s.b", "s.none"], page_msgs=1)) == [
            ("s.b", 2),
            ("s.a", 3),
        ]
        stream = await js.stream("A")
        assert await found(stream.get_last_msgs_for(batch=1)) == [("s.b", 2)]
        assert await found(js.get_last_msgs_for("A", "s.none")) == []


async def test_more_keys_than_an_answer_holds(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await filled(js)
        async with js.publisher() as pub:
            for i in range(1200):
                await pub.publish(f"s.{i}", b"")
        got = await found(js.get_last_msgs_for("A", [f"s.{i}" for i in range(1200)]))
        assert sorted(seq for _, seq in got) == list(range(1, 1201))
        with pytest.raises(errors.JetStreamLimitError):
            await found(js.get_last_msgs_for("A"))


async def test_where_it_is_not_allowed(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await filled(js, "a", allow_direct=False)
        with pytest.raises(errors.NoDirectError):
            await found(js.get_batch("A"))
        with pytest.raises(errors.NoDirectError):
            await found(js.get_last_msgs_for("NO"))


async def test_lost_connections(js_url: str) -> None:
    with Tap(js_url) as tap:
        async with natskit.connect(tap.url, reconnect_wait_ms=20, reconnect_wait_max_ms=100) as nc:
            js = nc.jetstream()
            await filled(js)
            async with js.publisher() as pub:
                for _ in range(1000):
                    await pub.publish("s.a", b"")
            seqs = []
            async for msg in js.get_batch("A", page_msgs=50):
                seqs.append(msg.seq)
                if msg.seq % 300 == 0:
                    tap.command("cut")
            assert seqs == list(range(1, 1001))


async def test_alternates() -> None:
    """Which streams hold the same messages; only clusters tell."""
    with Cluster() as cluster:
        cluster.wait_ready()
        async with natskit.connect(cluster[0].url) as nc:
            js = nc.jetstream(timeout=30)
            await filled(js, "a")
            await js.add_stream(name="M", storage="memory", mirror={"name": "A"}, mirror_direct=True)
            for _ in range(2000):  # until the server that answers knows of the mirror
                info = await js.stream_info("A")
                if len(info.alternates or ()) == 2:
                    break
                await face.nap(0.01)
            assert sorted(one.name for one in info.alternates) == ["A", "M"]
            assert info.alternates[0].cluster == info.cluster.name if info.cluster else False
