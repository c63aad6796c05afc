# SPDX-License-Identifier: Apache-2.0
"""Between Python's values and JetStream's JSON, without losing anything.

Durations are seconds here and integers of nanoseconds there, times are datetimes and RFC 3339. A float has 53
bits and a datetime microseconds: where that is not enough for what a server sent, the value is of a subclass that
keeps the rest, so that a configuration goes back as it came.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

from .. import errors

Duration = float | int | Decimal | timedelta
Time = datetime | str

_NS = 1_000_000_000
_INT64_MAX = (1 << 63) - 1
_FRACTION = re.compile(r"\.\d{6}(\d{1,3})")

_C = TypeVar("_C", bound="Config")


class ExactSeconds(float):
    """Seconds of which a float does not hold every nanosecond; `nanoseconds` does."""

    nanoseconds: int

    def __new__(cls, nanoseconds: int) -> ExactSeconds:
        self = super().__new__(cls, nanoseconds / _NS)
        self.nanoseconds = nanoseconds
        return self

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return (ExactSeconds, (self.nanoseconds,))


class ExactTime(datetime):
    """A time with nanoseconds: `nanosecond` is what follows the microseconds, 0 to 999."""

    nanosecond: int = 0

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (_exact_time, (datetime.combine(self.date(), self.timetz()), self.nanosecond))


def _exact_time(time: datetime, nanosecond: int) -> ExactTime:
    exact = ExactTime(*time.timetuple()[:6], time.microsecond, time.tzinfo)
    exact.nanosecond = nanosecond
    return exact


def _written(value: float) -> Decimal:
    """The number that a float is written as."""
    return Decimal(repr(float(value)))


def nanoseconds(name: str, value: Any) -> int:
    """A duration as an integer: exact for int, timedelta and Decimal; of a float the number that it is written
    as."""
    if isinstance(value, timedelta):
        number = (value.days * 86400 + value.seconds) * _NS + value.microseconds * 1000
    elif isinstance(value, ExactSeconds):
        number = value.nanoseconds
    elif isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise TypeError(f"{name} must be a number of seconds or a timedelta, not {type(value).__name__}")
    elif isinstance(value, int):
        number = value * _NS
    else:
        decimal = _written(value) if isinstance(value, float) else value
        if not decimal.is_finite() or abs(decimal) > _INT64_MAX:
            raise errors.InvalidError(f"{name}: not a number of seconds")
        number = int((decimal * _NS).to_integral_value())
        if number == 0 and value != 0:
            raise errors.InvalidError(f"{name}: less than a nanosecond")
    if abs(number) > _INT64_MAX:
        raise errors.InvalidError(f"{name}: at most 292 years")
    return number


def seconds(number: int) -> float:
    """The reverse of nanoseconds()."""
    value = number / _NS
    return value if _written(value) * _NS == number else ExactSeconds(number)


def time_text(name: str, value: Any) -> str:
    """A time as RFC 3339, in UTC; what is a str already stays as it is."""
    if isinstance(value, str):
        return value
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime or str, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise errors.InvalidError(f"{name}: the datetime has no time zone")
    nanosecond = value.nanosecond if isinstance(value, ExactTime) else 0
    utc = value.astimezone(timezone.utc)
    return f"{utc.year:04d}{utc:-%m-%dT%H:%M:%S}.{utc.microsecond:06d}{nanosecond:03d}Z"


def time_ns(name: str, value: Any) -> int:
    """A time as nanoseconds since 1970; InvalidError if a text is none of RFC 3339."""
    text = time_text(name, value)
    try:
        made = time_of(text)
    except ValueError:
        raise errors.InvalidError(f'{name}: "{text}" is no time of RFC 3339') from None
    micros = (made - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    return micros * 1000 + (made.nanosecond % 1000 if isinstance(made, ExactTime) else 0)


def time_of(text: str) -> datetime:
    """The reverse of time_text(); ValueError if it is no time."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no time zone")
    time = time.astimezone(timezone.utc)
    found = _FRACTION.search(text)
    rest = int(found.group(1).ljust(3, "0")) if found else 0
    if rest == 0:
        return time
    return _exact_time(time, rest)


# ------------------------------------------------------------------------------------------ kinds of fields


class Kind(NamedTuple):
    """How the values of a field are read and written."""

    read: Callable[[Any], Any]
    write: Callable[[str, Any], Any]
    is_list: bool = False  # null stands for an empty one
    cls: Any = None  # of objects


def _same(value: Any) -> Any:
    return value


def _typed(name: str, value: Any, cls: type, words: str) -> Any:
    if not isinstance(value, cls) or (isinstance(value, bool) and cls is int):
        raise TypeError(f"{name} must be {words}, not {type(value).__name__}")
    return value


def _write_text(name: str, value: Any) -> str:
    return str(_typed(name, value, str, "str"))


def _write_number(name: str, value: Any) -> int:
    number: int = _typed(name, value, int, "int")
    if not -(1 << 63) <= number < 1 << 64:
        raise errors.InvalidError(f"{name}: a number of 64 bits")
    return number


def _write_flag(name: str, value: Any) -> bool:
    return bool(_typed(name, value, bool, "bool"))


def _items(name: str, value: Any, words: str) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be {words}, not {type(value).__name__}")
    return list(value)


def _write_texts(name: str, value: Any) -> list[str]:
    return [_write_text(f"each of {name}", item) for item in _items(name, value, "a list of str")]


