# SPDX-License-Identifier: Apache-2.0
"""natskit.sync in the benchmark: CASE N SIZE URL."""

import sys
import threading
import time

import natskit
import natskit.sync
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
    Bench,
)

LIMITS = {"pending_msgs_limit": 10**9, "pending_bytes_limit": 2**40}


def pub(b, nc):
    publish, payload = nc.publish, b.payload
    b.begin()
    if b.headers:
        for _ in range(b.n):
            publish(SUBJECT, payload, headers=HEADERS)
    else:
        for _ in range(b.n):
            publish(SUBJECT, payload)
    nc.flush(60)
    b.end()


def started(b, nc):
    sub = nc.subscribe(SUBJECT, **LIMITS)
    nc.flush(60)
    b.begin()
    nc.publish(b.start)
    return sub


def sub_iter(b, nc):
    sub, size, left = started(b, nc), b.size, b.n
    for msg in sub:
        if len(msg.data) != size:
            b.wrong("size")
        if b.read and msg.headers[HEADER] != VALUE:
            b.wrong("header")
        left -= 1
        if not left:
            break
    b.end()


def sub_next(b, nc):
    sub, size = started(b, nc), b.size
    for _ in range(b.n):
        msg = sub.next_msg(60)
        if len(msg.data) != size:
            b.wrong("size")
        if b.read and msg.headers[HEADER] != VALUE:
            b.wrong("header")
    b.end()


def sub_batch(b, nc):
    sub, size, got = started(b, nc), b.size, 0
    while got < b.n:
        msgs = sub.next_batch(BATCH, 60)
        for msg in msgs:
            if len(msg.data) != size:
                b.wrong("size")
            if b.read and msg.headers[HEADER] != VALUE:
                b.wrong("header")
        got += len(msgs)
    b.end()
    b.got = got


def sub_cb(b, nc):
    size, got = b.size, 0

    def handle(msg):
        nonlocal got
        if len(msg.data) != size:
            b.wrong("size")
        if b.read and msg.headers[HEADER] != VALUE:
            b.wrong("header")
        got += 1

    nc.subscribe(SUBJECT, cb=handle, **LIMITS)
    nc.flush(60)
    b.begin()
    nc.publish(b.start)
    while got < b.n and nc.dispatch(60) > 0:
        pass
    b.end()
    b.got = got


def req(b, nc):
    for _ in range(WARM_UP):
        nc.request(ECHO, b.payload, 60)
    b.begin()
    for _ in range(b.n):
        then = time.perf_counter()
        if len(nc.request(ECHO, b.payload, 60).data) != b.size:
            b.wrong("size")
        b.latencies.append(time.perf_counter() - then)
    b.end()


def req64(b, nc):
    """By 64 threads; asyncio is the better way."""
    each = b.n // IN_FLIGHT

    def work():
        for _ in range(each):
            if len(nc.request(ECHO, b.payload, 60).data) != b.size:
                b.wrong("size")

    threads = [threading.Thread(target=work) for _ in range(IN_FLIGHT)]
    b.begin()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    b.end()
    b.n = b.got = each * IN_FLIGHT
    b.result["n"] = b.n


def ignore(msg):
    del msg


def idle_subs(b, nc):
    nc.flush(60)
    b.idle_begin()
    subs = [nc.subscribe(f"bench.idle.{i}", cb=ignore) for i in range(b.n)]
    nc.flush(60)
    b.idle_end()
    b.got = len(subs)


def idle_conns(b, nc):
    b.idle_begin()
    conns = [natskit.sync.connect(b.url) for _ in range(b.n)]
    b.idle_end()
    b.got = len(conns)


def connect(b, nc):
    b.begin()
    for _ in range(b.n):
        then = time.perf_counter()
        natskit.sync.connect(b.url).close()
        b.latencies.append(time.perf_counter() - then)
    b.end()


def js_pub(b, nc):
    """Failures alone are told, by done()."""
    pub, payload = nc.jetstream().publisher(max_pending=WINDOW, ack_wait=60), b.payload
    publish = pub.publish
    b.begin()
    for _ in range(b.n):
        publish(STREAM_SUBJECT, payload, 60)
    pub.done(60)
    b.end()
    b.got = pub.stats()["acked"]


def acknowledged(b, nc):
    """Acks are written before the clock stops."""
    if b.ack:
        nc.flush(60)
    b.end()


