# SPDX-License-Identifier: Apache-2.0
"""Event loops and ends: loops of other makes, loops that are closed or never closed with everything open, Ctrl-C
in asyncio, exits in the midst of something, sub-interpreters, and objects that go in any order.

What is simple of this is in test_asyncio.py and test_process.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import natskit
import natskit.sync
import pytest
from natskit import errors
from natskit_testing import Server
from test_process import run
from test_sync_only import wait_until_asleep

HAS_UVLOOP = importlib.util.find_spec("uvloop") is not None
HAS_TRIO = importlib.util.find_spec("trio_asyncio") is not None


def new_selector_loop() -> asyncio.AbstractEventLoop:
    import selectors

    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def new_uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


LOOPS = [
    pytest.param(asyncio.new_event_loop, id="default"),
    pytest.param(new_selector_loop, id="select"),
    pytest.param(
        new_uvloop, id="uvloop", marks=pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed")
    ),
]


def run_in(new_loop: Callable[[], asyncio.AbstractEventLoop], *works: Any) -> None:
    """Each of the coroutine functions in a loop of its own, one after the other."""
    for work in works:
        loop = new_loop()
        try:
            loop.run_until_complete(asyncio.wait_for(work(), 60))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


async def converse(nc: natskit.Client, name: str) -> None:
    """Requests, a loop, time-outs and a cancelled wait."""
    sub = await nc.subscribe(f"{name}.echo")

    async def serve() -> None:
        async for msg in sub:
            await msg.respond(msg.data)

    server = asyncio.ensure_future(serve())
    for i in range(200):
        assert int((await nc.request(f"{name}.echo", str(i), 20)).data) == i
    replies = await asyncio.gather(*(nc.request(f"{name}.echo", str(i), 20) for i in range(200)))
    assert [int(msg.data) for msg in replies] == list(range(200))
    quiet = await nc.subscribe(f"{name}.quiet")
    with pytest.raises(TimeoutError):
        await quiet.next_msg(0.01)
    waiting = asyncio.ensure_future(quiet.next_msg(None))
    await asyncio.sleep(0.001)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await quiet.close()
    await sub.unsubscribe()
    await server
    await nc.flush()


@pytest.mark.parametrize("new_loop", LOOPS)
def test_kinds_of_loops(url: str, new_loop: Any) -> None:
    """A connection of its own in each loop, and one that goes from loop to loop."""
    held: dict[str, Any] = {}

    async def first() -> None:
        held["nc"] = await natskit.connect(url)
        await converse(held["nc"], "first")

    async def second() -> None:
        async with natskit.connect(url) as nc:
            await asyncio.gather(converse(nc, "own"), converse(held["nc"], "shared"))

    async def last() -> None:
        await converse(held["nc"], "last")
        await held.pop("nc").close()

    run_in(new_loop, first, second, last)
    assert natskit.counters()["conns"] == 0


# A process of its own: trio-asyncio puts functions of its own into asyncio.
TRIO_SCRIPT = """
    import sys

    import natskit
    import trio
    import trio_asyncio
    from trio_asyncio import aio_as_trio

    replies = []

    async def serve(sub):
        async for msg in aio_as_trio(sub):
            await aio_as_trio(msg.respond)(msg.data)

    async def ask(nc, number):
        replies.append(int((await aio_as_trio(nc.request)("echo", str(number), 20)).data))

    async def main():
        async with trio_asyncio.open_loop(), trio.open_nursery() as nursery:
            nc = await aio_as_trio(natskit.connect)(sys.argv[1])
            nursery.start_soon(serve, await aio_as_trio(nc.subscribe)("echo"))
            async with trio.open_nursery() as asking:
                for i in range(100):
                    asking.start_soon(ask, nc, i)
            quiet = await aio_as_trio(nc.subscribe)("quiet")
            with trio.move_on_after(0.01) as scope:
                await aio_as_trio(quiet.next_msg)(None)
            assert scope.cancelled_caught
            try:
                await aio_as_trio(quiet.next_msg)(0.01)
            except TimeoutError:
                print("timed out")
            await aio_as_trio(nc.publish)("quiet", b"not lost")
            print((await aio_as_trio(quiet.next_msg)(20)).data)
            await aio_as_trio(quiet.close)()
            await aio_as_trio(nc.close)()  # ends the task that serves

    trio.run(main)
    assert sorted(replies) == list(range(100))
    print(natskit.counters()["conns"], "connections")
    """


@pytest.mark.skipif(not HAS_TRIO, reason="trio-asyncio is not installed")
def test_trio(url: str) -> None:
    """By way of trio-asyncio: a loop, many requests at once, a cancelled wait, an end."""
    assert run(TRIO_SCRIPT, url, flags=()).splitlines() == ["timed out", "b'not lost'", "0 connections"]


@pytest.mark.parametrize("new_loop", LOOPS)
def test_loops_in_threads(url: str, new_loop: Any) -> None:
    problems: list[BaseException] = []

    def work(name: str) -> None:
        async def one() -> None:
            async with natskit.connect(url) as nc:
                await converse(nc, name)

        try:
            run_in(new_loop, one, one)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(f"thread{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not problems


@pytest.mark.parametrize("new_loop", LOOPS)
def test_loop_closed_with_everything_open(url: str, new_loop: Any) -> None:
    """Messages go on coming to subscriptions whose loop is closed; another loop takes them, and what is never
    touched again is given back."""
    held: list[Any] = []

    async def leave() -> None:
        nc = await natskit.connect(url)
        sub = await nc.subscribe("left.behind")
        tasks = [asyncio.ensure_future(call) for call in (sub.next_msg(None), nc.request("left.behind", b"", 60))]
        await asyncio.sleep(0.001)
        held.extend([nc, sub])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def send() -> None:
        async with natskit.connect(url) as nc:
            await nc.publish("left.behind", b"x")

    async def take() -> None:
        bodies = [(await held[1].next_msg(20)).data for _ in range(2)]
        assert sorted(bodies) == [b"", b"x"] or bodies == [b"x", b"x"]

    run_in(new_loop, leave, send, send, take)
    held.clear()
    gc.collect()


async def test_loop_that_stands_still_loses_nothing(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("stands.still")
        waiting = asyncio.create_task(sub.next_msg(20))
        await asyncio.sleep(0)
        for i in range(500):
            await nc.publish("stands.still", str(i))
        deadline = time.monotonic() + 20
        while sub.stats()["received"] < 500 and time.monotonic() < deadline:
            pass  # no turn of the loop
        assert int((await waiting).data) == 0
        assert [int((await sub.next_msg(20)).data) for _ in range(499)] == list(range(1, 500))


# ------------------------------------------------------------------------------------------------- exits

UVLOOP_SCRIPT = """
import asyncio, sys, natskit, uvloop
async def main():
    nc = await natskit.connect(sys.argv[1])
    sub = await nc.subscribe("exit")
    kept.extend([nc, sub, asyncio.ensure_future(sub.next_msg(None))])
    await asyncio.sleep(0)
