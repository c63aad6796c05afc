# SPDX-License-Identifier: Apache-2.0
"""What the server tells of a message that a JetStream consumer delivered; the C part calls metadata()."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

__all__ = ["Metadata", "SequencePair"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(ns: int) -> datetime:
    """Nanoseconds since 1970 as a time in UTC, to the microsecond."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


@dataclass(frozen=True, slots=True)
class SequencePair:
    """The message's place in the stream, and in what the consumer delivered."""

    consumer: int
    stream: int


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where a message comes from, and which delivery of it this is.

    Attributes:
        sequence: its numbers in the stream and in the consumer.
        num_pending: messages that the consumer has still to deliver.
        num_delivered: how often it was delivered, this time included.
        timestamp_ns: when the stream stored it, in nanoseconds since 1970.
        stream: name of the stream.
        consumer: name of the consumer.
        domain: the JetStream domain, or None.
        account: hash of the account, or None if the server does not tell.
    """

    sequence: SequencePair
    num_pending: int
    num_delivered: int
    timestamp_ns: int
    stream: str
    consumer: str
    domain: str | None = None
    account: str | None = None

    @property
    def timestamp(self) -> datetime:
        """When the stream stored it, in UTC, to the microsecond."""
        return moment(self.timestamp_ns)

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before."""
        return self.num_delivered > 1


def metadata(
    stream: str,
    consumer: str,
    domain: str,
    account: str,
    stream_seq: int,
    consumer_seq: int,
    delivered: int,
    pending: int,
    time_ns: int,
) -> Metadata:
    sequence = SequencePair(consumer_seq, stream_seq)
    return Metadata(sequence, pending, delivered, time_ns, stream, consumer, domain or None, account or None)
