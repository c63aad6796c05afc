# SPDX-License-Identifier: Apache-2.0
"""natskit for asyncio in the benchmark: CASE N SIZE URL [uvloop]."""

import asyncio
import time

import natskit
from measure import (
    BATCH,
    BUCKET,
    CONSUMER,
    ECHO,
    FETCH,
    HEADER,
    HEADERS,
    IN_FLIGHT,
    KEYS,
    OBJECT,
    PIECE,
    STREAM,
    STREAM_SUBJECT,
    SUBJECT,
    VALUE,
    WARM_UP,
    WINDOW,
    run_async,
)

LIMITS = {"pending_msgs_limit": 10**9, "pending_bytes_limit": 2**40}


async def pub(b, nc):
    publish, payload = nc.publish, b.payload
    b.begin()
    if b.headers:
        for _ in range(b.n):
            await publish(SUBJECT, payload, headers=HEADERS)
    else:
        for _ in range(b.n):
            await publish(SUBJECT, payload)
    await nc.flush(60)
    b.end()


async def started(b, nc):
    sub = await nc.subscribe(SUBJECT, **LIMITS)
    await nc.flush(60)
    b.begin()
    await nc.publish(b.start)
    return sub


async def sub_iter(b, nc):
    sub, size, left = await started(b, nc), b.size, b.n
    async for msg in sub:
        if len(msg.data) != size:
            b.wrong("size")
        if b.read and msg.headers[HEADER] != VALUE:
            b.wrong("header")
        left -= 1
        if not left:
            break
    b.end()


async def sub_next(b, nc):
    sub, size = await started(b, nc), b.size
    for _ in range(b.n):
        msg = await sub.next_msg(60)
        if len(msg.data) != size:
            b.wrong("size")
        if b.read and msg.headers[HEADER] != VALUE:
            b.wrong("header")
    b.end()


async def sub_batch(b, nc):
    sub, size, got = await started(b, nc), b.size, 0
    while got < b.n:
        msgs = await sub.next_batch(BATCH, 60)
        for msg in msgs:
            if len(msg.data) != size:
                b.wrong("size")
            if b.read and msg.headers[HEADER] != VALUE:
                b.wrong("header")
        got += len(msgs)
    b.end()
    b.got = got


async def sub_cb(b, nc):
    size, done, got = b.size, asyncio.Event(), 0

    async def handle(msg):
        nonlocal got
        if len(msg.data) != size:
            b.wrong("size")
        if b.read and msg.headers[HEADER] != VALUE:
            b.wrong("header")
        got += 1
        if got == b.n:
            done.set()

    await nc.subscribe(SUBJECT, cb=handle, **LIMITS)
    await nc.flush(60)
    b.begin()
    await nc.publish(b.start)
    await asyncio.wait_for(done.wait(), 120)
    b.end()
    b.got = got


async def req(b, nc):
    for _ in range(WARM_UP):
        await nc.request(ECHO, b.payload, 60)
    b.begin()
    for _ in range(b.n):
        then = time.perf_counter()
        if len((await nc.request(ECHO, b.payload, 60)).data) != b.size:
            b.wrong("size")
        b.latencies.append(time.perf_counter() - then)
    b.end()


async def req64(b, nc):
    each = b.n // IN_FLIGHT

    async def work():
        for _ in range(each):
            if len((await nc.request(ECHO, b.payload, 60)).data) != b.size:
                b.wrong("size")

    b.begin()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    b.end()
    b.got = b.result["n"] = each * IN_FLIGHT


async def ignore(msg):
    del msg


async def idle_subs(b, nc):
    await nc.flush(60)
    b.idle_begin()
    subs = [await nc.subscribe(f"bench.idle.{i}", cb=ignore) for i in range(b.n)]
    await nc.flush(60)
    b.idle_end()
    b.got = len(subs)


async def idle_conns(b, nc):
    b.idle_begin()
    conns = [await natskit.connect(b.url) for _ in range(b.n)]
    b.idle_end()
    b.got = len(conns)
    for conn in conns:
        await conn.close()


async def connect(b, nc):
    b.begin()
    for _ in range(b.n):
        then = time.perf_counter()
        await (await natskit.connect(b.url)).close()
        b.latencies.append(time.perf_counter() - then)
    b.end()


async def js_pub(b, nc):
    """Failures alone are told, by done()."""
    pub, payload = nc.jetstream().publisher(max_pending=WINDOW, ack_wait=60), b.payload
    publish = pub.publish
    b.begin()
    for _ in range(b.n):
        await publish(STREAM_SUBJECT, payload, 60)
    await pub.done(60)
    b.end()
    b.got = pub.stats()["acked"]


async def acknowledged(b, nc):
    """Acks are written before the clock stops."""
    if b.ack:
        await nc.flush(60)
    b.end()


