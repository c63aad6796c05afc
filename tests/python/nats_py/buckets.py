# SPDX-License-Identifier: Apache-2.0
"""A program in nats-py's style: key-value buckets and object stores. run() gets the module `nats`."""

import asyncio
import io


async def run(nats, url, out):
    api = nats.js.api
    errors = nats.js.errors
    nc = await nats.connect(url)
    js = nc.jetstream()

    kv = await js.create_key_value(bucket="config", history=5, description="settings")
    out("put", await kv.put("hello", b"world"), await kv.put("hello", b"again"))
    entry = await kv.get("hello")
    out("get", entry.bucket, entry.key, entry.value, entry.revision, entry.operation)
    out("old", (await kv.get("hello", revision=1)).value)
    out("update", await kv.update("hello", b"third", last=2))
    try:
        await kv.update("hello", b"no", last=1)
    except errors.KeyWrongLastSequenceError as error:
        out("wrong", type(error).__name__, isinstance(error, errors.BadRequestError))
    out("create", await kv.create("new", b"1"))
    try:
        await kv.create("new", b"2")
    except errors.KeyWrongLastSequenceError:
        out("there already")
    out("keys", sorted(await kv.keys()), await kv.keys(filters=["hello"]))
    out("delete", await kv.delete("new"))
    for key in ("new", "never"):
        try:
            await kv.get(key)
        except errors.KeyNotFoundError as error:
            out("gone", str(error), isinstance(error, errors.NotFoundError))
    try:
        await kv.put("bad key", b"")
    except errors.InvalidKeyError as error:
        out("bad key", type(error).__name__)
    out("history", [(entry.revision, entry.value, entry.operation) for entry in await kv.history("hello")])
    status = await kv.status()
    out("status", status.bucket, status.values, status.history, status.stream_info.config.description)
    watcher = await kv.watch("hello")
    out("watch", (await watcher.updates()).value, await watcher.updates())
    await kv.put("hello", b"live")
    out("live", (await watcher.updates(timeout=20)).value)
    try:
        await watcher.updates(timeout=0.1)
    except nats.errors.TimeoutError:
        out("nothing new")
    await watcher.stop()
    watcher = await kv.watchall(ignore_deletes=True)
    async for entry in watcher:
        if entry is None:
            break
        out("all", entry.key, entry.value)
    await watcher.stop()
    out("purge", await kv.purge("hello"), await kv.purge_deletes(olderthan=-1))
    try:
        await kv.keys()
    except errors.NoKeysError as error:
        out("no keys", str(error))
    same = await js.key_value("config")
    out("same", await same.put("a", b"b") > 0)
    for name in ("none", "bad name"):
        try:
            await js.key_value(name)
        except errors.BucketNotFoundError as error:
            out("no bucket", isinstance(error, errors.NotFoundError))
        except errors.InvalidBucketNameError as error:
            out("bad bucket", type(error).__name__)
    try:
        await js.create_key_value(bucket="long", history=65)
    except errors.KeyHistoryTooLargeError as error:
        out("long", str(error))
    out("deleted", await js.delete_key_value("config"))

    store = await js.create_object_store("files", config=api.ObjectStoreConfig(description="files"))
    info = await store.put("greeting", b"hello" * 1000, meta=api.ObjectMeta(description="for all"))
    out("object", info.name, info.bucket, info.size, info.chunks, info.digest, info.description, info.deleted)
    result = await store.get("greeting")
    out("content", len(result.data), result.info.size, result.info.is_link())
    await store.put("file", io.BytesIO(b"x" * 300000), meta=api.ObjectMeta(options=api.ObjectMetaOptions(max_chunk_size=100000)))
    target = io.BytesIO()
    result = await store.get("file", writeinto=target)
    out("file", len(target.getvalue()), result.data, result.info.chunks, result.info.options.max_chunk_size)
    out("text", (await store.put("text", "words")).size, (await store.get("text")).data)
    out("list", sorted(info.name for info in await store.list()))
    await store.delete("text")
    try:
        await store.get("text")
    except errors.ObjectNotFoundError as error:
        out("no object", type(error).__name__, isinstance(error, errors.NotFoundError))
    out("deleted", (await store.get_info("text", show_deleted=True)).deleted)
    await store.update_meta("greeting", api.ObjectMeta(name="greeting", description="changed"))
    out("meta", (await store.get_info("greeting")).description)
    watcher = await store.watch(ignore_deletes=True)
    names = []
    async for info in watcher:
        if info is None:
            break
        names.append(info.name)
    await watcher.stop()
    out("watched", sorted(names))
    status = await store.status()
    out("status", status.bucket, status.description, status.sealed, status.replicas, status.size > 300000)
    await store.seal()
    out("sealed", (await store.status()).sealed)
    try:
        await js.object_store("none")
    except errors.NotFoundError as error:
        out("no store", isinstance(error, errors.BucketNotFoundError))
    out("gone", await js.delete_object_store("files"))
    await asyncio.sleep(0)
    await nc.close()
