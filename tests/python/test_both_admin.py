# SPDX-License-Identifier: Apache-2.0
"""What operators do: snapshots, what needs a cluster, advisories, traces."""

from __future__ import annotations

from collections.abc import AsyncIterator  # [async]

import face_async as face
import natskit
import pytest
from natskit import errors


async def test_snapshot(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="AD1", subjects=["AD1.>"], storage="file")
        for number in range(200):
            await js.publish("AD1.m", str(number))
        chunks = []
        async with await js.admin.snapshot("AD1", chunk_size=1024) as snapshot:
            async for chunk in snapshot:
                chunks.append(chunk)
        assert len(chunks) > 1 and snapshot.state["messages"] == 200
        await js.delete_stream("AD1")
        back = {**snapshot.config, "name": "AD1BACK"}  # what was deleted may be in the way
        info = await js.admin.restore(back, snapshot.state, chunks)
        assert info.state.messages == 200
        assert (await js.get_msg("AD1BACK", 200)).data == b"199"
        with pytest.raises(errors.AlreadyExistsError) as there:
            await js.admin.restore(back, snapshot.state, chunks)
        assert there.value.err_code == 10130
        await js.delete_stream("AD1BACK")
        with pytest.raises(errors.JetStreamError):
            await js.admin.restore({**snapshot.config, "name": f"AD1{face.NAME}"}, snapshot.state, [b"nonsense"])
        with pytest.raises(TypeError):
            await js.admin.restore(snapshot.config, snapshot.state, [7])  # type: ignore[list-item]
        with pytest.raises(errors.StreamNotFoundError):
            await js.admin.snapshot("NONE")


async def test_restored_as_it_comes(js_url: str) -> None:
    """Chunks of a file, of which one may be empty; for asyncio those of what is still to come, too."""
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        names = [f"AD4{face.NAME}{letter}" for letter in "ABC"]  # what was deleted may be in the way for a while
        await js.add_stream(name=names[0], subjects=["AD4.>"], storage="file")
        await js.publish("AD4.m", bytes(5000))
        async with await js.admin.snapshot(names[0], chunk_size=1024) as snapshot:
            chunks = [chunk async for chunk in snapshot]
        await js.delete_stream(names[0])
        configs = [{**snapshot.config, "name": name} for name in names]
        info = await js.admin.restore(configs[1], snapshot.state, (part for part in [b"", *chunks, b""]), timeout=20)
        assert (info.config.name, info.state.messages) == (names[1], 1)
        await js.delete_stream(names[1])

        # [async]
        async def later() -> AsyncIterator[bytes]:
            yield b""
            for chunk in chunks:
                yield chunk

        info = await js.admin.restore(configs[2], snapshot.state, later())
        # [end]
        # [sync] info = js.admin.restore(configs[2], snapshot.state, iter(chunks))
        assert info.state.messages == 1


async def test_chunks(js_url: str) -> None:
    """One chunk, as the core sends it."""
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        name = f"AD5{face.NAME}"
        await js.add_stream(name=name, subjects=["AD5.>"], storage="file")
        async with await js.admin.snapshot(name) as snapshot:
            await js.delete_stream(name)
        answer = await js.call("stream.restore", stream=name, config=snapshot.config, state=snapshot.state)
        assert await js._restore_chunk(answer["deliver_subject"], bytearray(b"x"), 20) is None
        with pytest.raises(errors.BadSubjectError):
            await js._restore_chunk("a..b", b"x", 20)
        with pytest.raises(errors.NoRespondersError):
            await js._restore_chunk("nobody.there", b"x", 20)


async def test_given_up(js_url: str) -> None:
    """A snapshot that is closed is not whole."""
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="AD2", subjects=["AD2.>"], storage="file")
        for _ in range(100):
            await js.publish("AD2.m", bytes(1000))
        snapshot = await js.admin.snapshot("AD2", chunk_size=1024)
        await snapshot.close()
        with pytest.raises(errors.Error):
            async for _ in snapshot:
                pass
        await js.delete_stream("AD2")


async def test_needs_more(js_url: str) -> None:
    """Calls that a single server, or this account, cannot make say so."""
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="AD3", subjects=["AD3.>"], storage="memory")
        admin = js.admin
        calls = [
            lambda: admin.step_down_stream("AD3", "another"),
            lambda: admin.step_down_consumer("AD3", "c"),
            lambda: admin.step_down_meta(),
            lambda: admin.remove_stream_peer("AD3", "p"),
            lambda: admin.evacuate_stream_peer("AD3", "p"),
            lambda: admin.remove_consumer_peer("AD3", "c", "p"),
            lambda: admin.evacuate_consumer_peer("AD3", "c", "p"),
            lambda: admin.cancel_move("AD3"),
            lambda: admin.rescue_meta(),
            lambda: admin.remove_server("p"),
            lambda: admin.evacuate_server("p"),
            lambda: admin.purge_account("A"),
            lambda: admin.move_account_stream("A", "AD3", server="p"),
            lambda: admin.cancel_account_stream_move("A", "AD3"),
        ]
        js._timeout = 0.2
        for call in calls:
            with pytest.raises((errors.JetStreamError, errors.TimeoutError)):
                await call()
        js._timeout = 5.0
        await js.delete_stream("AD3")


async def test_advisories(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        async with await js.advisories() as advisories:
            await nc.publish("$JS.EVENT.ADVISORY.NOBODY", b"[")
            await nc.flush()
            await js.add_stream(name="AD4", subjects=["AD4.>"], storage="memory")
            found = {}
            while "stream_action" not in found or "" not in found:
                advisory = await advisories.next(timeout=20)
                found[advisory.kind] = advisory
            assert found["stream_action"].data["stream"] == "AD4"
            assert found["stream_action"].data["action"] == "create"
            assert found["stream_action"].subject == "$JS.EVENT.ADVISORY.STREAM.CREATED.AD4"
            assert found[""].data == {}
        await js.delete_stream("AD4")


async def test_trace(js_url: str) -> None:
    async with natskit.connect(js_url) as nc:
        js = nc.jetstream()
        await js.add_stream(name="AD5", subjects=["AD5.>"], storage="memory")
        tree = await js.admin.trace("AD5.x", b"x", headers={"a": "b"}, timeout=20)
        assert tree["missing"] == 0
        kinds = [event["type"] for event in tree["trace"]["events"]]
        assert "in" in kinds and "js" in kinds
        assert (await js.stream_info("AD5")).state.messages == 0
        await js.admin.trace("AD5.x", b"x", deliver=True, timeout=20)
        for _ in range(2000):
            if (await js.stream_info("AD5")).state.messages == 1:
                break
            await face.nap(0.01)
        assert (await js.stream_info("AD5")).state.messages == 1
        await js.delete_stream("AD5")
