# SPDX-License-Identifier: Apache-2.0
"""Names that have to agree: the stub with the extension, the statuses with the exceptions, the blocking face
with the one it is made from, the options with what connect takes."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import natskit
import natskit.sync
import pytest
from natskit import _natskit, errors

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "bindings/python/natskit/_natskit.pyi"
# What every class has, or what only type checkers look for.
EVERYWHERE = set(dir(object)) | {"__module__", "__buffer__", "__weakref__"}


def stub_names(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    names: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if not (isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"):
                names[node.target.id] = node
    return names


def members(stub: dict[str, ast.stmt], name: str) -> dict[str, ast.stmt]:
    """Of a class, with those of bases that the stub alone has, for what the two faces have in common."""
    node = stub[name]
    assert isinstance(node, ast.ClassDef)
    found: dict[str, ast.stmt] = {}
    for base in node.bases:
        base = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(base, ast.Name) and base.id.endswith("Facts"):
            found.update(members(stub, base.id))
    found.update(stub_names(node.body))
    return found


def test_stub_has_the_module() -> None:
    stub = stub_names(ast.parse(STUB.read_text(encoding="utf-8")).body)
    real = {name for name in vars(_natskit) if not name.startswith("__")}
    assert real == {name for name in stub if not name.endswith("Facts")}


@pytest.mark.parametrize("cls", [cls for cls in vars(_natskit).values() if inspect.isclass(cls)])
def test_stub_has_the_class(cls: type) -> None:
    listed = next(name for name, value in vars(_natskit).items() if value is cls)
    module = stub_names(ast.parse(STUB.read_text(encoding="utf-8")).body)
    stub = set(members(module, listed)) - EVERYWHERE
    real = set(vars(cls)) - EVERYWHERE
    assert real == stub
    assert cls.__doc__


def parameters(node: ast.FunctionDef) -> list[str]:
    arguments = node.args
    rest = [arguments.vararg] if arguments.vararg else []
    return [argument.arg for argument in arguments.posonlyargs + arguments.args + rest + arguments.kwonlyargs]


def test_stub_has_the_parameters() -> None:
    """The text signatures of the extension's methods name what the stub names."""
    stub = stub_names(ast.parse(STUB.read_text(encoding="utf-8")).body)
    checked = 0
    for name, value in vars(_natskit).items():
        if not inspect.isclass(value):
            continue
        methods = members(stub, name)
        for method, function in vars(value).items():
            text = getattr(function, "__text_signature__", None) if not method.startswith("_") else None
            if not text:
                continue
            words = [word.strip().partition("=")[0] for word in text.strip("()").split(",")]
            words = [word.removeprefix("*") or word for word in words]
            words = [word for word in words if word not in ("$self", "/", "*")]
            node = methods[method]
            assert isinstance(node, ast.FunctionDef)
            assert words == parameters(node)[1:], f"{name}.{method}"
            checked += 1
    assert checked >= 20


def test_generated_files_are_fresh() -> None:
    spec = importlib.util.spec_from_file_location(
        "generate_sync", ROOT / "bindings/python/tools/generate_sync.py"
    )
    assert spec and spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    for source, target in generator.jobs():
        expected = generator.convert(source.read_text(encoding="utf-8"), source.relative_to(ROOT).as_posix())
        assert target.read_text(encoding="utf-8") == expected, (
            f"{target}: run bindings/python/tools/generate_sync.py"
        )


def test_faces_agree() -> None:
    assert set(natskit.__all__) == set(natskit.sync.__all__)
    for one, other in (
        (natskit.Answers, natskit.sync.Answers),
        (natskit.Client, natskit.sync.Client),
        (natskit.Consumer, natskit.sync.Consumer),
        (natskit.JetStreamContext, natskit.sync.JetStreamContext),
        (natskit.KeyValue, natskit.sync.KeyValue),
        (natskit.Msg, natskit.sync.Msg),
        (natskit.Stream, natskit.sync.Stream),
        (natskit.Subscription, natskit.sync.Subscription),
        (natskit.Watcher, natskit.sync.Watcher),
        (natskit.Reading, natskit.sync.Reading),
        (natskit.Events, natskit.sync.Events),
    ):
        public = [{name for name in dir(cls) if not name.startswith("_")} for cls in (one, other)]
        assert public[0] == public[1] - {"dispatch", "run_forever"}  # an event loop does that by itself
    assert natskit.errors is natskit.sync.errors
    assert natskit.Event is natskit.sync.Event
    assert natskit.Entry is natskit.sync.Entry
    assert natskit.StoredMsg is natskit.sync.StoredMsg


# ---------------------------------------------------------------------------------------------- errors


