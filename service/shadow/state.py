"""In which state the shadow is, and why: from its place in the database and what its keeper knows.

Pure. A process that does not run the shadow itself (a standby, a command) has no keeper and knows
the place alone: there a failed shadow is one that has not begun, or that falls behind, and one that
took every batch is ``caught_up``, whether or not its process still runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

BEHIND_S: Final = 30.0
"""Behind the live batches by more than this counts [s]; looking for batches, taking and committing
them makes it two or three seconds."""


class State(StrEnum):
    """What the shadow does."""

    NONE = "none"
    CLEARED = "cleared"
    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    CAUGHT_UP = "caught_up"
    BEHIND = "behind"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Kept:
    """What the keeper knows of the shadow's process.

    Parameters
    ----------
    enabled
        Whether this process runs shadows at all.
    running
        Whether there is a process now.
    failure
        Why the last one ended by itself, since this run was set; empty = it did not.
    again_in_s
        After how long the next one is started [s].
    """

    enabled: bool = True
    running: bool = True
    failure: str = ""
    again_in_s: float = 0.0


def state_of(
    run: Mapping[str, Any] | None, lanes: Sequence[Mapping[str, Any]], kept: Kept | None
) -> tuple[State, str]:
    """Return the state and why, for people.

    Parameters
    ----------
    run
        Document of the run; None = none is set.
    lanes
        How far each lane is (``service.shadow.runs.standing``).
    kept
        What the keeper knows; None = it works in another process.
    """
    if run is None:
        return State.NONE, "no shadow is set"
    if run["cleared_at"] is not None:
        return State.CLEARED, f"cleared by {run['cleared_by']}"
    halted = None if kept is None else _halted(kept)
    if halted is not None:
        return halted
    if not lanes:
        return State.STARTING, "its process is being started, or reads two hours of frames"
    return _at_work(lanes, State.CAUGHT_UP if kept is None else State.RUNNING)


def _halted(kept: Kept) -> tuple[State, str] | None:
    """Return the state of a shadow without a process; None = it has one."""
    if not kept.enabled:
        return State.OFF, "HOISTWAY_SHADOW_ENABLED is false at this process"
    if kept.running:
        return None
    if kept.failure:
        return State.FAILED, f"{kept.failure}; started again in {kept.again_in_s:.0f} s"
    return State.STARTING, "its process is being started"


def _at_work(lanes: Sequence[Mapping[str, Any]], well: State) -> tuple[State, str]:
    behind_s = max(lane["behind_s"] for lane in lanes)
    if behind_s > BEHIND_S:
        return State.BEHIND, f"{behind_s:.0f} s behind the live batches"
    failures = sum(lane["detector_failures"] for lane in lanes)
    if failures:
        last = next((lane["last_failure"] for lane in lanes if lane["last_failure"]), "")
        return well, f"detectors failed {failures} times, last: {last}"
    return well, ""
