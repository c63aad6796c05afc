# SPDX-License-Identifier: Apache-2.0
"""Objects that other clients have put are read, and the other way round: nats-py and, by node, nats.js. Where they are
not installed there is nothing to compare with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import natskit
import pytest
from natskit_testing import Server

SIZES = (0, 1, 131071, 131072, 131073, 3_000_000)

# Reads what natskit has put, then puts an object and a link to it.
SCRIPT = """
const {connect} = require('nats');
(async () => {
  const nc = await connect({servers: process.argv[1]});
  const os = await nc.jetstream().views.os('X');
  const seen = {};
  for (const size of JSON.parse(process.argv[2])) {
    const data = await os.getBlob('from natskit ' + size);
    seen[size] = data.length === size && data.every((byte, i) => byte === i % 251);
  }
  const info = await os.putBlob({name: 'from node', metadata: {a: 'b'}}, new Uint8Array(300000).fill(7));
  await os.link('a link', info);
  await nc.close();
  console.log(JSON.stringify(seen));
})().catch((error) => { console.error(error); process.exit(1); });
"""


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


async def test_with_nats_py(shared_jetstream: Server) -> None:
    peer: Any = pytest.importorskip("nats")
    theirs = await peer.connect(shared_jetstream.url)
    async with natskit.connect(shared_jetstream.url) as nc:
        store = await nc.jetstream().create_object_store("X", storage="memory")
        other = await theirs.jetstream().object_store("X")
        for size in SIZES:
            await store.put(f"ours ä/* {size}", content(size), description="d", headers={"A": ["1"]})
            got = await other.get(f"ours ä/* {size}")
            assert (got.data or b"") == content(size) and got.info.description == "d"
            await other.put(f"theirs ä/* {size}", content(size))
            assert (await store.get(f"theirs ä/* {size}")).data == content(size)
        assert len(await store.list()) == len(await other.list()) == 2 * len(SIZES)
        await other.delete("theirs ä/* 1")
        assert (await store.get_info("theirs ä/* 1", show_deleted=True)).deleted
        await store.delete("ours ä/* 1")
        with pytest.raises(peer.js.errors.ObjectNotFoundError):
            await other.get_info("ours ä/* 1")
        assert await nc.jetstream().delete_object_store("X")
    await theirs.close()


async def test_with_nats_js(shared_jetstream: Server) -> None:
    node = shutil.which("node")
    modules = os.environ.get("NATSKIT_NODE_MODULES", "")
    if node is None or not os.path.isdir(os.path.join(modules, "nats")):
        pytest.skip("NATSKIT_NODE_MODULES names no folder with nats")
    async with natskit.connect(shared_jetstream.url) as nc:
        store = await nc.jetstream().create_object_store("X", storage="memory")
        for size in SIZES:
            await store.put(f"from natskit {size}", content(size))
        run = subprocess.run(
            [node, "-e", SCRIPT, shared_jetstream.url, json.dumps(SIZES)],
            env={**os.environ, "NODE_PATH": modules},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert json.loads(run.stdout) == {str(size): True for size in SIZES}
        got = await store.get("from node")
        assert got.data == b"\7" * 300000 and got.info.metadata == {"a": "b"}
        assert (await store.get_info("a link")).link == ("X", "from node")
        assert (await store.get("a link")).data == b"\7" * 300000
        assert await nc.jetstream().delete_object_store("X")
