# SPDX-License-Identifier: Apache-2.0
"""Fast ingest against a real server."""

from __future__ import annotations

from typing import Any

import natskit
import pytest
from natskit import errors


async def made(nc: natskit.Client, **config: Any) -> natskit.JetStreamContext:
    js = nc.jetstream()
    await js.add_stream(**{"name": "S", "subjects": ["s.>"], "storage": "memory", "allow_batched": True, **config})
    return js


async def stored(js: natskit.JetStreamContext) -> int:
    count: int = (await js.stream_info("S")).state.messages
    return count


async def test_ingest(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        async with js.ingest() as fast:
            for i in range(2000):
                assert await fast.publish("s.a", str(i)) == i + 1
            await fast.publish("s.b", json={"a": 1}, headers={"A": "1"})
        ack = fast.ack
        assert ack is not None and (ack.stream, ack.seq, ack.batch_size) == ("S", 2001, 2001) and ack.batch
        assert [(await js.get_msg("S", seq)).data for seq in (1, 1000, 2001)] == [b"0", b"999", b'{"a":1}']
        stats = fast.stats()
        assert (stats["published"], stats["acked"], stats["refused"], stats["lost"]) == (2001, 2001, 0, 0)
        with pytest.raises(errors.Error):
            await fast.publish("s.a", b"late")


async def test_nothing_published(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        async with js.ingest() as fast:
            pass
        assert fast.ack is None
        other = js.ingest()
        with pytest.raises(errors.InvalidError):
            await other.commit()
        await other.close()


async def test_refused(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        with pytest.raises(errors.WrongLastSequenceError) as refused:
            async with js.ingest() as fast:
                await fast.publish("s.a", b"1")
                await fast.publish("s.a", b"2", expected_last_seq=77)
        assert refused.value.outcome == "rejected"
        assert fast.stats()["acked"] == 1 and await stored(js) == 1
        failure = [one async for one in fast.failures][0]
        assert failure.id == 2 and failure.ack is None and isinstance(failure.error, errors.WrongLastSequenceError)


async def test_goes_on(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        async with js.ingest(on_gap="go_on", flow=10) as fast:
            for i in range(100):
                await fast.publish("s.a", b"x", expected_last_seq=77 if i == 49 else None)
        assert fast.ack is not None and fast.ack.batch_size == 100 and fast.ack.seq == 99
        assert [failure.id async for failure in fast.failures] == [50]
        assert fast.stats()["refused"] == 1


async def test_not_allowed(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc, allow_batched=False)
        fast = js.ingest()
        await fast.publish("s.a", b"1")
        with pytest.raises(errors.BatchNotAllowedError):
            await fast.commit()
        with pytest.raises(errors.BatchNotAllowedError):
            await fast.publish("s.a", b"1")
        await fast.close()
        await fast.close()
        assert await stored(js) == 0


async def test_left_by_an_exception(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = await made(nc)
        with pytest.raises(KeyError):
            async with js.ingest() as fast:
                await fast.publish("s.a", b"1")
                raise KeyError
        assert fast.ack is None
