# SPDX-License-Identifier: Apache-2.0
"""Connecting: what is accepted as servers and options, what fails and how, what a connection tells."""

from __future__ import annotations

import socket
import time

import natskit
import pytest
from natskit import errors
from natskit_testing import Server, Tap

AUTH = """
authorization { users = [ { user: "alice", password: "wonder land" } ] }
"""
TOKEN = 'authorization { token: "s3cret" }'


def closed_port() -> int:
    """A port that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def test_await_and_state(url: str, tap: Tap) -> None:
    nc = await natskit.connect(url)
    assert isinstance(nc, natskit.Client)
    assert nc.is_connected and not nc.is_closed and not nc.is_connecting and not nc.is_reconnecting
    assert nc.connected_url == tap.url
    assert nc.max_payload == 1048576
    assert nc.client_id > 0
    assert nc.server_info["client_id"] == nc.client_id
    assert nc.server_info["max_payload"] == nc.max_payload
    assert nc.connected_server_version == nc.server_info["version"]
    assert nc.last_error is None
    await nc.close()
    assert nc.is_closed and not nc.is_connected
    assert nc.connected_url is None
    assert nc.server_info == {}
    await nc.close()  # once more is harmless


async def test_context_manager(url: str) -> None:
    async with natskit.connect(url) as nc:
        assert nc.is_connected
    assert nc.is_closed


async def test_context_manager_of_a_client(url: str) -> None:
    nc = await natskit.connect(url)
    async with nc as same:
        assert same is nc
    assert nc.is_closed


async def test_context_manager_keeps_the_error(url: str) -> None:
    with pytest.raises(KeyError):
        async with natskit.connect(url) as nc:
            raise KeyError("inside")
    assert nc.is_closed


async def test_leaving_the_block_sends_what_was_published(url: str) -> None:
    async with natskit.connect(url) as receiver:
        sub = await receiver.subscribe("left.behind")
        await receiver.flush()
        async with natskit.connect(url) as sender:
            for _ in range(1000):
                await sender.publish("left.behind", b"x" * 100)
        for _ in range(1000):
            await sub.next_msg(5)


async def test_servers_in_many_forms(url: str) -> None:
    dead = f"{url.partition('://')[0]}://127.0.0.1:{closed_port()}"
    address = url.removeprefix("nats://")
    for servers in (url, address, [url], (url,), f"{dead}, {url}", [dead, url]):
        async with natskit.connect(servers) as nc:
            assert nc.connected_url == url
    async with natskit.connect(servers=[url]) as nc:
        assert nc.is_connected


async def test_options(url: str) -> None:
    async with natskit.connect(
        url,
        name="a name",
        verbose=True,
        pedantic=True,
        no_echo=True,
        inbox_prefix="_OWN.box",
        ping_interval_ms=5000,
        max_pings_out=3,
        outbox_bytes=1 << 20,
        reconnect=True,
        randomize=False,
    ) as nc:
        assert nc.new_inbox().startswith("_OWN.box.")
        assert nc.new_inbox() != nc.new_inbox()
        sub = await nc.subscribe("echo")
        await nc.publish("echo", b"not for me")
        await nc.flush()
        assert sub.pending_msgs == 0


async def test_names_of_nats_py(url: str) -> None:
    async with natskit.connect(
        servers=[url],
        name="n",
        allow_reconnect=False,
        connect_timeout=2,
        reconnect_time_wait=0.5,
        max_reconnect_attempts=3,
        ping_interval=20,
        max_outstanding_pings=2,
        dont_randomize=True,
        no_echo=False,
        verbose=False,
        pedantic=False,
    ) as nc:
        assert nc.is_connected


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"nmae": "x"}, errors.UnknownOptionError),
        ({"error_cb": 5}, TypeError),
        ({"connected_cb": print}, errors.UnknownOptionError),
        ({"outbox_full": "never"}, errors.InvalidError),
        ({"outbox_full": True}, TypeError),
        ({"first_connect": "maybe"}, errors.InvalidError),
        ({"pending_size": True}, TypeError),
        ({"name": 5}, TypeError),
        ({"name": b"x"}, TypeError),
        ({"verbose": 2.5}, TypeError),
        ({"verbose": "maybe"}, errors.InvalidError),
        ({"ping_interval": "5"}, TypeError),
        ({"ping_interval": float("nan")}, errors.InvalidError),
        ({"ping_interval_ms": 0}, errors.InvalidError),
        ({"ping_interval_ms": True}, TypeError),
        ({"ping_interval_ms": 1 << 70}, errors.InvalidError),
        ({"dont_randomize": 1}, TypeError),
        ({"max_pings_out": "many"}, errors.InvalidError),
        ({"max_pings_out": -1}, errors.InvalidError),
        ({"outbox_bytes": 1}, errors.InvalidError),
        ({"inbox_prefix": "a b"}, errors.InvalidError),
        ({"inbox_prefix": "a.*"}, errors.InvalidError),
        ({"timeout": -1}, errors.InvalidError),
        ({"timeout": "1"}, TypeError),
    ],
)
async def test_wrong_options(url: str, tap: Tap, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        await natskit.connect(url, **options)
    assert str(caught.value)
    assert tap.stats()["connections"] == 0


async def test_unknown_option_suggests(url: str) -> None:
    with pytest.raises(errors.UnknownOptionError, match="reconnect_wait_ms") as caught:
        await natskit.connect(url, reconect_wait_ms=5)
    assert isinstance(caught.value, TypeError)
    assert caught.value.name == "UNKNOWN_OPTION"


@pytest.mark.parametrize(
    "servers",
    [
        "http://127.0.0.1:1",
        "nats://",
        "nats://h:0",
        "nats://h:99999",
        "nats://h:x",
        "nats://[::1",
        "a b",
        ",,",
    ],
)
async def test_wrong_urls(servers: str) -> None:
    with pytest.raises(errors.InvalidError):
        await natskit.connect(servers, timeout=2)


@pytest.mark.parametrize("servers", [5, b"nats://127.0.0.1", [5], {"url": 1}.values()])
async def test_wrong_types_of_servers(servers: object) -> None:
    with pytest.raises(TypeError):
        await natskit.connect(servers, timeout=2)


async def test_refused() -> None:
    begin = time.monotonic()
    with pytest.raises(errors.NetworkError) as caught:
        await natskit.connect(f"nats://127.0.0.1:{closed_port()}", timeout=60)
    assert time.monotonic() - begin < 20
    assert caught.value.status in (errors.ConnectRefusedError.status, errors.NoServersError.status)


async def test_silent_server_ends_by_the_deadline() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begin = time.monotonic()
        with pytest.raises((errors.TimeoutError, errors.NetworkError)):
            await natskit.connect(f"nats://127.0.0.1:{silent.getsockname()[1]}", timeout=0.4)
        assert 0.3 < time.monotonic() - begin < 10


async def test_user_and_password() -> None:
    with Server(extra=AUTH, jetstream=False) as server:
        scheme, _, plain = server.url.partition("://")
        async with natskit.connect(f"{scheme}://{plain}", user="alice", password="wonder land") as nc:
            assert nc.is_connected
        async with natskit.connect(f"{scheme}://alice:wonder%20land@{plain}") as nc:
            assert nc.connected_url == f"{scheme}://{plain}"
        with pytest.raises(errors.AuthError) as caught:
            await natskit.connect(f"{scheme}://{plain}", user="alice", password="wrong pass")
        assert "wrong pass" not in str(caught.value)
        with pytest.raises(errors.AuthError):
            await natskit.connect(f"{scheme}://{plain}")


async def test_token() -> None:
    with Server(extra=TOKEN, jetstream=False) as server:
        scheme, _, plain = server.url.partition("://")
        async with natskit.connect(f"{scheme}://{plain}", token="s3cret") as nc:
            assert nc.is_connected
        async with natskit.connect(f"{scheme}://s3cret@{plain}") as nc:
            assert nc.is_connected
        with pytest.raises(errors.AuthError):
            await natskit.connect(f"{scheme}://{plain}", token="other")


async def test_a_client_that_was_never_connected() -> None:
    nc = natskit.Client()
    assert nc.is_closed and not nc.is_connected
    with pytest.raises(errors.UsageError):
        await nc.publish("a")
    await nc.close()
