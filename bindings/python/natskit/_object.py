# SPDX-License-Identifier: Apache-2.0
"""Object stores: names over what the library does.

The one for asyncio, natskit/_object.py, is the source; bindings/python/tools/generate_sync.py makes the blocking one,
natskit/sync/_object.py, from it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, overload

from . import _handlers, _later, _natskit, _options, errors
from ._natskit import AsyncWatcher as Watcher
from ._natskit import ObjectInfo
from .js import _values, api

if TYPE_CHECKING:
    from ._js import JetStreamContext

__all__ = ["ObjectReader", "ObjectResult", "ObjectStore", "ObjectWriter"]

_PIECE = 1 << 20  # bytes that are read at once from a file, or given by an iteration
_TRIES = 4
_DELETED_TOO, _FOLLOW = 1, 2


class ObjectResult(NamedTuple):
    """An object as get() gives it."""

    info: ObjectInfo
    data: bytes | None
    """Its content; None if that was written into a file."""


class Progress(NamedTuple):
    """How far a reader or writer is."""

    bytes: int
    """That a writer was given, or a reader has given."""
    total: int
    """Of a reader: the object's size. Of a writer 0."""
    stored: int
    """Of a writer: bytes whose chunks are acked."""


class ObjectReader:
    """The content of an object, as ObjectStore.open() gives it: read(), readinto(), or a loop over pieces.

    The end (b"", 0, the end of the loop) is reached only by content that has the object's size and digest; else
    errors.ObjectCorruptError, or errors.ObjectIncompleteError.
    """

    def __init__(self, store: ObjectStore, info: ObjectInfo, timeout: float | None) -> None:
        self._stream = store._reader(info)
        self._timeout = timeout
        self._kept = b""  # of a read that failed
        self.info = info

    async def readinto(self, buffer: Any) -> int:
        """Reads what is there, at least one byte, into a buffer; how many, 0 at the end."""
        return await self._fill(buffer, 0)

    async def _fill(self, buffer: Any, offset: int) -> int:
        if self._kept:
            room = memoryview(buffer).cast("B")[offset:]
            count = min(len(room), len(self._kept))
            room[:count], self._kept = self._kept[:count], self._kept[count:]
            return count
        while True:
            got = self._stream._read(buffer, offset)
            if got != 0:
                return max(got, 0)
            await self._stream._ready(self._timeout)

    async def read(self, size: int = -1) -> bytes:
        """Reads so many bytes, less only at the end; below 0: all that is left."""
        left = len(self._kept) + self.info.size - self._stream._progress()[0]
        # One byte more than there are, so that the end is seen.
        room = bytearray(left + 1 if size < 0 else size)
        filled = 0
        try:
            while filled < len(room):
                got = await self._fill(room, filled)
                if got == 0:
                    break
                filled += got
        except BaseException:  # a time-out, a cancellation: the next call gives what has come
            self._kept = bytes(memoryview(room)[:filled]) + self._kept
            raise
        return bytes(memoryview(room)[:filled])

    @property
    def progress(self) -> Progress:
        """How far it is."""
        done, _, total, _ = self._stream._progress()
        return Progress(done, total, 0)

    async def close(self) -> None:
        """Ends it."""
        self._stream._close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        buffer = bytearray(min(_PIECE, self.info.size + 1))
        view = memoryview(buffer)
        while got := await self.readinto(buffer):
            yield bytes(view[:got])

    async def __aenter__(self) -> ObjectReader:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class ObjectWriter:
    """An object that is put piece by piece, as ObjectStore.open(name, "wb") gives it.

    The end of an `async with` is finish(); an exception in it, abort(). Nobody sees anything of the object before
    finish().
    """

    def __init__(
        self,
        store: ObjectStore,
        name: str,
        meta: str | None,
        pairs: list[_options.Pair],
        timeout: float | None,
    ) -> None:
        self._stream = store._writer(name, meta, pairs)
        self._timeout = timeout
        self.info: ObjectInfo | None = None
        """What the object is, after finish()."""

    async def write(self, data: Any) -> int:
        """Takes bytes, str or a buffer; waits while too much is under way. How many bytes."""
        view = memoryview(data.encode() if isinstance(data, str) else data).cast("B")
        done = 0
        while True:
            done += self._stream._write(view, done)
            if done == len(view):
                return done
            await self._stream._room(self._timeout)

    async def finish(self) -> ObjectInfo:
        """All was given: stores the object, in the place of what had its name, and ends the writer."""
        try:
            while True:
                try:
                    await self._stream._done(self._timeout)
                    break
                except errors.WouldBlockError:
                    await self._stream._room(self._timeout)
            self.info = await self._stream._finish(self._timeout)
        finally:
            if self.info is not None:
                self._stream._close()
        return self.info

    async def abort(self) -> None:
        """Gives the object up: its chunks are gone. Harmless after finish()."""
        try:
            await self._stream._abort(self._timeout)
        except (errors.BusyError, errors.ConnectionClosedError):
            pass  # nobody knows whether it was stored; or it was ended before
        finally:
            self._stream._close()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        given, stored, _, _ = self._stream._progress()
        return Progress(given, 0, stored)

    async def close(self) -> None:
        """Ends it without waiting: if it was not finished its chunks are taken back in the background."""
        self._stream._close()

    async def __aenter__(self) -> ObjectWriter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.finish()
        finally:
            if self.info is None:
                self._stream._close()


