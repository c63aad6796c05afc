# SPDX-License-Identifier: Apache-2.0
"""Configurations, infos and constants. Those of streams, consumers and accounts are natskit's own classes."""

from __future__ import annotations

import dataclasses
import datetime
from enum import StrEnum
from typing import Any, Self

import natskit
from natskit.js import _values
from natskit.js.api import (
    AccountInfo,
    AccountLimits,
    AckPolicy,
    APIStats,
    ClusterInfo,
    ConsumerConfig,
    ConsumerInfo,
    ConsumerPause,
    ConsumerReset,
    DeliverPolicy,
    DiscardPolicy,
    ExternalStream,
    LostStreamData,
    PeerInfo,
    PersistMode,
    Placement,
    ReplayPolicy,
    RePublish,
    RetentionPolicy,
    SequenceInfo,
    StorageType,
    StoreCompression,
    StreamConfig,
    StreamConsumerLimits,
    StreamConsumerSource,
    StreamInfo,
    StreamsListIterator,
    StreamSource,
    StreamSourceInfo,
    StreamState,
    SubjectTransform,
    Tier,
)

__all__ = [
    "DEFAULT_PREFIX",
    "INBOX_PREFIX",
    "APIStats",
    "AccountInfo",
    "AccountLimits",
    "AckPolicy",
    "Base",
    "ClusterInfo",
    "ConsumerConfig",
    "ConsumerInfo",
    "ConsumerPause",
    "ConsumerReset",
    "DeliverPolicy",
    "DiscardPolicy",
    "ExternalStream",
    "Header",
    "KeyValueConfig",
    "LostStreamData",
    "ObjectInfo",
    "ObjectLink",
    "ObjectMeta",
    "ObjectMetaOptions",
    "ObjectStoreConfig",
    "PeerInfo",
    "PersistMode",
    "Placement",
    "PubAck",
    "RawStreamMsg",
    "RePublish",
    "ReplayPolicy",
    "RetentionPolicy",
    "SequenceInfo",
    "StatusCode",
    "StorageType",
    "StoreCompression",
    "StreamConfig",
    "StreamConsumerLimits",
    "StreamConsumerSource",
    "StreamInfo",
    "StreamSource",
    "StreamSourceInfo",
    "StreamState",
    "StreamsListIterator",
    "SubjectTransform",
    "Tier",
]

DEFAULT_PREFIX = "$JS.API"
INBOX_PREFIX = b"_INBOX."

SCHEDULE_YEARLY = "@yearly"
SCHEDULE_MONTHLY = "@monthly"
SCHEDULE_WEEKLY = "@weekly"
SCHEDULE_DAILY = "@daily"
SCHEDULE_HOURLY = "@hourly"


class Header(StrEnum):
    """Headers that JetStream knows."""

    BATCH_COMMIT = "Nats-Batch-Commit"
    BATCH_ID = "Nats-Batch-Id"
    BATCH_SEQUENCE = "Nats-Batch-Sequence"
    CONSUMER_STALLED = "Nats-Consumer-Stalled"
    DESCRIPTION = "Description"
    EXPECTED_LAST_MSG_ID = "Nats-Expected-Last-Msg-Id"
    EXPECTED_LAST_SEQUENCE = "Nats-Expected-Last-Sequence"
    EXPECTED_LAST_SUBJECT_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
    EXPECTED_STREAM = "Nats-Expected-Stream"
    INCR = "Nats-Incr"
    LAST_CONSUMER = "Nats-Last-Consumer"
    LAST_STREAM = "Nats-Last-Stream"
    MSG_ID = "Nats-Msg-Id"
    MSG_TTL = "Nats-TTL"
    ROLLUP = "Nats-Rollup"
    SCHEDULE = "Nats-Schedule"
    SCHEDULE_NEXT = "Nats-Schedule-Next"
    SCHEDULE_ROLLUP = "Nats-Schedule-Rollup"
    SCHEDULE_SOURCE = "Nats-Schedule-Source"
    SCHEDULE_TARGET = "Nats-Schedule-Target"
    SCHEDULE_TIME_ZONE = "Nats-Schedule-Time-Zone"
    SCHEDULE_TTL = "Nats-Schedule-TTL"
    SCHEDULER = "Nats-Scheduler"
    STATUS = "Status"


