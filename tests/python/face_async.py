# SPDX-License-Identifier: Apache-2.0
"""What each face does in its own way for the tests of both. Here: asyncio; face_sync.py has the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
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


async def nap(seconds: float) -> None:
    """A handler that takes its time."""
    await asyncio.sleep(seconds)


@contextlib.contextmanager
def reported() -> Iterator[list[BaseException]]:
    """Exceptions that nobody could catch."""
    found: list[BaseException] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: found.append(context["exception"]))
    try:
        yield found
    finally:
        loop.set_exception_handler(None)
