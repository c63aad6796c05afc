# SPDX-License-Identifier: Apache-2.0
"""Services and their discovery: names over what the library does.

The one for asyncio, natskit/_micro.py, is the source; bindings/python/tools/generate_sync.py makes the blocking one,
natskit/sync/_micro.py, from it.
"""

from __future__ import annotations

import inspect  # [async]
import json as _json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from . import _handlers, _natskit, _options, errors
from ._client import Client, Msg, Subscription
from ._services import (
    DEFAULT_PREFIX,
    EndpointConfig,
    GroupConfig,
    Metadata,
    ServiceConfig,
    ServiceInfo,
    ServicePing,
    ServiceStats,
    read_answer,
)
from .errors import ServiceError

__all__ = [
    "Discovery",
    "Endpoint",
    "Group",
    "Request",
    "Service",
    "add_service",
    "info",
    "ping",
    "raise_for_error",
    "stats",
]

_T = TypeVar("_T")

_PING, _INFO, _STATS = 1, 2, 3

_RESPOND_TIMEOUT = 10.0


def _config(**members: Any) -> str:
    """As JSON, without what is None; a queue group of "" is none."""
    given = {name: value for name, value in members.items() if value is not None}
    if given.get("queue_group") == "":
        given["queue_group"] = None
    return _json.dumps(given)


class Request:
    """A request of a service, as its handlers get it."""

    __slots__ = ("endpoint", "msg")

    def __init__(self, msg: Msg, endpoint: Endpoint) -> None:
        self.msg = msg
        self.endpoint = endpoint

    @property
    def subject(self) -> str:
        """Subject that it was published to."""
        return self.msg.subject

    @property
    def reply(self) -> str:
        """Subject for the answer, or ''."""
        return self.msg.reply

    @property
    def data(self) -> bytes:
        """The payload."""
        return self.msg.data

    @property
    def headers(self) -> _natskit.Headers | None:
        """The headers, or None if there are none."""
        return self.msg.headers

    def json(self) -> Any:
        """The payload, decoded as JSON."""
        return self.msg.json()

    def respond(
        self,
        data: Any = b"",
        headers: Any = None,
        *,
        timeout: float | None = _RESPOND_TIMEOUT,
        json: Any = None,
    ) -> Coroutine[Any, Any, None]:
        """Answers; any number of times."""
        if json is not None and not data:
            return self.msg.respond(headers=headers, timeout=timeout, json=json)
        return self.msg.respond(data, headers, timeout=timeout, json=json)

    def respond_error(
        self,
        code: int | str,
        description: str,
        data: Any = b"",
        headers: Any = None,
        *,
        timeout: float | None = _RESPOND_TIMEOUT,
    ) -> Coroutine[Any, Any, None]:
        """Answers with an error, which counts as one: `code` is a number from 1 on, or its digits."""
        return self.msg._respond_error(int(code), description, data, headers, timeout)

    def __repr__(self) -> str:
        return f"<Request endpoint={self.endpoint.name!r} subject={self.subject!r}>"


class Endpoint:
    """A subject that a service answers on."""

    __slots__ = ("_number", "_service", "handler", "name", "subject")

    def __init__(
        self, service: Service, number: int, name: str, subject: str, handler: Callable[[Request], Any] | None
    ) -> None:
        self._service = service
        self._number = number
        self.name = name
        self.subject = subject
        self.handler = handler

    def set_data(self, value: Any) -> None:
        """Sets `data` of its statistics, to what json.dumps() takes; None takes it away."""
        self._service._handle.data(self._number, None if value is None else _json.dumps(value))

    def __repr__(self) -> str:
        return f"<Endpoint name={self.name!r} subject={self.subject!r}>"


