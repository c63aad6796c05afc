# SPDX-License-Identifier: Apache-2.0
"""Records what nats-py is and does, for test_compat.py: run by a Python that has nats-py 2.16.

    python record.py surface              its public names and parameters, to surface.json
    python record.py run PROGRAM URL      the output of a program of this folder
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import importlib
import importlib.util
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
MODULES = (
    "",
    ".aio.client",
    ".aio.errors",
    ".aio.msg",
    ".aio.subscription",
    ".errors",
    ".js",
    ".js.api",
    ".js.client",
    ".js.errors",
    ".js.kv",
    ".js.manager",
    ".js.object_store",
    ".micro",
    ".micro.request",
    ".micro.service",
    ".nuid",
)


def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def members(cls: type) -> dict[str, Any]:
    """Public ones, with those of bases, without what every exception or dataclass has."""
    found: dict[str, Any] = {}
    if issubclass(cls, enum.Enum):
        return {member.name: str(member.value) for member in cls}
    if dataclasses.is_dataclass(cls) or "__init__" in vars(cls):
        found["()"] = parameters(cls.__init__)
    for base in reversed(cls.__mro__):
        if base.__module__.split(".")[0] in ("builtins", "collections", "typing", "enum", "contextlib", "abc"):
            continue
        for name, value in vars(base).items():
            value = getattr(value, "__func__", value)
            if name.startswith("_"):
                continue
            if inspect.isclass(value):
                found[name] = members(value)
            elif inspect.isfunction(value):
                found[name] = parameters(value)
            else:
                found[name] = None
    return found


def surface(module: ModuleType) -> dict[str, Any]:
    """What a module defines, what it has from others of the package ("js.errors.APIError"), constants ("= 120")."""
    found: dict[str, Any] = {}
    for name, value in vars(module).items():
        origin = getattr(value, "__module__", None) or ""
        if name.startswith("_"):
            continue
        if name.isupper() and name != "TYPE_CHECKING" and isinstance(value, (int, float, str, bytes)):
            found[name] = f"= {value!r}"
        elif not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        elif origin == module.__name__:
            found[name] = members(value) if inspect.isclass(value) else parameters(value)
        elif origin.startswith("nats."):
            found[name] = f"{origin.removeprefix('nats.')}.{value.__name__}"
    return found


def modules(package: str) -> list[str]:
    """Those that are there when the package alone has been imported."""
    importlib.import_module(package)
    return sorted(name.removeprefix(package) for name in sys.modules if name.startswith(package + "."))


def surfaces(package: str) -> dict[str, Any]:
    there = modules(package)
    return {"modules": there, **{name or ".": surface(importlib.import_module(package + name)) for name in MODULES}}


def program(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"nats_py_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run


def main() -> None:
    if sys.argv[1] == "surface":
        text = json.dumps(surfaces("nats"), indent=1, sort_keys=True)
        (HERE / "surface.json").write_text(text + "\n", encoding="utf-8")
        return
    nats = importlib.import_module("nats")
    importlib.import_module("nats.micro")
    asyncio.run(asyncio.wait_for(program(sys.argv[2])(nats, sys.argv[3], print), 80))


if __name__ == "__main__":
    main()
