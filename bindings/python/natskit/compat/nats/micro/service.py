# SPDX-License-Identifier: Apache-2.0
"""Services, their endpoints and groups, and what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Any

import natskit
from natskit import micro
from natskit.micro import (
    DEFAULT_PREFIX,
    DEFAULT_QUEUE_GROUP,
    INFO_RESPONSE_TYPE,
    PING_RESPONSE_TYPE,
    STATS_RESPONSE_TYPE,
    EndpointInfo,
    EndpointStats,
    ServiceInfo,
    ServicePing,
)

from .._mapping import Translated
from ..aio.client import Client
from ..aio.msg import Msg
from ..aio.subscription import Subscription
from .request import Handler, Request, ServiceError

__all__ = [
    "DEFAULT_PREFIX",
    "DEFAULT_QUEUE_GROUP",
    "INFO_RESPONSE_TYPE",
    "PING_RESPONSE_TYPE",
    "STATS_RESPONSE_TYPE",
    "EndpointConfig",
    "EndpointInfo",
    "EndpointStats",
    "Group",
    "GroupConfig",
    "Msg",
    "Service",
    "ServiceConfig",
    "ServiceInfo",
    "ServicePing",
    "ServiceStats",
    "ServiceVerb",
    "StatsHandler",
    "Subscription",
    "control_subject",
]

StatsHandler = Callable[[EndpointStats], Any]

_translated = Translated({natskit.errors.InvalidError: ValueError})


class ServiceVerb(StrEnum):
    """What services are asked."""

    PING = "PING"
    STATS = "STATS"
    INFO = "INFO"


@dataclass
class EndpointConfig:
    """An endpoint; without a subject it is its name."""

    name: str
    handler: Handler
    queue_group: str | None = None
    subject: str | None = None
    metadata: dict[str, str] | None = None


@dataclass
class GroupConfig:
    """A prefix of subjects, and a queue group."""

    name: str
    queue_group: str | None = None


@dataclass
class ServiceConfig:
    """A service. `stats_handler` gives the `data` of an endpoint's statistics."""

    name: str
    version: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    queue_group: str | None = None
    stats_handler: StatsHandler | None = None


@dataclass
class ServiceStats:
    """A service's statistics; times in them are nanoseconds."""

    id: str
    name: str
    version: str
    started: datetime
    endpoints: list[EndpointStats] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    type: str = STATS_RESPONSE_TYPE

    @classmethod
    def _of(cls, told: micro.ServiceStats) -> ServiceStats:
        started = datetime.fromisoformat(told.started).replace(tzinfo=None)
        return cls(told.id, told.name, told.version, started, told.endpoints, told.metadata)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ServiceStats:
        return cls._of(micro.ServiceStats.from_dict(data))

    def to_dict(self) -> dict[str, Any]:
        started = self.started.isoformat(timespec="milliseconds") + "Z"
        return {**asdict(self), "started": started}


class Group:
    """Where endpoints and groups are added."""

    def __init__(self, service: Service, config: GroupConfig) -> None:
        self._service = service
        self._group = service._started.add_group(name=config.name, queue_group=config.queue_group)

    async def add_endpoint(self, config: EndpointConfig | None = None, **kwargs: Any) -> None:
        """Adds an endpoint."""
        await self._service._add(self._group, config, kwargs)

    def add_group(self, config: GroupConfig | None = None, **kwargs: Any) -> Group:
        """A group within this one."""
        return self._service._sub(self._group, config, kwargs)


class Service:
    """A service, made by add_service()."""

    def __init__(self, client: Client, config: ServiceConfig) -> None:
        self._client = client
        self._config = config
        self._stopped = asyncio.Event()
        self._made: micro.Service | None = None
        self._endpoints: list[micro.Endpoint] = []

    @property
    def _started(self) -> micro.Service:
        if self._made is None:
            raise ValueError("the service has not been started")
        return self._made

    @property
    def id(self) -> str:
        return self._started.id

    async def start(self) -> None:
        """Starts it."""
        config = self._config
        with _translated:
            self._made = await micro.add_service(
                self._client._nc,
                name=config.name,
                version=config.version,
                description=config.description,
                metadata=config.metadata,
                queue_group=config.queue_group,
            )

    async def add_endpoint(self, config: EndpointConfig | None = None, **kwargs: Any) -> None:
        """Adds an endpoint."""
        await self._add(self._started, config, kwargs)

    def add_group(self, config: GroupConfig | None = None, **kwargs: Any) -> Group:
        """A group of endpoints."""
        return self._sub(self._started, config, kwargs)

    def _sub(self, parent: micro.Group, config: GroupConfig | None, kwargs: dict[str, Any]) -> Group:
        given = replace(config, **kwargs) if config else GroupConfig(**kwargs)
        group = Group.__new__(Group)
        group._service = self
        with _translated:
            group._group = parent.add_group(name=given.name, queue_group=given.queue_group)
        return group

    async def _add(
        self, parent: micro.Group, config: EndpointConfig | None, kwargs: dict[str, Any]
    ) -> None:
        given = replace(config, **kwargs) if config else EndpointConfig(**kwargs)
        turn = asyncio.Lock()  # requests of an endpoint are handled one after another

        async def handle(request: micro.Request) -> None:
            async with turn:
                try:
                    await given.handler(Request(request))
                except ServiceError as error:
                    raise natskit.errors.ServiceError(error.code, error.description) from error
                except Exception as error:
                    raise natskit.errors.ServiceError(500, repr(error)) from error
                finally:
                    self._refresh()

        with _translated:
            endpoint = await parent.add_endpoint(
                name=given.name,
                handler=handle,
                subject=given.subject,
                queue_group=given.queue_group,
                metadata=given.metadata,
            )
        self._endpoints.append(endpoint)
        self._refresh()

    def _refresh(self) -> None:
        """Has the library answer to STATS with what the stats_handler says now."""
        if self._config.stats_handler is None:
            return
        for endpoint, stats in zip(self._endpoints, self._started.stats().endpoints, strict=False):
            endpoint.set_data(self._config.stats_handler(stats))

    def stats(self) -> ServiceStats:
        """Its statistics."""
        self._refresh()
        return ServiceStats._of(self._started.stats())

    def info(self) -> ServiceInfo:
        """What it answers to INFO."""
        return self._started.info()

    async def reset(self) -> None:
        """Sets the statistics to 0."""
        self._started.reset()

    async def stop(self) -> None:
        """Ends it in good order."""
        if self._made is not None and not self._stopped.is_set():
            with _translated:
                await self._made.stop()
        self._stopped.set()

    @property
    def stopped(self) -> asyncio.Event:
        """Is set by stop()."""
        return self._stopped

    async def __aenter__(self) -> Service:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def control_subject(
    verb: ServiceVerb, name: str | None = None, id: str | None = None, prefix: str = DEFAULT_PREFIX
) -> str:
    """The subject that services are asked on."""
    return ".".join(part for part in (prefix, verb.value, name, id) if part is not None)
