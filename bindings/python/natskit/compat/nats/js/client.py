# SPDX-License-Identifier: Apache-2.0
"""Publishing to streams, subscribing to consumers, buckets and stores."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import natskit
from natskit import errors as own

from .. import _mapping
from .._mapping import mapped, translated
from ..aio.client import header_values
from ..aio.msg import Msg, received
from ..aio.subscription import Subscription, check_callback, handler
from . import api, errors
from .kv import KeyValue
from .manager import JetStreamManager
from .object_store import ObjectStore

if TYPE_CHECKING:
    from ..aio.client import Client

# nats-py has these names here, too.
BadBucketError = errors.BadBucketError
BucketNotFoundError = errors.BucketNotFoundError
FetchTimeoutError = errors.FetchTimeoutError
InvalidBucketNameError = errors.InvalidBucketNameError
NotFoundError = errors.NotFoundError

DEFAULT_JS_SUB_PENDING_MSGS_LIMIT = 512 * 1024
DEFAULT_JS_SUB_PENDING_BYTES_LIMIT = 256 * 1024 * 1024
KV_MAX_HISTORY = 64

Callback = Callable[[Msg], Awaitable[None]]

_opening = _mapping.Translated(
    {
        own.StreamNotFoundError: lambda text: errors.BucketNotFoundError(code=404, description=text),
        own.InvalidError: errors.InvalidBucketNameError,
    }
)
_creating = _mapping.Translated({own.InvalidError: errors.InvalidBucketNameError})


class _Unacked:
    """The messages of publish_async() that wait for their acks, as futures."""

    def __init__(self, js: natskit.JetStreamContext, most: int) -> None:
        self._js = js
        self._most = most
        self._publisher: natskit.Publisher | None = None
        self._task: asyncio.Task[None] | None = None
        self._futures: dict[int, asyncio.Future[api.PubAck]] = {}
        self._early: dict[int, natskit.PubOutcome] = {}
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return len(self._futures)

    async def completed(self) -> None:
        await self._none.wait()

    async def publish(self, wait: float | None, args: dict[str, Any]) -> asyncio.Future[api.PubAck]:
        if self._publisher is None:
            self._publisher = self._js.publisher(max_pending=self._most, acks="all")
            self._task = asyncio.get_running_loop().create_task(self._take(self._publisher))
        self._none.clear()
        try:
            number = await self._publisher.publish(timeout=wait, **args)
        except (own.TimeoutError, own.WouldBlockError) as error:
            raise errors.TooManyStalledMsgsError from error
        finally:
            self._look()
        future: asyncio.Future[api.PubAck] = asyncio.get_running_loop().create_future()
        self._futures[number] = future
        self._none.clear()
        early = self._early.pop(number, None)
        if early is not None:
            self._settle(early)
        return future

    def _look(self) -> None:
        if not self._futures:
            self._none.set()

    def _settle(self, outcome: natskit.PubOutcome) -> None:
        future = self._futures.pop(outcome.id, None)
        if future is None:  # its publish() has not returned
            self._early[outcome.id] = outcome
            return
        if not future.done():
            if outcome.ack is not None:
                future.set_result(api.PubAck._of(outcome.ack))
            else:
                assert outcome.error is not None
                future.set_exception(mapped(outcome.error))
        self._look()

    async def _take(self, publisher: natskit.Publisher) -> None:
        try:
            async for outcome in publisher.outcomes:
                self._settle(outcome)
        except own.Error:
            pass  # the reason is that of each message
        for number in list(self._futures):
            future = self._futures.pop(number)
            if not future.done():
                future.set_exception(mapped(own.ConnectionClosedError("the connection has ended")))
        self._look()


class _PushSubscription(Subscription):
    """A subscription to a push consumer."""

    def __init__(
        self, js: JetStreamContext, raw: natskit.Subscription, cb: Callback | None, subject: str
    ) -> None:
        super().__init__(js._nc, raw, cb, subject)
        self._context = js

    async def consumer_info(self) -> api.ConsumerInfo:
        """Asks the server of its consumer."""
        if self._raw.consumer is None:
            raise errors.Error("the library makes the consumers of this subscription as it needs them")
        return await self._context.consumer_info(*self._raw.consumer)


class _PullSubscription:
    """A pull consumer, of which messages are fetched."""

    def __init__(self, js: JetStreamContext, consumer: natskit.PullSubscription) -> None:
        self._js = js
        self._consumer: natskit.PullSubscription | None = consumer
        self._delivered = 0

    @property
    def pending_msgs(self) -> int:
        """None waits between two fetches."""
        return 0

    @property
    def pending_bytes(self) -> int:
        return 0

    @property
    def delivered(self) -> int:
        return self._delivered

    def _of(self) -> natskit.PullSubscription:
        if self._consumer is None:
            raise ValueError("nats: invalid subscription")
        return self._consumer

    async def unsubscribe(self) -> None:
        """Fetches no more; the consumer stays."""
        self._of()
        self._consumer = None

    async def consumer_info(self) -> api.ConsumerInfo:
        """Asks the server of its consumer."""
        consumer = self._of()
        with translated:
            return await consumer.consumer_info()

    async def fetch(
        self, batch: int = 1, timeout: float | None = 5, heartbeat: float | None = None
    ) -> list[Msg]:
        """The messages that there are, at most `batch`; if there are none those that come in `timeout` seconds.
        errors.TimeoutError if none does."""
        consumer = self._of()
        if batch < 1:
            raise ValueError("nats: invalid batch size")
        if timeout is not None and timeout <= 0:
            raise ValueError("nats: invalid fetch timeout")
        with translated:
            msgs = await self._fetch(consumer, batch, timeout, heartbeat)
        self._delivered += len(msgs)
        return [received(self._js._nc, msg) for msg in msgs]

    async def _fetch(
        self, consumer: natskit.PullSubscription, batch: int, timeout: float | None, heartbeat: float | None
    ) -> list[natskit.Msg]:
        fetch = super(natskit.PullSubscription, consumer).fetch  # nothing is no error there
        msgs = await fetch(batch, 0) if batch > 1 else []
        if msgs:
            return msgs
        if timeout is not None:
            return await consumer.fetch(batch, timeout, heartbeat=heartbeat)
        while not msgs:
            msgs = await fetch(batch, 30.0, heartbeat=heartbeat)
        return msgs


class JetStreamContext(JetStreamManager):
    """JetStream, as Client.jetstream() gives it."""

    PushSubscription = _PushSubscription
    PullSubscription = _PullSubscription

    def __init__(
        self,
        conn: Client,
        prefix: str = api.DEFAULT_PREFIX,
        domain: str | None = None,
        timeout: float = 5,
        publish_async_max_pending: int = 4000,
    ) -> None:
        self._open(conn, prefix, domain, timeout)
        self._unacked = _Unacked(self._js, publish_async_max_pending)

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float | None = None,
        stream: str | None = None,
        headers: dict[str, Any] | None = None,
        msg_ttl: float | None = None,
    ) -> api.PubAck:
        """Publishes, and waits for the stream's ack; errors.NoStreamResponseError, errors.APIError."""
        with translated:
            ack = await self._js.publish(subject, payload, timeout, stream, header_values(headers), msg_ttl)
        return api.PubAck._of(ack)

    async def publish_async(
        self,
        subject: str,
        payload: bytes = b"",
        wait_stall: float | None = None,
        stream: str | None = None,
        headers: dict[str, Any] | None = None,
        msg_ttl: float | None = None,
    ) -> asyncio.Future[api.PubAck]:
        """Publishes without waiting for the ack, which the future gets."""
        args = {
            "subject": subject,
            "payload": payload,
            "stream": stream,
            "headers": header_values(headers),
            "msg_ttl": msg_ttl,
        }
        with translated:
            return await self._unacked.publish(wait_stall, args)

    def publish_async_pending(self) -> int:
        """Messages of publish_async() that wait for their acks."""
        return len(self._unacked)

    async def publish_async_completed(self) -> None:
        """Waits until there are none."""
        await self._unacked.completed()

    # ------------------------------------------------------------------------------------- subscriptions

    async def _existing(self, stream: str, name: str | None) -> api.ConsumerInfo | None:
        """A consumer that there is: nats-py takes it as it is."""
        if not name:
            return None
        try:
            return await self._js.consumer_info(stream, name)
        except own.ConsumerNotFoundError:
            return None

    async def subscribe(
        self,
        subject: str,
        queue: str | None = None,
        cb: Callback | None = None,
        durable: str | None = None,
        stream: str | None = None,
        config: api.ConsumerConfig | None = None,
        manual_ack: bool = False,
        ordered_consumer: bool = False,
        idle_heartbeat: float | None = None,
        flow_control: bool = False,
        pending_msgs_limit: int = DEFAULT_JS_SUB_PENDING_MSGS_LIMIT,
        pending_bytes_limit: int = DEFAULT_JS_SUB_PENDING_BYTES_LIMIT,
        deliver_policy: api.DeliverPolicy | None = None,
        headers_only: bool | None = None,
        inactive_threshold: float | None = None,
    ) -> _PushSubscription:
        """Subscribes to a push consumer: that of the name `durable`, as it is, or a new one."""
        if queue and durable and queue != durable:
            raise errors.Error(f"cannot create queue subscription '{queue}' to consumer '{durable}'")
        check_callback(cb)
        with translated:
            stream = stream or await self._js.find_stream_name_by_subject(subject)
            name = durable or queue
            info = None if ordered_consumer else await self._existing(stream, name)
            if info is not None:
                assert name is not None
                return await self._bind(
                    stream, name, queue, info, cb, manual_ack, pending_msgs_limit, pending_bytes_limit
                )
            raw = await self._js.subscribe(
                subject,
                queue,
                handler(self._nc, cb),
                name,
                stream,
                config,
                manual_ack,
                ordered_consumer,
                idle_heartbeat,
                flow_control or None,
                pending_msgs_limit if pending_msgs_limit > 0 else None,
                pending_bytes_limit if pending_bytes_limit > 0 else None,
                deliver_policy,
                headers_only,
                inactive_threshold,
            )
        return self._push(raw, cb, subject)

    def _push(self, raw: natskit.Subscription, cb: Callback | None, subject: str) -> _PushSubscription:
        sub = _PushSubscription(self, raw, cb, subject)
        self._nc._keep(sub)
        return sub

    async def _bind(
        self,
        stream: str,
        name: str,
        queue: str | None,
        info: api.ConsumerInfo | None,
        cb: Callback | None,
        manual_ack: bool,
        msgs: int,
        size: int,
    ) -> _PushSubscription:
        group = None if info is None else info.config.deliver_group
        if info is not None and (group or None) != (queue or None):
            raise errors.Error(f"consumer '{name}' has deliver group '{group or ''}', not '{queue or ''}'")
        try:
            raw = await self._js.subscribe_bind(
                stream,
                None,
                name,
                handler(self._nc, cb),
                manual_ack,
                queue=group or None,
                pending_msgs_limit=msgs if msgs > 0 else None,
                pending_bytes_limit=size if size > 0 else None,
            )
        except own.BusyError as error:
            raise errors.Error("consumer is already bound to a subscription") from error
        return self._push(raw, cb, raw.subject)

    async def subscribe_bind(
        self,
        stream: str,
        config: api.ConsumerConfig,
        consumer: str,
        cb: Callback | None = None,
        manual_ack: bool = False,
        ordered_consumer: bool = False,
        pending_msgs_limit: int = DEFAULT_JS_SUB_PENDING_MSGS_LIMIT,
        pending_bytes_limit: int = DEFAULT_JS_SUB_PENDING_BYTES_LIMIT,
    ) -> _PushSubscription:
        """Subscribes to a push consumer that exists."""
        check_callback(cb)
        with translated:
            queue = None if config is None else config.deliver_group
            info = await self._js.consumer_info(stream, consumer)
            queue = queue or info.config.deliver_group
            return await self._bind(
                stream, consumer, queue, info, cb, manual_ack, pending_msgs_limit, pending_bytes_limit
            )

    async def pull_subscribe(
        self,
        subject: str,
        durable: str | None = None,
        stream: str | None = None,
        config: api.ConsumerConfig | None = None,
        pending_msgs_limit: int = DEFAULT_JS_SUB_PENDING_MSGS_LIMIT,
        pending_bytes_limit: int = DEFAULT_JS_SUB_PENDING_BYTES_LIMIT,
        inbox_prefix: bytes | None = None,
    ) -> _PullSubscription:
        """A pull consumer: that of the name `durable`, as it is, or a new one. The limits and the prefix say nothing:
        only what was asked for comes, to the connection's inbox."""
        name = durable or (None if config is None else config.name or config.durable_name)
        with translated:
            stream = stream or await self._js.find_stream_name_by_subject(subject)
            info = await self._existing(stream, name)
            if info is not None:
                return _PullSubscription(self, natskit.PullSubscription(self._js, info))
            consumer = await self._js.pull_subscribe(subject, durable, stream, config)
        return _PullSubscription(self, consumer)

    async def pull_subscribe_bind(
        self,
        consumer: str | None = None,
        stream: str | None = None,
        inbox_prefix: bytes | None = None,
        pending_msgs_limit: int = DEFAULT_JS_SUB_PENDING_MSGS_LIMIT,
        pending_bytes_limit: int = DEFAULT_JS_SUB_PENDING_BYTES_LIMIT,
        name: str | None = None,
        durable: str | None = None,
    ) -> _PullSubscription:
        """The same for a consumer that exists."""
        wanted = consumer or durable or name
        if not stream:
            raise ValueError("nats: stream name is required")
        if not wanted:
            raise ValueError("nats: consumer name is required")
        with translated:
            return _PullSubscription(self, await self._js.pull_subscribe_bind(wanted, stream))

    # ------------------------------------------------------------------------------- buckets and stores

    async def key_value(self, bucket: str) -> KeyValue:
        """A bucket that exists; errors.BucketNotFoundError, errors.BadBucketError."""
        with _opening:
            return KeyValue._of(await self._js.key_value(bucket))

    async def create_key_value(self, config: api.KeyValueConfig | None = None, **params: Any) -> KeyValue:
        """Creates a bucket."""
        if config is None:
            config = api.KeyValueConfig(bucket=params["bucket"])
        config = config.evolve(**params)
        if config.history > KV_MAX_HISTORY:
            raise errors.KeyHistoryTooLargeError
        said = {name: value for name, value in vars(config).items() if name != "direct"}
        with _creating:
            made = await self._js.create_key_value(said)
            # Without direct gets the bucket's leader answers, so that what was written is seen.
            return KeyValue._of(made if config.direct else self._js.kv(config.bucket, direct=False))

    async def delete_key_value(self, bucket: str) -> bool:
        """Deletes a bucket."""
        with _creating:
            return await self._js.delete_key_value(bucket)

    async def object_store(self, bucket: str) -> ObjectStore:
        """A store that exists; errors.BucketNotFoundError."""
        with _opening:
            return ObjectStore._of(await self._js.object_store(bucket))

    async def create_object_store(
        self, bucket: str | None = None, config: api.ObjectStoreConfig | None = None, **params: Any
    ) -> ObjectStore:
        """Creates a store."""
        if config is None:
            config = api.ObjectStoreConfig(bucket=bucket)
        elif bucket:
            config.bucket = bucket
        config = config.evolve(**params)
        with _creating:
            return ObjectStore._of(await self._js.create_object_store(dict(vars(config))))

    async def delete_object_store(self, bucket: str) -> bool:
        """Deletes a store."""
        with _creating:
            return await self._js.delete_object_store(bucket)
