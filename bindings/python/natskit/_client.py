# SPDX-License-Identifier: Apache-2.0
"""The client: names and defaults over the C part, which does the work.

The one for asyncio, natskit/_client.py, is the source; bindings/python/tools/generate_sync.py makes the
blocking one, natskit/sync/_client.py, from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Generator, Iterable
from functools import partial
from types import TracebackType
from typing import Any

from . import _natskit, _options, errors
from ._natskit import AsyncEvents as Events
from ._natskit import AsyncMsg as Msg
from ._natskit import AsyncSubscription as Subscription
from ._natskit import Event
from ._watch import Watch

__all__ = ["Client", "Events", "Msg", "Subscription", "connect"]


class Client(_natskit.AsyncConnection):
    """A connection to a NATS system; made by connect().

    publish, publish_batch, request, flush, written, rtt, reconnect, closed, new_inbox, stats and the properties
    is_connected, is_connecting, is_reconnecting, is_draining, is_closed, connected_url, max_payload, client_id
    and last_error come from the C part.
    """

    _watch: Watch | None = None

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

    def events(
        self,
        *,
        pending_msgs_limit: int | None = None,
        debug: bool | None = None,
        answers: bool | None = None,
    ) -> Events:
        """A subscription to what happens to the connection, from now on; any number may be open.

        Args:
            pending_msgs_limit: events that may wait; further ones are dropped and counted.
            debug: each ping is an event, too.
            answers: also the requests of the library, to be answered by event.answer(); one subscription of a
                connection can get them.
        """
        wishes = {"pending_msgs_limit": pending_msgs_limit, "debug": debug, "answers": answers}
        return self._events(_options.pairs(_natskit.OPTIONS_EVENTS, wishes), True)

    def drain(self, timeout: float | None = 30.0) -> Coroutine[Any, Any, None]:
        """Ends the connection in good order, within `timeout` seconds.

        The server sends no more messages; loops over subscriptions go on until they have handled all that has
        come; requests in flight get their answers; what was published reaches the server; then the connection
        is closed. New subscriptions are refused from the call on, publishing once all is handled.

        TimeoutError: the deadline passed first; the connection is closed all the same, and the text tells what
        was left behind. Cancelling the wait does not stop the drain. A loop must not wait for it: it would wait
        for itself.
        """
        if self._watch is None:
            return super().drain(timeout)
        return self._watch.ending(super().drain, timeout)

    def close(self, linger: float | None = 2.0) -> Coroutine[Any, Any, None]:
        """Ends the connection, after what was published has reached the server or `linger` seconds have passed
        (then with a TimeoutError, but closed all the same). Messages that wait can still be taken."""
        if self._watch is None:
            return super().close(linger)
        return self._watch.ending(super().close, linger)

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
    servers: str | Iterable[str] | None,
    timeout: float | None,
    options: dict[str, Any],
    functions: dict[str, Callable[..., Any] | None],
) -> Client:
    client = Client()
    url, pairs = _options.connect_pairs(servers, options)
    watch = Watch(functions)
    begun = partial(watch.begin, client) if watch.is_needed else None
    try:
        await client._connect(url, pairs, timeout, begun)
    except BaseException:
        watch.decide(False)
        await client.close(0)
        raise
    watch.decide(True)
    client._watch = watch if watch.is_needed else None
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
    servers: str | Iterable[str] | None = None,
    *,
    timeout: float | None = 10.0,
    reconnect_delay: Callable[[Event], Any] | None = None,
    error_cb: Callable[[errors.Error], Any] | None = None,
    disconnected_cb: Callable[[], Any] | None = None,
    reconnected_cb: Callable[[], Any] | None = None,
    closed_cb: Callable[[], Any] | None = None,
    discovered_server_cb: Callable[[], Any] | None = None,
    lame_duck_mode_cb: Callable[[], Any] | None = None,
    **options: Any,
) -> _Connecting:
    """Connects: `nc = await connect(...)`, or `async with connect(...) as nc:`.

    Args:
        servers: a url like "nats://host:4222", several cut at commas, or a list; none is the server on this
            machine at port 4222.
        timeout: seconds for all of it: resolving, connecting and the handshake with every server tried.
        reconnect_delay: is asked how many seconds to wait before servers are tried again, with the event
            "delay_needed"; None stands for the pause that it names (event.delay).
        error_cb: is called with the error of each event that has one, those of failed attempts included.
        disconnected_cb: is called when the connection was lost or has ended; the others: after a reconnect, after
            the end, when the server has told of others, and when it will leave soon.
        options: the library's options by name, and these names of nats-py: allow_reconnect, connect_timeout,
            dont_randomize, max_outstanding_pings, pending_size, ping_interval, reconnect_time_wait.

    A task of the connection calls those functions, which may be coroutine functions, one after another; in
    natskit.sync a daemon thread does. What they raise is reported, and nothing depends on them. close() and
    drain() wait for closed_cb.
    """
    functions: dict[str, Callable[..., Any] | None] = {
        "reconnect_delay": reconnect_delay,
        "error_cb": error_cb,
        "disconnected_cb": disconnected_cb,
        "reconnected_cb": reconnected_cb,
        "closed_cb": closed_cb,
        "discovered_server_cb": discovered_server_cb,
        "lame_duck_mode_cb": lame_duck_mode_cb,
    }
    return _Connecting(_open(servers, timeout, options, functions))
