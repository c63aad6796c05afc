# SPDX-License-Identifier: Apache-2.0
"""Bad input: each is a clear exception of the right kind, and none of it reaches the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import natskit
import pytest
from natskit import errors
from natskit_testing import Tap

SUBJECTS = [
    "",
    " ",
    "a b",
    "a\tb",
    "a\r\nPUB b 0",
    "a\x00b",
    ".a",
    "a.",
    "a..b",
    "a\n",
    "*a\r",
    "\udcff \udcff",
    "x" * 5000 + " ",
]
WILDCARDS = ["a.*", "a.>", "*", ">"]
NAMES = ["", " ", "a b", "a:b", "a\r\nb", "a\x00", "\u00e9", "x\x7f"]
VALUES = ["a\r\nb", "a\nb", "a\rb", "a\x00b", "\ud800"]


def written(tap: Tap) -> int:
    """Bytes that the client wrote, without the answers to pings, which have nothing to do with the caller."""
    stats = tap.stats()
    return stats["bytes_up"] - stats["pong"] * len(b"PONG\r\n")


Kinds = type[Exception] | tuple[type[Exception], ...]


async def expect(tap: Tap, error: Kinds, call: Callable[[], Any]) -> None:
    """The call raises it, with a text of one line, and the tap sees no byte."""
    before = written(tap)
    with pytest.raises(error) as caught:
        await call()
    assert str(caught.value) and "\n" not in str(caught.value)
    assert written(tap) == before


@pytest.mark.parametrize("subject", SUBJECTS + WILDCARDS)
async def test_publish_subjects(url: str, tap: Tap, subject: str) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, errors.BadSubjectError, lambda: nc.publish(subject, b"x"))
        await expect(tap, errors.BadSubjectError, lambda: nc.request(subject, b"x"))
        await expect(tap, errors.BadSubjectError, lambda: nc.publish_batch([(subject, b"x")]))
        if subject:
            await expect(tap, errors.BadSubjectError, lambda: nc.publish("fine", b"x", subject))


@pytest.mark.parametrize("subject", SUBJECTS + ["a.>.b", "a>", "*a", "a.b*"])
async def test_subscribe_subjects(url: str, tap: Tap, subject: str) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, errors.BadSubjectError, lambda: nc.subscribe(subject))


@pytest.mark.parametrize("queue", ["a b", "a\r\n", "\x00"])
async def test_queue_names(url: str, tap: Tap, queue: str) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, errors.BadSubjectError, lambda: nc.subscribe("fine", queue))


@pytest.mark.parametrize("name", NAMES)
async def test_header_names(url: str, tap: Tap, name: str) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, errors.InvalidError, lambda: nc.publish("fine", b"x", headers={name: "v"}))
        await expect(tap, errors.InvalidError, lambda: nc.request("fine", b"x", headers=[(name, "v")]))


@pytest.mark.parametrize("value", VALUES)
async def test_header_values(url: str, tap: Tap, value: str) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, errors.InvalidError, lambda: nc.publish("fine", b"x", headers={"Name": value}))
        await expect(tap, errors.InvalidError, lambda: nc.publish("fine", headers={"Name": ["ok", value]}))


@pytest.mark.parametrize(
    "headers",
    [5, "A: b", b"A: b", ["A"], [("A",)], [("A", "b", "c")], ["ab"]]
    + [{"A": 5}, {"A": [5]}, {"A": None}, {5: "b"}, {b"A": "b"}],
)
async def test_header_types(url: str, tap: Tap, headers: object) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, TypeError, lambda: nc.publish("fine", b"x", headers=headers))


async def test_too_large_headers(url: str, tap: Tap) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, errors.LimitError, lambda: nc.publish("fine", b"x", headers={"A": "x" * 70000}))


@pytest.mark.parametrize("payload", [None, 5, 1.5, object(), ["a"], memoryview(b"abcdef")[::2]])
async def test_payload_types(url: str, tap: Tap, payload: object) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, TypeError, lambda: nc.publish("fine", payload))
        await expect(tap, TypeError, lambda: nc.request("fine", payload))


async def test_payload_that_is_no_text(url: str, tap: Tap) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, errors.InvalidError, lambda: nc.publish("fine", "\ud800"))


@pytest.mark.parametrize("subject", [None, 5, b"bytes", ["a"]])
async def test_subject_types(url: str, tap: Tap, subject: object) -> None:
    async with natskit.connect(url) as nc:
        await nc.flush()
        await expect(tap, TypeError, lambda: nc.publish(subject))
        await expect(tap, TypeError, lambda: nc.request(subject))
        await expect(tap, TypeError, lambda: nc.subscribe(subject))
        await expect(tap, TypeError, lambda: nc.publish_batch([(subject, b"")]))


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("-inf"), 10**400])
async def test_timeout_values(url: str, tap: Tap, timeout: float) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("fine")
        await nc.flush()
        for call in (
            lambda: nc.request("fine", b"", timeout),
            lambda: nc.flush(timeout),
            lambda: sub.next_msg(timeout),
            lambda: sub.next_batch(1, timeout),
            lambda: nc.publish_batch([], timeout=timeout),
            lambda: nc.close(timeout),
        ):
            await expect(tap, errors.InvalidError, call)


@pytest.mark.parametrize("timeout", ["1", b"1", [], object()])
async def test_timeout_types(url: str, tap: Tap, timeout: object) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("fine")
        await nc.flush()
        for call in (
            lambda: nc.request("fine", b"", timeout),
            lambda: nc.flush(timeout),
            lambda: sub.next_msg(timeout),
            lambda: sub.next_batch(1, timeout),
        ):
            await expect(tap, TypeError, call)


async def test_calls_that_do_not_fit(url: str, tap: Tap) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("fine")
        await nc.flush()
        for call in (
            lambda: nc.publish(),
            lambda: nc.publish("a", b"", "", None, 1),
            lambda: nc.publish("a", subject="a"),
            lambda: nc.publish("a", nonsense=1),
            lambda: nc.request("a", b"", 1, None, 2),
            lambda: sub.next_msg(1, 2),
            lambda: sub.next_batch(),
            lambda: sub.next_batch("5"),
            lambda: sub.next_batch(1.5),
            lambda: sub.unsubscribe("1"),
            lambda: nc.flush(wait=1),
        ):
            await expect(tap, TypeError, call)
        for call in (lambda: sub.next_batch(0), lambda: sub.next_batch(-1), lambda: sub.unsubscribe(-1)):
            await expect(tap, errors.InvalidError, call)
        for options in ({"pending_msgs_limit": 0}, {"pending_bytes_limit": -5}, {"max_msgs": -1}):
            await expect(tap, errors.InvalidError, lambda options=options: nc.subscribe("fine", **options))
        for options in ({"pending_msgs_limit": "x" * 3}, {"max_msgs": 1.5}):
            kinds = (TypeError, errors.InvalidError)
            await expect(tap, kinds, lambda options=options: nc.subscribe("fine", **options))


async def test_keywords_are_taken(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe(subject="kw", queue="")
        await nc.publish(subject="kw", payload=b"p", reply="r", headers={"A": "b"})
        msg = await sub.next_msg(timeout=5)
        assert (msg.data, msg.reply, msg.headers["A"]) == (b"p", "r", "b")
        assert [m.data for m in await sub.next_batch(n=1, timeout=0.05)] if sub.pending_msgs else True
        await nc.publish("kw", reply=None, payload=b"q")
        assert (await sub.next_msg()).reply == ""
