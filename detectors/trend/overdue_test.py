"""Test overdue: nobody knows whether the alarm of this lift still gets through.

Decides: EN 81-28 wants the alarm tested over its own path at least every three days. A frame with
``alarm_test`` true is a test; when none has come for the interval, the finding is raised, and the
next test ends it. A lift that never told a test is asked for one only if its interval is set: most
terminals cannot tell. It leaves to others: that a test is a press (``alarm_button``) and travels as
a drill (``alerting``).

Invariants: time alone raises it, a test alone ends it; a lift that falls silent becomes overdue,
which is true.
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
from detectors.parameters import US_PER_S, LiftParams, plain
from detectors.segments import NEVER_US, Bools, Ints, Timeline
from detectors.signals import Heard
from telemetry.columns import UNKNOWN
from telemetry.findings import Change, ClearReason, FindingKind
from telemetry.transitions import Transitions

INTERVAL_D: Final = 3.0
"""At least so often: EN 81-28, 4.2.1 [days]."""
DAY_US: Final = 86_400 * US_PER_S
_NORM: Final = "EN 81-28: every 3 days; unset = 3 days once a lift has told a test, else never"


@dataclass(frozen=True, slots=True)
class TestOverdueParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    interval_d
        A test at least so often [days]; NaN = not set: ``INTERVAL_D`` from the first test on.
    """

    __test__ = False

    interval_d: Any = field(
        default=float("nan"), metadata=plain("test_interval_d", 0.0001, 366, "f8", _NORM)
    )


@dataclass(frozen=True, slots=True)
class TestOverdueDetector:
    """The rule of the overdue test."""

    __test__ = False

    name: str = "test_overdue"
    version: str = "1"
    kinds: tuple[FindingKind, ...] = (FindingKind.TEST_OVERDUE,)
    gap_policy: GapPolicy = GapPolicy.HOLD
    layout: tuple[Field, ...] = (
        Field("since_us", "i8", NEVER_US),  # the last test, else the first frame
        Field("tested", "?", False),  # ever
        Field("active", "?", False),
    )
    params_type: type[TestOverdueParams] = TestOverdueParams

    def step(self, state: State, batch: LiftFrames, params: TestOverdueParams) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        heard, m = batch.lift, len(batch.now_us)
        given_d = np.broadcast_to(np.asarray(params.interval_d, np.float64), m)
        is_set = ~np.isnan(given_d)
        interval_us = np.rint(np.where(is_set, given_d, INTERVAL_D) * DAY_US).astype(np.int64)
        tests = heard.told_at("alarm_test") & (heard.held("alarm_test") == 1)
        asked = state["tested"] | is_set
        asked[heard.segments.row[tests]] = True
        new = (state["since_us"] == NEVER_US)[heard.segments.row] & heard.line.told
        if not (asked.any() or new.any()):
            return Stepped({n: state[n] for n in _FIELDS}, np.full(m, NO_DUE_US), ())
        life = _life(state, heard, tests, is_set, interval_us)
        return Stepped(life.state, life.due_us, _told(self, heard, life, interval_us))


_FIELDS: Final = ("since_us", "tested", "active")


class _Life(NamedTuple):
    """What became of the finding; ``k`` events in the order of the strip."""

    at: Ints
    change: Ints
    late: Bools
    t_us: Ints
    since_us: Ints
    tested: Bools
    state: dict[str, Any]
    due_us: Ints


def _life(state: State, heard: Heard, tests: Bools, is_set: Bools, interval_us: Ints) -> _Life:
    line: Timeline = heard.line
    seg = line.segments
    never = state["since_us"] == NEVER_US
    first = seg.first(line.told & never[seg.row])
    since_us = line.since(tests | first, state["since_us"])
    tested = np.zeros(len(seg), np.bool_)
    tested[seg.head_at] = state["tested"]
    tested = seg.latch(tested | tests, np.zeros(len(seg), np.bool_))
    asked = (tested | is_set[seg.row]) & (since_us != NEVER_US)
    due_us = np.where(asked, since_us + interval_us[seg.row], NO_DUE_US)
    ripe = line.reached(due_us) & asked
    was_active = np.zeros(len(seg), np.bool_)
    was_active[seg.head_at] = state["active"]
    # What a tick has raised stands until a test: frames before that instant do not take it back.
    active = seg.latch((ripe | was_active) & ~(tests & ~ripe), tests & ~ripe)
    before = np.where(seg.is_head, was_active, seg.prior(active))
    ends = tests & before
    begins = ripe & (~before | ends)
    at = np.concatenate([np.flatnonzero(ends), np.flatnonzero(begins)])
    change = np.repeat([Change.CLEARED, Change.RAISED], [ends.sum(), begins.sum()])
    order = np.argsort(at, kind="stable")
    at, change = at[order], change[order]
    earlier_us = seg.prior(due_us)[at]  # when what a test ends had been raised
    cleared = change == Change.CLEARED
    last = seg.last_at
    return _Life(
        at=at,
        change=change,
        late=cleared & (line.t_us[at] <= earlier_us),
        t_us=np.where(cleared, line.t_us[at], due_us[at]),
        since_us=np.where(cleared, earlier_us, due_us[at]),
        tested=np.where(cleared, seg.prior(tested)[at], tested[at]),
        state={"since_us": since_us[last], "tested": tested[last], "active": active[last]},
        due_us=np.where(active[last], NO_DUE_US, due_us[last]),
    )


def _told(
    rule: TestOverdueDetector, heard: Heard, life: _Life, interval_us: Ints
) -> tuple[Transitions, ...]:
    at = life.at
    if not len(at):
        return ()
    interval_us = interval_us[heard.segments.row[at]]
    cleared = life.change == Change.CLEARED
    why = np.where(life.late, ClearReason.LATE_EVIDENCE, ClearReason.CONDITION_ENDED)
    events = Events(
        at=at,
        change=life.change,
        t_us=life.t_us,
        onset_us=life.since_us,
        last_seen_us=heard.seen_us[at],
        kind=FindingKind.TEST_OVERDUE,
        ended_by=why,
    )
    criteria = {"ever_tested": life.tested.astype(np.int8), "tested_now": cleared.astype(np.int8)}
    last_us = life.since_us - interval_us
    values = {
        "last_test_us": np.where(life.tested, last_us, UNKNOWN),
        "alarm_test": heard.held("alarm_test")[at],
        "button": heard.held("button")[at],
    }
    limit = {"interval_us": interval_us}
    return (written(rule, heard.segments, events, criteria, values, limit),)
