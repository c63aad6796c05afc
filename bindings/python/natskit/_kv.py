# SPDX-License-Identifier: Apache-2.0
"""Key-value buckets: names over what the library does.

The one for asyncio, natskit/_kv.py, is the source; bindings/python/tools/generate_sync.py makes the blocking one,
natskit/sync/_kv.py, from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import _handlers, _natskit, _options
from ._natskit import AsyncWatcher as Watcher
from ._natskit import Entry
from .js import _values, api

if TYPE_CHECKING:
    from ._js import JetStreamContext

__all__ = ["KeyValue", "Watcher"]

_Ttl = _values.Duration | None

_PUT, _DELETE, _PURGE, _CREATE, _UPDATE = 1, 2, 3, 4, 5


class KeyValue(_natskit.AsyncKeyValue):
    """A bucket: `kv = await js.key_value("settings")`.

    Keys hold letters, digits and - / _ = in tokens between single dots; anything else is an errors.InvalidError
    before anything is sent. What JetStream refuses raises errors.JetStreamError. Times are seconds; a timeout of
    None is the context's.
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

    async def get(self, key: str, revision: int | None = None, timeout: float | None = None) -> Entry:
        """The last entry of a key, or the one of a revision.

        Raises errors.KeyNotFoundError, and below that errors.KeyDeletedError.
        """
        entry: Entry = await self._get(key, revision or 0, self._limit(timeout))
        return entry

    async def _change(
        self, action: int, key: str, value: Any, revision: int, ttl: _Ttl, timeout: float | None
    ) -> int:
        life = 0 if ttl is None else -(-_values.nanoseconds("ttl", ttl) // 1_000_000)
        made: int = await self._write(action, key, value, revision, life, self._limit(timeout))
        return made

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
        patterns = [] if keys is None else [keys] if isinstance(keys, str) else list(keys)
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
        patterns = [] if filters is None else [filters] if isinstance(filters, str) else list(filters)
        wishes = {"keys": patterns or None, "ignore_deletes": True, "headers_only": True}
        return [entry.key for entry in await self._now("keys", wishes, timeout)]

    async def history(self, key: str, timeout: float | None = None) -> list[Entry]:
        """All that is kept of a key, the oldest first; of several with `*` and `>`."""
        return await self._now("history", {"keys": [key], "history": True}, timeout)

    async def purge_deletes(self, olderthan: float = 30 * 60, timeout: float | None = None) -> bool:
        """Removes what deletes and purges have left behind: the history of deleted keys, and the markers that are
        older than so many seconds, by this computer's clock; below 0: all. What is written meanwhile stays."""
        latest = time.time_ns() - round(olderthan * 1e9)
        for entry in await self._now("deletes", {"headers_only": True}, timeout):
            if entry.operation is not None:
                # Up to a revision, not the whole key: that may have a value again by now.
                old = olderthan < 0 or entry.created_ns <= latest
                subject = f"$KV.{self._name}.{entry.key}"
                await self._js.purge_stream(f"KV_{self._name}", entry.revision + int(old), subject)
        return True

    async def status(self) -> api.BucketStatus:
        """The info of the stream behind it: configuration, messages, bytes; also `values`, `history` and `ttl`."""
        return api.BucketStatus((await self._js.stream_info(f"KV_{self._name}")).raw)
