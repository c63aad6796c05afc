# SPDX-License-Identifier: Apache-2.0
"""Publishing and receiving: payloads, iteration, batches, wildcards, queue groups, ends, order."""

from __future__ import annotations

import array
import time

import face_async as face
import natskit
import pytest
from natskit import errors


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", b""),
        (b"hello", b"hello"),
        ("h\u00e9llo", "h\u00e9llo".encode()),
        (bytearray(b"array"), b"array"),
        (memoryview(b"xviewx")[1:5], b"view"),
        (array.array("B", [1, 0, 255]), b"\x01\x00\xff"),
        (bytes(range(256)) * 400, bytes(range(256)) * 400),
        (b"a\r\nMSG a 1 5\r\n", b"a\r\nMSG a 1 5\r\n"),
    ],
)
async def test_payloads(url: str, payload: object, expected: bytes) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("payload")
        await nc.publish("payload", payload)
        msg = await sub.next_msg()
        assert msg.data == expected
        assert bytes(memoryview(msg)) == expected
        assert len(msg) == len(expected)
        assert msg.subject == "payload"
        assert msg.reply == ""
        assert msg.headers is None and msg.header is None
        assert msg.sid == sub.sid
        assert msg.status_code == 0 and msg.description == ""


async def test_payload_as_large_as_allowed(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("large")
        data = bytes(1048576)
        await nc.publish("large", data)
        assert (await sub.next_msg(5)).data == data
        with pytest.raises(errors.MaxPayloadError):
            await nc.publish("large", data + b"1")
        await nc.flush()
        assert sub.pending_msgs == 0


async def test_message_outlives_everything(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("keep")
        await nc.publish("keep", b"kept", reply="re.ply")
        msg = await sub.next_msg()
        view = memoryview(msg)
        await sub.close()
    assert msg.data == b"kept" and msg.subject == "keep" and msg.reply == "re.ply"
    assert view.readonly and view.tobytes() == b"kept"
    with pytest.raises(TypeError):
        view[0] = 1
    text = repr(msg)
    del msg, sub, nc
    assert view.tobytes() == b"kept"
    assert "keep" in text and "4 bytes" in text and "kept" not in text


async def test_fields_are_read_only(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("fields")
        await nc.publish("fields", b"x")
        msg = await sub.next_msg()
        for name in ("subject", "reply", "data", "headers", "sid", "anything"):
            with pytest.raises(AttributeError):
                setattr(msg, name, 1)
        with pytest.raises(TypeError):
            type(msg)()


async def test_iteration_and_leaving_it(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("iterate")
        for i in range(200):
            await nc.publish("iterate", str(i))
        await nc.flush()
        seen = []
        async for msg in sub:
            seen.append(int(msg.data))
            if len(seen) == 50:
                break
        assert sub.pending_msgs == 150 and sub.delivered == 50
        async for msg in sub.messages:
            seen.append(int(msg.data))
            if len(seen) == 100:
                break
        while len(seen) < 150:
            seen.append(int((await sub.next_msg()).data))
        seen += [int(msg.data) for msg in await sub.next_batch(7)]
        while len(seen) < 200:
            seen += [int(msg.data) for msg in await sub.next_batch(1000)]
        assert seen == list(range(200))
        assert sub.pending_msgs == 0 and sub.delivered == 200 and sub.dropped == 0
        stats = sub.stats()
        assert stats["received"] == stats["delivered"] == 200


async def test_wildcards(url: str) -> None:
    async with natskit.connect(url) as nc:
        star = await nc.subscribe("a.*.c")
        rest = await nc.subscribe("a.>")
        for subject in ("a.b.c", "a.x.c", "a.b.d", "a.b.c.d", "b.b.c"):
            await nc.publish(subject, subject)
        await nc.flush()
        assert [msg.subject for msg in await star.next_batch(9)] == ["a.b.c", "a.x.c"]
        assert [msg.subject for msg in await rest.next_batch(9)] == ["a.b.c", "a.x.c", "a.b.d", "a.b.c.d"]


async def test_subjects_beyond_ascii(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("caf\u00e9.*")
        await nc.publish("caf\u00e9.\u65e5\u672c", b"1")
        assert (await sub.next_msg()).subject == "caf\u00e9.\u65e5\u672c"


async def test_queue_group(url: str) -> None:
    async with natskit.connect(url) as one, natskit.connect(url) as two, natskit.connect(url) as sender:
        members = [await one.subscribe("work", "group"), await two.subscribe("work", queue="group")]
        watcher = await two.subscribe("work")
        assert members[0].queue == "group" and watcher.queue == ""
        await one.flush()
        await two.flush()
        for i in range(500):
            await sender.publish("work", str(i))
        await sender.flush()
        await one.flush()
        await two.flush()
        taken = [[int(msg.data) for msg in await member.next_batch(1000)] for member in members]
        assert sorted(taken[0] + taken[1]) == list(range(500))
        assert len(taken[0]) > 50 and len(taken[1]) > 50
        assert watcher.pending_msgs == 500


async def test_reply_is_passed_on(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("question")
        box = nc.new_inbox()
        answers = await nc.subscribe(box)
        await nc.publish("question", b"?", reply=box)
        msg = await sub.next_msg()
        assert msg.reply == box
        await msg.respond(b"!")
        assert (await answers.next_msg()).data == b"!"


async def test_respond_without_reply(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("noreply")
        await nc.publish("noreply", b"")
        msg = await sub.next_msg()
        with pytest.raises(errors.NoReplyError):
            await msg.respond(b"")


async def test_publish_batch(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("batch.>")
        messages = [(f"batch.{i}", str(i)) for i in range(1000)]
        assert await nc.publish_batch(messages) == 1000
        assert await nc.publish_batch(tuple(messages[:3])) == 3
        assert await nc.publish_batch(iter([("batch.r", b"x", "some.reply", {"A": ["1", "2"]})])) == 1
        assert await nc.publish_batch([]) == 0
        await nc.flush()
        got = await sub.next_batch(2000)
        assert [msg.subject for msg in got[:1000]] == [subject for subject, _ in messages]
        assert [msg.data for msg in got[:1000]] == [str(i).encode() for i in range(1000)]
        assert len(got) == 1004
        assert got[-1].reply == "some.reply" and got[-1].headers.get_all("A") == ["1", "2"]


async def test_publish_batch_stops_at_the_first_wrong_one(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("stop")
        wrong = [("stop", b"1"), ("stop", b"2"), ("not ok", b"3"), ("stop", b"4")]
        with pytest.raises(errors.BadSubjectError) as caught:
            await nc.publish_batch(wrong)
        assert caught.value.published == 2
        for item in (7, ("stop", 7), (), "stop"):
            with pytest.raises(TypeError):
                await nc.publish_batch([("stop", b"5"), item])
        with pytest.raises(TypeError):
            await nc.publish_batch(5)
        await nc.flush()
        assert [msg.data for msg in await sub.next_batch(10)] == [b"1", b"2", b"5", b"5", b"5", b"5"]


async def test_next_msg_times_out(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("silent")
        for wait in (0, 0.05, 0.25):
            begin = time.monotonic()
            with pytest.raises(errors.TimeoutError) as caught:
                await sub.next_msg(timeout=wait)
            assert wait <= time.monotonic() - begin < wait + 10
            assert isinstance(caught.value, TimeoutError)
        with pytest.raises(TimeoutError):
            await sub.next_batch(10, 0.05)


async def test_waiting_for_a_message(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("later")
        for wait in (None, 30, float("inf")):
            work = face.spawn(sub.next_msg, wait)
            await face.rest()
            await nc.publish("later", b"now")
            assert (await face.join(work)).data == b"now"


async def test_unsubscribe(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("unsub")
        await nc.publish("unsub", b"1")
        await nc.flush()
        assert sub.reason is None
        await sub.unsubscribe()
        await nc.publish("unsub", b"2")
        await nc.flush()
        assert [msg.data async for msg in sub] == [b"1"]
        assert isinstance(sub.reason, errors.UnsubscribedError)
        with pytest.raises(errors.SubscriptionEnded):
            await sub.next_msg()
        with pytest.raises(errors.SubscriptionEnded):
            await sub.next_batch(5)
        assert [msg async for msg in sub] == []


async def test_unsubscribe_after_a_number(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("limited")
        await sub.unsubscribe(limit=3)
        for i in range(10):
            await nc.publish("limited", str(i))
        await nc.flush()
        assert [msg.data async for msg in sub] == [b"0", b"1", b"2"]
        assert isinstance(sub.reason, errors.MaxReachedError)


async def test_max_msgs(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("maximum", max_msgs=2)
        for i in range(5):
            await nc.publish("maximum", str(i))
        await nc.flush()
        assert [msg.data async for msg in sub] == [b"0", b"1"]


async def test_close_of_a_subscription(url: str) -> None:
    async with natskit.connect(url) as nc:
        async with await nc.subscribe("closing") as sub:
            await nc.publish("closing", b"1")
            await nc.flush()
            assert sub.pending_msgs == 1 and not sub.is_closed
        assert sub.is_closed and sub.pending_msgs == 0
        assert isinstance(sub.reason, errors.SubscriptionClosedError)
        with pytest.raises(errors.SubscriptionClosedError):
            await sub.next_msg()
        with pytest.raises(errors.SubscriptionClosedError):
            await sub.unsubscribe()
        assert [msg async for msg in sub] == []
        await sub.close()
        assert nc.stats()["subs"] == 0


async def test_close_wakes_those_who_wait(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("wake")
        works = [face.spawn(sub.next_msg, None) for _ in range(3)]
        await face.rest()
        await sub.close()
        for work in works:
            with pytest.raises(errors.SubscriptionClosedError):
                await face.join(work)


async def test_what_is_queued_survives_the_connection(url: str) -> None:
    nc = await natskit.connect(url)
    sub = await nc.subscribe("survive")
    for i in range(100):
        await nc.publish("survive", str(i))
    await nc.flush()
    await nc.close()
    assert [int(msg.data) async for msg in sub] == list(range(100))
    assert isinstance(sub.reason, errors.ConnectionClosedError)
    await sub.close()


async def test_full_queue_drops_and_counts(url: str) -> None:
    async with natskit.connect(url) as nc:
        events = nc.events()
        sub = await nc.subscribe("slow", pending_msgs_limit=10)
        for i in range(25):
            await nc.publish("slow", str(i))
        await nc.flush()
        assert sub.dropped == 15 and sub.pending_msgs == 10
        assert [int(msg.data) for msg in await sub.next_batch(100)] == list(range(10))
        assert nc.stats()["dropped_msgs"] == 15
        async for event in events:
            if event.type == "slow_consumer":
                assert event.sid == sub.sid and event.subject == "slow"
                assert isinstance(event.error, errors.SlowConsumerError)
                break
        await nc.publish("slow", b"again")
        assert (await sub.next_msg()).data == b"again"


async def test_order_of_100_000_messages(url: str) -> None:
    count = 100_000

    async def send(nc: natskit.Client) -> None:
        for i in range(count):
            await nc.publish("order", i.to_bytes(4, "big") * 8)

    async with natskit.connect(url) as nc, natskit.connect(url) as sender:
        sub = await nc.subscribe("order", pending_msgs_limit=count)
        await nc.flush()
        work = face.spawn(send, sender)
        expected = 0
        async for msg in sub:
            assert int.from_bytes(msg.data[:4], "big") == expected
            expected += 1
            if expected == count:
                break
        await face.join(work)
        assert sub.dropped == 0
        assert sender.stats()["out_msgs"] >= count and nc.stats()["in_msgs"] >= count


async def test_many_subscriptions(url: str) -> None:
    async with natskit.connect(url) as nc:
        subs = [await nc.subscribe(f"many.{i}") for i in range(500)]
        for i in range(500):
            await nc.publish(f"many.{i}", str(i))
        assert [int((await sub.next_msg()).data) for sub in subs] == list(range(500))
        threads = natskit.counters()["threads"]
        assert threads <= 2
