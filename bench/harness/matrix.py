# SPDX-License-Identifier: Apache-2.0
"""What is run: the peers, how each is started, the cases, and how many messages a run has."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
PEERS = ROOT / "build/bench/peers"
SIZES = (16, 128, 1024, 65536)
WIRE, SERVER, JETSTREAM = "sink/source", "nats-server", "jetstream"

# Ways of one client to do the same: its programs know them by these names, to which _hdr (two headers), _read
# (and one of them is read) and _ack (each message is acknowledged) may be added.
SUB_C = ("sub_batch", "sub_next")
SUB_PY = ("sub_iter", "sub_batch", "sub_cb", "sub_next")
JETSTREAM_C = {"js_pub": ("js_pub", "js_pub_failures"), "js_consume": ("js_consume_batch", "js_consume_next")}
JETSTREAM_PY = {"js_consume": ("js_consume_batch", "js_consume_iter")}
JETSTREAM_LUA = {"js_consume": ("js_consume_batch", "js_consume_iter"), "kv_watch": (), "kv_get": (), "kv_get64": (),
                 "kv_keys": (), "kv_cached": (), "kv_put": ()}

# ns that a message takes in the server, which is the limit of a client that is fast
JETSTREAM_COST = {"js_pub": 6000, "js_consume": 4000, "js_fetch": 4000, "kv_watch": 4000, "kv_get": 250000, "kv_get64": 25000,
                  "kv_keys": 5000, "kv_cached": 500, "kv_put": 250000}
CONSUMING, ACK_COST = ("js_consume", "js_fetch"), 10000
OBJECTS, OBJECT_SIZES, CHUNK = ("obj_put", "obj_get"), (128, 64 << 20), 128 << 10
NO_JETSTREAM = {case: () for case in (*JETSTREAM_COST, *OBJECTS)}
NO_CACHE = {"kv_cached": ()}
# Debian's nats.c is older than its object stores.
NATS_C = {**NO_CACHE, **({} if os.environ.get("NATS_C_PREFIX") else {case: () for case in OBJECTS})}


@dataclass
class Peer:
    name: str
    command: list
    ways: dict  # case -> names of the ways, without those where there is one of the case's name
    cost: dict  # rough ns of a message, to choose the number of messages
    needs: Path | None = None
    hint: str = ""
    ours: bool = False

    def available(self):
        return self.needs is None or self.needs.exists()

    def ways_of(self, case):
        return self.ways.get(case, (case,))


def python_command():
    if os.environ.get("PYTHON"):
        return os.environ["PYTHON"]
    return "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


def peers(build):
    """Every peer, in the order in which they take turns."""
    programs = build / "bench"
    here = [python_command()]
    venv = [str(PEERS / "venv/bin/python3")]
    lua = shutil.which("lua5.4") or shutil.which("lua") or "lua5.4"
    site = next(iter(sorted((PEERS / "venv/lib").glob("python3*/site-packages"))), PEERS / "venv")
    script = BENCH / "python"
    install = "bench/install-peers"
    sync_cost = {"pub": 250, "sub": 350, "req64": 40000}
    async_cost = {"pub": 400, "sub": 400, "req64": 8500}
    nats_py_cost = {"pub": 2500, "sub": 15000, "sub_cb": 6000, "req64": 25000, "js_pub": 25000,
                    "js_pub_stall": 60000, "js_consume": 30000, "js_consume_push": 8000, "js_fetch": 30000, "kv_watch": 20000}
    sub_py = {"sub": SUB_PY, **JETSTREAM_PY}
    ways_nats_py = {"sub": ("sub_iter", "sub_cb", "sub_next"), "js_pub": ("js_pub", "js_pub_stall"),
                    "js_consume": ("js_consume_push", "js_consume_fetch"), "kv_watch": ("kv_watch_iter", "kv_watch_updates"), **NO_CACHE}
    sub_lua = {"sub": ("sub_iter", "sub_msgs", "sub_batch", "sub_next"), **JETSTREAM_LUA}
    uvloop = site / "uvloop"
    return [
        Peer("natskit-c", [str(programs / "natskit")], {"sub": SUB_C, "req64": ("req64", "req64_order"), **JETSTREAM_C},
             {"pub": 150, "sub": 150, "req64": 6000}, ours=True),
        Peer("nats.c", [str(programs / "nats_c")],
             {"sub": ("sub_next", "sub_cb"), "req64": ("req64", "req64_inbox"), "idle_subs": ("idle_subs", "idle_subs_sync"),
              "js_consume": ("js_consume_push", "js_consume_fetch"), **NATS_C},
             {"pub": 250, "sub": 1000, "req64": 30000}, programs / "nats_c", install),
        Peer("natskit-py", [*here, str(script / "natskit_sync.py")], sub_py, sync_cost, ours=True),
        Peer("natskit-py-async", [*here, str(script / "natskit_async.py")], sub_py, async_cost, ours=True),
        Peer("natskit-py-async+uvloop", [*venv, str(script / "natskit_async.py"), "uvloop"], sub_py, async_cost, uvloop,
             install, ours=True),
        Peer("nats-py", [*venv, str(script / "nats_py.py")], ways_nats_py, nats_py_cost, site / "nats", install),
        Peer("nats-py+uvloop", [*venv, str(script / "nats_py.py"), "uvloop"], ways_nats_py, nats_py_cost, uvloop, install),
        Peer("nats.js", ["node", str(BENCH / "node/nats_js.mjs")],
             {"sub": ("sub_iter", "sub_cb"), "js_consume": ("js_consume_cb", "js_consume_iter")},
             {"pub": 1500, "sub": 3000, "req64": 60000, "js_pub": 80000, "js_consume": 8000, "js_fetch": 15000,
              "kv_watch": 10000}, PEERS / "node/node_modules/nats", install),
        Peer("natskit-lua", [lua, str(BENCH / "lua/natskit_lua.lua")], sub_lua,
             {"pub": 250, "sub": 500, "req64": 10000}, ours=True),
        Peer("lua-nats", [lua, str(BENCH / "lua/lua_nats.lua")], {"sub": ("sub_cb",), "req": (), "req64": (), **NO_JETSTREAM},
             {"pub": 8000, "sub": 4000}, PEERS / "lua/nats.lua", "LUA_NATS=<folder> bench/install-peers"),
    ]


def environment(build):
    """What the programs need to find their modules."""
    env = dict(os.environ)
    env["PYTHONPATH"] = str(build / "python")
    env["BENCH_NODE_MODULES"] = str(PEERS / "node")
    peer = PEERS / "debian/usr"
    library = next(iter(sorted((peer / "lib").glob("*/lua/5.4"))), peer / "lib")
    env["LUA_PATH"] = f"{build}/lua/?.lua;{PEERS}/lua/?.lua;{peer}/share/lua/5.4/?.lua;;"
    env["LUA_CPATH"] = f"{build}/lua/?.so;{library}/?.so;;"
    return env


@dataclass(frozen=True)
class Case:
    name: str  # pub, sub, req, req64, js_pub, js_consume, js_fetch, kv_..., obj_..., idle_subs, idle_conns, connect
    suffix: str  # "", "_hdr", "_read", "_ack"
    size: int
    where: str

    @property
    def full(self):
        return self.name + self.suffix


def cases():
    """Every case, in the order of the tables."""
    result = []
    for name, suffixes in (("pub", ("", "_hdr")), ("sub", ("", "_hdr", "_read"))):
        result += [Case(name, suffix, size, WIRE) for suffix in suffixes for size in SIZES]
    result += [Case(name, "", size, SERVER) for name in ("pub", "sub") for size in SIZES]
    result += [Case(name, "", 128, SERVER) for name in ("req", "req64")]
    for name in JETSTREAM_COST:
        result += [Case(name, suffix, 128, JETSTREAM) for suffix in ("", "_ack") if not suffix or name in CONSUMING]
    result += [Case(name, "", size, JETSTREAM) for name in OBJECTS for size in OBJECT_SIZES]
    return result + [Case(name, "", 0, SERVER) for name in ("idle_subs", "idle_conns", "connect")]


def messages(peer, way, case, scale):
    """How many: about `scale` times half a second, and no more than 256 MiB of payload."""
    if case.name in ("idle_subs", "idle_conns"):
        return 1000 if case.name == "idle_subs" else 100
    if case.name == "connect":
        return max(20, int(300 * scale))
    if case.name in ("req", "kv_get", "kv_put"):
        return max(50, int(2000 * scale))
    if case.name in OBJECTS:  # nats-py takes a quarter of a minute for a large one
        return max(20, int(300 * scale)) if case.size <= CHUNK else 1 if peer.name.startswith("nats-py") else 4
    each = peer.cost.get(way, peer.cost.get(case.name, 1000)) * (2 if case.suffix else 1) + case.size * 0.4
    if case.where == SERVER and case.name in ("pub", "sub"):
        each = max(each, 1500)  # that much the server takes
    if case.where == JETSTREAM:
        least = ACK_COST if case.suffix else JETSTREAM_COST[case.name]
        each = max(peer.cost.get(way, peer.cost.get(case.name, 0)), least)
    count = int(0.5e9 * scale / each)
    limit = (256 << 20) // max(case.size, 1)
    return max(64 if case.name == "req64" else 256 if case.name == "kv_get64" else 200, min(count, limit)) // 64 * 64
