# SPDX-License-Identifier: Apache-2.0
"""What natskit has to reach, as ratios of medians of one run to a peer, or as plain numbers."""

from dataclasses import dataclass

from .matrix import JETSTREAM, SERVER, WIRE

C, PY, ASYNC, LUA = "natskit-c", "natskit-py", "natskit-py-async", "natskit-lua"
NATS_C, NATS_PY, UVLOOP, LUA_NATS = "nats.c", "nats-py", "nats-py+uvloop", "lua-nats"
PYTHONS = (PY, ASYNC)
ALL = (C, PY, ASYNC, LUA)


@dataclass(frozen=True)
class Target:
    title: str
    peer: str
    case: str
    size: int
    ways: tuple  # of ours: the best counts; () stands for all
    metric: str  # cpu, rate, p50_us, threads, each_kib
    relation: str  # "<=" or ">="
    limit: float
    against: str = ""  # "" for a plain number
    against_ways: tuple = ()
    where: str = WIRE
    against_case: str = ""  # "": the same


def pub():
    for size in (16, 128):
        title = f"publish {size} B"
        yield Target(title, C, "pub", size, (), "cpu", "<=", 0.5, NATS_C)
        for peer in PYTHONS:
            yield Target(title, peer, "pub", size, (), "cpu", "<=", 0.12, NATS_PY)
        yield Target(title, LUA, "pub", size, (), "cpu", "<=", 0.05, LUA_NATS)
        for peer, limit in ((C, 2), (PY, 1), (ASYNC, 1), (LUA, 1)):
            yield Target(title, peer, "pub", size, (), "rate", ">=", limit, NATS_C)
    for title, case, size, c, python in (
        ("publish 128 B, 2 headers", "pub_hdr", 128, 0.4, 0.2),
        ("publish 1 KiB", "pub", 1024, 0.6, 0.3),
        ("publish 64 KiB", "pub", 65536, 0.8, 0.8),
    ):
        yield Target(title, C, case, size, (), "cpu", "<=", c, NATS_C)
        for peer in PYTHONS:
            yield Target(title, peer, case, size, (), "cpu", "<=", python, NATS_PY)
        yield Target(title, LUA, case, size, (), "cpu", "<=", 0.8, NATS_C)


def sub():
    following = ("sub_next",)
    for size in (16, 128):
        title = f"receive {size} B"
        yield Target(title, C, "sub", size, ("sub_batch",), "cpu", "<=", 0.12, NATS_C, following)
        yield Target(title, C, "sub", size, following, "cpu", "<=", 0.2, NATS_C, following)
        for peer in PYTHONS:
            yield Target(title, peer, "sub", size, ("sub_iter",), "cpu", "<=", 0.02, NATS_PY, ("sub_iter",))
            yield Target(title, peer, "sub", size, ("sub_batch",), "cpu", "<=", 0.05, NATS_PY, ("sub_cb",))
            yield Target(title, peer, "sub", size, ("sub_cb",), "cpu", "<=", 0.05, NATS_PY, ("sub_cb",))
        yield Target(title, LUA, "sub", size, (), "cpu", "<=", 0.1, LUA_NATS)
        yield Target(title, C, "sub", size, ("sub_batch",), "rate", ">=", 5, NATS_C, following)
        yield Target(title, C, "sub", size, following, "rate", ">=", 3, NATS_C, following)
        for peer in PYTHONS:
            yield Target(title, peer, "sub", size, ("sub_iter",), "rate", ">=", 1.5, NATS_C, following)
            yield Target(title, peer, "sub", size, ("sub_batch",), "rate", ">=", 2, NATS_C, following)
        yield Target(title, LUA, "sub", size, (), "rate", ">=", 1.5, NATS_C, following)
    title = "receive 128 B, one of 2 headers read"
    yield Target(title, C, "sub_read", 128, (), "cpu", "<=", 0.15, NATS_C, following)
    for peer in PYTHONS:
        yield Target(title, peer, "sub_read", 128, ("sub_iter",), "cpu", "<=", 0.06, NATS_PY, ("sub_cb",))
    yield Target(title, LUA, "sub_read", 128, (), "cpu", "<=", 0.4, NATS_C, following)


def req():
    for peer, cpu, p50 in ((C, 0.55, 0.95), (PY, 0.6, 1), (LUA, 0.6, 1)):
        yield Target("request, one at a time", peer, "req", 128, (), "cpu", "<=", cpu, NATS_C, (), SERVER)
        yield Target("request, one at a time", peer, "req", 128, (), "p50_us", "<=", p50, NATS_C, (), SERVER)
    yield Target("request, one at a time", ASYNC, "req", 128, (), "cpu", "<=", 0.5, UVLOOP, (), SERVER)
    for peer, against, rate, cpu in ((C, NATS_C, 1.2, 0.5), (ASYNC, UVLOOP, 1.5, 0.3), (LUA, NATS_PY, 1.5, 0.2)):
        yield Target("64 requests in flight", peer, "req64", 128, (), "rate", ">=", rate, against, (), SERVER)
        yield Target("64 requests in flight", peer, "req64", 128, (), "cpu", "<=", cpu, against, (), SERVER)


