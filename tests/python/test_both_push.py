# SPDX-License-Identifier: Apache-2.0
"""Push consumers: how they are found and made, who acks, what ends them; and nats-py's names for them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit.js import api


async def filled(nc: natskit.Client, stream: str, count: int = 3) -> natskit.JetStreamContext:
    js = nc.jetstream()
    await js.add_stream(name=stream, subjects=[f"{stream}.>"], storage="memory")
    for number in range(1, count + 1):
        await js.publish(f"{stream}.m", str(number))
    return js


async def take(sub: natskit.Subscription, count: int) -> list[str]:
    texts = []
    for _ in range(count):
        msg = await sub.next_msg(timeout=20)
        texts.append(msg.text)
        await msg.ack()
    return texts


async def gone(js: natskit.JetStreamContext, stream: str) -> None:
    """Until the stream has no consumers."""
    for _ in range(2000):
        if not await js.consumer_names(stream):
            return
        await face.nap(0.01)
    raise AssertionError("a consumer is left")


async def test_subscribes(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "PU1")
        sub = await js.subscribe("PU1.>")
        assert await take(sub, 3) == ["1", "2", "3"]
        assert sub.consumer is not None and sub.consumer[0] == "PU1"
        info = await js.consumer_info(*sub.consumer)
        assert info.config.flow_control and info.config.ack_policy == "explicit"
        stats = sub.stats()
        assert (stats["live"], stats["made"], stats["lost"]) == (1, 1, 0)
        await sub.unsubscribe()
        assert sub.consumer is None
        await gone(js, "PU1")
        await js.delete_stream("PU1")


async def test_durable(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "PU2")
        with pytest.raises(errors.ConsumerNotFoundError):
            await js.subscribe_bind("PU2", None, "d")
        sub = await js.subscribe("PU2.>", durable="d", config=api.ConsumerConfig(ack_wait=20.0))
        assert await take(sub, 2) == ["1", "2"]
        with pytest.raises(errors.BusyError, match="another subscription is bound to consumer d"):
            await js.subscribe("PU2.>", durable="d")
        await sub.unsubscribe()
        with pytest.raises(errors.AlreadyExistsError, match="another ack_wait"):
            await js.subscribe("PU2.>", durable="d", ack_wait=1.0)
        with pytest.raises(errors.InvalidError, match="option queue: it excludes"):
            await js.subscribe("PU2.>", queue="q", flow_control=True)
        with pytest.raises(errors.StreamNotFoundError):
            await js.subscribe("no.where")
        await js.delete_stream("PU2")


OPTIONS: dict[str, Any] = {
    "durable": "d",
    "deliver_subject": "to.me",
    "opt_start_seq": 2,
    "ack_policy": "all",
    "ack_wait": 5,
    "max_deliver": 4,
    "max_ack_pending": 7,
    "replay_policy": "original",
    "rate_limit_bps": 1000000,
    "headers_only": True,
    "flow_control": True,
    "num_replicas": 1,
    "mem_storage": True,
    "description": "why",
    "inactive_threshold": 90.0,
    "idle_heartbeat": 0.7,
}


async def test_every_option(js_url: str) -> None:
    """What there is of the consumer's configuration is a keyword, too."""
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "PU9")
        sub = await js.subscribe("PU9.m", sample_percent=30, subjects="PU9.x", config={"metadata": {"a": "b"}}, **OPTIONS)
        config = (await js.consumer_info("PU9", "d")).config
        for name, value in OPTIONS.items():
            is_name = {"durable": "durable_name"}.get(name, name)
            assert getattr(config, is_name) == value, name
        assert (config.deliver_policy, config.sample_freq) == ("by_start_sequence", "30%")
        assert config.filter_subjects == ["PU9.x", "PU9.m"] and config.metadata is not None and config.metadata["a"] == "b"
        assert (await sub.next_msg(20)).metadata.sequence.stream == 2
        await sub.close()
        for begin in (datetime(2020, 1, 2, tzinfo=timezone.utc), "2020-01-02T00:00:00Z"):
            sub = await js.subscribe("", stream="PU9", subjects=["PU9.>"], opt_start_time=begin)
            assert await take(sub, 2) == ["1", "2"]
            await sub.close()
        with pytest.raises(errors.InvalidError, match="sample_percent: 200 is out of bounds"):
            await js.subscribe("PU9.>", sample_percent=200)
        await js.delete_stream("PU9")


