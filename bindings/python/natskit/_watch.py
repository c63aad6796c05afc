# SPDX-License-Identifier: Apache-2.0
"""The functions that connect() was given: loops over the connection's events call them.

For asyncio each loop is a task, for the blocking face a daemon thread. Nothing depends on them: the core
reconnects whether they run or not. Their events do not keep the connection open, so one that the program drops
is closed, and they end with it.
"""

from __future__ import annotations

# [sync] import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any  # [async]
# [sync] from typing import Any

from . import _natskit, _options, errors

# [async]
if TYPE_CHECKING:
    import asyncio  # who uses the blocking face alone does not pay for loading it

# [end]
_FUNCTIONS = {
    "disconnected": "disconnected_cb",
    "reconnected": "reconnected_cb",
    "closed": "closed_cb",
    "servers": "discovered_server_cb",
    "lame_duck": "lame_duck_mode_cb",
}
_ANSWERS = {"auth", "reconnect_delay"}  # functions that are asked
# What their own functions are for, or an event that follows repeats.
_NO_ERROR = ("closed", "stale")


# [async]
# An event loop refers to its tasks weakly: here they live until they are done.
_tasks: set[asyncio.Task[None]] = set()


# [end]
class Watch:
    """The functions of one connection, and the loops that call them."""

    def __init__(self, functions: dict[str, Callable[..., Any] | None]) -> None:
        for name, function in functions.items():
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be callable, not {type(function).__name__}")
        self._functions = {name: function for name, function in functions.items() if function is not None}
        self._loops: list[Any] = []
        # Whether the first connect has succeeded; closed_cb waits for that to be known.
        # [async]
        import asyncio

        self._known = asyncio.Event()
        # [end]
        # [sync] self._known = threading.Event()
        self._given_up = False

    @property
    def is_needed(self) -> bool:
        return bool(self._functions)

    def begin(self, connection: _natskit.AsyncConnection) -> None:
        """Begins the loops. The connection tries its first server at this moment."""
        names = set(self._functions)
        with suppress(errors.ConnectionClosedError):  # it was refused already, which connect() tells
            if names & _ANSWERS:
                answers = _options.pairs(_natskit.OPTIONS_EVENTS, {"answers": True})
                self._start(self._answer, connection._events(answers, False))
            if names - _ANSWERS:
                self._start(self._tell, connection._events([], False))

    def decide(self, succeeded: bool) -> None:
        """The first connect has ended. If it was without success nothing is called any more."""
        self._given_up = not succeeded
        self._known.set()

    async def ending(self, end: Callable[..., Coroutine[Any, Any, None]], limit: float | None) -> None:
        """Awaits end(limit), then, in what is left of the limit, the functions that the end calls."""
        begin = time.monotonic()
        await end(limit)
        left = None if limit is None else max(0.0, limit - (time.monotonic() - begin))
        # [async]
        import asyncio

        others = [loop for loop in self._loops if loop is not asyncio.current_task()]
        if others:
            await asyncio.wait(others, timeout=left)
        # [end]
        # [sync] for loop in self._loops:
        # [sync]     if loop is not threading.current_thread():
        # [sync]         loop.join(left)

    def _start(
        self, work: Callable[[_natskit.AsyncEvents], Coroutine[Any, Any, None]], events: _natskit.AsyncEvents
    ) -> None:
        # [async]
        import asyncio

        for left_over in [task for task in _tasks if task.get_loop().is_closed()]:
            _tasks.discard(left_over)
        loop = asyncio.get_running_loop().create_task(work(events))
        _tasks.add(loop)
        loop.add_done_callback(_tasks.discard)
        # [end]
        # [sync] loop = threading.Thread(target=work, args=(events,), name="natskit events", daemon=True)
        # [sync] loop.start()
        self._loops.append(loop)

    def report(self, error: BaseException) -> None:
        """Calls error_cb with what a handler of a subscription has raised."""
        if "error_cb" not in self._functions:
            return
        # [async]
        import asyncio

        task = asyncio.get_running_loop().create_task(self._call("error_cb", error))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
        # [end]
        # [sync] self._call("error_cb", error)

    async def _tell(self, events: _natskit.AsyncEvents) -> None:
        async for event in events:
            error = event.error
            asked = isinstance(error, errors.ConnectionClosedError)  # the program itself closes it
            if error is not None and not asked and event.type not in _NO_ERROR:
                await self._call("error_cb", error)
            if event.type == "closed":
                await self._known.wait()
            if event.type in _FUNCTIONS:
                await self._call(_FUNCTIONS[event.type])

    async def _answer(self, events: _natskit.AsyncEvents) -> None:
        async for event in events:
            if event.type == "delay_needed":
                delay = await self._call("reconnect_delay", event)
                _answered("reconnect_delay", event.answer, event.delay if delay is None else delay)
            elif event.type == "auth_needed":
                credentials = await self._call("auth", event)
                if not _answered("auth", event.answer_auth, credentials):
                    _answered("auth", event.answer_auth, None)  # what is configured, and at once

    async def _call(self, name: str, *args: Any) -> Any:
        function = self._functions.get(name)
        if function is None or self._given_up:
            return None
        try:
            result = function(*args)
            # [async]
            if hasattr(result, "__await__"):
                result = await result
            # [end]
            return result
        except Exception as error:
            _report(name, error)
            return None


def _answered(name: str, answer: Callable[[Any], None], result: Any) -> bool:
    """Answers with what a function has returned; False if that is no answer."""
    try:
        answer(result)
    except (errors.NotFoundError, errors.ConnectionClosedError):
        pass  # too late: the pause or the attempt is over, or the connection is
    except Exception as error:  # no number of seconds, no credentials
        _report(name, error)
        return False
    return True


def _report(name: str, error: Exception) -> None:
    """Where exceptions go that nobody can catch."""
    # [async]
    import asyncio

    context = {"message": f"{name} of a natskit connection raised an exception", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
    # [end]
    # [sync] error.add_note(f"raised by {name} of a natskit connection")
    # [sync] about = (type(error), error, error.__traceback__, threading.current_thread())
    # [sync] threading.excepthook(threading.ExceptHookArgs(about))
