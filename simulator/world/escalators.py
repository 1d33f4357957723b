"""Escalators and moving walks: they run, stand or creep when nobody comes, and obey no lift rule.

Closed form as well: each unit alternates between running and resting in slots of equal length, so
its state at any instant is a pure function of (seed, unit, slot). Where a fault strikes, the
stretches of its ``escalator_faults.Course`` take the place of the slots. Frames are sampled from
stretches as those of lifts are from pieces: one at the beginning of each, then at whole intervals
from there. Vectorised over units and slots; only units with a fault under way are plain Python.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.frames import MISSING, Frames
from simulator.randomness import Stream, between, chance, words
from simulator.truth import LookAlike, TruthEvent
from simulator.world.escalator_faults import RUNS_BEFORE_US, Course, Stretch, course
from telemetry.columns import Direction, EscalatorMode, Power, Unit

SLOT_US: Final = 120_000_000
"""After each slot it is drawn anew whether people come."""
RUNNING_PPM: Final = 800_000
NOMINAL_MMPS: Final = 500
"""Nominal speed; EN 115-1 allows up to 0.75 m/s."""
STEP_DEPTH_MM: Final = 400
STEPS: Final = 80
"""Steps in the band: a missing one passes the sensor once in so many."""
MEASURES_US: Final = SECOND_US
"""Time over which a terminal counts steps."""
SAVING_PPM: Final = 500_000
"""Units that creep when nobody comes; the others stand (practice)."""
CREEP_PCT: Final = 40
MODEL: Final = "stairs"
"""Type of their terminals, as in the registry's ``model``."""
_ONCE: Final = 2**62
"""Index of the draws that are made once a unit, beyond those of slots."""

Columns = Mapping[str, NDArray[np.int64]]
_FIELDS: Final = tuple(f.name for f in fields(Stretch))


@dataclass(frozen=True, slots=True)
class EscalatorPlan:
    """Escalators and walks of a fleet; units follow the lifts in its numbering.

    Parameters
    ----------
    first
        Index of the first unit in the fleet.
    units
        ``Unit.ESCALATOR`` or ``Unit.WALK`` of each.
    codes
        Their registration codes.
    share
        Which of ``units`` run here, as ``(k, of)``: every ``of``-th from ``k`` on.
    """

    first: int
    units: tuple[Unit, ...]
    codes: tuple[str, ...]
    share: tuple[int, int] = (0, 1)

    def running(self) -> range:
        """Return the positions in ``units`` of those that run here."""
        k, of = self.share
        return range(k, len(self.units), of)


