# SPDX-License-Identifier: Apache-2.0
"""What each face does in its own way for the tests of both. Here: threads; face_async.py has the same."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

NAME = "sync"


class Work:
    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._result: Any = None
        self._error: BaseException | None = None
        self._function = function
        self._args = args
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._function(*self._args)
        except BaseException as error:
            self._error = error
        del self._function, self._args

    def done(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> Any:
        self._thread.join(60)
        assert not self._thread.is_alive(), "the thread did not end"
        if self._error is not None:
            raise self._error
        return self._result


def spawn(function: Callable[..., Any], *args: Any) -> Work:
    """Runs function(*args) beside the caller."""
    return Work(function, args)


def join(work: Work) -> Any:
    """What it returned or raised."""
    return work.join()


def rest() -> None:
    """Lets the others run."""


def nap(seconds: float) -> None:
    """A handler that takes its time."""
    time.sleep(seconds)


@contextlib.contextmanager
def reported() -> Iterator[list[BaseException]]:
    """Exceptions that nobody could catch."""
    found: list[BaseException] = []
    old = threading.excepthook
    threading.excepthook = lambda args: found.append(args.exc_value)
    try:
        yield found
    finally:
        threading.excepthook = old
