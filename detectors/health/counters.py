"""Counters that cannot be: they run backwards, or further than a lift can go in the time.

Decides: whenever a frame tells a counter, how far it may have come since it was told last; less or
more is the finding, at that frame. It ends with the first frame that tells the same counter in the
range of the possible again. Whether the counter wrapped, began from 0, ran back or jumped stands in
the evidence. It leaves to others: what is computed from counters, and the doors, runs and hours
that the service sees itself.

Invariants: only two values of a counter are ever compared, so one wrong value is told once and the
next right one ends it; a value told again within its second says nothing, so copies change nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from detectors.parameters import US_PER_S, LiftParams, plain, spread_all
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from detectors.windows import limit_at, limits_at
from telemetry.columns import UNKNOWN
from telemetry.findings import Change, FindingKind
from telemetry.transitions import Transitions

COUNTERS: Final = ("running_hours", "runs", "door_cycles", "rope_bends", "distance_m")
WRAPS: Final = (2**16, 2**24, 2**31, 2**32, 10**5, 10**6, 10**7, 10**8, 10**9)
"""Where counters begin anew: widths of registers, and of displays with 5 to 9 digits."""
_PRACTICE: Final = "practice: twice what the quickest lift can do"
_SLACK: Final = "practice: a value is rounded, and told some frames later than it counted"


@dataclass(frozen=True, slots=True)
class CountersParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    runs_per_min
        Largest number of runs, and of door cycles, in a minute.
    rope_bends_per_run
        Largest number of rope bends in one run: pulleys passed.
    distance_mps
        Largest distance in a second [m/s].
    slack
        What any counter may be off besides, in its unit; rope bends times their number in a run,
        running hours one hour.
    """

    runs_per_min: Any = field(
        default=12.0, metadata=plain("counter_runs_per_min", 0.1, 600, "f8", _PRACTICE)
    )
    rope_bends_per_run: Any = field(
        default=20.0, metadata=plain("counter_rope_bends_per_run", 1, 1000, "f8", _PRACTICE)
    )
    distance_mps: Any = field(
        default=20.0, metadata=plain("counter_distance_mps", 0.1, 100, "f8", _PRACTICE)
    )
    slack: Any = field(default=20.0, metadata=plain("counter_slack", 0, 100_000, "f8", _SLACK))


@dataclass(frozen=True, slots=True)
class CountersDetector:
    """The rule of counters that cannot be."""

    name: str = "counter_implausible"
    version: str = "1"
    kinds: tuple[FindingKind, ...] = (FindingKind.COUNTER_IMPLAUSIBLE,)
    gap_policy: GapPolicy = GapPolicy.HOLD
    layout: tuple[Field, ...] = (
        Field("onset_us", "i8", NEVER_US, rare=True),
        Field("told_s", "u4", 0, (len(COUNTERS),)),  # second in which each was told last
        Field("wrong", "?", False, (len(COUNTERS),)),  # the last value of each could not be
    )
    params_type: type[CountersParams] = CountersParams

    def step(self, state: State, batch: LiftFrames, params: CountersParams) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        heard = batch.lift
        limits = spread_all(params, batch.segments.row)
        told_s, looks = state["told_s"].copy(), []
        for i, name in enumerate(COUNTERS):
            if heard.told(name).any():
                looks.append(_look(heard, name, i, told_s[:, i], limits))
        after = {"told_s": told_s} if looks else {}
        if not looks or not (state["wrong"].any() or any(x.wrong.any() for x in looks)):
            return Stepped(after, NO_DUE_US, ())
        life = _life(state, heard, looks)
        return Stepped({**after, **life.state}, NO_DUE_US, _tell(self, heard, life, looks, limits))


class _Look(NamedTuple):
    """One counter at the ``k`` elements that tell it, in the order of the strip."""

    number: int
    at: Ints
    wrong: Bools  # what cannot be
    right: Bools  # what can be
    before: Ints  # the value told before
    now: Ints
    most: NDArray[Any]  # the furthest that it can have come


def _look(
    heard: Heard, name: str, number: int, told_s: NDArray[np.uint32], limits: CountersParams
) -> _Look:
    """Look at a counter; ``told_s``, per row, is when it was told last, and is brought forward."""
    seg, told = heard.segments, heard.told(name)
    at, now = seg.frame_at[told], heard.frames[name][told]
    row, now_s = seg.row.take(at), heard.line.t_us.take(at) // US_PER_S
    before, since_s = np.empty_like(now), np.empty_like(now_s)
    before[1:], since_s[1:] = now[:-1], now_s[:-1]
    first = np.flatnonzero(np.diff(row, prepend=-1))
    before[first] = heard.carried[name].take(row[first])
    since_s[first] = told_s.take(row[first])
    told_s[row] = now_s  # of a row that tells it twice, the last one stays
    most = _most(name, (now_s - since_s) + 1.0, limits, at)
    known = before != UNKNOWN
    again = (now == before) & (now_s == since_s)
    wrong = known & ((now < before) | (now - before > most))
    return _Look(number, at, wrong, known & ~wrong & ~again, before, now, most)


