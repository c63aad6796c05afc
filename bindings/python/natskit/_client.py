# SPDX-License-Identifier: Apache-2.0
"""The client: names and defaults over the C part, which does the work.

The one for asyncio, natskit/_client.py, is the source; bindings/python/tools/generate_sync.py makes the
blocking one, natskit/sync/_client.py, from it.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Generator, Iterable
from types import TracebackType
from typing import Any

from . import _natskit, _options, errors
from ._natskit import AsyncEvents as Events
from ._natskit import AsyncMsg as Msg
from ._natskit import AsyncSubscription as Subscription

__all__ = ["Client", "Events", "Msg", "Subscription", "connect"]


class Client(_natskit.AsyncConnection):
    """A connection to a NATS system; made by connect().

    publish, publish_batch, request, flush, close, new_inbox, stats and the properties is_connected,
    is_connecting, is_reconnecting, is_closed, connected_url, max_payload, client_id and last_error come from
    the C part.
    """

    async def subscribe(
        self,
        subject: str,
        queue: str = "",
        *,
        max_msgs: int | None = None,
        pending_msgs_limit: int | None = None,
        pending_bytes_limit: int | None = None,
    ) -> Subscription:
        """Subscribes; `subject` may hold the wildcards * and >.

        Args:
            queue: name of a queue group: each message goes to one of its members.
            max_msgs: the subscription ends by itself after so many messages.
            pending_msgs_limit: messages that may wait; further ones are dropped and counted.
            pending_bytes_limit: memory that waiting messages may take.
        """
        limits = {
            "max_msgs": max_msgs,
            "pending_msgs_limit": pending_msgs_limit,
            "pending_bytes_limit": pending_bytes_limit,
        }
        return self._subscribe(subject, queue, _options.pairs(_natskit.OPTIONS_SUBSCRIBE, limits))

    def events(self, *, pending_msgs_limit: int | None = None) -> Events:
        """A subscription to what happens to the connection, from now on; any number may be open."""
        limits = {"pending_msgs_limit": pending_msgs_limit}
        return self._events(_options.pairs(_natskit.OPTIONS_EVENTS, limits))

    @property
    def server_info(self) -> dict[str, Any]:
        """What the server told of itself last (INFO), or an empty dict."""
        text = self._server_info()
        return {} if text is None else json.loads(text)

    @property
    def connected_server_version(self) -> str:
        """The version of the server, like "2.15.1", or ""."""
        return str(self.server_info.get("version", ""))

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except errors.Error:
            if error is None:  # what went wrong inside must not be hidden by what goes wrong here
                raise


async def _open(
    servers: str | Iterable[str] | None, timeout: float | None, options: dict[str, Any]
) -> Client:
    client = Client()
    url, pairs = _options.connect_pairs(servers, options)
    try:
        await client._connect(url, pairs, timeout)
    except BaseException:
        await client.close(0)
        raise
    return client


# [async]
class _Connecting(Coroutine[Any, Any, Client]):
    """What connect() gives: to be awaited, or entered by `async with`."""

    def __init__(self, work: Coroutine[Any, Any, Client]) -> None:
        self._work = work
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, Any, Client]:
        return self._work.__await__()

    def send(self, value: Any) -> Any:
        return self._work.send(value)

    def throw(self, *args: Any) -> Any:
        return self._work.throw(*args)

    def close(self) -> None:
        self._work.close()

    async def __aenter__(self) -> Client:
        self._client = await self._work
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._client is not None
        await self._client.__aexit__(kind, error, trace)


# [end]
def connect(
    servers: str | Iterable[str] | None = None, *, timeout: float | None = 10.0, **options: Any
) -> _Connecting:
    """Connects: `nc = await connect(...)`, or `async with connect(...) as nc:`.

    Args:
        servers: a url like "nats://host:4222", several cut at commas, or a list; none is the server on this
            machine at port 4222.
        timeout: seconds for all of it: resolving, connecting and the handshake with every server tried.
        options: the library's options by name, and these names of nats-py: allow_reconnect, connect_timeout,
            dont_randomize, max_outstanding_pings, ping_interval, reconnect_time_wait.
    """
    return _Connecting(_open(servers, timeout, options))
