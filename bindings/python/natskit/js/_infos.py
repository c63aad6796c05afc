# SPDX-License-Identifier: Apache-2.0
"""What JetStream tells: light objects over the server's answers, whose members are converted when they are first
asked for. `raw` is the answer itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar, overload

from .. import _natskit
from ._configs import ConsumerConfig, StreamConfig
from ._values import Config, seconds, time_of

__all__ = [
    "APIStats",
    "AccountInfo",
    "AccountLimits",
    "ClusterInfo",
    "ConsumerInfo",
    "ConsumerPause",
    "ConsumerReset",
    "Info",
    "LostStreamData",
    "PeerInfo",
    "PriorityGroupState",
    "RawStreamMsg",
    "SequenceInfo",
    "StreamAlternate",
    "StreamInfo",
    "StreamSourceInfo",
    "StreamState",
    "StreamsListIterator",
    "Tier",
]

_T = TypeVar("_T")
_I = TypeVar("_I", bound="Info")
_C = TypeVar("_C", bound=Config)

_NO_TIME = "0001-01-01T00:00:00Z"


class _Member(Generic[_T]):
    """A member of an answer; what it was read as stays on the object."""

    def __init__(self, read: Callable[[Any], _T], missing: Callable[[], _T]) -> None:
        self._read = read
        self._missing = missing
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, info: None, owner: type) -> _Member[_T]: ...
    @overload
    def __get__(self, info: Info, owner: type) -> _T: ...
    def __get__(self, info: Info | None, owner: type) -> Any:
        if info is None:
            return self
        raw = info.raw.get(self._name)
        value = self._missing() if raw is None else self._read(raw)
        info.__dict__[self._name] = value
        return value


def _number() -> _Member[int]:
    return _Member(int, int)


def _text() -> _Member[str]:
    return _Member(str, str)


def _flag() -> _Member[bool]:
    return _Member(bool, bool)


def _nothing() -> None:
    return None


def _time() -> _Member[datetime | None]:
    """None also for Go's zero time."""

    def read(value: Any) -> datetime | None:
        return None if value == _NO_TIME else time_of(value)

    return _Member(read, _nothing)


def _duration() -> _Member[float | None]:
    """None also for a negative one, which says that it never was."""

    def read(value: Any) -> float | None:
        return None if value < 0 else seconds(value)

    return _Member(read, _nothing)


def _part(cls: type[_I]) -> _Member[_I]:
    return _Member(cls, lambda: cls({}))


def _perhaps(cls: type[_I]) -> _Member[_I | None]:
    return _Member(cls, _nothing)


def _parts(cls: type[_I]) -> _Member[list[_I]]:
    return _Member(lambda value: [cls(item) for item in value], list)


def _numbers() -> _Member[list[int]]:
    return _Member(list, list)


def _config(cls: type[_C]) -> _Member[_C]:
    return _Member(cls.from_response, cls)


class Info:
    """Base of what JetStream tells.

    Attributes:
        raw: the server's answer, with all of its members, those that are not known here, too.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    @classmethod
    def from_response(cls: type[_I], raw: Mapping[str, Any]) -> _I:
        """Made of a server's answer, as `raw` is."""
        return cls(raw)

    def as_dict(self) -> dict[str, Any]:
        """A copy of the server's answer."""
        return dict(self.raw)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Info) and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.raw!r})"


# --------------------------------------------------------------------------------------------- clusters


class PeerInfo(Info):
    """A server that keeps a copy; `active` is the time since it was heard of."""

    name = _text()
    current = _flag()
    offline = _flag()
    active = _duration()
    lag = _number()


class ClusterInfo(Info):
    """The servers that keep a stream or consumer."""

    name = _text()
    leader = _text()
    replicas = _parts(PeerInfo)
    raft_group = _text()
    leader_since = _time()
    traffic_acc = _text()


# --------------------------------------------------------------------------------------------- streams


class StreamAlternate(Info):
    """A stream with the same messages: the stream itself or a mirror."""

    name = _text()
    domain = _text()
    cluster = _text()


class StreamSourceInfo(Info):
    """How far a mirror or source is; `active` is the time since its last message, None if there was none."""

    name = _text()
    lag = _number()
    active = _duration()
    filter_subject = _text()
    error: _Member[dict[str, Any] | None] = _Member(dict, _nothing)


