# SPDX-License-Identifier: Apache-2.0
"""Several keys of a bucket at once: read as of one moment, and changed together or not at all, against a real server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import natskit
import pytest
from natskit import errors


async def made(nc: natskit.Client, bucket: str, **config: Any) -> natskit.KeyValue:
    return await nc.jetstream().create_key_value(bucket=bucket, storage="memory", **config)


# ------------------------------------------------------------------------------------------- reading


async def test_get_many(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "M")
        await kv.put("b", b"1")
        await kv.put("a", b"2")
        await kv.put("gone", b"3")
        await kv.delete("gone")
        await kv.put("c.d", b"5")
        found = await kv.get_many(["a", "missing", "gone", "b"])
        assert [(key, entry.value, entry.revision) for key, entry in found.items()] == [
            ("b", b"1", 1),
            ("a", b"2", 2),
        ]
        assert list(await kv.get_many("c.*")) == ["c.d"]
        assert await kv.get_many([]) == {} == await kv.get_many("missing")
        told = await kv.get_many(["a", "gone"], deleted=True)
        assert {key: entry.operation for key, entry in told.items()} == {"a": None, "gone": "DEL"}
        assert told["gone"].revision == 4
        with pytest.raises(errors.InvalidError):
            await kv.get_many(["a", "b..c"])
        assert list(await kv.get_many(["a", *(f"k.{i}" for i in range(1024))])) == ["a"]
        with pytest.raises(errors.InvalidError):
            await kv.get_many(f"k.{i}" for i in range(65537))


async def test_get_many_elsewhere(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        await made(nc, "E")
        js = nc.jetstream()
        coded = js.kv("E", codec="base64")
        await coded.put("with space", b"1")
        assert list(await coded.get_many(["with space", "other"])) == ["with space"]
        await coded.delete("with space")
        leader = js.kv("E", codec="base64", direct=False)
        assert await leader.get_many(["with space", "*"]) == {}
        told = await leader.get_many("with space", deleted=True)
        assert [(key, entry.operation) for key, entry in told.items()] == [("with space", "DEL")]
        with pytest.raises(errors.StreamNotFoundError):
            await js.kv("NOBUCKET").get_many("a")


async def test_more_than_an_answer_holds(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "L", allow_atomic=True)
        for half in range(2):
            async with kv.batch() as batch:
                for i in range(513):
                    batch.put(f"k.{half}.{i}", b"")
        assert len(await kv.get_many("k.0.*")) == 513
        assert len(await kv.get_many("k.>")) == 1026
        assert len(await kv.get_many([f"k.{half}.{i}" for half in range(2) for i in range(600)])) == 1026


# ------------------------------------------------------------------------------------------- changing


async def test_batch(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "B", allow_atomic=True, limit_marker_ttl=1)
        await kv.put("up", b"1")
        await kv.put("gone", b"2")
        await kv.put("purged", b"3")
        async with kv.batch() as batch:
            batch.put("a", "4")
            batch.create("new", b"5", ttl=timedelta(hours=1))
            batch.update("up", b"6", 1)
            batch.update("first", b"7")
            batch.delete("gone", 2)
            batch.purge("purged", ttl=3600)
            assert len(batch) == 6 and not batch.committed and batch.revisions == []
            assert (await kv.get("up")).value == b"1"
        assert batch.revisions == [4, 5, 6, 7, 8, 9]
        found = await kv.get_many(">", deleted=True)
        assert [(key, entry.value, entry.operation, entry.revision) for key, entry in found.items()] == [
            ("a", b"4", None, 4),
            ("new", b"5", None, 5),
            ("up", b"6", None, 6),
            ("first", b"7", None, 7),
            ("gone", b"", "DEL", 8),
            ("purged", b"", "PURGE", 9),
        ]
        with pytest.raises(errors.ConnectionClosedError):
            batch.put("late", b"")


async def test_batch_is_all_or_nothing(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "N", allow_atomic=True)
        await kv.put("a", b"1")
        batch = kv.batch()
        batch.put("b", b"2")
        batch.update("a", b"2", 7)
        with pytest.raises(errors.WrongLastSequenceError) as caught:
            await batch.commit()
        assert caught.value.outcome != "unknown"
        assert await kv.keys() == ["a"]
        with pytest.raises(RuntimeError, match="left"):
            async with kv.batch() as left:
                left.put("c", b"3")
                raise RuntimeError("left")
        assert await kv.keys() == ["a"]
        batch = kv.batch()
        batch.put("a", b"2")
        with pytest.raises(errors.InvalidError):
            batch.update("a", b"3", 1)  # the batch changes it before
        with pytest.raises(errors.InvalidError):
            batch.put("_kv.x", b"")
        batch.discard()


async def test_batch_over_a_delete(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "D", allow_atomic=True)
        await kv.put("a", b"1")
        await kv.delete("a")
        batch = kv.batch()
        batch.create("a", b"2")
        with pytest.raises(errors.WrongLastSequenceError):
            await batch.commit()
        async with kv.batch() as batch:
            batch.update("a", b"2", (await kv.get_many("a", deleted=True))["a"].revision)
        assert (await kv.get("a")).value == b"2"


async def test_batch_needs_its_bucket(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "P")
        batch = kv.batch()
        batch.put("a", b"1")
        batch.put("b", b"1")
        with pytest.raises(errors.BatchNotAllowedError):
            await batch.commit()
        with pytest.raises(errors.ReadOnlyError):
            nc.jetstream().kv("P", read_only=True).batch().put("a", b"1")
        await nc.jetstream().update_key_value(bucket="P", allow_atomic=True)
        async with kv.batch() as batch:
            batch.put("a", b"1")
            batch.put("b", b"1")
        assert batch.revisions == [1, 2]