class ObjectStore(_natskit.AsyncObjectStore):
    """A store of objects of any size: `store = await js.object_store("files")`.

    Names of objects are any text of at most 1,024 bytes as UTF-8. What does not succeed raises an errors.ObjectStoreError
    or another errors.JetStreamError. Times are seconds. A timeout of None is the context's; where bytes go it is the
    time for the next of them, not for the whole.
    """

    def __init__(self, context: JetStreamContext, bucket: str) -> None:
        self._open(context, bucket)
        self._js = context
        self._name = bucket

    @property
    def bucket(self) -> str:
        """Its name."""
        return self._name

    def _limit(self, timeout: float | None) -> float | None:
        return self._js._timeout if timeout is None else timeout

    async def _tell(
        self,
        what: str,
        name: str,
        timeout: float | None,
        flags: int = 0,
        meta: str | None = None,
        target: tuple[str, str] = ("", ""),
    ) -> ObjectInfo:
        info: ObjectInfo = await self._ask(what, name, flags, meta, *target, self._limit(timeout))
        return info

    # ------------------------------------------------------------------------------------------------ content

    def _begin(self, name: str, meta: Any, wishes: dict[str, Any], timeout: float | None) -> ObjectWriter:
        wished = {key: wishes.pop(key) for key in _SAID if key in wishes}
        said = {**_said_of(meta), **{key: value for key, value in wished.items() if value}}
        said.pop("name", None)
        chunk_size = said.pop("max_chunk_size", None)
        options = {
            "chunk_size": wishes.pop("chunk_size", None) or chunk_size,
            "window_bytes": wishes.pop("window_bytes", None),
            "ack_wait_ms": _options.milliseconds("ack_wait", wishes.pop("ack_wait", None)),
            "previous_revision": wishes.pop("previous_revision", None),
        }
        unknown = [key for key, value in wishes.items() if value is not None]
        if unknown:
            raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
        pairs = _options.pairs(_natskit.OPTIONS_OBJECT_PUT, options)
        return ObjectWriter(
            self, name, _later.json_encode(said) if said else None, pairs, self._limit(timeout)
        )

    async def put(
        self,
        name: str,
        data: Any,
        meta: api.ObjectMeta | Mapping[str, Any] | None = None,
        *,
        progress: Callable[[Progress], Any] | None = None,
        timeout: float | None = None,
        **wishes: Any,
    ) -> ObjectInfo:
        """Puts an object in the place of what has its name. If that does not succeed, or is cancelled, what has the
        name stays as it was, and no chunk is left.

        Args:
            data: bytes, str, a buffer, a file that was opened to read bytes, an os.PathLike, or an iterable of bytes.
                Files are read in this thread.
            meta: what is said of it, as one object or mapping instead of single arguments.
            progress: is called after each piece of at most 1 MiB.
            description, headers (a mapping of str or lists of str), metadata (a mapping of str): what is said of it.
            chunk_size: bytes of a chunk; 128 KiB by default.
            window_bytes: bytes of chunks that may wait for their acks; 4 MiB by default.
            ack_wait: seconds for the ack of a chunk.
            previous_revision: what has the name must have this revision, 0: there must be nothing; else
                errors.WrongLastSequenceError.
        """
        for left in range(_TRIES - 1, -1, -1):
            again = _rewinder(data)
            try:
                return await self._put(name, data, meta, dict(wishes), progress, timeout)
            except errors.ChunksDisorderedError:
                if left == 0 or not again():
                    raise
        raise AssertionError("unreachable")

    async def _put(
        self,
        name: str,
        data: Any,
        meta: Any,
        wishes: dict[str, Any],
        progress: Callable[[Progress], Any] | None,
        timeout: float | None,
    ) -> ObjectInfo:
        writer = self._begin(name, meta, wishes, timeout)
        try:
            if isinstance(data, os.PathLike):
                with open(data, "rb") as file:
                    await _write_pieces(writer, iter(lambda: file.read(_PIECE), b""), progress)
            elif hasattr(data, "__aiter__"):  # [async]
                async for piece in data:  # [async]
                    await _write_pieces(writer, (piece,), progress)  # [async]
            else:
                await _write_pieces(writer, _pieces(data), progress)
            return await writer.finish()
        except Exception:
            await writer.abort()
            raise
        finally:
            await writer.close()

    async def get(
        self,
        name: str,
        writeinto: Any = None,
        show_deleted: bool = False,
        *,
        progress: Callable[[Progress], Any] | None = None,
        timeout: float | None = None,
    ) -> ObjectResult:
        """Gets an object whole; of a link what it leads to. errors.ObjectNotFoundError, and below that
        errors.ObjectDeletedError; errors.ObjectCorruptError, errors.ObjectIncompleteError.

        Args:
            writeinto: a file, opened to write bytes, that gets the content. What was written is not to be used if this
                raises.
            show_deleted: of a deleted object only what it was, without content.
            progress: is called after each piece.
        """
        flags = _FOLLOW | (_DELETED_TOO if show_deleted else 0)
        info = await self._tell("i", name, timeout, flags)
        if info.deleted:
            return ObjectResult(info, b"")
        async with ObjectReader(self, info, self._limit(timeout)) as reader:
            if writeinto is None and progress is None:
                return ObjectResult(info, await reader.read())
            content = bytearray()
            take = content.extend if writeinto is None else writeinto.write
            buffer = bytearray(min(_PIECE, info.size + 1))
            while got := await reader.readinto(buffer):
                with memoryview(buffer) as view:
                    take(view[:got])
                if progress is not None:
                    progress(reader.progress)
            return ObjectResult(info, bytes(content) if writeinto is None else None)

    @overload
    async def open(
        self, name: str, mode: Literal["r", "rb"] = "rb", *, timeout: float | None = None
    ) -> ObjectReader: ...

    @overload
    async def open(
        self,
        name: str,
        mode: Literal["w", "wb"],
        meta: api.ObjectMeta | Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        **wishes: Any,
    ) -> ObjectWriter: ...

    @overload
    async def open(
        self,
        name: str,
        mode: str,
        meta: api.ObjectMeta | Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        **wishes: Any,
    ) -> ObjectReader | ObjectWriter: ...

    async def open(
        self, name: str, mode: str = "rb", meta: Any = None, *, timeout: float | None = None, **wishes: Any
    ) -> ObjectReader | ObjectWriter:
        """The object as a binary file: an ObjectReader, or with mode "wb" an ObjectWriter (with the arguments of
        put()): `async with await store.open("a") as file: ...`."""
        if mode in ("r", "rb"):
            if meta is not None or wishes:
                raise TypeError(f"what is said of an object is for mode 'wb', not {mode!r}")
            info = await self._tell("i", name, timeout, _FOLLOW)
            return ObjectReader(self, info, self._limit(timeout))
        if mode not in ("w", "wb"):
            raise ValueError(f"mode must be 'rb' or 'wb', not {mode!r}")
        return self._begin(name, meta, wishes, timeout)

    # --------------------------------------------------------------------------------------- what objects are

    async def get_info(
        self, name: str, show_deleted: bool = False, timeout: float | None = None
    ) -> ObjectInfo:
        """What an object is; of a link the link. errors.ObjectNotFoundError, and below that
        errors.ObjectDeletedError."""
        return await self._tell("i", name, timeout, _DELETED_TOO if show_deleted else 0)

    async def update_meta(
        self,
        name: str,
        meta: api.ObjectMeta | Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **said: Any,
    ) -> ObjectInfo:
        """Changes what is said of an object: `name` in meta (new_name as an argument), description, headers, metadata.
        In a mapping None removes something. errors.ObjectExistsError: something else has the new name."""
        changes = {**_said_of(meta), **said}
        if "new_name" in changes:
            changes["name"] = changes.pop("new_name")
        return await self._tell("u", name, timeout, meta=_later.json_encode(changes))

    async def delete(self, name: str, timeout: float | None = None) -> ObjectResult:
        """Deletes an object, a link or what was left of one."""
        return ObjectResult(await self._tell("d", name, timeout), b"")

    async def add_link(
        self, name: str, target: ObjectInfo | str, bucket: str | None = None, timeout: float | None = None
    ) -> ObjectInfo:
        """Makes `name` a link to an object, given as its info, or by its name in this store or `bucket`. It may take the
        place of another link: errors.ObjectExistsError."""
        place = (bucket or self._name, target) if isinstance(target, str) else (target.bucket, target.name)
        return await self._tell("l", name, timeout, target=place)

    async def add_bucket_link(
        self, name: str, store: ObjectStore | str, timeout: float | None = None
    ) -> ObjectInfo:
        """Makes `name` a link to a store."""
        place = (store if isinstance(store, str) else store.bucket, "")
        return await self._tell("l", name, timeout, target=place)

    async def list(self, ignore_deletes: bool = True, timeout: float | None = None) -> list[ObjectInfo]:
        """What there is."""
        wishes = {"ends": True, "ignore_deletes": ignore_deletes or None}
        pairs = _options.pairs(_natskit.OPTIONS_OBJECT_WATCH, wishes)
        infos = await self._all(f"{self._name}: list", pairs, self._limit(timeout))
        latest = {info.name: info for info in infos if isinstance(info, ObjectInfo)}  # one that is put again comes twice
        return sorted(latest.values(), key=lambda info: info.revision)

    def watch(
        self,
        *,
        cb: Callable[[Any], Any] | None = None,
        include_history: bool = False,
        updates_only: bool = False,
        ignore_deletes: bool = False,
        marker: bool = False,
    ) -> Watcher[ObjectInfo]:
        """What objects are, as it changes, beginning with what there is: `async for info in store.watch()`.

        As KeyValue.watch(), with ObjectInfo in place of entries. What somebody has stored there that is no object comes
        as a Msg.

        Args:
            cb: is called with each info instead of a loop.
            include_history: begin with all that is kept of what objects were.
            updates_only: begin with what changes from now on.
            ignore_deletes: leave out deleted objects.
            marker: None comes once, in between, when all that there was at the begin has come.
        """
        wishes = {
            "history": include_history or None,
            "updates_only": updates_only or None,
            "ignore_deletes": ignore_deletes or None,
            "marker": None if marker else False,
        }
        _handlers.check(cb, 1)
        _handlers.check_loop(cb)  # [async]
        pairs = _options.pairs(_natskit.OPTIONS_OBJECT_WATCH, wishes)
        watcher: Watcher[ObjectInfo] = self._watch(f"{self._name}: >", pairs)
        if cb is not None:
            # [async]
            _handlers.begin(watcher, cb, 1)
            # [end]
            # [sync] watcher._handle(cb, False, 1, None)
        return watcher

    # --------------------------------------------------------------------------------------------- the store

    async def seal(self) -> api.ObjectStoreStatus:
        """Lets nothing be changed any more, for ever."""
        return api.ObjectStoreStatus(
            (await self._js.update_stream(name=f"OBJ_{self._name}", sealed=True)).raw
        )

    async def status(self) -> api.ObjectStoreStatus:
        """The info of the stream behind it: configuration, bytes; also `size`, `sealed` and `ttl`."""
        return api.ObjectStoreStatus((await self._js.stream_info(f"OBJ_{self._name}")).raw)


