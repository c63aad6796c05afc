# SPDX-License-Identifier: Apache-2.0
"""natskit.compat.nats against nats-py 2.16: the programs in nats_py/ print what they print with nats-py, and the
names and parameters are nats-py's. nats_py/record.py has recorded both; where NATSKIT_NATS_PY names a Python that
has nats-py, the records are held to it."""

from __future__ import annotations

import asyncio
import enum
import fnmatch
import importlib
import io
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import natskit
import pytest
from nats_py import record
from natskit.compat import nats
from natskit.compat.nats._mapping import mapped
from natskit_testing import Server

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(record.__file__).resolve().parent
PROGRAMS = ("core", "jetstream", "buckets", "services")
NATS_PY = os.environ.get("NATSKIT_NATS_PY", "")

# What nats-py has and this has not, or has otherwise; docs/migrating-from-nats-py.md tells why.
DIFFERENCES = (
    "aio.client.*Transport",
    "aio.client.*_LEN",
    "aio.client.*_OP",
    "aio.client.*_PROTO",
    "aio.client.*_SIZE",
    "aio.client.*_STATUS",
    "aio.client.AUTHORIZATION_VIOLATION",
    "aio.client.Client.ssl_context",
    "aio.client.EMPTY",
    "aio.client.PERMISSIONS_ERR",
    "aio.client.PONG",
    "aio.client.PROTOCOL",
    "aio.client.Parser",
    "aio.client.STALE_CONNECTION",
    "aio.client.ServerVersion.parse_version",
    "aio.client.Srv",
    "aio.*Msg()",
    "aio.*msg_class()",
    "aio.*.Ack.*",
    "aio.subscription.Subscription()",
    "js.api.*()",
    "js.api.*.evolve",
    "js.api.*.from_response",
    "js.api.StreamConfig.template_owner",
    "js.api.StreamPurgeRequest",
    "js.client.JetStreamContext.is_status_msg",
    "js.client.JetStreamContext.P*Subscription()",
    "js.errors.*.from_error",
    "js.errors.*.from_msg",
    "js.*Watcher()",
    "js.*.*_TEMPLATE",
    "js.*.MSG_ROLLUP_SUBJECT",
    "js.*.NATS_HDR_LINE_SIZE",
    "js.*.STOP_ITER",
    "js.*.StopIterSentinel",
    "js.client.NO_RESPONDERS_STATUS",
    "js.kv.KV_MARKER_REASON",
    "js.object_store.OBJ_*",
    "micro.request.Request()",
    "micro.service.Endpoint",
    "micro.service.EndpointManager",
    "micro.service.GroupManager",
    "micro.service.ServiceIdentity",
    "nuid.*INC",
    "nuid.MAX_SEQ",
)


@pytest.fixture
def own_jetstream() -> Iterator[Server]:
    with Server() as server:
        yield server


# ------------------------------------------------------------------------------------------ the two clients


@pytest.mark.parametrize("name", PROGRAMS)
async def test_program(name: str, own_jetstream: Server, caplog: pytest.LogCaptureFixture) -> None:
    printed = io.StringIO()
    await record.program(name)(nats, own_jetstream.url, lambda *values: print(*values, file=printed))
    caplog.clear()  # what was raised refers to messages
    assert printed.getvalue().splitlines() == (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def found_at(place: str) -> Any:
    module, _, name = place.rpartition(".")
    return getattr(importlib.import_module(f"natskit.compat.nats.{module}"), name, None)


def lacking(path: str, wanted: Any, ours: Any) -> Iterator[str]:
    """The places at which `ours` is not what nats-py has."""
    if isinstance(wanted, str):  # a constant's value, or where the name comes from
        if repr(ours) != wanted[2:] if wanted.startswith("= ") else ours is not found_at(wanted):
            yield path
        return
    if isinstance(wanted, list):
        found = record.parameters(ours)
        if [name for name in found if name in wanted] != [name for name in wanted if name != "cls"]:
            yield path
        return
    for name, value in wanted.items():
        here = f"{path}.{name}"
        if name == "()":
            if not set(value) <= set(record.parameters(ours.__init__)):
                yield f"{path}()"
        elif issubclass(ours, enum.Enum):
            if ours[name].value != value:
                yield here
        elif not hasattr(ours, name) and name not in getattr(ours, "__dataclass_fields__", {}):
            yield here
        elif value is not None:
            yield from lacking(here, value, getattr(ours, name))


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "surface.json").read_text(encoding="utf-8"))
    return found


