# SPDX-License-Identifier: Apache-2.0
"""What servers from 2.11 on brought to publishing: batches, counters, schedules and times to live, against a real
server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Server


async def made(nc: natskit.Client, **config: Any) -> natskit.JetStreamContext:
    js = nc.jetstream()
    await js.add_stream(**{"name": "S", "subjects": ["s.>"], "storage": "memory", **config})
    return js


async def stored(js: natskit.JetStreamContext) -> int:
    count: int = (await js.stream_info("S")).state.messages
    return count


async def test_batch(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_atomic=True)
        async with js.batch() as batch:
            batch.add("s.a", b"1", headers={"A": "1"})
            batch.add("s.b", "2", msg_id="two")
            batch.add("s.c", json={"a": 3})
            assert len(batch) == 3 and batch.size > 0 and not batch.committed
            assert await stored(js) == 0
        ack = batch.ack
        assert ack is not None and (ack.stream, ack.seq, ack.batch_size) == ("S", 3, 3) and ack.batch
        assert len(tuple(ack)) == 4  # as nats-py's
        assert [(await js.get_msg("S", seq)).data for seq in (1, 2, 3)] == [b"1", b"2", b'{"a":3}']
        first = (await js.get_msg("S", 1)).headers
        assert first is not None and first["A"] == "1"
        plain = await js.publish("s.a", b"4")
        assert plain.batch is None and plain.batch_size == 0 and plain.value is None


async def test_many(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_atomic=True)
        batch = js.batch()
        for i in range(1000):
            batch.add("s.a", str(i))
        with pytest.raises(errors.LimitReachedError):
            batch.add("s.a", b"one more")
        assert (await batch.commit()).batch_size == 1000
        assert await stored(js) == 1000
        small = js.batch(max_bytes=1024)
        with pytest.raises(errors.LimitReachedError):
            small.add("s.a", bytes(2000))
        with pytest.raises(errors.InvalidError):
            await small.commit()  # nothing in it


async def test_refused(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_atomic=True)
        batch = js.batch()
        batch.add("s.a", b"1", expected_last_seq=0)
        for wrong in (
            {"expected_last_seq": 1},
            {"headers": {"Nats-Batch-Id": "mine"}},
            {"headers": {"Nats-Expected-Last-Msg-Id": "x"}},
            {"expected_last_subject_seq": 0},
        ):
            with pytest.raises(errors.InvalidError):
                batch.add("s.a", b"2", **wrong)
        with pytest.raises(TypeError):
            batch.add("s.a", timeout=1)  # type: ignore[call-arg]
        batch.add("s.b", b"2", expected_last_subject_seq=7)
        with pytest.raises(errors.WrongLastSequenceError) as refused:
            await batch.commit()
        assert refused.value.outcome == "rejected" and await stored(js) == 0
        with pytest.raises(errors.Error):
            batch.add("s.a", b"3")  # it was committed
        with pytest.raises(errors.Error):
            await batch.commit()


async def test_not_allowed(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        with pytest.raises(errors.BatchNotAllowedError) as refused:
            async with js.batch() as batch:
                batch.add("s.a", b"1")
        assert refused.value.outcome == "rejected" and refused.value.err_code == 10174
        assert await stored(js) == 0


async def test_discarded(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_atomic=True)
        with pytest.raises(KeyError):
            async with js.batch() as batch:
                batch.add("s.a", b"1")
                raise KeyError("program")
        async with js.batch():
            pass  # nothing to commit
        batch = js.batch()
        batch.add("s.a", b"1")
        batch.discard()
        batch.discard()
        with pytest.raises(errors.Error):
            batch.add("s.a", b"1")
        assert await stored(js) == 0


async def test_counters(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_msg_counter=True, allow_direct=True)
        assert await js.increment("s.hits") == 1
        assert await js.increment("s.hits", -3) == -2
        huge = 10**60
        assert await js.increment("s.hits", huge) == huge - 2
        ack = await js.publish("s.hits", increment=1, msg_id="once")
        again = await js.publish("s.hits", increment=1, msg_id="once")
        assert ack.value == huge - 1 and again.duplicate
        assert await js.increment("s.hits", 7, msg_id="twice") == huge + 6
        assert await js.increment("s.hits", 1) == huge + 7
        assert await js.increment("s.hits", 7, msg_id="twice") == huge + 7  # not counted again
        stored_one = await js.get_last_msg("S", "s.hits")
        assert stored_one.counter == huge + 7 and stored_one.counter_sources is None
        with pytest.raises(TypeError):
            await js.increment("s.hits", 1.5)  # type: ignore[arg-type]
        with pytest.raises(errors.BadSubjectError):
            await js.increment("s.*")
        with pytest.raises(errors.InvalidError):
            await js.increment("s.hits", 10**4096)
        with pytest.raises(errors.CounterRefusedError):
            await js.publish("s.hits", b"no counter")
        with pytest.raises(TypeError):
            await js.publish("s.hits", increment="1")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await js.publish("s.hits", increment=True)


async def test_no_counter(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        with pytest.raises(errors.CounterRefusedError):
            await js.increment("s.hits")


async def test_schedules(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_msg_schedules=True, allow_msg_ttl=True)
        sub = await js.pull_subscribe("s.out.>", stream="S")
        await js.publish(
            "s.plan.often", b"tick", schedule="@every 1s", schedule_target="s.out.often", schedule_ttl=timedelta(minutes=5)
        )
        await js.publish("s.plan.once", b"once", schedule="@at 2020-01-01T00:00:00Z", schedule_target="s.out.once")
        seen = set()
        while len(seen) < 2:
            for msg in await sub.fetch(1, 20):
                assert msg.headers is not None and msg.headers["Nats-Scheduler"].startswith("s.plan.")
                seen.add(msg.subject)
                await msg.ack()
        assert seen == {"s.out.often", "s.out.once"}
        await js.publish("s.stop", unschedule="s.plan.often")
        with pytest.raises(errors.NotFoundError):
            await js.get_last_msg("S", "s.plan.often")
        for wrong in (
            {"schedule": "@every 5s"},
            {"schedule": "sometimes", "schedule_target": "s.out.x"},
            {"schedule": "@every 5s", "schedule_target": "elsewhere"},
            {"schedule": "0 0 5 * * *", "schedule_target": "s.out.x", "schedule_time_zone": "No/Where"},
            {"unschedule": "s.plan.x"},
        ):
            with pytest.raises(errors.ScheduleRefusedError):
                await js.publish("s.plan.x", b"", **wrong)
        await js.publish(
            "s.plan.daily",
            schedule="0 0 5 * * *",
            schedule_target="s.out.daily",
            schedule_time_zone="Europe/Paris",
            schedule_source="s.last",
            schedule_rollup=True,
        )
        headers = (await js.get_last_msg("S", "s.plan.daily")).headers
        assert headers is not None and headers["Nats-Schedule-Rollup"] == "sub"


async def test_ttl(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_msg_ttl=True, allow_atomic=True, max_age=3600)
        await js.publish("s.a", b"1", msg_ttl="never")
        await js.publish("s.a", b"2", msg_ttl=60)
        async with js.batch() as batch:
            batch.add("s.a", b"3", msg_ttl=timedelta(seconds=90))
        texts = [(await js.get_msg("S", seq)).headers for seq in (1, 2, 3)]
        assert [headers["Nats-TTL"] for headers in texts if headers is not None] == ["never", "60", "90000000000ns"]
        for wrong in (0.5, "10ms", "soon"):
            with pytest.raises(errors.TTLRefusedError):
                await js.publish("s.a", b"4", msg_ttl=wrong)


async def test_origins(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, republish={"src": "s.>", "dest": "again.>"})
        sub = await nc.subscribe("again.>")
        await js.add_stream(
            name="T",
            storage="memory",
            sources=[{"name": "S", "subject_transforms": [{"src": "s.>", "dest": "t.>"}]}],
        )
        await js.publish("s.a", b"1", headers={"Mine": "x"})
        await js.publish("s.a", b"2")
        first, second = await sub.next_msg(20), await sub.next_msg(20)
        assert first.origin is not None and second.origin is not None and second.counter is None
        assert (second.origin["stream"], second.origin["subject"], second.origin["seq"]) == ("S", "s.a", 2)
        assert second.origin["last_seq"] == 1 and "last_seq" not in first.origin and first.origin["time_ns"] > 0
        pulled = await js.pull_subscribe("t.>", stream="T")
        msg = (await pulled.fetch(1, 20))[0]
        origin = msg.origin
        assert origin is not None and (origin["source_stream"], origin["source_seq"]) == ("S", 1)
        assert (origin["source_filter"], origin["source_transform"], origin["source_subject"]) == ("s.>", "t.>", "s.a")
        plain = await nc.subscribe("plain")
        await nc.publish("plain", b"{}", headers={"Mine": "x"})
        got = await plain.next_msg(20)
        assert got.origin is None and got.counter is None


async def test_stored_counters(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_msg_counter=True, allow_direct=True)
        await js.add_stream(
            name="SUM",
            subjects=["sum.>"],
            storage="memory",
            allow_msg_counter=True,
            allow_direct=True,
            sources=[{"name": "S", "subject_transforms": [{"src": "s.>", "dest": "sum.>"}]}],
        )
        huge = 10**40
        await js.increment("s.hits", huge)
        await js.increment("sum.hits", -1)
        pulled = await js.pull_subscribe("sum.>", stream="SUM")
        seen = []
        while len(seen) < 2:
            seen += await pulled.fetch(1, 20)
        assert seen[-1].counter == huge - 1
        sourced = [msg.origin for msg in seen if msg.origin is not None and "counter_sources" in msg.origin]
        assert seen[-1].counter_sources == {"S": {"s.hits": huge}}
        last = await js.get_last_msg("SUM", "sum.hits", direct=True)
        assert last.counter == huge - 1 and last.counter_sources == {"S": {"s.hits": huge}}
        assert sourced and sourced[-1]["counter_sources"] == f'{{"S":{{"s.hits":"{huge}"}}}}'
        assert all(msg.origin is not None and msg.origin["increment"] for msg in seen)


async def test_sources_of_strangers(js_url: str) -> None:
    """Anybody may write the header: what is no document of sums is None, and nothing raises or is cut."""
    good = '{"S":{"s.a":"-12","s.b":"0"},"T":{}}'
    texts = [
        '{"S":{"s.a":"many"}}',
        '{"S":{"s.a":"-"}}',
        '{"S":{"s.a":"1_0"}}',
        '{"S":{"s.a":" 1"}}',
        '{"S":{"s.a":"1.5"}}',
        '{"S":{"s.a":""}}',
        '{"S":{"s.a":"' + "1" * 4097 + '"}}',
        '{"S":{"s.a":1.5}}',
        '{"S":{"s.a":1}}',
        '{"S":{"s.a":null}}',
        '{"S":{"s.a":["1"]}}',
        '{"S":{"s.b":"1","s.a":true}}',
        '{"S":"1"}',
        '{"T":{"s.a":"1"},"S":[]}',
        '["S"]',
        '"S"',
        "7",
        "{",
    ]
    async with natskit.connect(js_url) as nc:
        sub = await nc.subscribe("plain")
        for text in [good, *texts]:
            await nc.publish("plain", b"{}", headers={"Nats-Counter-Sources": text})
        assert (await sub.next_msg(20)).counter_sources == {"S": {"s.a": -12, "s.b": 0}, "T": {}}
        for text in texts:
            assert (await sub.next_msg(20)).counter_sources is None, text
        await nc.publish("plain", b"{}")
        assert (await sub.next_msg(20)).counter_sources is None


async def test_broken_counter(js_url: str) -> None:
    """A stream that was none of counters comes back as one: its last message is no sum."""
    async with natskit.connect(js_url) as nc:
        js = await made(nc, storage="file")
        await js.publish("s.a", b"word")
        async with await js.admin.snapshot("S") as snapshot:
            chunks = [chunk async for chunk in snapshot]
        await js.delete_stream("S")
        config = {**snapshot.config, "name": f"BROKEN{face.NAME}", "allow_msg_counter": True}
        await js.admin.restore(config, snapshot.state, chunks)
        with pytest.raises(errors.CounterRefusedError, match="message counter is broken") as caught:
            await js.increment("s.a")
        assert (caught.value.err_code, caught.value.outcome) == (10172, "rejected")
        assert await js.increment("s.b", 2) == 2


async def test_too_many_requests() -> None:
    """A stream whose queue of what comes in has room for one."""
    config = 'listen: "127.0.0.1:-1"\nhttp: "127.0.0.1:-1"\n'
    with Server(config + 'jetstream { store_dir: "@DIR@/store", max_buffered_msgs: 1 }\n') as server:
        async with natskit.connect(server.url) as nc:
            js = await made(nc)
            with pytest.raises(errors.JetStreamLimitError, match="too many requests") as caught:
                for _ in range(100):
                    async with js.publisher() as pub:
                        await pub.publish_batch([("s.a", b"x")] * 500)
            error = caught.value
            assert (error.server_code, error.err_code, error.outcome) == (429, 10167, "rejected")
            assert all(outcome.error.err_code == 10167 for outcome in error.failures)


async def test_acks_by_flow_control(js_url: str) -> None:
    """What a consumer whose acks are the answers of flow control has to have."""
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        config = {"name": "c", "ack_policy": "flow_control", "deliver_subject": "d"}
        with pytest.raises(errors.APIError, match="requires flow control") as caught:
            await js.call("consumer.create", stream="S", config=config, pedantic=True)
        assert caught.value.err_code == 10219
        with pytest.raises(errors.APIError, match="requires max ack pending") as caught:
            await js.add_consumer("S", config, max_ack_pending=-1)
        assert caught.value.err_code == 10220
        info = await js.add_consumer("S", config)
        assert (info.config.flow_control, info.config.idle_heartbeat) == (True, 1)
