# SPDX-License-Identifier: Apache-2.0
"""ws:// and wss:// against real servers: messages, certificates, headers, refusals, what is not mixed."""

from __future__ import annotations

from collections.abc import Iterator

import natskit
import pytest
from natskit import errors
from natskit_testing import Server, Tap, wallet


def path(name: str) -> str:
    """Of a file of the wallet."""
    return str(wallet().dir / name)


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    extra = 'websocket { listen: "127.0.0.1:@PORT1@", no_tls: true, same_origin: true }'
    with Server(extra=extra, jetstream=False) as made:
        yield made


@pytest.fixture(scope="module")
def secure() -> Iterator[Server]:
    extra = (
        'websocket { listen: "127.0.0.1:@PORT1@", '
        f"tls {{ cert_file: {path('server.pem')}, key_file: {path('server.key')} }} }}"
    )
    with Server(extra=extra, jetstream=False) as made:
        yield made


def url_of(server: Server, scheme: str) -> str:
    return f"{scheme}://127.0.0.1:{server.extra_port(1)}"


async def talk(nc: natskit.Client) -> None:
    sub = await nc.subscribe("ws.>")
    for size in (0, 1, 125, 126, 65536, 300000):
        await nc.publish("ws.a", b"x" * size)
        assert (await sub.next_msg(timeout=20)).data == b"x" * size
    await sub.close()


async def test_messages(plain: Server) -> None:
    with Tap(url_of(plain, "ws")) as tap:
        async with natskit.connect(tap.url) as nc:
            assert nc.connected_url.startswith("ws://")
            assert nc.tls is False
            await talk(nc)


async def test_tls(secure: Server) -> None:
    async with natskit.connect(url_of(secure, "wss"), tls_ca_file=path("ca.pem")) as nc:
        assert nc.connected_url.startswith("wss://")
        assert nc.tls is True
        await talk(nc)
    with pytest.raises(errors.CertificateError):
        await natskit.connect(url_of(secure, "wss"), tls_ca_file=path("other-ca.pem"))


async def test_headers_and_refusals(plain: Server) -> None:
    url = url_of(plain, "ws")
    async with natskit.connect(url, ws_headers=["X-One: 1, 2", f"Origin: http://127.0.0.1:{plain.extra_port(1)}"]) as nc:
        await talk(nc)
    origin = f"http://127.0.0.1:{plain.extra_port(1)}"
    async with natskit.connect(url, ws_connection_headers={"X-One": ["1", "2"], "Origin": origin}) as nc:
        await talk(nc)
    for wrong in (["X-One: 1"], {"X-One": 1}):
        with pytest.raises(TypeError, match="ws_connection_headers"):
            await natskit.connect(url, ws_connection_headers=wrong)
    with pytest.raises(errors.WebSocketRefusedError, match="403 Forbidden") as caught:
        await natskit.connect(url, ws_headers=["Origin: http://elsewhere.test"])
    assert caught.value.server_code == 403
    with pytest.raises(errors.InvalidError, match="ws_headers"):
        await natskit.connect(url, ws_headers=["no colon"])
    with pytest.raises(errors.WebSocketError, match="nats://"):
        await natskit.connect(f"ws://127.0.0.1:{plain.port}")


async def test_no_mixture(plain: Server) -> None:
    with pytest.raises(errors.InvalidError, match="not mixed"):
        await natskit.connect([url_of(plain, "ws"), "nats://127.0.0.1:1"])
