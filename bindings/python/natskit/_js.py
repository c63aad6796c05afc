# SPDX-License-Identifier: Apache-2.0
"""JetStream: names over the calls of its API, which the library makes.

The one for asyncio, natskit/_js.py, is the source; bindings/python/tools/generate_sync.py makes the blocking one,
natskit/sync/_js.py, from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _handlers, _later, _natskit, _options, errors
from ._admin import Admin, Advisories
from ._consumer import Consumer, PullSubscription
from ._kv import Buckets
from ._natskit import AsyncMsg as Msg
from ._natskit import AsyncReading as Reading
from ._natskit import AsyncSubscription as Subscription
from ._natskit import StoredMsg
from ._batch import Batch
from ._ingest import Ingest
from ._object import Stores
from .js import _values, api

if TYPE_CHECKING:
    from ._client import Client

__all__ = ["Consumer", "JetStreamContext", "Publisher", "PullSubscription", "Reading", "Stream"]

_StreamConfig = api.StreamConfig | Mapping[str, Any] | None
_ConsumerConfig = api.ConsumerConfig | Mapping[str, Any] | None


class JetStreamContext(_natskit.AsyncJetStream, Buckets, Stores):
    """JetStream of the connection's account: `js = nc.jetstream()`.

    Methods raise errors.JetStreamError: what the server refuses errors.APIError, with its `code`, `err_code` and
    `description`, and classes below that for what programs decide on (StreamNotFoundError, ...).

    publish(subject, payload, timeout=None, stream=None, headers=None, msg_ttl=None, *, msg_id, expected_last_seq,
    expected_last_subject_seq, expected_last_subject, expected_last_msg_id, increment, schedule, schedule_target,
    schedule_source, schedule_ttl, schedule_time_zone, schedule_rollup, unschedule, json) comes from the C part: it
    waits for the stream's ack, a PubAck. Many messages at once are what publisher() is for.

    Configurations are given as api.StreamConfig or api.ConsumerConfig (or a mapping of their fields), with
    keywords in place of single fields, or as keywords alone.
    """

    def __init__(self, client: Client, timeout: float | None, options: dict[str, Any]) -> None:
        named = {"timeout_ms": _options.milliseconds("timeout", timeout), **options}
        self._open(client, _options.pairs(_natskit.OPTIONS_JETSTREAM, named), timeout)
        self._client = client
        self._timeout = timeout

    async def call(self, name: str, /, *, timeout: float | None = None, **arguments: Any) -> dict[str, Any]:
        """Makes a call of the API by the library's name, `call("stream.info", stream="ORDERS")`, and gives the
        server's answer as it is; so are the arguments taken. For what has no method here.

        Args:
            timeout: seconds; None is the context's.
        """
        text = _later.json_encode(arguments) if arguments else None
        answer: dict[str, Any] = await self._call(name, text, self._timeout if timeout is None else timeout)
        return answer

    def publisher(
        self,
        *,
        max_pending: int | None = None,
        max_pending_bytes: int | None = None,
        ack_wait: float | None = None,
        retries: int | None = None,
        retry_wait: float | None = None,
        max_untaken: int | None = None,
        acks: str = "failures",
    ) -> Publisher:
        """Publishes without waiting for each ack: `async with js.publisher() as pub: await pub.publish(...)`.

        Args:
            max_pending, max_pending_bytes: messages that may wait for their acks; then publish() waits.
            ack_wait: seconds for the ack of a message.
            retries, retry_wait: how often a message is sent again that no stream answered for, and the pause.
            max_untaken: outcomes that may wait to be taken; then publish() waits, too.
            acks: "all" has the outcomes of all messages come to pub.outcomes, which somebody has to take then;
                "failures" only those.
        """
        wishes = {
            "max_pending": max_pending,
            "max_pending_bytes": max_pending_bytes,
            "ack_wait_ms": _options.milliseconds("ack_wait", ack_wait),
            "retries": retries,
            "retry_wait_ms": _options.milliseconds("retry_wait", retry_wait),
            "max_untaken": max_untaken,
            "acks": acks,
        }
        return Publisher(self, _options.pairs(_natskit.OPTIONS_PUBLISHER, wishes), acks == "all")

    def ingest(
        self,
        *,
        on_gap: str = "fail",
        flow: int | None = None,
        max_outstanding: int | None = None,
        ack_wait: float | None = None,
        max_untaken: int | None = None,
    ) -> Ingest:
        """Publishes many messages to one stream that acks them by and by: `async with js.ingest() as fast: await
        fast.publish(...)` (allow_batched, server 2.14).

        Args:
            on_gap: "fail" has the stream end the batch before the first message that it refuses, or that did not come;
                "go_on" leaves such messages out, and fast.failures tells of them.
            flow: messages between two acks at most; the stream may want them more often.
            max_outstanding: how many acks may be under way; then publish() waits.
            ack_wait: seconds without an answer after which it ends.
            max_untaken: failures that may wait in fast.failures; those beyond are only counted.
        """
        wishes = {
            "on_gap": on_gap,
            "flow": flow,
            "max_outstanding": max_outstanding,
            "ack_wait_ms": _options.milliseconds("ack_wait", ack_wait),
            "max_untaken": max_untaken,
        }
        return Ingest(self, _options.pairs(_natskit.OPTIONS_INGEST, wishes))

    @property
    def admin(self) -> Admin:
        """Snapshots, leaders, peers, moves, traces: what operators do."""
        return Admin(self)

    async def advisories(self, *, metrics: bool = False) -> Advisories:
        """What servers tell of streams and consumers, or with `metrics` of acks that are sampled: `async for advisory in
        await js.advisories(): advisory.kind, advisory.data`."""
        subject = "$JS.EVENT.METRIC.>" if metrics else "$JS.EVENT.ADVISORY.>"
        return Advisories(await self._client.subscribe(subject))

    def batch(self, *, max_bytes: int | None = None) -> Batch:
        """An empty batch, whose messages are stored together or not at all: `async with js.batch() as batch: ...`.

        Args:
            max_bytes: of the messages, which are kept until they are committed; errors.LimitReachedError.
        """
        return Batch(self, max_bytes)

    async def increment(
        self, subject: str, by: int = 1, *, msg_id: str | None = None, timeout: float | None = None
    ) -> int:
        """Adds to the counter of a subject (a stream with allow_msg_counter), and gives its value, of any size.

        It is not repeated after a time-out or a lost connection unless it has a msg_id: then it is counted once, and
        of one that was counted before it is the value by now. errors.CounterRefusedError; errors.InvalidAckError: the
        stream has stored it, but counts nothing.
        """
        if not isinstance(by, int) or isinstance(by, bool):
            raise TypeError(f"by must be int, not {type(by).__name__}")
        headers = None if msg_id is None else {"Nats-Msg-Id": msg_id}
        ack = await self._increment(subject, str(by), headers, timeout)
        assert ack.value is not None
        return ack.value

    async def account_info(self) -> api.AccountInfo:
        """What the account uses, and its limits. errors.JetStreamNotEnabledError: it has no JetStream."""
        return api.AccountInfo(await self.call("account.info"))

    # ------------------------------------------------------------------------------------------- streams

    async def add_stream(self, config: _StreamConfig = None, **params: Any) -> api.StreamInfo:
        """Creates a stream; that there is one with this configuration is no error."""
        made = _values.config_of(api.StreamConfig, config, params)
        return api.StreamInfo(await self.call("stream.create", config=made.as_dict()))

    async def update_stream(self, config: _StreamConfig = None, **params: Any) -> api.StreamInfo:
        """Changes what is said, and keeps the rest of the stream's configuration as it is."""
        made = _values.config_of(api.StreamConfig, config, params)
        return api.StreamInfo(await self.call("stream.update", config=made.as_dict()))

    async def create_or_update_stream(self, config: _StreamConfig = None, **params: Any) -> api.StreamInfo:
        """update_stream(), or add_stream() if there is none."""
        made = _values.config_of(api.StreamConfig, config, params)
        return api.StreamInfo(await self.call("stream.create_or_update", config=made.as_dict()))

    async def stream_info(
        self, name: str, subjects_filter: str | None = None, *, deleted_details: bool = False
    ) -> api.StreamInfo:
        """Configuration and state.

        Args:
            subjects_filter: also the number of messages of each of these subjects: info.state.subjects.
            deleted_details: also the sequences of deleted messages: info.state.deleted.
        """
        wishes = _said(subjects_filter=subjects_filter, deleted_details=deleted_details or None)
        return api.StreamInfo(await self.call("stream.info", stream=name, **wishes))

    async def streams_info(self, offset: int = 0, subject: str | None = None) -> list[api.StreamInfo]:
        """All streams from `offset` on, or those that take messages of a subject."""
        return list(await self.streams_info_iterator(offset, subject))

    async def streams_info_iterator(
        self, offset: int = 0, subject: str | None = None
    ) -> api.StreamsListIterator:
        """The same as an iterator, which also knows their number (`total`)."""
        answer = await self.call("stream.list", **_said(offset=offset or None, subject=subject))
        return api.StreamsListIterator(offset, answer.get("total", 0), answer.get("streams") or [])

    async def stream_names(self, subject: str | None = None) -> list[str]:
        """The names of all streams, or of those that take messages of a subject."""
        answer = await self.call("stream.names", **_said(subject=subject))
        return list(answer.get("streams") or [])

    async def find_stream_name_by_subject(self, subject: str) -> str:
        """The name of the one stream that takes messages of the subject; errors.StreamNotFoundError."""
        return str((await self.call("stream.find", subject=subject))["stream"])

    async def purge_stream(
        self, name: str, seq: int | None = None, subject: str | None = None, keep: int | None = None
    ) -> bool:
        """Removes messages.

        Args:
            seq: those before this sequence,
            subject: those of this subject, which may have wildcards,
            keep: all but so many.
        """
        answer = await self.call("stream.purge", stream=name, **_said(seq=seq, filter=subject, keep=keep))
        return bool(answer.get("success"))

    async def delete_stream(self, name: str) -> bool:
        """Deletes the stream with its messages and consumers."""
        return bool((await self.call("stream.delete", stream=name)).get("success"))

    async def get_msg(
        self,
        stream_name: str,
        seq: int | None = None,
        subject: str | None = None,
        direct: bool = False,
        next: bool = False,
        *,
        start_time: datetime | str | None = None,
        timeout: float | None = None,
    ) -> StoredMsg:
        """A message as the stream keeps it: by its sequence, or the first one that was stored at `start_time` or
        later; the last one of a subject, or with `next` the first one of a subject from a sequence or time on.
        errors.MsgNotFoundError.

        Args:
            direct: any server that has the stream may answer, a mirror too, which is faster and spreads the load, but
                may be a little behind; where the stream does not allow it (allow_direct), as without it, its leader.
            start_time: a datetime with a time zone, or a text as RFC 3339 has it.
            timeout: seconds; None is the context's.
        """
        flags = (_natskit.GET_NEXT if next else 0) | (0 if direct else _natskit.GET_BY_LEADER)
        begin = 0 if start_time is None else _values.time_ns("start_time", start_time)
        limit = self._timeout if timeout is None else timeout
        msg: StoredMsg = await self._get_msg(stream_name, seq or 0, subject or "", begin, flags, limit)
        return msg

    async def get_last_msg(self, stream_name: str, subject: str, direct: bool = False) -> StoredMsg:
        """The last message of a subject; the rest as get_msg()."""
        return await self.get_msg(stream_name, subject=subject, direct=direct)

    async def direct_get(
        self,
        stream_name: str,
        seq: int | None = None,
        subject: str | None = None,
        next: bool = False,
        *,
        start_time: datetime | str | None = None,
        timeout: float | None = None,
    ) -> StoredMsg:
        """get_msg() with `direct`."""
        return await self.get_msg(
            stream_name, seq, subject, True, next, start_time=start_time, timeout=timeout
        )

    def get_batch(
        self,
        stream_name: str,
        batch: int | None = None,
        *,
        seq: int | None = None,
        start_time: datetime | str | None = None,
        subject: str | None = None,
        up_to_seq: int | None = None,
        max_bytes: int | None = None,
        page_msgs: int | None = None,
        page_bytes: int | None = None,
        answer_wait: float | None = None,
    ) -> Reading:
        """Messages of a stream without a consumer: `async for msg in js.get_batch("ORDERS", 100, seq=5): ...`

        They come in the stream's order, none twice and none left out that the stream still holds, also if the
        connection is lost meanwhile, and are asked for as they are taken. The loop ends when all that was asked for,
        or all that there is, has come, or raises why not: errors.NoDirectError, where the stream does not allow it
        (allow_direct) or there is none, errors.NoBatchError of servers before 2.11.

        Args:
            batch: messages at most; None: all that there are.
            seq, start_time: what it begins with: a sequence, or a datetime with a time zone or a text as RFC 3339 has
                it; None: the first.
            subject: only messages of this one, which may have wildcards.
            up_to_seq: sequence that it ends with.
            max_bytes: bytes of subjects, headers and data after which it ends; the last message may go beyond it.
            page_msgs, page_bytes: so much is asked for at a time, and waits until it is taken.
            answer_wait: seconds for each message of an answer; after that the rest is asked for again.
        """
        begin = start_time if start_time is None else _values.time_text("start_time", start_time)
        wishes = {
            "batch": batch,
            "seq": seq,
            "start_time": begin,
            "next_by_subj": subject,
            "up_to_seq": up_to_seq,
            "max_bytes": max_bytes,
            "page_msgs": page_msgs,
            "page_bytes": page_bytes,
            "answer_ms": _options.milliseconds("answer_wait", answer_wait),
        }
        return self._get_batch(stream_name, _options.pairs(_natskit.OPTIONS_GET_BATCH, wishes))

    def get_last_msgs_for(
        self,
        stream_name: str,
        subjects: str | Iterable[str] | None = None,
        *,
        batch: int | None = None,
        up_to_seq: int | None = None,
        up_to_time: datetime | str | None = None,
        max_bytes: int | None = None,
        page_msgs: int | None = None,
        page_bytes: int | None = None,
        answer_wait: float | None = None,
    ) -> Reading:
        """The last message of each subject: `async for msg in js.get_last_msgs_for("ORDERS", ["a.*", "b"]): ...`

        A snapshot of what the stream holds at one sequence, however many pages that takes; otherwise as get_batch().
        Where a stream keeps too few messages of a subject, what is replaced before it was read is missing; the loop
        raises errors.SnapshotChangedError at its end then. errors.JetStreamLimitError, if more than 1,024 subjects
        match one of those asked for.

        Args:
            subjects: with `*` as a token and `>` as the last one; None: all. What several match comes once.
            up_to_seq, up_to_time: the snapshot's; None: the present end.
        """
        until = up_to_time if up_to_time is None else _values.time_text("up_to_time", up_to_time)
        wishes = {
            "subjects": [subjects] if isinstance(subjects, str) else subjects,
            "batch": batch,
            "up_to_seq": up_to_seq,
            "up_to_time": until,
            "max_bytes": max_bytes,
            "page_msgs": page_msgs,
            "page_bytes": page_bytes,
            "answer_ms": _options.milliseconds("answer_wait", answer_wait),
        }
        return self._get_last(stream_name, _options.pairs(_natskit.OPTIONS_GET_LAST, wishes))

    async def delete_msg(self, stream_name: str, seq: int, erase: bool = True) -> bool:
        """Deletes a message; without `erase` its bytes are not overwritten, which is faster."""
        wishes = _said(no_erase=None if erase else True)
        answer = await self.call("stream.message.delete", stream=stream_name, seq=seq, **wishes)
        return bool(answer.get("success"))

    async def stream(self, name: str) -> Stream:
        """The stream as an object, which knows its info."""
        return Stream(self, await self.stream_info(name))

    # ----------------------------------------------------------------------------------------- consumers

    async def _make_consumer(
        self, name: str, stream: str, config: _ConsumerConfig, timeout: float | None, params: dict[str, Any]
    ) -> api.ConsumerInfo:
        made = _values.config_of(api.ConsumerConfig, config, params).as_dict()
        if name != "consumer.update":
            made.setdefault("ack_policy", "explicit")  # the server's own is none: nothing were delivered again
        return api.ConsumerInfo(await self.call(name, timeout=timeout, stream=stream, config=made))

    async def add_consumer(
        self, stream: str, config: _ConsumerConfig = None, timeout: float | None = None, **params: Any
    ) -> api.ConsumerInfo:
        """Creates a consumer; that there is one with this configuration is no error. Without a durable_name the
        server deletes it when nobody uses it, without any name it gives it one. Acks are explicit unless ack_policy
        says otherwise."""
        return await self._make_consumer("consumer.create", stream, config, timeout, params)

    async def update_consumer(
        self, stream: str, config: _ConsumerConfig = None, timeout: float | None = None, **params: Any
    ) -> api.ConsumerInfo:
        """Changes what is said, and keeps the rest of the consumer's configuration as it is."""
        return await self._make_consumer("consumer.update", stream, config, timeout, params)

    async def create_or_update_consumer(
        self, stream: str, config: _ConsumerConfig = None, timeout: float | None = None, **params: Any
    ) -> api.ConsumerInfo:
        """Creates a consumer, or gives one that exists this configuration."""
        return await self._make_consumer("consumer.create_or_update", stream, config, timeout, params)

    async def consumer_info(
        self, stream: str, consumer: str, timeout: float | None = None
    ) -> api.ConsumerInfo:
        """Configuration and state. errors.ConsumerNotFoundError."""
        answer = await self.call("consumer.info", timeout=timeout, stream=stream, consumer=consumer)
        return api.ConsumerInfo(answer)

    async def consumers_info(self, stream: str, offset: int | None = None) -> list[api.ConsumerInfo]:
        """All consumers of the stream, from `offset` on."""
        answer = await self.call("consumer.list", stream=stream, **_said(offset=offset or None))
        return [api.ConsumerInfo(raw) for raw in answer.get("consumers") or []]

    async def consumer_names(self, stream: str) -> list[str]:
        """The names of the stream's consumers."""
        return list((await self.call("consumer.names", stream=stream)).get("consumers") or [])

    async def delete_consumer(self, stream: str, consumer: str) -> bool:
        """Deletes a consumer."""
        answer = await self.call("consumer.delete", stream=stream, consumer=consumer)
        return bool(answer.get("success"))

    async def pause_consumer(
        self, stream: str, consumer: str, pause_until: datetime | str, timeout: float | None = None
    ) -> api.ConsumerPause:
        """Has the consumer deliver nothing until then (server 2.11)."""
        until = _values.time_text("pause_until", pause_until)
        where = {"stream": stream, "consumer": consumer}
        return api.ConsumerPause(
            await self.call("consumer.pause", timeout=timeout, **where, pause_until=until)
        )

    async def resume_consumer(
        self, stream: str, consumer: str, timeout: float | None = None
    ) -> api.ConsumerPause:
        """Ends a pause."""
        answer = await self.call("consumer.resume", timeout=timeout, stream=stream, consumer=consumer)
        return api.ConsumerPause(answer)

    async def reset_consumer(
        self, stream: str, consumer: str, seq: int | None = None, timeout: float | None = None
    ) -> api.ConsumerReset:
        """Has the consumer begin anew behind what is acked, or at a sequence (server 2.14)."""
        where = {"stream": stream, "consumer": consumer}
        return api.ConsumerReset(
            await self.call("consumer.reset", timeout=timeout, **where, **_said(seq=seq))
        )

    async def unpin_consumer(self, stream: str, consumer: str, group: str) -> bool:
        """Lets another client of a pinned priority group have its turn (server 2.11)."""
        await self.call("consumer.unpin", stream=stream, consumer=consumer, group=group)
        return True

    async def consumer(self, stream: str, name: str) -> Consumer:
        """The consumer as an object, which knows its info."""
        return Consumer(self, await self.consumer_info(stream, name))

    def ordered(
        self,
        stream: str,
        cb: Callable[[Msg], Any] | None = None,
        *,
        subjects: str | Iterable[str] | None = None,
        deliver_policy: str | None = None,
        opt_start_seq: int | None = None,
        opt_start_time: datetime | str | None = None,
        headers_only: bool | None = None,
        heartbeat: float | None = None,
        marker: bool | None = None,
        ends: bool | None = None,
    ) -> Subscription:
        """The messages of a stream in its order, those that there are and those to come:
        `async for msg in js.ordered("ORDERS"): ...`

        None comes twice and none is left out, through lost connections, restarts and whatever happens to the
        server's consumer, which is made anew then. They need no acks. The loop ends when the subscription is closed,
        or raises why there can be no more: errors.StreamNotFoundError when the stream was deleted. stats() tells of
        it: last_seq, up to which all has come, resets, live, initial_done.

        Args:
            cb: is called with each message instead of a loop, as for Client.subscribe().
            subjects: only messages of these, with `*` as a token and `>` as the last one; no two may match the same.
            deliver_policy: what it begins with: "all" (by default), "new", "last", "last_per_subject",
                "by_start_sequence", which needs opt_start_seq, or "by_start_time", which needs opt_start_time.
            opt_start_time: a datetime with a time zone, or a text as RFC 3339 has it.
            headers_only: leave out data; header Nats-Msg-Size tells their size.
            heartbeat: seconds between two signs of life of the server; after two without one the consumer is made anew.
            marker: a natskit.Status of type "initial_done" comes once, when all that there was at the begin has come.
            ends: end then, instead.
        """
        begin = opt_start_time if opt_start_time is None else _values.time_text("opt_start_time", opt_start_time)
        wishes = {
            "subjects": [subjects] if isinstance(subjects, str) else subjects,
            "deliver_policy": deliver_policy,
            "opt_start_seq": opt_start_seq,
            "opt_start_time": begin,
            "headers_only": headers_only,
            "heartbeat_ms": _options.milliseconds("heartbeat", heartbeat),
            "marker": marker,
            "ends": ends,
        }
        _handlers.check(cb, 1)
        _handlers.check_loop(cb)  # [async]
        sub = self._ordered(stream, _options.pairs(_natskit.OPTIONS_ORDERED, wishes))
        if cb is not None:
            # [async]
            _handlers.begin(sub, cb, 1)
            # [end]
            # [sync] sub._handle(cb, False, 1, None)
        return sub

    async def subscribe(
        self,
        subject: str,
        queue: str | None = None,
        cb: Callable[[Msg], Any] | None = None,
        durable: str | None = None,
        stream: str | None = None,
        config: _ConsumerConfig = None,
        manual_ack: bool = False,
        ordered_consumer: bool = False,
        idle_heartbeat: float | None = None,
        flow_control: bool | None = None,
        pending_msgs_limit: int | None = None,
        pending_bytes_limit: int | None = None,
        deliver_policy: str | None = None,
        headers_only: bool | None = None,
        inactive_threshold: float | None = None,
        *,
        concurrency: int = 1,
        name: str | None = None,
        bind: bool | None = None,
        deliver_subject: str | None = None,
        subjects: str | Iterable[str] | None = None,
        opt_start_seq: int | None = None,
        opt_start_time: datetime | str | None = None,
        ack_policy: str | None = None,
        ack_wait: float | None = None,
        max_deliver: int | None = None,
        max_ack_pending: int | None = None,
        replay_policy: str | None = None,
        rate_limit_bps: int | None = None,
        sample_percent: int | None = None,
        num_replicas: int | None = None,
        mem_storage: bool | None = None,
        description: str | None = None,
        max_msgs: int | None = None,
        destroy: str | None = None,
        status_events: bool | None = None,
        timeout: float | None = None,
    ) -> Subscription:
        """Subscribes to a push consumer, which delivers by itself: one of this name that exists, or a new one.

        It lives through lost connections, restarts and other leaders. sub.consumer is its stream and its name, stats()
        tells of it: live, heartbeats, flow_requests, recreated, lost. The loop over it ends, with an exception, when
        the consumer is deleted. errors.AlreadyExistsError: it is configured otherwise than is asked for here;
        errors.BusyError: another subscription is bound to it, and it has no queue.

        Args:
            queue: of subscriptions that share the messages; without `durable` also the consumer's name.
            cb, concurrency: as for Client.subscribe(). A message is acked when `cb` has returned, unless it has been
                or `manual_ack` is given. A loop acks by itself.
            durable: name of a consumer that stays; `name` of one that the server forgets when nobody is subscribed.
                With `bind` it has to exist.
            stream: without it the one that takes the subject.
            config: other fields of the consumer's configuration, and those that have a keyword here: deliver_policy,
                opt_start_seq, opt_start_time (a datetime with a time zone, or a text as RFC 3339 has it), ack_policy,
                ack_wait (seconds), max_deliver, max_ack_pending, replay_policy, rate_limit_bps, num_replicas,
                mem_storage, description.
            subjects: more subjects of the stream (filter_subjects); with them `subject` may be "".
            sample_percent: acks that the server tells of, as advisories.
            ordered_consumer: ordered() of these messages instead.
            idle_heartbeat: seconds between two signs of life of the server, by default 5 without a queue.
            flow_control: whether the server waits for slow taking, so that nothing is dropped; by default without a
                queue. Else pending_msgs_limit and pending_bytes_limit are what may wait.
            inactive_threshold: seconds without a subscription after which the server deletes it.
            max_msgs: the subscription ends by itself after so many.
            destroy: whether close() deletes the consumer: "made", if this subscription has made it and it has no
                durable name (by default), "always", "never". drain() leaves it.
            status_events: what happens to it comes, too, as natskit.Status.
            timeout: seconds for finding or making the consumer; None is the context's.
        """
        if ordered_consumer:
            return await self._subscribe_ordered(subject, cb, stream, config, idle_heartbeat, deliver_policy, headers_only)
        made = _values.config_of(api.ConsumerConfig, config, {}).as_dict()
        wishes = {
            "queue": queue,
            "durable": durable,
            "stream": stream,
            "config": _later.json_encode(made) if made else None,
            "heartbeat_ms": _options.milliseconds("idle_heartbeat", idle_heartbeat),
            "flow_control": None if flow_control is None else "true" if flow_control else "false",
            "pending_msgs_limit": pending_msgs_limit,
            "pending_bytes_limit": pending_bytes_limit,
            "deliver_policy": deliver_policy,
            "headers_only": headers_only,
            "inactive_threshold_ms": _options.milliseconds("inactive_threshold", inactive_threshold),
            "name": name,
            "bind": bind,
            "deliver_subject": deliver_subject,
            "subjects": [subjects] if isinstance(subjects, str) else subjects,
            "opt_start_seq": opt_start_seq,
            "opt_start_time": _values.time_text("opt_start_time", opt_start_time) if opt_start_time else None,
            "ack_policy": ack_policy,
            "ack_wait_ms": _options.milliseconds("ack_wait", ack_wait),
            "max_deliver": max_deliver,
            "max_ack_pending": max_ack_pending,
            "replay_policy": replay_policy,
            "rate_limit_bps": rate_limit_bps,
            "sample_percent": sample_percent,
            "num_replicas": num_replicas,
            "mem_storage": mem_storage,
            "description": description,
            "max_msgs": max_msgs,
            "destroy": destroy,
            "status_events": status_events,
        }
        _handlers.check(cb, concurrency)
        pairs = _options.pairs(_natskit.OPTIONS_PUSH, wishes)
        sub, ready = self._push(subject, pairs, self._timeout if timeout is None else timeout)
        info = await ready
        if cb is not None:
            acks = not manual_ack and info["config"].get("ack_policy", "none") != "none"
            handler = _handlers.acking(cb) if acks else cb
            # [async]
            _handlers.begin(sub, handler, concurrency)
            # [end]
            # [sync] sub._handle(handler, False, concurrency, None)
        return sub

    async def subscribe_bind(
        self,
        stream: str,
        config: _ConsumerConfig,
        consumer: str,
        cb: Callable[[Msg], Any] | None = None,
        manual_ack: bool = False,
        **options: Any,
    ) -> Subscription:
        """The same for a push consumer that exists; `config` (None: as it is) is what it has to have."""
        return await self.subscribe(
            "", cb=cb, name=consumer, stream=stream, config=config, manual_ack=manual_ack, bind=True, **options
        )

    async def _subscribe_ordered(
        self,
        subject: str,
        cb: Callable[[Msg], Any] | None,
        stream: str | None,
        config: _ConsumerConfig,
        heartbeat: float | None,
        deliver_policy: str | None,
        headers_only: bool | None,
    ) -> Subscription:
        made = _values.config_of(api.ConsumerConfig, config, {})
        beat = made.idle_heartbeat
        if heartbeat is None and beat is not None:
            heartbeat = beat.total_seconds() if isinstance(beat, timedelta) else float(beat)
        return self.ordered(
            stream or await self.find_stream_name_by_subject(subject),
            cb,
            subjects=subject or made.filter_subjects or made.filter_subject,
            deliver_policy=deliver_policy or made.deliver_policy,
            opt_start_seq=made.opt_start_seq,
            opt_start_time=made.opt_start_time,
            headers_only=made.headers_only if headers_only is None else headers_only,
            heartbeat=heartbeat,
        )

    async def pull_subscribe(
        self,
        subject: str,
        durable: str | None = None,
        stream: str | None = None,
        config: _ConsumerConfig = None,
    ) -> PullSubscription:
        """nats-py's way to a pull consumer: that of this name, or a new one for the subject, of the stream or of the
        one that takes the subject. Without `durable` the server deletes it when nobody has fetched for a while.
        errors.AlreadyExistsError: it is configured otherwise."""
        made = _values.config_of(api.ConsumerConfig, config, {})
        if not made.filter_subjects and subject:
            made = made.evolve(filter_subject=subject)
        if durable is not None:
            made = made.evolve(name=durable, durable_name=durable)
        answer = await self.call(
            "consumer.ensure",
            config=made.as_dict(),
            defaults={"ack_policy": "explicit"},
            push=False,
            **_said(stream=stream, subject=None if stream else subject),
        )
        return PullSubscription(self, api.ConsumerInfo(answer))

    async def pull_subscribe_bind(self, consumer: str, stream: str) -> PullSubscription:
        """The same for a consumer that exists."""
        return PullSubscription(self, await self.consumer_info(stream, consumer))


