# SPDX-License-Identifier: Apache-2.0
# Generated from tests/python/test_both_messages.py by bindings/python/tools/generate_sync.py: change that one.
"""Publishing and receiving: payloads, iteration, batches, wildcards, queue groups, ends of subscriptions, order."""

from __future__ import annotations

import array
import time

import face_sync as face
import natskit.sync as natskit
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
def test_payloads(url: str, payload: object, expected: bytes) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("payload")
        nc.publish("payload", payload)
        msg = sub.next_msg()
        assert msg.data == expected
        assert bytes(memoryview(msg)) == expected
        assert len(msg) == len(expected)
        assert msg.subject == "payload"
        assert msg.reply == ""
        assert msg.headers is None and msg.header is None
        assert msg.sid == sub.sid
        assert msg.status_code == 0 and msg.description == ""


def test_payload_as_large_as_allowed(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("large")
        data = bytes(1048576)
        nc.publish("large", data)
        assert (sub.next_msg(5)).data == data
        with pytest.raises(errors.MaxPayloadError):
            nc.publish("large", data + b"1")
        nc.flush()
        assert sub.pending_msgs == 0


def test_message_outlives_everything(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("keep")
        nc.publish("keep", b"kept", reply="re.ply")
        msg = sub.next_msg()
        view = memoryview(msg)
        sub.close()
    assert msg.data == b"kept" and msg.subject == "keep" and msg.reply == "re.ply"
    assert view.readonly and view.tobytes() == b"kept"
    with pytest.raises(TypeError):
        view[0] = 1
    text = repr(msg)
    del msg, sub, nc
    assert view.tobytes() == b"kept"
    assert "keep" in text and "4 bytes" in text and "kept" not in text


def test_fields_are_read_only(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("fields")
        nc.publish("fields", b"x")
        msg = sub.next_msg()
        for name in ("subject", "reply", "data", "headers", "sid", "anything"):
            with pytest.raises(AttributeError):
                setattr(msg, name, 1)
        with pytest.raises(TypeError):
            type(msg)()


def test_iteration_and_leaving_it(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("iterate")
        for i in range(200):
            nc.publish("iterate", str(i))
        nc.flush()
        seen = []
        for msg in sub:
            seen.append(int(msg.data))
            if len(seen) == 50:
                break
        assert sub.pending_msgs == 150 and sub.delivered == 50
        for msg in sub.messages:
            seen.append(int(msg.data))
            if len(seen) == 100:
                break
        while len(seen) < 150:
            seen.append(int((sub.next_msg()).data))
        seen += [int(msg.data) for msg in sub.next_batch(7)]
        while len(seen) < 200:
            seen += [int(msg.data) for msg in sub.next_batch(1000)]
        assert seen == list(range(200))
        assert sub.pending_msgs == 0 and sub.delivered == 200 and sub.dropped == 0
        stats = sub.stats()
        assert stats["received"] == stats["delivered"] == 200


def test_wildcards(url: str) -> None:
    with natskit.connect(url) as nc:
        star = nc.subscribe("a.*.c")
        rest = nc.subscribe("a.>")
        for subject in ("a.b.c", "a.x.c", "a.b.d", "a.b.c.d", "b.b.c"):
            nc.publish(subject, subject)
        nc.flush()
        assert [msg.subject for msg in star.next_batch(9)] == ["a.b.c", "a.x.c"]
        assert [msg.subject for msg in rest.next_batch(9)] == ["a.b.c", "a.x.c", "a.b.d", "a.b.c.d"]


def test_subjects_beyond_ascii(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("caf\u00e9.*")
        nc.publish("caf\u00e9.\u65e5\u672c", b"1")
        assert (sub.next_msg()).subject == "caf\u00e9.\u65e5\u672c"


def test_queue_group(url: str) -> None:
    with natskit.connect(url) as one, natskit.connect(url) as two, natskit.connect(url) as sender:
        members = [one.subscribe("work", "group"), two.subscribe("work", queue="group")]
        watcher = two.subscribe("work")
        assert members[0].queue == "group" and watcher.queue == ""
        one.flush()
        two.flush()
        for i in range(500):
            sender.publish("work", str(i))
        sender.flush()
        one.flush()
        two.flush()
        taken = [[int(msg.data) for msg in member.next_batch(1000)] for member in members]
        assert sorted(taken[0] + taken[1]) == list(range(500))
        assert len(taken[0]) > 50 and len(taken[1]) > 50
        assert watcher.pending_msgs == 500


def test_reply_is_passed_on(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("question")
        box = nc.new_inbox()
        answers = nc.subscribe(box)
        nc.publish("question", b"?", reply=box)
        msg = sub.next_msg()
        assert msg.reply == box
        msg.respond(b"!")
        assert (answers.next_msg()).data == b"!"


def test_respond_without_reply(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("noreply")
        nc.publish("noreply", b"")
        msg = sub.next_msg()
        with pytest.raises(errors.NoReplyError):
            msg.respond(b"")


def test_publish_batch(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("batch.>")
        messages = [(f"batch.{i}", str(i)) for i in range(1000)]
        assert nc.publish_batch(messages) == 1000
        assert nc.publish_batch(tuple(messages[:3])) == 3
        assert nc.publish_batch(iter([("batch.r", b"x", "some.reply", {"A": ["1", "2"]})])) == 1
        assert nc.publish_batch([]) == 0
        nc.flush()
        got = sub.next_batch(2000)
        assert [msg.subject for msg in got[:1000]] == [subject for subject, _ in messages]
        assert [msg.data for msg in got[:1000]] == [str(i).encode() for i in range(1000)]
        assert len(got) == 1004
        assert got[-1].reply == "some.reply" and got[-1].headers.get_all("A") == ["1", "2"]


def test_publish_batch_stops_at_the_first_wrong_one(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("stop")
        wrong = [("stop", b"1"), ("stop", b"2"), ("not ok", b"3"), ("stop", b"4")]
        with pytest.raises(errors.BadSubjectError) as caught:
            nc.publish_batch(wrong)
        assert caught.value.published == 2
        for item in ([("stop", b"5"), 7], [("stop", b"5"), ("stop", 7)], [("stop", b"5"), ()], [("stop", b"5"), "stop"]):
            with pytest.raises(TypeError):
                nc.publish_batch(item)
        with pytest.raises(TypeError):
            nc.publish_batch(5)
        nc.flush()
        assert [msg.data for msg in sub.next_batch(10)] == [b"1", b"2", b"5", b"5", b"5", b"5"]


def test_next_msg_times_out(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("silent")
        for wait in (0, 0.05, 0.25):
            begin = time.monotonic()
            with pytest.raises(errors.TimeoutError) as caught:
                sub.next_msg(timeout=wait)
            assert wait <= time.monotonic() - begin < wait + 1
            assert isinstance(caught.value, TimeoutError)
        with pytest.raises(TimeoutError):
            sub.next_batch(10, 0.05)


def test_waiting_for_a_message(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("later")
        for wait in (None, 30, float("inf")):
            work = face.spawn(sub.next_msg, wait)
            face.rest()
            nc.publish("later", b"now")
            assert (face.join(work)).data == b"now"


def test_unsubscribe(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("unsub")
        nc.publish("unsub", b"1")
        nc.flush()
        assert sub.reason is None
        sub.unsubscribe()
        nc.publish("unsub", b"2")
        nc.flush()
        assert [msg.data for msg in sub] == [b"1"]
        assert isinstance(sub.reason, errors.UnsubscribedError)
        with pytest.raises(errors.SubscriptionEnded):
            sub.next_msg()
        with pytest.raises(errors.SubscriptionEnded):
            sub.next_batch(5)
        assert [msg for msg in sub] == []


def test_unsubscribe_after_a_number(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("limited")
        sub.unsubscribe(limit=3)
        for i in range(10):
            nc.publish("limited", str(i))
        nc.flush()
        assert [msg.data for msg in sub] == [b"0", b"1", b"2"]
        assert isinstance(sub.reason, errors.MaxReachedError)


def test_max_msgs(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("maximum", max_msgs=2)
        for i in range(5):
            nc.publish("maximum", str(i))
        nc.flush()
        assert [msg.data for msg in sub] == [b"0", b"1"]


def test_close_of_a_subscription(url: str) -> None:
    with natskit.connect(url) as nc:
        with nc.subscribe("closing") as sub:
            nc.publish("closing", b"1")
            nc.flush()
            assert sub.pending_msgs == 1 and not sub.is_closed
        assert sub.is_closed and sub.pending_msgs == 0
        assert isinstance(sub.reason, errors.SubscriptionClosedError)
        with pytest.raises(errors.SubscriptionClosedError):
            sub.next_msg()
        with pytest.raises(errors.SubscriptionClosedError):
            sub.unsubscribe()
        assert [msg for msg in sub] == []
        sub.close()
        assert nc.stats()["subs"] == 0


def test_close_wakes_those_who_wait(url: str) -> None:
    with natskit.connect(url) as nc:
        sub = nc.subscribe("wake")
        works = [face.spawn(sub.next_msg, None) for _ in range(3)]
        face.rest()
        sub.close()
        for work in works:
            with pytest.raises(errors.SubscriptionClosedError):
                face.join(work)


def test_what_is_queued_survives_the_connection(url: str) -> None:
    nc = natskit.connect(url)
    sub = nc.subscribe("survive")
    for i in range(100):
        nc.publish("survive", str(i))
    nc.flush()
    nc.close()
    assert [int(msg.data) for msg in sub] == list(range(100))
    assert isinstance(sub.reason, errors.ConnectionClosedError)
    sub.close()


def test_full_queue_drops_and_counts(url: str) -> None:
    with natskit.connect(url) as nc:
        events = nc.events()
        sub = nc.subscribe("slow", pending_msgs_limit=10)
        for i in range(25):
            nc.publish("slow", str(i))
        nc.flush()
        assert sub.dropped == 15 and sub.pending_msgs == 10
        assert [int(msg.data) for msg in sub.next_batch(100)] == list(range(10))
        assert nc.stats()["dropped_msgs"] == 15
        for event in events:
            if event.type == "slow_consumer":
                assert event.sid == sub.sid and event.subject == "slow"
                assert isinstance(event.error, errors.SlowConsumerError)
                break
        nc.publish("slow", b"again")
        assert (sub.next_msg()).data == b"again"


def test_order_of_100_000_messages(url: str) -> None:
    count = 100_000

    def send(nc: natskit.Client) -> None:
        for i in range(count):
            nc.publish("order", i.to_bytes(4, "big") * 8)

    with natskit.connect(url) as nc, natskit.connect(url) as sender:
        sub = nc.subscribe("order", pending_msgs_limit=count)
        nc.flush()
        work = face.spawn(send, sender)
        expected = 0
        for msg in sub:
            assert int.from_bytes(msg.data[:4], "big") == expected
            expected += 1
            if expected == count:
                break
        face.join(work)
        assert sub.dropped == 0
        assert sender.stats()["out_msgs"] >= count and nc.stats()["in_msgs"] >= count


def test_many_subscriptions(url: str) -> None:
    with natskit.connect(url) as nc:
        subs = [nc.subscribe(f"many.{i}") for i in range(500)]
        for i in range(500):
            nc.publish(f"many.{i}", str(i))
        assert [int((sub.next_msg()).data) for sub in subs] == list(range(500))
        threads = natskit.counters()["threads"]
        assert threads <= 2
