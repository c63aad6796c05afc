# SPDX-License-Identifier: Apache-2.0
"""Configurations and infos without a server: units, times, what is not known, what is wrong."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from natskit import _natskit, errors
from natskit.js import _configs, _infos, _values, api

NS = 10**9
KINDS = {
    1: _values.STRING,
    2: _values.STRINGS,
    3: _values.INTEGER,
    4: _values.BOOLEAN,
    5: _values.DURATION,
    6: _values.DURATIONS,
    7: _values.TIME,
    11: _values.MAP,
}
CLASSES: dict[str, Any] = {
    "stream": api.StreamConfig,
    "consumer": api.ConsumerConfig,
    "source": api.StreamSource,
    "external": api.ExternalStream,
    "source_consumer": api.StreamConsumerSource,
    "placement": api.Placement,
    "transform": api.SubjectTransform,
    "republish": api.RePublish,
    "limits": api.StreamConsumerLimits,
}


def test_the_classes_have_the_fields_of_the_library() -> None:
    rows = _natskit._js_fields()
    assert len(rows) > 80
    for name, cls in CLASSES.items():
        mine = [row for row in rows if row[0] == name]
        assert [field.name for field in dataclasses.fields(cls)] == [*(row[1] for row in mine), "extra"]
        for _, field, kind, values, level, text in mine:
            has = cls._FIELDS[field]
            assert text and level >= 0
            if kind == 8:
                assert [str(member) for member in has.read] == values.split("|")
            elif kind in (9, 10):
                assert has.cls is CLASSES[values] and has.is_list == (kind == 10)
            else:
                assert has is KINDS[kind]
    assert {row[0] for row in rows} == set(CLASSES)


def test_calls_have_a_method() -> None:
    """Each call of the library is made by some method."""
    import inspect

    from natskit import _admin, _js, _kv

    source = "".join(map(inspect.getsource, (_admin, _js, _kv)))
    others = {
        "kv.status": "self._status(",
        "stream.message.get": "self._get_msg(",
        "stream.snapshot": "self._js._snapshot(",
    }
    for name, arguments, since, text in _natskit._js_calls():
        made = others.get(name, f'"{name}"')
        assert made in source, name
        assert since and text and isinstance(arguments, str)


def test_all_names_are_there() -> None:
    assert set(_configs.__all__) | set(_infos.__all__) < set(api.__all__)
    assert all(getattr(api, name) is not None for name in api.__all__)


@pytest.mark.parametrize(
    "value, number",
    [
        (0, 0),
        (1, NS),
        (30 * 86400, 30 * 86400 * NS),
        (0.1, NS // 10),
        (1.1, 11 * NS // 10),
        (2592000.123456789, 2592000123456789),
        (1e-9, 1),
        (-1, -NS),
        (292 * 365 * 86400, 292 * 365 * 86400 * NS),
        (Decimal("104.000000001"), 104 * NS + 1),
        (Decimal("9007199254.740993001"), 9007199254740993001),
        (timedelta(days=30, microseconds=1), 30 * 86400 * NS + 1000),
        (timedelta.resolution, 1000),
        (1 / 3, 333333333),
    ],
)
def test_durations(value: Any, number: int) -> None:
    assert _values.nanoseconds("age", value) == number
    assert api.StreamConfig(max_age=value).as_dict() == {"max_age": number}
    back = api.StreamConfig.from_response({"max_age": number})
    assert isinstance(back.max_age, float)
    assert back.as_dict() == {"max_age": number}
    for other in (copy.deepcopy(back), pickle.loads(pickle.dumps(back)), back.evolve(name="X", extra={})):
        assert other.as_dict()["max_age"] == number


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, 9007199254740993001, 123456789012345678])
def test_durations_that_no_float_holds(number: int) -> None:
    value = _values.seconds(number)
    assert value == number / NS and isinstance(value, float)
    assert _values.nanoseconds("age", value) == number


@pytest.mark.parametrize(
    "value, wanted",
    [
        ("5", TypeError),
        (True, TypeError),
        (b"5", TypeError),
        (float("nan"), errors.InvalidError),
        (float("inf"), errors.InvalidError),
        (Decimal("NaN"), errors.InvalidError),
        (1e300, errors.InvalidError),
        (1e-12, errors.InvalidError),
        (2**63, errors.InvalidError),
        (timedelta.max, errors.InvalidError),
    ],
)
def test_durations_that_are_none(value: Any, wanted: type[Exception]) -> None:
    with pytest.raises(wanted, match="max_age"):
        api.StreamConfig(max_age=value).as_dict()


@pytest.mark.parametrize(
    "text, sent",
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z"),
        ("2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901000Z"),
        ("2026-01-02T03:04:05.678901234Z", "2026-01-02T03:04:05.678901234Z"),
        ("2026-01-02T03:04:05.6789012Z", "2026-01-02T03:04:05.678901200Z"),
        ("2026-01-02T03:04:05.000000001+02:00", "2026-01-02T01:04:05.000000001Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000000Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_times(text: str, sent: str) -> None:
    config = api.ConsumerConfig.from_response({"opt_start_time": text})
    assert isinstance(config.opt_start_time, datetime)
    assert config.opt_start_time.tzinfo is timezone.utc
    assert config.as_dict() == {"opt_start_time": sent}
    assert config.evolve().as_dict() == {"opt_start_time": sent}
    assert api.ConsumerConfig(opt_start_time=text).as_dict() == {"opt_start_time": text}


def test_times_that_are_none() -> None:
    with pytest.raises(errors.InvalidError, match="opt_start_time.*time zone"):
        api.ConsumerConfig(opt_start_time=datetime(2026, 1, 1)).as_dict()
    with pytest.raises(TypeError, match="opt_start_time"):
        api.ConsumerConfig(opt_start_time=5).as_dict()  # type: ignore[arg-type]
    moved = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    sent = api.ConsumerConfig(pause_until=moved).as_dict()
    assert sent == {"pause_until": "2025-12-31T22:00:00.000000000Z"}


WRONG: list[tuple[str, Any]] = [
    ("name", 5),
    ("name", b"X"),
    ("subjects", "s.>"),
    ("subjects", ["s.>", 5]),
    ("subjects", 5),
    ("max_msgs", "5"),
    ("max_msgs", 5.0),
    ("max_msgs", True),
    ("no_ack", 1),
    ("no_ack", "true"),
    ("retention", 5),
    ("placement", "here"),
    ("placement", {"cluster": 5}),
    ("placement", {"nonsense": "x"}),
    ("mirror", [api.StreamSource("X")]),
    ("sources", api.StreamSource("X")),
    ("sources", ["X"]),
    ("metadata", ["a"]),
    ("metadata", {"a": 5}),
    ("metadata", {5: "a"}),
    ("republish", {"src": 5}),
]


@pytest.mark.parametrize("field, value", WRONG)
def test_wrong_types(field: str, value: Any) -> None:
    with pytest.raises(TypeError, match=None if isinstance(value, dict) else field):
        api.StreamConfig(**{field: value}).as_dict()


def test_numbers_of_64_bits() -> None:
    config = api.StreamConfig(first_seq=2**64 - 1, max_msgs=-(2**63))
    assert config.as_dict() == {"max_msgs": -(2**63), "first_seq": 2**64 - 1}
    for number in (2**64, -(2**63) - 1):
        with pytest.raises(errors.InvalidError, match="max_msgs"):
            api.StreamConfig(max_msgs=number).as_dict()


def test_misspelt_fields() -> None:
    with pytest.raises(TypeError):
        api.StreamConfig(max_ages=5)  # type: ignore[call-arg]
    config = api.StreamConfig()
    with pytest.raises(AttributeError):
        config.max_ages = 5  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        config.evolve(max_ages=5)


def test_what_is_not_known_is_kept() -> None:
    raw = {
        "name": "X",
        "subjects": None,
        "max_msgs": None,
        "retention": "brand_new_policy",
        "max_age": "P30D",
        "new_number": 2**64 - 1,
        "new_object": {"a": [1, None]},
        "new_null": None,
        "mirror": {"name": "M", "new_within": True},
        "sources": [{"name": "S", "subject_transforms": None, "other": 1.5}],
    }
    config = api.StreamConfig.from_response(raw)
    assert config.subjects == [] and config.max_msgs is None
    assert config.retention == "brand_new_policy"
    assert config.max_age == "P30D"  # of a form that is not known: as it is
    assert config.extra == {"new_number": 2**64 - 1, "new_object": {"a": [1, None]}, "new_null": None}
    assert config.mirror is not None and config.mirror.extra == {"new_within": True}
    assert config.sources is not None and config.sources[0].subject_transforms == []
    sent = config.evolve(max_age=5).as_dict()
    assert sent["max_age"] == 5 * NS
    assert sent["mirror"] == raw["mirror"]
    assert sent["sources"] == [{"name": "S", "subject_transforms": [], "other": 1.5}]
    for name in ("name", "retention", "new_number", "new_object", "new_null"):
        assert sent[name] == raw[name]
    # The copy is its own.
    other = config.evolve()
    other.extra["new_number"] = 1
    assert config.extra["new_number"] == 2**64 - 1


def test_mappings_stand_for_objects() -> None:
    config = api.StreamConfig(placement={"cluster": "C"}, sources=[{"name": "S"}])  # type: ignore[arg-type, list-item]
    assert config.as_dict() == {"placement": {"cluster": "C"}, "sources": [{"name": "S"}]}
    assert api.StreamConfig(republish=api.RePublish("a", "b")).as_dict() == {
        "republish": {"src": "a", "dest": "b"}
    }
    made = _values.config_of(api.StreamConfig, {"name": "X", "max_age": 1}, {"max_age": 2})
    assert made == api.StreamConfig("X", max_age=2)
    with pytest.raises(TypeError, match="config"):
        _values.config_of(api.StreamConfig, api.ConsumerConfig(), {})  # type: ignore[arg-type]


def test_how_they_look() -> None:
    assert repr(api.StreamConfig("X", max_age=1)) == "StreamConfig(name='X', max_age=1)"
    assert repr(api.Placement(extra={"a": 1})) == "Placement(extra={'a': 1})"
    assert str(api.RetentionPolicy.WORK_QUEUE) == "workqueue" == api.RetentionPolicy.WORK_QUEUE
    info = api.StreamState({"messages": 1})
    assert repr(info) == "StreamState({'messages': 1})" and info == api.StreamState({"messages": 1})
    assert info != api.SequenceInfo({"messages": 1})


def test_infos_without_members() -> None:
    """What a server leaves out is 0, "", False, [] or None."""
    info = api.StreamInfo.from_response({})
    assert info.config == api.StreamConfig() and info.state.messages == 0 and info.state.deleted == []
    assert (info.mirror, info.sources, info.cluster, info.created) == (None, [], None, None)
    nulls = api.StreamInfo({"config": None, "state": None, "sources": None, "alternates": None})
    assert nulls.config == api.StreamConfig() and nulls.state.subjects == {} and nulls.sources == []
    consumer = api.ConsumerInfo({})
    assert (consumer.name, consumer.num_pending, consumer.paused) == ("", 0, False)
    assert consumer.delivered.last_active is None and consumer.pause_remaining is None
    account = api.AccountInfo({})
    assert account.limits.max_streams == 0 and account.tiers == {} and account.api.level == 0


def test_infos() -> None:
    raw = {
        "state": {"first_ts": "0001-01-01T00:00:00Z", "last_ts": "2026-01-02T03:04:05.000000006Z"},
        "cluster": {"name": "C", "replicas": [{"name": "n1", "active": 1500000000, "lag": 2**63}]},
        "mirror": {"name": "M", "active": -1, "error": {"code": 404}},
        "new": [1],
    }
    info = api.StreamInfo(raw)
    assert info.state.first_ts is None
    assert isinstance(info.state.last_ts, api.ExactTime) and info.state.last_ts.nanosecond == 6
    assert info.cluster is not None and info.cluster.replicas[0].active == 1.5
    assert info.cluster.replicas[0].lag == 2**63
    assert info.mirror is not None and info.mirror.active is None and info.mirror.error == {"code": 404}
    assert info.raw["new"] == [1] and info.as_dict() == raw
    assert info.cluster is info.cluster  # read once
    account = api.AccountInfo({"tiers": {"R1": {"storage": 5, "limits": {"max_streams": -1}}}})
    assert account.tiers["R1"].limits.max_streams == -1
