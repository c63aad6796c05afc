# SPDX-License-Identifier: Apache-2.0
"""A server that forks after connecting, as pre-fork web servers do: the parent connects, subscribes and asks,
then starts workers by os.fork or multiprocessing. In a worker what it inherited says ForkedError, its own
connection serves requests, and the parent's goes on; no byte of a worker comes to the parent's socket."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import natskit
import natskit.sync
import pytest
from natskit import errors
from natskit_testing import Server, Tap, wait_for

WORKERS = 4
REQUESTS = 100


@pytest.fixture
def parent_tap(shared_server: Server) -> Iterator[Tap]:
    """In front of the parent's connection alone; leaving it fails the test if anything but the protocol came."""
    with Tap(shared_server) as proxy:
        yield proxy


def forked(nc: Any, sub: Any) -> None:
    """What was inherited says so."""
    for call in (
        lambda: nc.publish("parent", b"from a worker"),
        lambda: nc.request("parent", b"from a worker"),
        lambda: nc.subscribe("parent"),
        lambda: nc.flush(),
        lambda: sub.next_msg(1),
        lambda: sub.unsubscribe(),
        lambda: nc.is_connected,
    ):
        with pytest.raises(errors.ForkedError):
            call()


def serve(url: str, nc: Any, sub: Any) -> None:
    """A worker: a member of the queue group, until it is told to stop."""
    forked(nc, sub)
    with natskit.sync.connect(url) as own:
        stop = own.subscribe("stop")
        work = own.subscribe("work", "workers")
        own.publish("ready", str(os.getpid()))
        own.flush()

        def answer() -> None:
            for msg in work:
                msg.respond(b"%d %s" % (os.getpid(), msg.data))

        server = threading.Thread(target=answer)
        server.start()
        stop.next_msg(60)
        work.unsubscribe()
        server.join(20)
    nc.close(0)
    sub.close()


