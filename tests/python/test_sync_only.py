# SPDX-License-Identifier: Apache-2.0
"""What only the blocking face has: Ctrl-C, and one connection shared by many threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import face_sync
import natskit.sync as natskit
import pytest
from natskit import errors
from natskit_testing import Server, wait_for

SCRIPT = """
import sys, time
import natskit.sync as natskit
url, what = sys.argv[1:]
nc = natskit.connect(url, outbox_bytes=1 << 18)
sub = nc.subscribe("silence")
nc.flush()
print("ready", flush=True)
sys.stdin.readline()
def publish():
    while True:
        nc.publish("silence.other", bytes(30000), timeout=None)
calls = {
    "next_msg": lambda: sub.next_msg(None),
    "next_batch": lambda: sub.next_batch(5, 100),
    "iterate": lambda: next(sub),
    "events": lambda: [event for event in nc.events()],
    "request": lambda: nc.request("silence", b"", 100),
    "flush": lambda: nc.flush(None),
    "connect": lambda: natskit.connect(url, timeout=100),
    "publish": publish,
    "publish_batch": lambda: nc.publish_batch([("silence.other", bytes(30000))] * 2000, timeout=None),
    "close": lambda: (nc.publish("silence.other", b"x"), nc.close(100)),
}
print("waiting", flush=True)
try:
    calls[what]()
except KeyboardInterrupt:
    print("interrupted", time.time(), flush=True)
    sys.exit(0)
