# SPDX-License-Identifier: Apache-2.0
"""The client: names and defaults over the C part, which does the work.

The one for asyncio, natskit/_client.py, is the source; bindings/python/tools/generate_sync.py makes the
blocking one, natskit/sync/_client.py, from it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable  # [async]
# [sync] from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any

from . import _later  # [async]
from . import _auth, _handlers, _natskit, _options, errors
from ._js import JetStreamContext
from ._natskit import AsyncEvents as Events
from ._natskit import AsyncMsg as Msg
from ._natskit import AsyncSubscription as Subscription
from ._natskit import Event
from ._watch import Watch

__all__ = ["Answers", "Client", "Events", "Msg", "Subscription", "connect"]


class Answers:
    """The replies to one request, as request_many() gives them: an iterator that ends by itself.

    The subscription that gets them ends with the loop over it, however that is left, with close(), and with
    this object. What is an error raises at the end of the loop (no responders, a denied subject, a lost
    connection); a reached limit does not.
    """

    def __init__(self, client: Client, args: tuple[Any, Any, Any, Any], limit: float) -> None:
        self._loop: AsyncIterator[Msg] | None = None
        self._sub: Subscription | None = None
        # [async]
        self._unsent: tuple[Client, tuple[Any, Any, Any, Any], float] | None = None
        try:
            self._sub = client._request_many(*args, limit)
        except errors.OutboundBufferLimitError:
            if client._fails:
                raise
            self._unsent = (client, args, limit)
        # [end]
        # [sync] self._sub = client._request_many(*args, limit)

    @property
    def reason(self) -> errors.Error | None:
        """Why it has ended, as an exception (not raised), or None: TimeoutError after max_wait,
        MaxReachedError, StalledError, SentinelError, or what the loop has raised."""
        return None if self._sub is None else self._sub.reason

    @property
    def subject(self) -> str:
        """The subject that the replies come to."""
        return "" if self._sub is None else self._sub.subject

    @property
    def received(self) -> int:
        """Replies that have come."""
        return 0 if self._sub is None else self._sub.received

    def __aiter__(self) -> AsyncIterator[Msg]:
        # [async]
        if self._sub is None:
            return self._wait()
        # [end]
        assert self._sub is not None
        return self._sub.__aiter__()

    # [async]
    async def _wait(self) -> AsyncIterator[Msg]:
        """The loop when the outbox was full: sends once it has room."""
        assert self._unsent is not None
        client, args, limit = self._unsent

        def attempt(*args: Any) -> Coroutine[Any, Any, Subscription]:
            return _later.ready(client._request_many(*args))

        self._sub = sub = await _later.later(client._room, attempt, args, 4096, limit)
        async for msg in sub:
            yield msg

    # [end]
    async def __anext__(self) -> Msg:
        if self._loop is None:
            self._loop = self.__aiter__()
        return await self._loop.__anext__()

    async def close(self) -> None:
        """Wants no more replies."""
        if self._sub is not None:
            await self._sub.close()

    async def __aenter__(self) -> Answers:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Client(_natskit.AsyncConnection):
    """A connection to a NATS system; made by connect().

    publish, publish_batch, publish_msg, ack_batch, request, flush, written, rtt, reconnect, closed, new_inbox,
    stats, server_at_least and the properties is_connected, is_connecting, is_reconnecting, is_draining, is_closed,
    connected_url, max_payload, client_id, client_ip and last_error come from the C part.
    """

    _watch: Watch | None = None

    async def subscribe(
        self,
        subject: str,
        queue: str = "",
        cb: Callable[[Msg], Any] | None = None,
        *,
        concurrency: int = 1,
        max_msgs: int | None = None,
        first_msg_timeout: float | None = None,
        pending_msgs_limit: int | None = None,
        pending_bytes_limit: int | None = None,
    ) -> Subscription:
        """Subscribes; `subject` may hold the wildcards * and >.

        Args:
            queue: name of a queue group: each message goes to one of its members.
            cb: a function, or for asyncio a coroutine function, that is called with each message, instead of
                a loop over the subscription. In natskit.sync dispatch() calls it. What it raises is logged
                (logger "natskit"), counted (handler_errors) and given to error_cb; the next message follows.
            concurrency: how many calls of `cb` may be under way at once; with 1 they keep the order.
            max_msgs: the subscription ends by itself after so many messages.
            first_msg_timeout: it ends, with TimeoutError, if no message has come after so many seconds.
            pending_msgs_limit: messages that may wait; further ones are dropped and counted.
            pending_bytes_limit: memory that waiting messages may take.
        """
        limits = {
            "max_msgs": max_msgs,
            "first_msg_timeout_ms": _options.milliseconds("first_msg_timeout", first_msg_timeout),
            "pending_msgs_limit": pending_msgs_limit,
            "pending_bytes_limit": pending_bytes_limit,
        }
        _handlers.check(cb, concurrency)
        sub = self._subscribe(subject, queue, _options.pairs(_natskit.OPTIONS_SUBSCRIBE, limits))
        if cb is not None:
            # [async]
            _handlers.begin(sub, cb, concurrency)
            # [end]
            # [sync] sub._handle(cb, False, concurrency, None)
        return sub

    # [sync] def dispatch(self, timeout: float | None = None) -> int:
    # [sync]     """Waits for messages of subscriptions with a handler, for at most `timeout` seconds, and calls
    # [sync]     the handlers of those that have come. How many were handled: 0 when the time is over, or when
    # [sync]     every such subscription has ended. Threads may share the work; `concurrency` says how many one
    # [sync]     handler bears.
    # [sync]     """
    # [sync]     return self._dispatch(timeout)
    # [sync]
    # [sync] def run_forever(self) -> None:
    # [sync]     """Calls handlers until every subscription that has one has ended."""
    # [sync]     while self._dispatch(None):
    # [sync]         pass
    # [sync]
    def request_many(
        self,
        subject: str,
        payload: Any = b"",
        *,
        max_wait: float = 1.0,
        max_msgs: int = 0,
        stall: float | None = None,
        sentinel: bool = False,
        reply: str | None = None,
        headers: Any = None,
        wait_reconnect: bool = False,
        json: Any = None,
        trace_destination: str | None = None,
        trace_only: bool = False,
    ) -> Answers:
        """Sends a request that any number may answer: `async for msg in nc.request_many(subject): ...`

        Args:
            max_wait: the answer is complete after so many seconds,
            max_msgs: after so many replies (0: no limit),
            stall: when no further reply comes for so many seconds,
            sentinel: with a reply without data, which is not given out.
            reply: subject for the replies, instead of a new inbox.
            wait_reconnect: goes on waiting when the connection is lost, instead of raising DisconnectedError.
            json, trace_destination, trace_only: as for publish.

        Nobody who answers, a denied subject and a lost connection raise in the loop.
        """
        wishes = {
            "max_wait_ms": _options.milliseconds("max_wait", max_wait),
            "max_msgs": max_msgs,
            "stall_ms": _options.milliseconds("stall", stall),
            "sentinel": sentinel,
            "reply": reply,
            "wait_reconnect": wait_reconnect,
        }
        pairs = _options.pairs(_natskit.OPTIONS_REQUEST_MANY, wishes)
        payload, headers = self._more(payload, headers, json, trace_destination, trace_only)
        return Answers(self, (subject, payload, headers, pairs), max_wait)

    def jetstream(
        self,
        *,
        domain: str | None = None,
        prefix: str | None = None,
        timeout: float | None = 5.0,
        **options: Any,
    ) -> JetStreamContext:
        """JetStream of this connection's account. It asks the server nothing: account_info() does.

        Args:
            domain: the JetStream of another domain, as one behind a leaf node.
            prefix: of the API's subjects, as another account exports them, instead of "$JS.API".
            timeout: seconds for each call.
            options: the library's options of a context by name: api_retries, ...
        """
        return JetStreamContext(self, timeout, {"domain": domain, "api_prefix": prefix, **options})

    def jsm(self, **options: Any) -> JetStreamContext:
        """The same as jetstream(), as nats-py names it for management."""
        return self.jetstream(**options)

    async def context(self, timeout: float | None = 2.0) -> dict[str, Any]:
        """What the server knows of this user: "user", "account" and, if there are any, "permissions" and
        "expires", and "server" with the server's description (subject $SYS.REQ.USER.INFO)."""
        answer = (await self.request("$SYS.REQ.USER.INFO", b"", timeout)).json()
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            error = answer.get("error") if isinstance(answer, dict) else None
            told = error.get("description", "") if isinstance(error, dict) else ""
            raise errors.ServerError(told or "the server's answer cannot be understood")
        return {**answer["data"], "server": answer.get("server", {})}

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

    def trace(self) -> list[dict[str, Any]]:
        """The last lines of the protocol, as many as connect(trace_lines=) says: each {"time_ns", "out", "cut", "line"},
        without payloads, headers and secrets (docs/observability.md)."""
        text = self._trace()
        return [] if text is None else json.loads(text)

    @property
    def server_pool(self) -> list[dict[str, Any]]:
        """The servers that are used, each {"url", "discovered", "failures", "current"}: url without user and
        password, whether the cluster told of it, failed attempts in a row, whether it is used or tried now."""
        text = self._servers()
        return [] if text is None else json.loads(text)

    @property
    def servers(self) -> list[str]:
        """The urls of all of them."""
        return [server["url"] for server in self.server_pool]

    @property
    def discovered_servers(self) -> list[str]:
        """The urls of those that the cluster told of."""
        return [server["url"] for server in self.server_pool if server["discovered"]]

    def set_server_pool(self, servers: str | Iterable[str]) -> None:
        """Replaces the servers that the program gave; those that the cluster told of stay.

        The present connection stays, too, also if its server is in the pool no more: that is left when the
        connection is lost or reconnect() is called, and is not tried again. A pause before the next attempt
        ends.
        """
        self._set_servers(_options.joined("servers", servers))

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
    context: str | None,
    timeout: float | None,
    options: dict[str, Any],
    functions: dict[str, Callable[..., Any] | None],
) -> Client:
    client = Client()
    watch = Watch({**functions, "auth": _auth.taken(options, functions["auth"])})
    url, pairs = _options.connect_pairs(servers, context, options)
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
    context: str | None = None,
    timeout: float | None = 10.0,
    auth: Callable[[Event], Any] | None = None,
    reconnect_delay: Callable[[Event], Any] | None = None,
    error_cb: Callable[[Exception], Any] | None = None,
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
        context: name of a context of the NATS command line, "" for the one that is selected; `servers` and
            `options` win over what it says. Its files are read at once.
        timeout: seconds for all of it: resolving, connecting and the handshake with every server tried.
        auth: is asked who the user is, at each attempt, with the event "auth_needed" (event.nonce, event.server);
            gives a mapping of user, password, token, jwt, nkey and signature (bytes, or base64), nkey_seed,
            creds, creds_file, for which it has answer_timeout_ms. For what the mapping lacks, and for None, the options
            count.
        reconnect_delay: is asked how many seconds to wait before servers are tried again, with the event
            "delay_needed"; None stands for the pause that it names (event.delay).
        error_cb: is called with the error of each event that has one, those of failed attempts included, and
            with what handlers of subscriptions raise.
        disconnected_cb: is called when the connection was lost or has ended; the others: after a reconnect, after
            the end, when the server has told of others, and when it will leave soon.
        options: the library's options by name, and these names of nats-py: allow_reconnect, connect_timeout,
            dont_randomize, max_outstanding_pings, nkeys_seed, nkeys_seed_str, pending_size, ping_interval,
            reconnect_time_wait, signature_cb, tls_handshake_first, tls_hostname, user_credentials, user_jwt_cb;
            user, password and token may be functions. There is no ssl.SSLContext: the tls_ options say all.

    A task of the connection calls those functions, which may be coroutine functions, one after another; in
    natskit.sync a daemon thread does. What they raise is reported, and nothing depends on them. close() and
    drain() wait for closed_cb.
    """
    functions: dict[str, Callable[..., Any] | None] = {
        "auth": auth,
        "reconnect_delay": reconnect_delay,
        "error_cb": error_cb,
        "disconnected_cb": disconnected_cb,
        "reconnected_cb": reconnected_cb,
        "closed_cb": closed_cb,
        "discovered_server_cb": discovered_server_cb,
        "lame_duck_mode_cb": lame_duck_mode_cb,
    }
    return _Connecting(_open(servers, context, timeout, options, functions))
