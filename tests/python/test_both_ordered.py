# SPDX-License-Identifier: Apache-2.0
"""Reading streams in their order: where it begins, what it leaves out, what it survives, how it ends."""

from __future__ import annotations

import time
from typing import Any

# [async]
import asyncio

# [end]
import face_async as face
import natskit
import pytest
from natskit import errors


async def filled(nc: natskit.Client, stream: str) -> natskit.JetStreamContext:
    """A stream with five messages of three subjects."""
    js = nc.jetstream()
    await js.add_stream(name=stream, subjects=[f"{stream}.>"], storage="memory")
    for token in ("a", "b", "a", "c", "b"):
        await js.publish(f"{stream}.{token}", token)
    return js


async def told(sub: natskit.Subscription) -> list[tuple[str, int]]:
    """What comes until it ends."""
    return [(msg.text, msg.metadata.sequence.stream) async for msg in sub]


BEGINS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4, 5]),
    ({"deliver_policy": "new"}, []),
    ({"deliver_policy": "last"}, [5]),
    ({"deliver_policy": "last_per_subject"}, [3, 4, 5]),
    ({"deliver_policy": "by_start_sequence", "opt_start_seq": 4}, [4, 5]),
    ({"deliver_policy": "by_start_time", "opt_start_time": "2020-01-02T03:04:05Z"}, [1, 2, 3, 4, 5]),
    ({"subjects": "P.b"}, [2, 5]),
    ({"subjects": ["P.a", "P.c"]}, [1, 3, 4]),
    ({"subjects": "P.nothing"}, []),
]


async def test_begins(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "P")
        for wishes, wanted in BEGINS:
            found = await told(js.ordered("P", ends=True, **wishes))
            assert [seq for _, seq in found] == wanted, wishes
        third = await js.get_msg("P", 3)
        assert third.time is not None
        sub = js.ordered("P", deliver_policy="by_start_time", opt_start_time=third.time, ends=True)
        assert (await told(sub))[-1] == ("b", 5)
        await js.delete_stream("P")


async def test_goes_on(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "G")
        sub = js.ordered("G", marker=True, headers_only=True, heartbeat=1)
        for seq in range(1, 6):
            msg = await sub.next_msg(20)
            assert (msg.metadata.sequence.stream, msg.data, msg.headers) == (seq, b"", {"Nats-Msg-Size": "1"})
        status: Any = await sub.next_msg(20)
        assert isinstance(status, natskit.Status) and status.type == "initial_done"
        while not sub.stats()["live"]:  # its messages can overtake the answer that says so
            await face.nap(0.005)
        stats = sub.stats()
        assert (stats["last_seq"], stats["live"], stats["initial_done"], stats["resets"]) == (5, 1, 1, 0)
        assert "open_pulls" not in stats and "last_revision" not in stats
        for name in await js.consumer_names("G"):
            await js.delete_consumer("G", name)
        await js.publish("G.d", "d")
        msg = await sub.next_msg(20)
        assert msg.metadata.sequence.stream == 6
        assert sub.stats()["resets"] >= 1
        await js.delete_stream("G")
        with pytest.raises(errors.StreamNotFoundError):
            async for _ in sub:
                pytest.fail("there is nothing more")


async def test_handler(js_url: str) -> None:
    found: list[str] = []

    # [async]
    async def handle(msg: natskit.Msg) -> None:
        found.append(msg.text)

    # [end]
    # [sync] def handle(msg: natskit.Msg) -> None:
    # [sync]     found.append(msg.text)
    # [sync]
    async with natskit.connect(js_url) as nc:
        js = await filled(nc, "H")
        sub = js.ordered("H", handle)
        deadline = time.monotonic() + 20
        while len(found) < 5 and time.monotonic() < deadline:
            # [sync] nc.dispatch(timeout=1)
            await asyncio.sleep(0.005)  # [async]
        assert found == ["a", "b", "a", "c", "b"]
        await sub.unsubscribe()
        await js.delete_stream("H")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"opt_start_seq": 3}, "option opt_start_seq: it needs deliver_policy by_start_sequence"),
    ({"deliver_policy": "by_start_time"}, "option deliver_policy: by_start_time needs option opt_start_time"),
    ({"subjects": ["a..b"]}, 'option subjects: "a..b" has an empty token'),
    ({"heartbeat": 0.01}, "heartbeat_ms"),
]


async def test_bad_arguments(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        for wishes, words in BAD:
            with pytest.raises(errors.InvalidError) as raised:
                js.ordered("S", **wishes)
            assert words in str(raised.value)
        with pytest.raises(errors.InvalidError):
            js.ordered("S.T")
        with pytest.raises(TypeError):
            js.ordered("S", subjects=[1])  # type: ignore[list-item]
        with pytest.raises(errors.StreamNotFoundError):
            await told(js.ordered(f"NONE_{face.NAME}", ends=True))
