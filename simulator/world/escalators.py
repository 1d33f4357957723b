"""Escalators and moving walks: they run, stand when nobody comes, and follow no lift rule.

Closed form as well: each unit alternates between running and standing in slots of equal length,
so its state at any instant is a pure function of (seed, unit, slot).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.frames import MISSING, Frames
from simulator.randomness import Stream, between, chance, words
from telemetry.columns import Direction, EscalatorMode, Unit

SLOT_US: Final = 120_000_000
"""After each slot it is drawn anew whether people come."""
RUNNING_PPM: Final = 800_000
NOMINAL_MMPS: Final = 500
"""Nominal speed; EN 115-1 allows up to 0.75 m/s."""
STEP_DEPTH_MM: Final = 400


@dataclass(frozen=True, slots=True)
class EscalatorPlan:
    """Escalators and walks of a fleet; units follow the lifts in its numbering.

    Parameters
    ----------
    first
        Index of the first unit in the fleet.
    units
        ``Unit.ESCALATOR`` or ``Unit.WALK`` of each.
    share
        Which of ``units`` run here, as ``(k, of)``: every ``of``-th from ``k`` on.
    """

    first: int
    units: tuple[Unit, ...]
    share: tuple[int, int] = (0, 1)

    def running(self) -> range:
        """Return the positions in ``units`` of those that run here."""
        k, of = self.share
        return range(k, len(self.units), of)


class Escalators:
    """Terminals of escalators and walks, from ``start_us`` on."""

    def __init__(
        self, plan: EscalatorPlan, seed: int, start_us: int, running_us: int, idle_us: int
    ) -> None:
        self._plan = plan
        self._seed = seed
        self._start_us = start_us
        self._running_us = running_us
        self._idle_us = idle_us
        self._now_us = start_us
        self._seq = np.zeros(len(plan.units), "i8")

    def frames_until(self, until_us: int) -> Frames:
        """Return the frames of ``[last call, until_us)`` in time order."""
        parts = [self._of_unit(i, until_us) for i in self._plan.running()]
        self._now_us = max(self._now_us, until_us)
        return Frames.concat(parts).in_time_order()

    def _of_unit(self, i: int, until_us: int) -> Frames:
        first = (self._now_us - self._start_us) // SLOT_US
        last = -((self._start_us - until_us) // SLOT_US)
        slots = np.arange(first, max(last, first))
        running = self._runs(i, slots)
        parts = [
            self._of_slot(i, int(s), bool(r), until_us) for s, r in zip(slots, running, strict=True)
        ]
        return Frames.concat(parts)

    def _runs(self, i: int, slots: NDArray[Any]) -> NDArray[np.bool_]:
        drawn = words(self._seed, Stream.ESCALATOR, i, slots)
        return chance(drawn[0], RUNNING_PPM)

    def _of_slot(self, i: int, slot: int, runs: bool, until_us: int) -> Frames:
        begins_us = self._start_us + slot * SLOT_US
        every_us = self._running_us if runs else self._idle_us
        t_us = np.arange(begins_us, begins_us + SLOT_US, every_us)
        t_us = t_us[(t_us >= self._now_us) & (t_us < until_us)]
        n = len(t_us)
        if not n:
            return Frames.empty()
        wobble = words(self._seed, Stream.ESCALATOR, 2**16 + i, t_us // 1000)
        speed = between(wobble[0], NOMINAL_MMPS - 5, NOMINAL_MMPS + 5) if runs else 0
        handrail = between(wobble[1], 98_000, 102_000) if runs else 0
        steps = np.asarray(speed) * 1000 // STEP_DEPTH_MM
        seq = self._seq[i] + np.arange(n)
        self._seq[i] += n
        return Frames.make(
            n,
            lift=self._plan.first + i,
            time_us=t_us,
            seq=seq,
            unit=self._plan.units[i],
            mode=EscalatorMode.NORMAL,
            car=int(runs),
            direction=Direction.UP if runs else Direction.NONE,
            floor=MISSING,
            speed_mps=speed,
            handrail_left_pct=handrail,
            handrail_right_pct=handrail,
            step_frequency_hz=steps,
            cover_open=0,
            emergency_stop=0,
        )
