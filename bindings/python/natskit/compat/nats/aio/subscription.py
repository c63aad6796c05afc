# SPDX-License-Identifier: Apache-2.0
"""Subscriptions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import natskit

from .. import errors
from .._mapping import mapped, translated
from .msg import Msg, received

if TYPE_CHECKING:
    from .client import Client

DEFAULT_SUB_PENDING_MSGS_LIMIT = 512 * 1024
DEFAULT_SUB_PENDING_BYTES_LIMIT = 128 * 1024 * 1024

Callback = Callable[[Msg], Awaitable[None]]


def check_callback(cb: Callback | None) -> None:
    """Raises for what is no coroutine function."""
    function = getattr(cb, "func", cb)
    if cb is not None and not inspect.iscoroutinefunction(cb) and not inspect.iscoroutinefunction(function):
        raise errors.Error("nats: must use coroutine for subscriptions")


def handler(
    client: Client, cb: Callback | None, future: asyncio.Future[Msg] | None = None
) -> Callable[[natskit.Msg], Awaitable[None]] | None:
    """What natskit calls for a callback, or for a future that gets the first message."""

    async def call(raw: natskit.Msg) -> None:
        if cb is not None:
            await cb(received(client, raw))
        elif future is not None and not future.done():
            future.set_result(received(client, raw))

    return None if cb is None and future is None else call


class Messages:
    """The messages of a subscription: each `async for` over it goes on where the last one stopped."""

    def __init__(self, client: Client, raw: natskit.Subscription, source: AsyncIterator[natskit.Msg]) -> None:
        self._client = client
        self._raw = raw
        self._source = source

    def __aiter__(self) -> Messages:
        # The loop of the subscription holds what it has taken, which a drain waits for: it goes with this one.
        return Messages(self._client, self._raw, self._raw.__aiter__())

    async def __anext__(self) -> Msg:
        try:
            raw = await self._source.__anext__()
        except natskit.errors.Error as error:
            if isinstance(error, (natskit.errors.ConnectionClosedError, natskit.errors.DisconnectedError)):
                raise StopAsyncIteration from error
            raise mapped(error) from error
        message: Msg = received(self._client, raw)
        return message


class Subscription:
    """A subscription, as Client.subscribe() gives it."""

    def __init__(self, conn: Client, raw: natskit.Subscription, cb: Callback | None = None, asked: str = "") -> None:
        self._conn = conn
        self._raw = raw
        self._cb = cb
        self._subject = asked or raw.subject
        self._messages: Messages | None = None
        self._dropped = 0  # as the client's error_cb was told

    @property
    def subject(self) -> str:
        return self._subject

    @property
    def queue(self) -> str:
        return self._raw.queue

    @property
    def messages(self) -> AsyncIterator[Msg]:
        """The loop over its messages."""
        if self._cb is not None:
            raise errors.Error("cannot iterate over messages with a non iteration subscription type")
        if self._messages is None:
            self._messages = Messages(self._conn, self._raw, self._raw)
        return self._messages

    @property
    def pending_msgs(self) -> int:
        return self._raw.pending_msgs

    @property
    def pending_bytes(self) -> int:
        return self._raw.pending_bytes

    @property
    def delivered(self) -> int:
        """Messages that have come."""
        return self._raw.received

    async def next_msg(self, timeout: float | None = 1.0) -> Msg:
        """The next message; errors.TimeoutError."""
        if self._conn.is_closed:
            raise errors.ConnectionClosedError
        if self._cb is not None:
            raise errors.Error("nats: next_msg cannot be used in async subscriptions")
        try:
            message: Msg = received(self._conn, await self._raw.next_msg(timeout))
        except natskit.errors.Error as error:
            if self._conn.is_closed:
                raise errors.ConnectionClosedError from error
            raise mapped(error) from error
        return message

    def _has_ended(self) -> bool:
        return self._raw.is_closed or self._raw.reason is not None

    def _check(self) -> None:
        if self._conn.is_closed:
            raise errors.ConnectionClosedError
        if self._conn.is_draining:
            raise errors.ConnectionDrainingError
        if self._has_ended():
            raise errors.BadSubscriptionError

    async def drain(self) -> None:
        """Asks for no more messages, and waits until those that have come are handled."""
        self._check()
        with translated:
            await self._raw.drain(self._conn.options["drain_timeout"])
        self._conn._subs.discard(self)

    async def unsubscribe(self, limit: int = 0) -> None:
        """Ends it: at once, and what waits is dropped, or after `limit` messages in all."""
        self._check()
        with translated:
            await (self._raw.unsubscribe(limit) if limit > 0 else self._raw.close())
        if limit <= 0:
            self._conn._subs.discard(self)
