# SPDX-License-Identifier: Apache-2.0
"""Every awaitable is cut short at random moments, by Task.cancel, asyncio.timeout and asyncio.wait_for, while
messages arrive: nothing is lost, nothing comes twice, and no request gets the reply of another.

NATSKIT_SEED replays the choices of a run, NATSKIT_ROUNDS multiplies its rounds (1 by default).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import natskit
import pytest
from natskit import errors
from natskit_testing import SCHEME, Tap

SEED = int(os.environ.get("NATSKIT_SEED", time.time_ns() % 1_000_000_007))
SLOW = "libasan" in os.environ.get("LD_PRELOAD", "")
ROUNDS = (800 if SLOW else 2000) * int(os.environ.get("NATSKIT_ROUNDS", "1"))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Iterator[random.Random]:
    """Random choices of one test; the seed is among what pytest shows of a failed one."""
    print(f"NATSKIT_SEED={SEED}")
    yield random.Random(f"{SEED} {request.node.name}")


def number(msg: Any) -> int:
    return int.from_bytes(msg.data[:4], "big")


async def moment(chance: random.Random, longest: float = 1e-3) -> None:
    """No time at all, some turns of the loop, or up to so many seconds."""
    kind = chance.randrange(4)
    if kind == 1:
        for _ in range(chance.randrange(1, 4)):
            await asyncio.sleep(0)
    elif kind > 1:
        await asyncio.sleep(chance.random() * longest)


async def cut(
    chance: random.Random, call: Callable[[], Awaitable[Any]], longest: float = 1e-3
) -> tuple[bool, Any]:
    """Awaits call() and cuts it short, maybe: (whether it ended by itself, what it gave)."""
    way = chance.choice(["cancel", "timeout", "wait_for"])
    seconds = chance.choice([0, 0, longest / 10, longest]) * chance.random()
    try:
        if way == "timeout":
            async with asyncio.timeout(seconds):
                return True, await call()
        if way == "wait_for":
            return True, await asyncio.wait_for(call(), seconds)
        task = asyncio.ensure_future(call())
        await moment(chance, longest)
        task.cancel()
        return True, await task
    except (TimeoutError, asyncio.CancelledError) as error:
        assert not isinstance(error, errors.Error), "a time-out of natskit's own"
        return False, None


# -------------------------------------------------------------------------------------------- messages


async def send(nc: natskit.Client, subject: str, chance: random.Random) -> int:
    """Publishes numbers until it is cancelled; how many there were."""
    sent = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            for _ in range(chance.randrange(6)):
                published = nc.publish(subject, sent.to_bytes(4, "big"))
                sent += 1  # by now; the await that follows may let the loop live, and be cancelled there
                await published
            await asyncio.sleep(0 if chance.random() < 0.7 else chance.random() / 2000)
    return sent


async def test_receiving(url: str, chance: random.Random) -> None:
    """Loops, single messages and batches of one subscription: what was not handed out is handed out next."""
    async with natskit.connect(url) as nc, natskit.connect(url) as other:
        sub = await nc.subscribe("cut")
        await nc.flush()
        sender = asyncio.create_task(send(other, "cut", chance))
        got: list[int] = []

        async def loop() -> None:
            async for msg in sub:
                got.append(number(msg))
                if chance.random() < 0.1:
                    await asyncio.sleep(0)

        cuts = 0
        for _ in range(ROUNDS):
            kind = chance.choice(["loop", "loop", "next", "batch"])
            if kind == "loop":
                whole, _ = await cut(chance, loop)
                assert not whole
            elif kind == "next":
                whole, msg = await cut(chance, lambda: sub.next_msg(None))
                got += [number(msg)] if whole else []
            else:
                whole, batch = await cut(chance, lambda: sub.next_batch(1 + chance.randrange(4), None))
                got += [number(msg) for msg in batch] if whole else []
            cuts += not whole
        sender.cancel()
        sent = await sender
        await other.flush()
        await nc.flush()
        await sub.unsubscribe()
        got += [number(msg) async for msg in sub]
        assert got == list(range(sent))
        stats = sub.stats()
        assert stats["received"] == sub.delivered == sent and stats["dropped_msgs"] == 0
        assert cuts > ROUNDS // 10 and sent > ROUNDS // 10


# -------------------------------------------------------------------------------------------- requests


async def answer(sub: natskit.Subscription, chance: random.Random) -> int:
    """Answers in any order, some at once and some late, until the subscription ends."""
    held: list[natskit.Msg] = []
    answered = 0
    while True:
        with contextlib.suppress(errors.TimeoutError):
            try:
                held.append(await sub.next_msg(chance.choice([0.0005, 0.002])))
            except errors.SubscriptionEnded:
                for msg in held:
                    await msg.respond(msg.data)
                return answered + len(held)
        while held and (len(held) > 30 or chance.random() < 0.4):
            msg = held.pop(chance.randrange(len(held)))
            await msg.respond(msg.data)
            answered += 1


async def test_requests(url: str, chance: random.Random) -> None:
    async with natskit.connect(url) as nc, natskit.connect(url) as other:
        sub = await other.subscribe("ask")
        await other.flush()
        service = asyncio.create_task(answer(sub, chance))
        numbers = iter(range(ROUNDS))
        taken: list[int] = []
        asked = 0

        async def ask() -> None:
            nonlocal asked
            for mine in numbers:
                asked += 1
                data = mine.to_bytes(4, "big")
                if chance.random() < 0.1:
                    msg = await nc.request("ask", data, 20)
                elif chance.random() < 0.3:
                    try:
                        msg = await nc.request("ask", data, chance.choice([0.001, 0.003]))
                    except errors.TimeoutError:
                        continue
                else:
                    whole, msg = await cut(chance, lambda data=data: nc.request("ask", data, 20))
                    if not whole:
                        continue
                assert number(msg) == mine, f"request {mine} was given the reply to {number(msg)}"
                taken.append(mine)

        await asyncio.gather(*(ask() for _ in range(6)))
        await nc.flush()
        await other.flush()
        await sub.unsubscribe()
        answered = await service
        await other.flush()
        await nc.flush()
        stats = nc.stats()
        # A call to request() sends at once, so each was sent; wait_for(0) calls and gives up.
        assert asked == ROUNDS and answered == ROUNDS
        assert stats["requests"] == 0 and stats["in_msgs"] == answered
        # The others were in an operation that was closed before it was looked at.
        assert answered - (ROUNDS - len(taken)) <= len(taken) + stats["late_replies"] <= answered
        assert len(taken) > ROUNDS // 40 and stats["late_replies"] > ROUNDS // 40
        assert len(taken) == len(set(taken))


# ------------------------------------------------------------------------------ publish, flush, connect, close


async def test_publishing_into_a_full_outbox(tap: Tap, url: str, chance: random.Random) -> None:
    """What returned arrives; what was cancelled arrives or not; nothing arrives twice or out of order."""
    payload = bytes(6000)
    async with natskit.connect(url, outbox_bytes=1 << 16) as nc, natskit.connect(url) as other:
        sub = await other.subscribe("full")
        await other.flush()
        tap.command("up throttle 8m")
        got: list[int] = []

        async def take() -> None:
            async for msg in sub:
                got.append(number(msg))

        taker = asyncio.create_task(take())
        returned = []
        for i in range(ROUNDS):
            data = i.to_bytes(4, "big") + payload
            kind = chance.random()
            if kind < 0.5:
                await nc.publish("full", data, timeout=60)
                returned.append(i)
                continue
            if kind < 0.9:
                whole, _ = await cut(chance, lambda data=data: nc.publish("full", data, timeout=60))
            else:
                batch = [("full", data)]
                whole, _ = await cut(chance, lambda batch=batch: nc.publish_batch(batch, timeout=60))
            returned += [i] if whole else []
        tap.command("clear")
        await nc.flush()
        await other.flush()
        await sub.unsubscribe()
        await taker
        assert got == sorted(set(got))
        assert set(returned) <= set(got)
        assert ROUNDS // 10 < len(returned) < ROUNDS


async def test_flushing(url: str, chance: random.Random) -> None:
    """After a flush that returned, all that was published before it has arrived."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("flushed")
        sent = whole_ones = 0
        for _ in range(ROUNDS):
            await nc.publish("flushed", b"")
            sent += 1
            whole, _ = await cut(chance, lambda: nc.flush(20))
            if whole:
                whole_ones += 1
                assert sub.stats()["received"] == sent
        await nc.flush()
        assert sub.stats()["received"] == sent
        assert 0 < whole_ones < ROUNDS


