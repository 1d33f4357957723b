"""Frequent resets: the controller restarts so often that it is no longer an accident.

Decides: each time the controller is back soon after it fell out of service, or only reports that it
is back in automatic, it counts a reset; the fifth within a day is the onset of the finding, which
ends when fewer than five lie within a day. What follows an inspection at once is the mechanic's
doing and not counted, nor is a lift that stays out of service: somebody has switched it off.
It leaves to others: what the lift does meanwhile, and single resets, which are no finding.

Invariants: a restart told by mode and by codes counts once; only the times of the last four resets
are kept, which is all that the fifth needs.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import tri
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
from detectors.parameters import US_PER_S, LiftParams, in_seconds, spread_all
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from detectors.windows import limits_at
from telemetry.columns import Mode
from telemetry.findings import Change, Confidence, FindingKind
from telemetry.transitions import Transitions

OUT_OF_SERVICE_CODE: Final = 42
BACK_TO_AUTOMATIC_CODE: Final = 40
"""National codes of the two ends of a reset (GB/T 24476)."""
RESETS: Final = 5
"""So many within the window are frequent (practice, DOMAIN section 3)."""
_KEPT: Final = RESETS - 1
_PRACTICE: Final = "practice: five in 24 h (DOMAIN section 3)"
_MECHANIC: Final = "practice: a mechanic hands back within a minute of switching inspection off"
_RESTART: Final = "practice: a controller starts up in 10-60 s, with a run to find its floor"


@dataclass(frozen=True, slots=True)
class FrequentResetsParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    window_us
        Within this the fifth reset makes them frequent [µs].
    after_inspection_us
        How long after an inspection resets do not count [µs].
    restart_us
        Longest reset, from its beginning to "back to automatic" [µs].
    """

    window_us: Any = field(
        default=86_400 * US_PER_S, metadata=in_seconds("resets_window_s", 60, 604_800, _PRACTICE)
    )
    after_inspection_us: Any = field(
        default=60 * US_PER_S,
        metadata=in_seconds("resets_after_inspection_s", 0, 3600, _MECHANIC),
    )
    restart_us: Any = field(
        default=180 * US_PER_S, metadata=in_seconds("resets_restart_s", 0, 3600, _RESTART)
    )


@dataclass(frozen=True, slots=True)
class FrequentResetsDetector:
    """The rule of frequent resets."""

    name: str = "frequent_resets"
    version: str = "2"
    kinds: tuple[FindingKind, ...] = (FindingKind.FREQUENT_RESETS,)
    gap_policy: GapPolicy = GapPolicy.HOLD
    layout: tuple[Field, ...] = (
        Field("reset_us", "i8", NEVER_US, (_KEPT,)),  # of the last four, oldest first
        Field("inspected_us", "i8", NEVER_US),  # when inspection ended
        Field("out_us", "i8", NEVER_US),  # when it was last back in service
        Field("fell_us", "i8", NEVER_US, rare=True),  # out of service since then, by no mechanic
        Field("onset_us", "i8", NEVER_US, rare=True),  # NEVER_US: not active
        Field("expires_us", "i8", NO_DUE_US, rare=True),  # when fewer than five lie in the window
    )
    params_type: type[FrequentResetsParams] = FrequentResetsParams

    def step(self, state: State, batch: LiftFrames, params: FrequentResetsParams) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        heard, seg = batch.lift, batch.segments
        limits = spread_all(params, seg.row)
        resets, marks = _resets(state, heard, limits)
        after: dict[str, NDArray[Any]] = dict(marks)
        if not resets.any() and (state["onset_us"] == NEVER_US).all():
            return Stepped(after, NO_DUE_US, ())
        life = _life(state, heard, resets, limits.window_us)
        after |= life.state
        return Stepped(after, life.state["expires_us"], _told(self, heard, life, limits))


def _resets(
    state: State, heard: Heard, limits: FrequentResetsParams
) -> tuple[Bools, dict[str, Ints]]:
    """Mark the frames at which a controller has restarted, and return since when what is over.

    "Back to automatic" is a restart of its own only if the lift was not out of service shortly
    before it.
    """
    seg, line = heard.segments, heard.line
    inspected = heard.says("mode", Mode.INSPECTION)
    down = heard.says("mode", Mode.STOPPED) | (heard.code(OUT_OF_SERVICE_CODE) == 1)
    inspected_us = line.since(seg.prior(inspected) & ~inspected, state["inspected_us"])
    by_mechanic = inspected | (line.t_us - inspected_us <= limits.after_inspection_us)
    since_us = seg.headed(np.where(by_mechanic, NEVER_US, line.t_us), state["fell_us"])
    fell_us = seg.hold(since_us, seg.rises(down))
    resumes = seg.prior(down) & ~down
    out_us = line.since(resumes, state["out_us"])
    restarted = resumes & (line.t_us - fell_us <= limits.restart_us)
    back = seg.rises(heard.code(BACK_TO_AUTOMATIC_CODE) == 1)
    alone = back & ~down & (line.t_us - out_us > limits.restart_us)
    at = seg.last_at
    marks = {
        "inspected_us": inspected_us[at],
        "out_us": out_us[at],
        "fell_us": np.where(down[at], fell_us[at], NEVER_US),
    }
    return (restarted | alone) & ~by_mechanic, marks


