"""From the world to frames: what each terminal knows, when it tells it, and how well.

A terminal tells a frame at every discrete change, every ``moving_us`` while anything is going on,
and a heartbeat every ``idle_us`` otherwise (``timeline``). What terminals of each type make of the
world is in ``coupled``, ``retrofit`` and ``barometric``, common to all are presence, acceleration
and vibration, here. Then faulty sensors falsify it (``falsify``). Values are rounded to integer
wire units once, before anything else; how the world was cut into calls changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.sensors import SensorFault
from simulator.frames import MISSING, Frames
from simulator.randomness import between
from simulator.terminals.alarm_tests import AlarmTests, TestPlan
from simulator.terminals.bad_lines import BadLine
from simulator.terminals.barometric import Barometric
from simulator.terminals.block import SAMPLED, Block, Column, Kind, Setting, thousandths
from simulator.terminals.coupled import Coupled
from simulator.terminals.falsify import Falsifier, Restarts
from simulator.terminals.landings import Landings
from simulator.terminals.losses import Losses
from simulator.terminals.noise import (
    HORIZONTAL_MMPS2,
    REST_MMPS2,
    RIDE_MMPS2,
    VIBRATION_MMPS2,
    of_lifts,
)
from simulator.terminals.retrofit import Retrofit
from simulator.terminals.timeline import Cadence, Ranks, Timeline
from simulator.world.buildings import Plan, Presence, Terminal
from simulator.world.knowledge import TELLS
from simulator.world.state import RUNNING, Phase, Pieces

PIR_HOLD_US: Final = 6_000_000
"""How long after the last movement about the door a PIR still sees people (practice)."""
AT_ONCE: Final = 8_192
"""Samples of a block."""
_STIRRING: Final = np.isin(np.arange(len(Phase)), [
    Phase.OPENING, Phase.LEAVING, Phase.BOARDING, Phase.CLOSING, Phase.CLOSED, Phase.HELD_OPEN,
    Phase.RELEVELLING,
])  # fmt: skip
"""Phases in which doors or people move about the door."""
_PER_PIECE: Final = {
    "mode": "i4", "power": "i4", "safety_circuit": "i4", "brake": "i4", "button": "i4",
    "codes": "i8", "runs": "i8", "door_cycles": "i8",
}  # fmt: skip
"""Columns that are constant in a piece, with dtypes."""
_NEVER_US: Final = 2**62


class Sensors:
    """Terminals of a fleet: they number their frames.

    Parameters
    ----------
    plan
        What is built.
    cadence
        How often they tell.
    seed
        Seed of the fleet.
    start_us
        First instant of the fleet.
    faults
        Faults of the sensors, by onset; ``unit`` is the row in the plan.
    tests
        Tests of the alarm; ``None`` = there are none.
    """

    def __init__(
        self,
        plan: Plan,
        cadence: Cadence,
        seed: int = 0,
        start_us: int = 0,
        faults: Sequence[SensorFault] = (),
        tests: AlarmTests | None = None,
    ) -> None:
        self._tests = tests or AlarmTests(plan, TestPlan(), seed, start_us, cadence.moving_us)
        setting = Setting(plan, seed, Landings(plan.landings_m), start_us, cadence.moving_us)
        self._setting = setting
        self._cadence = cadence
        self._ranks = Ranks(plan)
        self._kinds: Mapping[Terminal, Kind] = {
            Terminal.COUPLED: Coupled(setting),
            Terminal.RETROFIT: Retrofit(setting),
            Terminal.BAROMETRIC: Barometric(setting),
        }
        self._falsifier = Falsifier(plan, faults, start_us)
        self._losses = Losses(faults, seed, plan.first_lift, cadence.idle_us)
        self._seq = np.zeros(len(plan), "i8")
        _, vertical, horizontal, _ = of_lifts(seed, plan.first_lift + np.arange(len(plan)))
        self._vertical_mmps2 = between(vertical, *VIBRATION_MMPS2)
        self._horizontal_mmps2 = between(horizontal, *HORIZONTAL_MMPS2)

    def frames(self, pieces: Sequence[Pieces]) -> Frames:
        """Sample all instants that are due in ``pieces``, in time order.

        Every sample has the next ``seq``; what losses take is missing.
        """
        until_us = max((int(p["hi_us"].max()) for p in pieces if len(p["lift"])), default=0)
        cuts = [*self._falsifier.advance(until_us), *self._tests.advance(until_us)]
        timeline = Timeline(pieces, self._ranks, self._cadence, cuts)
        told: dict[str, Column] = {
            name: np.full(len(timeline), MISSING, "i8" if name == "distance_m" else "i4")
            for name in SAMPLED
        }
        for terminal, kind in self._kinds.items():
            self._tell(kind, timeline, timeline.pieces_of(terminal), told)
        restarts = self._falsifier.apply(timeline, told)
        if not len(timeline):
            return Frames.empty()
        return self._losses.apply(self._joined(timeline, told, restarts))

    @property
    def bad_lines(self) -> Sequence[BadLine]:
        """Return the lines that lose frames now and then; ``unit`` is the row in the plan."""
        return self._losses.lines

    def _tell(
        self, kind: Kind, timeline: Timeline, pieces: slice, told: Mapping[str, Column]
    ) -> None:
        """Let terminals of one type tell, block by block."""
        if pieces.start == pieces.stop:
            return
        constant = {**self._common(timeline, pieces), **kind.prepare(timeline, pieces)}
        samples = timeline.samples_of(pieces)
        for begin in range(samples.start, samples.stop, AT_ONCE):
            end = min(begin + AT_ONCE, samples.stop)
            block = Block(self._setting, timeline, begin, end)
            views = {name: values[begin:end] for name, values in told.items()}
            at = block.at - pieces.start
            here = {name: values[at] for name, values in constant.items()}
            self._tell_common(block, here, views)
            kind.tell(block, here, views)

    def _common(self, timeline: Timeline, pieces: slice) -> Mapping[str, Column]:
        """Return what all terminals have in common and is constant in pieces."""
        lift = timeline["lift"][pieces]
        phase = timeline["phase"][pieces]
        riders = timeline["riders"][pieces]
        presence = self._setting.plan.presence[lift]
        seen_until_us = timeline["stirred_us"][pieces] + PIR_HOLD_US
        never_lost = _STIRRING[phase] | (presence != Presence.PIR)
        runs = RUNNING[phase]
        shaking = timeline["shaking_mmps2"][pieces]
        return {
            "seen": np.select(
                [presence == Presence.COUNT, presence == Presence.PIR],
                [riders, np.minimum(riders, 1)], MISSING,
            ),
            "counts": (presence == Presence.COUNT) & (riders > 0),
            "seen_until_us": np.where(never_lost, _NEVER_US, seen_until_us),
            "shakes": np.where(runs, RIDE_MMPS2 + shaking // 6, REST_MMPS2),
            "runs": runs,
            "vertical": self._vertical_mmps2[lift],
            "horizontal": self._horizontal_mmps2[lift],
            "shaking": shaking,
        }  # fmt: skip

    def _tell_common(
        self, block: Block, constant: Mapping[str, Column], told: Mapping[str, Column]
    ) -> None:
        draws = block.draws
        seen = constant["seen"] + np.where(constant["counts"], draws.miscount(), 0)
        told["passenger"][:] = np.where(block.t_us < constant["seen_until_us"], seen, 0)
        noise = draws.acceleration(constant["shakes"])
        noise[block.moving] += thousandths(block.acceleration_mps2)
        told["acceleration_mps2"][:] = noise
        runs, shaking = constant["runs"], constant["shaking"]
        vertical = draws.vibration(constant["vertical"]) + shaking
        told["vibration_mps2"][:] = np.where(runs, vertical, MISSING)
        horizontal = draws.horizontal(constant["horizontal"]) + shaking * 2 // 3
        told["vibration_horizontal_mps2"][:] = np.where(runs, horizontal, MISSING)

    # --- frames ---------------------------------------------------------------------------------

    def _joined(self, timeline: Timeline, told: Mapping[str, Column], restarts: Restarts) -> Frames:
        """Put the samples into time order and add what is constant in their pieces."""
        order = timeline.in_time_order()
        at = timeline.of[order]
        columns: dict[str, NDArray[Any]] = {
            "lift": timeline["lift"][at],
            "time_us": timeline.t_us[order],
            "seq": self._number(timeline, restarts.begins)[order],
        }
        columns["device_time_us"] = columns["arrival_us"] = columns["time_us"]
        keys = set(columns)
        columns |= {name: values[order] for name, values in told.items()}
        columns |= {name: values[at] for name, values in self._per_piece(timeline).items()}
        if self._tests.on:
            tested = np.isin(order, self._tests.samples(timeline))
            columns["alarm_test"] = np.where(self._tests.tells[columns["lift"]], tested, MISSING)
            columns["button"] = np.where(tested, 1, columns["button"])
        if restarts.blind:
            blind = np.isin(order, restarts.blind)
            for name in columns.keys() - keys:
                columns[name][blind] = MISSING
        return Frames(columns)

    def _per_piece(self, timeline: Timeline) -> Mapping[str, Column]:
        """Return what is told and constant in pieces, by column."""
        columns: dict[str, Column] = {}
        for name, dtype in _PER_PIECE.items():
            of_world = RUNNING[timeline["phase"]] if name == "brake" else timeline[name]
            values = of_world.astype(dtype)
            for terminal in Terminal:
                if name not in TELLS[terminal]:
                    values[timeline.pieces_of(terminal)] = MISSING
            columns[name] = values
        return columns

    def _number(self, timeline: Timeline, begins: Sequence[tuple[int, int]]) -> Column:
        """Return the sequence number of each sample, in the order of the timeline."""
        lifts, last = timeline.last_samples()
        first = np.r_[0, last[:-1] + 1]
        counts = last + 1 - first
        seq = np.arange(len(timeline)) + np.repeat(self._seq[lifts] - first, counts)
        self._seq[lifts] += counts
        for lift, begin in begins:
            end = timeline.of_lift(lift).stop
            seq[begin:end] = np.arange(end - begin)
            self._seq[lift] = end - begin
        return seq