kept = []
loop = uvloop.new_event_loop()
loop.run_until_complete(main())
kept[2]._log_destroy_pending = False
"""


@pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed")
def test_exit_with_uvloop(url: str) -> None:
    run(UVLOOP_SCRIPT, url, flags=())


ENDS = {
    "a loop that is never closed": """
        loop = asyncio.new_event_loop()
        nc = loop.run_until_complete(start())
        sub = loop.run_until_complete(nc.subscribe("exit"))
        wait = sub.next_msg(None)
        """,
    "a loop in a daemon thread": """
        import threading
        ready = threading.Event()
        async def main():
            nc = await start()
            sub = await nc.subscribe("exit")
            ready.set()
            await sub.next_msg(None)
        threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
        ready.wait(20)
        """,
    "an exit handler that publishes": """
        import atexit, natskit.sync
        nc = natskit.sync.connect(sys.argv[1])
        sub = nc.subscribe("exit")
        def last():
            nc.publish("exit", b"x")
            assert sub.next_msg(5).data == b"x"
            print("last", end="")
        atexit.register(last)
        """,
    "a finalizer that uses what is gone": """
        import natskit.sync
        class Holder:
            def __del__(self):
                for call in (lambda: self.nc.publish("exit"), lambda: self.nc.close(0), lambda: self.sub.close()):
                    try:
                        call()
                    except Exception:
                        pass
        holder = Holder()
        holder.nc = natskit.sync.connect(sys.argv[1])
        holder.sub = holder.nc.subscribe("exit")
        holder.me = holder
        """,
    "sys.exit in a task": """
        async def main():
            nc = await start()
            sub = await nc.subscribe("exit")
            async def leave():
                await nc.publish("exit", b"x")
                await sub.next_msg()
                sys.exit(0)
            task = asyncio.create_task(leave())
            await task
        asyncio.run(main())
        """,
    "an exception in a task while others wait": """
        async def main():
            async with natskit.connect(sys.argv[1]) as nc:
                sub = await nc.subscribe("exit")
                async with asyncio.TaskGroup() as group:
                    for _ in range(5):
                        group.create_task(sub.next_msg(None))
                    group.create_task(nc.request("exit", b"", None))
                    await asyncio.sleep(0)
                    raise KeyError("deliberate")
        try:
            asyncio.run(main())
        except BaseExceptionGroup as group:
            assert [type(one) for one in group.exceptions] == [KeyError]
        """,
    "an async generator that is left": """
        async def numbers(nc):
            async with await nc.subscribe("exit") as sub:
                async for msg in sub:
                    yield msg.data
        async def main():
            nc = await start()
            source = numbers(nc)
            await nc.publish("exit", b"x")
            task = asyncio.ensure_future(anext(source))
            await asyncio.sleep(0)
            await nc.publish("exit", b"x")
            assert await task == b"x"
            kept.append(source)
        kept = []
        asyncio.run(main())
        """,
}


@pytest.mark.parametrize("name", ENDS)
def test_ends(url: str, name: str) -> None:
    """Clean within a second or so, and silent."""
    prelude = "import asyncio, sys, natskit\nasync def start():\n    return await natskit.connect(sys.argv[1])\n"
    import textwrap

    begin = time.monotonic()
    out = run(prelude + textwrap.dedent(ENDS[name]), url, flags=())
    assert time.monotonic() - begin < 20
    assert out == ("last" if "handler" in name else "")


CTRL_C = """
import asyncio, sys, time, natskit
url, what = sys.argv[1:]
async def main():
    nc = await natskit.connect(url, outbox_bytes=1 << 18)
    sub = await nc.subscribe("silence")
    await nc.flush()
    print("ready", flush=True)
    sys.stdin.readline()
    async def publish():
        while True:
            await nc.publish("silence.other", bytes(30000), timeout=None)
    async def close():
        await nc.publish("silence.other", b"to be confirmed")
        await nc.close(100)
    calls = {
        "next_msg": lambda: sub.next_msg(None),
        "iterate": lambda: anext(sub),
        "request": lambda: nc.request("silence", b"", None),
        "flush": lambda: nc.flush(None),
        "connect": lambda: natskit.connect(url, timeout=None),
        "publish": publish,
        "close": close,
    }
    print("waiting", flush=True)
    try:
        await calls[what]()
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        await nc.close(0)
        raise
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", time.time(), flush=True)
"""


@pytest.mark.parametrize("what", ["next_msg", "iterate", "request", "flush", "connect", "publish", "close"])
def test_ctrl_c_in_asyncio(server: Server, what: str) -> None:
    """asyncio.run cancels the main task: every await ends by that, also when the server stands still."""
    command = [sys.executable, "-c", CTRL_C, server.url, what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin and child.stdout
        assert child.stdout.readline() == "ready\n"
        server.pause()
        try:
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "waiting\n"
            wait_until_asleep(child.pid)
            begin = time.time()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "cancelled\n"
            words = child.stdout.readline().split()
            assert words[:1] == ["interrupted"], words
            assert float(words[1]) - begin < 2.0
            assert child.wait(20) == 0
        finally:
            server.resume()


# ------------------------------------------------------------------------------------------- interpreters

ASYNC_IN_AN_INTERPRETER = """
import sys
sys.path[:] = PATH
import asyncio, natskit
async def main():
    async with natskit.connect(URL) as nc:
        sub = await nc.subscribe("interpreter")
        wait = asyncio.ensure_future(sub.next_msg(20))
        await asyncio.sleep(0)
        await nc.publish("interpreter", b"x", headers={"A": "b"})
        msg = await wait
        assert msg.data == b"x" and msg.headers["A"] == "b"
        try:
            await nc.publish("not ok")
        except natskit.errors.BadSubjectError:
            pass
        else:
            raise AssertionError