def _said(**arguments: Any) -> dict[str, Any]:
    """What is not None."""
    return {name: value for name, value in arguments.items() if value is not None}


class Stream:
    """A stream, as JetStreamContext.stream() gives it."""

    def __init__(self, js: JetStreamContext, info: api.StreamInfo) -> None:
        self._js = js
        self._info = info
        self._name: str = info.config.name or ""

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self._name

    @property
    def cached_info(self) -> api.StreamInfo:
        """The info that was got last, without asking the server."""
        return self._info

    async def info(
        self, subjects_filter: str | None = None, *, deleted_details: bool = False
    ) -> api.StreamInfo:
        """Asks the server: as JetStreamContext.stream_info()."""
        self._info = await self._js.stream_info(
            self._name, subjects_filter, deleted_details=deleted_details
        )
        return self._info

    async def update(self, config: _StreamConfig = None, **params: Any) -> api.StreamInfo:
        """Changes what is said: as JetStreamContext.update_stream()."""
        made = _values.config_of(api.StreamConfig, config, params).evolve(name=self._name)
        self._info = await self._js.update_stream(made)
        return self._info

    async def purge(
        self, seq: int | None = None, subject: str | None = None, keep: int | None = None
    ) -> int:
        """Removes messages, as JetStreamContext.purge_stream(); gives their number."""
        wishes = _said(seq=seq, filter=subject, keep=keep)
        return int((await self._js.call("stream.purge", stream=self._name, **wishes)).get("purged", 0))

    async def delete(self) -> bool:
        """Deletes the stream."""
        return await self._js.delete_stream(self._name)

    async def get_msg(
        self,
        seq: int | None = None,
        subject: str | None = None,
        direct: bool = False,
        next: bool = False,
        *,
        start_time: datetime | str | None = None,
    ) -> StoredMsg:
        """A message: as JetStreamContext.get_msg()."""
        return await self._js.get_msg(self._name, seq, subject, direct, next, start_time=start_time)

    async def get_last_msg(self, subject: str, direct: bool = False) -> StoredMsg:
        """The last message of a subject."""
        return await self._js.get_last_msg(self._name, subject, direct)

    def get_batch(self, batch: int | None = None, **options: Any) -> Reading:
        """Messages of the stream without a consumer: as JetStreamContext.get_batch()."""
        return self._js.get_batch(self._name, batch, **options)

    def get_last_msgs_for(
        self, subjects: str | Iterable[str] | None = None, **options: Any
    ) -> Reading:
        """The last message of each subject: as JetStreamContext.get_last_msgs_for()."""
        return self._js.get_last_msgs_for(self._name, subjects, **options)

    async def delete_msg(self, seq: int, erase: bool = True) -> bool:
        """Deletes a message: as JetStreamContext.delete_msg()."""
        return await self._js.delete_msg(self._name, seq, erase)

    async def add_consumer(self, config: _ConsumerConfig = None, **params: Any) -> Consumer:
        """Creates a consumer: as JetStreamContext.add_consumer()."""
        return Consumer(self._js, await self._js.add_consumer(self._name, config, **params))

    async def update_consumer(self, config: _ConsumerConfig = None, **params: Any) -> Consumer:
        """Changes what is said of a consumer: as JetStreamContext.update_consumer()."""
        return Consumer(self._js, await self._js.update_consumer(self._name, config, **params))

    async def create_or_update_consumer(self, config: _ConsumerConfig = None, **params: Any) -> Consumer:
        """Creates a consumer, or gives one that exists this configuration."""
        return Consumer(self._js, await self._js.create_or_update_consumer(self._name, config, **params))

    async def consumer(self, name: str) -> Consumer:
        """A consumer of the stream as an object."""
        return await self._js.consumer(self._name, name)

    async def consumers_info(self) -> list[api.ConsumerInfo]:
        """All consumers of the stream."""
        return await self._js.consumers_info(self._name)

    async def consumer_names(self) -> list[str]:
        """Their names."""
        return await self._js.consumer_names(self._name)

    async def delete_consumer(self, name: str) -> bool:
        """Deletes a consumer."""
        return await self._js.delete_consumer(self._name, name)


