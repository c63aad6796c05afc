# SPDX-License-Identifier: Apache-2.0
"""health() of connections, subscriptions, consumers and watches: what each state looks like, and that a silent
consumer is found by it."""

from __future__ import annotations

import time
from collections.abc import Callable

import face_async as face
import natskit
from natskit import Health, HealthState, errors
from natskit_testing import Server


async def until(look: Callable[[], Health], state: HealthState) -> Health:
    deadline = time.monotonic() + 40
    while (now := look()).state != state:
        assert time.monotonic() < deadline, now
        await face.nap(0.005)
    return now


def test_words() -> None:
    assert HealthState.OK == "ok" and HealthState("silent") is HealthState.SILENT
    works = [s for s in HealthState if Health(s, None, None, None, None, "").works]
    assert works == [HealthState.OK, HealthState.DEGRADED]


async def test_connection(url: str) -> None:
    nc = await natskit.connect(url)
    sub = await nc.subscribe("a")
    now = nc.health()
    assert now.state is HealthState.OK and now.works and now.reason is None and now.text == ""
    assert now.since is not None and now.activity is not None and now.heartbeat is not None
    assert 0 <= now.since < 40 and 0 <= now.activity < 40 and 0 <= now.heartbeat < 40
    now = sub.health()
    assert now.state is HealthState.OK and now.activity is None and now.heartbeat is None
    await nc.publish("a", b"x")
    await sub.next_msg(10)
    assert sub.health().activity is not None
    await sub.unsubscribe()
    now = sub.health()
    assert now.state is HealthState.ENDED and not now.works and now.since is not None
    await sub.close()
    await nc.close()
    for closed in (nc.health(), sub.health()):
        assert closed.state is HealthState.ENDED and closed.since is None and closed.activity is None
        assert isinstance(closed.reason, errors.ConnectionClosedError) and closed.text


async def test_slow(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("a", pending_msgs_limit=2)
        for _ in range(5):
            await nc.publish("a", b"x")
        await nc.flush()
        now = sub.health()
        assert now.state is HealthState.DEGRADED and now.works
        assert isinstance(now.reason, errors.SlowConsumerError) and "3 were dropped" in now.text


async def test_stopped_server(server: Server) -> None:
    async with natskit.connect(server.url, ping_interval=1) as nc:
        sub = await nc.subscribe("a")
        assert nc.health().state is HealthState.OK
        server.pause()
        try:
            now = await until(nc.health, HealthState.SILENT)
            assert isinstance(now.reason, errors.StaleConnectionError) and not now.works
            now = await until(nc.health, HealthState.DOWN)
            assert "pings were not answered" in now.text and sub.health().state is HealthState.DOWN
        finally:
            server.resume()
        await until(nc.health, HealthState.OK)
        await until(sub.health, HealthState.OK)


async def test_silent_consumer(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="S", subjects=["s"], storage="memory")
        reading = js.ordered("S", heartbeat=0.5)
        await until(reading.health, HealthState.OK)
        while reading.health().heartbeat is None:
            await face.nap(0.005)
        (name,) = await js.consumer_names("S")
        await js.delete_consumer("S", name)
        now = await until(reading.health, HealthState.SILENT)
        assert isinstance(now.reason, errors.HeartbeatsMissedError) and now.text.startswith("S: ")
        assert nc.health().works  # that is not where it can be seen
        await until(reading.health, HealthState.OK)
        await reading.close()


async def test_consumer_deleted(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="S", subjects=["s"], storage="memory")
        await js.add_consumer("S", durable_name="c")
        work = (await js.consumer("S", "c")).consume()
        await until(work.health, HealthState.OK)
        await js.delete_consumer("S", "c")
        now = await until(work.health, HealthState.DOWN)
        assert isinstance(now.reason, (errors.ConsumerDeletedError, errors.ConsumerNotFoundError)) and not now.works
        await js.add_consumer("S", durable_name="c")
        await until(work.health, HealthState.OK)
        await work.close()


async def test_watch(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        kv = await nc.jetstream().create_key_value(bucket="B", storage="memory")
        watcher = await kv.watchall()
        await until(watcher.health, HealthState.OK)
        await watcher.stop()
        assert watcher.health().state is HealthState.ENDED