class Group:
    """Where endpoints are added: a prefix of their subjects, and a queue group."""

    def __init__(self, service: Service | None, number: int, prefix: str) -> None:
        self._owner = service
        self._group = number
        self._prefix = prefix

    @property
    def _of(self) -> Service:
        assert self._owner is not None
        return self._owner

    def add_group(
        self, config: GroupConfig | None = None, *, name: str | None = None, queue_group: str | None = None
    ) -> Group:
        """A group within this one.

        Args:
            name: the prefix; it may hold * but not >.
            queue_group: of its endpoints; None: as here, "": none.
        """
        if config is not None:
            name = config.name if name is None else name
            queue_group = config.queue_group if queue_group is None else queue_group
        number = self._of._handle.group(self._group, _config(prefix=name, queue_group=queue_group))
        return Group(self._of, number, ".".join(part for part in (self._prefix, name) if part))

    def _add(self, config: EndpointConfig) -> Endpoint:
        text = _config(
            name=config.name,
            subject=config.subject,
            queue_group=config.queue_group,
            metadata=config.metadata,
        )
        subject = ".".join(part for part in (self._prefix, config.subject or config.name) if part)
        return self._of._add_to(self._group, text, config, subject)

    async def add_endpoint(
        self,
        config: EndpointConfig | None = None,
        *,
        name: str | None = None,
        handler: Callable[[Request], Any] | None = None,
        subject: str | None = None,
        queue_group: str | None = None,
        metadata: Metadata | None = None,
    ) -> Endpoint:
        """Adds an endpoint; requests may come from then on.

        Args:
            name: letters, digits, - and _.
            handler: a function, or for asyncio a coroutine function, that is called with each Request. What it raises is
                answered: a ServiceError as what it says, anything else as 500, and logged. Without handlers
                the service is an iterator of requests.
            subject: behind the prefixes of its groups; None: its name. It may hold wildcards.
            queue_group: None: that of the group, "": none.
        """
        given = config or EndpointConfig(name or "")
        merged = EndpointConfig(
            name or given.name,
            handler or given.handler,
            given.queue_group if queue_group is None else queue_group,
            subject or given.subject,
            given.metadata if metadata is None else metadata,
        )
        return self._add(merged)

    def endpoint(
        self,
        name: str | None = None,
        *,
        subject: str | None = None,
        queue_group: str | None = None,
        metadata: Metadata | None = None,
    ) -> Callable[[Callable[[Request], _T]], Callable[[Request], _T]]:
        """Adds the decorated function as an endpoint: `@service.endpoint()`; without a name it is the function's."""

        def add(handler: Callable[[Request], _T]) -> Callable[[Request], _T]:
            own = name if name is not None else getattr(handler, "__name__", "")
            self._add(EndpointConfig(own, handler, queue_group, subject, metadata))
            return handler

        return add