def _write_durations(name: str, value: Any) -> list[int]:
    return [nanoseconds(f"each of {name}", item) for item in _items(name, value, "a list of durations")]


def _write_map(name: str, value: Any) -> dict[str, str]:
    _typed(name, value, Mapping, "a mapping of str to str")
    part = f"what is in {name}"
    return {_write_text(part, key): _write_text(part, item) for key, item in value.items()}


STRING = Kind(_same, _write_text)
STRINGS = Kind(list, _write_texts, True)
INTEGER = Kind(_same, _write_number)
BOOLEAN = Kind(_same, _write_flag)
DURATION = Kind(seconds, nanoseconds)
DURATIONS = Kind(lambda value: [seconds(item) for item in value], _write_durations, True)
TIME = Kind(time_of, time_text)
MAP = Kind(dict, _write_map)


def CHOICE(cls: type[Enum]) -> Kind:
    """A word; one that a newer server knows stays a str."""
    return Kind(cls, _write_text)


def OBJECT(cls: type[Config]) -> Kind:
    return Kind(cls.from_response, lambda name, value: _object(cls, name, value).as_dict(), False, cls)


def OBJECTS(cls: type[Config]) -> Kind:
    def read(value: Any) -> list[Any]:
        return [cls.from_response(item) for item in value]

    def write(name: str, value: Any) -> list[Any]:
        items = _items(name, value, f"a list of {cls.__name__}")
        return [_object(cls, f"each of {name}", item).as_dict() for item in items]

    return Kind(read, write, True, cls)


def _object(cls: type[_C], name: str, value: Any) -> _C:
    """Also from a mapping of its fields."""
    if isinstance(value, Mapping):
        return cls(**value)
    if not isinstance(value, cls):
        raise TypeError(f"{name} must be {cls.__name__} or a mapping, not {type(value).__name__}")
    return value


# ----------------------------------------------------------------------------------------- configurations


@dataclasses.dataclass(repr=False)
class Config:
    """Base of the configurations. None means: not said. `extra` holds what is not known here: fields of newer
    servers, in the server's own units."""

    __slots__ = ()
    _FIELDS: ClassVar[dict[str, Kind]] = {}

    @classmethod
    def from_response(cls: type[_C], raw: Mapping[str, Any]) -> _C:
        """From what a server has sent."""
        known: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, value in raw.items():
            kind = cls._FIELDS.get(name)
            if kind is None:
                extra[name] = value
            elif value is None:
                known[name] = [] if kind.is_list else None
            else:
                try:
                    known[name] = kind.read(value)
                except (ValueError, TypeError, AttributeError):  # a form that only a newer server knows
                    known[name] = value
        make: Any = cls  # of the classes below, which have it
        return cast(_C, make(**known, extra=extra))

    def as_dict(self) -> dict[str, Any]:
        """As it is sent: what was said, and `extra`."""
        fields = {name: getattr(self, name) for name in self._FIELDS}
        said = {
            name: self._FIELDS[name].write(name, value) for name, value in fields.items() if value is not None
        }
        classes: Any = self  # of those below, which have it
        return {**classes.extra, **said}

    def __repr__(self) -> str:
        fields = [field.name for field in dataclasses.fields(self)]
        said = [f"{name}={getattr(self, name)!r}" for name in fields if getattr(self, name) not in (None, {})]
        return f"{type(self).__name__}({', '.join(said)})"

    def evolve(self: _C, **params: Any) -> _C:
        """A copy with other values."""
        mine = {field.name: copy.copy(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return type(self)(**{**mine, **params})


def config_of(cls: type[_C], config: _C | Mapping[str, Any] | None, params: Mapping[str, Any]) -> _C:
    """What add_stream(config, **params) and its like are given."""
    if config is None:
        return cls(**params)
    made = _object(cls, "config", config)
    return made.evolve(**params) if params else made


# ---------------------------------------------------------------------------------------------- buckets


def bucket(config: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a key-value bucket, an api.KeyValueConfig or a mapping, as the library takes it."""
    if dataclasses.is_dataclass(config):
        config = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    elif config is not None and not isinstance(config, Mapping):
        raise TypeError(f"config must be KeyValueConfig or a mapping, not {type(config).__name__}")
    said: dict[str, Any] = {}
    for name, value in {**(config or {}), **params}.items():
        if value is None:
            continue
        if name in ("ttl", "limit_marker_ttl"):
            said[name] = nanoseconds(name, value)
        elif name == "replicas":
            said["num_replicas"] = value
        elif isinstance(value, Config):
            said[name] = value.as_dict()
        elif isinstance(value, Enum):
            said[name] = value.value
        elif name == "sources":
            said[name] = [source.as_dict() if isinstance(source, Config) else source for source in value]
        else:
            said[name] = value
    return said


def store(name: Any, config: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """The same of an object store, whose name may come first."""
    if name is None or isinstance(name, str):
        return bucket(config, params if name is None else {**params, "bucket": name})
    if config is not None:
        raise TypeError("the configuration was given twice")
    return bucket(name, params)


def said_of_object(meta: Any) -> dict[str, Any]:
    """What an api.ObjectMeta says."""
    if not dataclasses.is_dataclass(meta):
        raise TypeError(f"meta must be ObjectMeta or a mapping, not {type(meta).__name__}")
    fields = ((field.name, getattr(meta, field.name)) for field in dataclasses.fields(meta))
    return {name: value for name, value in fields if value is not None}