def in_child(work: Callable[[], None]) -> int:
    """Forks; the child ends as an interpreter does, with finalizers and exit handlers."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.alarm(60)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def expect_clean_end(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def ask_all(nc: natskit.sync.Client, ready: natskit.sync.Subscription, members: int) -> set[int]:
    """Asks the workers, each its share; the processes that answered."""
    pids = {int(ready.next_msg(30).data) for _ in range(members)}
    assert len(pids) == members
    answered: set[int] = set()
    for i in range(REQUESTS):
        pid, text = nc.request("work", f"request {i}", 20).data.split(b" ", 1)
        assert text == f"request {i}".encode()
        answered.add(int(pid))
    assert answered <= pids and len(answered) > 1
    return pids


def test_fork(shared_server: Server, parent_tap: Tap) -> None:
    """The blocking face, os.fork; one worker dies by SIGKILL and is replaced."""
    url = shared_server.url
    with natskit.sync.connect(parent_tap.url) as nc:
        sub = nc.subscribe("parent")
        ready = nc.subscribe("ready")
        nc.publish("parent", b"before the fork")
        nc.flush()
        pids = [in_child(lambda: serve(url, nc, sub)) for _ in range(WORKERS)]
        assert ask_all(nc, ready, WORKERS) == set(pids)
        dead = pids.pop()
        os.kill(dead, signal.SIGKILL)
        os.waitpid(dead, 0)
        pids.append(in_child(lambda: serve(url, nc, sub)))
        assert int(ready.next_msg(30).data) == pids[-1]
        nc.publish("stop", b"")
        nc.flush()
        for pid in pids:
            expect_clean_end(pid)
        # Only the parent's own words, and its connection was never lost.
        stats = parent_tap.stats()
        assert (stats["connections"], stats["connect"], stats["sub"]) == (1, 1, 3)  # one for replies
        assert stats["pub"] == 2 + REQUESTS
        assert [sub.next_msg(5).data, sub.pending_msgs] == [b"before the fork", 0]
        assert nc.is_connected and nc.stats()["reconnects"] == 0


def multi_worker(url: str, inherited: Any) -> None:
    serve(url, *inherited)


def test_multiprocessing(shared_server: Server, parent_tap: Tap) -> None:
    """multiprocessing with "fork", whose children inherit objects as arguments."""
    context = multiprocessing.get_context("fork")
    with natskit.sync.connect(parent_tap.url) as nc:
        sub = nc.subscribe("parent")
        ready = nc.subscribe("ready")
        nc.flush()
        inherited = (nc, sub)
        workers = [
            context.Process(target=multi_worker, args=(shared_server.url, inherited)) for _ in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        ask_all(nc, ready, WORKERS)
        nc.publish("stop", b"")
        nc.flush()
        for worker in workers:
            worker.join(60)
            assert worker.exitcode == 0
            worker.close()
        assert parent_tap.stats()["pub"] == 1 + REQUESTS
        assert nc.is_connected and nc.stats()["reconnects"] == 0


def pooled(url: str, number: int) -> int:
    with natskit.sync.connect(url) as nc:
        return int(nc.request("double", str(number), 20).data)


def test_pool(shared_server: Server, parent_tap: Tap) -> None:
    """A pool of processes that ask the parent, which serves in a thread while it forks."""
    with natskit.sync.connect(parent_tap.url) as nc:
        sub = nc.subscribe("double")
        nc.flush()

        def answer() -> None:
            for msg in sub:
                msg.respond(str(2 * int(msg.data)))

        server = threading.Thread(target=answer)
        server.start()
        with multiprocessing.get_context("fork").Pool(3) as pool:
            tasks = [pool.apply_async(pooled, (shared_server.url, i)) for i in range(30)]
            assert [task.get(60) for task in tasks] == [2 * i for i in range(30)]
            pool.close()
            pool.join()
        sub.unsubscribe()
        server.join(20)
        assert not server.is_alive() and nc.is_connected


async def async_worker(url: str, nc: natskit.Client, sub: natskit.Subscription) -> None:
    for call in (lambda: nc.publish("parent"), lambda: nc.flush(), lambda: sub.next_msg(1)):
        with pytest.raises(errors.ForkedError):
            await call()
    async with natskit.connect(url) as own:
        stop = await own.subscribe("stop")
        work = await own.subscribe("work", "workers")

        async def answer() -> None:
            async for msg in work:
                await msg.respond(b"%d %s" % (os.getpid(), msg.data))

        server = asyncio.create_task(answer())
        await own.publish("ready", str(os.getpid()))
        await stop.next_msg(60)
        await work.unsubscribe()
        await server
    await nc.close(0)


async def test_asyncio(shared_server: Server, parent_tap: Tap) -> None:
    """The parent forks in a running loop, with waits under way; each worker has a loop of its own."""
    url = shared_server.url
    async with natskit.connect(parent_tap.url) as nc:
        sub = await nc.subscribe("parent")
        ready = await nc.subscribe("ready")
        await nc.flush()
        waiting = asyncio.create_task(sub.next_msg(60))
        await asyncio.sleep(0)

        def work() -> None:
            asyncio._set_running_loop(None)
            asyncio.run(async_worker(url, nc, sub))

        pids = [in_child(work) for _ in range(WORKERS)]
        assert {int((await ready.next_msg(30)).data) for _ in pids} == set(pids)

        async def ask(i: int) -> int:
            pid, text = (await nc.request("work", f"request {i}", 20)).data.split(b" ", 1)
            assert text == f"request {i}".encode()
            return int(pid)

        answered = set(await asyncio.gather(*(ask(i) for i in range(REQUESTS))))
        assert answered <= set(pids) and len(answered) > 1
        await nc.publish("stop", b"")
        await nc.flush()
        for pid in pids:
            expect_clean_end(pid)
        assert not waiting.done()
        await nc.publish("parent", b"the parent's wait goes on")
        assert (await waiting).data == b"the parent's wait goes on"
        assert nc.is_connected and parent_tap.stats()["pub"] == 2 + REQUESTS


def test_fork_under_load(shared_server: Server, parent_tap: Tap) -> None:
    """Forks at any moment of a parent whose threads publish and receive: nothing of its is lost."""
    stop = threading.Event()
    with natskit.sync.connect(parent_tap.url) as nc:
        sub = nc.subscribe("load")
        nc.flush()
        got: list[int] = []

        def send() -> int:
            sent = 0
            while not stop.is_set():
                nc.publish("load", str(sent))
                sent += 1
                if sent % 100 == 0:
                    nc.flush()
            return sent

        count: list[int] = []
        sender = threading.Thread(target=lambda: count.append(send()))
        taker = threading.Thread(target=lambda: got.extend(int(msg.data) for msg in sub))
        sender.start()
        taker.start()

        def child() -> None:
            with pytest.raises(errors.ForkedError):
                nc.publish("load", b"from the child")
            nc.close(0)
            with natskit.sync.connect(shared_server.url) as own:
                own.flush()

        for _ in range(20):
            expect_clean_end(in_child(child))
        stop.set()
        sender.join(30)
        nc.flush()
        sub.unsubscribe()
        taker.join(30)
        assert got == list(range(count[0])) and count[0] > 20
        wait_for(lambda: parent_tap.stats()["pub"] == count[0])
        assert nc.stats()["reconnects"] == 0
