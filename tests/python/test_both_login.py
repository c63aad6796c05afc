# SPDX-License-Identifier: Apache-2.0
"""Who the user is, against real servers: the function that is asked at each attempt, nats-py's names, and
what a connection tells of its TLS."""

from __future__ import annotations

import base64
import ssl
import time
from collections import UserString
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import face_async as face
import natskit
import pytest
from natskit import errors, nkeys
from natskit_testing import SCHEME, Server, wallet

PASSWORD = "pw-Marker-7f3a"
OTHER = "pw-Marker-7f3a-2"
TOKEN = "tk-Marker-91c4"
RIGHT = {"user": "alice", "password": PASSWORD}


def users(password: str) -> str:
    return f'authorization {{ users = [ {{ user: "alice", password: "{password}" }} ] }}'


def path(name: str) -> str:
    """Of a file of the wallet."""
    return str(wallet().dir / name)


def text(name: str) -> str:
    return wallet().text(name)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that wants a user and a password."""
    with Server(extra=users(PASSWORD), jetstream=False) as made:
        yield made


@pytest.fixture(scope="module")
def keyed() -> Iterator[Server]:
    """One that wants an nkey."""
    config = f"authorization {{ users = [ {{ nkey: {text('alice.nkey')} }} ] }}"
    with Server(extra=config, jetstream=False) as made:
        yield made


@pytest.fixture(scope="module")
def operated() -> Iterator[Server]:
    """One that wants JWTs."""
    with Server(extra=text("operator.conf"), jetstream=False) as made:
        yield made


def tls_config(more: str = "") -> str:
    return f"tls {{ cert_file: {path('server.pem')}, key_file: {path('server.key')}, {more} }}"


@pytest.fixture(scope="module")
def secure() -> Iterator[Server]:
    """One that wants TLS."""
    with Server(extra=tls_config(), jetstream=False) as made:
        yield made


def own(server: Server) -> str:
    """Its listener for nats://, also where all others are spoken to by WebSocket."""
    return f"nats://127.0.0.1:{server.port}"


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        await face.nap(0.005)


async def works(nc: natskit.Client) -> None:
    sub = await nc.subscribe("works")
    await nc.publish("works", b"yes")
    assert (await sub.next_msg(60)).data == b"yes"
    await sub.unsubscribe()


# --------------------------------------------------------------------------------------- the function


async def test_a_right_answer(guarded: Server) -> None:
    asked: list[natskit.Event] = []

    async def auth(event: natskit.Event) -> dict[str, Any]:
        asked.append(event)
        await face.rest()
        return RIGHT

    async with natskit.connect(guarded.url, auth=auth) as nc:
        await works(nc)
    assert len(asked) == 1
    assert asked[0].type == "auth_needed" and asked[0].request > 0
    assert asked[0].server == guarded.url and asked[0].nonce == ""
    in_bytes = {"user": b"alice", "password": bytearray(PASSWORD, "ascii")}
    async with natskit.connect(guarded.url, auth=lambda event: in_bytes) as nc:
        await works(nc)


async def test_a_wrong_answer(guarded: Server) -> None:
    """It wins over what is configured; the error names neither."""
    answer = {"user": "alice", "password": OTHER}
    with pytest.raises(errors.AuthorizationError) as caught:
        await natskit.connect(guarded.url, auth=lambda event: answer, **RIGHT)
    assert PASSWORD not in str(caught.value) and isinstance(caught.value, errors.AuthError)


async def test_what_the_answer_lacks_is_as_configured(guarded: Server) -> None:
    answer = {"password": PASSWORD, "token": None}
    async with natskit.connect(guarded.url, auth=lambda event: answer, user="alice", password="wrong") as nc:
        await works(nc)


async def test_no_answer(guarded: Server) -> None:
    """None is an answer: it comes at once."""
    options = {"answer_timeout_ms": 60_000, **RIGHT}
    async with natskit.connect(guarded.url, auth=lambda event: None, **options) as nc:
        await works(nc)
    with pytest.raises(errors.AuthorizationError):
        await natskit.connect(guarded.url, auth=lambda event: {})


NONSENSE: list[tuple[Any, type[Exception]]] = [
    (5, TypeError),
    ("alice", TypeError),
    ({"password": 5}, TypeError),
    ({"passwort": "x"}, errors.UnknownOptionError),
    ({"password": "line\r\nbreak"}, errors.InvalidError),
    ({"nkey_seed": "SUAnonsense"}, errors.CredentialsError),
    ({"creds": "nonsense"}, errors.CredentialsError),
]