class Service(Group):
    """A service, made by add_service(); itself the group that endpoints without a prefix belong to.

    With handlers it is served until it is stopped or the connection ends, and PING, INFO and STATS are answered by the
    library, whatever the program does. Without any it is an iterator: `async for request in service: ...`
    """

    def __init__(
        self, client: Client, config: ServiceConfig, concurrency: int, wishes: dict[str, Any]
    ) -> None:
        super().__init__(None, 0, "")
        text = _config(
            name=config.name,
            version=config.version,
            description=config.description,
            metadata=config.metadata,
            queue_group=config.queue_group,
        )
        pairs = _options.pairs(_natskit.OPTIONS_SERVICE, wishes)
        self._handle, self._requests = client._service(text, pairs, config.name)
        self._concurrency = concurrency
        self._endpoints: list[Endpoint] = []
        self._lock = threading.Lock()
        self._handling = False
        self._told = ServicePing.from_dict(self._handle.report(_PING))

    @property
    def _of(self) -> Service:
        return self

    @property
    def id(self) -> str:
        """Its unique id."""
        return self._told.id

    @property
    def name(self) -> str:
        """Name of the service."""
        return self._told.name

    @property
    def version(self) -> str:
        """Version of the service."""
        return self._told.version

    @property
    def requests(self) -> Subscription:
        """The subscription of its requests, with counters, limits and the reason of its end."""
        return self._requests

    @property
    def stopped(self) -> bool:
        """Whether it has ended; `reason` tells why."""
        return self._requests.is_closed or self._requests.reason is not None

    @property
    def reason(self) -> errors.Error | None:
        """Why it has ended, as an exception (not raised), or None."""
        return self._requests.reason

    def ping(self) -> ServicePing:
        """What it answers to PING."""
        return ServicePing.from_dict(self._handle.report(_PING))

    def info(self) -> ServiceInfo:
        """What it answers to INFO."""
        return ServiceInfo.from_dict(self._handle.report(_INFO))

    def stats(self) -> ServiceStats:
        """What it answers to STATS, also when it has ended."""
        return ServiceStats.from_dict(self._handle.report(_STATS))

    def reset(self) -> None:
        """Sets the statistics to 0, and their begin to now."""
        self._handle.reset()

    def _begin(self) -> None:
        # [async]
        _handlers.check_loop(self)
        _handlers.begin(self._requests, self._serve, self._concurrency)
        # [end]
        # [sync] self._requests._handle(self._serve, False, self._concurrency, None)
        self._handling = True

    def _add_to(self, group: int, text: str, config: EndpointConfig, subject: str) -> Endpoint:
        _handlers.check(config.handler, 1)
        with self._lock:  # who serves a request of it in another thread waits for its entry
            if self._endpoints and self._handling != (config.handler is not None):
                raise errors.InvalidError(
                    f"endpoint {config.name!r}: all endpoints of a service have handlers, or none"
                )
            number = self._handle.endpoint(group, text)
            endpoint = Endpoint(self, number, config.name, subject, config.handler)
            self._endpoints.append(endpoint)
            if config.handler is not None and not self._handling:
                self._begin()
        return endpoint

    def _request(self, msg: Msg) -> Request:
        number = msg._endpoint
        if number >= len(self._endpoints):
            with self._lock:
                pass
        return Request(msg, self._endpoints[number])

    async def _fail(self, msg: Msg, code: int | str, description: str) -> None:
        try:
            await msg._respond_error(int(code), description or "error", None, None, _RESPOND_TIMEOUT)
        except errors.NoReplyError:
            pass  # nobody waits for it; it is counted

    async def _serve(self, msg: Msg) -> None:
        """The handler of the subscription."""
        request = self._request(msg)
        handler = request.endpoint.handler
        assert handler is not None
        try:
            result = handler(request)
            # [async]
            if result is not None and inspect.isawaitable(result):
                await result
            # [end]
            # [sync] del result
        except ServiceError as error:
            await self._fail(msg, error.server_code or 500, error.description)
        except Exception as error:
            await self._fail(msg, 500, str(error) or type(error).__name__)
            raise
        msg._handled()

    async def __aiter__(self) -> AsyncIterator[Request]:
        async for msg in self._requests:
            yield self._request(msg)

    async def stop(self, timeout: float | None = 30.0) -> None:
        """Ends it in good order: asks for no more requests, and waits until those that were sent before are handled.

        TimeoutError: that took longer; it goes on. A handler must not wait for it: it would wait for itself.
        """
        if not self._requests.is_closed:
            await self._requests.drain(timeout)

    async def close(self) -> None:
        """Ends it at once, and drops what is queued."""
        await self._requests.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.stop() if error is None else self.close())

    def __repr__(self) -> str:
        return f"<Service name={self.name!r} id={self.id!r}>"


async def add_service(
    nc: Client,
    config: ServiceConfig | None = None,
    *,
    name: str | None = None,
    version: str | None = None,
    description: str | None = None,
    metadata: Metadata | None = None,
    queue_group: str | None = None,
    concurrency: int = 64,
    prefix: str | None = None,
    pending_msgs_limit: int | None = None,
    pending_bytes_limit: int | None = None,
) -> Service:
    """Starts a service: `service = await micro.add_service(nc, name="sums", version="1.0.0")`.

    Args:
        config: name and the others, which win where they are given, too.
        name: letters, digits, - and _.
        version: as semver.org has them: "1.2.3".
        queue_group: of endpoints that say nothing else; None: "q", "": none, so that each instance gets all requests.
        concurrency: how many handlers of the service may be under way at once; 1 keeps the order of requests.
        prefix: of the subjects for discovery, instead of "$SRV".
        pending_msgs_limit: requests that may wait; further ones are dropped and counted.
        pending_bytes_limit: memory that waiting requests may take.
    """
    given = config or ServiceConfig(name or "", version or "")
    merged = ServiceConfig(
        name or given.name,
        version or given.version,
        given.description if description is None else description,
        given.metadata if metadata is None else metadata,
        given.queue_group if queue_group is None else queue_group,
    )
    wishes = {
        "prefix": prefix,
        "pending_msgs_limit": pending_msgs_limit,
        "pending_bytes_limit": pending_bytes_limit,
    }
    _handlers.check(None, concurrency)
    return Service(nc, merged, concurrency, wishes)


