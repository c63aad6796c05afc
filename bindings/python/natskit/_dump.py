# SPDX-License-Identifier: Apache-2.0
"""What lives in the process right now."""

from __future__ import annotations

import json
from typing import Any

from . import _natskit


def dump() -> dict[str, Any]:
    """Every live object of the process: `objects` is a list of dicts with `handle`, `kind` and what there is to tell
    of that kind (docs/observability.md). Takes a moment where there are many; any thread."""
    result: dict[str, Any] = json.loads(_natskit._dump())
    return result
