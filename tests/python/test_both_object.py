# SPDX-License-Identifier: Apache-2.0
"""Object stores: making them, putting and getting, what objects are, links and watches, against a real server."""

from __future__ import annotations

import asyncio  # [async]
import gc
import hashlib
import io
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit.js import api

CHUNK = 128 * 1024


async def made(nc: natskit.Client, **config: Any) -> natskit.ObjectStore:
    """The store S."""
    return await nc.jetstream().create_object_store(**{"bucket": "S", "storage": "memory", **config})


async def chunks_of(store: natskit.ObjectStore) -> int:
    """Chunks that are kept."""
    info = await store._js.stream_info(f"OBJ_{store.bucket}", "$O.*.C.>")
    return sum((info.state.subjects or {}).values())


# ------------------------------------------------------------------------------------------- stores


async def test_every_option_of_a_store(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        store = await js.create_object_store(
            "S-1_x",
            description="what it is for",
            ttl=90.5,
            max_bytes=1 << 20,
            storage=api.StorageType.MEMORY,
            replicas=1,
            placement=api.Placement(tags=[]),
            compression=False,
            metadata={"owner": "me"},
        )
        status = await store.status()
        config = status.config
        assert (store.bucket, status.bucket, status.ttl, status.sealed) == ("S-1_x", "S-1_x", 90.5, False)
        assert (config.name, config.subjects) == ("OBJ_S-1_x", ["$O.S-1_x.C.>", "$O.S-1_x.M.>"])
        assert (config.description, config.max_age, config.max_bytes) == ("what it is for", 90.5, 1 << 20)
        assert (config.discard, config.allow_rollup_hdrs, config.allow_direct) == ("new", True, True)
        assert config.metadata is not None and config.metadata["owner"] == "me"
        await js.create_object_store(config=api.ObjectStoreConfig(bucket="F"), compression=True)
        assert (await js.obj("F").status()).is_compressed
        await js.update_object_store(bucket="F", description="other")
        status = await (await js.object_store("F")).status()
        assert status.config.description == "other" and status.is_compressed
        assert sorted(await js.object_store_names()) == ["F", "S-1_x"]
        assert await js.delete_object_store("F")
        with pytest.raises(errors.StreamNotFoundError):
            await js.object_store("F")
        with pytest.raises(errors.InvalidError):
            js.obj("a.b")


async def test_sealed(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        await store.put("a", b"1")
        assert (await store.seal()).sealed
        with pytest.raises(errors.JetStreamError):
            await store.put("b", b"1")
        assert (await store.get("a")).data == b"1"


# ------------------------------------------------------------------------------------------- content


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3_000_000])
async def test_sizes(js_url: str, size: int) -> None:
    data = bytes(i * 7 % 251 for i in range(1000)) * (size // 1000 + 1)
    data = data[:size]
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        info = await store.put("a", data)
        assert (info.size, info.chunks) == (size, -(-size // CHUNK))
        got = await store.get("a")
        assert got.data == data and got.info.digest == info.digest
        assert info.digest.startswith("SHA-256=") and len(info.digest) == 52
        file = io.BytesIO()
        seen: list[int] = []
        got = await store.get("a", file, progress=lambda p: seen.append(p.bytes))
        assert got.data is None and file.getvalue() == data
        assert seen == sorted(seen) and (seen[-1:] == [size] or size == 0)


async def test_sources(js_url: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"from a path")

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"from ", b"an ", b"iteration"):
            yield piece

    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        await store.put("text", "from text")
        await store.put("view", memoryview(b"from a view"))
        await store.put("file", io.BytesIO(b"from a file"))
        await store.put("lines", io.StringIO("from a file of text"), metadata={}, headers={}, description="")
        await store.put("path", path)
        await store.put("list", [b"from ", b"a ", bytearray(b"list")])
        await store.put("iteration", pieces())
        for name, data in [
            ("text", b"from text"),
            ("view", b"from a view"),
            ("file", b"from a file"),
            ("lines", b"from a file of text"),
            ("path", b"from a path"),
            ("list", b"from a list"),
            ("iteration", b"from an iteration"),
        ]:
            assert (await store.get(name)).data == data
        with pytest.raises(TypeError):
            await store.put("number", 1)
        with pytest.raises(errors.ObjectNotFoundError):
            await store.get_info("number")


async def test_files(js_url: str) -> None:
    data = hashlib.sha256(b"x").digest() * 20000
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        async with await store.open("a", "wb", chunk_size=1000, window_bytes=4000) as file:
            for at in range(0, len(data), 777):
                await file.write(data[at : at + 777])
            assert file.progress.bytes == len(data)
        assert file.info is not None and file.info.chunks == len(data) // 1000
        async with await store.open("a") as file:
            assert await file.read(10) == data[:10]
            buffer = bytearray(90)
            got = await file.readinto(buffer)
            assert buffer[:got] == data[10 : 10 + got]
            assert await file.read() == data[10 + got :]
            assert await file.read() == b"" and file.progress == (len(data), len(data), 0)
        together = b""
        async for piece in await store.open("a"):
            together += piece
        assert together == data
        with pytest.raises(ValueError):
            await store.open("a", "ab")
        for said in ({"meta": {"description": "x"}}, {"description": "x"}):
            with pytest.raises(TypeError):
                await store.open("a", **said)  # type: ignore[call-overload]


async def test_a_read_that_fails_loses_nothing(js_url: str) -> None:
    data = bytes(range(256)) * 2000
    failed: list[int] = []
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        await store.put("large", data)
        async with await store.open("large") as file:
            real = file._fill

            async def fill(buffer: Any, offset: int) -> int:
                if offset > 0 and not failed:
                    failed.append(offset)
                    raise errors.TimeoutError("now")
                return await real(buffer, offset)

            file._fill = fill  # type: ignore[method-assign]
            with pytest.raises(errors.TimeoutError):
                await file.read()
            part = bytearray(10)
            assert await file.readinto(part) == 10 and part == data[:10]
            assert await file.read(5) == data[10:15]
            assert await file.read() == data[15:]
        assert failed


async def test_given_up(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        await store.put("a", b"old")

        def broken() -> Any:
            yield b"x" * 1_000_000
            raise RuntimeError("no more")

        with pytest.raises(RuntimeError):
            await store.put("a", broken())
        assert (await store.get("a")).data == b"old" and await chunks_of(store) == 1
        with pytest.raises(RuntimeError):
            async with await store.open("a", "wb") as file:
                await file.write(b"x" * 8 * CHUNK)
                while file.progress.stored < 8 * CHUNK:  # nothing comes later
                    await face.nap(0.01)
                    await file.write(b"")
                assert await chunks_of(store) == 9
                raise RuntimeError("no more")
        await until_one_chunk(store)


async def until_one_chunk(store: natskit.ObjectStore) -> None:
    for _ in range(400):
        if await chunks_of(store) == 1:
            break
        await face.nap(0.05)
    assert (await store.get("a")).data == b"old" and await chunks_of(store) == 1


async def test_a_dropped_writer_leaves_nothing(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        await store.put("a", b"old")
        file = await store.open("a", "wb")
        await file.write(b"x" * 8 * CHUNK)
        while file.progress.stored < 8 * CHUNK:  # nothing comes later
            await face.nap(0.01)
            await file.write(b"")
        assert await chunks_of(store) == 9
        del file
        gc.collect()
        await until_one_chunk(store)


# [async]
async def test_a_cancelled_put_leaves_nothing(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        await store.put("a", b"old")
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * CHUNK
                begun.set()
                await asyncio.sleep(0)

        for wait in (0, 0.01, 0.1):
            begun.clear()
            task = asyncio.create_task(store.put("a", endless()))
            await begun.wait()
            await asyncio.sleep(wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until_one_chunk(store)


# [end]
async def test_damaged(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        store = await made(nc)
        info = await store.put("a", b"12345678", chunk_size=4)
        chunks = f"$O.S.C.{info.nuid}"
        await js.purge_stream("OBJ_S", subject=chunks, keep=1)
        with pytest.raises(errors.ObjectIncompleteError):
            await store.get("a")
        await js.publish(chunks, b"abcd")
        with pytest.raises(errors.ObjectCorruptError):
            await store.get("a")
        assert issubclass(errors.DigestMismatchError, errors.ObjectStoreError)


async def test_previous_revision(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        info = await store.put("a", b"1", previous_revision=0)
        with pytest.raises(errors.WrongLastSequenceError):
            await store.put("a", b"2", previous_revision=0)
        await store.put("a", b"2", previous_revision=info.revision)
        assert (await store.get("a")).data == b"2" and await chunks_of(store) == 1


# ------------------------------------------------------------------------------------------- what objects are


async def test_infos(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        meta = api.ObjectMeta(description="d", headers={"A": ["1", "2"]}, metadata={"k": "ä"}, max_chunk_size=10)
        await store.put("näme/*.>", b"x" * 25, meta)
        info = await store.get_info("näme/*.>")
        assert (info.name, info.bucket, info.description) == ("näme/*.>", "S", "d")
        assert (info.headers, info.metadata) == ({"A": ["1", "2"]}, {"k": "ä"})
        assert (info.size, info.chunks, info.max_chunk_size) == (25, 3, 10)
        assert info.mtime.tzinfo is not None and info.mtime_ns > 0 and info.revision > 0
        assert not info.deleted and info.link is None and "25" in repr(info)
        info = await store.update_meta("näme/*.>", {"metadata": None}, new_name="b", description="e")
        assert (info.name, info.description, info.metadata, info.size) == ("b", "e", None, 25)
        assert (await store.get("b")).data == b"x" * 25
        with pytest.raises(errors.ObjectNotFoundError):
            await store.get_info("näme/*.>")
        with pytest.raises(errors.InvalidError):
            await store.put("c", b"", headers={"a": 1})
        with pytest.raises(TypeError):
            await store.put("c", b"", colour="red")
        with pytest.raises(errors.InvalidError):
            await store.put("", b"")


async def test_delete_and_list(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        assert await store.list() == []
        for name in "abc":
            await store.put(name, name)
        deleted = await store.delete("b")
        assert deleted.info.deleted
        assert [info.name for info in await store.list()] == ["a", "c"]
        assert sorted(info.name for info in await store.list(ignore_deletes=False)) == ["a", "b", "c"]
        with pytest.raises(errors.ObjectDeletedError):
            await store.get("b")
        assert (await store.get_info("b", show_deleted=True)).deleted
        assert (await store.get("b", show_deleted=True)).info.deleted
        with pytest.raises(errors.ObjectNotFoundError):
            await store.delete("d")


async def test_a_list_has_each_object_once(js_url: str) -> None:
    """One that is put while it is listed comes again: here it stands there twice."""
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        js = nc.jetstream()
        await store.put("a", b"1")
        await store.put("b", b"1")
        stored = await js.get_last_msg("OBJ_S", "$O.S.M.YQ==")
        ack = await js.publish("$O.S.M.eA==", stored.data)
        infos = await store.list()
        assert [(info.name, info.revision) for info in infos] == [("b", ack.seq - 1), ("a", ack.seq)]


async def test_links(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        other = await made(nc, bucket="T")
        there = await other.put("there", b"1")
        await store.add_link("link", there)
        assert (await store.get_info("link")).link == ("T", "there")
        got = await store.get("link")
        assert got.data == b"1" and got.info.bucket == "T"
        await store.put("here", b"2")
        await store.add_link("link", "here")
        assert (await store.get("link")).data == b"2"
        with pytest.raises(errors.ObjectExistsError):
            await store.add_link("here", there)
        with pytest.raises(errors.LinkToLinkError):
            await store.add_link("again", "link")
        await store.add_bucket_link("store", other)
        assert (await store.get_info("store")).link == ("T", None)
        with pytest.raises(errors.LinkIsABucketError):
            await store.get("store")


async def test_watch(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        store = await made(nc)
        await store.put("a", b"1")
        seen: list[Any] = []
        watcher = store.watch(marker=True)
        async for info in watcher:
            seen.append(info and (info.name, info.deleted))
            if info is None:
                await store.put("b", b"2")
                await store.delete("a")
            if len(seen) == 4:
                break
        assert seen == [("a", False), None, ("b", False), ("a", True)]
        await watcher.stop()
