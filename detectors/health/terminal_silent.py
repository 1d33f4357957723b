"""A terminal that tells nothing: no frame of its unit for one and a half expected intervals.

Decides from the times of frames alone, whatever they hold and whichever unit they are of. A silence
begins with a frame and is over with the next one; it is told by a tick while it lasts, else by the
frame that ends it. After an hour it is told once more: then somebody has to go there. Soon after a
silence, told or not, the next has to be longer: a line that loses frames is quiet again and again,
and ``sequence_gaps`` says so once (ADR 0013).

Whether the unit could have been heard is not decided here: ``LiftFrames.deaf_us`` puts the decision
off by the time in which nobody listened. What lies behind a silence is left to others as well: the
terminal, its supply, its gateway, the network.

Invariants: a silence is told once, at ``last frame + limit``, whoever finds it; the next frame,
whatever it holds, ends it. Which limit that is depends on the times of frames alone, not on what
was told.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from detectors.contract import (
    NO_DUE_US,
    Events,
    Field,
    GapPolicy,
    LiftFrames,
    State,
    Stepped,
    written,
)
from detectors.parameters import LiftParams, in_seconds, plain, spread_all
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Strip
from detectors.windows import limit_at
from telemetry.findings import Change, ClearReason, FindingKind
from telemetry.transitions import Transitions

HEARD: Final = 0
SILENT: Final = 1
SILENT_FOR_LONG: Final = 2
"""What a tick has told of the silence since the last frame."""


@dataclass(frozen=True, slots=True)
class TerminalSilentParams(LiftParams):
    """Thresholds of ``terminal_silent``."""

    heartbeat_us: int = field(
        default=30_000_000,
        metadata=in_seconds("heartbeat_s", 0.1, 86_400, "DOMAIN section 2: every 30 s or so"),
    )
    intervals: float = field(
        default=1.5, metadata=plain("silent_intervals", 1, 100, "f8", "DOMAIN section 3: 1.5")
    )
    again_intervals: float = field(
        default=5,
        metadata=plain(
            "silent_again_intervals", 1, 1000, "f8",
            "practice: of a line that loses one in five, an hour at rest has 0.03 so long",
        ),
    )  # fmt: skip
    again_us: int = field(
        default=3_600_000_000,
        metadata=in_seconds("silent_again_s", 0, 864_000, "practice: the class of maintenance"),
    )
    maintenance_us: int = field(
        default=3_600_000_000,
        metadata=in_seconds("silent_maintenance_s", 1, 864_000, "DOMAIN section 3: 1 h"),
    )


@dataclass(frozen=True, slots=True)
class TerminalSilentDetector:
    """See the module."""

    name: str = "terminal_silent"
    version: str = "2"
    kinds: tuple[FindingKind, ...] = (FindingKind.TERMINAL_SILENT,)
    gap_policy: GapPolicy = GapPolicy.HOLD
    layout: tuple[Field, ...] = (
        Field("told", "u1", HEARD),
        Field("over_us", "i8", NEVER_US, rare=True),  # the last silence, while it matters
    )
    params_type: type[TerminalSilentParams] = TerminalSilentParams

    def step(self, state: State, batch: LiftFrames, params: TerminalSilentParams) -> Stepped:
        """Advance ``m`` units; see ``contract.Detector.step``."""
        strip = batch.strip
        limits = _limits(spread_all(params, strip.segments.row))
        life = _life(state, strip, batch.deaf_us, limits)
        at = strip.segments.last_at
        told = np.where(life.active[at], SILENT + life.long[at], HEARD).astype("u1")
        next_us = np.where(told == HEARD, life.silent_us[at], life.long_us[at])
        waits = (strip.t_us[at] != NEVER_US) & (told != SILENT_FOR_LONG)
        return Stepped(
            {"told": told, "over_us": life.over_us},
            NO_DUE_US,
            _found(self, life, strip, limits),
            silence_due_us=np.where(waits, next_us, NO_DUE_US),
        )


class _Limits(NamedTuple):
    """Per element, or one for all [µs]."""

    heartbeat_us: Ints | int
    silent_us: Ints | np.int64
    again_us: Ints | np.int64  # of a silence that begins soon after another,
    soon_us: Ints | int  # that is, within so much
    long_us: Ints | np.int64


def _limits(params: Any) -> _Limits:
    silent_us = np.rint(params.heartbeat_us * params.intervals).astype(np.int64)
    again_us = np.rint(params.heartbeat_us * params.again_intervals).astype(np.int64)
    again_us = np.maximum(silent_us, again_us)
    return _Limits(params.heartbeat_us, silent_us, again_us, params.again_us, params.maintenance_us)


class _Life(NamedTuple):
    """The silence after each element of the strip."""

    over_us: Ints  # of each row: when the last silence was over, while it matters
    again: Bools  # one was over only just
    silent_us: Ints  # when it is one, and when a long one
    long_us: Ints
    active: Bools  # it is one, and a long one
    long: Bools
    raised: Bools
    updated: Bools
    cleared: Bools
    late: Bools  # cleared by a frame that is not after the raise


def _life(state: State, strip: Strip, deaf_us: Ints | int, limits: _Limits) -> _Life:
    seg, t_us, end_us, told = strip.segments, strip.t_us, strip.end_us, state["told"]
    heard = t_us != NEVER_US
    silent_us = t_us + limits.silent_us
    long_us = np.maximum(silent_us, t_us + limits.long_us)
    silent = heard & (silent_us + deaf_us < end_us)
    over_us, again = _over(state["over_us"], strip, silent, limits)
    if again.any():
        silent_us = np.where(again, t_us + limits.again_us, silent_us)
        long_us = np.maximum(silent_us, long_us)
        silent = heard & (silent_us + deaf_us < end_us)
    long = heard & (long_us + deaf_us < end_us)
    was_active, was_long = np.zeros((2, len(seg)), np.bool_)
    was_active[seg.head_at] = told != HEARD
    was_long[seg.head_at] = told == SILENT_FOR_LONG
    active = silent | was_active
    cleared = ~seg.is_head & active[seg.before]
    return _Life(
        over_us=over_us,
        again=again,
        silent_us=silent_us,
        long_us=long_us,
        active=active,
        long=(long & active) | was_long,
        raised=silent & ~was_active,
        updated=long & ~was_long,
        cleared=cleared,
        late=cleared & (t_us <= silent_us[seg.before]),
    )


def _over(carried_us: Ints, strip: Strip, quiet: Bools, limits: _Limits) -> tuple[Ints, Bools]:
    """Find the last silences that a frame has ended, told or not.

    Returns when they were over, per row at its end, and where that was only just.
    """
    seg, t_us = strip.segments, strip.t_us
    if not quiet.any() and (carried_us == NEVER_US).all():
        return carried_us, np.zeros(len(seg), np.bool_)
    over_us = seg.hold(seg.headed(t_us, carried_us), ~seg.is_head & quiet[seg.before])
    again = (over_us != NEVER_US) & (t_us - over_us < limits.soon_us)
    return np.where(again, over_us, NEVER_US)[seg.last_at], again


def _found(
    rule: TerminalSilentDetector, life: _Life, strip: Strip, limits: _Limits
) -> tuple[Transitions, ...]:
    """Tell what happened; at one element a silence ends before the next begins."""
    seg, t_us = strip.segments, strip.t_us
    cleared, raised, updated = map(np.flatnonzero, (life.cleared, life.raised, life.updated))
    at = np.concatenate([cleared, raised, updated])
    if not len(at):
        return ()
    changes = [Change.CLEARED, Change.RAISED, Change.UPDATED]
    change = np.repeat(changes, [len(cleared), len(raised), len(updated)])
    order = np.argsort(at, kind="stable")
    at, change = at[order], change[order]
    over = change == Change.CLEARED
    since = np.where(over, seg.before[at], at)
    found_us = np.where(change == Change.RAISED, life.silent_us[at], life.long_us[at])
    found_us = np.where(over, t_us[at], found_us)
    why = np.where(life.late[at], ClearReason.LATE_EVIDENCE, ClearReason.CONDITION_ENDED)
    kind = FindingKind.TERMINAL_SILENT
    events = Events(at, change, found_us, t_us[since], t_us[at], kind, ended_by=why)
    criteria = {
        "silent": (~over).astype(np.int8),
        "maintenance": (found_us >= life.long_us[since]).astype(np.int8),
        "again": life.again[since].astype(np.int8),
    }
    values = {"silent_us": found_us - t_us[since]}
    thresholds = {
        "window_us": life.silent_us[since] - t_us[since],
        "maintenance_us": life.long_us[since] - t_us[since],
        "heartbeat_us": limit_at(limits.heartbeat_us, since),
    }
    return (written(rule, seg, events, criteria, values, thresholds),)
