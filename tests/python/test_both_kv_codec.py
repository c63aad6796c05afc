# SPDX-License-Identifier: Apache-2.0
"""Codecs of keys and values that a program brings: every way in and out of a bucket goes through them, against a real
server."""

from __future__ import annotations

import zlib
from typing import Any

import natskit
import pytest
from natskit import errors


class Upside:
    """Each token turned round, behind a prefix."""

    def encode(self, key: str) -> str:
        if key == "bad":
            raise ValueError("no such key")
        return "x." + ".".join(token[::-1] for token in key.split("."))

    def decode(self, stored: str) -> str:
        if not stored.startswith("x."):
            raise ValueError("none of ours")
        return ".".join(token[::-1] for token in stored[2:].split("."))


class Filtered(Upside):
    def encode_filter(self, pattern: str) -> str:
        return self.encode(pattern)  # wildcards turned round are the same


class Packed:
    def encode(self, value: bytes) -> bytes:
        return zlib.compress(value)

    def decode(self, stored: bytes) -> bytes:
        return zlib.decompress(stored)


async def made(nc: natskit.Client, bucket: str, **options: Any) -> tuple[natskit.KeyValue, natskit.KeyValue]:
    """The bucket as it is, and with codecs."""
    plain = await nc.jetstream().create_key_value(
        bucket=bucket, storage="memory", history=5, allow_atomic=True
    )
    return plain, nc.jetstream().kv(bucket, **options)


