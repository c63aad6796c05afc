# SPDX-License-Identifier: Apache-2.0
"""Buckets of another domain, behind a leaf node, and of another account: read and written there, and mirrored here;
against real servers (ADR-8, ADR-19, ADR-57)."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Server

HUB = """
listen: "127.0.0.1:-1"
http: "127.0.0.1:-1"
server_name: hub
jetstream { store_dir: "@DIR@/js", domain: hub }
leafnodes { listen: "127.0.0.1:@PORT1@" }
"""

LEAF = """
listen: "127.0.0.1:-1"
http: "127.0.0.1:-1"
server_name: leaf
jetstream { store_dir: "@DIR@/js", domain: leaf }
leafnodes { reconnect: 1, remotes: [{ url: "nats-leaf://127.0.0.1:%d" }] }
"""

ACCOUNTS = """
accounts {
  A {
    jetstream: enabled, users: [{ user: a, password: a }]
    exports: [
      { service: "$JS.API.STREAM.>" }, { service: "$JS.API.CONSUMER.>" }, { service: "$JS.FC.>" }
      { service: "$JS.API.DIRECT.>", response_type: stream }, { service: "$KV.>" }
      { stream: "_INBOX_B.>" }, { stream: "deliver.b.>" }
    ]
  }
  B {
    jetstream: enabled, users: [{ user: b, password: b }]
    imports: [
      { service: { account: A, subject: "$JS.API.STREAM.>" }, to: "fromA.STREAM.>" }
      { service: { account: A, subject: "$JS.API.CONSUMER.>" }, to: "fromA.CONSUMER.>" }
      { service: { account: A, subject: "$JS.API.DIRECT.>" }, to: "fromA.DIRECT.>" }
      { service: { account: A, subject: "$JS.FC.>" } }
      { service: { account: A, subject: "$KV.>" }, to: "fromA.$KV.>" }
      { stream: { account: A, subject: "_INBOX_B.>" } }, { stream: { account: A, subject: "deliver.b.>" } }
    ]
  }
}
"""


async def eventually(condition: Callable[[], Any]) -> None:
    deadline = monotonic() + 30
    while not await condition():
        assert monotonic() < deadline
        await face.nap(0.02)


async def use(kv: natskit.KeyValue, origin: natskit.KeyValue, bucket: str) -> None:
    """All that can be done with a bucket that is elsewhere, whose keys the origin sees."""
    first = await kv.put("a.b", b"1")
    assert (await origin.get("a.b")).value == b"1"
    assert await kv.update("a.b", b"2", first) == first + 1
    with pytest.raises(errors.KeyWrongLastSequenceError):
        await kv.update("a.b", b"3", first)
    with pytest.raises(errors.KeyExistsError):
        await kv.create("a.b", b"3")
    await origin.put("other", b"4")
    await kv.delete("other")
    assert (await kv.create("other", b"5")) == first + 4  # over a delete, which the leader there is asked about

    async def there() -> bool:
        return sorted(await kv.keys()) == ["a.b", "other"]

    await eventually(there)
    entry = await kv.get("a.b")
    assert (entry.bucket, entry.key, entry.value, entry.revision) == (bucket, "a.b", b"2", first + 1)
    assert (await kv.get("other", first + 4)).value == b"5"
    assert list(await kv.get_many(["a.*", "none"])) == ["a.b"]
    watcher = kv.watch("a.>", include_history=True, marker=True)
    entries = [await watcher.updates() for _ in range(3)]
    assert [entry and entry.value for entry in entries] == [b"1", b"2", None]
    await origin.put("a.c", b"6")
    entry = await watcher.updates(10)
    assert entry is not None and (entry.bucket, entry.key) == (bucket, "a.c")
    await watcher.stop()
    await kv.purge("a.b")
    with pytest.raises(errors.KeyDeletedError):
        await origin.get("a.b")
    assert await kv.delete_all("other") == 1
    with pytest.raises(errors.KeyDeletedError):
        await origin.get("other")

    async def swept() -> bool:
        await kv.purge_deletes(-1)
        return [entry.key for entry in await origin.history(">")] == ["a.c"]

    await eventually(swept)


async def test_domain() -> None:
    with Server(HUB) as hub, Server(LEAF % hub.extra_port(1)) as leaf:
        async with natskit.connect(hub.url) as there, natskit.connect(leaf.url) as nc:
            origin = await there.jetstream(timeout=30).create_key_value(bucket="A", history=5)

            async def linked() -> bool:
                try:
                    return (await nc.jetstream(domain="hub", timeout=1).key_value("A")).bucket == "A"
                except errors.Error:
                    return False

            await eventually(linked)
            await use(nc.jetstream(domain="hub", timeout=30).kv("A"), origin, "A")
            mirrored = await there.jetstream(timeout=30).create_key_value(bucket="M", history=5)
            mirror = await nc.jetstream(timeout=30).create_key_value(
                bucket="COPY", history=5, mirror={"name": "M", "external": {"api": "$JS.hub.API"}}
            )
            await use(mirror, mirrored, "M")
            assert (await mirror.status()).stream_info.config.mirror.external.api == "$JS.hub.API"


async def test_account() -> None:
    with Server(extra=ACCOUNTS) as server:
        a = natskit.connect(server.url, user="a", password="a")
        b = natskit.connect(server.url, user="b", password="b", inbox_prefix="_INBOX_B")
        async with a as there, b as nc:
            origin = await there.jetstream(timeout=30).create_key_value(bucket="A", history=5)
            await use(nc.jetstream(prefix="fromA", timeout=30).kv("A"), origin, "A")
            mirrored = await there.jetstream(timeout=30).create_key_value(bucket="M", history=5)
            external = {"api": "fromA", "deliver": "deliver.b"}
            mirror = await nc.jetstream(timeout=30).create_key_value(
                bucket="COPY", history=5, mirror={"name": "M", "external": external}
            )
            await use(mirror, mirrored, "M")
