# SPDX-License-Identifier: Apache-2.0
"""Every field of the configurations of streams and consumers goes to a real server and comes back as it was."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import natskit
import pytest
from natskit import _natskit, errors
from natskit.js import api

LARGE = 2**53 + 1  # no double holds it
DAYS = 30 * 86400  # seconds
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)
LATER = datetime(2090, 1, 2, 3, 4, 5, 678901, timezone.utc)

# Field -> (the value, what else the stream has to have). Without subjects: "s.>".
STREAM: dict[str, tuple[Any, dict[str, Any]]] = {
    "name": ("FIELDS", {}),
    "description": ("für den Leser", {}),
    "subjects": (["a.*", "b.>"], {}),
    "retention": (api.RetentionPolicy.WORK_QUEUE, {}),
    "max_consumers": (7, {}),
    "max_msgs": (LARGE, {}),
    "max_bytes": (1_000_001, {}),
    "max_age": (DAYS, {}),
    "max_msgs_per_subject": (LARGE, {}),
    "max_msg_size": (12345, {}),
    "discard": (api.DiscardPolicy.NEW, {}),
    "discard_new_per_subject": (True, {"discard": "new", "max_msgs_per_subject": 5}),
    "storage": (api.StorageType.MEMORY, {}),
    "num_replicas": (1, {}),
    "no_ack": (True, {}),
    "duplicate_window": (0.1, {}),
    "placement": (api.Placement("here", ["fast"]), {}),
    "mirror": (api.StreamSource(name="ORIGIN", opt_start_seq=LARGE), {"subjects": None}),
    "sources": ([api.StreamSource(name="ORIGIN", filter_subject="o.x")], {}),
    "compression": (api.StoreCompression.S2, {}),
    "first_seq": (LARGE, {}),
    "subject_transform": (api.SubjectTransform("s.>", "t.>"), {}),
    "republish": (api.RePublish("s.>", "r.>", True), {}),
    "sealed": (True, {}),
    "deny_delete": (True, {}),
    "deny_purge": (True, {}),
    "allow_rollup_hdrs": (True, {}),
    "allow_direct": (True, {}),
    "mirror_direct": (True, {"mirror": api.StreamSource("ORIGIN"), "subjects": None}),
    "consumer_limits": (api.StreamConsumerLimits(DAYS, 17), {}),
    "metadata": ({"owner": "Ärger", "empty": ""}, {}),
    "allow_msg_ttl": (True, {}),
    "subject_delete_marker_ttl": (timedelta(hours=1), {"allow_msg_ttl": True, "allow_rollup_hdrs": True}),
    "allow_atomic": (True, {}),
    "allow_msg_counter": (True, {}),
    "allow_msg_schedules": (True, {}),
    "persist_mode": (api.PersistMode.ASYNC, {}),
    "allow_batched": (True, {}),
}
PUSH = {"deliver_subject": "push.here"}
CONSUMER: dict[str, tuple[Any, dict[str, Any]]] = {
    "name": ("c1", {}),
    "durable_name": ("d1", {}),
    "description": ("for the reader", {}),
    "deliver_policy": (api.DeliverPolicy.LAST_PER_SUBJECT, {"filter_subject": "s.>"}),
    "opt_start_seq": (LARGE, {"deliver_policy": "by_start_sequence"}),
    "opt_start_time": (MOMENT, {"deliver_policy": "by_start_time"}),
    "ack_policy": (api.AckPolicy.ALL, {}),
    "ack_wait": (0.1, {}),
    "max_deliver": (5, {}),
    "backoff": ([0.1, 0.25, 30 * 86400], {"max_deliver": 4}),
    "filter_subject": ("s.x", {}),
    "filter_subjects": (["s.x", "s.y"], {}),
    "replay_policy": (api.ReplayPolicy.ORIGINAL, {}),
    "rate_limit_bps": (2**63 + 1, PUSH),
    "sample_freq": ("30%", {}),
    "max_waiting": (77, {}),
    "max_ack_pending": (78, {}),
    "headers_only": (True, {}),
    "max_batch": (79, {}),
    "max_expires": (timedelta(seconds=90), {}),
    "max_bytes": (80_000, {}),
    "inactive_threshold": (DAYS + 0.000001, {}),
    "num_replicas": (1, {}),
    "mem_storage": (True, {}),
    "metadata": ({"a": "b"}, {}),
    "deliver_subject": ("push.here", {}),
    "deliver_group": ("workers", PUSH),
    "flow_control": (True, {"idle_heartbeat": 5, **PUSH}),
    "idle_heartbeat": (0.5, PUSH),
    "pause_until": (LATER, {}),
    "priority_groups": (["g"], {"priority_policy": "overflow"}),
    "priority_policy": (api.PriorityPolicy.PINNED_CLIENT, {"priority_groups": ["g"]}),
    "priority_timeout": (120.5, {"priority_groups": ["g"], "priority_policy": "pinned_client"}),
}
SOURCE: dict[str, tuple[Any, dict[str, Any]]] = {
    "name": ("ORIGIN", {}),
    "opt_start_seq": (LARGE, {}),
    "opt_start_time": (MOMENT, {}),
    "filter_subject": ("o.x", {}),
    "subject_transforms": ([api.SubjectTransform("o.>", "p.>")], {}),
    "external": (api.ExternalStream("$JS.hub.API", "deliver.here"), {}),
    "consumer": (api.StreamConsumerSource("reader", "deliver.there"), {}),
    "domain": ("hub", {}),  # comes back as external
}
UPDATED = {"sealed"}  # by an update only
KEPT_BY_SERVER = "_nats."


def fields(kind: str) -> list[str]:
    return [row[1] for row in _natskit._js_fields() if row[0] == kind]


def same(field: str, told: Any, value: Any) -> bool:
    if field == "metadata":
        told = {name: text for name, text in told.items() if not name.startswith(KEPT_BY_SERVER)}
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return told == value


def test_every_field_is_in_the_tables() -> None:
    assert list(STREAM) == fields("stream")
    assert set(CONSUMER) == set(fields("consumer"))
    assert set(SOURCE) == set(fields("source"))


@pytest.mark.parametrize("field", STREAM)
async def test_stream(js_url: str, field: str) -> None:
    value, more = STREAM[field]
    base = {"name": "FIELDS", "subjects": ["s.>"], **more}
    config = api.StreamConfig(**base) if field in UPDATED else api.StreamConfig(**{**base, field: value})
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="ORIGIN", subjects=["o.>"], allow_direct=True)
        info = await js.add_stream(config)
        if field in UPDATED:
            info = await js.update_stream(name="FIELDS", **{field: value})
        assert same(field, getattr(info.config, field), value)
        asked = (await js.stream_info("FIELDS")).config
        assert same(field, getattr(asked, field), value)
        assert asked.extra == {}
        # What came goes back as it was.
        assert api.StreamConfig.from_response(asked.as_dict()) == asked
        if field not in UPDATED:
            again = await js.update_stream(asked)
            assert again.config == asked


@pytest.mark.parametrize("field", CONSUMER)
async def test_consumer(js_url: str, field: str) -> None:
    value, more = CONSUMER[field]
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="FIELDS", subjects=["s.>"])
        config = api.ConsumerConfig(**{**more, field: value})
        info = await js.add_consumer("FIELDS", config)
        assert same(field, getattr(info.config, field), value)
        asked = (await js.consumer_info("FIELDS", info.name)).config
        assert same(field, getattr(asked, field), value)
        assert asked.extra == {}
        assert api.ConsumerConfig.from_response(asked.as_dict()) == asked
        again = await js.update_consumer("FIELDS", asked, name=info.name)
        assert again.config.evolve(name=asked.name) == asked


@pytest.mark.parametrize("field", SOURCE)
async def test_source(js_url: str, field: str) -> None:
    value, more = SOURCE[field]
    source = api.StreamSource(**{"name": "ORIGIN", **more, field: value})
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="ORIGIN", subjects=["o.>"])
        config = api.StreamConfig("FIELDS", sources=[source])
        info = await js.add_stream(config)
        assert info.config.sources is not None
        told = info.config.sources[0]
        if field == "domain":
            field, value = "external", api.ExternalStream("$JS.hub.API", "")
        assert same(field, getattr(told, field), value)
        assert told.extra == {}
        assert (await js.stream_info("FIELDS")).config.sources == [told]


async def test_domain_of_a_source(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        info = await js.add_stream(name="FAR", sources=[{"name": "A", "domain": "hub"}, api.StreamSource("B")])
        assert info.config.sources is not None
        far, near = info.config.sources
        assert far.external is not None and far.external.api == "$JS.hub.API" and near.external is None
        again = await js.update_stream(name="FAR", sources=[api.StreamSource("A", domain="rim")])
        assert again.config.sources is not None and again.config.sources[0].external == api.ExternalStream("$JS.rim.API", "")
        with pytest.raises(errors.InvalidError, match="config/sources/0/domain excludes external"):
            await js.add_stream(name="F", sources=[{"name": "A", "domain": "hub", "external": {"api": "x"}}])


async def test_sequences_are_exact(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="LARGE", subjects=["l"], first_seq=LARGE)
        for _ in range(4):
            await nc.request("l", b"x", 5)
        await js.delete_msg("LARGE", LARGE + 2)
        state = (await js.stream_info("LARGE", deleted_details=True)).state
        assert (state.first_seq, state.last_seq, state.deleted) == (LARGE, LARGE + 3, [LARGE + 2])
        assert (await js.get_msg("LARGE", LARGE + 1)).seq == LARGE + 1
        consumer = await js.add_consumer(
            "LARGE", name="c", deliver_policy="by_start_sequence", opt_start_seq=LARGE + 1
        )
        assert consumer.config.opt_start_seq == LARGE + 1
        assert consumer.ack_floor.stream_seq == LARGE
        assert await js.purge_stream("LARGE", seq=LARGE + 3)
        assert (await js.stream_info("LARGE")).state.first_seq == LARGE + 3


@pytest.mark.parametrize(
    "age", [DAYS, 0.1, 0.3, 1.1, 2592000.1, timedelta(days=30), timedelta(milliseconds=100, microseconds=1)]
)
async def test_durations_are_exact(js_url: str, age: Any) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        info = await js.add_stream(name="AGE", subjects=["age"], max_age=age, duplicate_window=0.1)
        number = info.raw["config"]["max_age"]
        if isinstance(age, timedelta):
            assert number == age // timedelta(microseconds=1) * 1000
        else:
            assert number == round(age * 10**6) * 1000
        assert info.config.as_dict()["max_age"] == number
        assert (await js.update_stream(info.config)).raw["config"]["max_age"] == number
