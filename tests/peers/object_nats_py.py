# SPDX-License-Identifier: Apache-2.0
"""Object stores of nats-py, as the other end of object_peer.py, with the arguments of object.cjs; it makes no links, and knows
no metadata. What is larger than WHOLE goes piece by piece: nothing holds it, and nats-py's get into memory takes time with
the square of the size."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from typing import Any

import nats
from nats.js.api import ObjectMeta, ObjectMetaOptions, StorageType
from nats.js.errors import ObjectDeletedError, ObjectNotFoundError


WHOLE = 16 << 20


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class Content:
    """The same as a file, as far as put() asks for one."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._done = 0

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._left)
        begin = self._done % 251
        buffer[:count] = content(begin + count)[begin:]
        self._left -= count
        self._done += count
        return count


class Digest:
    """A file that keeps the digest of what is written into it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


async def digest(store: Any, name: str, size: int) -> str:
    if size <= WHOLE:
        return hashlib.sha256((await store.get(name)).data or b"").hexdigest()
    taken = Digest()
    await store.get(name, taken)
    return taken.hexdigest()


async def write(js: Any, bucket: str, rows: str) -> None:
    store = await js.create_object_store(bucket, storage=StorageType.MEMORY)
    for row in json.loads(rows):
        options = ObjectMetaOptions(max_chunk_size=row["chunk_size"]) if row.get("chunk_size") else None
        meta = ObjectMeta(description=row.get("description"), headers=row.get("headers"), options=options)
        size = row["size"]
        await store.put(row["name"], Content(size) if size > WHOLE else content(size), meta)
        if row.get("deleted"):
            await store.delete(row["name"])
    print("true")


async def read(js: Any, bucket: str, names: str) -> None:
    store = await js.object_store(bucket)
    found: dict[str, Any] = {}
    for name in json.loads(names):
        try:
            info = await store.get_info(name)
        except (ObjectNotFoundError, ObjectDeletedError):
            found[name] = None
            continue
        link = info.options.link if info.options is not None else None
        to_store = link is not None and not link.name
        found[name] = {
            "size": info.size or 0,
            "chunks": info.chunks or 0,
            "description": info.description,
            "headers": info.headers,
            "metadata": None,
            "link": [link.bucket, link.name or None] if link is not None else None,
            "sha256": None if to_store else await digest(store, name, info.size or 0),
        }
    listed = sorted(info.name for info in await store.list(ignore_deletes=True))
    print(json.dumps({"found": found, "listed": listed}))


async def main(action: str, url: str, bucket: str, what: str) -> None:
    nc = await nats.connect(url)
    await (write if action == "write" else read)(nc.jetstream(timeout=20), bucket, what)
    await nc.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
