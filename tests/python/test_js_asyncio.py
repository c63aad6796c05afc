# SPDX-License-Identifier: Apache-2.0
"""JetStream and key-value where only asyncio has it: what awaits give, calls without a running loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Generator
from typing import Any

import natskit
import pytest
from natskit import errors
from natskit_testing import Server


class ByHand:
    """Awaits as Python code does that drives an awaitable itself, and Python 3.12's own `await`: by __next__ or send,
    which give the result by a StopIteration."""

    def __init__(self, wait: Any, way: str) -> None:
        self._wait = wait
        self._way = way

    def __await__(self) -> Generator[Any, Any, Any]:
        while True:
            try:
                waiting = self._wait.send(None) if self._way == "send" else next(self._wait)
            except StopIteration as end:
                return end.value
            yield waiting


# ------------------------------------------------------------------------------------ what awaits give


@pytest.mark.parametrize("way", ["send", "next", "await"])
async def test_awaits_give_whole_tuples(js_url: str, way: str) -> None:
    def by(wait: Any) -> Any:
        return wait if way == "await" else ByHand(wait, way)

    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="S", subjects=["s.>"], storage="memory")
        ack = await by(js.publish("s.x", b""))
        assert isinstance(ack, natskit.PubAck) and ack.seq == 1
        async with js.publisher(acks="all") as pub:
            await by(pub.publish("s.x", b""))
            outcome = await by(pub.outcomes.next_msg(10))
            assert isinstance(outcome, natskit.PubOutcome) and outcome.ack.seq == 2
            await pub.publish("s.x", b"")
            outcome = await by(anext(pub.outcomes))
            assert isinstance(outcome, natskit.PubOutcome) and outcome.ack.seq == 3
        await js.add_consumer("S", durable_name="c")
        consumer = await js.consumer("S", "c")
        sub = consumer.consume(status_events=True)
        assert (await by(sub.next_msg(10))).metadata.sequence.stream == 1
        await consumer.delete()
        status = await by(sub.next_msg(10))
        while not isinstance(status, natskit.Status):
            status = await by(sub.next_msg(10))
        assert status.type == "consumer_deleted" and status.code == 409
        await sub.close()


@pytest.mark.parametrize("way", ["send", "next"])
async def test_awaits_give_exceptions(server: Server, way: str) -> None:
    nc = await natskit.connect(server.url, reconnect=False)
    server.kill()
    for _ in range(2):  # one that waits, and one that is ready
        assert isinstance(await ByHand(nc.closed(20), way), errors.NetworkError)
        await nc.close()


# ------------------------------------------------------------------------------ without a running loop


def test_handlers_need_a_loop(js_url: str) -> None:
    """A call that fails for there is no loop has sent nothing and leaves nothing."""
    with asyncio.Runner() as runner:

        async def begin() -> tuple[natskit.Client, natskit.Consumer, natskit.KeyValue]:
            nc = await natskit.connect(js_url)
            js = nc.jetstream()
            await js.add_stream(name="S", subjects=["s.>"], storage="memory")
            await js.add_consumer("S", durable_name="c")
            return nc, await js.consumer("S", "c"), await js.create_key_value(bucket="B", storage="memory")

        nc, consumer, kv = runner.run(begin())
        sub = consumer.consume()
        first = sub.sid
        runner.run(sub.close())
        before = nc.stats()["subs"], natskit.counters()["subs"]
        with pytest.raises(RuntimeError, match="no running event loop"):
            consumer.consume(lambda msg: None)
        with pytest.raises(RuntimeError, match="no running event loop"):
            kv.watch(cb=lambda entry: None)
        assert (nc.stats()["subs"], natskit.counters()["subs"]) == before
        # What begins to call it finds none, either.
        sub = consumer.consume()
        assert sub.sid == first + 1  # there was none meanwhile
        with pytest.raises(RuntimeError, match="no running event loop"):
            sub._handle(lambda msg: None, False, 1, contextvars.copy_context())
        assert sub.is_closed
        del sub
        gc.collect()
        assert natskit.counters()["subs"] == before[1]
        runner.run(nc.close())


async def test_room_has_one_deadline(js_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the wait for the window has taken is not there for the outbox."""
    async with natskit.connect(js_url) as nc:
        pub = nc.jetstream().publisher()
        left: list[Any] = []

        async def window(size: int, timeout: float | None) -> None:
            await asyncio.sleep(0.1)

        async def room(size: int, timeout: float | None) -> None:
            left.append(timeout)

        monkeypatch.setattr(pub, "_window", window)
        monkeypatch.setattr(nc, "_room", room)
        for timeout in (10.0, 0.05, None):
            await pub._room(1, timeout)
        assert 0 < left[0] <= 9.9 + 0.001 and left[1:] == [0.0, None]
        await pub.close()