async def js_consume_batch(b, nc):
    consumer, size, got = await nc.jetstream().consumer(STREAM, CONSUMER), b.size, 0
    b.begin()
    sub = consumer.consume(max_msgs=FETCH)
    while got < b.n:
        msgs = await sub.next_batch(BATCH, 60)
        for msg in msgs:
            if len(msg.data) != size:
                b.wrong("size")
        if b.ack:
            await nc.ack_batch(msgs)
        got += len(msgs)
    await acknowledged(b, nc)
    b.got = got


async def js_consume_iter(b, nc):
    consumer, size, ack, left = await nc.jetstream().consumer(STREAM, CONSUMER), b.size, b.ack, b.n
    b.begin()
    async for msg in consumer.consume(max_msgs=FETCH):
        if len(msg.data) != size:
            b.wrong("size")
        if ack:
            await msg.ack()
        left -= 1
        if not left:
            break
    await acknowledged(b, nc)
    b.got = b.n - left


async def js_fetch(b, nc):
    consumer, size, got = await nc.jetstream().consumer(STREAM, CONSUMER), b.size, 0
    b.begin()
    while got < b.n:
        msgs = await consumer.fetch(min(FETCH, b.n - got), 60)
        for msg in msgs:
            if len(msg.data) != size:
                b.wrong("size")
        if b.ack:
            await nc.ack_batch(msgs)
        got += len(msgs)
    await acknowledged(b, nc)
    b.got = got


async def kv_watch(b, nc):
    kv, size, got = nc.jetstream().kv(BUCKET), b.size, 0
    b.begin()
    async for entry in kv.watchall(marker=True):
        if entry is None:  # all that was there has come
            break
        if len(entry.value) != size:
            b.wrong("size")
        got += 1
    b.end()
    b.got = got


async def kv_get(b, nc):
    kv, keys = nc.jetstream().kv(BUCKET), min(b.n, KEYS)
    for i in range(WARM_UP):
        await kv.get(f"key.{i % keys}")
    b.begin()
    for i in range(b.n):
        then = time.perf_counter()
        if len((await kv.get(f"key.{i % keys}")).value) != b.size:
            b.wrong("size")
        b.latencies.append(time.perf_counter() - then)
    b.end()


async def kv_get64(b, nc):
    kv, keys, each = nc.jetstream().kv(BUCKET), min(b.n, KEYS), b.n // IN_FLIGHT

    async def work():
        for i in range(each):
            if len((await kv.get(f"key.{i % keys}")).value) != b.size:
                b.wrong("size")

    b.begin()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    b.end()
    b.got = b.result["n"] = each * IN_FLIGHT


async def kv_keys(b, nc):
    kv = nc.jetstream().kv(BUCKET)
    b.begin()
    b.got = len(await kv.keys())
    b.end()


async def kv_cached(b, nc):
    keys = min(b.n, KEYS)
    async with nc.jetstream().kv(BUCKET).cache() as cache:
        b.begin()
        for i in range(b.n):
            if len(cache[f"key.{i % keys}"].value) != b.size:
                b.wrong("size")
        b.end()


async def kv_put(b, nc):
    kv = nc.jetstream().kv(BUCKET)
    b.begin()
    for i in range(b.n):
        then = time.perf_counter()
        b.got = await kv.put(f"key.{i % KEYS}", b.payload)
        b.latencies.append(time.perf_counter() - then)
    b.end()


async def obj_put(b, nc):
    store = nc.jetstream().obj(BUCKET)
    b.begin()
    for i in range(b.n):
        then = time.perf_counter()
        await store.put(f"put.{i}", b.payload)
        b.latencies.append(time.perf_counter() - then)
    b.end()


async def obj_get(b, nc):
    store = nc.jetstream().obj(BUCKET)
    piece = bytearray(PIECE)
    b.begin()
    for _ in range(b.n):
        then, total = time.perf_counter(), 0
        async with await store.open(OBJECT) as reader:
            while got := await reader.readinto(piece):
                total += got
        if total != b.size:
            b.wrong("size")
        b.latencies.append(time.perf_counter() - then)
    b.end()


WAYS = (pub, sub_iter, sub_next, sub_batch, sub_cb, req, req64, idle_subs, idle_conns, connect)
WAYS += (js_pub, js_consume_batch, js_consume_iter, js_fetch, kv_watch, kv_get, kv_get64, kv_keys, kv_cached, kv_put)
WAYS += (obj_put, obj_get)
CASES = {f.__name__: f for f in WAYS}


async def main(b):
    if b.name not in CASES:
        raise SystemExit(77)  # there is no such case
    async with natskit.connect(b.url) as nc:
        await CASES[b.name](b, nc)
        b.report(natskit.__version__)


if __name__ == "__main__":
    run_async(main)