def _most(name: str, for_s: NDArray[Any], limits: CountersParams, at: Ints) -> NDArray[Any]:
    """Return how far a counter can have come in the times before elements ``at``."""
    slack = limit_at(limits.slack, at)
    runs = for_s * limit_at(limits.runs_per_min, at) / 60
    match name:
        case "running_hours":
            return for_s / 3600 + 1
        case "rope_bends":
            return (runs + slack) * limit_at(limits.rope_bends_per_run, at)
        case "distance_m":
            return for_s * limit_at(limits.distance_mps, at) + slack
        case _:
            return runs + slack


class _Life(NamedTuple):
    """What became of the finding; ``k`` events in the order of the strip."""

    at: Ints
    change: NDArray[np.int64]
    onset_us: Ints
    wrong: NDArray[np.bool_]  # which counters are wrong after each element, shape (n + m, 5)
    state: dict[str, NDArray[Any]]


def _life(state: State, heard: Heard, looks: list[_Look]) -> _Life:
    seg, line = heard.segments, heard.line
    wrong = np.zeros((len(seg), len(COUNTERS)), np.bool_)
    wrong[:] = state["wrong"][seg.row]
    news = np.zeros(len(seg), np.bool_)
    for look in looks:
        told = np.zeros(len(seg), np.bool_)
        told[look.at] = look.wrong
        news |= told
        settled = np.zeros(len(seg), np.bool_)
        settled[look.at] = look.wrong | look.right
        told[seg.head_at] = state["wrong"][:, look.number]
        wrong[:, look.number] = seg.hold(told, settled)
    active = np.asarray(wrong.any(axis=1))
    before = seg.prior(active)
    raised, cleared = news & ~before, before & ~active & ~seg.is_head
    at = np.flatnonzero(news | cleared)
    change = np.select([raised[at], cleared[at]], [Change.RAISED, Change.CLEARED], Change.UPDATED)
    onset_us = line.since(raised, state["onset_us"])
    last = seg.last_at
    still_us = np.where(active[last], onset_us[last], NEVER_US)
    return _Life(at, change, onset_us[at], wrong, {"onset_us": still_us, "wrong": wrong[last]})


def _tell(
    rule: CountersDetector, heard: Heard, life: _Life, looks: list[_Look], limits: CountersParams
) -> tuple[Transitions, ...]:
    at = life.at
    if not len(at):
        return ()
    t_us, kind = heard.line.t_us[at], FindingKind.COUNTER_IMPLAUSIBLE
    events = Events(at, life.change, t_us, life.onset_us, heard.seen_us[at], kind)
    said = _said(looks, at)
    criteria = {name: said[name] for name in ("backwards", "wrapped", "from_zero", "jumped")}
    criteria |= {
        f"{name}_wrong": life.wrong[at, i].astype(np.int8) for i, name in enumerate(COUNTERS)
    }
    values = {name: said[name] for name in ("before", "now", "most")}
    values |= {name: heard.held(name)[at] for name in COUNTERS}
    shown = ("runs_per_min", "rope_bends_per_run", "distance_mps", "slack")
    limit = limits_at(limits, shown, at)
    return (written(rule, heard.segments, events, criteria, values, limit),)


def _said(looks: list[_Look], at: Ints) -> Mapping[str, NDArray[Any]]:
    """Tell of the first counter that is wrong in each frame what can be made of it."""
    k = len(at)
    said = {
        "before": np.full(k, UNKNOWN, np.int64),
        "now": np.full(k, UNKNOWN, np.int64),
        "most": np.full(k, np.nan),
    } | {name: np.zeros(k, np.int8) for name in ("backwards", "wrapped", "from_zero", "jumped")}
    for look in reversed(looks):
        bad = look.at[look.wrong]
        here = np.flatnonzero(np.isin(at, bad))
        one = np.searchsorted(look.at, at[here])
        before, now, most = look.before[one], look.now[one], look.most[one]
        back = now < before
        wraps = np.zeros(len(one), np.bool_)
        for size in WRAPS:
            wraps |= back & (before < size) & (now + size - before <= most)
        zero = back & ~wraps & (now <= most)
        for name, holds in (
            ("backwards", back), ("wrapped", wraps), ("from_zero", zero), ("jumped", ~back)
        ):  # fmt: skip
            said[name][here] = holds
        said["before"][here], said["now"][here], said["most"][here] = before, now, most
    return MappingProxyType(said)