async def test_connecting_and_closing(url: str, chance: random.Random) -> None:
    """A connect that is cut short leaves no connection, a close that is cut short no open one."""
    whole_ones = cut_closes = 0
    longest = 2e-2 if SCHEME == "wss" else 1e-3  # a handshake takes some milliseconds
    for _ in range(ROUNDS // 4):
        whole, nc = await cut(chance, lambda: natskit.connect(url, timeout=20), longest)
        if not whole:
            continue
        whole_ones += 1
        waiting = asyncio.create_task((await nc.subscribe("closing")).next_msg(None))
        await nc.publish("closing.other", b"x")
        await moment(chance)
        whole, _ = await cut(chance, lambda nc=nc: nc.close(20))
        cut_closes += not whole
        # A close that was cut short before its first step has not begun.
        await nc.close(0)
        assert nc.is_closed
        with pytest.raises(errors.SubscriptionEnded):
            await asyncio.wait_for(waiting, 20)
    assert whole_ones > 3
    print(f"{whole_ones} connected, {cut_closes} closes were cut short")


async def test_calling_jetstream(js_url: str, chance: random.Random) -> None:
    """Each answer is that of its call, whichever of the others were cut short."""
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="CUT", subjects=["cut"], storage="memory")
        whole_ones = 0
        for number in range(ROUNDS // 4):
            name = f"c{number}"
            whole, info = await cut(chance, lambda name=name: js.add_consumer("CUT", name=name, mem_storage=True))
            if whole:
                whole_ones += 1
                assert info.name == name
            whole, names = await cut(chance, lambda: js.stream_names())
            assert not whole or names == ["CUT"]
        assert 0 < whole_ones < ROUNDS // 4