def differences() -> Iterator[str]:
    for module, names in recorded().items():
        if module == "modules":
            continue
        ours = importlib.import_module("natskit.compat.nats" + (module if module != "." else ""))
        for name, wanted in names.items():
            path = f"{module}.{name}".lstrip(".")
            if hasattr(ours, name):
                yield from lacking(path, wanted, getattr(ours, name))
            else:
                yield path


def test_surface() -> None:
    found = list(differences())
    unknown = [path for path in found if not any(fnmatch.fnmatchcase(path, each) for each in DIFFERENCES)]
    assert unknown == []
    gone = [each for each in DIFFERENCES if not fnmatch.filter(found, each)]
    assert gone == []  # it has them now


def test_modules_are_there() -> None:
    """`nats.aio.errors.ErrTimeout` needs no import of its own."""
    script = "import json, sys, natskit.compat.nats\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    here = {name.removeprefix("natskit.compat.nats") for name in json.loads(done.stdout)}
    lacking = {name for name in recorded()["modules"] if name not in here}
    assert lacking == {".aio.transport", ".protocol", ".protocol.command", ".protocol.parser"}


def test_differences_are_told() -> None:
    page = (ROOT / "docs/migrating-from-nats-py.md").read_text(encoding="utf-8")
    assert [each for each in DIFFERENCES if f"`{each}`" not in page] == []


@pytest.mark.skipif(not NATS_PY, reason="NATSKIT_NATS_PY names no Python that has nats-py")
@pytest.mark.parametrize("name", [*PROGRAMS, "surface"])
def test_records(name: str, own_jetstream: Server, tmp_path: Path) -> None:
    script = tmp_path / "record.py"
    script.write_text((FOLDER / "record.py").read_text(encoding="utf-8"), encoding="utf-8")
    arguments = ["surface"]
    recorded = FOLDER / "surface.json"
    if name != "surface":
        (tmp_path / f"{name}.py").write_text((FOLDER / f"{name}.py").read_text(encoding="utf-8"), encoding="utf-8")
        arguments = ["run", name, own_jetstream.url]
        recorded = FOLDER / f"{name}.txt"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [NATS_PY, str(script), *arguments], capture_output=True, text=True, timeout=90, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    made = done.stdout if name != "surface" else (tmp_path / "surface.json").read_text(encoding="utf-8")
    assert made.splitlines() == recorded.read_text(encoding="utf-8").splitlines()


# ------------------------------------------------------------------------------------------------ exceptions


def test_every_exception_has_one() -> None:
    for cls in natskit.errors.STATUSES.values():
        made = mapped(cls("what happened"))
        assert isinstance(made, nats.errors.Error), cls
        assert isinstance(made.__cause__, cls)
        assert str(made)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (natskit.errors.TimeoutError, nats.errors.TimeoutError),
        (natskit.errors.KeyDeletedError, nats.js.errors.KeyNotFoundError),
        (natskit.errors.KeyExistsError, nats.js.errors.KeyWrongLastSequenceError),
        (natskit.errors.StreamNotFoundError, nats.js.errors.NotFoundError),
        (natskit.errors.CertificateError, nats.errors.SecureConnFailedError),
        (natskit.errors.AuthExpiredError, nats.errors.AuthorizationError),
        (natskit.errors.SubscriptionClosedError, nats.errors.BadSubscriptionError),
        (natskit.errors.ObjectDeletedError, nats.js.errors.ObjectNotFoundError),
    ],
)
def test_mapping(own: type[natskit.errors.Error], expected: type[Exception]) -> None:
    assert type(mapped(own("text"))) is expected


def test_old_names() -> None:
    from natskit.compat.nats.aio import errors

    assert errors.ErrTimeout is nats.errors.TimeoutError
    assert issubclass(nats.errors.TimeoutError, asyncio.TimeoutError)
    assert str(nats.js.errors.FetchTimeoutError()) == "nats: fetch timeout"


