# SPDX-License-Identifier: Apache-2.0
"""The pool of servers, what a cluster tells of it, and moving away from a server that will leave."""

from __future__ import annotations

from collections.abc import Iterator

import face_async as face
import natskit
import pytest
from natskit import errors
from natskit_testing import Cluster, Server, Tap, wait_for

GRACE = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "10s"'


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(2, extra=GRACE, jetstream=False) as servers:
        yield servers


async def types_until(events: natskit.Events, last: str) -> list[str]:
    """The types of events up to the first of that type."""
    seen: list[str] = []
    while last not in seen:
        seen.append((await events.next_msg(20)).type)
    return seen


async def test_discovered_servers(cluster: Cluster) -> None:
    first, second = cluster
    async with natskit.connect(first.url) as nc:
        await nc.flush()
        assert sorted(nc.servers) == sorted(cluster.urls)
        assert nc.discovered_servers == [second.url]
        assert {"url": first.url, "discovered": False, "failures": 0, "current": True} in nc.server_pool
        events = nc.events()
        second.kill()
        await types_until(events, "servers")
        assert nc.servers == [first.url]
    assert nc.servers == [] and nc.discovered_servers == []


async def test_the_pool_is_set(cluster: Cluster) -> None:
    """The present connection stays; the next one is to a server of the new pool."""
    with Tap(cluster[0]) as first, Tap(cluster[1]) as second:
        async with natskit.connect(first.url, use_discovered=False) as nc:
            events = nc.events()
            sub = await nc.subscribe("here")
            nc.set_server_pool([second.url])
            assert await types_until(events, "servers") == ["servers"]
            assert nc.servers == [second.url]
            assert nc.connected_url == first.url
            await nc.publish("here", b"still")
            assert (await sub.next_msg(10)).data == b"still"
            await nc.reconnect()
            await types_until(events, "reconnected")
            assert nc.connected_url == second.url
            nc.set_server_pool(f"{first.url},{second.url}")
            assert sorted(nc.servers) == sorted([first.url, second.url])


async def test_the_pool_is_set_in_an_outage(server: Server, url: str) -> None:
    """The new server is tried at once, however long the pause is."""
    async with natskit.connect(server.url, reconnect_wait_ms=3600000, reconnect_wait_max_ms=3600000) as nc:
        events = nc.events()
        server.kill()
        await types_until(events, "async_error")  # refused: the pause begins
        nc.set_server_pool(url)
        await types_until(events, "reconnected")
        assert nc.connected_url == url


async def test_the_pool_is_set_wrongly(url: str) -> None:
    async with natskit.connect(url) as nc:
        before = nc.server_pool
        for wrong in ("", [], "a,,b", ["http://a"], "a:0"):
            with pytest.raises(errors.InvalidError):
                nc.set_server_pool(wrong)
        for wrong in (None, 5, [b"a"]):
            with pytest.raises(TypeError):
                nc.set_server_pool(wrong)  # type: ignore[arg-type]
        assert nc.server_pool == before
    with pytest.raises(errors.ConnectionClosedError):
        nc.set_server_pool(url)


async def test_a_port_instead_of_urls(shared_server: Server, tap: Tap) -> None:
    async with natskit.connect(port=shared_server.port) as nc:
        assert nc.connected_url == f"nats://127.0.0.1:{shared_server.port}"
    with pytest.raises(errors.InvalidError, match="option port"):
        await natskit.connect(tap.url, port=tap.port)
    with pytest.raises(errors.InvalidError, match="option port"):
        await natskit.connect([tap.url], port=tap.port)


async def test_a_full_server() -> None:
    with Server(extra="max_connections: 1", jetstream=False) as full:
        async with natskit.connect(full.url):
            with pytest.raises(errors.ServerLimitError, match="maximum connections exceeded"):
                await natskit.connect(full.url)


async def test_moves_away_from_a_lame_duck(cluster: Cluster) -> None:
    """Within the grace, with all that waits, and a request that is under way."""
    with Tap(cluster[0]) as first, Tap(cluster[1]) as second:
        async with (
            natskit.connect(first.url, use_discovered=False) as nc,
            natskit.connect(second.url) as other,
        ):
            events = nc.events()
            sub = await nc.subscribe("mine")
            seen = await other.subscribe("numbers")
            asked = await other.subscribe("ask")
            await other.flush()
            await nc.flush()
            nc.set_server_pool([first.url, second.url])

            async def ask() -> bytes:
                reply = await nc.request("ask", b"?", 30)
                return bytes(reply.data)

            request = face.spawn(ask)
            question = await asked.next_msg(20)
            cluster[0].lame_duck()
            assert "lame_duck" in await types_until(events, "lame_duck")
            count = 0
            while nc.connected_url != second.url:
                await nc.publish("numbers", str(count).encode())
                count += 1
                await face.nap(0.002)
            await nc.flush()  # the second server knows where the answer has to go
            await question.respond(b"!")
            assert await face.join(request) == b"!"
            types = await types_until(events, "reconnected")
            assert types.count("disconnected") == 1 and "lame_duck" not in types
            await nc.flush()
            for number in range(count):
                assert (await seen.next_msg(10)).data == str(number).encode()
            assert nc.stats()["unconfirmed"] == 0
            await nc.publish("mine", b"found")
            assert (await sub.next_msg(10)).data == b"found"
            cluster[0].kill()


async def test_stays_at_a_lame_duck(cluster: Cluster) -> None:
    async with natskit.connect(cluster[0].url, move_on_lame_duck=False) as nc:
        events = nc.events()
        cluster[0].lame_duck()
        await types_until(events, "lame_duck")
        await nc.flush()
        assert nc.connected_url == cluster[0].url
        cluster[0].kill()
        types = await types_until(events, "reconnected")
        assert "disconnected" in types
        wait_for(lambda: nc.connected_url == cluster[1].url, what="the other server")
