# SPDX-License-Identifier: Apache-2.0
"""Key-value buckets."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import natskit
from natskit import errors as own

from .._mapping import Translated, mapped
from . import api, errors

if TYPE_CHECKING:
    from .client import JetStreamContext

KV_OP = "KV-Operation"
KV_DEL = "DEL"
KV_PURGE = "PURGE"

_translated = Translated({own.InvalidError: errors.InvalidKeyError})


class _Watcher:
    """Entries as they are written; None stands for the end of those that there were."""

    def __init__(self, raw: natskit.Watcher[Any], source: Any = None) -> None:
        self._raw = raw
        self._source = source or raw

    def _read(self, raw: Any) -> Any:
        return KeyValue.Entry._of(raw)

    async def stop(self) -> None:
        """Ends it."""
        await self._raw.stop()

    async def updates(self, timeout: float = 5.0) -> Any:
        """The next entry, or None; errors.TimeoutError."""
        with _translated:
            update = await self._raw.updates(timeout)
        return None if update is None else self._read(update)

    def __aiter__(self) -> _Watcher:
        return type(self)(self._raw, self._raw.__aiter__())  # which holds what it has taken, as long as it is there

    async def __anext__(self) -> Any:
        try:
            update: Any = await self._source.__anext__()
        except own.ConnectionClosedError as error:
            raise StopAsyncIteration from error
        except own.Error as error:
            raise mapped(error) from error
        return None if update is None else self._read(update)


class KeyValue:
    """A bucket."""

    @dataclass
    class Entry:
        """An entry of a bucket."""

        bucket: str
        key: str
        value: bytes | None
        revision: int | None
        delta: int | None
        created: datetime.datetime | None
        operation: str | None

        @classmethod
        def _of(cls, entry: natskit.Entry) -> KeyValue.Entry:
            return cls(
                entry.bucket, entry.key, entry.value, entry.revision, entry.delta, entry.created, entry.operation
            )

    @dataclass(frozen=True)
    class BucketStatus:
        """A bucket's stream, with the bucket's words for some of it."""

        stream_info: api.StreamInfo
        bucket: str

        @property
        def values(self) -> int:
            return self.stream_info.state.messages

        @property
        def history(self) -> int:
            return self.stream_info.config.max_msgs_per_subject or 0

        @property
        def ttl(self) -> Any:
            return self.stream_info.config.max_age

        @property
        def marker_ttl(self) -> Any:
            return self.stream_info.config.subject_delete_marker_ttl

    KeyWatcher = _Watcher

    def __init__(self, name: str, stream: str, pre: str, js: JetStreamContext, direct: bool) -> None:
        self._kv = js._js.kv(name, direct=direct or None)

    @classmethod
    def _of(cls, kv: natskit.KeyValue) -> KeyValue:
        made = cls.__new__(cls)
        made._kv = kv
        return made

    async def get(self, key: str, revision: int | None = None, validate_keys: bool = True) -> Entry:
        """The last entry of a key, or the one of a revision; errors.KeyNotFoundError."""
        with _translated:
            return self.Entry._of(await self._kv.get(key, revision))

    async def put(self, key: str, value: bytes, validate_keys: bool = True) -> int:
        """Sets a value; gives its revision."""
        with _translated:
            return await self._kv.put(key, value)

    async def create(
        self, key: str, value: bytes, validate_keys: bool = True, msg_ttl: float | None = None
    ) -> int:
        """Sets the value of a key that has none; errors.KeyWrongLastSequenceError."""
        with _translated:
            return await self._kv.create(key, value, ttl=msg_ttl)

    async def update(
        self, key: str, value: bytes, last: int | None = None, validate_keys: bool = True
    ) -> int:
        """Sets the value if the key has revision `last`; errors.KeyWrongLastSequenceError."""
        with _translated:
            return await self._kv.update(key, value, last)

    async def delete(
        self, key: str, last: int | None = None, validate_keys: bool = True, msg_ttl: float | None = None
    ) -> bool:
        """Deletes a key; its history stays."""
        with _translated:
            await self._kv.delete(key, last)
        return True

    async def purge(self, key: str, msg_ttl: float | None = None) -> bool:
        """Deletes a key with its history."""
        with _translated:
            await self._kv.purge(key, ttl=msg_ttl)
        return True

    async def purge_deletes(self, olderthan: int = 30 * 60) -> bool:
        """Removes what deletes have left behind."""
        with _translated:
            return await self._kv.purge_deletes(olderthan)

    async def status(self) -> BucketStatus:
        """Asks the server of the bucket."""
        with _translated:
            status = await self._kv.status()
        return self.BucketStatus(status, status.bucket)

    async def watchall(self, **kwargs: Any) -> _Watcher:
        """watch() of all keys."""
        return await self.watch(">", **kwargs)

    async def keys(self, filters: list[str] | None = None, **kwargs: Any) -> list[str]:
        """The keys that have a value; errors.NoKeysError if there are none."""
        with _translated:
            keys = await self._kv.keys(filters or None)
        if not keys:
            raise errors.NoKeysError
        return keys

    async def history(self, key: str) -> list[Entry]:
        """All that is kept of a key; errors.NoKeysError if that is nothing."""
        with _translated:
            entries = await self._kv.history(key)
        if not entries:
            raise errors.NoKeysError
        return [self.Entry._of(entry) for entry in entries]

    async def watch(
        self,
        keys: str | list[str],
        headers_only: bool = False,
        include_history: bool = False,
        ignore_deletes: bool = False,
        meta_only: bool = False,
        inactive_threshold: float | None = None,
    ) -> _Watcher:
        """Entries as they are written, beginning with the last one of each key that matches."""
        with _translated:
            watcher = self._kv.watch(
                keys,
                headers_only=headers_only,
                include_history=include_history,
                ignore_deletes=ignore_deletes,
                meta_only=meta_only,
                marker=True,
            )
        return _Watcher(watcher)