asyncio.run(main())
"""

LEFT_OPEN_IN_AN_INTERPRETER = """
import sys
sys.path[:] = PATH
import natskit.sync
nc = natskit.sync.connect(URL)
sub = nc.subscribe("interpreter")
nc.publish("interpreter", b"x")
msg = sub.next_msg(5)
"""

BESIDE_THE_FIRST = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import natskit.sync
code = sys.argv[2].replace("PATH", repr(sys.path)).replace("URL", repr(sys.argv[1]))
with natskit.sync.connect(sys.argv[1]) as nc:
    sub = nc.subscribe("interpreter")
    nc.flush()
    many = [interpreters.create() for _ in range(3)]
    for one in many:
        problem = interpreters.run_string(one, code)
        assert problem is None, problem
    for one in many:
        interpreters.destroy(one)
    # What they left open is closed with them; what is open here is not touched.
    nc.flush()
    assert [sub.next_msg(5).data for _ in range(sub.pending_msgs)] == [b"x"] * 3
    counters = natskit.sync.counters()
    assert (counters["conns"], counters["subs"]) == (1, 1), counters
"""


def test_interpreters_with_asyncio(url: str) -> None:
    """They live side by side: asyncio of Python 3.11 keeps things of an interpreter that was destroyed."""
    run(BESIDE_THE_FIRST, url, ASYNC_IN_AN_INTERPRETER, flags=())


