# SPDX-License-Identifier: Apache-2.0
"""JetStream for operators: snapshots, leaders, peers, moves, traces of messages; and what servers tell.

The one for asyncio, natskit/_admin.py, is the source; bindings/python/tools/generate_sync.py makes the blocking one,
natskit/sync/_admin.py, from it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable  # [async]
# [sync] from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _later, _natskit, errors
from ._natskit import AsyncSubscription as Subscription
from .js import api

if TYPE_CHECKING:
    from ._js import JetStreamContext

__all__ = ["Admin", "Advisories", "Advisory", "Snapshot"]


class Advisory(NamedTuple):
    """What a server tells of a stream or consumer."""

    kind: str  # "stream_action", "consumer_action", "max_deliver", "api_audit", "consumer_ack", ...
    data: dict[str, Any]  # as the server writes it
    subject: str


class Advisories:
    """An iterator over advisories, as JetStreamContext.advisories() gives it; it ends when it is closed."""

    def __init__(self, sub: Subscription) -> None:
        self.subscription = sub

    @staticmethod
    def _read(msg: Any) -> Advisory:
        try:
            data = _later.json_decode(msg.data.decode())
        except ValueError:
            data = None
        if not isinstance(data, dict):
            return Advisory("", {}, msg.subject)  # of nobody who speaks for JetStream
        return Advisory(str(data.get("type", "")).rpartition(".")[2], data, msg.subject)

    def __aiter__(self) -> AsyncIterator[Advisory]:
        return self

    async def __anext__(self) -> Advisory:
        return self._read(await self.subscription.__anext__())

    async def next(self, timeout: float | None = 5.0) -> Advisory:
        """The next one; errors.TimeoutError."""
        return self._read(await self.subscription.next_msg(timeout=timeout))

    async def close(self) -> None:
        """Unsubscribes."""
        await self.subscription.close()

    async def __aenter__(self) -> Advisories:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Snapshot:
    """A snapshot of a stream: an iterator over its chunks (bytes), as Admin.snapshot() gives it. `config` and `state`
    of the stream go with it. The loop ends when all has come, and raises if it is not whole."""

    def __init__(self, sub: Subscription, answer: dict[str, Any]) -> None:
        self.subscription = sub
        self.config: dict[str, Any] = answer["config"]
        self.state: dict[str, Any] = answer["state"]
        self._whole = False  # the end was reached

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.subscription.is_closed and not self._whole:
            raise errors.SubscriptionClosedError("the snapshot is not whole: it was closed")
        try:
            msg = await self.subscription.__anext__()
        except StopAsyncIteration:
            self._whole = True
            raise
        return bytes(msg.data)

    async def close(self) -> None:
        """Gives it up."""
        await self.subscription.close()

    async def __aenter__(self) -> Snapshot:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _placed(preferred: str | None) -> dict[str, Any]:
    return {} if preferred is None else {"placement": {"preferred": preferred}}


def _said(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


class Admin:
    """What operators do, as `js.admin`. Methods give the server's answer; some need a cluster, those of servers and
    accounts the system account."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    # ------------------------------------------------------------------------------------------- backups

    async def snapshot(
        self,
        stream: str,
        *,
        consumers: bool = True,
        chunk_size: int | None = None,
        check: bool = False,
        timeout: float | None = None,
    ) -> Snapshot:
        """A snapshot of a stream: `async with await js.admin.snapshot("ORDERS") as it: async for chunk in it: ...`

        Args:
            consumers: whether its consumers are in it.
            chunk_size: bytes of a chunk at most.
            check: whether the server checks its files first.
            timeout: seconds for the answer; the chunks come then.
        """
        wishes = _said(no_consumers=None if consumers else True, chunk_size=chunk_size, jsck=check or None)
        text = _later.json_encode({"stream": stream, **wishes})
        sub, ready = self._js._snapshot(text, self._js._timeout if timeout is None else timeout)
        try:
            return Snapshot(sub, await ready)
        except BaseException:
            await sub.close()
            raise

    async def restore(
        self,
        config: dict[str, Any],
        state: dict[str, Any],
        chunks: Iterable[bytes] | AsyncIterable[bytes],  # [async]
        # [sync] chunks: Iterable[bytes],
        *,
        timeout: float | None = None,
    ) -> api.StreamInfo:
        """Makes a stream of a snapshot: `config` and `state` as it had them (the name may be another one), `chunks` an
        iterable of bytes. For asyncio it may be asynchronous.

        Args:
            timeout: seconds for each answer.

        Raises:
            JetStreamError: the server refuses the stream, or what it has got of it.
            NoRespondersError: it has given the restore up.
        """
        js = self._js
        wait = js._timeout if timeout is None else timeout
        where = await js.call("stream.restore", timeout=wait, stream=config["name"], config=config, state=state)
        subject = where["deliver_subject"]
        # [async]
        if isinstance(chunks, AsyncIterable):
            async for chunk in chunks:
                if chunk:
                    await js._restore_chunk(subject, chunk, wait)
            chunks = ()
        # [end]
        for chunk in chunks:
            if chunk:  # an empty one would be the end
                await js._restore_chunk(subject, chunk, wait)
        return api.StreamInfo(await js._restore_chunk(subject, b"", wait))

    # ------------------------------------------------------------------------------------------- leaders

    async def step_down_stream(self, stream: str, preferred: str | None = None) -> dict[str, Any]:
        """Has the stream's servers elect another leader, if it can be the preferred one (a server's name)."""
        return await self._js.call("stream.leader.stepdown", stream=stream, **_placed(preferred))

    async def step_down_consumer(self, stream: str, consumer: str, preferred: str | None = None) -> dict[str, Any]:
        """The same of a consumer."""
        return await self._js.call(
            "consumer.leader.stepdown", stream=stream, consumer=consumer, **_placed(preferred)
        )

    async def step_down_meta(self, preferred: str | None = None) -> dict[str, Any]:
        """The same of all of JetStream."""
        return await self._js.call("meta.leader.stepdown", **_placed(preferred))

    async def rescue_meta(self, **arguments: Any) -> dict[str, Any]:
        """Has what is left of a cluster that has lost its majority go on."""
        return await self._js.call("meta.rescue", **arguments)

    # --------------------------------------------------------------------------------- peers and servers

    async def remove_stream_peer(self, stream: str, peer: str) -> dict[str, Any]:
        """Takes a server out of those that keep the stream."""
        return await self._js.call("stream.peer.remove", stream=stream, peer=peer)

    async def evacuate_stream_peer(self, stream: str, peer: str) -> dict[str, Any]:
        """Moves what a server keeps of the stream to another one first."""
        return await self._js.call("stream.peer.evacuate", stream=stream, peer=peer)

    async def remove_consumer_peer(self, stream: str, consumer: str, peer: str) -> dict[str, Any]:
        """The same as remove_stream_peer() of a consumer."""
        return await self._js.call("consumer.peer.remove", stream=stream, consumer=consumer, peer=peer)

    async def evacuate_consumer_peer(self, stream: str, consumer: str, peer: str) -> dict[str, Any]:
        """The same as evacuate_stream_peer() of a consumer."""
        return await self._js.call("consumer.peer.evacuate", stream=stream, consumer=consumer, peer=peer)

    async def cancel_move(self, stream: str) -> dict[str, Any]:
        """Gives up a move of the stream between clusters."""
        return await self._js.call("stream.cancel_move", stream=stream)

    async def remove_server(self, peer: str | None = None, peer_id: str | None = None) -> dict[str, Any]:
        """Takes a server out of the cluster for good."""
        return await self._js.call("server.remove", **_said(peer=peer, peer_id=peer_id))

    async def evacuate_server(self, peer: str | None = None, peer_id: str | None = None) -> dict[str, Any]:
        """Moves all that a server keeps elsewhere."""
        return await self._js.call("server.evacuate", **_said(peer=peer, peer_id=peer_id))

    # ------------------------------------------------------------------------------------------ accounts

    async def purge_account(self, account: str) -> dict[str, Any]:
        """Deletes all streams and consumers of an account."""
        return await self._js.call("account.purge", account=account)

    async def move_account_stream(
        self,
        account: str,
        stream: str,
        *,
        server: str | None = None,
        cluster: str | None = None,
        domain: str | None = None,
        tags: list[str] | None = None,
    ) -> dict[str, Any]:
        """Moves a stream of an account away from a server, to servers of a cluster or with tags."""
        wishes = _said(server=server, cluster=cluster, domain=domain, tags=tags)
        return await self._js.call("account.stream.move", account=account, stream=stream, **wishes)

    async def cancel_account_stream_move(self, account: str, stream: str) -> dict[str, Any]:
        """Gives up such a move."""
        return await self._js.call("account.stream.cancel_move", account=account, stream=stream)

    # -------------------------------------------------------------------------------------------- traces

    async def trace(
        self,
        subject: str,
        payload: Any = b"",
        *,
        headers: Any = None,
        deliver: bool = False,
        timeout: float = 2.0,
    ) -> dict[str, Any]:
        """The way of a message through the servers: {"missing": n, "trace": event}, where the event is what the first
        server tells, and each egress to another server has that one's event as "link". `missing` counts servers that
        have told nothing within `timeout` seconds.

        Args:
            deliver: whether the message is delivered and stored, too.
        """
        client = self._js._client
        inbox = client.new_inbox()
        sub = await client.subscribe(inbox)
        events: list[Any] = []
        tree: dict[str, Any] = {"missing": 1, "trace": None}
        deadline = time.monotonic() + timeout
        try:
            await client.publish(subject, payload, headers=headers, trace_destination=inbox, trace_only=not deliver)
            while tree["missing"]:
                msg = await sub.next_msg(timeout=max(0.001, deadline - time.monotonic()))
                events.append(_later.json_decode(bytes(msg.data).decode()))
                tree = _natskit._trace_tree(_later.json_encode(events))
        except errors.TimeoutError:
            pass
        finally:
            await sub.close()
        return tree
