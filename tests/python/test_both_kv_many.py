# SPDX-License-Identifier: Apache-2.0
"""Buckets as a whole: making and listing them, mirrors and sources, how they are opened, codecs, changing many keys,
entries at hand, against a real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

import natskit
import pytest
from natskit import errors
from natskit.js import api


async def made(nc: natskit.Client, bucket: str, **config: Any) -> natskit.KeyValue:
    return await nc.jetstream().create_key_value(bucket=bucket, storage="memory", **config)


async def until(condition: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Waits until it holds, or fails after 20 s."""
    end = time.monotonic() + 20
    while not await condition():
        assert time.monotonic() < end


# ------------------------------------------------------------------------------------------- buckets


async def test_buckets_are_made_changed_and_listed(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.create_key_value(bucket="A", history=3, ttl=60, storage="memory", limit_marker_ttl=2)
        await js.create_key_value(bucket="A", history=3, ttl=60, storage="memory", limit_marker_ttl=2)
        with pytest.raises(errors.AlreadyExistsError):
            await js.create_key_value(bucket="A", history=4, storage="memory")
        kv = await js.update_key_value(bucket="A", history=5)
        status = await kv.status()
        assert (status.bucket, status.history, status.ttl, status.limit_marker_ttl) == ("A", 5, 60, 2)
        assert (status.values, status.is_compressed, status.is_mirror) == (0, False, False)
        assert (status.backing_store, status.size) == ("JetStream", 0)
        await js.create_or_update_key_value(bucket="B", storage="memory", history=2)
        await js.create_or_update_key_value(api.KeyValueConfig(bucket="B", storage="memory", history=9))
        assert sorted(await js.key_value_names()) == ["A", "B"]
        assert {row.bucket: row.history for row in await js.key_values()} == {"A": 5, "B": 9}
        assert await js.delete_key_value("B") is True
        with pytest.raises(errors.StreamNotFoundError):
            await js.delete_key_value("B")
        with pytest.raises(errors.StreamNotFoundError):
            await js.key_value("B")
        with pytest.raises(errors.StreamNotFoundError):
            await js.update_key_value(bucket="B", history=2)
        await js.add_stream(name="KV_odd", subjects=["odd"])
        with pytest.raises(errors.NotABucketError):
            await js.key_value("odd")
        for wrong in ({"bucket": "a.b"}, {"bucket": "a", "history": 65}, {"bucket": "a", "what": 1}, {}):
            with pytest.raises(errors.InvalidError):
                await js.create_key_value(wrong)


async def test_mirrors_are_written_where_they_come_from(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        origin = await made(nc, "FROM")
        mirror = await made(nc, "TO", mirror=api.StreamSource(name="FROM"))
        assert (await mirror.status()).is_mirror
        revision = await mirror.put("k", b"1")

        async def there() -> bool:
            try:
                return (await mirror.get("k")).value == b"1"
            except errors.KeyNotFoundError:
                return False

        await until(there)
        assert (await origin.get("k")).revision == revision
        assert await mirror.keys() == ["k"]
        opened = await nc.jetstream().key_value("TO")
        await opened.delete("k")

        async def gone() -> bool:  # a mirror that lags behind may answer, too
            try:
                await origin.get("k")
            except errors.KeyDeletedError:
                return True
            return False

        await until(gone)


async def test_sources_become_keys_of_the_bucket(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        a, b = await made(nc, "S1"), await made(nc, "S2")
        transform = api.SubjectTransform(src="$KV.S2.>", dest="$KV.S3.b.>")
        both = await made(nc, "S3", sources=[{"name": "S1"}, api.StreamSource(name="KV_S2", subject_transforms=[transform])])
        await a.put("k", b"a")
        await b.put("k", b"b")

        async def there() -> bool:
            return sorted(await both.keys()) == ["b.k", "k"]

        await until(there)
        assert (await both.get("b.k")).value == b"b"
        await both.put("own", b"x")
        assert (await both.get("own")).value == b"x"


# ------------------------------------------------------------------------------------------- opening


async def test_what_is_opened_to_be_read_alone_changes_nothing(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        await (await made(nc, "B")).put("k", b"1")
        kv = nc.jetstream().kv("B", read_only=True)
        assert (await kv.get("k")).value == b"1"
        with pytest.raises(errors.ReadOnlyError):
            await kv.create("x")
        with pytest.raises(errors.ReadOnlyError):
            await kv.update("k", b"2", 1)
        with pytest.raises(errors.ReadOnlyError):
            await kv.delete("k")
        with pytest.raises(errors.ReadOnlyError):
            await kv.put("k", b"2")
        with pytest.raises(errors.ReadOnlyError):
            await kv.purge("k")
        with pytest.raises(errors.ReadOnlyError):
            await kv.purge_deletes()
        assert (await kv.get("k")).value == b"1"
        with pytest.raises(errors.InvalidError):
            nc.jetstream().kv("B", codec="other")
        with pytest.raises(errors.InvalidError):
            nc.jetstream().kv("B", origin="a.b")


async def test_gets_by_the_leader(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        await (await made(nc, "B")).put("k", b"1")
        asked = await nc.subscribe("$JS.API.STREAM.MSG.GET.KV_B")
        kv = nc.jetstream().kv("B", direct=False)
        assert (await kv.get("k")).value == b"1"
        assert await asked.next_msg(20)


@pytest.mark.parametrize(
    ("codec", "key", "stored"),
    [("base64", "with spaces.ü*", "d2l0aCBzcGFjZXM.w7wq"), ("path", "/etc/hosts", "_root_.etc.hosts")],
)
async def test_codecs_of_keys(js_url: str, codec: str, key: str, stored: str) -> None:
    async with natskit.connect(js_url) as nc:
        plain = await made(nc, "B", history=5)
        kv = await nc.jetstream().key_value("B", codec=codec)
        revision = await kv.put(key, b"1")
        assert (await plain.get(stored)).revision == revision
        entry = await kv.get(key)
        assert (entry.key, entry.value, entry.revision) == (key, b"1", revision)
        assert await kv.keys() == [key]
        assert await kv.keys(key) == [key]
        assert await plain.keys() == [stored]
        await kv.update(key, b"2", revision)
        assert [entry.key for entry in await kv.history(key)] == [key, key]
        assert await kv.delete_all([key]) == 1
        with pytest.raises(errors.KeyDeletedError):
            await kv.get(key)
        await plain.put("no=code", b"x")  # ends nothing
        assert "no=code" in await kv.keys()


# ------------------------------------------------------------------------------------------- many keys


async def test_all_keys_that_match_are_changed(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "B", history=3)
        for i in range(100):
            await kv.put(f"a.{i}", b"1")
        await kv.put("b", b"1")
        await kv.delete("a.0")
        assert await kv.delete_all("a.*") == 99
        assert await kv.delete_all(["a.*", "c"]) == 0
        assert await kv.keys() == ["b"]
        assert await kv.purge_all("b") == 1
        assert [entry.operation for entry in await kv.history("b")] == ["PURGE"]
        assert (await kv.status()).values == 201
        assert await kv.purge_deletes() is True  # the markers are too young
        assert (await kv.status()).values == 101
        assert await kv.purge_deletes(-1, keys="a.*") is True
        assert (await kv.status()).values == 1
        with pytest.raises(errors.InvalidError):
            await kv.delete_all([])
        with pytest.raises(errors.InvalidError):
            await kv.purge_all("a..b")
        with pytest.raises(errors.StreamNotFoundError):
            await nc.jetstream().kv("NONE").delete_all(">")


async def test_history_of_several_keys(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "B", history=3)
        for value in (b"1", b"2"):
            for key in ("a", "b", "c"):
                await kv.put(key, value)
        assert [(entry.key, entry.value) for entry in await kv.history(["a", "c"])] == [
            ("a", b"1"), ("c", b"1"), ("a", b"2"), ("c", b"2")]  # fmt: skip


async def test_modify_is_done_again_when_another_was_faster(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "B")
        await kv.modify("n", lambda value: b"%d" % (int(value or 0) + 1))
        assert (await kv.get("n")).value == b"1"
        seen = []
        with natskit_sync(js_url) as other:
            rival = other.jetstream().kv("B")

            def change(value: bytes | None) -> bytes:
                seen.append(value)
                if len(seen) < 3:
                    rival.put("n", b"%d" % (10 * len(seen)))
                return (value or b"") + b"!"

            revision = await kv.modify("n", change)
        assert seen == [b"1", b"10", b"20"]
        entry = await kv.get("n")
        assert (entry.value, entry.revision) == (b"20!", revision)
        assert await kv.modify("n", lambda value: None) is None
        await kv.delete("n")
        await kv.modify("n", lambda value: b"none" if value is None else value)
        assert (await kv.get("n")).value == b"none"

        def loses(value: bytes | None) -> bytes:
            with natskit_sync(js_url) as other:
                other.jetstream().kv("B").put("n", b"x")
            return b"y"

        with pytest.raises(errors.KeyWrongLastSequenceError):
            await kv.modify("n", loses, tries=2)
        with pytest.raises(errors.InvalidError):
            await kv.modify("n", loses, tries=0)


def natskit_sync(url: str) -> Any:
    """A rival that does not wait for this loop."""
    from natskit.sync import connect

    return connect(url)


# ------------------------------------------------------------------------------------------- at hand


async def test_a_cache_follows_the_bucket(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, "B")
        await kv.put("a", b"1")
        await kv.put("b", b"2")
        await kv.delete("b")
        async with kv.cache() as cache:
            assert cache.is_complete
            assert cache["a"].value == b"1"
            assert cache.get("b") is None and cache.get("b", 7) == 7
            assert "a" in cache and "b" not in cache and 7 not in cache
            with pytest.raises(KeyError):
                cache["b"]
            with pytest.raises(errors.InvalidError):
                cache["a..b"]
            revision = await kv.put("b", b"3")

            async def come() -> bool:
                await nc.flush()
                return bool(cache.stats()["last_revision"] >= revision)

            await until(come)
            assert sorted(cache) == ["a", "b"] and len(cache) == 2
            assert {entry.key: entry.value for entry in cache.entries()} == {"a": b"1", "b": b"3"}
            async with kv.cache("b", headers_only=True) as second:
                assert sorted(second) == ["b"] and second["b"].value == b"" and second["b"].length == 1
        with pytest.raises(errors.Error):
            cache["a"]
        none = nc.jetstream().kv("NONE").cache()
        with pytest.raises(errors.StreamNotFoundError):
            await none.ready()
        with pytest.raises(errors.StreamNotFoundError):
            none.get("a")


# [sync] def test_a_bucket_is_a_mapping(js_url: str) -> None:
# [sync]     with natskit.connect(js_url) as nc:
# [sync]         kv = made(nc, "B")
# [sync]         kv["a"] = b"1"
# [sync]         kv["b"] = "2"
# [sync]         assert (kv["a"], kv["b"]) == (b"1", b"2")
# [sync]         assert "a" in kv and "c" not in kv and 7 not in kv
# [sync]         assert sorted(kv) == ["a", "b"] and len(kv) == 2
# [sync]         del kv["a"]
# [sync]         assert "a" not in kv
# [sync]         for key in ("a", "c"):
# [sync]             with pytest.raises(KeyError):
# [sync]                 kv[key]
# [sync]             with pytest.raises(KeyError):
# [sync]                 del kv[key]
# [sync]         del kv["b"]
# [sync]         assert kv and len(kv) == 0
# [sync]         for wrong in ("", "a..b", "a b"):
# [sync]             with pytest.raises(errors.InvalidError):
# [sync]                 kv[wrong] = b""
