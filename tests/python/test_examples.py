# SPDX-License-Identifier: Apache-2.0
"""The examples run against a real server, end well, and say what they should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import natskit
import pytest
from natskit_testing import Server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"

EXPECTED = {
    "consume": [
        "fetched: job 0, number 1 of the stream",
        "fetched: job 3, number 4 of the stream",
        "one: job 4",
        "consumed: 10",
        "status: consumer_",
        "status: resumed",
        "nothing is left",
        "handled: 10",
    ],
    "delivery": [
        "acked: number 1 of DELIVERY_PY",
        'not acked: no stream takes "delivery.py.nobody"',
        "in doubt: 0 messages",
    ],
    "drain": ["drain: 20 jobs done"],
    "events": [
        "event: disconnected nats://127.0.0.1:",
        "event: reconnected nats://127.0.0.1:",
        "received 'sent after the reconnect' after 1 reconnect",
        "health: it works",
        "trace: ",
        "dump: subscription None events.py 0",
        "event: closed nats://127.0.0.1:",
    ],
    "hello": ["greet.joe: hello"],
    "headers": [
        "refused: value of header 'Note' holds a line break",
        "colors: ['red', 'blue'], the first: red",
        "X-Shop: north",
        "x-shop: north",
    ],
    "losses": [
        "slow consumer: losses.py",
        "received 100, waiting 10, dropped 90",
        "connection: dropped 90, unconfirmed 0, unsent 0",
    ],
    "handlers": ["log: log.info 'started'", "squares: [0, 1, 4, 9, 16]"],
    "kv_watch": [
        "get: lamp.kitchen = off, revision 1",
        "update: somebody was faster",
        "create: the key has a value",
        "watch: lamp.hall = on",
        "watch: lamp.kitchen = on",
        "watch: that was all there is",
        "watch: lamp.hall DEL",
        "get: KeyDeletedError",
        "keys: ['door.front', 'lamp.kitchen']",
        "history: ['off', 'on']",
        "deleted: True",
    ],
    "kv_batch": [
        "revisions: [2, 3]",
        "accounts: joe 70, pam 30",
    ],
    "kv_cache": [
        "at hand: 10.0.0.7, port: None",
        "visits: 2",
        "there is: True",
        "sessions deleted: 2",
        "CACHED: 3 entries of ['/db/host', '/visits']",
    ],
    "kv_codec": [
        "red: host b'10.0.0.7', 1500 bytes of notes",
        "red sees ['host', 'notes'], blue ['host']",
        "stored: ['blue.host', 'red.host', 'red.notes']",
        "packed: True",
        "refused: ",
    ],
    "many_replies": [
        "until an empty one: ['one', 'two', 'three']",
        "ended by: SentinelError",
        "two: ['one', 'two']",
        "until a pause: ['one', 'two', 'three', '']",
        "the first: one",
        "no responders: ",
    ],
    "objects": [
        "put: logo.svg, 6 bytes, SHA-256=",
        "get: b'<svg/>', the logo",
        "open: 1000 lines, 16890 bytes",
        "written into a file: 16890 bytes",
        "link: ('FILES', 'log.txt'), 16890 bytes",
        "the link leads nowhere: ",
        "watch: logo.svg",
        "watch: latest",
        "watch: old.txt",
        "watch: that was all there is",
        "watch: logo.svg was deleted",
        "list: ['latest', 'old.txt']",
        "deleted: True",
    ],
    "pubsub": [
        "greet.*: greet.joe 'hello' -",
        "greet.*: greet.pam 'good morning' en",
        "greet.>: greet.pam.again 'only one of the two matches this'",
    ],
    "push": [
        "shared: 20 jobs done once",
        "consumer: workers",
        "restored: 20 messages",
        "trace: in, 0 missing",
        "advisory: delete",
    ],
    "queue_group": ["queue group: 30 jobs, 30 done once"],
    "direct_get": [
        "second: 2, attic 31.0",
        "hall: 4, hall 21.0",
        "page: 2, attic 31.0",
        "page: 3, hall 20.7",
        "now: 2, attic 31.0",
        "now: 4, hall 21.0",
    ],
    "replay": [
        "all: 1, hall 20.5",
        "all: 2, attic 31.0",
        "all: 3, hall 20.7",
        "all: 4, hall 21.0",
        "now: attic 31.0",
        "now: hall 21.0",
        "hall: 3, 20.7",
        "hall: 4, 21.0",
        "hall: that was all there is",
        "hall: 5, 21.4",
    ],
    "request_reply": ["request/reply: 'hello, joe', Length: 3", "no responders: "],
    "service": [
        "texts.py.reverse: desserts",
        "texts.py.upper: QUIET",
        "texts.py.reverse: error 400: a text, please",
        "found: 2 requests, 1 error, the last: 400:a text, please",
        "stopped: True",
    ],
    "streams": [
        "account: 0 streams of -1",
        "stream: EXAMPLE, kept for 2592000 s",
        "updated: 'changes what is said, and that alone', still 2592000 s",
        "published: number 5 of EXAMPLE",
        "with an id: [False, True]",
        "publisher: 1000 acked",
        "state: 1006 messages, {",
        "last: 5 b'order 4' {'Number': '4'}",
        "consumer: worker, 1006 to be delivered",
        "names: ['EXAMPLE'] ['worker']",
        "refused: 400 10058 ",
        "not found: ",
        "purged: 1004",
        "deleted: True",
    ],
    "tour": [
        "connect: nats://127.0.0.1:",
        "publish/subscribe: received greet.joe 'hello'",
        "publish/subscribe: received greet.pam 'good morning'",
        "queue group: 20 jobs, 20 done once",
        "headers: Color: red, blue",
        "request/reply: the service sees header Language: Python",
        "request/reply: got 'hello, joe'",
        "no responders: ",
        "timeout: ",
        "bad input: ",
        "flush: the server has all ",
        "events: the last one is closed",
        "end: nothing is left behind",
    ],
    "batches": [
        "batch: 2 messages, the last as 2",
        "batch: wrong last sequence: 2 [WRONG_LAST]; nothing of it is stored",
        "counter: 5",
        "counter: 3",
        "counter: 100000000000000000003",
        "read: 100000000000000000003, of other streams None",
        "schedule: tick, made by batch.plan",
        "schedule: ended",
    ],
    "fast_ingest": [
        "stored: 10000 messages, the last as 10000",
        "ended: wrong last sequence: 10001 [WRONG_LAST]; stored up to 1 of 2",
    ],
    "websocket": ["connected by ws://127.0.0.1:", "received greet.joe 'hello'"],
    "metrics": [
        "nats_client_up 1",
        "nats_client_out_messages_total 2",
        'nats_client_sub_received_messages_total{subject="metrics.py.>"} 2',
        'nats_client_sub_taken_messages_total{subject="metrics.py.>"} 1',
        'nats_client_sub_pending_messages{subject="metrics.py.>"} 1',
        'nats_client_sub_up{subject="metrics.py.\\"quoted\\""} 1',
        "nats_client_threads 1",
    ],
    "work_queue": [
        "given up: nonsense",
        "done: later, at delivery 2",
        "work queue: 19 of 20 jobs done",
        "deleted: True",
    ],
}

JETSTREAM = {
    *("batches", "consume", "delivery", "direct_get", "fast_ingest", "kv_batch", "kv_cache", "kv_codec", "kv_watch", "push", "objects", "replay"),
    *("streams", "work_queue"),
}


@pytest.fixture(scope="module")
def ws_url() -> Iterator[str]:
    with Server(extra='websocket { listen: "127.0.0.1:@PORT1@", no_tls: true }', jetstream=False) as server:
        yield f"ws://127.0.0.1:{server.extra_port(1)}"


@pytest.mark.parametrize("face", ["", "_sync"])
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example(request: pytest.FixtureRequest, name: str, face: str) -> None:
    fixture = "ws_url" if name == "websocket" else "js_url" if name in JETSTREAM else "url"
    url = request.getfixturevalue(fixture)
    package = str(Path(natskit.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", EXAMPLES / f"{name}{face}.py"],
        env={**os.environ, "NATS_URL": url, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # asyncio's debug mode tells of slow callbacks, too, which are a loaded machine's.
    complaints = [line for line in done.stderr.splitlines() if not re.fullmatch(r"Executing <.* took [\d.]+ seconds", line)]
    assert (done.returncode, complaints) == (0, [])
    lines = done.stdout.splitlines()
    for text in EXPECTED[name]:
        assert any(line.startswith(text) for line in lines), f"{text!r} is missing in {lines}"
    if name == "metrics":
        page = (EXAMPLES.parents[1] / "docs" / "observability.md").read_text()
        documented = re.findall(r"^\| `(nats_client_\w+)` \| (counter|gauge) \|", page, re.MULTILINE)
        told = [tuple(line.split()[2:]) for line in lines if line.startswith("# TYPE ")]
        assert sorted(told) == sorted(documented)


def test_every_example_is_run() -> None:
    names = {path.stem.removesuffix("_sync") for path in EXAMPLES.glob("*.py")}
    assert names == set(EXPECTED)


def test_an_example_without_a_server_fails() -> None:
    package = str(Path(natskit.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, EXAMPLES / "pubsub.py"],
        env={**os.environ, "NATS_URL": "nats://127.0.0.1:9", "PYTHONPATH": package},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0 and "Error" in done.stderr
