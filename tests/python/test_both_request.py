# SPDX-License-Identifier: Apache-2.0
"""Requests and replies, and headers."""

from __future__ import annotations

import time

import face_async as face
import natskit
import pytest
from natskit import errors


async def serve(sub: natskit.Subscription) -> int:
    """Answers with the payload in capitals and the same headers."""
    served = 0
    async for msg in sub:
        await msg.respond(msg.data.upper(), headers=msg.headers)
        served += 1
    return served


async def test_request(url: str) -> None:
    async with natskit.connect(url) as server, natskit.connect(url) as nc:
        sub = await server.subscribe("upper")
        await server.flush()
        work = face.spawn(serve, sub)
        reply = await nc.request("upper", b"abc")
        assert reply.data == b"ABC" and reply.headers is None and reply.subject.startswith("_INBOX.")
        assert (await nc.request("upper", "text", 5)).data == b"TEXT"
        assert (await nc.request("upper", timeout=5.0)).data == b""
        reply = await nc.request("upper", b"h", headers={"K": "v"}, timeout=5)
        assert reply.headers == {"K": "v"}
        for i in range(500):
            assert (await nc.request("upper", str(i), 5)).data == str(i).encode()
        await sub.unsubscribe()
        assert await face.join(work) == 504
        assert nc.stats()["requests"] == 0


async def test_many_requests_at_once(url: str) -> None:
    async with natskit.connect(url) as server, natskit.connect(url) as nc:
        sub = await server.subscribe("together")
        await server.flush()
        work = face.spawn(serve, sub)
        asked = [face.spawn(nc.request, "together", f"r{i}", 10) for i in range(100)]
        answers = [(await face.join(one)).data for one in asked]
        assert answers == [f"R{i}".encode() for i in range(100)]
        await sub.unsubscribe()
        assert await face.join(work) == 100


async def test_no_responders(url: str) -> None:
    async with natskit.connect(url) as nc:
        begin = time.monotonic()
        with pytest.raises(errors.NoRespondersError) as caught:
            await nc.request("nobody.home", b"", timeout=10)
        assert time.monotonic() - begin < 5
        assert caught.value.name == "NO_RESPONDERS"
        assert caught.value.outcome == "rejected"


async def test_request_times_out(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("mute")
        begin = time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            await nc.request("mute", b"", timeout=0.2)
        assert 0.15 < time.monotonic() - begin < 2
        assert caught.value.outcome == "unknown"
        late = await sub.next_msg()
        await late.respond(b"too late")
        await nc.flush()
        assert nc.stats()["late_replies"] == 1
        assert nc.stats()["requests"] == 0


async def test_connection_closed_during_a_request(url: str) -> None:
    nc = await natskit.connect(url)
    sub = await nc.subscribe("mute.too")
    work = face.spawn(nc.request, "mute.too", b"", 30)
    await sub.next_msg(10)
    await nc.close()
    with pytest.raises((errors.ConnectionClosedError, errors.DisconnectedError)):
        await face.join(work)


@pytest.mark.parametrize(
    ("headers", "pairs"),
    [
        ({"A": "1"}, [("A", "1")]),
        ({"A": ["1", "2"], "B": ("3",)}, [("A", "1"), ("A", "2"), ("B", "3")]),
        ([("A", "1"), ("B", "2"), ("A", "3")], [("A", "1"), ("B", "2"), ("A", "3")]),
        ((["A", "1"],), [("A", "1")]),
        (iter([("A", "1"), ("a", "2")]), [("A", "1"), ("a", "2")]),
        ({"Empty": ""}, [("Empty", "")]),
        ({"Long": "x" * 5000}, [("Long", "x" * 5000)]),
        ({"Utf": "\u00e9\u65e5"}, [("Utf", "\u00e9\u65e5")]),
        ({"Colon": "a:b:c"}, [("Colon", "a:b:c")]),
    ],
)
async def test_headers_arrive(url: str, headers: object, pairs: list[tuple[str, str]]) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("headers")
        await nc.publish("headers", b"x", headers=headers)
        msg = await sub.next_msg()
        assert msg.headers.pairs() == pairs
        assert msg.data == b"x"
        await nc.publish("headers", b"y", headers=msg.headers)
        assert (await sub.next_msg()).headers.pairs() == pairs


@pytest.mark.parametrize("headers", [None, {}, [], ()])
async def test_no_headers(url: str, headers: object) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("headerless")
        await nc.publish("headerless", b"x", headers=headers)
        assert not (await sub.next_msg()).headers


async def test_headers_are_a_mapping(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("mapping")
        await nc.publish("mapping", b"", headers=[("Key", "1"), ("key", "2"), ("Key", "3"), ("Other", "4")])
        headers = (await sub.next_msg()).headers
    assert isinstance(headers, natskit.Headers)
    assert headers["Key"] == "1" and headers["key"] == "2"
    assert "Key" in headers and "KEY" not in headers and 5 not in headers
    assert headers.get("KEY") is None and headers.get("KEY", "none") == "none"
    assert headers.get("KEY", ignore_case=True) == "1"
    assert headers.get_all("Key") == ["1", "3"]
    assert headers.get_all("KEY", ignore_case=True) == ["1", "2", "3"]
    assert headers.get_all("Missing") == []
    assert len(headers) == 3 and list(headers) == ["Key", "key", "Other"]
    assert dict(headers) == {"Key": "1", "key": "2", "Other": "4"}
    assert list(headers.items()) == list(dict(headers).items())
    assert list(headers.values()) == ["1", "2", "4"] and list(headers.keys()) == ["Key", "key", "Other"]
    assert headers == {"Key": "1", "key": "2", "Other": "4"} and headers != {"Key": "1"}
    assert headers == headers and headers != 5
    assert "Other" in repr(headers)
    for missing in ("Nope", "not a name", ""):
        with pytest.raises(KeyError):
            headers[missing]
    with pytest.raises(TypeError):
        headers[5]
    with pytest.raises(TypeError):
        hash(headers)


async def test_status_line_is_apart_from_the_headers(url: str) -> None:
    """Nothing of a message that we send may become a status line."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("status")
        await nc.publish("status", b"", headers={"Status": "503"})
        msg = await sub.next_msg()
        assert msg.status_code == 0 and msg.headers["Status"] == "503"
