# SPDX-License-Identifier: Apache-2.0
"""One run of one program: started, read, and its word compared with the server's."""

import json
import subprocess

from .jetstream import IN_TURN, KEYS
from .matrix import CHUNK, CONSUMING, JETSTREAM, OBJECTS, SERVER, WIRE, Case
from .servers import Disturbance
from .trouble import Trouble

ABSENT = 77  # what a program ends with that does not know the case
DISTURBED = 0.08
SECONDS = 120


class Absent(Exception):
    """The client has no such case."""


def output(command, env):
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Trouble(f"not done after {SECONDS} s") from None
    if done.returncode == ABSENT:
        raise Absent
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise Trouble(f"exit code {done.returncode}: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def verify(case, result, sunk, in_msgs):
    """The client's word against the other side's."""
    n = result["n"]
    if result["got"] != n:
        raise Trouble(f"{result['got']} of {n} messages")
    if case.name == "pub" and case.where == WIRE:
        with_headers = n if case.suffix else 0
        if sunk["msgs"] != n or sunk["with_headers"] != with_headers or sunk["bytes"] < n * case.size:
            raise Trouble(f"the sink got {sunk} of {n} messages")
    if case.name == "pub" and case.where == SERVER and in_msgs != n:
        raise Trouble(f"the server got {in_msgs} of {n} messages")


def verify_stream(case, n, state):
    """What the stream and its consumers hold after the run; n is what the harness asked for."""
    if case.name in OBJECTS:
        objects = n if case.name == "obj_put" else 1
        wanted = objects * (-(-case.size // CHUNK) + 1)
        if state["last"] != wanted or state["messages"] != wanted or state["bytes"] < objects * case.size:
            raise Trouble(f"the store has {state}, not {wanted} messages, chunks of {objects} objects of {case.size} B")
        return
    keys = min(n, KEYS)
    last = keys if case.name in IN_TURN and case.name != "kv_put" else n
    kept = keys if case.name == "kv_put" else last
    if state["last"] != last or state["messages"] != kept or state["bytes"] < kept * case.size:
        raise Trouble(f"the stream has {state}, not {last} messages, the last {kept} of {case.size} B")
    if case.name in CONSUMING and (state["delivered"] != n or state["acked"] < n * (case.suffix == "_ack")):
        raise Trouble(f"the consumer says {state} of {n} messages")


def self_check():
    """Verify notices what it is there for."""
    case = Case("pub", "_hdr", 16, WIRE)
    good = {"msgs": 10, "with_headers": 10, "bytes": 500}
    wire, server = {"n": 10, "got": 10}, Case("pub", "", 16, SERVER)
    verify(case, wire, good, 0)
    lies = [(case, {"n": 10, "got": 9}, good, 0), (server, wire, {}, 9)]
    lies += [(case, wire, {**good, key: value}, 0) for key, value in (("msgs", 9), ("with_headers", 0), ("bytes", 159))]
    for lie in lies:
        refused(verify, *lie)
    self_check_streams()


def self_check_streams():
    good = {"last": 10, "messages": 10, "bytes": 500, "delivered": 10, "acked": 10}
    case = Case("js_fetch", "_ack", 16, JETSTREAM)
    verify_stream(case, 10, good)
    for key in good:
        refused(verify_stream, case, 10, {**good, key: 9})
    verify_stream(Case("js_fetch", "", 16, JETSTREAM), 10, {**good, "acked": 0})
    bucket = {"last": 2 * KEYS, "messages": KEYS, "bytes": 16 * KEYS}
    verify_stream(Case("kv_put", "", 16, JETSTREAM), 2 * KEYS, bucket)
    for key, value in bucket.items():
        refused(verify_stream, Case("kv_put", "", 16, JETSTREAM), 2 * KEYS, {**bucket, key: value - 1})


    store = {"last": 3 * 513, "messages": 3 * 513, "bytes": 3 * (64 << 20)}
    put = Case("obj_put", "", 64 << 20, JETSTREAM)
    verify_stream(put, 3, store)
    for key, value in store.items():
        refused(verify_stream, put, 3, {**store, key: value - 1})


def refused(check, *lie):
    try:
        check(*lie)
    except Trouble:
        return
    raise Trouble(f"not noticed: {lie}")


def once(peer, way, case, n, servers, env):
    """The result of one run, with the share of the machine that others took."""
    servers.sink.forget()
    counts = case.name == "pub" and case.where == SERVER
    before = servers.varz()["in_msgs"] if counts else 0
    command, more = peer.command, []
    if command[-1] == "uvloop":
        command, more = command[:-1], ["uvloop"]
    streams = servers.jetstream() if case.where == JETSTREAM else None
    if streams:
        streams.prepare(case, n)
    disturbance = Disturbance(servers)
    result = output([*command, way + case.suffix, str(n), str(case.size), servers.urls[case.where], *more], env)
    share = disturbance.share()
    sunk = json.loads(servers.sink.line()) if case.where == WIRE else {}
    in_msgs = servers.varz()["in_msgs"] - before if counts else 0
    verify(case, result, sunk, in_msgs)
    if streams:
        verify_stream(case, n, streams.state(case, n))
    result["foreign"] = share
    result["cpu"] = (result["user"] + result["sys"]) / result["n"]
    result["rate"] = result["n"] / result["seconds"]
    return result


def run(peer, way, case, n, servers, env, repeats):
    """The least disturbed of up to 1 + `repeats` runs."""
    best = None
    for _ in range(1 + repeats):
        result = once(peer, way, case, n, servers, env)
        if best is None or result["foreign"] < best["foreign"]:
            best = result
        if best["foreign"] <= DISTURBED:
            break
    return best
