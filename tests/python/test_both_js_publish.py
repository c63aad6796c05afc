# SPDX-License-Identifier: Apache-2.0
"""Publishing to streams, one message with its ack and many at once, against a real server."""

from __future__ import annotations

import sys
import threading
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


# ----------------------------------------------------------------------------------------- one message


async def test_publish(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        ack = await js.publish("s.x", b"first")
        assert isinstance(ack, natskit.PubAck)
        assert (ack.stream, ack.seq, ack.domain, ack.duplicate) == ("S", 1, None, False) == tuple(ack)
        assert (await js.publish("s.x")).seq == 2
        await js.publish("s.x", "text", 5, "S", {"A": ["1", "2"]})
        await js.publish("s.x", json={"a": [1]}, headers=natskit.Headers({"A": "3"}), msg_id="id")
        await js.publish("s.x", memoryview(bytearray(b"view")), headers=[("A", "4")])
        stored = [await js.get_msg("S", seq) for seq in range(1, 6)]
        assert [msg.data for msg in stored] == [b"first", b"", b"text", b'{"a":[1]}', b"view"]
        pairs = [msg.headers.pairs() if msg.headers is not None else None for msg in stored]
        assert pairs[:2] == [None, None]
        assert pairs[2] == [("A", "1"), ("A", "2"), ("Nats-Expected-Stream", "S")]
        assert pairs[3] == [("A", "3"), ("Nats-Msg-Id", "id")] and pairs[4] == [("A", "4")]


async def test_a_large_message(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        assert (await js.publish("s.x", bytes(900_000), msg_id="large")).seq == 1
        with pytest.raises(errors.MaxPayloadError):
            await js.publish("s.x", bytes(2_000_000))


async def test_message_ids(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        assert not (await js.publish("s.x", b"1", msg_id="a")).duplicate
        again = await js.publish("s.x", b"2", msg_id="a")
        assert again.duplicate and again.seq == 1
        headers = natskit.Headers({"Nats-Msg-Id": "b"})
        assert (await js.publish("s.x", b"3", headers=headers, msg_id="c")).seq == 2
        assert headers["Nats-Msg-Id"] == "b"  # the caller's stay as they are
        assert (await js.publish("s.x", b"4", headers=headers)).seq == 3


async def test_what_has_to_be_the_last(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        await js.publish("s.x", b"1", expected_last_seq=0)
        await js.publish("s.y", b"2", expected_last_seq=1, msg_id="two")
        await js.publish("s.x", b"3", expected_last_subject_seq=1)
        await js.publish("s.z", b"4", expected_last_subject_seq=3, expected_last_subject="s.x")
        await js.publish("s.x", b"5", msg_id="five")
        await js.publish("s.x", b"6", expected_last_msg_id="five")
        wrong: list[dict[str, Any]] = [
            {"expected_last_seq": 2**64 - 1},
            {"expected_last_subject_seq": 1},
            {"expected_last_subject_seq": 1, "expected_last_subject": "s.z"},
            {"expected_last_msg_id": "five"},
        ]
        for wishes in wrong:
            with pytest.raises(errors.WrongLastSequenceError) as caught:
                await js.publish("s.x", b"no", **wishes)
            assert caught.value.outcome == "rejected" and caught.value.err_code in (10070, 10071)
        with pytest.raises(errors.APIError) as refused:
            await js.publish("s.x", b"no", stream="OTHER")
        assert refused.value.err_code == 10060
        assert (await js.stream_info("S")).state.messages == 6


@pytest.mark.parametrize(
    "ttl, wanted",
    [(60, "60"), (1.5, "1500000000ns"), (timedelta(minutes=1), "60000000000ns"), ("never", "never"), ("2m", "2m")],
)
async def test_times_to_live(js_url: str, ttl: Any, wanted: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_msg_ttl=True)
        await js.publish("s.x", b"", msg_ttl=ttl)
        headers = (await js.get_msg("S", 1)).headers
        assert headers is not None and headers["Nats-TTL"] == wanted


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception]]] = [
    ((), {}, TypeError),
    (("s x",), {}, errors.BadSubjectError),
    (("s.*",), {}, errors.BadSubjectError),
    ((5,), {}, TypeError),
    (("s.x", 5), {}, TypeError),
    (("s.x", b"", -1), {}, errors.InvalidError),
    (("s.x", b""), {"msg_id": 5}, TypeError),
    (("s.x", b""), {"msg_id": "a\nb"}, errors.InvalidError),
    (("s.x", b""), {"expected_last_seq": -1}, errors.InvalidError),
    (("s.x", b""), {"expected_last_seq": 2**64}, errors.InvalidError),
    (("s.x", b""), {"expected_last_seq": "1"}, TypeError),
    (("s.x", b""), {"expected_last_seq": True}, TypeError),
    (("s.x", b""), {"msg_ttl": -0.5}, errors.InvalidError),
    (("s.x", b""), {"msg_ttl": float("nan")}, errors.InvalidError),
    (("s.x", b""), {"msg_ttl": b"1"}, TypeError),
    (("s.x", b""), {"headers": {"A": 5}, "msg_id": "a"}, TypeError),
    (("s.x", b"x"), {"json": 1}, TypeError),
    (("s.x",), {"json": object()}, TypeError),
    (("s.x", b""), {"nonsense": 1}, TypeError),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
async def test_wrong_arguments(js_url: str, case: int) -> None:
    args, named, wanted = WRONG[case]
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        with pytest.raises(wanted):
            await js.publish(*args, **named)
        pub = js.publisher()
        with pytest.raises(wanted):
            await pub.publish(*args, **named)
        await pub.close()
        assert (await js.stream_info("S")).state.messages == 0


async def test_nobody_takes_it(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream(publish_retries=0)
        with pytest.raises(errors.NoStreamResponseError):
            await js.publish("nobody.here", b"")
        patient = nc.jetstream(publish_retries=-1, publish_retry_wait_ms=20)
        waiting = face.spawn(patient.publish, "s.x", b"late", 20)
        await face.nap(0.1)
        await made(nc)
        assert (await face.join(waiting)).seq == 1


async def test_limits(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, max_msgs=1, discard="new")
        await js.publish("s.x", b"1")
        with pytest.raises(errors.JetStreamLimitError) as caught:
            await js.publish("s.x", b"2")
        assert caught.value.err_code == 10077
        await js.update_stream(name="S", sealed=True)
        with pytest.raises(errors.APIError):
            await js.publish("s.x", b"3")


async def test_what_is_no_ack(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("odd")

        async def answer() -> None:
            msg = await sub.next_msg(10)
            await msg.respond(b"thank you")

        answering = face.spawn(answer)
        with pytest.raises(errors.InvalidAckError):
            await nc.jetstream().publish("odd", b"", 5)
        await face.join(answering)


async def test_after_the_end(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        pub = js.publisher()
    with pytest.raises(errors.ConnectionClosedError):
        await js.publish("s.x", b"")
    with pytest.raises(errors.Error):
        await pub.publish("s.x", b"")
    await pub.close()


# ------------------------------------------------------------------------------------------ publishers


async def test_publisher(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        async with js.publisher() as pub:
            for i in range(5000):
                assert await pub.publish("s.x", b"%d" % i) == i + 1
            assert await pub.publish("s.x", b"last", headers={"A": "1"}, msg_id="id") == 5001
            assert await pub.publish("s.x", json=1, msg_id="id") == 5002
            await pub.done()
            stats = pub.stats()
            assert (stats["published"], stats["acked"], stats["duplicates"]) == (5002, 5002, 1)
            assert stats["pending"] == stats["failed"] == stats["untaken"] == 0
        assert (await js.stream_info("S")).state.messages == 5001
        assert (await js.get_msg("S", 4000)).data == b"3999"
        assert pub.stats() == stats
        with pytest.raises(errors.ConnectionClosedError):
            await pub.publish("s.x", b"")


async def test_a_small_window(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        async with js.publisher(max_pending=3, ack_wait=20) as pub:
            for i in range(300):
                await pub.publish("s.x", b"%d" % i)
                assert pub.stats()["pending"] <= 3
        assert [int((await js.get_msg("S", seq)).data) for seq in (1, 150, 300)] == [0, 149, 299]


@pytest.mark.parametrize("many", [False, True])
async def test_a_full_window_is_no_full_outbox(many: bool) -> None:
    """outbox_full="fail" is of the outbox: for the window everybody waits."""
    with Server() as own:
        async with natskit.connect(own.url, outbox_bytes=1 << 18, outbox_full="fail") as nc:
            js = await made(nc)
            async with js.publisher(max_pending=2) as pub:
                for _ in range(50):
                    await (pub.publish_batch([("s.x", b"")] * 10) if many else pub.publish("s.x", b""))
            assert (await js.stream_info("S")).state.messages == (500 if many else 50)
            pub = js.publisher(max_pending=2)
            own.pause()
            try:
                await pub.publish_batch([("s.x", b"")] * 2)
                with pytest.raises(errors.WouldBlockError) as caught:
                    await (pub.publish_batch([("s.x", b"")], timeout=0) if many else pub.publish("s.x", b"", 0))
                assert "window" in caught.value.text and type(caught.value) is errors.WouldBlockError
                with pytest.raises(errors.TimeoutError):
                    await (pub.publish_batch([("s.x", b"")], timeout=0.1) if many else pub.publish("s.x", b"", 0.1))
                full = js.publisher()
                data = bytes(60000)
                with pytest.raises(errors.OutboundBufferLimitError) as refused:
                    while True:  # the system takes some more meanwhile
                        await (full.publish_batch([("s.x", data)] * 4, timeout=60) if many else full.publish("s.x", data, 60))
                assert "outbox" in refused.value.text
            finally:
                own.resume()
            await pub.close()
            await full.close()


async def test_a_window_of_bytes(js_url: str) -> None:
    async with natskit.connect(js_url, outbox_bytes=65536) as nc:
        js = await made(nc)
        async with js.publisher(max_pending_bytes=100_000) as pub:
            for _ in range(100):
                await pub.publish("s.x", bytes(30000))
            assert await pub.publish_batch([("s.x", bytes(30000))] * 50) == 50
        assert (await js.stream_info("S")).state.messages == 150


async def test_batches(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        async with js.publisher(max_pending=500) as pub:
            messages = [("s.x", b"%d" % i, {"A": str(i)} if i % 10 == 0 else None) for i in range(2000)]
            assert await pub.publish_batch(messages) == 2000
            assert await pub.publish_batch([]) == 0
            with pytest.raises(errors.BadSubjectError) as caught:
                await pub.publish_batch([("s.x", b""), ("s x", b""), ("s.x", b"")])
            assert caught.value.published == 1
            with pytest.raises(TypeError):
                await pub.publish_batch([("s.x", b"", None, "too many")])  # type: ignore[list-item]
        info = await js.stream_info("S")
        assert info.state.messages == 2001
        msg = await js.get_msg("S", 1991)
        assert msg.data == b"1990" and msg.headers is not None and msg.headers["A"] == "1990"


async def test_large_batches_let_others_run(js_url: str) -> None:
    """While a batch of large payloads is copied the interpreter is free."""
    async with natskit.connect(js_url, outbox_bytes=1 << 28) as nc:
        js = await made(nc)
        pub = js.publisher(max_pending_bytes=1 << 28)
        begins = threading.Lock()
        ran: list[bool] = []

        def work() -> None:
            with begins:
                ran.append(True)

        messages = [("s.x", bytes(1_000_000))] * 8
        interval = sys.getswitchinterval()
        begins.acquire()
        thread = threading.Thread(target=work)
        thread.start()
        sys.setswitchinterval(1000.0)  # the thread runs only where it is let
        try:
            begins.release()
            calls = []
            while not ran and len(calls) < 10:
                calls.append(pub.publish_batch(messages))
            assert ran
        finally:
            sys.setswitchinterval(interval)
            thread.join()
        for call in calls:
            await call
        await pub.close()


async def test_failures(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, max_msgs=10, discard="new")
        pub = js.publisher()
        for i in range(15):
            await pub.publish("s.x", b"%d" % i)
        with pytest.raises(errors.JetStreamLimitError) as caught:
            await pub.done()
        failures = caught.value.failures
        assert [outcome.id for outcome in failures] == [11, 12, 13, 14, 15]
        first = failures[0]
        assert first.ack is None and first.error is caught.value and first.error.outcome == "rejected"
        assert first.error.err_code == 10077 and isinstance(first, natskit.PubOutcome)
        await pub.done()  # they are told once
        await pub.close()
        with pytest.raises(errors.JetStreamLimitError):
            async with js.publisher() as other:
                await other.publish("s.x", b"")
        with pytest.raises(KeyError):  # what went wrong inside is not hidden
            async with js.publisher() as other:
                await other.publish("s.x", b"")
                raise KeyError("mine")


async def test_all_outcomes(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        pub = js.publisher(acks="all", max_untaken=100)
        seqs = []

        async def take() -> None:
            async for outcome in pub.outcomes:
                assert outcome.error is None
                seqs.append((outcome.id, outcome.ack.seq))

        taking = face.spawn(take)
        for i in range(1000):
            await pub.publish("s.x", b"", msg_id=str(i))
        await pub.done()
        await pub.close()
        await face.join(taking)
        assert seqs == [(i, i) for i in range(1, 1001)]


async def test_the_end_leaves_all_outcomes(js_url: str) -> None:
    """They are those of who reads them: done() only counts."""
    async with natskit.connect(js_url) as nc:
        js = await made(nc, max_msgs=3, discard="new")
        async with js.publisher(acks="all") as pub:
            for _ in range(3):
                await pub.publish("s.x", b"")
        assert [outcome.ack.seq for outcome in await pub.outcomes.next_batch(10, 10)] == [1, 2, 3]
        with pytest.raises(errors.JetStreamError) as caught:
            async with js.publisher(acks="all") as pub:
                await pub.publish("s.x", b"")
                await pub.publish("s.x", b"")
        assert "stored: 2;" in caught.value.text and not caught.value.failures
        outcomes = await pub.outcomes.next_batch(10, 10)
        assert [type(outcome.error) for outcome in outcomes] == [errors.JetStreamLimitError] * 2
        pub = js.publisher(acks="all")
        for _ in range(2):
            await pub.publish("s.x", b"")
            with pytest.raises(errors.JetStreamError) as caught:
                await pub.done()
            assert "stored: 1;" in caught.value.text
            await pub.done()  # they are told once
        await pub.close()


@pytest.mark.parametrize("error", [errors.TimeoutError, errors.WouldBlockError])
async def test_failures_that_others_take_meanwhile(
    js_url: str, monkeypatch: pytest.MonkeyPatch, error: type[errors.Error]
) -> None:
    class Outcomes:
        pending_msgs = 1

        async def next_batch(self, count: int, timeout: float) -> list[Any]:
            raise error("nothing is there any more")

    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        monkeypatch.setattr(natskit.Publisher, "outcomes", Outcomes())
        async with js.publisher() as pub:
            await pub.publish("s.x", b"")


async def test_untaken_outcomes_hold_up(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        pub = js.publisher(acks="all", max_untaken=5)
        for _ in range(5):
            await pub.publish("s.x", b"")
        with pytest.raises(errors.TimeoutError):
            await pub.publish("s.x", b"", 0.1)
        assert len(await pub.outcomes.next_batch(10, 5)) >= 1
        await pub.publish("s.x", b"", 5)
        await pub.close()


async def test_options(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        wrong: list[dict[str, Any]] = [{"max_pending": 0}, {"ack_wait": 1e6}, {"acks": "none"}, {"retries": -2}]
        for options in wrong:
            with pytest.raises(errors.InvalidError):
                js.publisher(**options)
        with pytest.raises(TypeError):
            js.publisher(nonsense=1)  # type: ignore[call-arg]


async def test_a_lost_connection() -> None:
    """What has an id is in the stream once, whatever happens."""
    with Server() as own:
        async with natskit.connect(own.url, reconnect_wait_ms=20, reconnect_wait_max_ms=100) as nc:
            js = await made(nc)
            async with js.publisher(ack_wait=60) as pub:
                for i in range(2000):
                    await pub.publish("s.x", b"%d" % i, 30, msg_id=str(i))
                    if i == 1000:
                        await nc.reconnect()
                await pub.done()
                assert pub.stats()["acked"] == 2000
            assert (await js.stream_info("S")).state.messages == 2000