# ------------------------------------------------------------------------------------------------- the client


async def test_before_connect() -> None:
    nc = nats.NATS()
    assert not nc.is_connected and not nc.is_closed and nc.connected_url is None
    with pytest.raises(nats.errors.ConnectionClosedError):
        await nc.publish("a", b"")
    await nc.close()


async def test_options(url: str) -> None:
    with pytest.raises(TypeError, match="tls_ca_file"):
        await nats.connect(url, tls=ssl.create_default_context())
    with pytest.raises(TypeError, match="reconnect_to_server_handler"):
        await nats.connect(url, reconnect_to_server_handler=lambda pool, info: None)
    with pytest.raises(nats.errors.Error, match="unknown_thing"):
        await nats.connect(url, unknown_thing=1)
    nc = await nats.connect(url, inbox_prefix=b"_MINE", move_on_lame_duck=False, flusher_queue_size=5, reconnect_time_wait=0)
    assert nc.new_inbox().startswith("_MINE.")
    assert nc.options["move_on_lame_duck"] is False
    assert [each.port for each in nc.servers] == [each.uri.port for each in nc.server_pool]
    nc.set_server_pool([url, "nats://127.0.0.1:1"])
    assert len(nc.server_pool) == 2 and nc.discovered_servers == []
    assert nc.stats["reconnects"] == 0 and nc.pending_data_size >= 0 and nc.client_id
    await nc.close()


async def test_first_connect(url: str) -> None:
    nobody = "nats://127.0.0.1:1"
    told: list[Exception] = []

    async def error_cb(error: Exception) -> None:
        told.append(error)

    with pytest.raises(nats.errors.Error):
        await nats.connect([nobody], allow_reconnect=False, error_cb=error_cb)
    with pytest.raises(nats.errors.NoServersError):
        await nats.connect(nobody, max_reconnect_attempts=2, reconnect_time_wait=0.01, connect_timeout=0.1, error_cb=error_cb)
    assert told
    for options in ({"allow_reconnect": False}, {"max_reconnect_attempts": 0}, {"max_reconnect_attempts": -1}):
        nc = await nats.connect([nobody, url.removeprefix("nats://")], dont_randomize=True, error_cb=error_cb, **options)
        assert nc.is_connected
        await nc.close()


async def test_refused_credentials() -> None:
    with Server(jetstream=False, config="authorization { user: a, password: b }") as server:
        nc = await nats.connect(server.url, user="a", password=lambda: "b")
        await nc.close()
        errors: list[Exception] = []

        async def error_cb(error: Exception) -> None:
            errors.append(error)

        with pytest.raises(nats.errors.Error):
            await nats.connect(server.url, user="a", password="c", allow_reconnect=False, error_cb=error_cb)


async def test_slow_consumer(url: str) -> None:
    errors: list[Any] = []

    async def error_cb(error: Exception) -> None:
        errors.append(error)

    nc = await nats.connect(url, error_cb=error_cb)
    sub = await nc.subscribe("slow", pending_msgs_limit=2)
    for _ in range(5):
        await nc.publish("slow", b"x")
    while not errors:
        await nc.flush()
    assert isinstance(errors[0], nats.errors.SlowConsumerError)
    assert errors[0].sub is sub and errors[0].subject == "slow" and errors[0].sid > 0
    assert sub.pending_msgs == 2 and sub.pending_bytes > 0
    await nc.close()


async def test_dropped_subscriptions(url: str) -> None:
    nc = await nats.connect(url)
    await nc.subscribe("kept")  # nobody refers to it, and there is interest
    await nc.flush()
    with pytest.raises(nats.errors.TimeoutError):
        await nc.request("kept", b"", timeout=0.05)
    for _ in range(100):
        await (await nc.subscribe("a")).unsubscribe()
        ends = await nc.subscribe("b", max_msgs=1)
        await nc.publish("b", b"")
        await ends.next_msg(timeout=10)
    assert len(nc._subs) < 50  # those that have ended go
    await nc.close()