class Stores:
    """What a context does with stores: a part of JetStreamContext."""

    if TYPE_CHECKING:
        call: Callable[..., Any]
        delete_stream: Callable[..., Any]
        stream_names: Callable[..., Any]

    async def create_object_store(
        self,
        bucket: str | api.ObjectStoreConfig | Mapping[str, Any] | None = None,
        config: api.ObjectStoreConfig | Mapping[str, Any] | None = None,
        **params: Any,
    ) -> ObjectStore:
        """Creates an object store; that there is one with this configuration is no error.

        Args:
            bucket: its name: letters, digits, _ and -. Or the whole configuration.
            description, storage ("file" or "memory"), replicas, placement, metadata, max_bytes: as of a stream.
            ttl: seconds after which objects go; None: never.
            compression: whether it is compressed on disk.
        """
        made = _natskit._object_config(_later.json_encode(_values.store(bucket, config, params)))
        await self.call("stream.create", config=made)
        return ObjectStore(cast("JetStreamContext", self), made["name"].removeprefix("OBJ_"))

    async def update_object_store(
        self, config: api.ObjectStoreConfig | Mapping[str, Any] | None = None, **params: Any
    ) -> api.ObjectStoreStatus:
        """Changes what is said of a store's configuration, and keeps the rest; arguments of create_object_store()."""
        made = _natskit._object_config(_later.json_encode(_values.bucket(config, params)))
        return api.ObjectStoreStatus(await self.call("stream.update", config=made))

    async def object_store(self, bucket: str) -> ObjectStore:
        """A store that exists; errors.StreamNotFoundError. obj(bucket) does not ask."""
        store = ObjectStore(cast("JetStreamContext", self), bucket)
        await store.status()
        return store

    def obj(self, bucket: str) -> ObjectStore:
        """A store, without asking whether it exists."""
        return ObjectStore(cast("JetStreamContext", self), bucket)

    async def delete_object_store(self, bucket: str) -> bool:
        """Deletes a store with all it holds."""
        store = ObjectStore(cast("JetStreamContext", self), bucket)
        return bool(await self.delete_stream(f"OBJ_{store.bucket}"))

    async def object_store_names(self) -> list[str]:
        """The names of all stores."""
        names = await self.stream_names("$O.*.C.>")
        return [name.removeprefix("OBJ_") for name in names if name.startswith("OBJ_")]


