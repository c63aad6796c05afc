# SPDX-License-Identifier: Apache-2.0
"""The process around: fork, exit with live traffic, finalizers, interpreters, shutdown, import."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable

import natskit
import natskit.sync
import pytest
from natskit import errors
from natskit_testing import Server


def run(code: str, *arguments: str, flags: tuple[str, ...] = ("-X", "dev", "-W", "error")) -> str:
    """Runs Python code in a process of its own, which must end well and say nothing on its standard error."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-3000:]
    return done.stdout


def in_child(work: Callable[[], None]) -> None:
    """Forks, runs work() in the child, and fails if it raised or hung."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(30)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


# ------------------------------------------------------------------------------------------------- fork


def test_fork_of_the_blocking_face(url: str) -> None:
    with natskit.sync.connect(url) as nc:
        sub = nc.subscribe("forked")
        nc.publish("forked", b"1", headers={"A": "1"})
        kept = sub.next_msg()
        nc.publish("forked", b"2")
        nc.flush()

        def child() -> None:
            for call in (
                lambda: nc.publish("forked", b"from the child", headers={"A": "1"}),
                lambda: nc.publish_batch([("forked", b"from the child")]),
                lambda: nc.request("forked", b"from the child"),
                lambda: nc.subscribe("forked"),
                lambda: nc.flush(),
                lambda: sub.next_msg(1),
                lambda: sub.unsubscribe(),
                lambda: nc.events(),
                lambda: nc.new_inbox(),
                lambda: nc.is_connected,
                lambda: sub.pending_msgs,
            ):
                with pytest.raises(errors.ForkedError):
                    call()
            assert kept.data == b"1" and kept.headers["A"] == "1"
            nc.close(0)
            sub.close()
            with natskit.sync.connect(url) as own:
                mine = own.subscribe("in.the.child")
                own.publish("in.the.child", b"works", headers={"B": "2"})
                assert mine.next_msg(5).data == b"works"

        in_child(child)
        assert sub.next_msg().data == b"2"
        assert nc.is_connected
        nc.publish("forked", b"3")
        assert sub.next_msg().data == b"3"


async def test_fork_of_the_asyncio_face(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("forked.loop")
        with pytest.raises(TimeoutError):
            await sub.next_msg(0.01)

        async def in_the_child() -> None:
            for call in (lambda: sub.next_msg(1), lambda: nc.flush(1), lambda: nc.publish("forked.loop")):
                with pytest.raises(errors.ForkedError):
                    await call()
            async with natskit.connect(url) as own:
                mine = await own.subscribe("loop.in.the.child")
                wait = asyncio.create_task(mine.next_msg(10))
                await asyncio.sleep(0)
                await own.publish("loop.in.the.child", b"works")
                assert (await wait).data == b"works"

        in_child(lambda: asyncio.run(in_the_child()))
        await nc.publish("forked.loop", b"goes on")
        assert (await sub.next_msg()).data == b"goes on"


def test_fork_with_a_loop_that_is_used_on(url: str) -> None:
    """The child goes on with the parent's event loop object and new connections. (The parent must not, then:
    the two share one epoll in the kernel, which is asyncio's own limit.)"""
    loop = asyncio.new_event_loop()

    async def exchange() -> None:
        async with natskit.connect(url) as nc:
            sub = await nc.subscribe("same.loop")
            wait = asyncio.ensure_future(sub.next_msg(10))
            await asyncio.sleep(0)
            await nc.publish("same.loop", b"x")
            assert (await wait).data == b"x"

    loop.run_until_complete(exchange())
    in_child(lambda: loop.run_until_complete(exchange()))
    loop.close()
    asyncio.run(exchange())


# ------------------------------------------------------------------------------------------------- exit


def test_exit_with_live_traffic_asyncio(url: str) -> None:
    for way in ("return", "sys.exit(0)", "os._exit(0)"):
        run(
            f"""
            import asyncio, os, sys, natskit
            kept = []
            async def main():
                nc = await natskit.connect(sys.argv[1])
                sub = await nc.subscribe("exit.>")
                events = nc.events()
                kept.extend([nc, sub, events])
                for i in range(5000):
                    await nc.publish(f"exit.{{i}}", b"x" * 200)
                kept.append(await sub.next_msg())
                {way}
            asyncio.run(main())
            """,
            url,
        )


def test_exit_with_live_traffic_sync(url: str) -> None:
    run(
        """
        import sys, threading, natskit.sync as natskit
        nc = natskit.connect(sys.argv[1])
        sub = nc.subscribe("exit.>")
        def take():
            for msg in sub:
                pass
        def send():
            while True:
                nc.publish("exit.now", b"x" * 100)
        ask = lambda: nc.request("exit.request", b"", 100)
        for work in (take, send, ask, lambda: nc.subscribe("q").next_msg(None)):
            threading.Thread(target=work, daemon=True).start()
        while sub.delivered < 1000:
            pass
        """,
        url,
    )


