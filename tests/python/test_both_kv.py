# SPDX-License-Identifier: Apache-2.0
"""Key-value buckets: making them, getting and changing keys, entries, against a real server."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit.js import api
from natskit_testing import Server, Tap


async def made(nc: natskit.Client, **config: Any) -> natskit.KeyValue:
    """The bucket B."""
    return await nc.jetstream().create_key_value(**{"bucket": "B", "storage": "memory", **config})


# ------------------------------------------------------------------------------------------- buckets


async def test_every_option_of_a_bucket(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        kv = await js.create_key_value(
            bucket="B-1_x",
            description="what it is for",
            history=7,
            ttl=90.5,
            limit_marker_ttl=timedelta(seconds=20),
            max_bytes=1 << 20,
            max_value_size=1000,
            storage=api.StorageType.MEMORY,
            replicas=1,
            placement=api.Placement(tags=[]),
            republish=api.RePublish(src=">", dest="copy.>"),
            compression=False,
            metadata={"owner": "me"},
        )
        assert kv.bucket == "B-1_x"
        config = (await kv.status()).config
        assert (config.name, config.subjects) == ("KV_B-1_x", ["$KV.B-1_x.>"])
        assert (config.description, config.max_msgs_per_subject, config.max_age) == ("what it is for", 7, 90.5)
        assert (config.max_bytes, config.max_msg_size, config.storage) == (1 << 20, 1000, "memory")
        assert config.allow_msg_ttl and config.subject_delete_marker_ttl == 20 and config.num_replicas == 1
        assert config.republish is not None and config.republish.dest == "copy.>"
        assert config.metadata is not None and config.metadata["owner"] == "me"
        assert (config.discard, config.allow_rollup_hdrs, config.deny_delete) == ("new", True, True)
        assert config.allow_direct
        file = await js.create_key_value({"bucket": "F", "history": 64}, compression=True)
        config = (await file.status()).config
        assert (config.storage, config.compression, config.max_msgs_per_subject) == ("file", "s2", 64)
        with pytest.raises(errors.JetStreamError):
            await kv.put("k", b"x" * 2000)
        described = await js.create_key_value(config=api.KeyValueConfig(bucket="D", history=3, ttl=60), storage="memory")
        await described.put("a", b"1")
        status = await described.status()
        assert (status.bucket, status.values, status.history, status.ttl) == ("D", 1, 3, 60)
        assert status.stream_info.config.storage == "memory" and (await file.status()).ttl is None
        for wrong in (5, "D", [("bucket", "D")]):
            with pytest.raises(TypeError):
                await js.create_key_value(wrong)


async def test_buckets_come_and_go(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        with pytest.raises(errors.StreamNotFoundError):
            await js.key_value("B")
        with pytest.raises(errors.BucketNotFoundError):
            await js.kv("B").get("k")
        await made(nc)
        await made(nc)  # as it is
        with pytest.raises(errors.AlreadyExistsError):
            await made(nc, history=5)
        kv = await js.key_value("B")
        assert await kv.put("k", b"v") == 1
        assert (await js.kv("B").get("k")).value == b"v"
        assert await js.delete_key_value("B")
        for call in (kv.status, kv.keys, lambda: kv.history("k"), lambda: kv.get("k")):
            with pytest.raises(errors.StreamNotFoundError):
                await call()
        with pytest.raises(errors.NoStreamResponseError):
            await kv.put("k", b"v")
        with pytest.raises(errors.StreamNotFoundError):
            await js.delete_key_value("B")


WRONG: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"bucket": "a.b"}, errors.InvalidError),
    ({"bucket": ""}, errors.InvalidError),
    ({"bucket": None}, errors.InvalidError),
    ({"bucket": "a b"}, errors.InvalidError),
    ({"bucket": "ä"}, errors.InvalidError),
    ({"bucket": 5}, errors.InvalidError),
    ({"history": 0}, errors.InvalidError),
    ({"history": 65}, errors.InvalidError),
    ({"history": "5"}, errors.InvalidError),
    ({"ttl": -1}, errors.InvalidError),
    ({"ttl": "5"}, TypeError),
    ({"limit_marker_ttl": 0.5}, errors.InvalidError),
    ({"compression": "s2"}, errors.InvalidError),
    ({"nonsense": 1}, errors.InvalidError),
    ({"metadata": {"a": object()}}, TypeError),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
async def test_wrong_buckets(js_url: str, case: int) -> None:
    config, wanted = WRONG[case]
    async with natskit.connect(js_url) as nc:
        before = nc.stats()["out_msgs"]
        with pytest.raises(wanted):
            await made(nc, **config)
        assert nc.stats()["out_msgs"] == before


async def test_wrong_names_of_buckets(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        for name in ("a.b", "", ">", "a b", "a" * 300):
            with pytest.raises(errors.InvalidError):
                js.kv(name)
            with pytest.raises(errors.InvalidError):
                await js.key_value(name)
            with pytest.raises(errors.InvalidError):
                await js.delete_key_value(name)
        with pytest.raises(TypeError):
            js.kv(5)  # type: ignore[arg-type]
        kv = js.kv("B")
        with pytest.raises(errors.InvalidError):
            kv._open(js, "C", [])
        with pytest.raises(TypeError):
            kv._open(nc, "C")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- keys


async def test_put_and_get(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, history=5)
        assert await kv.put("a.b-c/d_e=f", b"one") == 1
        assert await kv.put("a.b-c/d_e=f", "zwölf") == 2
        assert await kv.put("other", memoryview(bytearray(b"three"))) == 3
        assert await kv.put("empty", b"") == 4
        entry = await kv.get("a.b-c/d_e=f")
        assert (entry.value.decode(), entry.revision, entry.operation) == ("zwölf", 2, None)
        assert (await kv.get("a.b-c/d_e=f", 1)).value == b"one"
        assert (await kv.get("a.b-c/d_e=f", revision=2)).revision == 2
        assert (await kv.get("other")).value == b"three"
        assert ((await kv.get("empty")).value, (await kv.get("empty")).length) == (b"", 0)
        large = bytes(range(256)) * 2000
        await kv.put("large", large)
        assert (await kv.get("large")).value == large
        with pytest.raises(errors.MaxPayloadError):
            await kv.put("large", b"x" * (nc.max_payload + 1))


async def test_keys_that_are_not_there(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, history=5)
        await kv.put("a", b"1")
        await kv.put("b", b"2")
        for call in (lambda: kv.get("c"), lambda: kv.get("a", 2), lambda: kv.get("a", 99)):
            with pytest.raises(errors.KeyNotFoundError) as caught:
                await call()
            assert not isinstance(caught.value, errors.KeyDeletedError)
            assert isinstance(caught.value, errors.KeyValueError) and isinstance(caught.value, errors.NotFoundError)
        assert await kv.delete("a") == 3
        assert await kv.purge("b") == 4
        for key in ("a", "b"):
            with pytest.raises(errors.KeyDeletedError) as caught:
                await kv.get(key)
            # nats-py's programs catch this one for both.
            assert isinstance(caught.value, errors.KeyNotFoundError)
        assert (await kv.get("a", 1)).value == b"1"
        with pytest.raises(errors.KeyNotFoundError):
            await kv.get("b", 2)
        assert [entry.operation for entry in await kv.history("a")] == [None, "DEL"]
        assert [entry.operation for entry in await kv.history("b")] == ["PURGE"]


async def test_create(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc)
        assert await kv.create("a", b"1") == 1
        with pytest.raises(errors.KeyExistsError) as caught:
            await kv.create("a", b"2")
        # nats-py's name for it, and the stream's.
        assert isinstance(caught.value, errors.KeyWrongLastSequenceError)
        assert isinstance(caught.value, errors.WrongLastSequenceError)
        assert caught.value.outcome == "rejected"
        await kv.delete("a")
        assert await kv.create("a") == 3
        assert (await kv.get("a")).value == b""
        await kv.purge("a")
        assert await kv.create("a", b"3") == 5
        # One of many has it.
        work = [face.spawn(kv.create, "race", b"%d" % i) for i in range(10)]
        won = 0
        for each in work:
            try:
                await face.join(each)
                won += 1
            except errors.KeyExistsError:
                pass
        assert won == 1


async def test_update_and_the_revision_that_is_expected(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, history=5)
        assert await kv.update("a", b"1") == 1  # there is none
        assert await kv.update("a", b"2", 1) == 2
        wrong = (
            lambda: kv.update("a", b"3"),
            lambda: kv.update("a", b"3", last=1),
            lambda: kv.update("other", b"3", 2),
            lambda: kv.delete("a", 1),
            lambda: kv.purge("a", last=1),
        )
        for call in wrong:
            with pytest.raises(errors.KeyWrongLastSequenceError) as caught:
                await call()
            assert isinstance(caught.value, errors.WrongLastSequenceError)
            assert not isinstance(caught.value, errors.KeyExistsError)
            assert caught.value.err_code in (10071, 10164) and caught.value.outcome == "rejected"
            assert "wrong last" in caught.value.description
        assert await kv.delete("a", 2) == 3
        assert await kv.update("a", b"3", 3) == 4
        assert await kv.purge("a", 4) == 5


async def test_time_to_live(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, limit_marker_ttl=60)
        with pytest.raises(errors.InvalidError):
            await kv.create("a", b"1", ttl=0.5)
        with pytest.raises(errors.InvalidError):
            await kv.create("a", b"1", ttl=timedelta(milliseconds=999))
        await kv.create("a", b"1", ttl=timedelta(seconds=4))
        await kv.put("b", b"1")
        await kv.purge("b", ttl=timedelta(seconds=4.5))
        js = nc.jetstream()
        ttls = [(await js.get_last_msg("KV_B", f"$KV.B.{key}")).headers["Nats-TTL"] for key in "ab"]
        assert ttls == ["4", "4500ms"]
        watcher = kv.watch("a", updates_only=True)
        gone = await watcher.next_msg(20)
        assert (gone.key, gone.operation, gone.value) == ("a", "PURGE", b"")
        with pytest.raises(errors.KeyDeletedError):
            await kv.get("a")
        await watcher.close()
        plain = await made(nc, bucket="P")
        with pytest.raises(errors.JetStreamError):
            await plain.create("a", b"1", ttl=5)


FORBIDDEN = ["", ".", "a.", ".a", "a..b", "a b", "*", "a.*", ">", "a.>", "ä", "a,b", "_kv", "_kv.a", "a\n", "a\0", "x" * 1025]


@pytest.mark.parametrize("key", FORBIDDEN)
async def test_forbidden_keys(js_url: str, key: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = nc.jetstream().kv("B")
        before = nc.stats()["out_msgs"]
        calls = (
            lambda: kv.get(key),
            lambda: kv.put(key, b"x"),
            lambda: kv.create(key, b"x"),
            lambda: kv.update(key, b"x", 1),
            lambda: kv.delete(key),
            lambda: kv.purge(key),
        )
        for call in calls:
            with pytest.raises(errors.InvalidError):
                await call()
        assert nc.stats()["out_msgs"] == before


async def test_wrong_types(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv: Any = nc.jetstream().kv("B")
        calls = (
            lambda: kv.get(5),
            lambda: kv.get(None),
            lambda: kv.get("a", "1"),
            lambda: kv.get("a", timeout="1"),
            lambda: kv.put("a", 5),
            lambda: kv.put("a", None.__class__),
            lambda: kv.put("a"),
            lambda: kv.update("a", b"x", "1"),
            lambda: kv.create("a", b"x", ttl="1"),
            lambda: kv.keys(5),
            lambda: kv.keys([5]),
            lambda: kv.history(5),
        )
        for call in calls:
            with pytest.raises(TypeError):
                await call()
        for call in (lambda: kv.watch(5), lambda: kv.watch([5]), lambda: kv.watch(nonsense=1), lambda: kv.watch(cb=5)):
            with pytest.raises(TypeError):
                call()
        for keys in ("", "a..b", "a b", ">.a", "a.b*", ["a", ""], "a,b", ["a,b"]):
            with pytest.raises(errors.InvalidError):
                kv.watch(keys)
            with pytest.raises(errors.InvalidError):
                await kv.keys(keys)
        with pytest.raises(errors.InvalidError):
            kv.watch(from_revision=-1)
        for revision in (-1, 1 << 64):
            for call in (lambda number: kv.get("a", number), lambda number: kv.update("a", b"", number)):
                with pytest.raises(errors.InvalidError):
                    await call(revision)


async def test_keys_and_history(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, history=3)
        assert await kv.keys() == [] and await kv.history("a") == []
        for i in range(5):
            await kv.put("a.x", b"%d" % i)
        await kv.put("a.y", b"")
        await kv.put("b", b"")
        await kv.put("c", b"")
        await kv.delete("c")
        assert sorted(await kv.keys()) == ["a.x", "a.y", "b"]
        assert sorted(await kv.keys("a.*")) == ["a.x", "a.y"]
        assert sorted(await kv.keys(["a.x", "b", "nothing"])) == ["a.x", "b"]
        assert await kv.keys("c") == []
        assert [entry.value for entry in await kv.history("a.x")] == [b"2", b"3", b"4"]
        assert [entry.revision for entry in await kv.history("a.*")] == [3, 4, 5, 6]
        many = await made(nc, bucket="M")
        work = [face.spawn(many.put, f"key.{i}", b"x") for i in range(300)]
        for each in work:
            await face.join(each)
        assert sorted(await many.keys()) == sorted(f"key.{i}" for i in range(300))
        assert nc.stats()["subs"] <= 1


async def test_purge_deletes(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc, history=5)
        for key in ("a", "b", "c"):
            await kv.put(key, b"1")
            await kv.put(key, b"2")
        await kv.delete("a")
        await kv.delete("b")
        await kv.put("b", b"again")
        assert await kv.purge_deletes()  # the markers are young: they stay
        assert [entry.operation for entry in await kv.history("a")] == ["DEL"]
        assert len(await kv.history("b")) == 4 and len(await kv.history("c")) == 2
        assert await kv.purge_deletes(-1)
        assert await kv.history("a") == []
        assert len(await kv.history("b")) == 4 and len(await kv.history("c")) == 2
        with pytest.raises(errors.KeyNotFoundError):
            await kv.get("a")


# ------------------------------------------------------------------------------------------- entries


async def test_entries(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await made(nc)
        before = datetime.now(timezone.utc) - timedelta(seconds=5)
        await kv.put("first", b"")
        await kv.put("a.b", b"value")
        entry = await kv.get("a.b")
        assert (entry.bucket, entry.key, entry.value, entry.length) == ("B", "a.b", b"value", 5)
        assert (entry.revision, entry.delta, entry.operation) == (2, 0, None)
        assert before < entry.created < datetime.now(timezone.utc) + timedelta(seconds=5)
        assert entry.created.tzinfo is timezone.utc
        assert abs(entry.created.timestamp() - entry.created_ns / 1e9) < 1e-5
        assert entry.value is entry.value and entry.key is entry.key
        assert repr(entry) == "<Entry key='a.b' revision=2 operation=None>"
        for name in ("key", "value", "revision", "anything"):
            with pytest.raises(AttributeError):
                setattr(entry, name, 1)
        with pytest.raises(TypeError):
            natskit.Entry()
        await kv.delete("a.b")
        deleted = (await kv.history("a.b"))[0]
        assert repr(deleted) == "<Entry key='a.b' revision=3 operation='DEL'>"
        assert (deleted.value, deleted.length) == (b"", 0)
        assert deleted.created >= entry.created
    assert (entry.value, entry.bucket) == (b"value", "B")  # it outlives its connection


# ---------------------------------------------------------------------------------- times and connections


async def test_times_and_a_server_that_does_not_answer() -> None:
    with Server() as own:
        async with natskit.connect(own.url) as nc:
            kv = await made(nc)
            await kv.put("a", b"1")
            own.pause()
            calls = (
                lambda: kv.get("a", timeout=0.1),
                lambda: kv.put("a", b"2", timeout=0.1),
                lambda: kv.create("b", b"2", timeout=0.1),
                lambda: kv.keys(timeout=0.1),
                lambda: kv.history("a", timeout=0.1),
            )
            for call in calls:
                begin = time.monotonic()
                with pytest.raises(errors.TimeoutError):
                    await call()
                assert 0.05 < time.monotonic() - begin < 5
            hasty = nc.jetstream(timeout=0.1).kv("B")
            for call in (lambda: hasty.get("a"), lambda: hasty.keys(), lambda: hasty.put("a", b"3")):
                with pytest.raises(errors.TimeoutError):
                    await call()
            own.resume()
            assert (await kv.get("a")).value in (b"1", b"2", b"3")


async def test_what_is_cut_short_is_no_answer() -> None:
    """keys() and history() never take a part for all."""
    with Server() as own:
        nc = await natskit.connect(own.url)
        kv = await made(nc)
        await kv.put("a", b"1")
        own.pause()
        working = [face.spawn(kv.keys), face.spawn(kv.history, "a"), face.spawn(kv.get, "a")]
        await face.nap(0.2)
        await nc.close(0)
        for work in working:
            with pytest.raises(errors.Error):
                await face.join(work)
        own.resume()
        for call in (lambda: kv.get("a"), lambda: kv.put("a", b"1"), lambda: kv.keys(), lambda: kv.watch()):
            with pytest.raises(errors.ConnectionClosedError):
                await call()
        with pytest.raises(errors.ConnectionClosedError):
            nc.jetstream().kv("B")


async def test_a_connection_that_is_lost_meanwhile() -> None:
    with Server() as own, Tap(own) as tap:
        async with natskit.connect(tap.url, reconnect_wait_ms=20, reconnect_wait_max_ms=100) as nc:
            kv = await made(nc, storage="file")
            await kv.put("a", b"1")
            own.pause()
            reading = [face.spawn(kv.get, "a", None, 30), face.spawn(kv.keys, None, 30)]
            await face.nap(0.2)
            tap.command("live cut")
            own.resume()
            assert (await face.join(reading[0])).value == b"1"
            assert await face.join(reading[1]) == ["a"]
            own.stop()
            own.restart()
            assert (await kv.get("a", timeout=30)).value == b"1"
