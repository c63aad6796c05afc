# SPDX-License-Identifier: Apache-2.0
"""nats-py in the benchmark: CASE N SIZE URL [uvloop]. Pending limits are off: with them it drops messages here."""

import asyncio
import time

import nats
from importlib.metadata import version
from measure import BUCKET, CONSUMER, FETCH, KEYS, OBJECT, STREAM, STREAM_SUBJECT, WINDOW
from measure import ECHO, HEADER, HEADERS, IN_FLIGHT, SUBJECT, VALUE, WARM_UP, run_async
from nats.js.api import AckPolicy, ConsumerConfig

LIMITS = {"pending_msgs_limit": 0, "pending_bytes_limit": 0}


async def pub(b, nc):
    publish, payload = nc.publish, b.payload
    b.begin()
    if b.headers:
        for _ in range(b.n):
            await publish(SUBJECT, payload, headers=HEADERS)
    else:
        for _ in range(b.n):
            await publish(SUBJECT, payload)
    # Its flush is no barrier: it sends the ping before what is still pending. The second one is.
    await nc.flush(60)
    await nc.flush(60)
    b.end()


async def started(b, nc, **more):
    sub = await nc.subscribe(SUBJECT, **LIMITS, **more)
    await nc.flush(60)
    b.begin()
    await nc.publish(b.start)
    return sub


async def sub_iter(b, nc):
    sub, size, left = await started(b, nc), b.size, b.n
    async for msg in sub.messages:
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

    await started(b, nc, cb=handle)
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
    conns = [await nats.connect(b.url) for _ in range(b.n)]
    b.idle_end()
    b.got = len(conns)
    for conn in conns:
        await conn.close()


async def connect(b, nc):
    b.begin()
    for _ in range(b.n):
        then = time.perf_counter()
        await (await nats.connect(b.url)).close()
        b.latencies.append(time.perf_counter() - then)
    b.end()


async def js_pub(b, nc, **more):
    js, payload = nc.jetstream(publish_async_max_pending=WINDOW), b.payload
    acks = []
    b.begin()
    for _ in range(b.n):
        acks.append(await js.publish_async(STREAM_SUBJECT, payload, **more))
    await js.publish_async_completed()
    b.end()
    b.got = sum(ack.result().stream == STREAM for ack in acks)


async def js_pub_stall(b, nc):
    await js_pub(b, nc, wait_stall=60)


async def js_fetch(b, nc):
    sub = await nc.jetstream().pull_subscribe_bind(CONSUMER, STREAM)
    size, ack, got = b.size, b.ack, 0
    b.begin()
    while got < b.n:
        msgs = await sub.fetch(min(FETCH, b.n - got), 60)
        for msg in msgs:
            if len(msg.data) != size:
                b.wrong("size")
            if ack:
                await msg.ack()
        got += len(msgs)
    await acknowledged(b, nc)
    b.got = got


async def acknowledged(b, nc):
    if b.ack:
        await nc.flush(60)
        await nc.flush(60)
    b.end()


async def js_consume_fetch(b, nc):
    """Its way of consuming from a pull consumer: again and again."""
    await js_fetch(b, nc)


async def js_consume_push(b, nc):
    js, size, ack, done, got = nc.jetstream(), b.size, b.ack, asyncio.Event(), 0
    policy = AckPolicy.EXPLICIT if ack else AckPolicy.NONE
    config = ConsumerConfig(ack_policy=policy, max_ack_pending=-1 if ack else None)

    async def handle(msg):
        nonlocal got
        if len(msg.data) != size:
            b.wrong("size")
        if ack:
            await msg.ack()
        got += 1
        if got == b.n:
            done.set()

    b.begin()
    await js.subscribe(STREAM_SUBJECT, stream=STREAM, cb=handle, manual_ack=True, config=config, **LIMITS)
    await asyncio.wait_for(done.wait(), 120)
    await acknowledged(b, nc)
    b.got = got


async def kv_watch_iter(b, nc):
    kv, size, got = await nc.jetstream().key_value(BUCKET), b.size, 0
    b.begin()
    async for entry in await kv.watchall():
        if entry is None:  # all that was there has come
            break
        if len(entry.value) != size:
            b.wrong("size")
        got += 1
    b.end()
    b.got = got


async def kv_watch_updates(b, nc):
    kv, size, got = await nc.jetstream().key_value(BUCKET), b.size, 0
    b.begin()
    watcher = await kv.watchall()
    while entry := await watcher.updates(60):
        if len(entry.value) != size:
            b.wrong("size")
        got += 1
    b.end()
    b.got = got


async def kv_get(b, nc):
    kv, keys = await nc.jetstream().key_value(BUCKET), min(b.n, KEYS)
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
    kv, keys, each = await nc.jetstream().key_value(BUCKET), min(b.n, KEYS), b.n // IN_FLIGHT

    async def work():
        for i in range(each):
            if len((await kv.get(f"key.{i % keys}")).value) != b.size:
                b.wrong("size")

    b.begin()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    b.end()
    b.got = b.result["n"] = each * IN_FLIGHT


async def kv_keys(b, nc):
    kv = await nc.jetstream().key_value(BUCKET)
    b.begin()
    b.got = len(await kv.keys())
    b.end()


async def kv_put(b, nc):
    kv = await nc.jetstream().key_value(BUCKET)
    b.begin()
    for i in range(b.n):
        then = time.perf_counter()
        b.got = await kv.put(f"key.{i % KEYS}", b.payload)
        b.latencies.append(time.perf_counter() - then)
    b.end()


async def obj_put(b, nc):
    store = await nc.jetstream(timeout=60).object_store(BUCKET)
    b.begin()
    for i in range(b.n):
        then = time.perf_counter()
        await store.put(f"put.{i}", b.payload)
        b.latencies.append(time.perf_counter() - then)
    b.end()


async def obj_get(b, nc):
    store = await nc.jetstream(timeout=60).object_store(BUCKET)
    b.begin()
    for _ in range(b.n):
        then = time.perf_counter()
        if len((await store.get(OBJECT)).data) != b.size:
            b.wrong("size")
        b.latencies.append(time.perf_counter() - then)
    b.end()


WAYS = (pub, sub_iter, sub_next, sub_cb, req, req64, idle_subs, idle_conns, connect)
WAYS += (js_pub, js_pub_stall, js_fetch, js_consume_fetch, js_consume_push)
WAYS += (kv_watch_iter, kv_watch_updates, kv_get, kv_get64, kv_keys, kv_put)
WAYS += (obj_put, obj_get)
CASES = {f.__name__: f for f in WAYS}


async def main(b):
    nc = await nats.connect(b.url)
    await CASES[b.name](b, nc)
    b.report(version("nats-py"))
    await nc.close()


if __name__ == "__main__":
    run_async(main)
