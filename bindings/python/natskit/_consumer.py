# SPDX-License-Identifier: Apache-2.0
"""Consumers of streams as objects, and fetching and consuming their messages.

The one for asyncio, natskit/_consumer.py, is the source; bindings/python/tools/generate_sync.py makes the blocking
one, natskit/sync/_consumer.py, from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import _handlers, _natskit, _options, errors
from ._natskit import AsyncMsg as Msg
from ._natskit import AsyncSubscription as Subscription
from .js import _values, api

if TYPE_CHECKING:
    from ._js import JetStreamContext

__all__ = ["Consumer", "PullSubscription"]

_ConsumerConfig = api.ConsumerConfig | Mapping[str, Any] | None

_ANY_NUMBER = 1_000_000


def _checked(batch: Any, timeout: Any) -> None:
    """What the library's options would take, but a fetch cannot mean."""
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int)):
        raise TypeError(f"batch must be int, not {type(batch).__name__}")
    if batch is not None and batch < 1:
        raise errors.InvalidError("batch: a number of messages from 1 on")
    if timeout is None:
        raise TypeError("timeout must be a number of seconds: no fetch waits for ever")


class Consumer:
    """A consumer of a stream, as JetStreamContext.consumer() gives it.

    Messages come by fetch(), next() and consume(); all that they have in common:

    Args:
        heartbeat: seconds between two signs of life of the server; None: as the library thinks best.
        group, priority: a priority group of the consumer, and the priority in it, 0 first.
        min_pending, min_ack_pending: with policy overflow: only when so many messages wait, or wait for acks.
    """

    def __init__(self, js: JetStreamContext, info: api.ConsumerInfo) -> None:
        self._js = js
        self._info = info
        self._where = (info.stream_name, info.name)

    @property
    def name(self) -> str:
        """Name of the consumer."""
        return self._where[1]

    @property
    def stream_name(self) -> str:
        """Name of its stream."""
        return self._where[0]

    @property
    def cached_info(self) -> api.ConsumerInfo:
        """The info that was got last, without asking the server."""
        return self._info

    async def info(self) -> api.ConsumerInfo:
        """Asks the server."""
        self._info = await self._js.consumer_info(*self._where)
        return self._info

    async def update(self, config: _ConsumerConfig = None, **params: Any) -> api.ConsumerInfo:
        """Changes what is said, and keeps the rest."""
        made = _values.config_of(api.ConsumerConfig, config, params).evolve(name=self.name)
        self._info = await self._js.update_consumer(self.stream_name, made)
        return self._info

    async def pause(self, until: datetime | str) -> api.ConsumerPause:
        """Has it deliver nothing until then."""
        return await self._js.pause_consumer(*self._where, until)

    async def resume(self) -> api.ConsumerPause:
        """Ends a pause."""
        return await self._js.resume_consumer(*self._where)

    async def reset(self, seq: int | None = None) -> api.ConsumerReset:
        """Has it begin anew behind what is acked, or at a sequence."""
        return await self._js.reset_consumer(*self._where, seq)

    async def unpin(self, group: str) -> bool:
        """Lets another client of a pinned priority group have its turn."""
        return await self._js.unpin_consumer(*self._where, group)

    async def delete(self) -> bool:
        """Deletes it."""
        return await self._js.delete_consumer(*self._where)

    # ------------------------------------------------------------------------------------------ messages

    async def fetch(
        self,
        batch: int | None = None,
        timeout: float = 5.0,
        *,
        max_bytes: int | None = None,
        heartbeat: float | None = None,
        group: str | None = None,
        priority: int | None = None,
        min_pending: int | None = None,
        min_ack_pending: int | None = None,
    ) -> list[Msg]:
        """Up to `batch` messages (1 by default), or as many as have come after `timeout` seconds; with 0 those that are
        there now. An empty list is no error; what is (no such consumer, a request that the server refuses) raises
        if nothing has come. What had come when the call is cancelled is delivered again after ack_wait.

        Args:
            max_bytes: of the messages in all; without `batch` their number does not count then.
        """
        if batch is None and max_bytes is None:
            batch = 1
        _checked(batch, timeout)
        wishes = {
            "max_msgs": batch,
            "max_bytes": max_bytes,
            "heartbeat_ms": _options.milliseconds("heartbeat", heartbeat),
            "group": group,
            "priority": priority,
            "min_pending": min_pending,
            "min_ack_pending": min_ack_pending,
        }
        if timeout == 0:
            wishes["no_wait"] = True
        else:
            wishes["expires_ms"] = _options.milliseconds("timeout", timeout)
        pairs = _options.pairs(_natskit.OPTIONS_FETCH, wishes)
        msgs: list[Msg] = await self._js._fetch(*self._where, pairs, batch or _ANY_NUMBER)
        return msgs

    async def next(self, timeout: float = 5.0, **options: Any) -> Msg:
        """The next message; errors.TimeoutError if none comes in time. Options are those of fetch()."""
        msgs = await self.fetch(1, timeout, **options)
        if not msgs:
            raise errors.TimeoutError("no message came in time")
        return msgs[0]

    def consume(
        self,
        cb: Callable[[Msg], Any] | None = None,
        *,
        concurrency: int = 1,
        max_msgs: int | None = None,
        max_bytes: int | None = None,
        threshold_msgs: int | None = None,
        threshold_bytes: int | None = None,
        expires: float | None = None,
        heartbeat: float | None = None,
        abort_on_missing: bool | None = None,
        status_events: bool | None = None,
        group: str | None = None,
        priority: int | None = None,
        min_pending: int | None = None,
        min_ack_pending: int | None = None,
    ) -> Subscription:
        """A subscription that gets all messages of the consumer, now and later: `async for msg in
        consumer.consume(): ...`. Lost connections, servers that restart and a consumer that is away for a while it
        waits out; what will not change ends the loop with an exception. drain() ends it in good order; what was not
        taken when it is closed is delivered again after ack_wait.

        Args:
            cb, concurrency: as for Client.subscribe().
            max_msgs: that are asked for ahead, those in the queue included; modest, because others wait for them.
            max_bytes: the same in bytes instead.
            threshold_msgs, threshold_bytes: when more are asked for; half of that by default.
            expires: seconds after which the server gives a request up, and a new one is made.
            abort_on_missing: ends when the stream or consumer does not exist, instead of waiting for it.
            status_events: also yields what happens to it, as natskit.Status.
        """
        wishes = {
            "max_msgs": max_msgs,
            "max_bytes": max_bytes,
            "threshold_msgs": threshold_msgs,
            "threshold_bytes": threshold_bytes,
            "expires_ms": _options.milliseconds("expires", expires),
            "heartbeat_ms": _options.milliseconds("heartbeat", heartbeat),
            "abort_on_missing": abort_on_missing,
            "status_events": status_events,
            "group": group,
            "priority": priority,
            "min_pending": min_pending,
            "min_ack_pending": min_ack_pending,
        }
        _handlers.check(cb, concurrency)
        _handlers.check_loop(cb)  # [async]
        sub = self._js._consume(*self._where, _options.pairs(_natskit.OPTIONS_CONSUME, wishes))
        if cb is not None:
            # [async]
            _handlers.begin(sub, cb, concurrency)
            # [end]
            # [sync] sub._handle(cb, False, concurrency, None)
        return sub


class PullSubscription(Consumer):
    """A consumer as nats-py's pull_subscribe() gives it: a fetch that brings nothing raises errors.TimeoutError."""

    async def fetch(self, batch: int | None = None, timeout: float = 5.0, **options: Any) -> list[Msg]:
        """As Consumer.fetch(), but nothing is an error."""
        msgs = await super().fetch(batch, timeout, **options)
        if not msgs:
            raise errors.TimeoutError("no message came in time")
        return msgs

    async def consumer_info(self) -> api.ConsumerInfo:
        """Asks the server: the same as info()."""
        return await self.info()

    async def unsubscribe(self) -> None:
        """Nothing: between two fetches there is no subscription. The consumer stays; delete() deletes it."""