def test_exit_with_waiting_tasks(url: str) -> None:
    out = run(
        """
        import asyncio, sys, natskit
        async def main():
            global nc  # else it is closed with main, and a task may end for that before it is cancelled
            nc = await natskit.connect(sys.argv[1])
            sub = await nc.subscribe("nothing")
            tasks = [asyncio.create_task(sub.next_msg(None)), asyncio.create_task(nc.flush()),
                     asyncio.create_task(nc.request("nothing", b"", 60))]
            await asyncio.sleep(0)
            print("done")
        asyncio.run(main())
        """,
        url,
    )
    assert out == "done\n"


def test_cycles_and_finalizers(url: str) -> None:
    run(
        """
        import asyncio, gc, sys, natskit, natskit.sync
        class Holder:
            pass
        def make():
            a = Holder()
            a.nc = natskit.sync.connect(sys.argv[1])
            a.nc.holder = a
            a.sub = a.nc.subscribe("cycle")
            a.nc.sub = a.sub
            a.nc.publish("cycle", b"x")
            a.msg = a.sub.next_msg()
        for _ in range(20):
            make()
        async def loop():
            a = Holder()
            a.nc = await natskit.connect(sys.argv[1])
            a.nc.holder = a
            a.sub = a.nc.sub = await a.nc.subscribe("cycle")
            a.wait = a.sub.next_msg(None)
            a.step = a.sub.__anext__()
            a.flush = a.nc.flush()
        for _ in range(20):
            asyncio.run(loop())
        gc.collect()
        counters = natskit.counters()
        names = ("conns", "subs", "ops", "msgs", "waitsets", "headers")
        assert all(counters[name] == 0 for name in names), counters
        make()
        """,
        url,
    )


def test_module_is_torn_down_first(url: str) -> None:
    """Objects outlive the module's dictionary and sys.modules."""
    run(
        """
        import sys, gc, natskit.sync
        nc = natskit.sync.connect(sys.argv[1])
        sub = nc.subscribe("orphan")
        nc.publish("orphan", b"x", headers={"A": "b"})
        msg = sub.next_msg()
        for name in [name for name in sys.modules if name.startswith("natskit")]:
            sys.modules[name].__dict__.clear()
            del sys.modules[name]
        del natskit
        gc.collect()
        assert msg.data == b"x" and msg.headers["A"] == "b"
        nc.publish("orphan", b"y")
        assert sub.next_msg().data == b"y"
        """,
        url,
        flags=(),
    )


# ------------------------------------------------------------------------------------ the rest of the house


def test_import_is_cheap() -> None:
    out = run(
        """
        import sys, natskit.sync, threading
        print("asyncio" in sys.modules, natskit.counters()["threads"], threading.active_count())
        """
    )
    assert out == "False 0 1\n"


def test_shutdown(server: Server) -> None:
    out = run(
        """
        import asyncio, sys, natskit, natskit.sync
        url = sys.argv[1]
        async def main():
            nc = await natskit.connect(url)
            sub = await nc.subscribe("ending")
            task = asyncio.create_task(sub.next_msg(None))
            request = asyncio.create_task(nc.request("ending", b"", 60))
            await asyncio.sleep(0.01)
            natskit.shutdown(5)
            for work in (task, request):
                try:
                    await asyncio.wait_for(work, 10)
                    print("no error")
                except natskit.errors.Error as error:
                    print(type(error).__name__)
                except asyncio.TimeoutError:
                    print("hung")
            print(natskit.counters()["threads"], natskit.counters()["conns"])
            async with natskit.connect(url) as again:
                sub = await again.subscribe("anew")
                wait = asyncio.create_task(sub.next_msg(10))
                await asyncio.sleep(0)
                await again.publish("anew", b"x", headers={"A": "b"})
                print((await wait).data)
        asyncio.run(main())
        natskit.shutdown()
        natskit.shutdown(timeout=1)
        print(natskit.counters()["threads"])
        """,
        server.url,
        flags=(),
    )
    lines = out.splitlines()
    assert "hung" not in lines
    assert lines[2:] == ["0 0", "b'x'", "0"]


IN_AN_INTERPRETER = """
import sys
sys.path[:] = PATH
import natskit.sync
with natskit.sync.connect(URL) as nc:
    sub = nc.subscribe("interpreter")
    nc.publish("interpreter", b"x", headers={"A": "b"})
    assert sub.next_msg(5).data == b"x"
    try:
        sub.next_msg(0)
    except natskit.sync.errors.TimeoutError:
        pass
    else:
        raise AssertionError
"""

INTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import natskit.sync
code = sys.argv[2].replace("PATH", repr(sys.path)).replace("URL", repr(sys.argv[1]))
for _ in range(3):
    one = interpreters.create()
    problem = interpreters.run_string(one, code)
    assert problem is None, problem
    interpreters.destroy(one)
with natskit.sync.connect(sys.argv[1]) as nc:
    nc.flush()
"""


def test_interpreters(url: str) -> None:
    """Several interpreters of one process load the module, each with its own state."""
    run(INTERPRETERS, url, IN_AN_INTERPRETER, flags=())
