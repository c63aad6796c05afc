# SPDX-License-Identifier: Apache-2.0
"""What key-value buckets and object stores are made from, and what they tell, by nats-py's names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ._configs import Placement, RePublish, StreamSource
from ._infos import StreamInfo
from ._values import Duration

__all__ = ["BucketStatus", "KeyValueConfig", "ObjectMeta", "ObjectStoreConfig", "ObjectStoreStatus"]


@dataclasses.dataclass
class KeyValueConfig:
    """Configuration of a bucket; see JetStreamContext.create_key_value(). None stands for what is not said."""

    bucket: str
    description: str | None = None
    max_value_size: int | None = None
    history: int | None = None
    ttl: Duration | None = None
    max_bytes: int | None = None
    storage: str | None = None
    replicas: int | None = None
    placement: Placement | Mapping[str, Any] | None = None
    republish: RePublish | Mapping[str, Any] | None = None
    limit_marker_ttl: Duration | None = None
    compression: bool | None = None
    allow_atomic: bool | None = None
    metadata: Mapping[str, str] | None = None
    mirror: StreamSource | Mapping[str, Any] | None = None
    sources: Sequence[StreamSource | Mapping[str, Any]] | None = None


class BucketStatus(StreamInfo):
    """The info of the stream behind a bucket, with the bucket's words for some of it."""

    @property
    def bucket(self) -> str:
        """Its name."""
        return (self.config.name or "").removeprefix("KV_")

    @property
    def values(self) -> int:
        """Entries that are kept, deletes and history included."""
        return self.state.messages

    @property
    def history(self) -> int:
        """Entries that are kept of each key."""
        return self.config.max_msgs_per_subject or 0

    @property
    def ttl(self) -> float | None:
        """Seconds after which entries go; None: never."""
        age: Any = self.config.max_age  # as a server sends it: a number
        return age or None

    @property
    def limit_marker_ttl(self) -> float | None:
        """Seconds for which a marker stands for a key whose last entry has gone; None: there are no markers."""
        time: Any = self.config.subject_delete_marker_ttl
        return time or None

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.state.bytes

    @property
    def is_compressed(self) -> bool:
        """Whether it is compressed on disk."""
        return self.config.compression not in (None, "", "none")

    @property
    def is_mirror(self) -> bool:
        """Whether it mirrors another bucket, where its keys are written."""
        return self.config.mirror is not None

    @property
    def backing_store(self) -> str:
        """What keeps it: "JetStream"."""
        return "JetStream"

    @property
    def stream_info(self) -> StreamInfo:
        """All of it."""
        return self


@dataclasses.dataclass
class ObjectStoreConfig:
    """Configuration of an object store; see JetStreamContext.create_object_store(). None stands for what is not
    said."""

    bucket: str | None = None
    description: str | None = None
    ttl: Duration | None = None
    max_bytes: int | None = None
    storage: str | None = None
    replicas: int | None = None
    placement: Placement | Mapping[str, Any] | None = None
    compression: bool | None = None
    metadata: Mapping[str, str] | None = None


@dataclasses.dataclass
class ObjectMeta:
    """What is said of an object. None stands for what is not said."""

    name: str | None = None
    description: str | None = None
    headers: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] | None = None
    max_chunk_size: int | None = None


class ObjectStoreStatus(StreamInfo):
    """The info of the stream behind an object store, with the store's words for some of it."""

    @property
    def bucket(self) -> str:
        """Its name."""
        return (self.config.name or "").removeprefix("OBJ_")

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.state.bytes

    @property
    def sealed(self) -> bool:
        """Whether nothing can be changed any more."""
        return bool(self.config.sealed)

    @property
    def ttl(self) -> float | None:
        """Seconds after which objects go; None: never."""
        age: Any = self.config.max_age  # as a server sends it: a number
        return age or None

    @property
    def is_compressed(self) -> bool:
        """Whether it is compressed on disk."""
        return self.config.compression == "s2"

    @property
    def backing_store(self) -> str:
        """What keeps it."""
        return "JetStream"