async def test_a_loop_that_was_left_holds_nothing(js_url: str) -> None:
    nc = await nats.connect(js_url)
    sub = await nc.subscribe("left")
    for _ in range(3):
        await nc.publish("left", b"x")
    async for _ in sub.messages:
        break
    assert (await sub.messages.__anext__()).data == b"x"
    assert (await sub.next_msg()).data == b"x"
    kv = await nc.jetstream().create_key_value(bucket="left", storage="memory")
    watcher = await kv.watchall()
    assert await watcher.updates() is None
    async for entry in await kv.watchall():
        assert entry is None
        break
    await watcher.stop()
    await asyncio.wait_for(nc.drain(), 20)  # not as long as a drain may take


async def test_drain_that_takes_too_long(url: str) -> None:
    errors: list[Exception] = []

    async def error_cb(error: Exception) -> None:
        errors.append(error)

    nc = await nats.connect(url, error_cb=error_cb, drain_timeout=0.1)
    await nc.subscribe("a")
    await nc.publish("a", b"")
    await nc.flush()
    await nc.drain()
    assert nc.is_closed
    while not errors:
        await asyncio.sleep(0.01)
    assert [type(error) for error in errors] == [nats.errors.DrainTimeoutError]


async def test_reconnect(server: Server) -> None:
    told: list[str] = []

    def teller(name: str) -> Any:
        async def tell(*args: Any) -> None:
            told.append(name)

        return tell

    callbacks = {name: teller(name) for name in ("disconnected_cb", "reconnected_cb", "closed_cb", "error_cb")}
    nc = await nats.connect(server.url, reconnect_time_wait=0.05, **callbacks)
    sub = await nc.subscribe("a")
    await nc.force_reconnect()
    while "reconnected_cb" not in told:
        await asyncio.sleep(0.01)
    await nc.publish("a", b"again")
    assert (await sub.next_msg(timeout=10)).data == b"again"
    await nc.close()
    assert "disconnected_cb" in told and told[-1] == "closed_cb"


async def test_messages_of_programs(url: str) -> None:
    nc = await nats.connect(url)
    sub = await nc.subscribe("to")
    msg = nats.aio.msg.Msg(nc, subject="x", reply="to", headers={"a": "1"})
    await msg.respond(b"answer")
    got = await sub.next_msg(timeout=10)
    assert (got.data, got.headers) == (b"answer", {"a": "1"})
    for attempt in (msg.ack, msg.nak, msg.term, msg.in_progress, msg.ack_sync):
        with pytest.raises(nats.errors.NotJSMessageError):
            await attempt()
    with pytest.raises(nats.errors.Error, match="no reply subject"):
        await got.respond(b"")

    class Mine(nats.aio.msg.Msg):
        pass

    nc.msg_class = Mine
    await nc.publish("to", b"", headers={"number": 5})
    mine = await sub.next_msg(timeout=10)
    assert isinstance(mine, Mine) and mine.header == {"number": "5"}
    await nc.close()


# ---------------------------------------------------------------------------------------------- JetStream


async def test_publish_async_stalls(js_url: str) -> None:
    nc = await nats.connect(js_url)
    js = nc.jetstream(publish_async_max_pending=1)
    await js.add_stream(name="S", subjects=["s"], no_ack=True)
    first = await js.publish_async("s", b"")
    with pytest.raises(nats.js.errors.TooManyStalledMsgsError):
        await js.publish_async("s", b"", wait_stall=0.05)
    assert js.publish_async_pending() == 1
    await nc.close()
    with pytest.raises(nats.errors.Error):
        await asyncio.wait_for(first, 10)
    await asyncio.wait_for(js.publish_async_completed(), 10)


async def test_fetch_without_a_limit(js_url: str) -> None:
    nc = await nats.connect(js_url)
    js = nc.jetstream()
    await js.add_stream(name="S", subjects=["s"])
    sub = await js.pull_subscribe("s", "c")
    fetching = asyncio.get_running_loop().create_task(sub.fetch(2, timeout=None))
    while (await sub.consumer_info()).num_waiting == 0:
        await asyncio.sleep(0.01)
    await js.publish("s", b"1")
    await js.publish("s", b"2")
    assert [msg.data for msg in await asyncio.wait_for(fetching, 60)] == [b"1", b"2"]
    assert (sub.delivered, sub.pending_msgs) == (2, 0)
    await sub.unsubscribe()
    with pytest.raises(ValueError, match="invalid subscription"):
        await sub.fetch()
    with pytest.raises(ValueError, match="stream name"):
        await js.pull_subscribe_bind("c")
    await nc.close()


