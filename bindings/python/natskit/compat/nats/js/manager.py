# SPDX-License-Identifier: Apache-2.0
"""Management of streams and consumers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import errors as client_errors
from .._mapping import translated
from . import api, errors

if TYPE_CHECKING:
    from ..aio.client import Client

# nats-py has these names here, too.
NoRespondersError = client_errors.NoRespondersError
APIError = errors.APIError
ConsumerInvalidResetError = errors.ConsumerInvalidResetError
NotFoundError = errors.NotFoundError
ServiceUnavailableError = errors.ServiceUnavailableError


class JetStreamManager:
    """What is asked of JetStream's API."""

    def __init__(self, conn: Client, prefix: str = api.DEFAULT_PREFIX, timeout: float = 5) -> None:
        self._open(conn, prefix, None, timeout)

    def _open(self, conn: Client, prefix: str, domain: str | None, timeout: float) -> None:
        given: dict[str, Any] = {"domain": domain} if domain is not None else {"prefix": prefix}
        if given == {"prefix": api.DEFAULT_PREFIX}:
            given = {}
        self._nc = conn
        with translated:
            self._js = conn._nc.jetstream(timeout=timeout, **given)

    async def account_info(self) -> api.AccountInfo:
        with translated:
            return await self._js.account_info()

    async def find_stream_name_by_subject(self, subject: str) -> str:
        """The stream that takes messages of the subject; errors.NotFoundError."""
        with translated:
            return await self._js.find_stream_name_by_subject(subject)

    # ------------------------------------------------------------------------------------------- streams

    async def stream_info(self, name: str, subjects_filter: str | None = None) -> api.StreamInfo:
        with translated:
            return await self._js.stream_info(name, subjects_filter)

    async def add_stream(self, config: api.StreamConfig | None = None, **params: Any) -> api.StreamInfo:
        with translated:
            return await self._js.add_stream(config, **params)

    async def update_stream(self, config: api.StreamConfig | None = None, **params: Any) -> api.StreamInfo:
        with translated:
            return await self._js.update_stream(config, **params)

    async def delete_stream(self, name: str) -> bool:
        with translated:
            return await self._js.delete_stream(name)

    async def purge_stream(
        self, name: str, seq: int | None = None, subject: str | None = None, keep: int | None = None
    ) -> bool:
        with translated:
            return await self._js.purge_stream(name, seq, subject, keep)

    async def streams_info(self, offset: int = 0) -> list[api.StreamInfo]:
        with translated:
            return await self._js.streams_info(offset)

    async def streams_info_iterator(self, offset: int = 0) -> Iterable[api.StreamInfo]:
        with translated:
            return await self._js.streams_info_iterator(offset)

    # ----------------------------------------------------------------------------------------- consumers

    async def consumer_info(self, stream: str, consumer: str, timeout: float | None = None) -> api.ConsumerInfo:
        with translated:
            return await self._js.consumer_info(stream, consumer, timeout)

    async def add_consumer(
        self, stream: str, config: api.ConsumerConfig | None = None, timeout: float | None = None, **params: Any
    ) -> api.ConsumerInfo:
        """Creates a consumer, or, as nats-py does, gives one that exists this configuration."""
        with translated:
            return await self._js.create_or_update_consumer(stream, config, timeout, **params)

    async def delete_consumer(self, stream: str, consumer: str) -> bool:
        with translated:
            return await self._js.delete_consumer(stream, consumer)

    async def pause_consumer(
        self, stream: str, consumer: str, pause_until: str, timeout: float | None = None
    ) -> api.ConsumerPause:
        with translated:
            return await self._js.pause_consumer(stream, consumer, pause_until, timeout)

    async def resume_consumer(
        self, stream: str, consumer: str, timeout: float | None = None
    ) -> api.ConsumerPause:
        with translated:
            return await self._js.resume_consumer(stream, consumer, timeout)

    async def reset_consumer(
        self, stream: str, consumer: str, seq: int | None = None, timeout: float | None = None
    ) -> api.ConsumerReset:
        with translated:
            return await self._js.reset_consumer(stream, consumer, seq, timeout)

    async def consumers_info(self, stream: str, offset: int | None = None) -> list[api.ConsumerInfo]:
        with translated:
            return await self._js.consumers_info(stream, offset)

    # ------------------------------------------------------------------------------------------ messages

    async def get_msg(
        self,
        stream_name: str,
        seq: int | None = None,
        subject: str | None = None,
        direct: bool | None = False,
        next: bool | None = False,
    ) -> api.RawStreamMsg:
        with translated:
            msg = await self._js.get_msg(stream_name, seq, subject, bool(direct), bool(next))
        return api.RawStreamMsg._of(msg)

    async def get_last_msg(
        self, stream_name: str, subject: str, direct: bool | None = False
    ) -> api.RawStreamMsg:
        return await self.get_msg(stream_name, subject=subject, direct=direct)

    async def delete_msg(self, stream_name: str, seq: int) -> bool:
        with translated:
            return await self._js.delete_msg(stream_name, seq)