_SAID = ("description", "headers", "metadata")


def _said_of(meta: Any) -> dict[str, Any]:
    """What an api.ObjectMeta or a mapping says."""
    if meta is None:
        return {}
    if isinstance(meta, Mapping):
        return dict(meta)
    return _values.said_of_object(meta)


def _pieces(data: Any) -> Iterable[Any]:
    """The bytes of what put() takes, in pieces that are not large, so that progress is seen."""
    if isinstance(data, str):
        data = data.encode()
    if hasattr(data, "read"):
        return iter(lambda: data.read(_PIECE) or b"", b"")  # the end of a text is another nothing
    try:
        view = memoryview(data).cast("B")
    except TypeError:
        pieces: Iterable[Any] = iter(data)
        return pieces
    return (view[at : at + _PIECE] for at in range(0, len(view), _PIECE))


async def _write_pieces(
    writer: ObjectWriter, pieces: Iterable[Any], progress: Callable[[Progress], Any] | None
) -> None:
    for piece in pieces:
        await writer.write(piece)
        if progress is not None:
            progress(writer.progress)


def _rewinder(data: Any) -> Callable[[], bool]:
    """What puts a source back to where it is now; that gives whether it could."""
    if isinstance(data, (str, os.PathLike)):
        return lambda: True
    if hasattr(data, "read"):
        if not (hasattr(data, "seekable") and data.seekable()):
            return lambda: False
        at = data.tell()
        return lambda: data.seek(at) == at
    try:
        memoryview(data)
    except TypeError:
        return lambda: False
    return lambda: True
