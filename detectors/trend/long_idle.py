"""Long idle: a busy lift stands at an hour at which it never stands so long (疑似故障停梯).

Decides: from the end of each ride on it adds up how many runs this lift usually makes at these
hours of the week (``week_pattern``); when that is more than chance leaves out, the finding is
raised. A ride ends it. It is asked only of a lift that was busy on the same day, in ordinary
service, heard without a gap: so neither night, weekend nor holiday raises it. It leaves to others
why the lift stands.

Invariants: only whole hours that were heard and in ordinary service are learnt; a day ends at four
in the morning, and so does what is expected of a lift that stands.
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
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain, spread_all
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import MAINS_OFF_CODE, Heard
from detectors.trend.week_pattern import (
    DAY_BEGINS,
    PER_DAY,
    SLOTS,
    learnt,
    until_expected_us,
    usual,
)
from detectors.windows import limit_at, limits_at
from telemetry.columns import UNKNOWN, Mode, Power
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transitions

_MOST_RUNS: Final = 2**16 - 1
_CHANCE: Final = "practice: people come in groups and a group of lifts shares them"
_LEAST: Final = "practice: shorter than this nobody would send for a mechanic"
_GAP: Final = "practice: ten heartbeats"
_BUSY: Final = "practice: tells a day of use from a holiday"


@dataclass(frozen=True, slots=True)
class LongIdleParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    runs
        Runs that were expected while it stood, from which on that is unbelievable.
    least_us
        Shortest idle that is told [µs].
    gap_us
        A longer silence may have hidden a ride [µs].
    busy_runs
        Runs since the day began that make a lift a busy one.
    offset_h
        Local time ahead of UTC [h].
    slot_us
        Length of a slot of the pattern, of which 168 are a week [µs].
    """

    runs: Any = field(default=25.0, metadata=plain("idle_expected_runs", 0.1, 1000, "f8", _CHANCE))
    least_us: Any = field(
        default=1800 * US_PER_S, metadata=in_seconds("idle_least_s", 1, 86_400, _LEAST)
    )
    gap_us: Any = field(default=300 * US_PER_S, metadata=in_seconds("idle_gap_s", 1, 86_400, _GAP))
    busy_runs: Any = field(default=5, metadata=plain("idle_busy_runs", 0, 1000, "i8", _BUSY))
    offset_h: Any = field(
        default=8.0, metadata=plain("utc_offset_h", -14, 14, "f8", "China standard time")
    )
    slot_us: Any = field(
        default=3600 * US_PER_S,
        metadata=in_seconds("idle_slot_s", 1, 3600, "an hour; shorter ones only for trials"),
    )


@dataclass(frozen=True, slots=True)
class LongIdleDetector:
    """The rule of the unusually long idle."""

    name: str = "long_idle"
    version: str = "1"
    kinds: tuple[FindingKind, ...] = (FindingKind.LONG_IDLE,)
    gap_policy: GapPolicy = GapPolicy.HOLD
    layout: tuple[Field, ...] = (
        Field("stands_us", "i8", NEVER_US),  # since when it stands, as far as that is judged
        Field("deadline_us", "i8", NO_DUE_US),  # when that is unbelievable
        Field("raised_us", "i8", NEVER_US, rare=True),  # NEVER_US: not active
        Field("slot", "i4", -1),  # number of the slot of the last frame since the epoch
        Field("expected", "f4", 0.0),  # runs in the whole slots of this day
        Field("ran", "u2", 0),  # runs since the day began
        Field("runs", "u2", 0),  # in the slot that goes on
        Field("whole", "?", False),  # that slot was heard from its beginning on
        Field("pattern", "u1", 0, (SLOTS,)),
    )
    params_type: type[LongIdleParams] = LongIdleParams

    def step(self, state: State, batch: LiftFrames, params: LongIdleParams) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        heard = batch.lift
        limits = spread_all(params, batch.segments.row)
        life = _lived(state, heard, limits)
        after, due_at = _learn(state, heard, life, limits)
        idle = _idle(state, heard, life, due_at, limits)
        at = batch.segments.last_at
        after |= {
            "stands_us": idle.stands_us[at],
            "deadline_us": idle.deadline_us[at],
            "raised_us": np.where(idle.active[at], idle.raised_us[at], NEVER_US),
        }
        seen_us = heard.seen_us[at]
        gap_us = limit_at(limits.gap_us, at)
        told = ~idle.active[at] & (idle.deadline_us[at] != NO_DUE_US)
        in_time = told & (idle.deadline_us[at] - seen_us <= gap_us)
        due_us = np.where(in_time, idle.deadline_us[at], NO_DUE_US)
        return Stepped(after, due_us, _told(self, heard, life, idle, limits))


