# SPDX-License-Identifier: Apache-2.0
"""Messages: natskit's, with nats-py's attributes, which can be set."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import natskit

from .. import errors
from .._mapping import translated

if TYPE_CHECKING:
    from .client import Client

# nats-py has these names here, too.
Error = errors.Error
MsgAlreadyAckdError = errors.MsgAlreadyAckdError
NotJSMessageError = errors.NotJSMessageError


class Msg:
    """A message. Its `headers` are a dict: of names that repeat it has the last value."""

    __slots__ = ("_client", "_raw", "data", "headers", "reply", "subject")

    def __init__(
        self,
        _client: Client,
        subject: str = "",
        reply: str = "",
        data: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        _raw: natskit.Msg | None = None,
    ) -> None:
        self._client = _client
        self._raw = _raw
        self.subject = subject
        self.reply = reply
        self.data = data
        self.headers = headers

    @dataclass(frozen=True)
    class Metadata:
        """What the server tells of a message that a consumer delivered."""

        sequence: Msg.Metadata.SequencePair
        num_pending: int
        num_delivered: int
        timestamp: datetime.datetime
        stream: str
        consumer: str
        domain: str | None = None

        @dataclass(frozen=True)
        class SequencePair:
            """A message's numbers in its consumer and in its stream."""

            consumer: int
            stream: int

    class Ack:
        """What is sent to the server for a message."""

        Ack = b"+ACK"
        Nak = b"-NAK"
        Progress = b"+WPI"
        Term = b"+TERM"

    @property
    def header(self) -> dict[str, str] | None:
        return self.headers

    @property
    def is_acked(self) -> bool:
        return self._raw is not None and self._raw.is_acked

    @property
    def sid(self) -> int:
        if self._raw is None:
            raise errors.Error("sid not set")
        return self._raw.sid

    async def respond(self, data: bytes) -> None:
        """Answers, with what is in `headers`."""
        if not self.reply:
            raise errors.Error("no reply subject available")
        await self._client.publish(self.reply, data, headers=self.headers)

    def _delivered(self) -> natskit.Msg:
        if self._raw is None or not self.reply:
            raise errors.NotJSMessageError
        if self._raw.is_acked:
            raise errors.MsgAlreadyAckdError(self)
        return self._raw

    async def ack(self) -> None:
        """Tells the server that it is done."""
        raw = self._delivered()
        with translated:
            await raw.ack()

    async def ack_sync(self, timeout: float = 1.0) -> Msg:
        """The same, and waits until the server knows it."""
        raw = self._delivered()
        with translated:
            answer: Msg = received(self._client, await raw.ack_sync(timeout))
            return answer

    async def nak(self, delay: int | float | None = None) -> None:
        """Has it delivered again, after `delay` seconds."""
        raw = self._delivered()
        with translated:
            await raw.nak(delay or None)

    async def in_progress(self) -> None:
        """Asks for more time."""
        if self._raw is None or not self.reply:
            raise errors.NotJSMessageError
        with translated:
            await self._raw.in_progress()

    async def term(self) -> None:
        """Has it not delivered again."""
        raw = self._delivered()
        with translated:
            await raw.term()

    @property
    def metadata(self) -> Msg.Metadata:
        """What the server tells of it."""
        if self._raw is None or not self.reply:
            raise errors.NotJSMessageError
        with translated:
            told = self._raw.metadata
        sequence = self.Metadata.SequencePair(told.sequence.consumer, told.sequence.stream)
        return self.Metadata(
            sequence,
            told.num_pending,
            told.num_delivered,
            told.timestamp,
            told.stream,
            told.consumer,
            told.domain,
        )

    def __repr__(self) -> str:
        return (
            f"Msg(subject={self.subject!r}, reply={self.reply!r}, data={self.data!r}, headers={self.headers!r})"
        )


def plain_headers(headers: natskit.Headers | None) -> dict[str, str] | None:
    """Headers as a dict, or None."""
    return None if headers is None else dict(headers.pairs()) or None


def received(client: Client, raw: natskit.Msg) -> Any:
    """A message of natskit as one of nats-py, of the client's msg_class."""
    return client.msg_class(client, raw.subject, raw.reply, raw.data, plain_headers(raw.headers), _raw=raw)
