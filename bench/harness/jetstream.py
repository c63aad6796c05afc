# SPDX-License-Identifier: Apache-2.0
"""The streams that the JetStream, KV and object cases need: made and filled before a run, and looked at after it.

The programs find, by these names, a stream with the subject SUBJECT, the durable pull consumer DURABLE of it, and the
bucket BUCKET with the keys key.0, key.1, ..., and the object store BUCKET with the object OBJECT; all of it is in memory and new for each run.
"""

import base64
import hashlib
import json
import socket
import time
from contextlib import suppress

from .matrix import CHUNK, OBJECTS
from .trouble import Trouble

STREAM, SUBJECT, DURABLE = "BENCH", "bench.js", "bench"
BUCKET = "bench"
OBJECT = "object"
KEYS = 1000  # which are taken in turn
IN_TURN = ("kv_get", "kv_get64", "kv_cached", "kv_put")
WINDOW = 4000  # less than the 10,000 that a server keeps for a stream before it drops
SECONDS = 10


class Plain:
    """The least of a client: requests, and messages in windows of which the last one is acknowledged."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":false}\r\nSUB bench.reply.* 1\r\n')
        self.asked = 0

    def close(self):
        self.lines.close()
        self.socket.close()

    @staticmethod
    def frame(subject, payload, reply=""):
        return f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"

    def request(self, subject, payload, before=b""):
        """The answer as JSON; one with an error is trouble. `before` goes out in the same write."""
        self.asked += 1
        reply = f"bench.reply.{self.asked}"
        self.socket.sendall(before + self.frame(subject, payload, reply))
        while True:
            words = self.lines.readline().decode().split()
            if not words or words[0] == "-ERR":
                raise Trouble(f"{subject}: the server says {' '.join(words) or 'nothing more'}")
            if words[0] == "PING":
                self.socket.sendall(b"PONG\r\n")
            elif words[0] == "MSG":
                data = self.lines.read(int(words[-1]) + 2)
                if words[1] == reply:
                    return self.answer(subject, data)

    @staticmethod
    def answer(subject, data):
        found = json.loads(data)
        if "error" in found:
            raise Trouble(f"{subject}: {found['error'].get('description')}")
        return found

    def fill(self, subjects, payload):
        """One message to each of the subjects, stored when this returns."""
        for begin in range(0, len(subjects), WINDOW):
            *first, last = subjects[begin : begin + WINDOW]
            self.request(last, payload, b"".join(self.frame(subject, payload) for subject in first))


class Streams:
    def __init__(self, port):
        self.server = Plain(port)

    def close(self):
        self.server.close()

    def api(self, what, **fields):
        return self.server.request(f"$JS.API.{what}", json.dumps(fields).encode())

    def prepare(self, case, n):
        """What the case needs, and nothing else."""
        self.remove()
        payload = b"x" * case.size
        if case.name.startswith("kv_"):
            self.make_bucket()
            stored = 0 if case.name == "kv_put" else min(n, KEYS) if case.name in IN_TURN else n
            self.server.fill([f"$KV.{BUCKET}.key.{i}" for i in range(stored)], payload)
            return
        if case.name in OBJECTS:
            self.make_store()
            if case.name == "obj_get":
                self.put_object(payload)
            return
        self.make(STREAM, [SUBJECT])
        if case.name == "js_pub":
            return
        self.server.fill([SUBJECT] * n, payload)
        self.make_consumer("explicit" if case.suffix == "_ack" else "none")

    def make(self, name, subjects, **more):
        self.api(f"STREAM.CREATE.{name}", name=name, subjects=subjects, storage="memory", num_replicas=1, **more)

    def make_bucket(self):
        self.make(f"KV_{BUCKET}", [f"$KV.{BUCKET}.>"], max_msgs_per_subject=1, discard="new", deny_delete=True,
                  allow_rollup_hdrs=True, allow_direct=True)

    def make_store(self):
        self.make(f"OBJ_{BUCKET}", [f"$O.{BUCKET}.C.>", f"$O.{BUCKET}.M.>"], discard="new", allow_rollup_hdrs=True,
                  allow_direct=True)

    def put_object(self, data):
        """As clients do (ADR-20)."""
        chunks = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
        for chunk in chunks:
            self.server.request(f"$O.{BUCKET}.C.nuid", chunk)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        info = {"name": OBJECT, "bucket": BUCKET, "nuid": "nuid", "size": len(data), "chunks": len(chunks),
                "mtime": "2026-01-01T00:00:00Z", "digest": f"SHA-256={digest}", "options": {"max_chunk_size": CHUNK}}
        name = base64.urlsafe_b64encode(OBJECT.encode()).decode()
        self.server.request(f"$O.{BUCKET}.M.{name}", json.dumps(info).encode())

    def make_consumer(self, ack):
        config = {"durable_name": DURABLE, "ack_policy": ack, "deliver_policy": "all"}
        if ack == "explicit":
            config["max_ack_pending"] = -1
        self.api(f"CONSUMER.DURABLE.CREATE.{STREAM}.{DURABLE}", stream_name=STREAM, config=config)

    def remove(self):
        for name in (STREAM, f"KV_{BUCKET}", f"OBJ_{BUCKET}"):
            with suppress(Trouble):
                self.api(f"STREAM.DELETE.{name}")

    def state(self, case, n):
        """What the stream and its consumers say after a run; waits a moment for acks that are still in the server."""
        bucket = case.name.startswith("kv_") or case.name in OBJECTS
        name = f"OBJ_{BUCKET}" if case.name in OBJECTS else f"KV_{BUCKET}" if bucket else STREAM
        state = self.api(f"STREAM.INFO.{name}")["state"]
        found = {"last": state["last_seq"], "messages": state["messages"], "bytes": state["bytes"]}
        end = time.monotonic() + SECONDS
        while not bucket:
            consumers = self.api(f"CONSUMER.LIST.{name}")["consumers"] or []
            found["delivered"] = max((c["delivered"]["stream_seq"] for c in consumers), default=0)
            found["acked"] = max((c["ack_floor"]["stream_seq"] for c in consumers), default=0)
            if case.suffix != "_ack" or found["acked"] >= n or time.monotonic() > end:
                break
            time.sleep(0.02)
        return found