@pytest.mark.parametrize("case", [*range(len(NONSENSE)), "raises"])
async def test_a_function_that_fails(guarded: Server, case: Any) -> None:
    """It is reported, and what is configured counts, at once."""
    result, wanted = (None, KeyError) if case == "raises" else NONSENSE[case]

    def auth(event: natskit.Event) -> Any:
        if case == "raises":
            raise KeyError("of the application")
        return result

    with face.reported() as found:
        options = {"answer_timeout_ms": 60_000, **RIGHT}
        async with natskit.connect(guarded.url, auth=auth, **options) as nc:
            await works(nc)
    assert [type(error) for error in found] == [wanted]
    assert "SUAnonsense" not in str(found[0])


async def test_a_slow_function(guarded: Server) -> None:
    async def auth(event: natskit.Event) -> dict[str, str]:
        await face.nap(0.3)
        return RIGHT

    async with natskit.connect(guarded.url, auth=auth, answer_timeout_ms=30_000) as nc:
        await works(nc)


async def test_a_function_that_is_too_slow(guarded: Server) -> None:
    """What is configured counts, and the late answer is nothing."""
    done: list[str] = []

    async def auth(event: natskit.Event) -> dict[str, str]:
        await face.nap(0.4)
        done.append("late")
        return {"user": "nobody"}

    with face.reported() as found:
        async with natskit.connect(guarded.url, auth=auth, answer_timeout_ms=40, **RIGHT) as nc:
            assert not done
            await works(nc)
            await until(lambda: done)
            await works(nc)
    assert not found


async def test_asked_again_at_a_reconnect() -> None:
    """The password changes, the server is started anew."""
    with Server(extra=users(PASSWORD), jetstream=False) as server:
        current = [PASSWORD]
        asked: list[natskit.Event] = []

        async def auth(event: natskit.Event) -> dict[str, str]:
            asked.append(event)
            return {"user": "alice", "password": current[0]}

        options = {"reconnect_wait_ms": 20, "reconnect_wait_max_ms": 100, "reconnect_jitter_ms": 0}
        async with natskit.connect(server.url, auth=auth, **options) as nc:
            await works(nc)
            server.kill()
            config = server.dir / "server.conf"
            config.write_text(config.read_text().replace(PASSWORD, OTHER))
            await until(lambda: nc.is_reconnecting)
            server.restart()
            await until(lambda: len(asked) >= 3)  # refused more than once
            assert not nc.is_connected
            current[0] = OTHER
            await until(lambda: nc.is_connected)
            await works(nc)
        assert len({event.request for event in asked}) == len(asked)


async def test_both_functions(server: Server) -> None:
    """One subscription gets both requests."""
    delays: list[float] = []
    asked: list[str] = []

    def delay(event: natskit.Event) -> float:
        delays.append(event.delay)
        return 0.01

    def auth(event: natskit.Event) -> None:
        asked.append(event.server)

    options = {"reconnect_wait_ms": 60_000, "reconnect_wait_max_ms": 60_000, "answer_timeout_ms": 60_000}
    async with natskit.connect(server.url, auth=auth, reconnect_delay=delay, **options) as nc:
        server.kill()
        await until(lambda: len(delays) >= 2)
        server.restart()
        await until(lambda: nc.is_connected)
        await works(nc)
    assert len(asked) == 2


async def test_auth_alone_does_not_change_pauses(server: Server) -> None:
    """Its subscription gets requests for delays as well, which are answered with what comes without."""
    options = {"reconnect_wait_ms": 20, "reconnect_wait_max_ms": 20, "answer_timeout_ms": 60_000}
    async with natskit.connect(server.url, auth=lambda event: None, **options) as nc:
        server.kill()
        await until(lambda: nc.is_reconnecting)
        server.restart()
        await until(lambda: nc.is_connected)
        await works(nc)


async def test_the_programs_own_subscription(guarded: Server) -> None:
    """Without a function: events(answers=True), as soon as there is a connection."""
    options = {"ask_auth": True, "first_connect": "background", "answer_timeout_ms": 60_000}
    nc = await natskit.connect(guarded.url, **options)
    async with nc:
        plain, events = nc.events(), nc.events(answers=True)
        event = await events.next_msg(60)
        while event.type != "auth_needed":
            event = await events.next_msg(60)
        with pytest.raises(errors.NoReplyError):
            event.answer(1.0)
        with pytest.raises(TypeError):
            event.answer_auth(7)
        with pytest.raises(errors.CredentialsError):
            event.answer_auth({"nkey_seed": "x"})
        event.answer_auth(credentials=RIGHT)
        with pytest.raises(errors.NotFoundError):
            event.answer_auth(RIGHT)
        await until(lambda: nc.is_connected)
        await works(nc)
        told = await plain.next_msg(60)
        assert told.nonce == ""
        with pytest.raises(errors.NoReplyError):
            told.answer_auth(RIGHT)