class Escalators:
    """Terminals of escalators and walks, from ``start_us`` on.

    Parameters
    ----------
    plan
        The units.
    seed
        Seed of all draws.
    start_us
        First instant, whole ms.
    running_us, idle_us
        Intervals of their frames, whole ms.
    script
        Their faults; ``Fault.lift`` is the index in the fleet. Of two that would overlap on one
        unit the later one waits.

    Raises ``ValueError`` for a cause that only lifts have.
    """

    def __init__(
        self, plan: EscalatorPlan, seed: int, start_us: int, running_us: int, idle_us: int,
        script: Sequence[Fault] = (),
    ) -> None:  # fmt: skip
        self._plan = plan
        self._seed = seed
        self._start_us = start_us
        self._running_us = running_us
        self._idle_us = idle_us
        self._now_us = start_us
        self._unit = np.array(plan.running(), "i8")
        self._seq = np.zeros(len(plan.units), "i8")
        kind = np.array(plan.units, "i8")
        self._kind = kind if len(kind) else np.zeros(0, "i8")
        drawn = words(seed, Stream.ESCALATOR, np.arange(len(plan.units)), _ONCE)
        self._way = np.where(chance(drawn[0], 500_000), Direction.UP, Direction.DOWN).astype("i8")
        self._rest_pct = np.where(chance(drawn[1], SAVING_PPM), CREEP_PCT, 0).astype("i8")
        self._courses = self._schedule(script)

    def frames_until(self, until_us: int) -> Frames:
        """Return the frames of ``[last call, until_us)`` in time order."""
        if until_us <= self._now_us or not self._unit.size:
            self._now_us = max(self._now_us, until_us)
            return Frames.empty()
        stretches = self._stretches(until_us)
        frames = self._sample(stretches, until_us)
        self._now_us = until_us
        return frames

    def truth(self) -> list[TruthEvent]:
        """Return the true events so far, by onset."""
        now_us = self._now_us
        return sorted(
            (
                TruthEvent(
                    c.fault.lift, self._code(c), effect.kind, str(c.fault.cause), effect.from_us, 0,
                    end_us=effect.to_us if effect.to_us <= now_us else None,
                    terminal=MODEL, effects=effect.columns,
                )
                for c in self._all_courses() for effect in c.effects if effect.from_us < now_us
            ),
            key=lambda e: (e.onset_us, e.lift, e.kind),
        )  # fmt: skip

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes so far, by their beginning."""
        now_us = self._now_us
        return sorted(
            (
                LookAlike(
                    c.fault.lift, self._code(c), str(c.fault.cause), c.from_us,
                    c.to_us if c.to_us <= now_us else None, MODEL,
                )
                for c in self._all_courses() if not c.effects and c.from_us < now_us
            ),
            key=lambda a: (a.from_us, a.lift),
        )  # fmt: skip

    # --- faults ---------------------------------------------------------------------------------

    def _schedule(self, script: Sequence[Fault]) -> dict[int, list[Course]]:
        """Return the courses of each unit that has any, one after another."""
        courses: dict[int, list[Course]] = {}
        here = set(self._plan.running())
        for fault in sorted(script, key=lambda f: (f.at_us, f.lift)):
            i = fault.lift - self._plan.first
            if not 0 <= i < len(self._plan.units):
                raise ValueError(f"fault {fault.cause} is for unit {fault.lift}: no such unit")
            if i not in here:
                continue
            own = courses.setdefault(i, [])
            free_us = own[-1].to_us + SECOND_US if own else self._start_us
            if fault.cause is Cause.ESCALATOR_REVERSAL:
                free_us += RUNS_BEFORE_US
            at_us = max(fault.at_us, free_us)
            own.append(course(replace(fault, at_us=at_us), Direction(int(self._way[i]))))
        return courses

    def _all_courses(self) -> Iterable[Course]:
        return (c for own in self._courses.values() for c in own)

    def _code(self, c: Course) -> str:
        return self._plan.codes[c.fault.lift - self._plan.first]

    # --- stretches ------------------------------------------------------------------------------

    def _stretches(self, until_us: int) -> Columns:
        """Return all stretches that touch ``[now, until_us)``: one array for each field."""
        ordinary = self._slots(until_us)
        # a course that is over still moves the grid of the rest of its slot
        slot_us = self._now_us - (self._now_us - self._start_us) % SLOT_US
        struck = {
            i: touching
            for i, own in self._courses.items()
            if (touching := [c for c in own if c.to_us > slot_us and c.from_us < until_us])
        }
        if not struck:
            return ordinary
        special = np.isin(ordinary["unit"], list(struck))
        rows = [
            row
            for i, courses in struck.items()
            for row in _overlaid(_rows(ordinary, special & (ordinary["unit"] == i)), courses)
        ]
        return {
            name: np.concatenate([ordinary[name][~special], [row[name] for row in rows]])
            for name in ordinary
        }

    def _slots(self, until_us: int) -> Columns:
        """Return ordinary life as stretches: slots that touch ``[now, until_us)``."""
        first = (self._now_us - self._start_us) // SLOT_US
        last = -((self._start_us - until_us) // SLOT_US)
        slot = np.tile(np.arange(first, last), self._unit.size)
        unit = np.repeat(self._unit, last - first)
        runs = chance(words(self._seed, Stream.ESCALATOR, unit, slot)[0], RUNNING_PPM)
        columns = {name: np.zeros(len(slot), "i8") for name in _FIELDS}
        columns["unit"] = unit
        columns["from_us"] = self._start_us + slot * SLOT_US
        columns["to_us"] = columns["from_us"] + SLOT_US
        columns["speed_pct"] = np.where(runs, 100, self._rest_pct[unit])
        columns["direction"] = self._way[unit]
        columns["mode"][:] = EscalatorMode.NORMAL
        columns["power"][:] = Power.MAINS
        columns["safety"][:] = 1
        return columns

    # --- frames ---------------------------------------------------------------------------------

    def _sample(self, stretches: Columns, until_us: int) -> Frames:
        moves = stretches["speed_pct"] > 0
        busy = moves | (stretches["codes"] != 0) | (stretches["cover"] != 0)
        busy &= stretches["power"] == Power.MAINS
        every_us = np.where(busy, self._running_us, self._idle_us)
        begin_us = stretches["from_us"]
        low_us = np.maximum(begin_us, self._now_us)
        high_us = np.minimum(stretches["to_us"], until_us)
        first = -((begin_us - low_us) // every_us)
        count = np.maximum(-((begin_us - high_us) // every_us) - first, 0)
        of = np.repeat(np.arange(len(count)), count)
        nth = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
        t_us = begin_us[of] + (first[of] + nth) * every_us[of]
        order = np.lexsort((stretches["unit"][of], t_us))
        of, t_us = of[order], t_us[order]
        return self._told({name: values[of] for name, values in stretches.items()}, t_us)

    def _told(self, s: Columns, t_us: NDArray[np.int64]) -> Frames:
        unit, moves = s["unit"], s["speed_pct"] > 0
        wobble = words(self._seed, Stream.ESCALATOR, 2**16 + unit, t_us // 1000)
        speed = np.where(moves, NOMINAL_MMPS * s["speed_pct"] // 100 + between(wobble[0], -5, 5), 0)
        rail = between(wobble[1], -2_000, 2_000)
        left, right = (
            np.where(moves, (s["speed_pct"] - s[side]) * 1000 + rail, 0)
            for side in ("left_pct", "right_pct")
        )
        return Frames.make(
            len(t_us),
            lift=self._plan.first + unit,
            time_us=t_us,
            seq=self._number(unit),
            unit=self._kind[unit],
            mode=s["mode"],
            car=moves,
            direction=np.where(moves, s["direction"], Direction.NONE),
            floor=MISSING,
            speed_mps=speed,
            power=s["power"],
            safety_circuit=s["safety"],
            codes=s["codes"],
            handrail_left_pct=left,
            handrail_right_pct=right,
            step_frequency_hz=_steps(speed, s["gap_us"], t_us),
            cover_open=s["cover"],
            emergency_stop=s["emergency"],
        )

    def _number(self, unit: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the next sequence numbers of frames that are in time order."""
        order = np.argsort(unit, kind="stable")
        units = unit[order]
        counts = np.bincount(units, minlength=len(self._seq))
        before = np.cumsum(counts) - counts
        seq = np.empty(len(unit), "i8")
        seq[order] = self._seq[units] + np.arange(len(units)) - before[units]
        self._seq += counts
        return seq


