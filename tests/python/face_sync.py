# SPDX-License-Identifier: Apache-2.0
"""What each face does in its own way for the tests of both. Here: threads; face_async.py has the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
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