async def test_one_key(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        plain, kv = await made(nc, "ONE", key_codec=Upside(), value_codec=Packed())
        assert await kv.put("ab.cd", "text") == 1
        stored = await plain.get("x.ba.dc")
        assert stored.key == "x.ba.dc" and zlib.decompress(stored.value) == b"text"
        entry = await kv.get("ab.cd")
        assert (entry.key, entry.value, entry.revision) == ("ab.cd", b"text", 1)
        assert entry.key is entry.key and entry.value is entry.value and "ab.cd" in repr(entry)
        assert await kv.update("ab.cd", bytearray(b"two"), 1) == 2
        assert (await kv.get("ab.cd", 1)).value == b"text"
        await kv.delete("ab.cd")
        with pytest.raises(errors.KeyDeletedError):
            await kv.get("ab.cd")
        await kv.create("ab.cd", b"")
        assert (await kv.get("ab.cd")).value == b""
        assert await kv.modify("ab.cd", lambda value: (value or b"") + b"!") == 5
        assert (await kv.get("ab.cd")).value == b"!"
        await kv.purge("ab.cd")
        assert [(entry.key, entry.value, entry.operation) for entry in await kv.history("ab.cd")] == [
            ("ab.cd", b"", "PURGE")
        ]


async def test_many_keys(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        plain, kv = await made(nc, "MANY", key_codec=Filtered(), value_codec=Packed())
        for key in ("ab.cd", "ab.ef", "gh"):
            await kv.put(key, key)
        assert sorted(await kv.keys()) == ["ab.cd", "ab.ef", "gh"]
        assert await kv.keys("ab.*") == ["ab.cd", "ab.ef"]
        assert await kv.keys(["gh", "*.ef"]) == ["ab.ef", "gh"]
        found = await kv.get_many(["gh", "ab.>", "none"])
        assert {key: entry.value for key, entry in found.items()} == {
            "ab.cd": b"ab.cd",
            "ab.ef": b"ab.ef",
            "gh": b"gh",
        }
        async with kv.batch() as batch:
            batch.put("gh", b"new")
            batch.delete("ab.cd")
        assert (await kv.get("gh")).value == b"new"
        assert await plain.keys("x.hg") == ["x.hg"]
        assert [(entry.key, entry.operation) for entry in await kv.history("ab.>")] == [
            ("ab.cd", None),
            ("ab.ef", None),
            ("ab.cd", "DEL"),
        ]
        assert await kv.delete_all("ab.*") == 1
        assert await kv.keys(">") == ["gh"]
        async with kv.cache(">") as cache:
            assert cache["gh"].value == b"new" and "ab.cd" not in cache and list(cache) == ["gh"]
        assert await kv.purge_deletes(-1, keys="ab.*")
        assert await kv.history("ab.>") == []


async def test_watch(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        plain, kv = await made(nc, "WATCH", key_codec=Filtered(), value_codec=Packed())
        await kv.put("ab.cd", b"1")
        await kv.put("other", b"2")
        await plain.put("x.ba.zz", b"not packed")
        watcher = kv.watch("ab.*", marker=True)
        entry = await watcher.updates()
        assert entry is not None and (entry.key, entry.value) == ("ab.cd", b"1")
        # What no codec of ours has made raises where it is read, and ends nothing.
        strange = await watcher.updates()
        assert strange is not None and strange.key == "ab.zz"
        with pytest.raises(errors.InvalidError, match=r'key "x.ba.zz": decode of the value\'s codec has raised error'):
            _ = strange.value
        assert await watcher.updates() is None
        await kv.delete("ab.cd")
        entry = await watcher.updates()
        assert entry is not None and (entry.key, entry.value, entry.operation) == ("ab.cd", b"", "DEL")
        await watcher.stop()
        await plain.put("foreign", b"1")
        everything = kv.watch(meta_only=True, ignore_deletes=True)
        entries = [await everything.updates() for _ in range(3)]
        assert [entry.value for entry in entries if entry is not None] == [b""] * 3  # left out, and not unpacked
        assert entries[0] is not None and entries[0].length > 0
        assert entries[2] is not None and "foreign" in repr(entries[2])
        with pytest.raises(errors.InvalidError, match='key "foreign": decode of its codec has raised ValueError'):
            _ = entries[2].key
        await everything.stop()


async def test_what_is_refused(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        _, kv = await made(nc, "REFUSED", key_codec=Upside())
        with pytest.raises(errors.InvalidError, match='key "bad": encode of its codec has raised ValueError: no such key'):
            await kv.put("bad", b"")
        with pytest.raises(errors.InvalidError, match='key "bad"'):
            await kv.get("bad")
        with pytest.raises(errors.InvalidError, match='pattern "a.*": the codec of keys has no encode_filter'):
            kv.watch(["ok", "a.*"])
        assert await kv.keys(["a", "b"]) == [] == await kv.keys(">")  # without wildcards, and all
        with pytest.raises(errors.InvalidError):
            await kv.put("with space", b"")  # which stays one: no key
        js = nc.jetstream()
        with pytest.raises(TypeError, match="key_codec must have methods"):
            js.kv("REFUSED", key_codec=7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="value_codec must have methods"):
            js.kv("REFUSED", value_codec=7)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidError):
            js.kv("REFUSED", value_codec="rot13")

        class Wrong:
            def encode(self, key: Any) -> Any:
                return 7

            decode = encode

        with pytest.raises(errors.InvalidError, match='key "k": encode of its codec has given int, not str'):
            await js.kv("REFUSED", key_codec=Wrong()).put("k", b"")
        with pytest.raises(errors.InvalidError, match="has given int, not bytes"):
            await js.kv("REFUSED", value_codec=Wrong()).put("k", b"")
        with pytest.raises(TypeError):
            await js.kv("REFUSED", value_codec=Packed()).put("k", 7)


async def test_chain(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        plain, kv = await made(nc, "CHAIN", key_codec=Filtered(), codec="base64", value_codec="base64")
        await kv.put("a b.é", b"v")
        entry = (await plain.history(">"))[0]
        assert (entry.key, entry.value) == ("eA.YiBh.w6k", b"dg")
        assert list(await kv.get_many("a b.*")) == ["a b.é"]
        assert (await kv.get("a b.é")).value == b"v"
        asked = await nc.jetstream().key_value("CHAIN", value_codec="base64")
        assert (await asked.get("eA.YiBh.w6k")).value == b"v"
