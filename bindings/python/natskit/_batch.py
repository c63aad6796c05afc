# SPDX-License-Identifier: Apache-2.0
"""Atomic batches: names over what the library does.

The one for asyncio, natskit/_batch.py, is the source; bindings/python/tools/generate_sync.py makes the blocking one,
natskit/sync/_batch.py, from it.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from . import _natskit, _options
from ._natskit import PubAck

if TYPE_CHECKING:
    from ._js import JetStreamContext

__all__ = ["Batch"]


class Batch(_natskit.AsyncBatch):
    """Messages that a stream stores together, one behind the other, or not at all (allow_atomic, server 2.12):

        async with js.batch() as batch:
            batch.add("orders.1", b"...")
            batch.add("stock.7", b"...", expected_last_subject_seq=12)
        print(batch.ack.seq)

    add() and discard() come from the C part. Nothing is sent before the commit, which the end of an `async with` is
    unless an exception leaves it. A batch is committed once.
    """

    def __init__(self, context: JetStreamContext, max_bytes: int | None) -> None:
        self._open(context, _options.pairs(_natskit.OPTIONS_BATCH, {"max_bytes": max_bytes}))
        self._js = context
        self.ack: PubAck | None = None
        """The ack of the commit, once there is one: `seq` of the last message, `batch_size`, `batch`."""

    async def commit(self, timeout: float | None = None) -> PubAck:
        """Stores the batch.

        Raises errors.JetStreamError (BatchNotAllowedError, BatchIncompleteError, BatchRefusedError, BatchLimitError,
        WrongLastSequenceError, APILevelError, ...) and what publish() raises. The error's `outcome` is "unknown" only
        if the last frame was sent and not answered; with any other nothing of the batch is stored.

        Args:
            timeout: seconds; None is the context's.
        """
        ack: PubAck = await self._commit(self._js._timeout if timeout is None else timeout)
        self.ack = ack
        return ack

    def __len__(self) -> int:
        """Its messages."""
        return self._info()[0]

    @property
    def size(self) -> int:
        """Bytes of subjects, headers and payloads."""
        return self._info()[1]

    @property
    def committed(self) -> bool:
        """Whether a commit was begun."""
        return self._info()[2]

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and not self.committed and len(self) > 0:
                await self.commit()
        finally:
            self.discard()
