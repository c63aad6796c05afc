# SPDX-License-Identifier: Apache-2.0
"""From keyword arguments to the library's options: names, types, and nats-py's names for some of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import _natskit, errors

Pair = tuple[str | None, Any]  # None: a context

_STRING, _LIST, _INTEGER, _BOOLEAN, _DURATION = 1, 2, 3, 4, 5  # a choice (6) and a text (7) are given as str
_TYPES: dict[int, dict[str, int]] = {}


def _types(scope: int) -> dict[str, int]:
    """The type of each option of a scope."""
    if scope not in _TYPES:
        _TYPES[scope] = {row[0]: row[1] for row in _natskit._options(scope)}
    return _TYPES[scope]


def _seconds(name: str, value: Any) -> int:
    """A duration of nats-py, in seconds, as milliseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not math.isfinite(value) or abs(value) > 1e9:
        raise errors.InvalidError(f"{name}: not a number of seconds that can be waited for")
    return math.ceil(value * 1000)


def milliseconds(name: str, value: Any) -> int | None:
    """The same for a parameter that may be None."""
    return None if value is None else _seconds(name, value)


def _negated(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be bool, not {type(value).__name__}")
    return not value


def _buffer(name: str, value: Any) -> Any:
    """nats-py refuses what is published while disconnected for every number below 1."""
    return max(value, 0) if isinstance(value, int) else value


def _header_lines(name: str, value: Any) -> list[str]:
    """A mapping from names to one value or several, as the lines that the library takes."""
    lines: list[str] = []
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of str to str or a list of str, not {type(value).__name__}")
    for key, values in value.items():
        entries = [values] if isinstance(values, str) else values
        if not isinstance(entries, (list, tuple)):
            raise TypeError(f"{name}[{key!r}] must be str or a list of str, not {type(values).__name__}")
        lines += [f"{key}: {entry}" for entry in entries]
    return lines


def _same(name: str, value: Any) -> Any:
    return value


# nats-py's name -> (the option, how the value changes)
_ALIASES: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "allow_reconnect": ("reconnect", _same),
    "connect_timeout": ("attempt_timeout_ms", _seconds),
    "dont_randomize": ("randomize", _negated),
    "max_outstanding_pings": ("max_pings_out", _same),
    "nkeys_seed": ("nkey_seed_file", _same),
    "nkeys_seed_str": ("nkey_seed", _same),
    "pending_size": ("reconnect_buffer_bytes", _buffer),
    "ping_interval": ("ping_interval_ms", _seconds),
    "reconnect_time_wait": ("reconnect_wait_ms", _seconds),
    "tls_handshake_first": ("tls_first", _same),
    "tls_hostname": ("tls_server_name", _same),
    "ws_connection_headers": ("ws_headers", _header_lines),
}
_PATHS = ("_file", "_path")  # ends of names of options that are paths
_NO_CONTEXT = (
    'tls must be "auto", "require" or "off", not {}: the library does TLS itself, without Python\'s ssl. '
    "Instead of a context give tls_ca_file, tls_cert_file, tls_key_file, tls_key_password, tls_server_name "
    "or tls_min_version"
)


def _checked(name: str, value: Any, kind: int) -> Any:
    """The value in the form that the C part takes: str, int, bool or a list of str."""
    wanted = "str"
    if kind == _BOOLEAN:
        if isinstance(value, (bool, str)):
            return value
        wanted = "bool"
    elif kind in (_INTEGER, _DURATION):
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return value
        if kind == _DURATION and isinstance(value, float) and math.isfinite(value):
            return math.ceil(value)
        wanted = "int"
    elif kind == _LIST:
        if isinstance(value, str):
            return value
        if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
            entries = list(value)
            if all(isinstance(entry, str) for entry in entries):
                return entries
        wanted = "str or a list of str"
    elif isinstance(value, str):
        return value
    elif isinstance(value, os.PathLike) and name.endswith(_PATHS):
        return os.fsdecode(value)
    elif name == "tls":
        raise TypeError(_NO_CONTEXT.format(type(value).__name__))
    raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def pairs(scope: int, options: dict[str, Any]) -> list[Pair]:
    """Options as the C part takes them. None stands for the default. Unknown names go through: the library's
    error suggests the nearest."""
    types = _types(scope)
    result: list[Pair] = []
    for name, value in options.items():
        if value is None:
            continue
        if scope == _natskit.OPTIONS_CONNECT and name in _ALIASES and name not in types:
            option, change = _ALIASES[name]
            value = change(name, value)
            if not (isinstance(value, os.PathLike) and option.endswith(_PATHS)):
                _checked(name, value, types.get(option, _STRING))
            name = option
        kind = types.get(name)
        result.append((name, "" if kind is None else _checked(name, value, kind)))
    return result


def joined(name: str, value: Any) -> str:
    """Urls as one text, cut at commas."""
    urls = _checked(name, value, _LIST)
    return urls if isinstance(urls, str) else ",".join(urls)


def connect_pairs(
    servers: str | Iterable[str] | None, context: str | None, options: dict[str, Any]
) -> tuple[str, list[Pair]]:
    """The url and the options of a connect: a list of servers becomes the option `servers`; a context comes first, so
    that options win over it."""
    before: list[Pair] = [] if context is None else [(None, context)]
    if servers is None or isinstance(servers, str):
        return servers or "", before + pairs(_natskit.OPTIONS_CONNECT, options)
    return "", before + pairs(_natskit.OPTIONS_CONNECT, {**options, "servers": servers})