def test_interpreters_that_leave_everything_open(url: str) -> None:
    run(BESIDE_THE_FIRST, url, LEFT_OPEN_IN_AN_INTERPRETER, flags=())


# --------------------------------------------------------------------------------------------- any order


def test_objects_go_in_any_order_sync(url: str) -> None:
    """All 120 orders of five objects that hang together."""
    for order in itertools.permutations(range(5)):
        nc = natskit.sync.connect(url)
        sub = nc.subscribe("order")
        nc.publish("order", b"x", headers={"A": "b"})
        msg = sub.next_msg()
        objects: list[Any] = [nc, sub, msg, msg.headers, nc.events()]
        del nc, sub, msg
        for which in order:
            objects[which] = None
        assert not any(objects)
    gc.collect()


async def test_objects_go_in_any_order_asyncio(url: str) -> None:
    """The same with awaitables that were begun."""
    for number, order in enumerate(itertools.permutations(range(5))):
        nc = await natskit.connect(url)
        sub = await nc.subscribe("order")
        await nc.publish("order", b"x")
        msg = await sub.next_msg()
        next_one, flush = sub.next_msg(None), nc.flush()
        if number % 2:
            for one in (next_one, flush):
                with contextlib.suppress(StopIteration):  # the flush may be done
                    one.send(None)
            del one
        objects: list[Any] = [nc, sub, msg, next_one, flush]
        del nc, sub, msg, next_one, flush
        for which in order:
            objects[which] = None
    gc.collect()
    await asyncio.sleep(0)


async def test_errors_keep_nothing(url: str) -> None:
    """An exception that is kept does not keep the connection."""
    nc = await natskit.connect(url)
    kept = []
    for call in (lambda: nc.publish("not ok"), lambda: nc.request("nobody", b"", 20)):
        try:
            await call()
        except errors.Error as error:
            kept.append(error.with_traceback(None))
    del call
    await nc.close()
    assert len(kept) == 2