async def test_wrong_ways(url: str) -> None:
    for wrong, told in (
        ({"auth": 5}, "auth must be callable"),
        ({"user_jwt_cb": 5}, "user_jwt_cb must be callable"),
        ({"signature_cb": "x"}, "signature_cb must be callable"),
        ({"user_credentials": 5}, "user_credentials must be a path"),
        ({"auth": print, "token": lambda: ""}, "cannot be combined with token"),
        ({"token": 5}, "token must be str"),
        ({"nkeys_seed": 5}, "nkeys_seed must be str"),
        ({"nkeys_seed_str": Path("x")}, "nkeys_seed_str must be str"),
        ({"password": Path("x")}, "password must be str"),
        ({"tls_hostname": 5}, "tls_hostname must be str"),
        ({"tls_handshake_first": 5}, "tls_handshake_first must be bool"),
    ):
        with pytest.raises(TypeError, match=told):
            await natskit.connect(url, **wrong)


# ---------------------------------------------------------------------------------------- nkeys and JWTs


async def test_nkey(keyed: Server) -> None:
    seed, file = text("alice.seed"), path("alice.seed")
    for options in (
        {"nkey_seed": seed},
        {"nkeys_seed_str": seed},
        {"nkey_seed_file": file},
        {"nkeys_seed": file},
        {"nkeys_seed": Path(file)},
        {"auth": lambda event: {"nkey_seed": seed}},
    ):
        async with natskit.connect(keyed.url, **options) as nc:
            await works(nc)
    with pytest.raises(errors.AuthorizationError):
        await natskit.connect(keyed.url, nkey_seed=text("bob.seed"))
    with pytest.raises(errors.CredentialsError):
        await natskit.connect(keyed.url, nkey_seed=text("slip.seed"))


async def test_signature(keyed: Server) -> None:
    """Whoever keeps the seed signs: bytes, or base64 as nats-py's functions give it."""
    seed, public = text("alice.seed"), text("alice.nkey")
    nonces: list[str] = []

    def raw(event: natskit.Event) -> dict[str, Any]:
        nonces.append(event.nonce)
        return {"nkey": public, "signature": nkeys.sign(seed, event.nonce)}

    def encoded(event: natskit.Event) -> dict[str, Any]:
        return {"nkey": public, "signature": base64.b64encode(nkeys.sign(seed, event.nonce)).decode()}

    def url_encoded(event: natskit.Event) -> dict[str, Any]:
        signed = base64.urlsafe_b64encode(nkeys.sign(seed, event.nonce)).rstrip(b"=")
        return {"nkey": public.encode(), "signature": signed}

    for auth in (raw, encoded, url_encoded):
        async with natskit.connect(keyed.url, auth=auth) as nc:
            await works(nc)
    assert len(nonces[0]) > 8
    with pytest.raises(errors.AuthorizationError):
        await natskit.connect(keyed.url, auth=lambda event: {"nkey": public, "signature": bytes(64)})


async def test_creds(operated: Server) -> None:
    file, creds = path("alice.creds"), text("alice.creds")
    jwt, seed = text("alice.jwt"), text("alice.seed")
    for options in (
        {"creds_file": file},
        {"creds_file": Path(file)},
        {"creds": creds},
        {"user_credentials": file},
        {"user_credentials": Path(file)},
        {"user_credentials": UserString(creds)},
        {"user_credentials": (path("alice.jwt"), path("alice.seed"))},
        {"user_credentials": (file, Path(path("alice.seed")))},
        {"jwt": jwt, "nkey_seed": seed},
        {"jwt": jwt, "nkeys_seed": path("alice.seed")},
        {"auth": lambda event: {"creds": creds}},
        {"auth": lambda event: {"creds_file": file}},
        {"auth": lambda event: {"creds_file": Path(file)}},
        {"auth": lambda event: {"jwt": jwt, "nkey_seed": seed.encode()}},
        {"auth": lambda event: {"jwt": jwt, "signature": nkeys.sign(seed, event.nonce)}},
    ):
        async with natskit.connect(operated.url, **options) as nc:
            await works(nc)
    with pytest.raises(errors.CredentialsError):
        await natskit.connect(operated.url, creds_file=path("broken.creds"))
    with pytest.raises(errors.AuthorizationError):
        await natskit.connect(operated.url, creds_file=path("foreign.creds"))


async def test_callbacks_of_nats_py(operated: Server, guarded: Server) -> None:
    jwt, seed = text("alice.jwt"), text("alice.seed")
    calls: list[str] = []

    def user_jwt_cb() -> bytearray:
        calls.append("jwt")
        return bytearray(jwt.encode())

    def signature_cb(nonce: str) -> bytes:
        calls.append("signature")
        return base64.b64encode(nkeys.sign(seed, nonce.encode()))

    options = {"user_jwt_cb": user_jwt_cb, "signature_cb": signature_cb}
    async with natskit.connect(operated.url, **options) as nc:
        await works(nc)
    assert calls == ["jwt", "signature"]
    async with natskit.connect(guarded.url, **RIGHT, **options) as nc:  # it sends no nonce
        await works(nc)
    assert len(calls) == 2
    async with natskit.connect(guarded.url, user=lambda: "alice", password=lambda: PASSWORD) as nc:
        await works(nc)
    with Server(extra=f'authorization {{ token: "{TOKEN}" }}', jetstream=False) as server:
        async with natskit.connect(server.url, token=lambda: TOKEN) as nc:
            await works(nc)
        async with natskit.connect(server.url, token=TOKEN) as nc:
            await works(nc)
        with pytest.raises(errors.AuthorizationError):
            await natskit.connect(server.url, token=lambda: TOKEN + "-not")


