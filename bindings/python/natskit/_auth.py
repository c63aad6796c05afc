# SPDX-License-Identifier: Apache-2.0
"""Who the user is: what the function `auth` of connect() gives, and nats-py's ways to say it.

The library reads files, signs and sends; here is only what a Python function returns, in the library's words.
"""

from __future__ import annotations

import base64
import os
from collections import UserString
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import _natskit, _options

Function = Callable[[_natskit.Event], Any]

_RAW_SIGNATURE = 64  # bytes; as base64 text it has 86 or 88
_CALLABLE = ("user", "password", "token")


def _text(name: str, value: Any) -> str:
    """nats-py's functions give bytes where the wire has text."""
    if isinstance(value, str):
        return value
    if name.endswith("_file") and isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name} must be str or bytes, not {type(value).__name__}")
    data = bytes(value)
    if name == "signature" and len(data) == _RAW_SIGNATURE:
        data = base64.b64encode(data)
    return data.decode("ascii", "replace")  # what is no ASCII is no credential, which the library says


def pairs(credentials: Any) -> list[_options.Pair]:
    """What a function has returned, as the C part takes it. None: what is configured counts."""
    if credentials is None:
        return []
    if not isinstance(credentials, Mapping):
        raise TypeError(f"credentials must be a mapping or None, not {type(credentials).__name__}")
    texts = {name: _text(name, value) for name, value in credentials.items() if value is not None}
    return _options.pairs(_natskit.OPTIONS_AUTH, texts)


def _jwt_file(path: str) -> Callable[[], str]:
    """A file that holds a user JWT alone, plain or between nsc's marks; read when it is asked for."""

    def read() -> str:
        lines = Path(path).read_text(encoding="ascii").splitlines()
        marked = [i for i, line in enumerate(lines) if "BEGIN NATS USER JWT" in line]
        return "".join(lines[marked[0] + 1 : marked[0] + 2] if marked else lines).strip()

    return read


def _user_credentials(options: dict[str, Any], value: Any) -> Callable[[], Any] | None:
    """nats-py's forms: a credentials file, its text as a UserString, or (JWT's file, seed's file)."""
    if isinstance(value, UserString):
        options["creds"] = str(value)
    elif isinstance(value, (str, os.PathLike)):
        options["creds_file"] = value
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        options["nkey_seed_file"] = value[1]
        return _jwt_file(os.fsdecode(value[0]))
    else:
        raise TypeError(
            "user_credentials must be a path, or the paths of a JWT and of a seed, "
            f"not {type(value).__name__}; the text of a credentials file is option creds"
        )
    return None


def _asked(functions: dict[str, Callable[..., Any]]) -> Function:
    """One function of several, each for one thing. Without a nonce a server wants neither JWT nor key."""

    def auth(event: _natskit.Event) -> dict[str, Any]:
        answer = {name: functions[name]() for name in _CALLABLE if name in functions}
        if event.nonce:
            if "jwt" in functions:
                answer["jwt"] = functions["jwt"]()
            if "signature" in functions:
                answer["signature"] = functions["signature"](event.nonce)
        return answer

    return auth


def taken(options: dict[str, Any], auth: Any) -> Any:
    """Takes nats-py's ways to give credentials out of `options`; gives the function to be asked, or None."""
    functions: dict[str, Any] = {}
    for name, part in (("user_jwt_cb", "jwt"), ("signature_cb", "signature")):
        function = options.pop(name, None)
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable, not {type(function).__name__}")
        if function is not None:
            functions[part] = function
    for name in _CALLABLE:
        if callable(options.get(name)):
            functions[name] = options.pop(name)
    if (value := options.pop("user_credentials", None)) is not None:
        jwt = _user_credentials(options, value)
        if jwt is not None:
            functions.setdefault("jwt", jwt)
    if functions and auth is not None:
        others = ", ".join(functions)
        raise TypeError(f"auth already says who the user is: it cannot be combined with {others}")
    if functions or auth is not None:
        options["ask_auth"] = True
    return _asked(functions) if functions else auth
