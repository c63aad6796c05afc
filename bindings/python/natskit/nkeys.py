# SPDX-License-Identifier: Apache-2.0
"""NATS keys ("nkeys"): Ed25519 keys written as text, whose letters tell their role.

seed = nkeys.create("user")  # "SU...", the secret
key = nkeys.public_key(seed)  # "U...", for others
signature = nkeys.sign(seed, nonce)
assert nkeys.verify(key, nonce, signature)

Seeds are taken as str or as bytes-like objects, so that a program can keep one in a bytearray and wipe it. What is
malformed, or of another role than is needed, raises errors.CredentialsError, whose text never holds a key.
"""

from __future__ import annotations

from typing import Any

from . import _natskit, errors

__all__ = ["create", "public_key", "sign", "verify"]

Bytes = bytes | bytearray | memoryview | str

_ROLES = {"user": "U", "account": "A", "operator": "O", "server": "N", "cluster": "C"}


def _bytes(name: str, value: Any) -> Bytes:
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return value
    raise TypeError(f"{name} must be str or bytes-like, not {type(value).__name__}")


def create(role: str = "user") -> str:
    """The seed of a new key, from the system's random source.

    Args:
        role: "user", "account", "operator", "server" or "cluster".
    """
    if not isinstance(role, str):
        raise TypeError(f"role must be str, not {type(role).__name__}")
    if role not in _ROLES:
        raise errors.InvalidError(f"role: not one of {', '.join(_ROLES)}")
    return _natskit._nkey_create(ord(_ROLES[role]))


def public_key(seed: Bytes) -> str:
    """The public key of a seed."""
    return _natskit._nkey_public(_bytes("seed", seed))


def sign(seed: Bytes, data: Bytes) -> bytes:
    """A signature of 64 bytes; for a server's nonce its base64 is sent."""
    return _natskit._nkey_sign(_bytes("seed", seed), _bytes("data", data))


def verify(public_key: Bytes, data: Bytes, signature: Bytes) -> bool:
    """Whether the signature is of this key over these bytes."""
    return _natskit._nkey_verify(
        _bytes("public_key", public_key), _bytes("data", data), _bytes("signature", signature)
    )
