# SPDX-License-Identifier: Apache-2.0
"""Buckets of nats-py, as the other end of kv_peer.py, with the arguments of kv.cjs; it knows no codecs, but times to live
and the server's markers: an action's time to live stands in place of its revision, and `MARKER_TTL` and `HISTORY` make the bucket."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import nats
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import KeyNotFoundError


async def write(js: Any, bucket: str, steps: str) -> None:
    more = {"limit_marker_ttl": float(os.environ["MARKER_TTL"])} if "MARKER_TTL" in os.environ else {}
    history = int(os.environ.get("HISTORY", "5"))
    kv = await js.create_key_value(KeyValueConfig(bucket=bucket, history=history, storage=StorageType.MEMORY, **more))
    revisions = []
    for action, key, value, number in json.loads(steps):
        if action == "put":
            revisions.append(await kv.put(key, value.encode()))
        elif action == "create":
            revisions.append(await kv.create(key, value.encode(), msg_ttl=number))
        elif action == "update":
            revisions.append(await kv.update(key, value.encode(), number))
        elif action == "delete":
            await kv.delete(key)
        else:
            await kv.purge(key)
    print(json.dumps(revisions))


def told(entry: Any) -> list[Any]:
    return [entry.key, entry.operation or "PUT", (entry.value or b"").decode(), entry.revision]


async def read(js: Any, bucket: str, names: str) -> None:
    kv = await js.key_value(bucket)
    found: dict[str, Any] = {"keys": sorted(await kv.keys()), "values": {}, "history": {}, "watched": []}
    for key in json.loads(names):
        try:
            entry = await kv.get(key)
            gone = entry.value is None  # its get takes a server's marker for an entry without a value
            found["values"][key] = None if gone else [entry.value.decode(), entry.revision]
        except KeyNotFoundError:
            found["values"][key] = None
        found["history"][key] = [told(entry) for entry in await kv.history(key)]
    watcher = await kv.watchall(include_history=True)
    async for entry in watcher:
        if entry is None:
            break
        found["watched"].append(told(entry))
    await watcher.stop()
    print(json.dumps(found))


async def main(what: str, url: str, bucket: str, told_list: str) -> None:
    nc = await nats.connect(url)
    await (write if what == "write" else read)(nc.jetstream(), bucket, told_list)
    await nc.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
