# SPDX-License-Identifier: Apache-2.0
"""The client."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import ssl
from collections import UserString
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import ParseResult, urlparse

import natskit

from .. import errors, nuid
from .._mapping import mapped, translated
from .msg import Msg, received
from .subscription import (
    DEFAULT_SUB_PENDING_BYTES_LIMIT,
    DEFAULT_SUB_PENDING_MSGS_LIMIT,
    Subscription,
    check_callback,
    handler,
)

if TYPE_CHECKING:
    from ..js import JetStreamContext, JetStreamManager

# nats-py has these names here, too.
NUID = nuid.NUID
ErrInvalidUserCredentials = errors.InvalidUserCredentialsError
ErrStaleConnection = errors.StaleConnectionError

DEFAULT_PENDING_SIZE = 2 * 1024 * 1024
DEFAULT_RECONNECT_TIME_WAIT = 2
DEFAULT_MAX_RECONNECT_ATTEMPTS = 60
DEFAULT_PING_INTERVAL = 120
DEFAULT_MAX_OUTSTANDING_PINGS = 2
DEFAULT_MAX_FLUSHER_QUEUE_SIZE = 1024
DEFAULT_FLUSH_TIMEOUT = 10
DEFAULT_CONNECT_TIMEOUT = 2
DEFAULT_DRAIN_TIMEOUT = 30
DEFAULT_INBOX_PREFIX = b"_INBOX"

Callback = Callable[[], Awaitable[None]]
ErrorCallback = Callable[[Exception], Awaitable[None]]
Credentials = str | tuple[str, str] | UserString | Path

_log = logging.getLogger("nats.aio.client")  # nats-py's, which programs configure


class RawCredentials(UserString):
    """The text of a credentials file."""


@dataclass
class Server:
    """A server of the pool, and how often it could not be reached in a row."""

    uri: ParseResult
    reconnects: int = 0


class ServerVersion:
    """A server's version, cut into its parts."""

    _PARTS = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([^+]*))?(?:\+(.*))?$")

    def __init__(self, server_version: str) -> None:
        self._text = server_version

    def _part(self, number: int) -> str:
        found = self._PARTS.match(self._text)
        if found is None:
            raise ValueError(f"{self._text} is not a valid Semantic Version")
        return found.group(number) or ""

    @property
    def major(self) -> int:
        return int(self._part(1))

    @property
    def minor(self) -> int:
        return int(self._part(2))

    @property
    def patch(self) -> int:
        return int(self._part(3))

    @property
    def prerelease(self) -> str:
        return self._part(4)

    @property
    def build(self) -> str:
        return self._part(5)

    @property
    def dev(self) -> str:
        return f"{self.prerelease}+{self.build}" if self.build else self.prerelease

    def __repr__(self) -> str:
        return f"<nats server v{self._text}>"


async def _log_error(error: Exception) -> None:
    """What nats-py does without an error_cb."""
    _log.error("nats: encountered error", exc_info=error)


def header_values(headers: Any) -> Any:
    """nats-py writes values of any type."""
    if not headers:
        return None
    return {
        str.__str__(name): value if isinstance(value, (str, list)) else str(value)
        for name, value in headers.items()
    }