class _Lived(NamedTuple):
    """What went on, along the strip."""

    ordinary: Bools  # in ordinary service
    gaps: Bools  # frames before which nothing was heard for too long
    starts: Bools  # frames at which a ride begins
    stops: Bools  # frames at which one ends
    slot: Ints  # number of the slot since the epoch, by the last frame that told something
    turns: Bools  # frames that are the first of a slot
    ran: Ints  # runs since the day began
    runs: Ints  # runs since the slot began


def _lived(state: State, heard: Heard, limits: LongIdleParams) -> _Lived:
    seg, line = heard.segments, heard.line
    ordinary = heard.says("mode", Mode.NORMAL) | (heard.held("mode") == UNKNOWN)
    ordinary &= ~heard.says("power", Power.BATTERY) & (heard.code(MAINS_OFF_CODE) != 1)
    before_us = seg.prior(heard.seen_us)
    gaps = line.told & (before_us != NEVER_US) & (line.t_us - before_us > limits.gap_us)
    runs = heard.held("car") == 1
    starts, stops = seg.rises(runs), seg.prior(runs) & ~runs & ~seg.is_head
    slot = _local_us(line.t_us, limits) // limits.slot_us
    slot[seg.head_at] = state["slot"]
    slot = seg.hold(slot, line.told)
    before = seg.prior(slot)
    turns = seg.changes(slot) & (before >= 0)
    days = turns & (_day(slot) != _day(before))
    return _Lived(
        ordinary, gaps, starts, stops, slot, turns,
        np.minimum(seg.count_since(starts, days, state["ran"].astype(np.int64)), _MOST_RUNS),
        np.minimum(seg.count_since(starts, turns, state["runs"].astype(np.int64)), _MOST_RUNS),
    )  # fmt: skip


def _local_us(t_us: Ints, limits: LongIdleParams) -> Ints:
    offset_us = np.rint(np.asarray(limits.offset_h, np.float64) * 3600 * US_PER_S)
    return t_us + offset_us.astype(np.int64)


def _day(slot: Ints) -> Ints:
    return (slot - DAY_BEGINS) // PER_DAY


def _learn(
    state: State, heard: Heard, life: _Lived, limits: LongIdleParams
) -> tuple[dict[str, NDArray[Any]], Ints]:
    """Let patterns learn slot by slot, and return until when each stop may last.

    The loop is over the slots that end on the busiest lift of the batch, not over lifts: what
    stops between two of them is judged by the pattern of then.
    """
    seg = heard.segments
    whole = _whole(state, heard, life)
    pattern, expected = state["pattern"].copy(), state["expected"].copy()
    count = np.cumsum(life.turns)
    number = count - (count[seg.head_at] - life.turns[seg.head_at])[seg.row]
    due_us = np.full(len(seg), NO_DUE_US)
    stops, turns = np.flatnonzero(life.stops & life.ordinary), np.flatnonzero(life.turns)
    for n in range(int(number.max(initial=0)) + 1):
        ended = turns[number[turns] == n]
        if len(ended):
            _end_slots(heard, life, whole, ended, pattern, expected)
        here = stops[number[stops] == n]
        if len(here):
            due_us[here] = _deadlines(heard, life, here, pattern, expected, limits)
    at = seg.last_at
    after = {
        "slot": life.slot[at].astype(np.int32),
        "expected": expected,
        "ran": life.ran[at].astype(np.uint16),
        "runs": life.runs[at].astype(np.uint16),
        "whole": whole[at],
        "pattern": pattern,
    }
    return after, due_us


def _whole(state: State, heard: Heard, life: _Lived) -> Bools:
    """Tell along the strip whether the slot that goes on was heard from its beginning on."""
    seg = heard.segments
    begins = life.turns & seg.prior(life.ordinary)
    carried = np.zeros(len(seg), np.bool_)
    carried[seg.head_at] = state["whole"]
    spoilt = life.gaps | (heard.line.told & ~life.ordinary)
    return seg.latch(begins | carried, (life.turns & ~begins) | spoilt)


def _end_slots(
    heard: Heard,
    life: _Lived,
    whole: Bools,
    ended: Ints,
    pattern: NDArray[np.uint8],
    expected: NDArray[np.float32],
) -> None:
    """Let the slots that these frames end be learnt, one a lift; in place."""
    seg = heard.segments
    before, row = seg.before[ended], seg.row[ended]
    slot = life.slot[before]
    held = slot % SLOTS
    day_goes_on = _day(life.slot[ended]) == _day(slot)
    through = expected[row] + usual(pattern[row, held])
    expected[row] = np.where(day_goes_on, through, 0.0)
    sound = whole[before] & ~life.gaps[ended]
    row, held = row[sound], held[sound]
    pattern[row, held] = learnt(pattern[row, held], life.runs[before[sound]])


