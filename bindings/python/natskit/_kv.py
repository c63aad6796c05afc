# SPDX-License-Identifier: Apache-2.0
"""Key-value buckets: names over what the library does.

The one for asyncio, natskit/_kv.py, is the source; bindings/python/tools/generate_sync.py makes the blocking one,
natskit/sync/_kv.py, from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from . import _codec, _handlers, _natskit, _options, errors
from ._batch import Batch
from ._natskit import AsyncWatcher as Watcher
from ._natskit import Entry
from .js import _values, api

if TYPE_CHECKING:
    from ._js import JetStreamContext

__all__ = ["KeyValue", "KeyValueBatch", "KeyValueCache", "Watcher"]

_Ttl = _values.Duration | None

_PUT, _DELETE, _PURGE, _CREATE, _UPDATE, _PURGE_DELETES = 1, 2, 3, 4, 5, 6


def _life(ttl: _Ttl) -> int:
    """Milliseconds."""
    return 0 if ttl is None else -(-_values.nanoseconds("ttl", ttl) // 1_000_000)


class KeyValue(_natskit.AsyncKeyValue):
    """A bucket: `kv = await js.key_value("settings")`.

    Keys hold letters, digits and - / _ = in tokens between single dots; anything else is an errors.InvalidError
    before anything is sent. What JetStream refuses raises errors.JetStreamError. Times are seconds; a timeout of
    None is the context's.
    """

    # [sync] # It is also used as a mapping of keys to values: kv["a"] = b"1"; kv["a"]; del kv["a"]; "a" in kv;
    # [sync] # list(kv); len(kv). Each asks the server.
    # [sync]
    def __init__(self, context: JetStreamContext, bucket: str, **options: Any) -> None:
        self._opened = dict(options)
        keys = options.pop("key_codec", None)
        values = None if isinstance(options.get("value_codec"), str) else options.pop("value_codec", None)
        self._codecs = _codec.Codecs(keys, values) if keys is not None or values is not None else None
        self._open(context, bucket, _options.pairs(_natskit.OPTIONS_KV, options), self._codecs)
        self._js = context
        self._name = bucket

    @property
    def bucket(self) -> str:
        """Its name."""
        return self._name

    def _limit(self, timeout: float | None) -> float | None:
        return self._js._timeout if timeout is None else timeout

    async def get(self, key: str, revision: int | None = None, timeout: float | None = None) -> Entry:
        """The last entry of a key, or the one of a revision.

        Raises errors.KeyNotFoundError, and below that errors.KeyDeletedError.
        """
        if self._codecs is None:
            entry: Entry = await self._get(key, revision or 0, self._limit(timeout))
            return entry
        entry = await self._get(self._codecs.encode_key(key), revision or 0, self._limit(timeout))
        return self._decoded(entry)

    async def _change(
        self, action: int, key: str, value: Any, revision: int, ttl: _Ttl, timeout: float | None
    ) -> int:
        if self._codecs is not None:
            key, value = self._coded(action, key, value)
        made: int = await self._write(action, key, value, revision, _life(ttl), self._limit(timeout))
        return made

    def _coded(self, action: int, key: str, value: Any) -> tuple[str, Any]:
        """Key and value as they are stored."""
        if self._codecs is None:
            return key, value
        empty = action in (_DELETE, _PURGE)
        return self._codecs.encode_key(key), value if empty else self._codecs.encode_value(key, value)

    def _put_in(self, batch: Batch, action: int, key: str, value: Any, revision: int, life: int) -> None:
        key, value = self._coded(action, key, value)
        self._add(batch, action, key, value, revision, life)

    def _patterns(self, keys: str | Iterable[str] | None) -> list[str]:
        """As they are stored."""
        patterns = [] if keys is None else [keys] if isinstance(keys, str) else list(keys)
        return patterns if self._codecs is None else [self._codecs.encode_filter(one) for one in patterns]

    async def put(self, key: str, value: Any, timeout: float | None = None) -> int:
        """Sets the value (bytes, str or a buffer) of a key. Gives its revision."""
        return await self._change(_PUT, key, value, 0, None, timeout)

    async def create(
        self, key: str, value: Any = b"", *, ttl: _Ttl = None, timeout: float | None = None
    ) -> int:
        """Sets the value of a key that has none; else errors.KeyExistsError, which is a KeyWrongLastSequenceError.
        Gives its revision.

        Args:
            ttl: after so many seconds (or a timedelta), at least one, the entry goes; the bucket has to allow it (limit_marker_ttl).
        """
        return await self._change(_CREATE, key, value, 0, ttl, timeout)

    async def update(
        self, key: str, value: Any, last: int | None = None, timeout: float | None = None
    ) -> int:
        """Sets the value if the last entry of the key has revision `last` (None: there is none);
        errors.KeyWrongLastSequenceError. Gives its revision."""
        return await self._change(_UPDATE, key, value, last or 0, None, timeout)

    async def delete(self, key: str, last: int | None = None, timeout: float | None = None) -> int:
        """Deletes a key; its history stays. With `last` only if its last entry has that revision."""
        return await self._change(_DELETE, key, b"", last or 0, None, timeout)

    async def purge(
        self, key: str, last: int | None = None, *, ttl: _Ttl = None, timeout: float | None = None
    ) -> int:
        """Deletes a key with its history. With `ttl` what stands for that goes, too, after so many seconds."""
        return await self._change(_PURGE, key, b"", last or 0, ttl, timeout)

    def watch(
        self,
        keys: str | Iterable[str] | None = None,
        *,
        cb: Callable[[Any], Any] | None = None,
        headers_only: bool = False,
        include_history: bool = False,
        updates_only: bool = False,
        from_revision: int | None = None,
        ignore_deletes: bool = False,
        meta_only: bool = False,
        marker: bool = False,
    ) -> Watcher:
        """Entries as they are written, beginning with the last one of each key:
        `async for entry in kv.watch("users.*")`.

        They come in the order of their revisions, none twice and none left out, through lost connections, restarts
        and whatever happens to the server's consumer. The loop ends when the watch is closed, or raises why there
        can be no more: errors.StreamNotFoundError when the bucket was deleted. stats() tells of it. It begins at
        once; `await` only gives the same watcher, for programs that were written for nats-py.

        Args:
            keys: keys with `*` as a token and `>` as the last one; None: all.
            cb: is called with each entry instead of a loop, as for Client.subscribe(); watcher.reason tells why there
                are no more.
            include_history: begin with all that is kept of each key.
            updates_only: begin with what comes from the moment on at which the server has made its consumer; the marker
                tells of that.
            from_revision: begin with this one, whatever else is said of the begin.
            ignore_deletes: leave out deletes, purges and the server's markers.
            meta_only, headers_only: leave out values.
            marker: None comes once, in between, when all that there was at the begin has come.
        """
        patterns = self._patterns(keys)
        wishes = {
            "keys": patterns or None,
            "history": include_history or None,
            "updates_only": updates_only or None,
            "from_revision": from_revision,
            "ignore_deletes": ignore_deletes or None,
            "headers_only": meta_only or headers_only or None,
            "marker": None if marker else False,
        }
        _handlers.check(cb, 1)
        _handlers.check_loop(cb)  # [async]
        name = f"{self._name}: {','.join(patterns) or '>'}"
        watcher: Watcher = self._watch(name, _options.pairs(_natskit.OPTIONS_KV_WATCH, wishes))
        if cb is not None:
            # [async]
            _handlers.begin(watcher, cb, 1)
            # [end]
            # [sync] watcher._handle(cb, False, 1, None)
        return watcher

    def watchall(self, **options: Any) -> Watcher:
        """watch() of all keys."""
        return self.watch(None, **options)

    async def _now(self, name: str, wishes: dict[str, Any], timeout: float | None) -> list[Entry]:
        """What there is."""
        pairs = _options.pairs(_natskit.OPTIONS_KV_WATCH, {**wishes, "ends": True})
        entries: list[Entry] = await self._all(f"{self._name}: {name}", pairs, self._limit(timeout))
        return entries

    async def keys(
        self, filters: str | Iterable[str] | None = None, timeout: float | None = None
    ) -> list[str]:
        """The keys that have a value, or those of them that match a filter; an empty list if there are none."""
        wishes = {"keys": self._patterns(filters) or None, "ignore_deletes": True, "headers_only": True}
        return [entry.key for entry in await self._now("keys", wishes, timeout)]

    async def history(self, key: str | Iterable[str], timeout: float | None = None) -> list[Entry]:
        """All that is kept of a key, the oldest first; of several with `*` and `>`, or a list."""
        return await self._now("history", {"keys": self._patterns(key), "history": True}, timeout)

    async def modify(
        self,
        key: str,
        change: Callable[[bytes | None], Any],
        *,
        tries: int = 10,
        timeout: float | None = None,
    ) -> int | None:
        """Sets the value that change() makes of the present one, or of None if there is none; again, with what came
        instead, if another client was faster. Gives the revision, or None if change() gave None, which changes
        nothing.

        Args:
            tries: after so many errors.KeyWrongLastSequenceError is raised.
            timeout: seconds for each request.
        """
        for left in range(tries - 1, -1, -1):
            try:
                entry = await self.get(key, timeout=timeout)
                value, revision = entry.value, entry.revision
            except errors.KeyNotFoundError:
                value, revision = None, 0
            made = change(value)
            if made is None:
                return None
            try:
                if revision == 0:
                    return await self.create(key, made, timeout=timeout)
                return await self.update(key, made, revision, timeout=timeout)
            except errors.WrongLastSequenceError:
                if left == 0:
                    raise
        raise errors.InvalidError(f"tries: {tries} is less than 1")

    # ---------------------------------------------------------------------------------------- many keys

    async def get_many(
        self, keys: str | Iterable[str], *, deleted: bool = False, timeout: float | None = None
    ) -> dict[str, Entry]:
        """The last entries of up to 65,536 keys (also `*` and `>`), all of one moment, by key and in the order of their
        revisions; what has no value is left out.

        Raises errors.StreamNotFoundError, errors.SnapshotChangedError (with more than 1,024 keys or 16 MiB: it was
        written all the time; again).

        Args:
            deleted: with the entries of keys that were deleted or purged, whose `operation` tells so.
        """
        wishes = {"keys": self._patterns(keys) or None, "ignore_deletes": None if deleted else True}
        pairs = _options.pairs(_natskit.OPTIONS_KV_MANY, wishes)
        if not wishes["keys"]:
            return {}
        entries: list[Entry] = await self._many(f"{self._name}: get_many", pairs, self._limit(timeout))
        return {entry.key: entry for entry in entries}

    def batch(self, *, max_bytes: int | None = None) -> KeyValueBatch:
        """Changes of several keys that are made together or not at all: `async with kv.batch() as batch: ...`; the
        bucket has to be made with allow_atomic (server 2.12)."""
        return KeyValueBatch(self, max_bytes)

    async def _change_all(
        self, action: int, keys: str | Iterable[str] | None, timeout: float | None, **wishes: Any
    ) -> int:
        pairs = _options.pairs(_natskit.OPTIONS_KV_SWEEP, {"keys": self._patterns(keys) or None, **wishes})
        answer: dict[str, int] = await self._sweep(action, pairs, self._limit(timeout))
        return answer["keys"]

    async def delete_all(self, keys: str | Iterable[str], timeout: float | None = None) -> int:
        """Deletes the keys that match (`*` and `>`, or a list), and gives their number. One that is written meanwhile
        keeps its value."""
        return await self._change_all(_DELETE, keys, timeout)

    async def purge_all(self, keys: str | Iterable[str], timeout: float | None = None) -> int:
        """The same with their history."""
        return await self._change_all(_PURGE, keys, timeout)

    async def purge_deletes(
        self,
        olderthan: float = 30 * 60,
        timeout: float | None = None,
        *,
        keys: str | Iterable[str] | None = None,
    ) -> bool:
        """Removes what deletes and purges have left behind: the history of deleted keys, and the markers that are
        older than so many seconds, by this computer's clock; below 0: all. What is written meanwhile stays."""
        age = -1 if olderthan < 0 else _options.milliseconds("olderthan", olderthan)
        await self._change_all(_PURGE_DELETES, keys, timeout, older_than_ms=age)
        return True

    async def status(self, timeout: float | None = None) -> api.BucketStatus:
        """The info of the stream behind it: configuration, messages, bytes; also `values`, `history` and `ttl`.

        From the first one on gets go to the leader where the bucket allows no direct ones, and keys of a mirror are
        written to its origin."""
        answer: dict[str, Any] = await self._status(self._limit(timeout))
        return api.BucketStatus(answer["stream"])

    def cache(
        self, keys: str | Iterable[str] | None = None, *, headers_only: bool = False
    ) -> KeyValueCache:
        """Keeps the last entries of all keys, or of those that match, at hand, and up to date:
        `async with kv.cache() as cache: cache["a"]`."""
        return KeyValueCache(self, self._patterns(keys), headers_only)

    # [sync] # --------------------------------------------------------------------------------- as a mapping
    # [sync]
    # [sync] def __getitem__(self, key: str) -> bytes:
    # [sync]     try:
    # [sync]         return self.get(key).value
    # [sync]     except errors.KeyNotFoundError as error:
    # [sync]         raise KeyError(key) from error
    # [sync]
    # [sync] def __setitem__(self, key: str, value: Any) -> None:
    # [sync]     self.put(key, value)
    # [sync]
    # [sync] def __delitem__(self, key: str) -> None:
    # [sync]     try:
    # [sync]         self.get(key)
    # [sync]     except errors.KeyNotFoundError as error:
    # [sync]         raise KeyError(key) from error
    # [sync]     self.delete(key)
    # [sync]
    # [sync] def __contains__(self, key: object) -> bool:
    # [sync]     if not isinstance(key, str):
    # [sync]         return False
    # [sync]     try:
    # [sync]         self.get(key)
    # [sync]     except errors.KeyNotFoundError:
    # [sync]         return False
    # [sync]     return True
    # [sync]
    # [sync] def __iter__(self) -> Iterator[str]:
    # [sync]     return iter(self.keys())
    # [sync]
    # [sync] def __len__(self) -> int:
    # [sync]     return len(self.keys())
    # [sync]
    # [sync] def __bool__(self) -> bool:
    # [sync]     return True  # also an empty one is a bucket


