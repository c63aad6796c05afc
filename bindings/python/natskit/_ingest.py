# SPDX-License-Identifier: Apache-2.0
"""Fast ingest: names over what the library does.

The one for asyncio, natskit/_ingest.py, is the source; bindings/python/tools/generate_sync.py makes the blocking one,
natskit/sync/_ingest.py, from it.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from . import _natskit, _options
from ._natskit import PubAck

if TYPE_CHECKING:
    from ._js import JetStreamContext

__all__ = ["Ingest"]


class Ingest(_natskit.AsyncIngest):
    """Many messages to one stream, in their order, that it acks by and by (allow_batched, server 2.14):

        async with js.ingest() as fast:
            for line in lines:
                await fast.publish("log.a", line)
        print(fast.ack.seq)

    publish(), close() and stats() come from the C part. `failures` is a subscription to what is not stored. The end of
    an `async with` is commit(), unless an exception leaves it or nothing was published, then close().
    """

    def __init__(self, js: JetStreamContext, pairs: list[_options.Pair]) -> None:
        self._open(js, pairs)
        self._js = js
        self.ack: PubAck | None = None
        """The ack of the commit, once there is one: `seq` of the last message in the stream, `batch_size`, `batch`."""

    @property
    def _fails(self) -> bool:
        """For natskit._later: nothing waits for room in the outbox."""
        return self._js._client._fails

    async def _room(self, size: int, timeout: float | None) -> None:
        """For natskit._later: either may be full."""
        deadline = None if timeout is None else time.monotonic() + timeout
        await self._window(timeout)
        if not self._fails:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            await self._js._client._room(size, left)

    async def commit(self, timeout: float | None = None) -> PubAck:
        """Ends it, and waits until all is stored. With on_gap="fail" the first failure is raised, and
        stats()["acked"] tells how many messages are stored before it. The error's `outcome` is "unknown" if nobody
        knows of the messages behind that.

        Args:
            timeout: seconds; None is the context's.
        """
        ack: PubAck = await self._commit(self._js._timeout if timeout is None else timeout)
        self.ack = ack
        return ack

    async def __aenter__(self) -> Ingest:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.ack is None and self.stats()["published"] > 0:
                await self.commit()
        finally:
            await self.close()