def _steps(speed_mmps: NDArray[Any], gap_us: NDArray[Any], t_us: NDArray[Any]) -> NDArray[np.int64]:
    """Return the step frequency [mHz]: half of it while the gap of a missing step passes."""
    usual = speed_mmps * 1000 // STEP_DEPTH_MM
    round_us = STEPS * STEP_DEPTH_MM * SECOND_US // NOMINAL_MMPS
    passes = (gap_us > 0) & ((t_us - gap_us) % round_us < MEASURES_US)
    return np.where(passes, usual // 2, usual)


def _rows(columns: Columns, mask: NDArray[np.bool_]) -> list[dict[str, int]]:
    names = tuple(columns)
    picked = zip(*(columns[name][mask].tolist() for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in picked]


def _overlaid(slots: list[dict[str, int]], courses: list[Course]) -> list[dict[str, int]]:
    """Return one unit's slots with the stretches of its courses in their place."""
    rows = slots
    for c in courses:
        unit = slots[0]["unit"]
        kept = [piece for row in rows for piece in _cut(row, c.from_us, c.to_us)]
        own = [{name: int(getattr(s, name)) for name in _FIELDS} for s in c.stretches]
        rows = kept + [row | {"unit": unit} for row in own]
    return rows


def _cut(row: dict[str, int], from_us: int, to_us: int) -> list[dict[str, int]]:
    """Return what is left of a stretch outside ``[from_us, to_us)``."""
    if row["to_us"] <= from_us or row["from_us"] >= to_us:
        return [row]
    before = row | {"to_us": from_us}
    after = row | {"from_us": to_us}
    return [piece for piece in (before, after) if piece["from_us"] < piece["to_us"]]
