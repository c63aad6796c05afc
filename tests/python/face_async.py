# SPDX-License-Identifier: Apache-2.0
"""What each face does in its own way for the tests of both. Here: asyncio; face_sync.py has the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

NAME = "asyncio"


def spawn(function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> asyncio.Task[Any]:
    """Runs function(*args) beside the caller."""
    return asyncio.get_running_loop().create_task(function(*args))


async def join(work: asyncio.Task[Any]) -> Any:
    """What it returned or raised."""
    return await work


async def rest() -> None:
    """Lets the others run."""
    await asyncio.sleep(0)