class KeyValueBatch:
    """Changes of a bucket that are made together, or not at all:

        async with kv.batch() as batch:
            batch.put("a", b"1")
            batch.update("b", b"2", 7)
        print(batch.revisions)

    Nothing is sent before the commit, which the end of an `async with` is unless an exception leaves it. What was
    expected and does not hold then, is an errors.WrongLastSequenceError.
    """

    def __init__(self, kv: KeyValue, max_bytes: int | None) -> None:
        self._kv = kv
        self._batch = Batch(kv._js, max_bytes)
        self.revisions: list[int] = []
        """One for each change, in their order, once they are made."""

    def put(self, key: str, value: Any) -> None:
        """Adds a put."""
        self._kv._put_in(self._batch, _PUT, key, value, 0, 0)

    def create(self, key: str, value: Any = b"", *, ttl: _Ttl = None) -> None:
        """Adds the first entry of a key. Where it was deleted or purged, update() with the revision of that writes."""
        self._kv._put_in(self._batch, _CREATE, key, value, 0, _life(ttl))

    def update(self, key: str, value: Any, last: int | None = None) -> None:
        """Adds an update, which needs that the key has revision `last` (None: no entry), before the batch."""
        self._kv._put_in(self._batch, _UPDATE, key, value, last or 0, 0)

    def delete(self, key: str, last: int | None = None) -> None:
        """Adds a delete."""
        self._kv._put_in(self._batch, _DELETE, key, b"", last or 0, 0)

    def purge(self, key: str, last: int | None = None, *, ttl: _Ttl = None) -> None:
        """Adds a purge."""
        self._kv._put_in(self._batch, _PURGE, key, b"", last or 0, _life(ttl))

    async def commit(self, timeout: float | None = None) -> list[int]:
        """Makes the changes, and gives their revisions. Errors as Batch.commit(): with any `outcome` but "unknown"
        nothing was changed."""
        ack = await self._batch.commit(timeout)
        self.revisions = list(range(ack.seq - ack.batch_size + 1, ack.seq + 1))
        return self.revisions

    def discard(self) -> None:
        """Forgets the changes; harmless after a commit."""
        self._batch.discard()

    def __len__(self) -> int:
        """Its changes."""
        return len(self._batch)

    @property
    def committed(self) -> bool:
        """Whether a commit was begun."""
        return self._batch.committed

    async def __aenter__(self) -> KeyValueBatch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and not self.committed and len(self) > 0:
                await self.commit()
        finally:
            self.discard()


