# SPDX-License-Identifier: Apache-2.0
"""The catalogue of bad inputs and faults (tests/catalogue): a scripted server plays each case, or a real one is
configured for it, and what the client makes of it is compared with what the case expects. Only errors of natskit may
leave the library, and nothing that it says may hold a secret; memory is watched meanwhile."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import face_async as face
import natskit
import pytest
from cases import Case, read, unescape
from natskit import errors
from natskit_testing import Scripted, Server, Tap, Violation, wallet

SLACK = 3.0  # seconds that a busy machine adds to a deadline
STEP = 15.0  # for what should come at once
PATIENCE = 1.0  # ... when something is expected to fail
FILL = bytes(32768)


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """After each of some hundred tests garbage is collected: what is there before them need not be looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Real:
    """A real server, kept for the next case with the same configuration."""

    kept: Server | None = None
    config = ""

    @classmethod
    def get(cls, config: str) -> Server:
        if cls.kept is None or cls.config != config:
            cls.drop()
            cls.kept, cls.config = Server(extra=config, jetstream=False), config
        return cls.kept

    @classmethod
    def drop(cls) -> None:
        if cls.kept is not None:
            cls.kept.close()
        cls.kept = None


@pytest.fixture(scope="module", autouse=True)
def real_servers() -> Iterator[None]:
    yield
    Real.drop()


def clean(*texts: object) -> None:
    """Nothing that the library says holds a secret."""
    for text in texts:
        for shown in (str(text), repr(text)):
            secret = wallet().secret_in(shown)
            assert secret is None, f"a secret is told: {secret}..."


def plain(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@contextlib.contextmanager
def bounded_memory(limit: Callable[[], int]) -> Iterator[None]:
    """Looks at what the library holds while the block runs."""
    start = peak = natskit.counters()["allocated_bytes"]
    done = threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, natskit.counters()["allocated_bytes"])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert peak - start <= limit(), f"{(peak - start) // 1024} KiB of memory"


