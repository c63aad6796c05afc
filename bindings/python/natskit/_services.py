# SPDX-License-Identifier: Apache-2.0
"""What services are configured with and what they tell of themselves, the same for both faces; nats-py's names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeVar

DEFAULT_PREFIX = "$SRV"
DEFAULT_QUEUE_GROUP = "q"
PING_RESPONSE_TYPE = "io.nats.micro.v1.ping_response"
INFO_RESPONSE_TYPE = "io.nats.micro.v1.info_response"
STATS_RESPONSE_TYPE = "io.nats.micro.v1.stats_response"

Metadata = dict[str, str]


@dataclass(slots=True)
class ServiceConfig:
    """A service: name (letters, digits, - and _), version (semver.org), and what add_service() says of the others."""

    name: str
    version: str
    description: str | None = None
    metadata: Metadata | None = None
    queue_group: str | None = None


@dataclass(slots=True)
class GroupConfig:
    """A group: `name` is the prefix of its endpoints' subjects."""

    name: str
    queue_group: str | None = None


@dataclass(slots=True)
class EndpointConfig:
    """An endpoint; without a subject it is its name."""

    name: str
    handler: Callable[[Any], Any] | None = None
    queue_group: str | None = None
    subject: str | None = None
    metadata: Metadata | None = None


class _Told:
    """Made of what a service tells; members that are not known here are passed over."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Made of what a service has answered; members that are not known are left out."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}  # type: ignore[attr-defined]
        if known.get("metadata", ...) is None:
            del known["metadata"]
        if "endpoints" in known:
            part = EndpointStats if cls is ServiceStats else EndpointInfo
            known["endpoints"] = [part.from_dict(each) for each in known["endpoints"] or ()]
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """All members, as a service sends them."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(slots=True)
class EndpointInfo(_Told):
    """What INFO tells of an endpoint."""

    name: str
    subject: str
    queue_group: str | None = None
    metadata: Metadata | None = None


@dataclass(slots=True)
class EndpointStats(_Told):
    """What STATS tells of an endpoint; times are nanoseconds. `data` is what its service has set."""

    name: str
    subject: str
    num_requests: int = 0
    num_errors: int = 0
    last_error: str | None = None
    processing_time: int = 0
    average_processing_time: int = 0
    queue_group: str | None = None
    data: Any = None


@dataclass(slots=True)
class ServicePing(_Told):
    """The answer to PING."""

    id: str
    name: str
    version: str
    metadata: Metadata = field(default_factory=dict)
    type: str = PING_RESPONSE_TYPE


@dataclass(slots=True)
class ServiceInfo(_Told):
    """The answer to INFO."""

    id: str
    name: str
    version: str
    description: str | None = None
    metadata: Metadata = field(default_factory=dict)
    endpoints: list[EndpointInfo] = field(default_factory=list)
    type: str = INFO_RESPONSE_TYPE


@dataclass(slots=True)
class ServiceStats(_Told):
    """The answer to STATS; `started` is the begin of its statistics, as RFC 3339 writes it."""

    id: str
    name: str
    version: str
    started: str = ""
    metadata: Metadata = field(default_factory=dict)
    endpoints: list[EndpointStats] = field(default_factory=list)
    type: str = STATS_RESPONSE_TYPE


_Answer = TypeVar("_Answer", ServicePing, ServiceInfo, ServiceStats)


def read_answer(kind: type[_Answer], data: bytes) -> _Answer | None:
    """What a service has answered; None if that is no answer of one: whoever may publish can answer, and some are wrong."""
    try:
        told = json.loads(data)
        texts = all(isinstance(told[name], str) for name in ("id", "name", "version"))
        return kind.from_dict(told) if texts else None
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None
