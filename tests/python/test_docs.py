# SPDX-License-Identifier: Apache-2.0
"""Every public name of the package says what it is: help() has a text for it, and so has the reference."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import natskit.sync
import pydocs


def test_every_public_name_has_a_docstring() -> None:
    assert pydocs.undocumented() == []


def test_the_names_are_found() -> None:
    names = {f"{n.module}.{n.name}": n.kind for module in pydocs.MODULES for n in pydocs.public(module)}
    assert len(names) > 700
    assert names["natskit.Client"] == "class"
    assert names["natskit.Client.publish"] == "function"
    assert names["natskit.Client.is_connected"] == "property"
    assert names["natskit.connect"] == "function"
    assert names["natskit.js.api.StreamConfig.max_age"] == "field"


def test_every_signature_is_found() -> None:
    sources = pydocs.Sources(Path(natskit.__file__).parent)
    for module in pydocs.MODULES:
        for name in pydocs.public(module):
            if name.kind == "function":
                assert "(...)" not in "".join(pydocs.signature(name, sources)), f"{module}.{name.name}"


def test_the_blocking_face_has_the_same_names() -> None:
    ours = {name for name in natskit.__all__ if name != "micro"}
    assert ours - set(natskit.sync.__all__) == set()