def _deadlines(
    heard: Heard,
    life: _Lived,
    stops: Ints,
    pattern: NDArray[np.uint8],
    expected: NDArray[np.float32],
    limits: LongIdleParams,
) -> Ints:
    """Return when each of these stops has lasted unbelievably long, if its day was a busy one."""
    due_us = np.full(len(stops), NO_DUE_US)
    row, ran = heard.segments.row[stops], life.ran[stops]
    busy = (ran >= limit_at(limits.busy_runs, stops)) & (2 * ran >= expected[row])
    stops, row = stops[busy], row[busy]
    t_us, slot = heard.line.t_us[stops], life.slot[stops]
    slot_us = limit_at(limits.slot_us, stops)
    local_us = _local_us(heard.line.t_us, limits)[stops]
    lasts_us = until_expected_us(
        pattern[row], slot % SLOTS, local_us - slot * slot_us, slot_us, limit_at(limits.runs, stops)
    )
    lasts_us = np.where(lasts_us < 0, -1, np.maximum(lasts_us, limit_at(limits.least_us, stops)))
    due_us[busy] = np.where(lasts_us < 0, NO_DUE_US, t_us + lasts_us)
    return due_us


class _Idle(NamedTuple):
    """The finding along the strip."""

    stands_us: Ints
    deadline_us: Ints
    raised_us: Ints
    active: Bools
    raised: Bools
    cleared: Bools
    late: Bools


def _idle(state: State, heard: Heard, life: _Lived, due_at: Ints, limits: LongIdleParams) -> _Idle:
    seg, line = heard.segments, heard.line
    ends = life.starts | (line.told & ~life.ordinary)
    marks = life.stops | life.gaps | ends
    deadline_us = np.where(life.stops & life.ordinary & ~life.gaps, due_at, NO_DUE_US)
    deadline_us[seg.head_at] = state["deadline_us"]
    deadline_us = seg.hold(deadline_us, marks)
    stands_us = line.since(life.stops, state["stands_us"])
    fresh = deadline_us - heard.seen_us <= limits.gap_us
    ripe = (deadline_us != NO_DUE_US) & fresh & line.reached(deadline_us)
    was_active = np.zeros(len(seg), np.bool_)
    was_active[seg.head_at] = state["raised_us"] != NEVER_US
    active = seg.latch(ripe | was_active, ends)
    before = np.where(seg.is_head, was_active, seg.prior(active))
    raised, cleared = ripe & ~before & ~ends, ends & before
    raised_us = np.where(raised, deadline_us, NEVER_US)
    raised_us[seg.head_at] = np.where(
        raised[seg.head_at], deadline_us[seg.head_at], state["raised_us"]
    )
    raised_us = seg.hold(raised_us, raised)
    return _Idle(
        stands_us=stands_us,
        deadline_us=deadline_us,
        raised_us=raised_us,
        active=active,
        raised=raised,
        cleared=cleared,
        late=cleared & (line.t_us <= seg.prior(raised_us)),
    )


def _told(
    rule: LongIdleDetector, heard: Heard, life: _Lived, idle: _Idle, limits: LongIdleParams
) -> tuple[Transitions, ...]:
    at = np.flatnonzero(idle.raised | idle.cleared)
    if not len(at):
        return ()
    seg = heard.segments
    cleared = idle.cleared[at]
    t_us = np.where(cleared, heard.line.t_us[at], idle.deadline_us[at])
    stands_us = np.where(cleared, seg.prior(idle.stands_us)[at], idle.stands_us[at])
    why = np.where(idle.late[at], ClearReason.LATE_EVIDENCE, ClearReason.CONDITION_ENDED)
    events = Events(
        at=at,
        change=np.where(cleared, Change.CLEARED, Change.RAISED),
        t_us=t_us,
        onset_us=stands_us,
        last_seen_us=heard.seen_us[at],
        kind=FindingKind.LONG_IDLE,
        confidence=Confidence.PROBABLE,
        ended_by=why,
    )
    mode = heard.held("mode")[at]
    criteria = {
        "ordinary_service": life.ordinary[at].astype(np.int8),
        "runs_again": life.starts[at].astype(np.int8),
        "stopped": tri(heard.held("car")[at] == 0),  # known: a ride has ended
    }
    values = {"stood_us": t_us - stands_us, "ran_today": life.ran[at], "mode": mode}
    values |= {name: heard.held(name)[at] for name in ("door", "floor", "passenger")}
    shown = ("runs", "least_us", "gap_us", "busy_runs", "offset_h", "slot_us")
    return (written(rule, seg, events, criteria, values, limits_at(limits, shown, at)),)
