# SPDX-License-Identifier: Apache-2.0
"""Blocking waits are cut short at random moments, by an exception of a signal handler (what Ctrl-C is) and by
other threads that close what is waited for, while messages arrive: nothing is lost, nothing comes twice, and no
request gets the reply of another.

NATSKIT_SEED replays the choices of a run, NATSKIT_ROUNDS multiplies its rounds (1 by default).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import natskit.sync as natskit
import pytest
from natskit import errors

SEED = int(os.environ.get("NATSKIT_SEED", time.time_ns() % 1_000_000_007))
SLOW = "libasan" in os.environ.get("LD_PRELOAD", "")
ROUNDS = (60 if SLOW else 200) * int(os.environ.get("NATSKIT_ROUNDS", "1"))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Iterator[random.Random]:
    """Random choices of one test; the seed is among what pytest shows of a failed one."""
    print(f"NATSKIT_SEED={SEED}")
    yield random.Random(f"{SEED} {request.node.name}")


class Worker(threading.Thread):
    """A thread whose result or exception is taken by end()."""

    def __init__(self, work: Any, *args: Any) -> None:
        super().__init__(daemon=True)
        self._call = (work, args)
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call[0](*self._call[1])
        except BaseException as error:
            self._error = error
        del self._call

    def end(self) -> Any:
        self.join(60)
        assert not self.is_alive(), "the thread hangs"
        if self._error is not None:
            raise self._error
        return self._result


def number(msg: Any) -> int:
    return int.from_bytes(msg.data[:4], "big")


class Interrupted(KeyboardInterrupt):
    pass


@pytest.fixture
def alarm() -> Iterator[Any]:
    """alarm(seconds): Interrupted is raised in the main thread once these have passed."""

    def raises(*_: object) -> None:
        raise Interrupted

    old = signal.signal(signal.SIGALRM, raises)
    try:
        yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


# What an interrupted call has taken would be lost between its return and the assignment, by Python itself. So
# calls are made and results are kept by list.extend and map, which run no byte code in between.


@pytest.mark.parametrize("way", ["next_msg", "next_batch", "iterate"])
def test_interrupted_receiving(url: str, chance: random.Random, alarm: Any, way: str) -> None:
    stop = threading.Event()
    with natskit.connect(url) as nc, natskit.connect(url) as other:
        sub = nc.subscribe("cut")
        nc.flush()

        def send() -> int:
            sent = 0
            while not stop.is_set():
                for _ in range(chance.randrange(4)):
                    other.publish("cut", sent.to_bytes(4, "big"))
                    sent += 1
                time.sleep(chance.choice([0, 0.001, 0.02]))  # the wait ends by a message or by the signal
            return sent

        got: list[Any] = []
        calls: dict[str, Any] = {
            "next_msg": lambda: map(sub.next_msg, itertools.repeat(1.0)),
            "next_batch": lambda: map(sub.next_batch, itertools.repeat(3), itertools.repeat(1.0)),
            "iterate": lambda: sub,
        }
        sender = Worker(send)
        for _ in range(ROUNDS // 4):
            with contextlib.suppress(Interrupted):
                alarm(0.0005 + chance.random() * 0.03)
                got.extend(calls[way]())
        stop.set()
        sent = sender.end()
        other.flush()
        nc.flush()
        sub.unsubscribe()
        got.extend(sub)
        flat = [msg for one in got for msg in (one if isinstance(one, list) else [one])]
        assert [number(msg) for msg in flat] == list(range(sent))
        assert sent > ROUNDS // 8


def test_interrupted_requests(url: str, chance: random.Random, alarm: Any) -> None:
    """A request that is interrupted has no reply; its number is left out, and no other gets its reply."""
    with natskit.connect(url) as nc, natskit.connect(url) as other:
        sub = other.subscribe("ask")
        other.flush()

        def answer() -> int:
            answered = 0
            held: list[Any] = []
            while True:
                with contextlib.suppress(errors.TimeoutError):
                    try:
                        held.append(sub.next_msg(chance.choice([0.001, 0.01, 0.03])))
                    except errors.SubscriptionEnded:
                        break
                while held and chance.random() < 0.8:
                    msg = held.pop(chance.randrange(len(held)))
                    msg.respond(msg.data)
                    answered += 1
            for msg in held:
                msg.respond(msg.data)
            return answered + len(held)

        service = Worker(answer)
        replies: list[Any] = []
        expected: list[int] = []
        next_number = 0

        def numbers() -> Iterator[bytes]:
            nonlocal next_number
            while True:
                next_number += 1
                yield (next_number - 1).to_bytes(4, "big")

        for _ in range(ROUNDS // 4):
            begin, before = next_number, len(replies)
            source = numbers()
            with contextlib.suppress(Interrupted):
                alarm(0.0005 + chance.random() * 0.05)
                replies.extend(map(nc.request, itertools.repeat("ask"), source, itertools.repeat(20.0)))
            finished = len(replies) - before
            expected += range(begin, begin + finished)
            assert next_number - begin - finished <= 1
        assert [number(msg) for msg in replies] == expected
        nc.flush()
        other.flush()
        sub.unsubscribe()
        answered = service.end()
        other.flush()
        nc.flush()
        stats = nc.stats()
        assert stats["requests"] == 0 and stats["in_msgs"] == answered <= next_number
        assert len(replies) + stats["late_replies"] <= answered
        print(f"{next_number} requests, {len(replies)} replies, {stats['late_replies']} late")


def test_interrupted_flush_and_connect(url: str, chance: random.Random, alarm: Any) -> None:
    """Nothing of an interrupted call is left, and the connection goes on."""
    with natskit.connect(url) as nc:
        for _ in range(ROUNDS):
            with contextlib.suppress(Interrupted):
                alarm(0.0001 + chance.random() / 1000)
                while True:
                    nc.flush()
            with contextlib.suppress(Interrupted):
                alarm(0.0001 + chance.random() / 1000)
                while True:
                    natskit.connect(url).close()
        nc.flush()
        assert nc.is_connected


@pytest.mark.parametrize("end", ["close", "unsubscribe", "connection"])
def test_closed_by_another_thread(url: str, chance: random.Random, end: str) -> None:
    """Several threads take from one subscription until another one ends it: each message went to one of them,
    in order, without a gap."""
    stop = threading.Event()
    with natskit.connect(url) as other:
        shared = natskit.connect(url)

        def send() -> None:
            sent = 0
            while not stop.is_set():
                for _ in range(20):
                    other.publish("ended", sent.to_bytes(4, "big"))
                    sent += 1
                time.sleep(0.0005)

        def take(sub: Any, way: int) -> list[int]:
            mine: list[int] = []
            try:
                while True:
                    if way == 0:
                        mine.append(number(sub.next_msg(None)))
                    elif way == 1:
                        mine += map(number, sub.next_batch(5, None))
                    else:
                        for msg in sub:
                            mine.append(number(msg))
                        return mine
            except (errors.SubscriptionEnded, errors.SubscriptionClosedError):
                return mine

        sender = Worker(send)
        for _ in range(ROUNDS // 2):
            nc = natskit.connect(url) if end == "connection" else shared
            sub = nc.subscribe("ended")
            # A loop takes ahead what it has not handed out when the subscription is closed, so it is not mixed
            # with others then.
            ways = [2] if end == "close" and chance.random() < 0.3 else [0, 1, 0]
            takers = [Worker(take, sub, way) for way in ways]
            time.sleep(chance.random() / 300)
            if end == "close":
                sub.close()
            elif end == "unsubscribe":
                sub.unsubscribe()
            else:
                nc.close(0)
            lists = [taker.end() for taker in takers]
            everything = sorted(itertools.chain(*lists))
            assert all(mine == sorted(mine) for mine in lists)
            assert everything == list(range(everything[0], everything[-1] + 1) if everything else [])
            if end != "close":
                assert sub.delivered == len(everything) and sub.pending_msgs == 0
                sub.close()
        stop.set()
        sender.end()
        shared.close()


def test_waits_on_a_connection_that_is_closed(url: str, chance: random.Random) -> None:
    """Requests and flushes of other threads end with an error at once; with a linger, what was accepted is
    sent."""
    with natskit.connect(url) as other:
        silent = other.subscribe("silent")
        for i in range(ROUNDS // 2):
            seen = other.subscribe(f"last.{i}")
            other.flush()
            nc = natskit.connect(url)

            def until_closed(call: Any) -> int:
                done = 0
                with contextlib.suppress(errors.UsageError, errors.NetworkError):
                    while True:
                        call(done)
                        done += 1
                return done

            def publish(count: int, nc: Any = nc, i: int = i) -> None:
                nc.publish(f"last.{i}", count.to_bytes(4, "big"))

            workers = [
                Worker(until_closed, lambda _, nc=nc: nc.request("silent", b"", 60)),
                Worker(until_closed, lambda _, nc=nc: nc.flush(60)),
                Worker(until_closed, publish),
            ]
            time.sleep(chance.random() / 500)
            linger = chance.choice([0, 20])
            nc.close(linger)
            accepted = [worker.end() for worker in workers][2]
            other.flush()
            seen.unsubscribe()
            arrived = [number(msg) for msg in seen]
            assert arrived == list(range(len(arrived)))
            assert len(arrived) == accepted if linger else len(arrived) <= accepted
        silent.close()