async def handled(nc: natskit.Client, seen: list[str], count: int) -> None:
    """Until so many messages were handled."""
    for _ in range(2000):
        if len(seen) >= count:
            return
        # [sync] nc.dispatch(0.01)
        await face.nap(0.01)  # [async]
    raise AssertionError(f"only {seen}")


async def test_acks(js_url: str) -> None:
    """A message is acked behind its handler, unless that has said something else."""
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "PU3")
        seen: list[str] = []

        async def handle(msg: natskit.Msg) -> None:
            seen.append(msg.text)
            if msg.text == "2":
                await msg.term()

        sub = await js.subscribe("PU3.>", durable="auto", cb=handle)
        await handled(nc, seen, 3)
        for _ in range(2000):
            info = await js.consumer_info("PU3", "auto")
            if info.num_ack_pending == 0:
                break
            await face.nap(0.01)
        assert info.num_ack_pending == 0 and info.num_redelivered == 0
        await sub.unsubscribe()
        sub = await js.subscribe("PU3.>", "", handle, "manual", manual_ack=True)
        await handled(nc, seen, 6)
        for _ in range(2000):
            info = await js.consumer_info("PU3", "manual")
            if info.num_ack_pending == 2:
                break
            await face.nap(0.01)
        assert info.num_ack_pending == 2
        await sub.unsubscribe()
        await js.delete_stream("PU3")


async def test_queue(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "PU4", 0)
        one = await js.subscribe("PU4.>", queue="workers")
        two = await js.subscribe("PU4.>", queue="workers")
        assert one.consumer == two.consumer == ("PU4", "workers")
        for number in range(50):
            await js.publish("PU4.m", str(number))
        found: set[str] = set()
        while len(found) < 50:
            for sub in (one, two):
                try:
                    msg = await sub.next_msg(timeout=0.02)
                except errors.TimeoutError:
                    continue
                assert msg.text not in found
                found.add(msg.text)
                await msg.ack()
        await js.delete_stream("PU4")


async def test_ordered_and_ends(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "PU5")
        sub = await js.subscribe("PU5.>", ordered_consumer=True)
        assert [(await sub.next_msg(timeout=20)).text for _ in range(3)] == ["1", "2", "3"]
        await sub.unsubscribe()
        sub = await js.subscribe("PU5.>", max_msgs=2)
        assert [msg.text async for msg in sub] == ["1", "2"]
        sub = await js.subscribe("PU5.>", durable="d", deliver_policy="new", idle_heartbeat=0.2)
        await js.delete_consumer("PU5", "d")
        with pytest.raises((errors.ConsumerDeletedError, errors.ConsumerNotFoundError)):
            async for _ in sub:
                raise AssertionError("a message")
        await js.delete_stream("PU5")


async def test_pull_subscribe(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "PU6")
        sub = await js.pull_subscribe("PU6.>", "p")
        assert [msg.text for msg in await sub.fetch(2)] == ["1", "2"]
        assert (await (await js.pull_subscribe("PU6.>", "p")).consumer_info()).num_ack_pending == 2
        with pytest.raises(errors.AlreadyExistsError, match="another filter_subject"):
            await js.pull_subscribe("PU6.x", "p")
        await js.subscribe("PU6.>", durable="pushed")
        with pytest.raises(errors.AlreadyExistsError, match="delivers to a subject"):
            await js.pull_subscribe("PU6.>", "pushed")
        await js.delete_stream("PU6")