class StatusCode(StrEnum):
    """Codes of the server's messages about messages."""

    SERVICE_UNAVAILABLE = "503"
    NO_MESSAGES = "404"
    REQUEST_TIMEOUT = "408"
    CONFLICT = "409"
    CONTROL_MESSAGE = "100"


class Base:
    """Base of the classes below, which are dataclasses."""

    def as_dict(self) -> dict[str, Any]:
        """What is said, without None."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {
            name: value.as_dict() if isinstance(value, (Base, _values.Config)) else value
            for name, value in fields.items()
            if value is not None
        }

    def evolve(self, **params: Any) -> Self:
        """A copy with other values."""
        return dataclasses.replace(self, **params)  # type: ignore[type-var]


@dataclasses.dataclass
class PubAck(Base):
    """The ack of a stream."""

    stream: str
    seq: int
    domain: str | None = None
    duplicate: bool | None = None
    batch_id: str | None = None
    batch_size: int | None = None
    val: str | None = None

    @classmethod
    def _of(cls, ack: natskit.PubAck) -> PubAck:
        value = None if ack.value is None else str(ack.value)
        return cls(
            ack.stream, ack.seq, ack.domain, ack.duplicate or None, ack.batch, ack.batch_size or None, value
        )


@dataclasses.dataclass
class RawStreamMsg(Base):
    """A message as a stream keeps it."""

    subject: str | None = None
    seq: int | None = None
    data: bytes | None = None
    hdrs: bytes | None = None
    headers: dict[str, str] | None = None
    stream: str | None = None
    time: datetime.datetime | None = None

    @property
    def sequence(self) -> int | None:
        return self.seq

    @property
    def header(self) -> dict[str, str] | None:
        return self.headers

    @classmethod
    def _of(cls, msg: natskit.StoredMsg) -> RawStreamMsg:
        headers = None if msg.headers is None else dict(msg.headers.pairs()) or None
        return cls(msg.subject, msg.seq, msg.data or None, msg.hdrs or None, headers, msg.stream or None, msg.time)


@dataclasses.dataclass
class KeyValueConfig(Base):
    """The configuration of a bucket; durations are seconds."""

    bucket: str
    description: str | None = None
    max_value_size: int | None = None
    history: int = 1
    ttl: float | None = None
    max_bytes: int | None = None
    storage: StorageType | None = None
    replicas: int = 1
    placement: Placement | None = None
    republish: RePublish | None = None
    direct: bool | None = None
    limit_marker_ttl: float | None = None


@dataclasses.dataclass
class ObjectStoreConfig(Base):
    """The configuration of an object store; durations are seconds."""

    bucket: str | None = None
    description: str | None = None
    ttl: float | None = None
    max_bytes: int | None = None
    storage: StorageType | None = None
    replicas: int = 1
    placement: Placement | None = None


@dataclasses.dataclass
class ObjectLink(Base):
    """Where a link leads: to an object, or without a name to a store."""

    bucket: str
    name: str | None = None


@dataclasses.dataclass
class ObjectMetaOptions(Base):
    """What else is said of an object."""

    link: ObjectLink | None = None
    max_chunk_size: int | None = None


@dataclasses.dataclass
class ObjectMeta(Base):
    """What is said of an object."""

    name: str | None = None
    description: str | None = None
    headers: dict[str, Any] | None = None
    options: ObjectMetaOptions | None = None


@dataclasses.dataclass
class ObjectInfo(Base):
    """What an object is."""

    name: str
    bucket: str
    nuid: str
    size: int | None = None
    mtime: str | None = None
    chunks: int | None = None
    digest: str | None = None
    deleted: bool | None = False
    description: str | None = None
    headers: dict[str, Any] | None = None
    options: ObjectMetaOptions | None = None

    @property
    def meta(self) -> ObjectMeta:
        return ObjectMeta(self.name, self.description, self.headers, self.options)

    def is_link(self) -> bool:
        return self.options is not None and self.options.link is not None

    @classmethod
    def _of(cls, info: natskit.ObjectInfo) -> ObjectInfo:
        link = None if info.link is None else ObjectLink(*info.link)
        options = ObjectMetaOptions(link, info.max_chunk_size or None)
        return cls(
            info.name,
            info.bucket,
            info.nuid,
            info.size,
            info.mtime.isoformat() if info.mtime_ns else None,
            info.chunks,
            info.digest or None,
            info.deleted,
            info.description,
            info.headers,
            options,
        )
