# SPDX-License-Identifier: Apache-2.0
"""Objects that this library puts the reference (npm `nats`) and nats-py read, and the other way round: sizes around a chunk's,
odd names, descriptions, headers, metadata, links, and what was deleted.

    object_peer.py FOLDER PYTHON   where npm has installed the one, and the interpreter that has the other; either may be ""

With NATSKIT_OBJECT_MIB it is one object of that size instead, and the program prints how long each took.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support" / "python"))

import natskit  # noqa: E402
from natskit import errors  # noqa: E402
from natskit_testing import Server  # noqa: E402

Rows = list[dict[str, Any]]
Peer = Callable[..., Awaitable[Any]]

LARGE_MIB = int(os.environ.get("NATSKIT_OBJECT_MIB", "0"))
MOST_SECONDS = 600 if LARGE_MIB else 120

WHOLE = 16 << 20  # what is larger goes piece by piece
PIECE = 251 * 4096
CHUNK = 128 * 1024
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 10 << 20]

OBJECTS: Rows = [
    *({"name": f"size {size}", "size": size} for size in SIZES),
    *({"name": name, "size": 7} for name in ["ä ö/ü", " ", "a.b.*.>", 'q"uo\\te', "~" * 300, "\U0001f4e6?/+="]),
    {"name": "described", "size": 3, "description": "what it is: ü\n"},
    {"name": "with headers", "size": 4, "headers": {"X-One": ["1"], "x-two": ["a", "b c"]}},
    {"name": "in small chunks", "size": 1000, "chunk_size": 64},
    {"name": "gone", "size": 200_000, "deleted": True},
    {"name": "emptied", "size": 0, "deleted": True},
]
METADATA: Rows = [{"name": "with metadata", "size": 5, "metadata": {"owner": "tests", "ä": ""}}]
LINKS: Rows = [{"name": "a link", "link": "size 1"}, {"name": "to a store", "store": True}]


def expect(got: object, wanted: object, what: str) -> None:
    assert got == wanted, f"{what}:\n  {got!r}\ninstead of\n  {wanted!r}"


def expect_rows(got: dict[str, Any], wanted: dict[str, Any], what: str) -> None:
    for name, row in wanted["found"].items():
        expect(got["found"].get(name), row, f"{what}: {name!r}")
    expect(got, wanted, what)


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def pieces(size: int) -> Iterator[bytes]:
    """The same, piece by piece."""
    piece = content(PIECE)
    for begin in range(0, size, PIECE):
        yield piece[: size - begin]


class Digest:
    """A file that keeps the digest of what is written into it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def content_digest(size: int) -> str:
    taken = Digest()
    for piece in pieces(size):
        taken.write(piece)
    return taken.hexdigest()


def described(row: dict[str, Any], bucket: str, sizes: dict[str, int]) -> dict[str, Any] | None:
    """What a reader has to find."""
    if row.get("deleted"):
        return None
    size = row.get("size", 0)
    link = [bucket, row["link"]] if "link" in row else [bucket, None] if "store" in row else None
    return {
        "size": size,
        "chunks": -(-size // row.get("chunk_size", CHUNK)),
        "description": row.get("description"),
        "headers": row.get("headers"),
        "metadata": row.get("metadata"),
        "link": link,
        "sha256": None if "store" in row else content_digest(sizes[row["link"]] if "link" in row else size),
    }


def found(rows: Rows, bucket: str) -> dict[str, Any]:
    sizes = {row["name"]: row.get("size", 0) for row in rows}
    return {
        "found": {row["name"]: described(row, bucket, sizes) for row in rows},
        "listed": sorted(row["name"] for row in rows if not row.get("deleted")),
    }


# ---------------------------------------------------------------------------------------------- this library


async def ours_writes(nc: natskit.Client, bucket: str, rows: Rows) -> None:
    store = await nc.jetstream().create_object_store(bucket, storage="memory")
    for row in rows:
        if "link" in row:
            await store.add_link(row["name"], row["link"])
        elif "store" in row:
            await store.add_bucket_link(row["name"], store)
        else:
            said = {key: row.get(key) for key in ("description", "headers", "metadata", "chunk_size")}
            size = row["size"]
            await store.put(row["name"], pieces(size) if size > WHOLE else content(size), **said)
            if row.get("deleted"):
                await store.delete(row["name"])


async def object_digest(store: natskit.ObjectStore, name: str, size: int) -> str:
    if size <= WHOLE:
        return hashlib.sha256((await store.get(name)).data or b"").hexdigest()
    taken = Digest()
    await store.get(name, taken)
    return taken.hexdigest()


async def ours_reads(nc: natskit.Client, bucket: str, names: list[str]) -> dict[str, Any]:
    store = await nc.jetstream().object_store(bucket)
    seen: dict[str, Any] = {}
    for name in names:
        try:
            info = await store.get_info(name)
        except errors.ObjectNotFoundError:
            seen[name] = None
            continue
        to_store = info.link is not None and info.link[1] is None
        seen[name] = {
            "size": info.size,
            "chunks": info.chunks,
            "description": info.description,
            "headers": info.headers or None,
            "metadata": info.metadata or None,
            "link": list(info.link) if info.link is not None else None,
            "sha256": None if to_store else await object_digest(store, name, info.size),
        }
    return {"found": seen, "listed": sorted(info.name for info in await store.list())}


# ---------------------------------------------------------------------------------------------- the others


async def run(command: list[str], environment: dict[str, str]) -> Any:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment}, stdout=subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), MOST_SECONDS)
    expect(process.returncode, 0, f"the end of {command[0]}")
    return json.loads(said)


