# SPDX-License-Identifier: Apache-2.0
"""Codecs of keys and values that a program brings (ADR-54), for both faces: what they may be, and how what they do
wrong is told. Those that the library has are the options `codec` and `value_codec` of a bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from . import errors

__all__ = ["Codecs", "KeyCodec", "ValueCodec"]

_Given = TypeVar("_Given")


class KeyCodec(Protocol):
    """What keys are in a bucket. What encode() gives has to be a key; with option `codec` beside it, that comes
    behind it and makes one of any text.

    Patterns go through encode_filter(pattern), if there is one, those without wildcards as well; it has to leave `*`
    and `>` as tokens. Without it only patterns that hold neither are taken, and ">" for all keys.
    """

    def encode(self, key: str, /) -> str:
        """As it is stored."""
        ...

    def decode(self, stored: str, /) -> str:
        """The key of what is stored, which another client may have written: raise an exception for what is none."""
        ...


class ValueCodec(Protocol):
    """What values are in a bucket: compressed, encrypted, ..."""

    def encode(self, value: bytes, /) -> bytes:
        """As it is stored."""
        ...

    def decode(self, stored: bytes, /) -> bytes:
        """The value of what is stored. It is asked neither about deletes nor about values that were left out."""
        ...


def _check(name: str, codec: Any) -> None:
    for method in ("encode", "decode"):
        if codec is not None and not callable(getattr(codec, method, None)):
            raise TypeError(f"{name} must have methods encode and decode, not be {type(codec).__name__}")


def _call(function: Callable[[Any], Any], argument: Any, wanted: type[_Given], what: str, key: str) -> _Given:
    """Calls a method of a codec; what goes wrong names the key."""
    try:
        given = function(argument)
    except Exception as error:
        raise errors.InvalidError(f'key "{key}": {what} has raised {type(error).__name__}: {error}') from error
    if not isinstance(given, wanted):
        raise errors.InvalidError(
            f'key "{key}": {what} has given {type(given).__name__}, not {wanted.__name__}'
        )
    return given


class Codecs:
    """Those of one bucket. The C part calls decode_key() and decode_value() when an entry is asked for its key and
    value, so an exception comes to who asks, and a watch goes on."""

    def __init__(self, keys: KeyCodec | None, values: ValueCodec | None) -> None:
        _check("key_codec", keys)
        _check("value_codec", values)
        self._keys = keys
        self._values = values
        self._filter: Callable[[str], str] | None = getattr(keys, "encode_filter", None)

    def encode_key(self, key: str) -> str:
        if self._keys is None or not isinstance(key, str):  # which the call itself refuses
            return key
        return _call(self._keys.encode, key, str, "encode of its codec", key)

    def encode_filter(self, pattern: str) -> str:
        if self._keys is None or not isinstance(pattern, str):
            return pattern
        if self._filter is not None:
            return _call(self._filter, pattern, str, "encode_filter of its codec", pattern)
        if pattern == ">":
            return pattern
        if "*" in pattern or ">" in pattern:
            raise errors.InvalidError(f'pattern "{pattern}": the codec of keys has no encode_filter')
        return self.encode_key(pattern)

    def encode_value(self, key: str, value: Any) -> Any:
        if self._values is None:
            return value
        data = value.encode() if isinstance(value, str) else bytes(memoryview(value))
        return _call(self._values.encode, data, bytes, "encode of the value's codec", key)

    def decode_key(self, stored: str) -> str:
        return stored if self._keys is None else _call(self._keys.decode, stored, str, "decode of its codec", stored)

    def decode_value(self, stored_key: str, data: bytes) -> bytes:
        if self._values is None:
            return data
        return _call(self._values.decode, data, bytes, "decode of the value's codec", stored_key)