class Client:
    """A connection: `nc = Client()`, then `await nc.connect()`."""

    msg_class: type[Msg] = Msg

    DISCONNECTED = 0
    CONNECTED = 1
    CLOSED = 2
    RECONNECTING = 3
    CONNECTING = 4
    DRAINING_SUBS = 5
    DRAINING_PUBS = 6

    def __init__(self) -> None:
        self._made: natskit.Client | None = None
        self._connecting = False
        self._drains = False
        self._subs: set[Subscription] = set()  # that have not ended: they stay without the program, too
        self._most_subs = 16
        self._error_cb: ErrorCallback = _log_error
        self.options: dict[str, Any] = {"drain_timeout": DEFAULT_DRAIN_TIMEOUT}

    @property
    def _nc(self) -> natskit.Client:
        if self._made is None:
            raise errors.ConnectionClosedError
        return self._made

    async def connect(
        self,
        servers: str | list[str] = "nats://localhost:4222",
        error_cb: ErrorCallback | None = None,
        disconnected_cb: Callback | None = None,
        closed_cb: Callback | None = None,
        discovered_server_cb: Callback | None = None,
        reconnected_cb: Callback | None = None,
        name: str | None = None,
        pedantic: bool = False,
        verbose: bool = False,
        allow_reconnect: bool = True,
        connect_timeout: float = DEFAULT_CONNECT_TIMEOUT,
        reconnect_time_wait: float = DEFAULT_RECONNECT_TIME_WAIT,
        max_reconnect_attempts: int = DEFAULT_MAX_RECONNECT_ATTEMPTS,
        ping_interval: float = DEFAULT_PING_INTERVAL,
        max_outstanding_pings: int = DEFAULT_MAX_OUTSTANDING_PINGS,
        dont_randomize: bool = False,
        flusher_queue_size: int = DEFAULT_MAX_FLUSHER_QUEUE_SIZE,
        no_echo: bool = False,
        tls: ssl.SSLContext | str | None = None,
        tls_hostname: str | None = None,
        tls_handshake_first: bool = False,
        user: str | Callable[[], str] | None = None,
        password: str | Callable[[], str] | None = None,
        token: str | Callable[[], str] | None = None,
        drain_timeout: float = DEFAULT_DRAIN_TIMEOUT,
        signature_cb: Callable[[str], bytes] | None = None,
        user_jwt_cb: Callable[[], bytearray | bytes] | None = None,
        user_credentials: Credentials | None = None,
        nkeys_seed: str | None = None,
        nkeys_seed_str: str | None = None,
        inbox_prefix: str | bytes = DEFAULT_INBOX_PREFIX,
        pending_size: int = DEFAULT_PENDING_SIZE,
        flush_timeout: float | None = None,
        ws_connection_headers: dict[str, list[str]] | None = None,
        reconnect_to_server_handler: Any = None,
        lame_duck_mode_cb: Callback | None = None,
        skip_subject_validation: bool = False,
        **natskit_options: Any,
    ) -> None:
        """Connects.

        Args:
            tls: no ssl.SSLContext, but one of natskit's words; its tls_ options say what is in a context.
            flusher_queue_size, flush_timeout, skip_subject_validation: say nothing here.
            reconnect_to_server_handler: must be None.
            natskit_options: options of natskit.connect() that nats-py does not have.
        """
        callbacks: dict[str, Any] = {
            "disconnected_cb": disconnected_cb,
            "closed_cb": closed_cb,
            "reconnected_cb": reconnected_cb,
            "discovered_server_cb": discovered_server_cb,
            "lame_duck_mode_cb": lame_duck_mode_cb,
        }
        for callback in (error_cb, *callbacks.values()):
            if callback is not None and not inspect.iscoroutinefunction(callback):
                raise errors.InvalidCallbackTypeError
        if reconnect_to_server_handler is not None:
            raise TypeError(
                "reconnect_to_server_handler: the library chooses the server; set_server_pool() and natskit's "
                "reconnect_delay are what can be said of it"
            )
        wait = max(float(reconnect_time_wait), 0.001)
        options = {
            "name": name,
            "pedantic": pedantic,
            "verbose": verbose,
            "allow_reconnect": allow_reconnect,
            "connect_timeout": connect_timeout,
            "reconnect_time_wait": wait,
            "reconnect_wait_max_ms": wait * 1000,
            "max_reconnect_attempts": max(max_reconnect_attempts, -1),
            "ping_interval": ping_interval,
            "max_outstanding_pings": max_outstanding_pings,
            "dont_randomize": dont_randomize,
            "no_echo": no_echo,
            "tls": tls,
            "tls_hostname": tls_hostname,
            "tls_handshake_first": tls_handshake_first,
            "user": user,
            "password": password,
            "token": token,
            "signature_cb": signature_cb,
            "user_jwt_cb": user_jwt_cb,
            "user_credentials": user_credentials,
            "nkeys_seed": nkeys_seed,
            "nkeys_seed_str": nkeys_seed_str,
            "inbox_prefix": inbox_prefix.decode() if isinstance(inbox_prefix, bytes) else inbox_prefix,
            "pending_size": pending_size,
            "ws_connection_headers": ws_connection_headers,
            "first_connect": "retry" if allow_reconnect and max_reconnect_attempts != 0 else "fail",
            **natskit_options,
        }
        self.options = {**options, "drain_timeout": drain_timeout}
        self._error_cb = error_cb or _log_error
        # nats-py counts attempts, natskit's first connect has a deadline: the time that so many take.
        limit = connect_timeout * (1 if isinstance(servers, str) else max(len(servers), 1))
        if allow_reconnect:
            limit += max_reconnect_attempts * wait
        endless = allow_reconnect and max_reconnect_attempts < 0
        self._connecting = True
        self._drains = False
        try:
            self._made = await natskit.connect(
                servers, timeout=None if endless else limit, error_cb=self._tell, **callbacks, **options
            )
        except natskit.errors.Error as error:
            if isinstance(error, (natskit.errors.NetworkError, natskit.errors.TimeoutError)) and allow_reconnect:
                raise errors.NoServersError from error
            raise mapped(error) from error
        finally:
            self._connecting = False

    async def _tell(self, error: Exception) -> None:
        """error_cb, with nats-py's exceptions."""
        if isinstance(error, natskit.errors.SlowConsumerError):
            error = self._slow() or mapped(error)
        elif isinstance(error, natskit.errors.TimeoutError) and self._drains:
            error = errors.DrainTimeoutError()
        elif isinstance(error, natskit.errors.Error):
            error = mapped(error)
        await self._error_cb(error)

    def _slow(self) -> errors.SlowConsumerError | None:
        """The subscription that messages were dropped of."""
        for sub in list(self._subs):
            dropped = sub._raw.dropped
            if dropped > sub._dropped:
                sub._dropped = dropped
                return errors.SlowConsumerError(sub.subject, "", sub._raw.sid, sub)
        return None

    # ------------------------------------------------------------------------------------------ messages

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Publishes."""
        nc = self._nc
        try:
            await nc.publish(subject, payload, reply, header_values(headers))
        except natskit.errors.Error as error:
            raise mapped(error) from error

    async def subscribe(
        self,
        subject: str,
        queue: str = "",
        cb: Callable[[Msg], Awaitable[None]] | None = None,
        future: asyncio.Future[Msg] | None = None,
        max_msgs: int = 0,
        pending_msgs_limit: int = DEFAULT_SUB_PENDING_MSGS_LIMIT,
        pending_bytes_limit: int = DEFAULT_SUB_PENDING_BYTES_LIMIT,
    ) -> Subscription:
        """Subscribes.

        Args:
            cb: a coroutine function that is called with each message, one after another.
            future: gets the first message.
            max_msgs: the subscription ends by itself after so many.
            pending_msgs_limit, pending_bytes_limit: that may wait; further messages are dropped, and error_cb is
                told of it.
        """
        check_callback(cb)
        with translated:
            raw = await self._nc.subscribe(
                subject,
                queue,
                handler(self, cb, future),
                max_msgs=max_msgs or None,
                pending_msgs_limit=pending_msgs_limit if pending_msgs_limit > 0 else None,
                pending_bytes_limit=pending_bytes_limit if pending_bytes_limit > 0 else None,
            )
        sub = Subscription(self, raw, cb)
        self._keep(sub)
        return sub

    def _keep(self, sub: Subscription) -> None:
        if len(self._subs) >= self._most_subs:
            self._subs = {each for each in self._subs if not each._has_ended()}
            self._most_subs = max(16, 2 * len(self._subs))
        self._subs.add(sub)

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Sends a request, and gives the answer; errors.TimeoutError, errors.NoRespondersError."""
        with translated:
            raw = await self._nc.request(
                subject, payload, timeout, header_values(headers), own_sub=old_style, wait_reconnect=True
            )
            message: Msg = received(self, raw)
            return message

    def new_inbox(self) -> str:
        """A subject that nobody else uses."""
        return self._nc.new_inbox()

    async def flush(self, timeout: float = DEFAULT_FLUSH_TIMEOUT) -> None:
        """Waits until the server has what was published."""
        if timeout <= 0:
            raise errors.BadTimeoutError
        with translated:
            await self._nc.flush(timeout)

    async def rtt(self, timeout: float = DEFAULT_FLUSH_TIMEOUT) -> float:
        """Seconds to the server and back."""
        if timeout <= 0:
            raise errors.BadTimeoutError
        with translated:
            return await self._nc.rtt(timeout)

    def jetstream(self, **opts: Any) -> JetStreamContext:
        """JetStream of the account; js.JetStreamContext has the options."""
        from ..js import JetStreamContext

        return JetStreamContext(self, **opts)

    def jsm(self, **opts: Any) -> JetStreamManager:
        """Only its management."""
        from ..js import JetStreamManager

        return JetStreamManager(self, **opts)

    # -------------------------------------------------------------------------------------------- the end

    async def drain(self) -> None:
        """Ends in good order: what has come is handled, what was published reaches the server."""
        if self.is_draining:
            return
        if self.is_closed:
            raise errors.ConnectionClosedError
        if not self.is_connected:
            raise errors.ConnectionReconnectingError
        self._drains = True
        try:
            await self._nc.drain(self.options["drain_timeout"])
        except (natskit.errors.TimeoutError, natskit.errors.ConnectionClosedError):
            pass  # error_cb is told of the one; with the other somebody was faster
        except natskit.errors.Error as error:
            raise mapped(error) from error

    async def close(self) -> None:
        """Ends at once."""
        if self._made is None:
            return
        try:
            await self._made.close()
        except natskit.errors.ConnectionClosedError:
            pass
        except natskit.errors.Error as error:
            await self._tell(error)  # what was published has not reached the server

    async def force_reconnect(self) -> None:
        """Goes to a server of the pool anew."""
        with translated:
            await self._nc.reconnect()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ----------------------------------------------------------------------------------------- what it tells

    @property
    def connected_url(self) -> ParseResult | None:
        url = None if self._made is None else self._made.connected_url
        return urlparse(url) if url else None

    @property
    def servers(self) -> list[ParseResult]:
        return [urlparse(url) for url in self._nc.servers]

    @property
    def discovered_servers(self) -> list[ParseResult]:
        return [urlparse(url) for url in self._nc.discovered_servers]

    @property
    def server_pool(self) -> list[Server]:
        return [Server(urlparse(server["url"]), server["failures"]) for server in self._nc.server_pool]

    def set_server_pool(self, servers: list[str]) -> None:
        """Replaces the servers that may be connected to; the present connection stays."""
        with translated:
            self._nc.set_server_pool(servers)

    @property
    def stats(self) -> dict[str, int]:
        """Counters of messages, bytes and reconnects."""
        told = {} if self._made is None else self._made.stats()
        names = ("in_msgs", "out_msgs", "in_bytes", "out_bytes", "reconnects", "errors_received")
        return {name: told.get(name, 0) for name in names}

    @property
    def max_payload(self) -> int:
        return self._nc.max_payload

    @property
    def client_id(self) -> int | None:
        return None if self._made is None else self._made.client_id

    @property
    def client_ip(self) -> str | None:
        return None if self._made is None else self._made.client_ip

    @property
    def last_error(self) -> Exception | None:
        error = None if self._made is None else self._made.last_error
        return None if error is None else mapped(error)

    @property
    def pending_data_size(self) -> int:
        """Bytes that are published and not yet sent."""
        return 0 if self._made is None else self._made.stats()["pending_out_bytes"]

    @property
    def is_closed(self) -> bool:
        return self._made is not None and self._made.is_closed

    @property
    def is_reconnecting(self) -> bool:
        return self._made is not None and self._made.is_reconnecting

    @property
    def is_connected(self) -> bool:
        return self._made is not None and (self._made.is_connected or self._made.is_draining)

    @property
    def is_connecting(self) -> bool:
        return self._connecting or (self._made is not None and self._made.is_connecting)

    @property
    def is_draining(self) -> bool:
        return self._made is not None and self._made.is_draining

    @property
    def is_draining_pubs(self) -> bool:
        """Whether it drains, and all subscriptions have ended."""
        return self._made is not None and self._made.is_draining and self._made.stats()["subs"] == 0

    @property
    def connected_server_version(self) -> ServerVersion:
        return ServerVersion(self._nc.connected_server_version)
