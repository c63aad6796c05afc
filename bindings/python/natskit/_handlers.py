# SPDX-License-Identifier: Apache-2.0
"""What the C part asks of Python for handlers: tasks for coroutine functions, telling of what they raise."""

from __future__ import annotations

import contextvars
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    import asyncio  # who uses the blocking face alone does not pay for loading it

    from ._natskit import AsyncSubscription, AsyncWatcher

log = logging.getLogger("natskit")


def check(cb: Any, concurrency: Any) -> None:
    """Raises for what is no handler, or no number of them."""
    if cb is not None and not callable(cb):
        raise TypeError(f"cb must be callable, not {type(cb).__name__}")
    if isinstance(concurrency, bool) or not isinstance(concurrency, int):
        raise TypeError(f"concurrency must be int, not {type(concurrency).__name__}")
    if concurrency < 1:
        raise errors.InvalidError("concurrency: a number of handlers from 1 on")


def check_loop(cb: Any) -> None:
    """Raises if there is a handler and no loop runs that could call it: before anything is sent."""
    if cb is not None:
        import asyncio

        asyncio.get_running_loop()


def acking(cb: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A handler that acks what `cb` has handled, unless that has said something else, or raises."""

    async def behind(work: Awaitable[Any], msg: Any) -> None:
        await work
        if wants_ack(msg):
            await msg.ack()

    def handle(msg: Any) -> Any:
        work = cb(msg)
        if inspect.isawaitable(work):
            return behind(work, msg)
        return msg.ack() if wants_ack(msg) else None

    async def handle_async(msg: Any) -> None:
        await behind(cb(msg), msg)

    return handle_async if _is_coroutine(cb) else handle


def wants_ack(msg: Any) -> bool:
    """Whether it is a message, and not a status, of which the server was told nothing yet."""
    return hasattr(msg, "ack") and not msg.is_acked


def _is_coroutine(cb: Callable[[Any], Any]) -> bool:
    return inspect.iscoroutinefunction(cb) or inspect.iscoroutinefunction(
        getattr(cb, "__call__", None)  # noqa: B004 (an object whose call is a coroutine function)
    )


def begin(sub: AsyncSubscription | AsyncWatcher[Any], cb: Callable[[Any], Any], concurrency: int) -> None:
    """Has asyncio call `cb` with each message of the subscription."""
    sub._handle(cb, _is_coroutine(cb), concurrency, contextvars.copy_context())


def failed(connection: Any, sub: Any, error: BaseException, ended: bool) -> None:
    """Tells the log, then the connection's error_cb, of what a handler has raised, or (ended) why the subscription has
    ended."""
    what = "subscription %r with a handler has ended" if ended else "the handler of subscription %r raised an exception"
    log.error(what, sub.subject, exc_info=error)
    watch = getattr(connection, "_watch", None)
    if watch is not None:
        watch.report(error)


async def _work(sub: AsyncSubscription, cb: Callable[[Any], Awaitable[Any]]) -> None:
    """Handles messages one after another until none is there."""
    import asyncio

    take = sub._take
    msg = take(False)
    while msg is not True:  # nothing is there; None is the marker of a watch
        if msg is False:
            await asyncio.sleep(0)
            msg = take(False)
            continue
        try:
            await cb(msg)
        except Exception as error:
            sub._failed(error)
        msg = take(True)


async def _await(sub: AsyncSubscription, awaitable: Awaitable[Any]) -> None:
    """Awaits what a plain function has returned."""
    try:
        await awaitable
    except Exception as error:
        sub._failed(error)
    sub._handled()


def start(
    sub: AsyncSubscription, cb: Callable[[Any], Any], context: Context, awaitable: Awaitable[Any] | None
) -> asyncio.Task[None]:
    """A task that handles messages of the subscription."""
    import asyncio

    work = _work(sub, cb) if awaitable is None else _await(sub, awaitable)
    task = asyncio.get_running_loop().create_task(work, context=context.copy())
    task.add_done_callback(sub._finished)
    return task


def cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels those tasks, but not the one that asks for it."""
    import asyncio

    try:
        current = asyncio.current_task()
    except RuntimeError:  # no loop runs here
        current = None
    for task in list(tasks):
        if task is not current and not task.get_loop().is_closed():
            task.cancel()