class KeyValueCache:
    """Entries of a bucket at hand: a mapping of keys to entries, of which nothing waits. It follows the bucket as a
    watch does; while the connection is lost it stands still. Before it is complete, looking something up raises
    errors.PendingError, and once it has ended, the reason for that."""

    def __init__(self, kv: KeyValue, patterns: list[str], headers_only: bool) -> None:
        self._kv = KeyValue(kv._js, kv._name, **kv._opened)  # a bucket has one cache
        wishes = {"keys": patterns or None, "headers_only": headers_only or None}
        name = f"{kv._name}: cache of {','.join(patterns) or '>'}"
        self._watcher = self._kv._cache(name, _options.pairs(_natskit.OPTIONS_KV_WATCH, wishes))

    def _cached(self, key: str) -> Entry | None:
        codecs = self._kv._codecs
        return self._kv._cached(key if codecs is None else codecs.encode_key(key))

    async def __aenter__(self) -> KeyValueCache:
        await self.ready()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.close()

    async def ready(self, timeout: float | None = 5.0) -> None:
        """Returns when all that there was has come; errors.TimeoutError, or the reason for which it has ended."""
        if self.is_complete:
            return
        try:
            await self._watcher.updates(timeout)
        except errors.SubscriptionEnded as ended:
            raise self._watcher.reason or ended from None

    async def close(self) -> None:
        """Ends it."""
        await self._watcher.stop()

    @property
    def is_complete(self) -> bool:
        """Whether all that there was at the begin has come."""
        return bool(self._kv._cache_stats()["complete"])

    def stats(self) -> dict[str, Any]:
        """`entries`, `bytes` of memory that they take, `last_revision`, `complete`."""
        return self._kv._cache_stats()

    def get(self, key: str, default: Any = None) -> Any:
        """The entry of a key, or the default if it has none."""
        entry = self._cached(key)
        return default if entry is None else entry

    def __getitem__(self, key: str) -> Entry:
        entry = self._cached(key)
        if entry is None:
            raise KeyError(key)
        return entry

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._cached(key) is not None

    def entries(self) -> list[Entry]:
        """All of one moment, in no order."""
        return self._kv._cached_all()

    def __iter__(self) -> Iterator[str]:
        return iter([entry.key for entry in self._kv._cached_all()])

    def __len__(self) -> int:
        return int(self._kv._cache_stats()["entries"])