class LostStreamData(Info):
    """Messages that the server's store has lost."""

    msgs = _numbers()
    bytes = _number()


class StreamState(Info):
    """What a stream holds. `deleted` and `subjects` are there if they were asked for."""

    messages = _number()
    bytes = _number()
    first_seq = _number()
    first_ts = _time()
    last_seq = _number()
    last_ts = _time()
    consumer_count = _number()
    num_subjects = _number()
    num_deleted = _number()
    deleted = _numbers()
    subjects: _Member[dict[str, int]] = _Member(dict, dict)
    lost = _perhaps(LostStreamData)


class StreamInfo(Info):
    """Configuration and state of a stream; `ts` is the server's time."""

    config = _config(StreamConfig)
    state = _part(StreamState)
    created = _time()
    ts = _time()
    cluster = _perhaps(ClusterInfo)
    mirror = _perhaps(StreamSourceInfo)
    sources = _parts(StreamSourceInfo)
    alternates = _parts(StreamAlternate)
    domain = _text()
    did_create = _flag()


class StreamsListIterator:
    """The infos of streams, as streams_info_iterator() gives them; `total` is their number."""

    def __init__(self, offset: int, total: int, streams: list[dict[str, Any]]) -> None:
        self.offset = offset
        self.total = total
        self.streams = streams
        self._rest = iter(streams)

    def __iter__(self) -> Iterator[StreamInfo]:
        return self

    def __next__(self) -> StreamInfo:
        return StreamInfo(next(self._rest))


# ------------------------------------------------------------------------------------------- consumers


class SequenceInfo(Info):
    """Where a consumer is: in its own count and in the stream's."""

    consumer_seq = _number()
    stream_seq = _number()
    last_active = _time()


class PriorityGroupState(Info):
    """The client that a priority group is pinned to."""

    group = _text()
    pinned_client_id = _text()
    pinned_ts = _time()


class ConsumerInfo(Info):
    """Configuration and state of a consumer; `pause_remaining` is in seconds."""

    name = _text()
    stream_name = _text()
    config = _config(ConsumerConfig)
    created = _time()
    ts = _time()
    delivered = _part(SequenceInfo)
    ack_floor = _part(SequenceInfo)
    num_ack_pending = _number()
    num_redelivered = _number()
    num_waiting = _number()
    num_pending = _number()
    cluster = _perhaps(ClusterInfo)
    push_bound = _flag()
    paused = _flag()
    pause_remaining = _duration()
    priority_groups = _parts(PriorityGroupState)


class ConsumerPause(Info):
    """Whether and until when a consumer is paused; `pause_remaining` is in seconds."""

    paused = _flag()
    pause_until = _time()
    pause_remaining = _duration()


class ConsumerReset(Info):
    """Where a consumer begins anew, and its info."""

    reset_seq = _number()

    @property
    def info(self) -> ConsumerInfo:
        """The consumer as it is now."""
        return ConsumerInfo(self.raw)


# --------------------------------------------------------------------------------------------- account


class AccountLimits(Info):
    """Limits of an account or tier; -1: none."""

    max_memory = _number()
    max_storage = _number()
    max_streams = _number()
    max_consumers = _number()
    max_ack_pending = _number()
    memory_max_stream_bytes = _number()
    storage_max_stream_bytes = _number()
    max_bytes_required = _flag()


class APIStats(Info):
    """Calls of the API; `level` tells what the server knows (ADR-44)."""

    level = _number()
    total = _number()
    errors = _number()
    inflight = _number()


class Tier(Info):
    """What an account uses of a tier."""

    memory = _number()
    storage = _number()
    reserved_memory = _number()
    reserved_storage = _number()
    streams = _number()
    consumers = _number()
    limits = _part(AccountLimits)


class AccountInfo(Tier):
    """What the account uses, and its limits."""

    domain = _text()
    api = _part(APIStats)
    tiers: _Member[dict[str, Tier]] = _Member(
        lambda value: {name: Tier(tier) for name, tier in value.items()}, dict
    )


# -------------------------------------------------------------------------------------------- messages


RawStreamMsg = _natskit.StoredMsg
"""A message as a stream keeps it, under nats-py's name."""