def js_consume_batch(b, nc):
    consumer, size, got = nc.jetstream().consumer(STREAM, CONSUMER), b.size, 0
    b.begin()
    sub = consumer.consume(max_msgs=FETCH)
    while got < b.n:
        msgs = sub.next_batch(BATCH, 60)
        for msg in msgs:
            if len(msg.data) != size:
                b.wrong("size")
        if b.ack:
            nc.ack_batch(msgs)
        got += len(msgs)
    acknowledged(b, nc)
    b.got = got


def js_consume_iter(b, nc):
    consumer, size, ack, left = nc.jetstream().consumer(STREAM, CONSUMER), b.size, b.ack, b.n
    b.begin()
    for msg in consumer.consume(max_msgs=FETCH):
        if len(msg.data) != size:
            b.wrong("size")
        if ack:
            msg.ack()
        left -= 1
        if not left:
            break
    acknowledged(b, nc)
    b.got = b.n - left


def js_fetch(b, nc):
    consumer, size, got = nc.jetstream().consumer(STREAM, CONSUMER), b.size, 0
    b.begin()
    while got < b.n:
        msgs = consumer.fetch(min(FETCH, b.n - got), 60)
        for msg in msgs:
            if len(msg.data) != size:
                b.wrong("size")
        if b.ack:
            nc.ack_batch(msgs)
        got += len(msgs)
    acknowledged(b, nc)
    b.got = got


def kv_watch(b, nc):
    kv, size, got = nc.jetstream().kv(BUCKET), b.size, 0
    b.begin()
    for entry in kv.watchall(marker=True):
        if entry is None:  # all that was there has come
            break
        if len(entry.value) != size:
            b.wrong("size")
        got += 1
    b.end()
    b.got = got


def kv_get(b, nc):
    kv, keys = nc.jetstream().kv(BUCKET), min(b.n, KEYS)
    for i in range(WARM_UP):
        kv.get(f"key.{i % keys}")
    b.begin()
    for i in range(b.n):
        then = time.perf_counter()
        if len((kv.get(f"key.{i % keys}")).value) != b.size:
            b.wrong("size")
        b.latencies.append(time.perf_counter() - then)
    b.end()


def kv_keys(b, nc):
    kv = nc.jetstream().kv(BUCKET)
    b.begin()
    b.got = len(kv.keys())
    b.end()


def kv_cached(b, nc):
    keys = min(b.n, KEYS)
    with nc.jetstream().kv(BUCKET).cache() as cache:
        b.begin()
        for i in range(b.n):
            if len(cache[f"key.{i % keys}"].value) != b.size:
                b.wrong("size")
        b.end()


def kv_put(b, nc):
    kv = nc.jetstream().kv(BUCKET)
    b.begin()
    for i in range(b.n):
        then = time.perf_counter()
        b.got = kv.put(f"key.{i % KEYS}", b.payload)
        b.latencies.append(time.perf_counter() - then)
    b.end()


def obj_put(b, nc):
    store = nc.jetstream().obj(BUCKET)
    b.begin()
    for i in range(b.n):
        then = time.perf_counter()
        store.put(f"put.{i}", b.payload)
        b.latencies.append(time.perf_counter() - then)
    b.end()


def obj_get(b, nc):
    store = nc.jetstream().obj(BUCKET)
    piece = bytearray(PIECE)
    b.begin()
    for _ in range(b.n):
        then, total = time.perf_counter(), 0
        with store.open(OBJECT) as reader:
            while got := reader.readinto(piece):
                total += got
        if total != b.size:
            b.wrong("size")
        b.latencies.append(time.perf_counter() - then)
    b.end()


WAYS = (pub, sub_iter, sub_next, sub_batch, sub_cb, req, req64, idle_subs, idle_conns, connect)
WAYS += (js_pub, js_consume_batch, js_consume_iter, js_fetch, kv_watch, kv_get, kv_keys, kv_cached, kv_put)
WAYS += (obj_put, obj_get)
CASES = {f.__name__: f for f in WAYS}


def main():
    b = Bench(sys.argv[1:])
    if b.name not in CASES:
        raise SystemExit(77)  # there is no such case
    with natskit.sync.connect(b.url) as nc:
        CASES[b.name](b, nc)
        b.report(natskit.__version__)


if __name__ == "__main__":
    main()