@contextlib.contextmanager
def in_time(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds + SLACK, "the deadline was not kept"


class Player:
    """One case; each step has its method."""

    alone = ("set", "with", "rejects", "deadline", "memory", "url", "fails", "ask", "wallet", "reload")

    def __init__(self, case: Case, server: Scripted | Server, tap: Tap | None, without: bool) -> None:
        self.case = case
        self.server = server
        self.without = without
        self.patience = PATIENCE if without else STEP
        self.options: dict[str, Any] = {}
        self.deadline = self.patience
        self.memory = 1024 * 1024
        self.port = tap.port if tap is not None else server.port
        self.url: str | None = f"nats://127.0.0.1:{self.port}"
        self.nc: natskit.Client | None = None
        self.second: natskit.Client | None = None
        self.subs: dict[str, natskit.Subscription] = {}
        self.answers: dict[str, str] = {}
        self.answer_mode = "answer"
        self.unanswered: natskit.Events | None = None

    async def play(self, step: str) -> None:
        word, _, rest = wallet().expand(step).replace("${port}", str(self.port)).partition(" ")
        if word not in self.alone and self.nc is None:
            await self.connect()
            assert self.nc is not None
            self.events = self.nc.events()
            await self.step_subscribe("x")
        await getattr(self, "step_" + word.replace("-", "_"))(rest)

    async def answer(self, event: Any) -> dict[str, str] | None:
        clean(event)
        if self.answer_mode == "late":
            await face.nap(1.0)
        return None if self.answer_mode == "nothing" else self.answers

    async def connect(self) -> None:
        options = dict(self.options)
        if options.pop("ask_auth", False):
            options["auth"] = self.answer
        servers = options.pop("servers", self.url)
        with in_time(self.deadline):
            self.nc = await natskit.connect(servers, timeout=self.deadline, **options)

    async def close(self) -> None:
        if self.second is not None:
            await self.second.close(0)
        if self.nc is not None:
            await self.nc.close(0)
            await self.events.close()
        if self.unanswered is not None:
            await self.unanswered.close()
        for sub in self.subs.values():
            await sub.close()

    # ---------------------------------------------------------------- settings

    async def step_set(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        if value in ("true", "false"):
            self.options[name] = value == "true"
        elif value.lstrip("-").isdigit():
            self.options[name] = int(value)
        else:
            self.options[name] = [value] if name == "servers" else value

    async def step_with(self, rest: str) -> None:
        if not self.without:
            await self.step_set(rest)

    async def step_rejects(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        with pytest.raises((errors.InvalidError, ValueError, TypeError)):
            await natskit.connect("nats://127.0.0.1:1", **{name: value})

    async def step_ask(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        if name in ("late", "nothing"):
            self.answer_mode = name
        else:
            self.answers[name] = value

    async def step_wallet(self, rest: str) -> None:
        wallet().command(rest)

    async def step_reload(self, rest: str) -> None:
        assert isinstance(self.server, Server)
        config = 'listen: "127.0.0.1:-1"\nhttp: "127.0.0.1:-1"\n' + wallet().expand(self.case.other_config)
        Real.config = ""  # not for the next case
        self.server.reload(config)

    async def step_deadline(self, rest: str) -> None:
        self.deadline = int(rest) / 1000

    async def step_memory(self, rest: str) -> None:
        self.memory = int(rest) * 1024

    async def step_url(self, rest: str) -> None:
        self.url = None if rest == "-" else rest.replace(":@", f":{self.port}")

    # ---------------------------------------------------------- the connection

    async def step_fails(self, rest: str) -> None:
        names, _, text = rest.partition(" ")
        with pytest.raises(errors.Error) as caught:
            await self.connect()
        clean(caught.value, caught.value.text, *caught.value.args)
        assert caught.value.name in names.split("|"), repr(caught.value)
        assert caught.value.text and text.removeprefix("~") in caught.value.text

    async def step_event(self, rest: str) -> None:
        name, _, rest = rest.partition(" ")
        status, _, text = rest.partition(" ")
        end = time.monotonic() + self.patience  # of all of them: there may be no end to them
        while True:
            self.event = await self.events.next_msg(max(0.0, end - time.monotonic()))
            clean(self.event, self.event.text, self.event.error)
            if self.event.type == name:
                break
        if status:
            assert self.event.error is not None and self.event.error.name in status.split("|"), repr(self.event)
        assert text.removeprefix("~") in self.event.text

    async def step_count(self, rest: str) -> None:
        assert self.event.count == int(rest)

    async def step_about(self, rest: str) -> None:
        assert plain(self.event.subject) == unescape(rest)

    async def step_closed(self, rest: str) -> None:
        await self.step_event("closed " + rest)
        for queue in (self.events, self.subs["x"]):
            with pytest.raises(errors.SubscriptionEnded):
                await queue.next_msg(self.patience)

    def stats(self) -> dict[str, int]:
        assert self.nc is not None
        return self.nc.stats()

    async def step_reconnects(self, rest: str) -> None:
        assert self.stats()["reconnects"] == int(rest)

    async def step_orphans(self, rest: str) -> None:
        assert self.stats()["orphan_msgs"] == int(rest)

    async def step_max_payload(self, rest: str) -> None:
        assert self.nc is not None and self.nc.max_payload == int(rest)

    # ---------------------------------------------------------------- messages

    async def step_subscribe(self, rest: str) -> None:
        subject, _, limit = rest.partition(" ")
        assert self.nc is not None
        self.sub = self.subs[subject] = await self.nc.subscribe(subject, max_msgs=int(limit) if limit else None)

    async def step_unsubscribe(self, rest: str) -> None:
        await self.sub.unsubscribe()

    async def step_on(self, rest: str) -> None:
        self.sub = self.subs[rest]

    async def step_message(self, rest: str) -> None:
        self.msg = await self.sub.next_msg(self.patience)
        assert self.msg.data == unescape(rest)

    async def step_probe(self, rest: str) -> None:
        assert self.nc is not None
        if isinstance(self.server, Server):  # a script sends the probe by itself
            await self.nc.publish("x", b"probe")
        await self.step_message("probe")

    async def step_bytes(self, rest: str) -> None:
        self.msg = await self.sub.next_msg(self.patience)
        assert len(self.msg.data) == int(rest)

    async def step_ends(self, rest: str) -> None:
        with pytest.raises(errors.SubscriptionEnded):
            await self.sub.next_msg(self.patience)
        assert self.sub.reason is not None and self.sub.reason.name == rest

    async def step_subject(self, rest: str) -> None:
        assert plain(self.msg.subject) == unescape(rest)

    async def step_reply(self, rest: str) -> None:
        assert plain(self.msg.reply) == unescape(rest)

    async def step_code(self, rest: str) -> None:
        code, _, description = rest.partition(" ")
        assert self.msg.status_code == int(code)
        assert plain(self.msg.description) == unescape(description)

    def pairs(self) -> list[tuple[str, str]]:
        return self.msg.headers.pairs() if self.msg.headers is not None else []

    async def step_headers(self, rest: str) -> None:
        assert len(self.pairs()) == int(rest)

    async def step_header(self, rest: str) -> None:
        index, name, value = (rest + "  ").split(" ", 2)
        got = self.pairs()[int(index) - 1]
        assert (plain(got[0]), plain(got[1])) == (unescape(name), unescape(value[:-2] if value else ""))

    # ---------------------------------------------------- what the client does

    async def step_publish(self, rest: str) -> None:
        status, _, headers = rest.partition(" ")
        assert self.nc is not None
        name = "OK"
        try:
            await self.nc.publish("y", b"data", headers={"A": "b"} if headers else None, timeout=self.patience)
        except errors.Error as error:
            name = error.name
        assert name in status.split("|"), name

    async def step_flush(self, rest: str) -> None:
        status, _, ms = rest.partition(" ")
        assert self.nc is not None
        name = "OK"
        with in_time(int(ms) / 1000):
            try:
                await self.nc.flush(int(ms) / 1000)
            except errors.Error as error:
                name = error.name
        assert name in status.split("|"), name

    async def step_request(self, rest: str) -> None:
        status, _, ms = rest.partition(" ")
        assert self.nc is not None
        name = "OK"
        with in_time(int(ms) / 1000):
            try:
                await self.nc.request("service", b"data", int(ms) / 1000)
            except errors.Error as error:
                name = error.name
        assert name in status.split("|"), name

    async def step_fill(self, rest: str) -> None:
        status, _, ms = rest.partition(" ")
        assert self.nc is not None
        end = time.monotonic() + STEP
        name = "OK"
        while name == "OK" and time.monotonic() < end:
            with in_time(int(ms) / 1000):
                try:
                    await self.nc.publish("y", FILL, timeout=int(ms) / 1000)
                except errors.Error as error:
                    name = error.name
        assert name in status.split("|"), name

    async def step_proceed(self, rest: str) -> None:
        assert isinstance(self.server, Scripted)
        self.server.proceed()

    async def step_script(self, rest: str) -> None:
        assert isinstance(self.server, Scripted)
        self.server.wait(self.patience)

    async def step_answering(self, rest: str) -> None:
        assert self.nc is not None
        self.unanswered = self.nc.events(answers=True)

    async def step_reconnect(self, rest: str) -> None:
        assert self.nc is not None
        await self.nc.reconnect()

    async def step_second(self, rest: str) -> None:
        status, _, text = rest.partition(" ")
        name = "OK"
        try:
            self.second = await natskit.connect(self.url, timeout=self.patience, **self.options)
        except errors.Error as error:
            clean(error)
            name = error.name
            assert text.removeprefix("~") in error.text
        assert name in status.split("|"), name

    async def step_second_ends(self, rest: str) -> None:
        assert self.second is not None
        await self.second.close(0)

    async def step_publish_to(self, rest: str) -> None:
        subject, status = rest.split(" ")
        assert self.nc is not None
        name = "OK"
        try:
            await self.nc.publish(subject, b"data", timeout=self.patience)
        except errors.Error as error:
            name = error.name
        assert name in status.split("|"), name

    async def step_request_to(self, rest: str) -> None:
        subject, status, ms = rest.split(" ")
        assert self.nc is not None
        name = "OK"
        with in_time(int(ms) / 1000):
            try:
                await self.nc.request(subject, b"data", int(ms) / 1000)
            except errors.Error as error:
                clean(error)
                name = error.name
        assert name in status.split("|"), name

    async def step_publish_many(self, rest: str) -> None:
        assert self.nc is not None
        for _ in range(int(rest)):
            await self.nc.publish("y", FILL, timeout=0)

    async def step_info(self, rest: str) -> None:
        field, _, value = rest.partition(" ")
        assert self.nc is not None
        clean(self.nc, self.nc.connected_url, self.nc.last_error, self.nc.stats())
        got = getattr(self.nc, {"url": "connected_url"}.get(field, field))
        shown = str(got).lower() if isinstance(got, bool) else str(got)
        assert value[1:] in shown if value.startswith("~") else shown == value, shown

    async def step_server(self, rest: str) -> None:
        assert rest.removeprefix("~") in self.event.server


@contextlib.contextmanager
def playing(case: Case, without: bool) -> Iterator[Player]:
    """The servers of a case, and who plays it."""
    if case.config:
        config = wallet().expand(case.config)
        server = Real.get(config)
        with contextlib.ExitStack() as stack:
            # what is inside of TLS the tap cannot read
            tap = None if "tls" in config else stack.enter_context(Tap(server))
            yield Player(case, server, tap, without)
    else:
        with Scripted(case.script, timeout=PATIENCE if without else STEP) as scripted:
            yield Player(case, scripted, None, without)


@pytest.mark.parametrize("case", read(), ids=lambda case: case.id)
async def test_case(case: Case) -> None:
    with playing(case, False) as player:
        step = ""
        try:
            with bounded_memory(lambda: player.memory):
                for step in case.steps:
                    await player.play(step)
                step = "at the end"
        except BaseException as error:
            error.add_note(f"case {case.title} ({case.where}), step: {step}")
            raise
        finally:
            await player.close()


@pytest.mark.parametrize("case", [case for case in read() if case.has_with], ids=lambda case: case.id)
async def test_it_fails_without(case: Case) -> None:
    """The case is played without its lines `with`, and says something about them."""
    with (
        pytest.raises((errors.Error, AssertionError, Violation)),
        playing(case, True) as player,
    ):
        try:
            for step in case.steps:
                await player.play(step)
        finally:
            await player.close()
