# SPDX-License-Identifier: Apache-2.0
"""Keys, JWTs of users, credentials and contexts: values, wrong ones, and a real server that lets in whom they
name."""

from __future__ import annotations

import base64
import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import natskit
import pytest
from natskit import errors, jwt, nkeys
from natskit_testing import Server, Tap

SEED = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
PUBLIC = "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"
ACCOUNT_SEED = "SAAASUPRY3ONU4GJR7J5RUVYRUFZXG56F4WEXELLLORQ65AEPSMIFTOJGE"
SIGNATURE = "ZaAiVDgB5CeYoXoQ7cBCmq+ZllzUnGUoDVb8C7PilWvCs8XKfUchAUhz2P4BYAF++Dg3w05CqyQFRDiGL6LrDw=="


@pytest.mark.parametrize("role", ["user", "account", "operator", "server", "cluster"])
def test_keys(role: str) -> None:
    seed = nkeys.create(role)
    key = nkeys.public_key(seed)
    assert len(seed) == 58 and len(key) == 56
    assert seed[0] == "S" and seed[1] == key[0] == {"server": "N"}.get(role, role[0].upper())
    assert nkeys.create(role) != seed
    signature = nkeys.sign(seed, b"data")
    assert len(signature) == 64
    assert nkeys.verify(key, b"data", signature)
    assert not nkeys.verify(key, b"date", signature)
    assert not nkeys.verify(key, b"data", signature[:-1])
    assert not nkeys.verify(nkeys.public_key(nkeys.create(role)), b"data", signature)


def test_known_key() -> None:
    assert nkeys.public_key(SEED) == PUBLIC
    for seed in (SEED, SEED.encode(), bytearray(SEED.encode()), memoryview(SEED.encode())):
        assert base64.b64encode(nkeys.sign(seed, "PXoWU7zWAMt75FY")).decode() == SIGNATURE
    assert nkeys.create()[:2] == "SU"


def test_wrong_keys() -> None:
    for seed in ("", "x", PUBLIC, SEED[:-1], SEED.lower(), SEED.replace("K", "L")):
        with pytest.raises(errors.CredentialsError) as caught:
            nkeys.sign(seed, b"")
        assert len(seed) < 8 or seed not in str(caught.value)
        with pytest.raises(errors.CredentialsError):
            nkeys.public_key(seed)
    with pytest.raises(errors.CredentialsError) as caught:
        nkeys.verify(SEED, b"", bytes(64))
    assert SEED not in str(caught.value)
    with pytest.raises(errors.InvalidError):
        nkeys.create("curve")
    calls: list[tuple[Any, ...]] = [
        (nkeys.create, 5),
        (nkeys.public_key, None),
        (nkeys.sign, SEED, 5),
        (nkeys.verify, PUBLIC, b"", None),
        (jwt.expiry, 5),
        (jwt.issue_user, ACCOUNT_SEED, 5),
        (jwt.format_creds, "a.b.c", 5),
    ]
    for function, *args in calls:
        with pytest.raises(TypeError):
            function(*args)


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_issue_user() -> None:
    account, key = nkeys.public_key(nkeys.create("account")), nkeys.public_key(ACCOUNT_SEED)
    claims = claims_of(jwt.issue_user(ACCOUNT_SEED, PUBLIC))
    assert claims["iss"] == key and claims["sub"] == claims["name"] == PUBLIC and "exp" not in claims
    assert claims["nats"]["subs"] == -1 and "issuer_account" not in claims["nats"]
    assert abs(claims["iat"] - time.time()) < 60
    token = jwt.issue_user(
        ACCOUNT_SEED, PUBLIC, account=account, name="anna", valid=timedelta(hours=1), tags=["a,b", "c", "c"]
    )
    claims = claims_of(token)
    assert claims["name"] == "anna"
    assert claims["nats"] == {"type": "user", "version": 2, "issuer_account": account, "tags": ["a,b", "c"]}
    expiry = jwt.expiry(token)
    assert expiry == datetime.fromtimestamp(claims["exp"], timezone.utc)
    assert timedelta(minutes=59) < expiry - datetime.now(timezone.utc) < timedelta(minutes=61)
    assert jwt.expiry(jwt.issue_user(ACCOUNT_SEED, PUBLIC, account=account, scoped=False)) is None
    many = [f"tag{i:04}" + "x" * 100 for i in range(200)]
    assert claims_of(jwt.issue_user(ACCOUNT_SEED, PUBLIC, tags=many))["nats"]["tags"] == many