def test_every_status_has_a_class_of_its_own() -> None:
    rows = [row for row in _natskit._statuses() if row[0] != 0]
    assert len(rows) >= 30
    for status, kind, name, text in rows:
        cls = errors.STATUSES[status]
        assert cls is errors._CLASSES[name], f"{name} ({text}) has no class in natskit/errors.py"
        assert cls.status == status and cls.name == name
        assert issubclass(cls, errors._KINDS[kind]), name
        assert cls.__doc__
    assert len({id(cls) for cls in errors.STATUSES.values()}) == len(rows)
    assert set(errors._CLASSES) == {row[2] for row in rows}


def test_error_tree() -> None:
    assert issubclass(errors.TimeoutError, TimeoutError)
    assert issubclass(errors.InvalidError, ValueError)
    assert issubclass(errors.UnknownOptionError, TypeError)
    assert issubclass(errors.OutOfMemoryError, MemoryError)
    assert issubclass(errors.BadSubjectError, errors.InvalidError)
    assert issubclass(errors.OutboundBufferLimitError, errors.WouldBlockError)
    assert issubclass(errors.SubscriptionClosedError, errors.ConnectionClosedError)
    assert issubclass(errors.KeyDeletedError, errors.KeyNotFoundError)
    assert issubclass(errors.KeyExistsError, errors.KeyWrongLastSequenceError)
    assert issubclass(errors.KeyWrongLastSequenceError, (errors.WrongLastSequenceError, errors.KeyValueError))
    assert errors.KeyWrongLastSequenceError.name == "WRONG_LAST" and errors.KeyExistsError.name == "KEY_EXISTS"
    for cls in errors.STATUSES.values():
        error = cls("what happened")
        assert error.text == "what happened" and error.args == ("what happened",)
        assert str(error) == f"what happened [{cls.name}]"
        assert (error.server_code, error.err_code, error.outcome, error.published) == (0, 0, "", 0)
        assert not error.errno
        error.errno = 5
        assert error.errno == 5
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is cls and copy.text == error.text
    assert str(errors.Error("only text")) == "only text"


def test_a_newer_library_needs_no_newer_file(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*_natskit._statuses(), (-9999, 4, "BRAND_NEW", "never seen before")]
    monkeypatch.setattr(_natskit, "_statuses", lambda: rows)
    cls = errors._table()[-9999]
    assert cls.__name__ == "BrandNewError" and issubclass(cls, errors.NetworkError) and cls.__doc__
    assert errors.BrandNewError is cls
    monkeypatch.delattr(errors, "BrandNewError")


# --------------------------------------------------------------------------------------------- the rest


def test_module() -> None:
    assert natskit.version() == natskit.__version__
    counters = natskit.counters()
    assert {"conns", "subs", "ops", "msgs", "waitsets", "threads", "allocated_bytes"} <= set(counters)
    assert issubclass(natskit.Headers, Mapping)
    for name in natskit.__all__:
        assert getattr(natskit, name) is not None
    assert (ROOT / "bindings/python/natskit/py.typed").exists()


MADE = [
    natskit.Msg,
    natskit.Subscription,
    natskit.Event,
    natskit.Events,
    natskit.Entry,
    natskit.Watcher,
    natskit.StoredMsg,
    natskit.Reading,
]


@pytest.mark.parametrize("cls", MADE)
def test_types_that_only_the_library_makes(cls: Any) -> None:
    with pytest.raises(TypeError):
        cls()
    with pytest.raises(TypeError):
        cls.anything = 1
    assert cls.__module__ == "natskit"


def test_options_have_types_that_are_known() -> None:
    for scope in (
        _natskit.OPTIONS_CONNECT,
        _natskit.OPTIONS_SUBSCRIBE,
        _natskit.OPTIONS_EVENTS,
        _natskit.OPTIONS_KV_WATCH,
        _natskit.OPTIONS_ORDERED,
        _natskit.OPTIONS_GET_BATCH,
        _natskit.OPTIONS_GET_LAST,
        _natskit.OPTIONS_PUSH,
        _natskit.OPTIONS_KV_MANY,
    ):
        rows = _natskit._options(scope)
        assert rows
        for name, kind, default, unit, least, most, text, secret in rows:
            assert kind in (1, 2, 3, 4, 5, 6, 7) and name and text and least <= most
            assert isinstance(default, str) and isinstance(unit, str) and isinstance(secret, bool)
            assert kind != 6 or default in unit.split("|")


def test_aliases_name_options() -> None:
    from natskit import _options

    real = {row[0] for row in _natskit._options(_natskit.OPTIONS_CONNECT)}
    assert {option for option, _ in _options._ALIASES.values()} <= real
    assert not set(_options._ALIASES) & real