def node(folder: str) -> Peer:
    async def ask(*args: str) -> Any:
        return await run(["node", str(HERE / "object.cjs"), *args], {"NODE_PATH": str(Path(folder) / "node_modules")})

    return ask


def nats_py(python: str) -> Peer:
    async def ask(*args: str) -> Any:
        return await run([python, str(HERE / "object_nats_py.py"), *args], {"PYTHONPATH": ""})

    return ask


# ---------------------------------------------------------------------------------------------- what is tried


async def both_ways(nc: natskit.Client, url: str, who: str, peer: Peer, rows: Rows, shown: Rows) -> None:
    """`rows`: what the other one can put; `shown`: what it can show of ours."""
    ours = found(shown, "OURS")
    await ours_writes(nc, "OURS", shown)
    names = [row["name"] for row in shown]
    expect_rows(await ours_reads(nc, "OURS", names), ours, "what we read of ours")
    expect_rows(await peer("read", url, "OURS", json.dumps(names)), ours, f"what {who} reads of ours")
    names = [row["name"] for row in rows]
    await peer("write", url, "THEIRS", json.dumps(rows))
    expect_rows(await ours_reads(nc, "THEIRS", names), found(rows, "THEIRS"), f"what we read of {who}")
    store = await nc.jetstream().object_store("THEIRS")
    await store.put("size 1", b"ours")  # in the place of theirs
    await store.delete("size 0")
    names = ["size 0", "size 1"]
    seen = await peer("read", url, "THEIRS", json.dumps(names))
    expect(seen["found"]["size 0"], None, f"what {who} finds of its own that we have deleted")
    expect(seen["found"]["size 1"]["sha256"], hashlib.sha256(b"ours").hexdigest(), f"what {who} finds of its own, replaced")
    print(f"{who} and this library read each other's objects")


async def large(nc: natskit.Client, url: str, who: str, peer: Peer) -> None:
    """One large object each way. The seconds of the other one include the start and the end of its process."""
    rows: Rows = [{"name": "large", "size": LARGE_MIB << 20}]
    names = ["large"]

    async def timed(what: str, doing: Awaitable[Any], bucket: str = "") -> None:
        begin = time.monotonic()
        got = await doing
        print(f"{LARGE_MIB} MiB, {what}: {time.monotonic() - begin:.1f} s", flush=True)
        if bucket:
            expect_rows(got, found(rows, bucket), what)

    await timed("this library puts", ours_writes(nc, "OURS", rows))
    await timed("this library gets its own", ours_reads(nc, "OURS", names), "OURS")
    await timed(f"{who} gets this library's", peer("read", url, "OURS", json.dumps(names)), "OURS")
    await nc.jetstream().delete_object_store("OURS")
    await timed(f"{who} puts", peer("write", url, "THEIRS", json.dumps(rows)))
    await timed(f"this library gets {who}'s", ours_reads(nc, "THEIRS", names), "THEIRS")
    await timed(f"{who} gets its own", peer("read", url, "THEIRS", json.dumps(names)), "THEIRS")


async def main(folder: str, python: str) -> None:
    rounds: list[tuple[str, Peer, Rows, Rows]] = []
    if folder:
        # It takes the letters of a name for the bytes of its base64, so those beyond ASCII have another subject, or none.
        every = [row for row in OBJECTS + METADATA + LINKS if row["name"].isascii()]
        rounds.append(("nats.js", node(folder), every, every))
    if python:
        rounds.append(("nats-py", nats_py(python), OBJECTS, OBJECTS + LINKS))
    for who, peer, rows, shown in rounds:
        with Server(jetstream=True) as server:
            async with natskit.connect(server.url) as nc:
                if LARGE_MIB:
                    await large(nc, server.url, who, peer)
                else:
                    await both_ways(nc, server.url, who, peer, rows, shown)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
