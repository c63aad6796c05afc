# SPDX-License-Identifier: Apache-2.0
"""What this library writes into a bucket the reference (npm `nats`) and nats-py read, and the other way round: values,
deletes, purges, history and revisions; keys in base64; times to live, and the markers that servers write.

    kv_peer.py FOLDER PYTHON   where npm has installed the one, and the interpreter that has the other; either may be ""
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support" / "python"))

import natskit  # noqa: E402
from natskit import errors  # noqa: E402
from natskit_testing import Server  # noqa: E402

Steps = list[tuple[str, str, str, Any]]
Peer = Callable[..., Awaitable[Any]]

STEPS: Steps = [
    ("put", "a.b", "1", None),
    ("put", "a.b", "2", None),
    ("create", "new", "3", None),
    ("update", "new", "4 \u00fc", 3),
    ("put", "gone", "5", None),
    ("delete", "gone", "", None),
    ("put", "purged", "7", None),
    ("put", "purged", "8", None),
    ("purge", "purged", "", None),
    ("put", "again", "10", None),
    ("delete", "again", "", None),
    ("create", "again", "12", None),
    ("put", "with-_/=.x", "13", None),
]
HISTORY = [
    ["a.b", "PUT", "1", 1],
    ["a.b", "PUT", "2", 2],
    ["new", "PUT", "3", 3],
    ["new", "PUT", "4 \u00fc", 4],
    ["gone", "PUT", "5", 5],
    ["gone", "DEL", "", 6],
    ["purged", "PURGE", "", 9],
    ["again", "PUT", "10", 10],
    ["again", "DEL", "", 11],
    ["again", "PUT", "12", 12],
    ["with-_/=.x", "PUT", "13", 13],
]
REVISIONS = [1, 2, 3, 4, 5, 7, 8, 10, 12, 13]  # of what gives one in every client

# Tokens whose base64 needs neither padding nor what the alphabets differ in: clients agree on their subjects.
CODED: Steps = [("put", "abc.def", "1", None), ("put", "xyz", "2", None), ("delete", "xyz", "", None)]


def expect(got: object, wanted: object, what: str) -> None:
    assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def found(history: list[list[Any]], names: list[str]) -> dict[str, Any]:
    """What a reader has to find."""
    last = {row[0]: row for row in history}
    values = {key: row[2:] if row[1] == "PUT" else None for key, row in last.items()}
    return {
        "keys": sorted(key for key in values if values[key] is not None),
        "values": {key: values.get(key) for key in names},
        "history": {key: [row for row in history if row[0] == key] for key in names},
        "watched": history,
    }


# ---------------------------------------------------------------------------------------------- this library


async def ours_writes(nc: natskit.Client, bucket: str, steps: Steps, codec: str = "none", **config: Any) -> list[int]:
    js = nc.jetstream()
    await js.create_key_value(**{"bucket": bucket, "history": 5, "storage": "memory", **config})
    kv = js.kv(bucket, codec=codec)
    revisions = []
    for action, key, value, number in steps:
        if action == "put":
            revisions.append(await kv.put(key, value))
        elif action == "create":
            revisions.append(await kv.create(key, value, ttl=number))
        elif action == "update":
            revisions.append(await kv.update(key, value, number))
        elif action == "delete":
            await kv.delete(key)
        else:
            await kv.purge(key)
    return revisions


def told(entry: natskit.Entry) -> list[Any]:
    return [entry.key, entry.operation or "PUT", entry.value.decode(), entry.revision]


async def ours_reads(nc: natskit.Client, bucket: str, names: list[str], codec: str = "none") -> dict[str, Any]:
    kv = await nc.jetstream().key_value(bucket, codec=codec)
    seen: dict[str, Any] = {"keys": sorted(await kv.keys()), "values": {}, "history": {}, "watched": []}
    for key in names:
        try:
            entry = await kv.get(key)
            seen["values"][key] = [entry.value.decode(), entry.revision]
        except errors.KeyNotFoundError:
            seen["values"][key] = None
        seen["history"][key] = [told(entry) for entry in await kv.history(key)]
    async for one in kv.watch(include_history=True, marker=True):
        if one is None:
            break
        seen["watched"].append(told(one))
    return seen


# ---------------------------------------------------------------------------------------------- the others


async def run(command: list[str], environment: dict[str, str]) -> Any:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment}, stdout=subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    expect(process.returncode, 0, f"the end of {command[0]}")
    return json.loads(said)


def node(folder: str) -> Peer:
    async def ask(*args: str, **environment: str) -> Any:
        modules = {"NODE_PATH": str(Path(folder) / "node_modules")}
        return await run(["node", str(HERE / "kv.cjs"), *args], {**modules, **environment})

    return ask


def nats_py(python: str) -> Peer:
    async def ask(*args: str, **environment: str) -> Any:
        return await run([python, str(HERE / "kv_nats_py.py"), *args], {"PYTHONPATH": "", **environment})

    return ask


# ---------------------------------------------------------------------------------------------- what is tried


async def plain(nc: natskit.Client, url: str, who: str, peer: Peer) -> None:
    names = sorted({step[1] for step in STEPS})
    wanted = found(HISTORY, names)
    expect(await ours_writes(nc, "OURS", STEPS), REVISIONS, "our revisions")
    expect(await peer("read", url, "OURS", json.dumps(names)), wanted, f"what {who} reads of ours")
    expect(await ours_reads(nc, "OURS", names), wanted, "what we read of ours")
    revisions = await peer("write", url, "THEIRS", json.dumps(STEPS))
    expect(revisions, REVISIONS, f"the revisions of {who}")
    expect(await ours_reads(nc, "THEIRS", names), wanted, f"what we read of {who}")
    many = await (await nc.jetstream().create_or_update_key_value(bucket="THEIRS", history=5)).get_many(names)
    expect(
        {key: [one.value.decode(), one.revision] for key, one in many.items()},
        {key: value for key, value in wanted["values"].items() if value is not None},
        f"several keys of {who}, whose bucket may not have allowed direct gets before",
    )
    print(f"{who} and this library read each other's buckets")


async def coded(nc: natskit.Client, url: str, peer: Peer) -> None:
    rows = [["abc.def", "PUT", "1", 1], ["xyz", "PUT", "2", 2], ["xyz", "DEL", "", 3]]
    names = ["abc.def", "xyz"]
    await ours_writes(nc, "CODED", CODED, codec="base64")
    expect(await peer("read", url, "CODED", json.dumps(names), "base64"), found(rows, names), "keys in base64")
    await peer("write", url, "CODEDT", json.dumps([*CODED, ("put", "a", "4", None)]), "base64")
    seen = await ours_reads(nc, "CODEDT", names, codec="base64")
    expect(seen["watched"], [*rows, ["a", "PUT", "4", 4]], "its keys in base64, one of them padded")
    expect(seen["keys"], ["a", "abc.def"], "the list of its keys in base64")
    print("keys in base64 are read, padded or not")


async def markers(nc: natskit.Client, url: str, peer: Peer) -> None:
    steps: Steps = [("create", "brief", "1", 1.0), ("put", "stays", "2", None)]
    rows = [["brief", "PUT", "1", 1], ["stays", "PUT", "2", 2], ["brief", "PURGE", "", 3]]
    names = ["brief", "stays"]

    async def until_gone(bucket: str) -> None:
        async for entry in (await nc.jetstream().key_value(bucket)).watch("brief"):
            if entry.operation == "PURGE":
                return

    def later(seen: dict[str, Any]) -> list[list[Any]]:
        return [row for row in seen["watched"] if row[:2] != ["brief", "PUT"]]

    await ours_writes(nc, "BRIEF", steps, history=1, limit_marker_ttl=3600)
    await asyncio.wait_for(until_gone("BRIEF"), 30)
    seen = await peer("read", url, "BRIEF", json.dumps(names))
    expect(seen["values"], {"brief": None, "stays": ["2", 2]}, "what has gone by its time")
    expect((seen["keys"], later(seen)), (["stays"], rows[1:]), "the marker")
    await peer("write", url, "BRIEFT", json.dumps(steps), HISTORY="1", MARKER_TTL="3600")
    await asyncio.wait_for(until_gone("BRIEFT"), 30)
    seen = await ours_reads(nc, "BRIEFT", names)
    expect(seen["values"], {"brief": None, "stays": ["2", 2]}, "what has gone by its time")
    expect((seen["keys"], later(seen)), (["stays"], rows[1:]), "the marker")
    print("times to live and markers mean the same to nats-py")


async def main(folder: str, python: str) -> None:
    peers: list[tuple[str, Peer]] = []
    if folder:
        peers.append(("nats.js", node(folder)))
    if python:
        peers.append(("nats-py", nats_py(python)))
    for who, peer in peers:
        with Server(jetstream=True) as server:
            async with natskit.connect(server.url) as nc:
                await plain(nc, server.url, who, peer)
                await (coded if who == "nats.js" else markers)(nc, server.url, peer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