async def test_callbacks_ack(js_url: str) -> None:
    nc = await nats.connect(js_url)
    js = nc.jetstream()
    await js.add_stream(name="S", subjects=["s"])
    done: list[bytes] = []

    async def cb(msg: Any) -> None:
        done.append(msg.data)

    sub = await js.subscribe("s", cb=cb, manual_ack=True, durable="d")
    await js.publish("s", b"1")
    while not done:
        await asyncio.sleep(0.01)
    assert (await sub.consumer_info()).num_ack_pending == 1
    await sub.unsubscribe()
    while (await js.consumer_info("S", "d")).push_bound:  # until the server has noticed
        await asyncio.sleep(0.01)
    bound = await js.subscribe_bind("S", None, "d", cb=cb)
    await js.publish("s", b"2")
    while b"2" not in done:
        await asyncio.sleep(0.01)
    await bound.unsubscribe()
    ordered = await js.subscribe("s", ordered_consumer=True)
    with pytest.raises(nats.js.errors.Error):
        await ordered.consumer_info()
    await ordered.unsubscribe()
    with pytest.raises(nats.js.errors.Error, match="deliver group"):
        await js.subscribe("s", queue="d")
    await nc.close()


async def test_domain(js_url: str) -> None:
    nc = await nats.connect(js_url)
    with pytest.raises(nats.js.errors.ServiceUnavailableError):
        await nc.jetstream(domain="elsewhere", timeout=20).account_info()
    assert (await nc.jsm().account_info()).streams == 0
    await nc.close()


async def test_bucket_reads_its_writes(js_url: str) -> None:
    nc = await nats.connect(js_url)
    js = nc.jetstream()
    for config in (nats.js.api.KeyValueConfig(bucket="b", direct=True), nats.js.api.KeyValueConfig("c", ttl=60)):
        kv = await js.create_key_value(config)
        for number in range(20):
            await kv.put("k", str(number).encode())
            assert (await kv.get("k")).value == str(number).encode()
    status = await kv.status()
    assert (status.ttl, status.marker_ttl) == (60, None)
    with pytest.raises(nats.js.errors.KeyNotFoundError):
        await kv.get("none")
    await nc.close()


async def test_object_watch(js_url: str) -> None:
    nc = await nats.connect(js_url)
    store = await nc.jetstream().create_object_store(bucket="o")
    with pytest.raises(nats.js.errors.NotFoundError):
        await store.list()
    with pytest.raises(TypeError):
        await store.put("a", 5)  # type: ignore[arg-type]
    watcher = await store.watch(updates_only=True)
    await asyncio.sleep(0)
    with pytest.raises(nats.js.errors.ObjectDeletedError):
        await store.update_meta("a", nats.js.api.ObjectMeta(name="b"))
    await store.put("a", b"1")
    await store.update_meta("a", nats.js.api.ObjectMeta(name="b"))
    assert [info.name for info in await store.list(ignore_deletes=True)] == ["b"]
    assert (await store.get("b")).data == b"1"
    await watcher.stop()
    await nc.close()


async def test_stats_handler(url: str) -> None:
    nc = await nats.connect(url)
    async with await nats.micro.add_service(
        nc, name="s", version="1.0.0", stats_handler=lambda stats: {"seen": stats.num_requests}
    ) as service:

        async def handler(request: Any) -> None:
            await request.respond(request.data)

        await service.add_endpoint(name="e", handler=handler)
        assert (await nc.request("e", b"x", timeout=10)).data == b"x"
        while service.stats().endpoints[0].data != {"seen": 1}:
            await asyncio.sleep(0.01)
        subject = nats.micro.service.control_subject(nats.micro.service.ServiceVerb.STATS, "s", service.id)
        told = json.loads((await nc.request(subject, b"", timeout=10)).data)
        stats = nats.micro.service.ServiceStats.from_dict(told)
        assert stats.endpoints[0].data == {"seen": 1} and stats.to_dict()["id"] == service.id
    assert service.stopped.is_set()
    await nc.close()
