# SPDX-License-Identifier: Apache-2.0
"""Management of JetStream against a real server: each call right and wrong. What no real server sends (fields of newer
servers, odd answers) comes from a service of the test's own, which an API prefix names."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit.js import api
from natskit_testing import Server

HOUR = timedelta(hours=1)


async def fill(nc: natskit.Client, count: int, subject: str = "s.x") -> None:
    for i in range(count):
        await nc.request(subject, b"%d" % i, 5, {"Number": str(i)})


# --------------------------------------------------------------------------------------------- streams


async def test_account(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        before = await js.account_info()
        await js.add_stream(name="A", subjects=["a"], storage="memory")
        info = await js.account_info()
        assert info.streams == before.streams + 1 and info.consumers == 0 and info.domain == ""
        assert info.limits.max_streams == -1 and info.limits.max_bytes_required is False
        assert info.api.total > before.api.total and info.api.level >= 1 and info.tiers == {}
        assert isinstance(nc.jsm(), natskit.JetStreamContext)


async def test_streams(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        begin = datetime.now(timezone.utc)
        info = await js.add_stream(name="A", subjects=["s.>"], max_age=3600)
        assert info.config.name == "A" and info.config.max_age == 3600.0
        assert info.config.retention is api.RetentionPolicy.LIMITS
        assert info.created is not None and abs(info.created - begin) < HOUR
        assert info.state.messages == 0 and info.state.first_ts is None and info.did_create
        # Once more is no error, with another configuration it is.
        again = await js.add_stream(api.StreamConfig("A", subjects=["s.>"], max_age=3600))
        assert again.config == info.config
        # An update changes what is said, and that alone.
        config = info.config.evolve(description="new")
        updated = (await js.update_stream(name="A", description="new")).config
        assert updated == config
        assert (await js.update_stream({"name": "A", "max_age": HOUR}, max_msgs=5)).config == config.evolve(
            max_msgs=5
        )
        assert (await js.create_or_update_stream(name="A", max_msgs=6)).config == config.evolve(max_msgs=6)
        assert (await js.create_or_update_stream(name="B", subjects=["b"])).state.messages == 0
        assert await js.stream_names() == ["A", "B"]
        assert await js.stream_names("s.x") == ["A"]
        assert await js.find_stream_name_by_subject("b") == "B"
        assert [one.config.name for one in await js.streams_info()] == ["A", "B"]
        assert [one.config.name for one in await js.streams_info(subject="b")] == ["B"]
        assert [one.config.name for one in await js.streams_info(1)] == ["B"]
        every = await js.streams_info_iterator()
        assert (every.offset, every.total) == (0, 2)
        assert [one.config.name for one in every] == ["A", "B"] and list(every) == []
        assert await js.delete_stream("B") is True
        assert await js.stream_names() == ["A"]


async def test_nothing_is_an_empty_list() -> None:
    """The server says null."""
    with Server() as own:
        async with natskit.connect(own.url) as nc:
            js = nc.jetstream()
            assert await js.stream_names() == [] and await js.streams_info() == []
            assert list(await js.streams_info_iterator()) == []
            await js.add_stream(name="A", subjects=["a"])
            assert await js.consumer_names("A") == [] and await js.consumers_info("A") == []
            assert await js.stream_names("nothing.here") == []


async def test_state(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s.>"])
        await fill(nc, 4)
        await fill(nc, 2, "s.y")
        await js.delete_msg("A", 2)
        info = await js.stream_info("A")
        assert (info.state.messages, info.state.last_seq, info.state.num_deleted) == (5, 6, 1)
        assert (info.state.deleted, info.state.subjects, info.state.num_subjects) == ([], {}, 2)
        assert info.state.first_ts is not None and info.state.last_ts is not None
        assert info.state.first_ts < info.state.last_ts
        full = await js.stream_info("A", ">", deleted_details=True)
        assert full.state.deleted == [2] and full.state.subjects == {"s.x": 3, "s.y": 2}
        assert (await js.stream_info("A", subjects_filter="s.y")).state.subjects == {"s.y": 2}


async def test_purge(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s.>"])
        await fill(nc, 10)
        await fill(nc, 5, "s.y")
        assert await js.purge_stream("A", seq=3) is True
        assert (await js.stream_info("A")).state.first_seq == 3
        assert await js.purge_stream("A", subject="s.x", keep=1)
        assert (await js.stream_info("A", ">")).state.subjects == {"s.x": 1, "s.y": 5}
        stream = await js.stream("A")
        assert await stream.purge(keep=2) == 4 and await stream.purge() == 2 and await stream.purge() == 0


async def test_messages(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s.>"])
        begin = datetime.now(timezone.utc)
        await nc.request("s.x", b"\x00first", 5, [("Key", "ä"), ("key", "2"), ("Key", "3")])
        await nc.request("s.y", b"", 5)
        await nc.request("s.x", b"third", 5)
        msg = await js.get_msg("A", 1)
        assert (msg.subject, msg.seq, msg.sequence, msg.data) == ("s.x", 1, 1, b"\x00first")
        assert (msg.stream, msg.hdrs[:10]) == ("A", b"NATS/1.0\r\n")
        assert msg.headers is not None and msg.headers.pairs() == [("Key", "ä"), ("key", "2"), ("Key", "3")]
        assert msg.header is not None and msg.header["key"] == "2"
        assert msg.time is not None and abs(msg.time - begin) < HOUR
        empty = await js.get_msg("A", 2)
        assert (empty.data, empty.hdrs, empty.headers) == (b"", b"", None)
        assert (await js.get_last_msg("A", "s.x")).data == b"third"
        assert (await js.get_msg("A", subject="s.y")).seq == 2
        assert (await js.get_msg("A", 2, "s.x", next=True)).seq == 3
        assert await js.delete_msg("A", 1) is True
        assert await js.delete_msg("A", 2, erase=False) is True
        stream = await js.stream("A")
        assert (await stream.get_msg(3)).data == b"third"
        assert (await stream.get_last_msg("s.*")).seq == 3
        assert await stream.delete_msg(3)
        with pytest.raises(errors.MsgNotFoundError) as caught:
            await stream.get_msg(3)
        assert (caught.value.code, caught.value.err_code) == (404, 10037)


async def test_a_large_message(js_url: str) -> None:
    data = bytes(range(256)) * 2048
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s"])
        await nc.request("s", data, 5)
        assert (await js.get_msg("A", 1)).data == data


async def test_more_streams_than_a_page() -> None:
    with Server() as own:
        async with natskit.connect(own.url) as nc:
            js = nc.jetstream(timeout=60)
            names = [f"S{i:04d}" for i in range(1100)]
            for name in names:
                await js.add_stream(name=name, storage="memory", subjects=[name.lower()])
            assert await js.stream_names() == names
            infos = await js.streams_info()
            assert [info.config.name for info in infos] == names
            every = await js.streams_info_iterator(offset=300)
            assert every.total == 1100 and [info.config.name for info in every] == names[300:]


# ------------------------------------------------------------------------------------------- consumers


async def test_consumers(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s.>"])
        await fill(nc, 3)
        info = await js.add_consumer("A", durable_name="d", ack_wait=0.5)
        assert (info.name, info.stream_name, info.num_pending) == ("d", "A", 3)
        assert info.config.ack_policy is api.AckPolicy.EXPLICIT and info.config.ack_wait == 0.5
        assert info.config.deliver_policy is api.DeliverPolicy.ALL
        assert info.created is not None and info.delivered.stream_seq == 0 and not info.paused
        assert (await js.add_consumer("A", api.ConsumerConfig(durable_name="d", ack_wait=0.5))).name == "d"
        updated = await js.update_consumer("A", durable_name="d", description="new")
        assert updated.config == info.config.evolve(description="new")
        named = await js.create_or_update_consumer("A", name="n", ack_policy="none", max_deliver=1)
        assert named.config.ack_policy == "none"
        nameless = await js.add_consumer("A", timeout=5)
        assert nameless.name not in ("", "d", "n")
        assert set(await js.consumer_names("A")) == {"d", "n", nameless.name}
        assert {one.name for one in await js.consumers_info("A")} == {"d", "n", nameless.name}
        assert len(await js.consumers_info("A", 1)) == 2
        assert (await js.consumer_info("A", "d", 5)).config == updated.config
        assert await js.delete_consumer("A", "d") is True
        assert set(await js.consumer_names("A")) == {"n", nameless.name}
        assert (await js.stream_info("A")).state.consumer_count == 2


async def test_pause_and_resume(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s"])
        await js.add_consumer("A", durable_name="d")
        until = datetime.now(timezone.utc) + HOUR
        paused = await js.pause_consumer("A", "d", until)
        assert paused.paused and paused.pause_until == until
        assert paused.pause_remaining is not None and 3500 < paused.pause_remaining <= 3600
        info = await js.consumer_info("A", "d")
        assert info.paused and info.config.pause_until == until
        assert info.pause_remaining is not None and info.pause_remaining > 3500
        resumed = await js.resume_consumer("A", "d")
        assert not resumed.paused and not (await js.consumer_info("A", "d")).paused
        consumer = await js.consumer("A", "d")
        assert (await consumer.pause("2090-01-01T00:00:00Z")).paused
        assert not (await consumer.resume()).paused
        with pytest.raises(TypeError):
            await js.pause_consumer("A", "d", 5)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidError):
            await js.pause_consumer("A", "d", datetime(2090, 1, 1))


async def test_reset(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        if not nc.server_at_least(2, 14):
            pytest.skip("the server is older")
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s.x"])
        await fill(nc, 5)
        await js.add_consumer("A", durable_name="d")
        reset = await js.reset_consumer("A", "d", 4)
        assert reset.reset_seq == 4 and reset.info.name == "d" and reset.info.ack_floor.stream_seq == 3
        assert (await (await js.consumer("A", "d")).reset()).reset_seq == 4


async def test_unpin(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s"])
        await js.add_consumer("A", name="p", priority_groups=["g"], priority_policy="pinned_client")
        assert await js.unpin_consumer("A", "p", "g") is True
        assert await (await js.consumer("A", "p")).unpin("g")
        with pytest.raises(errors.APIError):
            await js.unpin_consumer("A", "p", "other")


async def test_objects(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s.>"])
        stream = await js.stream("A")
        assert stream.name == "A" and stream.cached_info.state.messages == 0
        await fill(nc, 3)
        assert stream.cached_info.state.messages == 0
        assert (await stream.info()).state.messages == 3 == stream.cached_info.state.messages
        assert (await stream.info(">")).state.subjects == {"s.x": 3}
        assert (await stream.update(max_msgs=7)).config.max_msgs == 7 == stream.cached_info.config.max_msgs
        consumer = await stream.add_consumer(durable_name="d", ack_wait=5)
        assert (consumer.name, consumer.stream_name) == ("d", "A")
        assert consumer.cached_info.config.ack_wait == 5
        assert (await consumer.update(ack_wait=6)).config.ack_wait == 6 == consumer.cached_info.config.ack_wait
        assert (await consumer.info()).num_pending == 3
        assert (await stream.update_consumer(name="d", ack_wait=7)).cached_info.config.ack_wait == 7
        assert (await stream.create_or_update_consumer(name="e")).name == "e"
        assert (await stream.consumer("e")).name == "e"
        assert set(await stream.consumer_names()) == {"d", "e"}
        assert {info.name for info in await stream.consumers_info()} == {"d", "e"}
        assert await stream.delete_consumer("e")
        assert await consumer.delete()
        assert await stream.consumer_names() == []
        assert await stream.delete()
        with pytest.raises(errors.StreamNotFoundError):
            await stream.info()


# ---------------------------------------------------------------------------------------------- errors

WRONG: dict[str, tuple[Callable[[Any], Any], type[errors.Error], int]] = {
    "info": (lambda js: js.stream_info("NO"), errors.StreamNotFoundError, 10059),
    "stream": (lambda js: js.stream("NO"), errors.StreamNotFoundError, 10059),
    "update": (lambda js: js.update_stream(name="NO", max_msgs=1), errors.StreamNotFoundError, 10059),
    "purge": (lambda js: js.purge_stream("NO"), errors.StreamNotFoundError, 10059),
    "delete": (lambda js: js.delete_stream("NO"), errors.StreamNotFoundError, 10059),
    "get": (lambda js: js.get_msg("NO", 1), errors.StreamNotFoundError, 10059),
    "exists": (lambda js: js.add_stream(name="A", subjects=["z"]), errors.AlreadyExistsError, 10058),
    "overlap": (lambda js: js.add_stream(name="B", subjects=["s.x"]), errors.APIError, 10065),
    "bad config": (lambda js: js.add_stream(name="B", discard_new_per_subject=True), errors.APIError, 10052),
    "find": (lambda js: js.find_stream_name_by_subject("no"), errors.StreamNotFoundError, 0),
    "message": (lambda js: js.get_msg("A", 99), errors.MsgNotFoundError, 10037),
    "last": (lambda js: js.get_last_msg("A", "s.no"), errors.MsgNotFoundError, 10037),
    "delete message": (lambda js: js.delete_msg("A", 99), errors.APIError, 10057),
    "sealed": (lambda js: js.delete_msg("SEALED", 1), errors.StreamSealedError, 10109),
    "consumer": (lambda js: js.consumer_info("A", "no"), errors.ConsumerNotFoundError, 10014),
    "its stream": (lambda js: js.consumer_info("NO", "no"), errors.StreamNotFoundError, 10059),
    "its object": (lambda js: js.consumer("A", "no"), errors.ConsumerNotFoundError, 10014),
    "add consumer": (lambda js: js.add_consumer("NO", name="c"), errors.StreamNotFoundError, 10059),
    "consumer exists": (
        lambda js: js.add_consumer("A", durable_name="d", ack_wait=9),
        errors.AlreadyExistsError,
        10148,
    ),
    "update consumer": (
        lambda js: js.update_consumer("A", name="no", ack_wait=9),
        errors.ConsumerNotFoundError,
        10014,
    ),
    "delete consumer": (lambda js: js.delete_consumer("A", "no"), errors.ConsumerNotFoundError, 10014),
    "pause": (
        lambda js: js.pause_consumer("A", "no", "2090-01-01T00:00:00Z"),
        errors.ConsumerNotFoundError,
        10014,
    ),
    "resume": (lambda js: js.resume_consumer("A", "no"), errors.ConsumerNotFoundError, 10014),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_the_server_refuses(js_url: str, case: str) -> None:
    make, wanted, err_code = WRONG[case]
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="A", subjects=["s.>"])
        await js.add_consumer("A", durable_name="d")
        await js.add_stream(name="SEALED", subjects=["sealed"])
        await nc.request("sealed", b"x", 5)
        await js.update_stream(name="SEALED", sealed=True)
        with pytest.raises(errors.JetStreamError) as caught:
            await make(js)
        error = caught.value
        assert isinstance(error, wanted) and isinstance(error, errors.APIError)
        assert error.err_code == err_code
        if err_code:
            assert error.code == error.server_code and error.code in (400, 404, 500)
            assert error.description == error.text != "" and error.outcome == "rejected"
        missing = (errors.StreamNotFoundError, errors.ConsumerNotFoundError, errors.MsgNotFoundError)
        assert isinstance(error, errors.NotFoundError) == isinstance(error, missing)


INVALID: dict[str, tuple[Callable[[Any], Any], type[Exception]]] = {
    "no name": (lambda js: js.add_stream(subjects=["x"]), errors.InvalidError),
    "name": (lambda js: js.stream_info("a.b"), errors.InvalidError),
    "empty name": (lambda js: js.delete_stream(""), errors.InvalidError),
    "type of name": (lambda js: js.stream_info(5), errors.InvalidError),
    "consumer": (lambda js: js.consumer_info("A", "a b"), errors.InvalidError),
    "update without name": (lambda js: js.update_consumer("A", ack_wait=1), errors.InvalidError),
    "group": (
        lambda js: js.add_consumer("A", deliver_subject="x", deliver_group="g", idle_heartbeat=1),
        errors.InvalidError,
    ),
    "subject": (lambda js: js.add_consumer("A", name="x", filter_subject="a..b"), errors.InvalidError),
    "keyword": (lambda js: js.add_stream(name="B", nonsense=1), TypeError),
    "config": (lambda js: js.add_stream("B"), TypeError),
    "call": (lambda js: js.call("stream.inf", stream="A"), errors.UnknownOptionError),
    "argument": (lambda js: js.call("stream.info"), errors.InvalidError),
    "type of argument": (lambda js: js.call("stream.info", stream=object()), TypeError),
    "no JSON": (lambda js: js.call("stream.info", stream="A", offset=float("nan")), ValueError),
    "surrogate": (lambda js: js.stream_info("\ud800"), errors.InvalidError),
    "timeout": (lambda js: js.call("account.info", timeout=-1), errors.InvalidError),
}


@pytest.mark.parametrize("case", INVALID)
async def test_what_is_never_sent(js_url: str, case: str) -> None:
    make, wanted = INVALID[case]
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        sent = nc.stats()["out_msgs"]
        with pytest.raises(wanted):
            await make(js)
        assert nc.stats()["out_msgs"] == sent


async def test_without_jetstream(url: str) -> None:
    async with natskit.connect(url) as nc:
        js = nc.jetstream()
        with pytest.raises(errors.JetStreamNotEnabledError):
            await js.account_info()
        assert not issubclass(errors.JetStreamNotEnabledError, errors.APIError)


async def test_options(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        wrongs: list[dict[str, Any]] = [{"domain": "a b"}, {"prefix": "x.>"}, {"timeout": 1e6}, {"domain": "x", "prefix": "y"}]
        for wrong in wrongs:
            with pytest.raises(errors.InvalidError):
                nc.jetstream(**wrong)
        with pytest.raises(errors.UnknownOptionError):
            nc.jetstream(api_retry=1)
        with pytest.raises(TypeError):
            nc.jetstream(domain=5)  # type: ignore[arg-type]
        assert (await nc.jetstream(timeout=None, api_retries=2).account_info()).streams == 0
        assert (await nc.jetstream(prefix="$JS.API").account_info()).streams == 0
        with pytest.raises(errors.JetStreamNotEnabledError):
            await nc.jetstream(domain="elsewhere").account_info()


async def test_after_the_end(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.account_info()
    with pytest.raises(errors.ConnectionClosedError):
        await js.account_info()
    with pytest.raises(errors.ConnectionClosedError):
        nc.jetstream()


async def test_a_context_keeps_its_connection(js_url: str) -> None:
    nc = await natskit.connect(js_url)
    js = nc.jetstream()
    del nc
    assert (await js.account_info()).streams == 0
    await js._client.close()


async def test_a_full_outbox(js_url: str) -> None:
    """A call waits for room, as everything that is sent."""
    async with natskit.connect(js_url, outbox_bytes=65536) as nc:
        js = nc.jetstream()
        for _ in range(40):
            await nc.publish("filler", bytes(30000))
            assert (await js.stream_names()) == []


# ------------------------------------------------------------------------------------------ a fake server


class Fake:
    """Answers calls of the API under a prefix of its own."""

    def __init__(self, nc: natskit.Client, answers: dict[str, Any]) -> None:
        self.nc = nc
        self.answers = answers
        self.asked: list[tuple[str, Any, Any]] = []

    async def serve(self, sub: natskit.Subscription) -> None:
        async for msg in sub:
            name = msg.subject.removeprefix("fake.")
            self.asked.append((name, msg.json() if msg.data else None, msg.headers))
            answer = self.answers.get(name)
            if answer is not None:
                await msg.respond(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


async def faked(
    url: str, answers: dict[str, Any], work: Callable[[natskit.JetStreamContext], Any]
) -> tuple[Any, list[tuple[str, Any, Any]]]:
    """What work(context) gives, and what was asked."""
    async with natskit.connect(url) as other, natskit.connect(url) as nc:
        sub = await other.subscribe("fake.>")
        await other.flush()
        fake = Fake(other, answers)
        served = face.spawn(fake.serve, sub)
        try:
            result = await work(nc.jetstream(prefix="fake", timeout=2))
        finally:
            await sub.drain()
            await face.join(served)
        return result, fake.asked


async def test_what_a_newer_server_knows_survives_an_update(url: str) -> None:
    config = {"name": "A", "subjects": None, "max_age": 5, "brand_new": {"a": 2**63}, "retention": "odd"}
    answers = {"STREAM.INFO.A": {"config": config}, "STREAM.UPDATE.A": {"config": {**config, "max_msgs": 7}}}
    info, asked = await faked(url, answers, lambda js: js.update_stream(name="A", max_msgs=7))
    assert asked[1][:2] == ("STREAM.UPDATE.A", {**config, "max_msgs": 7})
    assert info.config.extra == {"brand_new": {"a": 2**63}}
    assert (info.config.retention, info.config.subjects, info.config.max_msgs) == ("odd", [], 7)
    # The whole configuration, as it came, goes back with all that is in it.
    _, asked = await faked(url, answers, lambda js: js.update_stream(info.config, description="x"))
    wanted: dict[str, Any] = {**config, "max_msgs": 7, "description": "x", "subjects": []}
    assert asked[1][:2] == ("STREAM.UPDATE.A", wanted)


async def test_extra_fields_are_sent(url: str) -> None:
    made = api.StreamConfig("A", extra={"brand_new": 1})
    _, asked = await faked(url, {"STREAM.CREATE.A": {"config": {}}}, lambda js: js.add_stream(made))
    assert asked == [("STREAM.CREATE.A", {"name": "A", "brand_new": 1}, None)]


async def test_the_level_that_is_needed(url: str) -> None:
    answers: dict[str, Any] = {"STREAM.CREATE.A": {"config": {}}}
    _, asked = await faked(url, answers, lambda js: js.add_stream(name="A", allow_msg_counter=True))
    assert asked[0][2] is not None and asked[0][2]["Nats-Required-Api-Level"] == "2"


@pytest.mark.parametrize("answer", [b"", b"no JSON", b"[]", b'{"message":', b'{"a": NaN}'])
async def test_answers_that_are_none(url: str, answer: bytes) -> None:
    with pytest.raises(errors.BadProtocolError):
        await faked(url, {"STREAM.MSG.GET.A": answer}, lambda js: js.get_msg("A", 1))


async def test_no_answer(url: str) -> None:
    with pytest.raises(errors.TimeoutError) as caught:
        await faked(url, {}, lambda js: js.call("stream.info", timeout=0.2, stream="A"))
    assert caught.value.outcome == "unknown"


async def test_an_answer_with_numbers_of_all_sizes(url: str) -> None:
    state = {"messages": 2**64 - 1, "first_seq": 2**53 + 1, "bytes": 1, "last_seq": 2**63}
    info, _ = await faked(url, {"STREAM.INFO.A": {"state": state}}, lambda js: js.stream_info("A"))
    got = info.state
    assert (got.messages, got.first_seq, got.last_seq) == (2**64 - 1, 2**53 + 1, 2**63)


async def test_a_stored_message_with_odd_headers(url: str) -> None:
    async def got(block: bytes) -> api.RawStreamMsg:
        time = "2026-01-02T03:04:05Z"
        stored = {"subject": "s", "seq": 1, "time": time, "hdrs": base64.b64encode(block).decode()}
        answers = {"STREAM.MSG.GET.A": {"message": stored}}
        msg, _ = await faked(url, answers, lambda js: js.get_msg("A", 1))
        assert msg.hdrs == block
        return msg

    headers = (await got(b"NATS/1.0\r\nA:\xff\r\n\r\n")).headers
    assert headers is not None and headers["A"] == "\udcff"
    headers = (await got(b"NATS/1.0\r\nno header\x00\r\n\r\n")).headers
    assert headers is not None and headers.pairs() == []