print("ended by itself", flush=True)
"""


ANY_SERVER = ["next_msg", "next_batch", "iterate", "events", "request"]
STOPPED_SERVER = ["flush", "connect", "publish", "publish_batch", "close"]


@pytest.mark.parametrize("what", ANY_SERVER + STOPPED_SERVER)
def test_ctrl_c(server: Server, what: str) -> None:
    """Each wait of the main thread ends within a second of Ctrl-C, also when the server stands still."""
    command = [sys.executable, "-c", SCRIPT, server.url, what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin and child.stdout
        assert child.stdout.readline() == "ready\n"
        paused = what in STOPPED_SERVER
        if paused:
            server.pause()
        try:
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "waiting\n"
            wait_until_asleep(child.pid)
            begin = time.time()
            child.send_signal(signal.SIGINT)
            words = child.stdout.readline().split()
            assert words[:1] == ["interrupted"], words
            assert float(words[1]) - begin < 1.0
            assert child.wait(20) == 0
        finally:
            if paused:
                server.resume()


def wait_until_asleep(pid: int) -> None:
    """Until the main thread has slept at several looks in a row, so that it is in its wait."""
    asleep = 0
    deadline = time.monotonic() + 20
    while asleep < 10:
        assert time.monotonic() < deadline
        with open(f"/proc/{pid}/stat") as file:
            asleep = asleep + 1 if file.read().rpartition(")")[2].split()[0] == "S" else 0
        time.sleep(0.01)


def test_signal_handlers_run_while_waiting(url: str) -> None:
    """A handler that does not raise runs during the wait, which then goes on."""
    seen: list[float] = []
    old = signal.signal(signal.SIGUSR1, lambda *_: seen.append(time.monotonic()))
    try:
        with natskit.connect(url) as nc:
            sub = nc.subscribe("handled")
            timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
            begin = time.monotonic()
            timer.start()
            with pytest.raises(TimeoutError):
                sub.next_msg(4)
            assert time.monotonic() - begin > 3.95
            timer.join()
        assert len(seen) == 1 and seen[0] - begin < 3.5
    finally:
        signal.signal(signal.SIGUSR1, old)


def test_many_threads_on_one_connection(url: str) -> None:
    count, members = 2000, 6
    with natskit.connect(url) as nc:
        sub = nc.subscribe("threads.work")
        nc.flush()
        taken: list[list[int]] = [[] for _ in range(members)]
        problems: list[BaseException] = []

        def take(mine: list[int]) -> None:
            try:
                for msg in sub:
                    mine.append(int(msg.data))
            except BaseException as error:
                problems.append(error)

        def send(start: int) -> None:
            try:
                for i in range(start, count, members):
                    nc.publish("threads.work", str(i))
            except BaseException as error:
                problems.append(error)

        takers = [threading.Thread(target=take, args=(mine,)) for mine in taken]
        senders = [threading.Thread(target=send, args=(start,)) for start in range(members)]
        for thread in takers + senders:
            thread.start()
        for thread in senders:
            thread.join(60)
        nc.flush()
        sub.unsubscribe()
        for thread in takers:
            thread.join(60)
            assert not thread.is_alive()
        assert not problems
        everything = [number for mine in taken for number in mine]
        assert sorted(everything) == list(range(count))


def test_requests_from_many_threads(url: str) -> None:
    with natskit.connect(url) as server, natskit.connect(url) as nc:
        sub = server.subscribe("threads.echo")
        server.flush()

        def serve() -> None:
            for msg in sub:
                msg.respond(msg.data)

        server_thread = threading.Thread(target=serve)
        server_thread.start()
        wrong: list[object] = []

        def ask(who: int) -> None:
            for i in range(100):
                data = f"{who}.{i}".encode()
                try:
                    if nc.request("threads.echo", data, 20).data != data:
                        wrong.append(data)
                except errors.Error as error:
                    wrong.append(error)

        threads = [threading.Thread(target=ask, args=(who,)) for who in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        sub.unsubscribe()
        server_thread.join(20)
        assert not wrong and not server_thread.is_alive()


def test_waiting_releases_the_interpreter(url: str) -> None:
    """While one thread waits, others run Python code."""
    with natskit.connect(url) as nc:
        sub = nc.subscribe("released")

        def wait() -> None:
            with pytest.raises(TimeoutError):
                sub.next_msg(0.4)

        thread = threading.Thread(target=wait)
        begin = time.monotonic()
        thread.start()
        rounds = 0
        while thread.is_alive():
            rounds += 1
        assert time.monotonic() - begin < 20 and rounds > 1000
        thread.join()


def test_close_from_another_thread(url: str) -> None:
    nc = natskit.connect(url)
    sub = nc.subscribe("closed.elsewhere")
    caught: list[BaseException] = []

    def wait(call: object) -> None:
        try:
            call()
        except BaseException as error:
            caught.append(error)

    threads = [
        threading.Thread(target=wait, args=(call,))
        for call in (
            lambda: sub.next_msg(None),
            lambda: next(sub),
            lambda: nc.request("closed.elsewhere", timeout=60),
        )
    ]
    for thread in threads:
        thread.start()
    timer = threading.Timer(0.1, nc.close)
    timer.start()
    for thread in [timer, *threads]:
        thread.join(20)
        assert not thread.is_alive()
    assert len(caught) <= 3
    assert all(isinstance(error, (errors.Error, StopIteration)) for error in caught)


def test_auth_while_the_program_is_busy(server: Server) -> None:
    """A thread of the connection answers: the program need not wait for anything."""
    asked: list[str] = []

    def auth(event: natskit.Event) -> None:
        asked.append(event.server)

    with natskit.connect(server.url, auth=auth, reconnect_wait_ms=20) as nc:
        server.kill()
        server.restart()
        wait_for(lambda: len(asked) == 2 and nc.is_connected, what="connected")


def test_auth_cannot_be_a_coroutine_function(server: Server) -> None:
    """There is no event loop: it is told, and what is configured counts."""

    async def credentials() -> dict[str, str]:
        return {}

    never_awaited = credentials()
    with face_sync.reported() as found, natskit.connect(server.url, auth=lambda event: never_awaited) as nc:
        assert nc.is_connected
    never_awaited.close()
    assert [type(error) for error in found] == [TypeError]