class Buckets:
    """What a context does with buckets: a part of JetStreamContext."""

    if TYPE_CHECKING:
        call: Callable[..., Any]

    async def create_key_value(
        self, config: api.KeyValueConfig | Mapping[str, Any] | None = None, **params: Any
    ) -> KeyValue:
        """Creates a bucket; that there is one with this configuration is no error.

        Args:
            bucket: its name: letters, digits, _ and -.
            description, storage ("file" or "memory"), replicas, placement, republish, metadata, max_bytes,
            max_value_size: as of a stream.
            history: entries that are kept of each key, 1 to 64; 1 by default.
            ttl: seconds after which entries go; None: never.
            limit_marker_ttl: seconds for which a marker stands for a key whose last entry has gone; entries may have
                a time to live of their own then.
            compression: whether it is compressed on disk.
            allow_atomic: whether it takes batches (server 2.12).
            mirror: a bucket whose copy it is, as {"name": bucket} with what else a StreamSource has; keys are written
                there.
            sources: buckets whose keys become keys of this one, too, in the same form; those with subject_transforms
                or a filter_subject are taken as they are.
        """
        return await self._make_bucket("kv.create", config, params)

    async def _make_bucket(
        self, name: str, config: api.KeyValueConfig | Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> KeyValue:
        wanted = _values.bucket(config, params)
        await self.call(name, config=wanted)
        kv = KeyValue(cast("JetStreamContext", self), wanted["bucket"])
        if wanted.get("mirror"):
            await kv.status()  # its keys are elsewhere
        return kv

    async def update_key_value(
        self, config: api.KeyValueConfig | Mapping[str, Any] | None = None, **params: Any
    ) -> KeyValue:
        """Gives a bucket what is said, as create_key_value() takes it, and leaves the rest as it is;
        errors.StreamNotFoundError."""
        return await self._make_bucket("kv.update", config, params)

    async def create_or_update_key_value(
        self, config: api.KeyValueConfig | Mapping[str, Any] | None = None, **params: Any
    ) -> KeyValue:
        """Creates a bucket, or gives one that exists this configuration, with the defaults of what is not said."""
        return await self._make_bucket("kv.create_or_update", config, params)

    async def key_value(self, bucket: str, **options: Any) -> KeyValue:
        """A bucket that exists, with the options of kv(), which does not ask; errors.StreamNotFoundError,
        errors.NotABucketError."""
        kv = KeyValue(cast("JetStreamContext", self), bucket, **options)
        await kv.status()
        return kv

    def kv(
        self,
        bucket: str,
        *,
        codec: str | None = None,
        key_codec: _codec.KeyCodec | None = None,
        value_codec: _codec.ValueCodec | str | None = None,
        read_only: bool | None = None,
        direct: bool | None = None,
        origin: str | None = None,
    ) -> KeyValue:
        """A bucket, without asking whether it exists.

        Args:
            codec: what keys are in subjects: "none", "base64" (keys may hold any characters in tokens between dots),
                "path" (slashes in place of dots).
            key_codec: an object of your own that makes of a key what `codec` makes a subject of: natskit.KeyCodec.
            value_codec: what values are as they are stored: "none", "base64", or an object of your own:
                natskit.ValueCodec.
            read_only: every change is an errors.ReadOnlyError.
            direct: False has gets answered by the leader, so that they see each change that was acked.
            origin: the bucket that this one mirrors; key_value() and status() find it out.
        """
        return KeyValue(
            cast("JetStreamContext", self),
            bucket,
            codec=codec,
            key_codec=key_codec,
            value_codec=value_codec,
            read_only=read_only,
            direct=direct,
            origin=origin,
        )

    async def key_value_names(self) -> list[str]:
        """Names of all buckets."""
        names: list[str] = (await self.call("kv.names"))["buckets"]
        return names

    async def key_values(self) -> list[api.BucketStatus]:
        """The status of every bucket."""
        return [api.BucketStatus(row["stream"]) for row in (await self.call("kv.list"))["buckets"]]

    async def delete_key_value(self, bucket: str) -> bool:
        """Deletes a bucket with all it holds."""
        return bool((await self.call("kv.delete", bucket=bucket)).get("success"))