# The ways of nats-py that wait no longer than they are told, as natskit's do.
NATS_PY_JETSTREAM = {
    "js_pub": (0.03, UVLOOP, ("js_pub_stall",)),
    "js_fetch": (0.03, NATS_PY, ()),
    "kv_watch": (0.08, UVLOOP, ("kv_watch_updates",)),
    "kv_get": (0.45, UVLOOP, ()),
    "kv_put": (0.45, UVLOOP, ()),
}


def jetstream():
    c, *others = ALL
    for title, case, cpu, rate in (
        ("JetStream, publish", "js_pub", 0.3, 1.15),
        ("JetStream, consume", "js_consume", 0.25, 1.1),
        ("JetStream, consume, ack", "js_consume_ack", 0.3, 1.1),
        ("JetStream, fetch", "js_fetch", 0.25, 1.1),
        ("JetStream, fetch, ack", "js_fetch_ack", 0.3, 1.1),
        ("KV, watch", "kv_watch", 0.3, None),
        ("KV, get", "kv_get", 0.55, None),
        ("KV, 64 gets in flight", "kv_get64", 0.55, 2),
        ("KV, keys", "kv_keys", 0.4, 1.2),
        ("KV, put", "kv_put", 0.55, None),
    ):
        its = ("js_consume_fetch",) if case == "js_consume" else ()  # pull beside pull
        yield Target(title, c, case, 128, (), "cpu", "<=", cpu, NATS_C, its, JETSTREAM)
        if rate:
            yield Target(title, c, case, 128, (), "rate", ">=", rate, NATS_C, its, JETSTREAM)
        for peer in others:
            if case in NATS_PY_JETSTREAM:
                limit, against, ways = NATS_PY_JETSTREAM[case]
                yield Target(title, peer, case, 128, (), "cpu", "<=", limit, against, ways, JETSTREAM)
            if case in ("js_consume", "kv_watch"):
                yield Target(title, peer, case, 128, (), "rate", ">=", 1, NATS_C, its, JETSTREAM)


def cached():
    """What is plain of KV: 64 in flight beside one at a time, and the cache, which no peer has."""
    yield Target("KV, 64 gets in flight, to one", C, "kv_get64", 128, (), "rate", ">=", 5, C, (), JETSTREAM, "kv_get")
    for peer, rate in ((C, 1e6), (PY, 5e5), (ASYNC, 5e5)):
        yield Target("KV, look-up in a cache", peer, "kv_cached", 128, (), "rate", ">=", rate, "", (), JETSTREAM)


def objects():
    size = 64 << 20
    for title, case, rate, cpu in (("object of 64 MiB, put", "obj_put", 1.15, 0.75), ("object of 64 MiB, get", "obj_get", 1.2, 0.5)):
        yield Target(title, C, case, size, (), "rate", ">=", rate, NATS_C, (), JETSTREAM)
        yield Target(title, C, case, size, (), "cpu", "<=", cpu, NATS_C, (), JETSTREAM)
        for peer in (PY, ASYNC, LUA):
            yield Target(title, peer, case, size, (), "cpu", "<=", 1.25, C, (), JETSTREAM)


def rest():
    for peer in ALL:
        yield Target("threads, one connection", peer, "req", 128, (), "threads", "<=", 2, "", (), SERVER)
        yield Target("threads, 1,000 subscriptions", peer, "idle_subs", 0, (), "threads", "<=", 2, "", (), SERVER)
        yield Target("threads, 100 connections", peer, "idle_conns", 0, (), "threads", "<=", 2, "", (), SERVER)
    for peer, subscription, connection in ((C, 0.5, 16), (PY, 1, 20), (ASYNC, 1, 20), (LUA, 0.7, 18)):
        yield Target("KiB per idle subscription", peer, "idle_subs", 0, (), "each_kib", "<=", subscription, "", (), SERVER)
        yield Target("KiB per idle connection", peer, "idle_conns", 0, (), "each_kib", "<=", connection, "", (), SERVER)
    for peer, against in ((C, NATS_C), (PY, NATS_PY), (ASYNC, NATS_PY), (LUA, NATS_C)):
        yield Target("connect and close", peer, "connect", 0, (), "cpu", "<=", 0.5, against, (), SERVER)


def every():
    return [*pub(), *sub(), *req(), *jetstream(), *cached(), *objects(), *rest()]
