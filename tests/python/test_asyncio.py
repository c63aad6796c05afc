# SPDX-License-Identifier: Apache-2.0
"""What only asyncio has: cancellation, several loops, fairness to other tasks, awaitables as coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import random
import threading
import time
from typing import Any

import natskit
import pytest
from natskit import errors
from natskit_testing import Server, wait_for


async def turns(count: int = 5) -> None:
    """Lets every other task go on."""
    for _ in range(count):
        await asyncio.sleep(0)


# ---------------------------------------------------------------------------------------- cancellation


async def steady(nc: natskit.Client, subject: str, count: int, chance: random.Random) -> None:
    for i in range(count):
        await nc.publish(subject, i.to_bytes(4, "big"))
        if chance.random() < 0.5:
            await asyncio.sleep(0 if chance.random() < 0.7 else chance.random() / 2000)


@pytest.mark.parametrize("way", ["next_msg", "iterator", "batch", "mixed"])
async def test_cancelled_waits_lose_nothing(url: str, way: str) -> None:
    """Thousands of waits are cut short at random moments; every message arrives, once and in order."""
    count, rounds, cut = 6000, 0, 0
    chance = random.Random(f"natskit {way}")
    async with natskit.connect(url) as nc, natskit.connect(url) as sender:
        sub = await nc.subscribe("race")
        await nc.flush()
        work = asyncio.create_task(steady(sender, "race", count, chance))
        got: list[int] = []
        while len(got) < count:
            rounds += 1
            kind = chance.choice(["next_msg", "iterator", "batch"]) if way == "mixed" else way
            if kind == "next_msg":
                wait: Any = sub.next_msg(None)
            elif kind == "iterator":
                wait = anext(sub)
            else:
                wait = sub.next_batch(chance.randrange(1, 5), None)
            task = asyncio.create_task(wait)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() / 1000)
            task.cancel()
            try:
                result = await task
            except asyncio.CancelledError:
                cut += 1
                continue
            messages = result if isinstance(result, list) else [result]
            got += [int.from_bytes(msg.data, "big") for msg in messages]
        await work
        assert got == list(range(count))
        assert sub.pending_msgs == 0
        assert cut > 100 and rounds > 500


async def test_timed_out_waits_lose_nothing(url: str) -> None:
    count = 3000
    chance = random.Random("natskit")
    async with natskit.connect(url) as nc, natskit.connect(url) as sender:
        sub = await nc.subscribe("cut")
        await nc.flush()
        work = asyncio.create_task(steady(sender, "cut", count, chance))
        got: list[int] = []
        while len(got) < count:
            with contextlib.suppress(TimeoutError):
                if chance.random() < 0.5:
                    msg = await asyncio.wait_for(sub.next_msg(None), chance.random() / 3000)
                else:
                    msg = await sub.next_msg(chance.random() / 3000)
                got.append(int.from_bytes(msg.data, "big"))
        await work
        assert got == list(range(count))


async def test_cancelled_requests_leave_nothing(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("unanswered")
        await nc.flush()
        tasks = [asyncio.create_task(nc.request("unanswered", b"", 60)) for _ in range(200)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert nc.stats()["requests"] == 0
        for msg in await sub.next_batch(1000):
            await msg.respond(b"late")
        await nc.flush()
        assert nc.stats()["late_replies"] > 0


async def test_every_await_can_be_cancelled(server: Server) -> None:
    """Also while the server stands still; nothing swallows the cancellation."""
    nc = await natskit.connect(server.url, outbox_bytes=1 << 18)
    sub = await nc.subscribe("stuck")
    await nc.flush()
    server.pause()
    try:
        for call in (
            lambda: nc.flush(None),
            lambda: nc.request("stuck", b"", None),
            lambda: sub.next_msg(None),
            lambda: anext(sub),
            lambda: sub.next_batch(3, None),
            lambda: natskit.connect(server.url, timeout=None),
        ):
            task = asyncio.create_task(call())
            await turns()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await call()

        async def publish_for_ever() -> None:
            while True:
                await nc.publish("stuck", bytes(30000), timeout=None)

        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(publish_for_ever(), 0.5)
        assert time.monotonic() - begin < 5
        task = asyncio.create_task(nc.close(60))
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert nc.is_closed
    finally:
        server.resume()


async def test_cancelled_waiter_passes_its_wake_up_on(url: str) -> None:
    """A waiter is cancelled at each point between the message and its own next step: before it is woken, when
    it is woken and has not run, and after. The message goes to it or, at once, to the next one."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("baton")
        answers = []
        for pause in [0, 1, 2, 3, 4] * 20:
            waiters = [asyncio.create_task(sub.next_msg(60)) for _ in range(3)]
            await asyncio.sleep(0)
            await nc.publish("baton", b"x")
            wait_for(lambda: sub.pending_msgs == 1)  # the loop stands still meanwhile
            await turns(pause)
            waiters[0].cancel()
            done, _ = await asyncio.wait(waiters, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            if waiters[0].cancelled():
                done, _ = await asyncio.wait(waiters[1:], timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert done, "nobody was woken"
            answers.append(waiters[0].cancelled())
            for waiter in waiters:
                waiter.cancel()
            await asyncio.gather(*waiters, return_exceptions=True)
        assert sub.delivered == 100
        assert set(answers) == {True, False}


async def test_woken_for_nothing_keeps_its_place(url: str) -> None:
    """Who was woken and finds that somebody else took the message is still the first of those who wait."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("place")
        for pause in [0, 1, 2, 3, 4] * 20:
            waiters = [asyncio.create_task(sub.next_msg(60)) for _ in range(3)]
            await asyncio.sleep(0)
            await nc.publish("place", b"taken by another")
            wait_for(lambda: sub.pending_msgs == 1)
            await turns(pause)
            # On a busy machine this await may suspend once first, and the waiter gets the message after all.
            with contextlib.suppress(errors.TimeoutError):
                if not waiters[0].done():
                    await sub.next_msg(0)
                    await turns()
                    await nc.publish("place", b"for the first")
            done, _ = await asyncio.wait(waiters, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert done == {waiters[0]}
            for waiter in waiters:
                waiter.cancel()
            await asyncio.gather(*waiters, return_exceptions=True)


async def test_many_waiters_of_one_subscription(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("crowd")
        waiters = [asyncio.create_task(sub.next_msg(60)) for _ in range(100)]
        await asyncio.sleep(0)
        for i in range(100):
            await nc.publish("crowd", str(i))
        begin = time.monotonic()
        answers = await asyncio.gather(*waiters)
        assert time.monotonic() - begin < 10
        assert [int(msg.data) for msg in answers] == list(range(100))  # first come, first served


# ------------------------------------------------------------------------------------- the loop lives


async def test_ready_awaits_let_the_loop_live(url: str) -> None:
    """A task that only awaits what is ready does not starve the others."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("greedy", pending_msgs_limit=100_000)
        longest = 0.0
        ticks = 0

        async def tick() -> None:
            nonlocal longest, ticks
            last = time.perf_counter()
            while True:
                await asyncio.sleep(0)
                now = time.perf_counter()
                longest = max(longest, now - last)
                last = now
                ticks += 1

        ticker = asyncio.create_task(tick())
        await asyncio.sleep(0)
        for _ in range(50_000):
            await nc.publish("greedy", b"x")
        published = ticks
        assert published >= 50_000 // 128
        await nc.flush()
        ticks = 0
        for _ in range(300):
            await nc.publish_batch([("elsewhere", b"x")] * 256)
        assert ticks >= 300 // 128
        await nc.flush()
        ticks = 0
        taken = 0
        async for _ in sub:
            taken += 1
            if taken == 40_000:
                break
        assert ticks >= 40_000 // 128
        ticks = 0
        for _ in range(10_000):
            await sub.next_msg()
        assert ticks >= 10_000 // 128
        ticker.cancel()
        assert longest < 5


async def test_slow_handlers_let_the_loop_live(url: str) -> None:
    """After a millisecond without suspension the next await suspends, however few messages that were."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("slowly")
        for _ in range(100):
            await nc.publish("slowly", b"x")
        await nc.flush()
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticker = asyncio.create_task(tick())
        taken = 0
        async for _ in sub:
            taken += 1
            end = time.perf_counter() + 0.0015
            while time.perf_counter() < end:
                pass
            if taken == 100:
                break
        ticker.cancel()
        assert ticks >= 80


async def test_what_is_queued_comes_without_suspending(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("queued")
        for _ in range(30):
            await nc.publish("queued", b"x")
        await nc.flush()
        turn = 0

        def count() -> None:
            nonlocal turn
            turn += 1
            asyncio.get_running_loop().call_soon(count)

        asyncio.get_running_loop().call_soon(count)
        for _ in range(20):
            await sub.next_msg()
        assert turn <= 2


async def test_a_wait_costs_no_task_and_no_thread(url: str) -> None:
    async with natskit.connect(url) as nc:
        subs = [await nc.subscribe(f"cheap.{i}") for i in range(50)]
        tasks = [asyncio.create_task(sub.next_msg(30)) for sub in subs]
        await turns()
        assert len(asyncio.all_tasks()) <= len(tasks) + 2  # this test, and what runs it
        assert threading.active_count() == 1
        assert natskit.counters()["waitsets"] == 1
        for i in range(50):
            await nc.publish(f"cheap.{i}", b"")
        await asyncio.gather(*tasks)


# ------------------------------------------------------------------------------------------ awaitables


async def test_awaitables_pass_for_coroutines(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("coro")
        await asyncio.create_task(nc.publish("coro", b"1"))
        await asyncio.gather(nc.publish("coro", b"2"), nc.flush(), nc.publish("coro", b"3"))
        await asyncio.wait_for(nc.publish("coro", b"4"), 5)
        got = await asyncio.gather(sub.next_msg(), asyncio.create_task(sub.next_msg()), anext(sub))
        assert sorted(msg.data for msg in got) == [b"1", b"2", b"3"]
        assert (await asyncio.shield(sub.next_msg())).data == b"4"
        async with asyncio.TaskGroup() as group:
            group.create_task(nc.flush())
            group.create_task(nc.publish("coro", b"5"))
        assert repr(asyncio.create_task(sub.next_msg()))
        await turns()
        task = asyncio.create_task(natskit.connect(url))
        await (await task).close()
        later = natskit.connect(url)
        await (await asyncio.wait_for(later, 5)).close()


@pytest.mark.parametrize("kind", ["c", "python"])
async def test_tasks_go_on_where_they_waited(url: str, kind: str) -> None:
    """In their own context, as the current task; also the tasks that asyncio writes in Python."""
    loop = asyncio.get_running_loop()
    mark: contextvars.ContextVar[int] = contextvars.ContextVar("mark")
    if kind == "python":
        loop.set_task_factory(lambda loop, coro, **more: asyncio.tasks._PyTask(coro, loop=loop, **more))
    async with natskit.connect(url) as nc:
        await nc.subscribe("echo", cb=lambda msg: msg.respond(msg.data))

        async def work(number: int) -> None:
            mark.set(number)
            for i in range(20):
                text = f"{number} {i}".encode()
                assert (await nc.request("echo", text, 10)).data == text
                assert mark.get() == number
                assert asyncio.current_task() is tasks[number]

        async def idle() -> None:
            sub = await nc.subscribe("idle")
            with pytest.raises(errors.TimeoutError):
                await sub.next_msg(0.01)
            mark.set(-1)
            await sub.next_msg(None)

        waits = asyncio.create_task(idle())
        tasks = [asyncio.create_task(work(number)) for number in range(20)]
        await asyncio.gather(*tasks)
        waits.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await waits
        assert waits.cancelled() and caught.value.args in (("enough",), ())
        assert mark.get(None) is None and asyncio.current_task() not in tasks
        loop.set_task_factory(None)


async def test_what_a_wait_suspends_with(url: str) -> None:
    """It passes for a future: who drives an await by hand is called once, when it can go on."""
    loop = asyncio.get_running_loop()
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("driven")
        called: list[Any] = []
        wait = sub.next_msg(None)
        waiting = wait.send(None)
        assert asyncio.isfuture(waiting) and waiting._asyncio_future_blocking is True
        assert waiting.get_loop() is loop and not waiting.done()
        waiting.add_done_callback(called.append)
        with pytest.raises(RuntimeError):
            waiting.add_done_callback(called.append)
        with pytest.raises(TypeError):
            waiting.add_done_callback()
        await nc.publish("driven", b"1")
        while not called:
            await asyncio.sleep(0.001)
        assert called == [waiting] and waiting.done() and waiting.result() is None
        with pytest.raises(StopIteration) as end:
            wait.send(None)
        assert end.value.value.data == b"1"

        wait = sub.next_msg(None)
        waiting = wait.send(None)
        assert waiting.cancel() is False and waiting.done()  # before somebody waits
        waiting.add_done_callback(called.append, context=contextvars.copy_context())
        assert len(called) == 1
        await turns()
        assert called[1:] == [waiting]
        wait.close()
        with pytest.raises(TypeError):
            natskit._natskit._settle(loop.create_future())


def test_exit_inside_a_task_that_goes_on(url: str) -> None:
    """What ends programs reaches the loop; the other tasks go on all the same."""
    ended: list[int] = []
    tasks: list[asyncio.Task[None]] = []

    async def work(nc: natskit.Client, number: int) -> None:
        await nc.request("echo", b"", 10)
        ended.append(number)
        if number == 0:
            raise SystemExit(3)

    async def main() -> None:
        async with natskit.connect(url) as nc:
            await nc.subscribe("echo", cb=lambda msg: msg.respond())
            tasks.extend(asyncio.create_task(work(nc, number)) for number in range(10))
            await asyncio.sleep(10)

    with pytest.raises(SystemExit):
        asyncio.run(main())
    assert 0 in ended and isinstance(tasks.pop(0).exception(), SystemExit)
    tasks.clear()
    gc.collect()  # the exception knows the frames that it went through


async def test_awaitables_that_nobody_awaits(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("ignored")
        nc.publish("ignored", b"sent all the same")
        sub.next_msg()
        sub.next_batch(3)
        nc.flush()
        nc.request("ignored", b"")
        sub.__anext__()
        gc.collect()
        assert (await sub.next_msg()).data == b"sent all the same"


async def test_awaiting_twice(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("twice")
        await nc.publish("twice", b"1")
        await nc.publish("twice", b"2")
        for wait in (sub.next_msg(), sub.next_batch(1), nc.flush()):
            await wait
            with pytest.raises(RuntimeError):
                await wait


async def test_throwing_into_awaitables(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("thrown")
        for wait in (sub.next_msg(), nc.flush(), nc.publish("thrown", b"")):
            with pytest.raises(KeyError):
                wait.throw(KeyError("x"))
            with pytest.raises(KeyError):
                wait.throw(KeyError, "x", None)
            with pytest.raises(TypeError):
                wait.throw("no exception")
            wait.close()


# ------------------------------------------------------------------------------------------------ loops


def test_loops_one_after_another(url: str) -> None:
    """A connection and a subscription go on in the next loop."""
    held: dict[str, Any] = {}

    async def first() -> None:
        held["nc"] = await natskit.connect(url)
        held["sub"] = await held["nc"].subscribe("sequence")
        await held["nc"].publish("sequence", b"0")
        assert (await held["sub"].next_msg()).data == b"0"
        with pytest.raises(TimeoutError):
            await held["sub"].next_msg(0.01)

    async def again(number: int) -> None:
        wait = asyncio.create_task(held["sub"].next_msg(20))
        await asyncio.sleep(0)
        await held["nc"].publish("sequence", str(number))
        assert int((await wait).data) == number

    async def last() -> None:
        await held["nc"].close()
        assert [msg async for msg in held["sub"]] == []
        held.clear()

    asyncio.run(first())
    for number in range(5):
        asyncio.run(again(number))
        gc.collect()
        assert natskit.counters()["waitsets"] <= 1
    asyncio.run(last(), debug=True)


def test_loop_that_is_left_with_waiting_tasks(url: str) -> None:
    """A loop is closed while something waits in it; the subscription can be used in another one."""
    held: dict[str, Any] = {}

    async def abandon() -> None:
        held["nc"] = await natskit.connect(url)
        held["sub"] = await held["nc"].subscribe("abandoned")
        held["task"] = asyncio.get_running_loop().create_task(held["sub"].next_msg(None))
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(abandon())
    loop.close()

    async def use() -> None:
        wait = asyncio.create_task(held["sub"].next_msg(20))
        await asyncio.sleep(0)
        await held["nc"].publish("abandoned", b"x")
        assert (await wait).data == b"x"
        await held["nc"].close()

    asyncio.run(use())
    held.pop("task")._log_destroy_pending = False
    held.clear()
    del loop


def test_two_loops_in_two_threads(url: str) -> None:
    """Each with its own connection, and both with subscriptions of a shared one."""
    count = 3000
    problems: list[BaseException] = []
    shared: dict[str, Any] = {}
    ready = threading.Barrier(2)

    async def work(name: str) -> None:
        async with natskit.connect(url) as nc:
            if name == "a":
                shared["nc"] = await natskit.connect(url)
            ready.wait(20)
            common = shared["nc"]
            mine = await nc.subscribe(f"loop.{name}")
            ours = await common.subscribe(f"shared.{name}")
            await nc.flush()
            await common.flush()

            async def send() -> None:
                for i in range(count):
                    await nc.publish(f"shared.{name}", str(i))
                    await common.publish(f"loop.{name}", str(i))

            async def receive(sub: natskit.Subscription) -> None:
                for i in range(count):
                    assert int((await sub.next_msg(20)).data) == i

            await asyncio.gather(send(), receive(mine), receive(ours))
            await ours.close()
        ready.wait(20)

    def run(name: str) -> None:
        try:
            asyncio.run(work(name))
        except BaseException as error:
            problems.append(error)
            ready.abort()

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    asyncio.run(close_later(shared.pop("nc")))
    assert not problems


async def close_later(nc: natskit.Client) -> None:
    await nc.close()


async def test_one_subscription_in_two_loops_at_once(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("single")
        task = asyncio.create_task(sub.next_msg(30))
        await turns()
        caught: list[BaseException] = []

        async def other() -> None:
            await sub.next_msg(30)

        def run() -> None:
            try:
                asyncio.run(other())
            except BaseException as error:
                caught.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        await asyncio.to_thread(thread.join, 20)
        assert [type(error) for error in caught] == [RuntimeError]
        await nc.publish("single", b"still here")
        assert (await task).data == b"still here"


async def test_close_from_another_thread_wakes(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("foreign")
        task = asyncio.create_task(sub.next_msg(30))
        await turns()
        thread = threading.Thread(target=sub.close)
        thread.start()
        with pytest.raises(errors.SubscriptionClosedError):
            await task
        thread.join()


def test_without_a_loop(url: str) -> None:
    nc, sub = asyncio.run(connected(url, "no.loop"))
    with pytest.raises(RuntimeError):
        sub.next_msg().send(None)
    nc.publish("no.loop", b"publishing needs none")
    wait_for(lambda: sub.pending_msgs)
    wait = sub.next_msg()
    with pytest.raises(StopIteration) as caught:
        while True:
            assert wait.send(None) is None  # it may give way to others once
    assert caught.value.value.data == b"publishing needs none"
    asyncio.run(close_later(nc))


async def connected(url: str, subject: str) -> tuple[natskit.Client, natskit.Subscription]:
    nc = await natskit.connect(url)
    return nc, await nc.subscribe(subject)


async def test_reader_takes_nothing_itself(url: str) -> None:
    """Messages stay in the core's queue, where its limits and statistics see them, until they are taken."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("untouched")
        for _ in range(500):
            await nc.publish("untouched", b"x")
        await nc.flush()
        await turns(20)
        assert sub.pending_msgs == 500 and sub.delivered == 0
        await sub.next_msg()
        assert sub.pending_msgs == 499 and sub.delivered == 1


async def test_objects_dropped_while_awaited(url: str) -> None:
    async with natskit.connect(url) as nc:
        task = asyncio.create_task((await nc.subscribe("dropped")).next_msg(20))
        await turns()
        gc.collect()
        await nc.publish("dropped", b"x")
        assert (await task).data == b"x"
    wait_for(lambda: nc.is_closed)


async def test_request_many_waits_for_room(server: Server) -> None:
    """The outbox is full: the request is sent by the loop once there is room, or not at all."""
    async with natskit.connect(server.url, outbox_bytes=1 << 18) as nc:
        service = await nc.subscribe("room")
        await nc.flush()
        server.pause()
        for _ in range(20):  # the system takes some more each time
            with contextlib.suppress(errors.OutboundBufferLimitError):
                while True:
                    await nc.publish("filler", b"x" * 4096, timeout=0)
            await asyncio.sleep(0.02)
        short = nc.request_many("room", b"y" * 200_000, max_wait=0.1)
        with pytest.raises(TimeoutError):
            [msg async for msg in short]
        assert short.reason is None and short.received == 0
        answers = nc.request_many("room", b"z" * 200_000, max_wait=20, max_msgs=1)
        assert answers.subject == ""
        waiting = asyncio.ensure_future(anext(answers))
        await turns()
        server.resume()
        await (await service.next_msg(20)).respond(b"answer")
        assert (await waiting).data == b"answer" and answers.subject.startswith("_INBOX.")
        await answers.close()


async def test_request_many_is_cancelled(url: str) -> None:
    async with natskit.connect(url) as nc:
        service = await nc.subscribe("cancel.many")
        before = nc.stats()["subs"]

        async def gather() -> None:
            async for _ in nc.request_many("cancel.many", max_wait=60):
                pass

        task = asyncio.create_task(gather())
        await service.next_msg()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        for _ in range(500):
            if nc.stats()["subs"] == before:
                break
            await asyncio.sleep(0.01)
        assert nc.stats()["subs"] == before


async def test_auth_while_the_loop_is_busy() -> None:
    """Nobody can be asked then: what is configured counts."""
    config = 'authorization { users = [ { user: "alice", password: "pw-Marker-7f3a" } ] }'
    asked: list[natskit.Event] = []

    async def auth(event: natskit.Event) -> dict[str, str]:
        asked.append(event)
        return {} if len(asked) == 1 else {"password": "wrong"}

    right = {"user": "alice", "password": "pw-Marker-7f3a"}
    options = {"answer_timeout_ms": 30, "reconnect_wait_ms": 10, **right}
    with Server(extra=config, jetstream=False) as server:
        async with natskit.connect(server.url, auth=auth, **options) as nc:
            assert len(asked) == 1
            server.kill()
            wait_for(lambda: nc.is_reconnecting, what="reconnecting")
            server.restart()
            wait_for(lambda: nc.is_connected, what="connected")
            assert len(asked) == 1
            for _ in range(1000):  # now it is asked, in vain
                if len(asked) > 1:
                    break
                await asyncio.sleep(0.01)
            assert len(asked) > 1 and nc.is_connected
