# SPDX-License-Identifier: Apache-2.0
"""Headers that a program makes, changes and sends; those of received messages have the same reading
methods."""

from __future__ import annotations

from typing import Any

import natskit
import pytest
from natskit import Headers, errors

WRONG: Any = object()


async def test_made_of(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("made")
        pairs = [("A", "1"), ("b", "2"), ("A", "3")]
        await nc.publish("made", b"", headers=pairs)
        await nc.publish("made", b"none")
        msg = await sub.next_msg()
        assert msg.headers is not None
        for source in (pairs, msg.headers, msg, Headers(pairs), iter(pairs), Headers(pairs).copy()):
            assert Headers(source).pairs() == pairs
        assert Headers({"A": ["1", "3"], "b": "2"}).pairs() == [("A", "1"), ("A", "3"), ("b", "2")]
        for nothing in (Headers(), Headers(None), Headers({}), Headers(await sub.next_msg())):
            assert nothing.pairs() == [] and len(nothing) == 0 and not nothing
    with pytest.raises(TypeError):
        Headers(WRONG)
    with pytest.raises(TypeError):
        Headers(headers={})  # type: ignore[call-arg]
    with pytest.raises(errors.InvalidError):
        Headers({"not ok": "1"})
    with pytest.raises(errors.InvalidError):
        Headers({"A": "line\r\nB: 1"})


async def test_changes(url: str) -> None:
    headers = Headers()
    headers["A"] = "1"
    headers["a"] = "2"
    headers.append("A", "3")
    headers.append("B", ["4", "5"])
    assert headers.pairs() == [("A", "1"), ("a", "2"), ("A", "3"), ("B", "4"), ("B", "5")]
    assert headers["A"] == "1" and headers.last("A") == "3" and headers.get_all("B") == ["4", "5"]
    assert headers.last("C") is None and headers.last("C", "no") == "no"
    assert list(headers) == ["A", "a", "B"] and len(headers) == 3 and "B" in headers and "C" not in headers
    headers["B"] = ["6", "7"]
    headers.set("A", "8")
    assert headers.get_all("A") == ["8"] and headers.get_all("B") == ["6", "7"]
    headers.set("A", "9", match="ignore_case")
    assert headers.get_all("A", match="ignore_case") == ["9"]
    assert headers.delete("a") is False and headers.delete("a", match="ignore_case") is True
    headers.update({"B": "new", "C": "x"})
    assert headers == {"B": "new", "C": "x"} and dict(headers.items()) == {"B": "new", "C": "x"}
    headers.update(headers)
    assert headers.pairs() == [("B", "new"), ("C", "x")]
    del headers["B"]
    with pytest.raises(KeyError):
        del headers["B"]
    copy = headers.copy()
    headers.clear()
    assert not headers and copy == {"C": "x"} and copy != headers and headers == {} and headers == Headers()
    with pytest.raises(TypeError):
        hash(headers)
    assert repr(copy) == "<Headers [('C', 'x')]>"


async def test_wrong_changes_change_nothing(url: str) -> None:
    headers = Headers({"A": ["1", "2"]})
    for name, value in (("A", "a\nb"), ("A", ["3", "\0"]), ("not ok", "1"), ("", "1"), ("A", "x" * 70000)):
        with pytest.raises(errors.Error):
            headers[name] = value
        with pytest.raises(errors.Error):
            headers.set(name, value)
    for value in (5, None, ["1", 5], b"x"):
        with pytest.raises(TypeError):
            headers["A"] = value  # type: ignore[assignment]
    with pytest.raises(TypeError):
        headers.append(5, "1")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidError):
        headers.get("A", match="nearly")  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        headers.get("A", match=5)  # type: ignore[call-overload]
    assert headers.pairs() == [("A", "1"), ("A", "2")]


async def test_canonical_names(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("canonical")
        sent = Headers([("X-Request-Id", "1"), ("x-request-id", "2"), ("X-Request-Id", "3")])
        await nc.publish("canonical", b"", headers=sent)
        received = (await sub.next_msg()).headers
    assert received is not None
    for headers in (sent, received):
        assert headers.get("x-REQUEST-id") is None
        assert headers.get("x-REQUEST-id", match="canonical") == "1"
        assert headers.get_all("x-REQUEST-id", match="canonical") == ["1", "3"]
        assert headers.last("x-REQUEST-id", match="canonical") == "3"
        assert headers.last("x-REQUEST-id", match="ignore_case") == "3"
        assert headers.get_all("x-request-id", match="exact") == ["2"]
        assert headers.get("X-REQUEST-ID", ignore_case=True) == "1"
    assert sent == received and received == sent
    sent.set("x-request-ID", "4", match="canonical")
    assert sent.pairs() == [("x-request-id", "2"), ("X-Request-Id", "4")]


async def test_those_of_a_message_cannot_be_changed(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("frozen")
        await nc.publish("frozen", b"", headers={"A": "1"})
        headers = (await sub.next_msg()).headers
    assert headers is not None
    for change in (
        lambda: headers.set("A", "2"),
        lambda: headers.append("A", "2"),
        lambda: headers.delete("A"),
        lambda: headers.update({}),
        lambda: headers.clear(),
        lambda: headers.__setitem__("A", "2"),
        lambda: headers.__delitem__("A"),
    ):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    mine = Headers(headers)
    mine["A"] = "2"
    assert headers == {"A": "1"} and mine == {"A": "2"}


async def test_sent_many_times(url: str) -> None:
    """One object goes with every kind of message, and what is sent is what it holds at that moment."""
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("many.times")
        headers = Headers()
        for i in range(50):
            headers["N"] = str(i)
            await nc.publish("many.times", b"", headers=headers)
        await nc.publish_batch([("many.times", b"", "", headers), ("many.times", b"", "", {"N": "dict"})])
        headers.clear()
        await nc.publish("many.times", b"", headers=headers)
        got = [(await sub.next_msg()).headers for _ in range(53)]
        assert [one["N"] for one in got[:52]] == [*map(str, range(50)), "49", "dict"]
        assert got[52] is None


async def test_long_values(url: str) -> None:
    headers = Headers({"Long-" + "n" * 600: "v" * 5000, "Short": "1"})
    assert headers.pairs() == [("Long-" + "n" * 600, "v" * 5000), ("Short", "1")]
    assert headers["Long-" + "n" * 600] == "v" * 5000
    assert headers.copy() == headers