class Discovery(Generic[_T]):
    """The answers of services, an iterator that ends by itself; nobody who answers is an answer, too."""

    def __init__(self, sub: Subscription, read: Callable[[bytes], _T | None]) -> None:
        self._sub = sub
        self._read = read
        self._malformed = 0

    @property
    def malformed(self) -> int:
        """Answers that were passed over, because they are not what a service answers."""
        return self._malformed

    @property
    def reason(self) -> errors.Error | None:
        """Why it has ended, as an exception (not raised), or None."""
        return self._sub.reason

    async def __aiter__(self) -> AsyncIterator[_T]:
        try:
            async for msg in self._sub:
                one = self._read(msg.data)
                if one is None:
                    self._malformed += 1
                else:
                    yield one
        except errors.NoRespondersError:
            return

    async def close(self) -> None:
        """Wants no more answers."""
        await self._sub.close()


def _discover(
    nc: Client,
    verb: int,
    read: Callable[[bytes], _T | None],
    who: tuple[str, str, str],
    limits: tuple[float, int, float | None],
) -> Discovery[_T]:
    name, id_, prefix = who
    max_wait, max_msgs, stall = limits
    wishes = {
        "max_wait_ms": _options.milliseconds("max_wait", max_wait),
        "max_msgs": max_msgs,
        "stall_ms": _options.milliseconds("stall", stall),
    }
    pairs = _options.pairs(_natskit.OPTIONS_REQUEST_MANY, wishes)
    return Discovery(nc._discover(verb, prefix, name, id_, pairs), read)


def ping(
    nc: Client,
    name: str = "",
    id: str = "",
    *,
    prefix: str = DEFAULT_PREFIX,
    max_wait: float = 2.0,
    max_msgs: int = 0,
    stall: float | None = 0.3,
) -> Discovery[ServicePing]:
    """Asks services who they are: `async for one in micro.ping(nc): ...`

    Args:
        name: only services of that name, and with `id` only that one.
        max_wait: the answer is complete after so many seconds,
        max_msgs: after so many services (0: no limit),
        stall: when no other one has answered for so many seconds (None: no limit).
    """
    return _discover(nc, _PING, partial(read_answer, ServicePing), (name, id, prefix), (max_wait, max_msgs, stall))


def info(
    nc: Client,
    name: str = "",
    id: str = "",
    *,
    prefix: str = DEFAULT_PREFIX,
    max_wait: float = 2.0,
    max_msgs: int = 0,
    stall: float | None = 0.3,
) -> Discovery[ServiceInfo]:
    """Asks services what endpoints they have; as ping()."""
    return _discover(nc, _INFO, partial(read_answer, ServiceInfo), (name, id, prefix), (max_wait, max_msgs, stall))


def stats(
    nc: Client,
    name: str = "",
    id: str = "",
    *,
    prefix: str = DEFAULT_PREFIX,
    max_wait: float = 2.0,
    max_msgs: int = 0,
    stall: float | None = 0.3,
) -> Discovery[ServiceStats]:
    """Asks services for their statistics; as ping()."""
    return _discover(nc, _STATS, partial(read_answer, ServiceStats), (name, id, prefix), (max_wait, max_msgs, stall))


def raise_for_error(msg: Msg) -> Msg:
    """Raises errors.ServiceError if a reply is the error of a service; else gives the reply."""
    msg._service_error()
    return msg