class Publisher(_natskit.AsyncPublisher):
    """Many messages under way to streams, as JetStreamContext.publisher() gives it.

    publish() and publish_batch() come from the C part. They return when the message is handed over; what becomes of
    it `outcomes` tells, a subscription that yields PubOutcome(id, ack, error) of each message or of failures alone,
    or done(), which raises. The end of an `async with` is done(), then close().
    """

    def __init__(self, js: JetStreamContext, pairs: list[_options.Pair], takes_all: bool) -> None:
        self._open(js, pairs)
        self._client = js._client
        self._takes_all = takes_all  # the program takes the outcomes
        self._told = 0  # failures that done() has raised for then

    @property
    def _fails(self) -> bool:
        """For natskit._later: nothing waits for room in the outbox."""
        return self._client._fails

    async def _room(self, size: int, timeout: float | None) -> None:
        """For natskit._later: either may be full."""
        deadline = None if timeout is None else time.monotonic() + timeout
        await self._window(size, timeout)
        if not self._fails:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            await self._client._room(size, left)

    async def done(self, timeout: float | None = None) -> None:
        """Waits until every message has its outcome. If some are not known to be in their stream it raises the error
        of the first one; the error's `failures` are all of them that nobody has taken from `outcomes`. With acks="all"
        it takes nothing from `outcomes`, and raises a JetStreamError that only tells how many have failed since."""
        await self._done(timeout)
        if self._takes_all:
            self._raise_count()
        failures = [] if self._takes_all else await self._failures()
        if failures:
            error: errors.Error = failures[0].error
            error.failures = failures
            raise error

    def _raise_count(self) -> None:
        failed = self.stats()["failed"]
        told, self._told = self._told, failed
        if failed > told:
            raise errors.JetStreamError(f"messages not known to be stored: {failed - told}; outcomes tells why")

    async def _failures(self) -> list[Any]:
        """What is in `outcomes`; others may take from it, too."""
        failures: list[Any] = []
        try:
            while self.outcomes.pending_msgs:
                failures += await self.outcomes.next_batch(1024, 0)
        except (errors.TimeoutError, errors.WouldBlockError):
            pass  # others were faster
        return failures

    async def __aenter__(self) -> Publisher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.done()
        finally:
            await self.close()