def test_issue_refused() -> None:
    for seed, user, account in ((SEED, PUBLIC, None), (ACCOUNT_SEED, SEED, None), (ACCOUNT_SEED, PUBLIC, PUBLIC)):
        with pytest.raises(errors.CredentialsError) as caught:
            jwt.issue_user(seed, user, account=account)
        assert seed not in str(caught.value) and user not in str(caught.value)
    with pytest.raises(errors.InvalidError):
        jwt.issue_user(ACCOUNT_SEED, PUBLIC, name="a\nb")
    with pytest.raises(TypeError):
        jwt.issue_user(ACCOUNT_SEED, PUBLIC, valid="1h")  # type: ignore[arg-type]
    with pytest.raises(errors.CredentialsError):
        jwt.expiry("nonsense")


def test_creds() -> None:
    token = jwt.issue_user(ACCOUNT_SEED, PUBLIC)
    creds = jwt.format_creds(token, SEED)
    assert f"-----BEGIN NATS USER JWT-----\n{token}\n" in creds and f"\n{SEED}\n" in creds
    for wrong in (("nonsense", SEED), (token, ACCOUNT_SEED), (token, PUBLIC)):
        with pytest.raises(errors.CredentialsError):
            jwt.format_creds(*wrong)


def sign_claims(seed: str, subject: str, nats: dict[str, Any]) -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    claims = {"jti": "x", "iat": int(time.time()), "iss": nkeys.public_key(seed), "name": "t", "sub": subject}
    text = part(b'{"typ":"JWT","alg":"ed25519-nkey"}') + "." + part(json.dumps({**claims, "nats": nats}).encode())
    return text + "." + part(nkeys.sign(seed, text))


def configuration(account: str) -> str:
    """Of a server with an operator and this account."""
    operator = nkeys.create("operator")
    key = nkeys.public_key(operator)
    limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1, "leaf": -1}
    operator_jwt = sign_claims(operator, key, {"type": "operator", "version": 2})
    account_jwt = sign_claims(operator, account, {"type": "account", "version": 2, "limits": limits})
    return f"operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {account}: {account_jwt} }}\n"


async def test_a_server_lets_them_in(tmp_path: Path) -> None:
    account, user = nkeys.create("account"), nkeys.create("user")
    token = jwt.issue_user(account, nkeys.public_key(user), name="anna")
    creds = jwt.format_creds(token, user)
    file = tmp_path / "anna.creds"
    file.write_text(creds)
    file.chmod(0o600)
    with Server(extra=configuration(nkeys.public_key(account)), jetstream=False) as server, Tap(server) as tap:
        async with natskit.connect(tap.url, creds=creds) as nc:
            sub = await nc.subscribe("a")
            await nc.publish("a", b"1")
            assert (await sub.next_msg(timeout=10)).data == b"1"
        async with natskit.connect(tap.url, creds_file=str(file)) as nc:
            assert nc.is_connected
        stranger = nkeys.create("account")
        wrong = jwt.format_creds(jwt.issue_user(stranger, nkeys.public_key(user)), user)
        with pytest.raises(errors.AuthorizationError) as caught:
            await natskit.connect(tap.url, creds=wrong)
        assert "eyJ" not in str(caught.value) and "SU" not in str(caught.value)


@pytest.fixture
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "nats" / "context"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return folder


async def test_context(contexts: Path, tmp_path: Path) -> None:
    user = nkeys.create("user")
    (tmp_path / "user.nk").write_text(user + "\n")
    config = f"authorization {{ users = [ {{ nkey: {nkeys.public_key(user)} }} ] }}"
    with Server(extra=config, jetstream=False) as server, Tap(server) as tap:
        (contexts / "prod.json").write_text(json.dumps({"url": tap.url, "nkey": "$XDG_CONFIG_HOME/user.nk"}))
        (contexts / "other.json").write_text(json.dumps({"url": "127.0.0.1:1", "nkey": str(tmp_path / "user.nk")}))
        async with natskit.connect(context="prod") as nc:
            assert nc.connected_url == tap.url
        async with natskit.connect(tap.url, context="other") as nc:  # what is said wins
            assert nc.connected_url == tap.url
        (contexts.parent / "context.txt").write_text("prod\n")
        async with natskit.connect(context="", name="selected") as nc:
            assert nc.is_connected


async def test_context_refused(contexts: Path) -> None:
    with pytest.raises(errors.NotFoundError):
        await natskit.connect(context="none")
    with pytest.raises(errors.NotFoundError):
        await natskit.connect(context="")
    with pytest.raises(errors.InvalidError):
        await natskit.connect(context="../x")
    with pytest.raises(TypeError):
        await natskit.connect(context=5)  # type: ignore[arg-type]
    (contexts / "bad.json").write_text('{"nsc": "nsc://operator"}')
    with pytest.raises(errors.InvalidError, match="nsc"):
        await natskit.connect(context="bad")