# --------------------------------------------------------------------------------------------------- TLS


async def test_facts_of_tls(secure: Server, shared_server: Server) -> None:
    async with natskit.connect(own(secure), tls_ca_file=Path(path("ca.pem"))) as nc:
        await works(nc)
        assert nc.tls is True and nc.tls_insecure is False and nc.tls_resumed is False
        assert nc.tls_version == "TLSv1.3"
        assert nc.tls_cipher.startswith("TLS_")
        await nc.reconnect()
        await until(lambda: nc.is_connected and nc.stats()["reconnects"] == 1)
        assert nc.tls_resumed is True
    assert nc.tls is False and nc.tls_version == ""
    async with natskit.connect(own(secure), tls_insecure=True) as nc:
        assert nc.tls is True and nc.tls_insecure is True
    async with natskit.connect(own(shared_server)) as nc:
        facts = (nc.tls, nc.tls_version, nc.tls_cipher, nc.tls_insecure, nc.tls_resumed)
        assert facts == (False, "", "", False, False)


async def test_what_tls_refuses(secure: Server, shared_server: Server) -> None:
    if SCHEME != "wss":  # there all processes of the tests believe its authority
        with pytest.raises(errors.CertificateError):
            await natskit.connect(own(secure))
    with pytest.raises(errors.CertificateError):
        await natskit.connect(own(secure), tls_ca_file=path("other-ca.pem"))
    with pytest.raises(errors.CertificateError):
        await natskit.connect(own(secure), tls_ca_file=path("ca.pem"), tls_hostname="nats.example")
    with pytest.raises(errors.SecureConnRequiredError):
        await natskit.connect(own(secure), tls="off")
    with pytest.raises(errors.SecureConnRequiredError):
        await natskit.connect(own(shared_server), tls="require")
    with pytest.raises(errors.CredentialsError):
        await natskit.connect(own(secure), tls_ca_file=path("none.pem"))


async def test_client_certificate_and_tls_first() -> None:
    more = f"ca_file: {path('ca.pem')}, verify: true, handshake_first: true"
    with Server(extra=tls_config(more), jetstream=False) as server:
        options = {
            "tls_ca": Path(path("ca.pem")).read_text(),
            "tls_cert_file": path("client-encrypted.pem"),
            "tls_key_file": path("client-encrypted.key"),
            "tls_key_password": "kp-Marker-d25e",
            "tls_hostname": "localhost",
            "tls_handshake_first": True,
        }
        async with natskit.connect(own(server), **options) as nc:
            await works(nc)
        del options["tls_cert_file"], options["tls_key_file"]
        with pytest.raises(errors.Error):
            await natskit.connect(own(server), **options)


async def test_no_context_of_ssl(url: str) -> None:
    with pytest.raises(TypeError, match="not SSLContext.* tls_ca_file"):
        await natskit.connect(url, tls=ssl.create_default_context())


# ------------------------------------------------------------------------------------------------ secrets


async def test_nothing_shows_secrets(guarded: Server) -> None:
    shown: list[str] = []
    url = guarded.url.replace("://", f"://alice:{PASSWORD}@")

    def auth(event: natskit.Event) -> dict[str, str]:
        shown.append(repr(event) + str(event) + event.text + event.server)
        return {"nkey_seed": text("slip.seed")}

    with face.reported() as found:
        async with natskit.connect(url, auth=auth, tls_key_password=OTHER) as nc:
            shown += [repr(nc), str(nc.server_info), str(nc.stats()), str(nc.connected_url), repr(vars(nc))]
            assert nc.last_error is None
    wrong = {"auth": lambda event: {"password": 5, "user": OTHER}}
    for options in ({"password": OTHER, "user": "alice"}, wrong):
        with face.reported() as more, pytest.raises(errors.Error) as caught:
            await natskit.connect(guarded.url, **options)
        found += more
        shown.append(repr(caught.value) + str(vars(caught.value)))
    shown += [repr(error) + str(error) + str(error.__dict__) for error in found]
    assert len(found) == 2
    for secret in (PASSWORD, OTHER, text("slip.seed"), text("alice.seed")):
        assert not [one for one in shown if secret in one]
