# SPDX-License-Identifier: Apache-2.0
"""Whether a connection or a subscription works; the C part calls health()."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import Error

__all__ = ["Health", "HealthState"]


class HealthState(StrEnum):
    """How something is; `HealthState.OK == "ok"`."""

    OK = "ok"
    DEGRADED = "degraded"
    """It works, but something is amiss: messages are dropped, it is drained, the server is about to leave."""
    STARTING = "starting"
    """Nothing is known yet: it is being made, found or connected."""
    SILENT = "silent"
    """A sign of life is overdue; the library looks after it."""
    DOWN = "down"
    """It cannot work at the moment; the library tries again."""
    ENDED = "ended"
    """And does not come back."""


@dataclass(frozen=True, slots=True)
class Health:
    """What one look tells.

    Attributes:
        state: how it is.
        since: for how many seconds it has been in this state; None once the program has closed it.
        activity: seconds since something came of the server, or None: nothing has.
        heartbeat: seconds since the last heartbeat (of a connection: answer to a PING), or None: none has come.
        reason: why it is not OK, as an exception that is not raised, or None.
        text: the same in one line.
    """

    state: HealthState
    since: float | None
    activity: float | None
    heartbeat: float | None
    reason: Error | None
    text: str

    @property
    def works(self) -> bool:
        """Whether it does what it is for, if perhaps not well: OK or DEGRADED. What a readiness probe asks."""
        return self.state in (HealthState.OK, HealthState.DEGRADED)


_STATES = (
    HealthState.OK,
    HealthState.DEGRADED,
    HealthState.STARTING,
    HealthState.SILENT,
    HealthState.DOWN,
    HealthState.ENDED,
)


def _seconds(ms: int) -> float | None:
    return None if ms < 0 else ms / 1000


def health(state: int, since_ms: int, activity_ms: int, beat_ms: int, reason: Error | None, text: str) -> Health:
    return Health(_STATES[state - 1], _seconds(since_ms), _seconds(activity_ms), _seconds(beat_ms), reason, text)