class _Life(NamedTuple):
    """What became of the finding; ``k`` events in the order of the strip."""

    at: Ints
    change: NDArray[np.int64]
    t_us: Ints
    onset_us: Ints
    span_us: Ints  # in which the last five resets lie
    state: dict[str, NDArray[Any]]


def _life(state: State, heard: Heard, resets: Bools, window_us: Ints) -> _Life:
    seg, line = heard.segments, heard.line
    fifth_us, kept = _four_before(state["reset_us"], heard, resets)
    frequent = resets & (line.t_us - fifth_us <= window_us)
    expires_us = seg.hold(
        np.where(seg.is_head, seg.join(state["expires_us"], 0), fifth_us + window_us), frequent
    )
    was_active = np.zeros(len(seg), np.bool_)
    was_active[seg.head_at] = state["onset_us"] != NEVER_US
    lapses = line.reached(expires_us)
    active = seg.latch(frequent | was_active, lapses)
    before = np.where(seg.is_head, was_active, seg.prior(active))
    onset_us = line.since(frequent & ~before, state["onset_us"])
    rises, falls = np.flatnonzero(frequent), np.flatnonzero(lapses & (before | frequent))
    at = np.concatenate([rises, falls])
    tells = np.where(before[rises], Change.UPDATED, Change.RAISED)
    change = np.concatenate([tells, np.full(len(falls), Change.CLEARED)])
    order = np.argsort(at, kind="stable")
    at, change = at[order], change[order]
    last, still = seg.last_at, active[seg.last_at]
    return _Life(
        at=at,
        change=change,
        t_us=np.where(change == Change.CLEARED, expires_us[at], line.t_us[at]),
        onset_us=onset_us[at],
        span_us=np.where(change == Change.CLEARED, -1, line.t_us[at] - fifth_us[at]),
        state={
            "reset_us": kept,
            "onset_us": np.where(still, onset_us[last], NEVER_US),
            "expires_us": np.where(still, expires_us[last], NO_DUE_US),
        },
    )


def _four_before(
    carried_us: NDArray[np.int64], heard: Heard, resets: Bools
) -> tuple[Ints, NDArray[np.int64]]:
    """Return for each reset the time of the fourth before it, and the last four of each row.

    The four carried of a row and its new ones stand in one list, so the fourth before is four
    places to the left.
    """
    seg = heard.segments
    four_us = np.full(len(seg), NEVER_US)
    at = np.flatnonzero(resets)
    if not len(at):
        return four_us, carried_us
    row = seg.row[at]
    rows, first, count = np.unique(row, return_index=True, return_counts=True)
    begin = first + _KEPT * np.arange(len(rows))
    place = np.arange(len(at)) + _KEPT * (np.repeat(np.arange(len(rows)), count) + 1)
    series = np.empty(len(at) + _KEPT * len(rows), np.int64)
    series[begin[:, None] + np.arange(_KEPT)] = carried_us[rows]
    series[place] = heard.line.t_us[at]
    four_us[at] = series[place - _KEPT]
    kept = carried_us.copy()
    kept[rows] = series[(begin + count)[:, None] + np.arange(_KEPT)]
    return four_us, kept


def _told(
    rule: FrequentResetsDetector, heard: Heard, life: _Life, limits: FrequentResetsParams
) -> tuple[Transitions, ...]:
    at = life.at
    if not len(at):
        return ()
    # what the lift was before it was back; a clear tells what it is
    was = np.where(life.change == Change.CLEARED, at, heard.segments.before[at])
    mode, out = heard.held("mode")[was], heard.code(OUT_OF_SERVICE_CODE)[was]
    back = heard.code(BACK_TO_AUTOMATIC_CODE)[at]
    sensed = tri(mode == Mode.STOPPED.value, mode < 0)
    agree = (sensed == 1) & ((out != 0) | (back == 1))
    events = Events(
        at=at,
        change=life.change,
        t_us=life.t_us,
        onset_us=life.onset_us,
        last_seen_us=heard.seen_us[at],
        kind=FindingKind.FREQUENT_RESETS,
        confidence=np.where(agree, Confidence.CERTAIN, Confidence.PROBABLE),
    )
    criteria = {"was_out_of_service": sensed, "code_42_before": out, "code_40": back}
    values = {
        "mode_before": mode,
        "five_resets_in_us": life.span_us,
        "floor": heard.held("floor")[at],
    }
    shown = ("window_us", "after_inspection_us", "restart_us")
    limit = limits_at(limits, shown, at)
    return (written(rule, heard.segments, events, criteria, values, limit),)
