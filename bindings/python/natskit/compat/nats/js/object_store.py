# SPDX-License-Identifier: Apache-2.0
"""Object stores."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import natskit
from natskit import errors as own

from .._mapping import Translated
from . import api, errors
from .kv import _Watcher

if TYPE_CHECKING:
    from .client import JetStreamContext

# nats-py has these names here, too.
BadObjectMetaError = errors.BadObjectMetaError
DigestMismatchError = errors.DigestMismatchError
LinkIsABucketError = errors.LinkIsABucketError
NotFoundError = errors.NotFoundError
ObjectAlreadyExists = errors.ObjectAlreadyExists
ObjectDeletedError = errors.ObjectDeletedError
ObjectNotFoundError = errors.ObjectNotFoundError

_PIECE = 1 << 20

_translated = Translated({own.InvalidError: errors.InvalidObjectNameError})
_deleted = Translated(
    {own.ObjectNotFoundError: lambda text: errors.ObjectDeletedError(code=404, description=text)}
)


class _ObjectWatcher(_Watcher):
    """What objects are, as it changes; None stands for the end of those that there were."""

    def _read(self, raw: Any) -> Any:
        if isinstance(raw, natskit.ObjectInfo):
            return api.ObjectInfo._of(raw)
        raise errors.BadObjectMetaError(f"what is stored at {raw.subject!r} is no object")


async def _pieces(file: Any) -> AsyncIterator[bytes]:
    """The content of a file, read beside the loop."""
    run = asyncio.get_running_loop().run_in_executor
    while piece := await run(None, file.read, _PIECE):
        yield piece


class ObjectStore:
    """A store."""

    @dataclass
    class ObjectResult:
        """An object as get() gives it."""

        info: api.ObjectInfo
        data: bytes | None = b""

    @dataclass(frozen=True)
    class ObjectStoreStatus:
        """A store's stream, with the store's words for some of it."""

        stream_info: api.StreamInfo
        bucket: str

        @property
        def description(self) -> str | None:
            return self.stream_info.config.description

        @property
        def ttl(self) -> Any:
            return self.stream_info.config.max_age

        @property
        def storage_type(self) -> Any:
            return self.stream_info.config.storage

        @property
        def replicas(self) -> int | None:
            return self.stream_info.config.num_replicas

        @property
        def sealed(self) -> bool:
            return bool(self.stream_info.config.sealed)

        @property
        def size(self) -> int:
            return self.stream_info.state.bytes

    ObjectWatcher = _ObjectWatcher

    def __init__(self, name: str, stream: str, js: JetStreamContext) -> None:
        self._store = js._js.obj(name)

    @classmethod
    def _of(cls, store: natskit.ObjectStore) -> ObjectStore:
        made = cls.__new__(cls)
        made._store = store
        return made

    async def get_info(self, name: str, show_deleted: bool | None = False) -> api.ObjectInfo:
        """What an object is; errors.ObjectNotFoundError."""
        with _translated:
            return api.ObjectInfo._of(await self._store.get_info(name, bool(show_deleted)))

    async def get(
        self, name: str, writeinto: io.BufferedIOBase | None = None, show_deleted: bool | None = False
    ) -> ObjectStore.ObjectResult:
        """Gets an object, or writes its content into a file."""
        file = getattr(writeinto, "buffer", writeinto)
        with _translated:
            if file is None:
                info, data = await self._store.get(name, None, bool(show_deleted))
                return self.ObjectResult(api.ObjectInfo._of(info), data)
            run = asyncio.get_running_loop().run_in_executor
            async with await self._store.open(name) as reader:
                async for piece in reader:
                    await run(None, file.write, piece)
                return self.ObjectResult(api.ObjectInfo._of(reader.info))

    async def put(
        self, name: str, data: str | bytes | io.BufferedIOBase, meta: api.ObjectMeta | None = None
    ) -> api.ObjectInfo:
        """Puts an object in the place of what has its name."""
        said = meta or api.ObjectMeta()
        chunk_size = None if said.options is None else said.options.max_chunk_size
        file = getattr(data, "buffer", data)
        if not isinstance(data, (str, bytes, bytearray)) and not hasattr(file, "read"):
            raise TypeError("nats: invalid type for object store")
        content: Any = _pieces(file) if hasattr(file, "read") else data
        with _translated:
            info = await self._store.put(
                name or said.name or "",
                content,
                description=said.description,
                headers=said.headers,
                chunk_size=chunk_size,
            )
        return api.ObjectInfo._of(info)

    async def status(self) -> ObjectStore.ObjectStoreStatus:
        """Asks the server of the store."""
        with _translated:
            status = await self._store.status()
        return self.ObjectStoreStatus(status, status.bucket)

    async def seal(self) -> None:
        """Lets nothing be changed any more, for ever."""
        with _translated:
            await self._store.seal()

    async def update_meta(self, name: str, meta: api.ObjectMeta) -> None:
        """Changes what is said of an object, its name too; errors.ObjectDeletedError if there is none."""
        changes = {"name": meta.name or name, "description": meta.description, "headers": meta.headers}
        with _deleted:
            await self._store.update_meta(name, changes)

    async def watch(
        self,
        ignore_deletes: bool = False,
        include_history: bool = False,
        meta_only: bool = False,
        updates_only: bool = False,
    ) -> _ObjectWatcher:
        """What objects are, as it changes, beginning with what there is."""
        with _translated:
            watcher = self._store.watch(
                include_history=include_history,
                updates_only=updates_only,
                ignore_deletes=ignore_deletes,
                marker=not updates_only,
            )
        return _ObjectWatcher(watcher)

    async def delete(self, name: str) -> None:
        """Deletes an object."""
        with _translated:
            await self._store.delete(name)

    async def list(self, ignore_deletes: bool = False) -> list[api.ObjectInfo]:
        """What there is; errors.NotFoundError if that is nothing."""
        with _translated:
            infos = await self._store.list(ignore_deletes)
        if not infos:
            raise errors.NotFoundError
        return [api.ObjectInfo._of(info) for info in infos]
