# SPDX-License-Identifier: Apache-2.0
"""What asyncio does when the outbox is full: wait for room without blocking the loop, then try again.

The C part gives this coroutine to the caller in place of its ready awaitable; the blocking face waits in C.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from . import _auth, _handlers, _health, _metadata, _natskit, errors

_ASK_AT_MOST = 1 << 20

json_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
json_decode = json.loads


async def later(
    room: Callable[[int, float | None], Awaitable[None]],
    attempt: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    size: int,
    timeout: float | None,
) -> Any:
    """Awaits room(size, left), then attempt(*args, left); again while that finds no room, to the timeout."""
    # A publisher waits for its window even where nobody waits for the outbox.
    fails = getattr(getattr(room, "__self__", None), "_fails", False)
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            await room(size, left)
        except errors.Error as error:
            error.published = _published(args)
            raise
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            work = attempt(*args, left)
        except errors.WouldBlockError as error:
            full_outbox = isinstance(error, errors.OutboundBufferLimitError)
            if fails and full_outbox:
                raise
            if left == 0.0:
                what = "outbox" if full_outbox else "publisher's window"
                timed_out = errors.TimeoutError(f"the {what} had no room until the deadline")
                timed_out.published = error.published
                raise timed_out from None
            # Others were faster, or the size was an estimate that was too small.
            size = max(size, min(size * 2, _ASK_AT_MOST))
            continue
        return await work


def _published(args: tuple[Any, ...]) -> int:
    """How much of a batch was accepted: its arguments are what is left, and how much it was."""
    batch = len(args) > 1 and isinstance(args[0], list) and isinstance(args[1], int)
    return args[1] - len(args[0]) if batch else 0


async def ready(value: Any) -> Any:
    """An awaitable of what is there already."""
    return value


def install() -> None:
    """Gives the C part the exceptions and functions; called once, when the package is imported."""
    special = (
        errors.SubscriptionClosedError,
        errors.BadSubjectError,
        errors.OutboundBufferLimitError,
        errors.KeyWrongLastSequenceError,
    )
    handlers = (_handlers.failed, _handlers.start, _handlers.cancel)
    views = (_metadata.metadata, _metadata.moment, _health.health)
    functions = (later, json_encode, json_decode, *handlers, _auth.pairs, *views)
    _natskit._install(errors.STATUSES, errors.Error, *special, functions)
