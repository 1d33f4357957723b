"""Frames of a source through the code that runs live: keys, order, detectors, ticks.

A step takes the frames that arrived up to an instant as one batch, however many, and then lets a
tick pass. Live, ticks come ten times a second; here only those that can matter (``leaps``). Lifts
for which one can matter within the step go after all others, cut at those ticks; that is no matter
to anybody, since lifts do not influence each other.

Decides nothing about findings. Failures of a detector are kept in ``failures``, never hidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from detectors.bank import BANK, Bank
from detectors.contract import Detector
from detectors.outcome import BankOutcome, DetectorFailure
from detectors.parameters import thresholds
from ingest import assemble
from ingest.assemble import NOTHING_STORED, AssembleParams, Settled
from service.backtest.judging import Judging, Versions
from service.backtest.leaps import leaps
from service.backtest.memory import KeyMemory
from service.backtest.stages import Stage, Stages
from service.core import Advanced, LaneCore
from simulator.batches import Batcher
from simulator.frames import Frames
from simulator.scoring.alarms import Seen
from simulator.source import RegistryRow
from telemetry.batch import FrameBatch
from telemetry.transitions import Transition, in_order

TICK_US: Final = 100_000
"""How often time passes for quiet lifts, as in the service's default settings [µs]."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Detectors and their parameters for the whole fleet.

    Parameters
    ----------
    detectors
        As in ``detectors.bank.BANK``.
    defaults
        Parameters of the fleet by override key; a lift's own go before them.
    """

    detectors: tuple[Detector, ...] = BANK
    defaults: Mapping[str, float] = field(default_factory=dict)

    def of(self, row: RegistryRow) -> dict[str, Any]:
        """Return the parameters of a lift; its rated speed goes to the rules that ask for it."""
        rated = {"rated_speed_mps": row.rated_speed_mps} if self._asks_rated_speed(row) else {}
        return {**self.defaults, **rated, **row.params}

    def _asks_rated_speed(self, row: RegistryRow) -> bool:
        known = any("rated_speed_mps" in thresholds(d.params_type) for d in self.detectors)
        return known and row.rated_speed_mps is not None


class Engine:
    """The lifts of a source, or some of them, as one lane.

    ``elevator_id`` of every transition is the index of the lift in its fleet.

    Parameters
    ----------
    registry
        All units of the source.
    lifts
        Those whose frames come here, ascending.
    candidate
        Other rules that see the same frames in the same pass.
    versions
        Of stored frames, the parameters that judged them; else those of ``registry`` count.
    """

    def __init__(
        self,
        registry: Sequence[RegistryRow],
        lifts: Sequence[int],
        candidate: Rules | None = None,
        versions: Versions | None = None,
    ) -> None:
        rows = [registry[i] for i in lifts]
        gateways = {name: i for i, name in enumerate(dict.fromkeys(r.gateway for r in rows))}
        self._batcher = Batcher(lifts, [r.unit for r in rows], [gateways[r.gateway] for r in rows])
        self._memory = KeyMemory()
        self._core = LaneCore(AssembleParams(), {})
        self._core.grow(np.array(lifts, "i8"), NOTHING_STORED)
        self._candidate: Bank | None = None
        if candidate is not None:
            self._candidate = Bank(len(rows), detectors=candidate.detectors)
        self._judging = self._judged(rows, lifts, candidate or Rules(), versions)
        self._now_us = 0
        self._clock_off_us = np.zeros(len(rows), "i8")
        self._window_us = self._core.order.params.reorder_window_us
        self.frames = 0
        self.duplicates = 0
        self.late = 0
        self.found: list[Seen] = []
        self.candidate_found: list[Seen] = []
        self.failures: list[DetectorFailure] = []
        self.stages = Stages()

    def _judged(
        self,
        rows: Sequence[RegistryRow],
        lifts: Sequence[int],
        candidate: Rules,
        versions: Versions | None,
    ) -> Judging | None:
        """Give every lift its parameters; return what may change them later."""
        if versions is not None:
            banks = [self._core] if self._candidate is None else [self._core, self._candidate]
            rules = [(BANK, {}), (candidate.detectors, candidate.defaults)]
            return Judging(versions, lifts, banks, rules[: len(banks)])
        for row, unit in enumerate(rows):
            self._core.set_parameters(row, Rules().of(unit))
            if self._candidate is not None:
                self._candidate.set_overrides(row, candidate.of(unit))
        return None

    def take(self, frames: Frames, until_us: int) -> None:
        """Take the frames that arrived since the last call and before ``until_us``."""
        if self._judging is not None:
            for change_us in self._judging.instants_us(self._now_us, until_us):
                n = int(np.searchsorted(frames["arrival_us"], change_us))
                self._take(frames.take(slice(0, n)), change_us)
                frames = frames.take(slice(n, None))
                self._judging.change(change_us)
                self._advance(FrameBatch.empty(), change_us, caught_up=False)
        self._take(frames, until_us)

    def _take(self, frames: Frames, until_us: int) -> None:
        frames = frames.usable()  # without a time they are refused by whoever decodes them
        with self.stages.of(Stage.CONVERT):
            batch = self._batcher.batch(frames)
        with self.stages.of(Stage.KEYS):
            plan = assemble.plan(self._core.order, batch)
            settled = assemble.settle(self._core.order, plan, self._memory.find(plan))
            self._memory.keep(settled.frames, until_us)
        self._note_clocks(frames, settled)
        self.frames += len(frames)
        self.duplicates += len(settled.duplicates)
        self._order(settled, until_us)
        self._tick(until_us)
        self._now_us = until_us

    def _note_clocks(self, frames: Frames, settled: Settled) -> None:
        """Remember by how much the clock of each lift is wrong: the simulator alone knows it."""
        off_us = settled.frames["time_us"] - frames["time_us"][settled.index]
        self._clock_off_us[settled.frames["row"]] = off_us

    def _order(self, settled: Settled, until_us: int) -> None:
        frames = settled.frames
        apart = leaps(self._core.order, frames)
        if not apart:
            self._advance(frames, self._now_us, settled)
            return
        uneven = np.isin(frames["row"], list(apart))
        self._advance(frames.take(~uneven), self._now_us, settled)
        rest, since_us = frames.take(uneven), 0
        arrival_us = rest["received_us"]
        ticks_us = np.unique(np.concatenate(list(apart.values())) // TICK_US * TICK_US)
        for cut_us in [*ticks_us[ticks_us > self._now_us].tolist(), until_us]:
            part = rest.take((arrival_us >= since_us) & (arrival_us < cut_us))
            self._advance(part, cut_us)
            if cut_us < until_us:
                self._tick(cut_us)
            since_us = cut_us

    def _tick(self, now_us: int) -> None:
        self._advance(FrameBatch.empty(), now_us)

    def _advance(
        self,
        frames: FrameBatch,
        now_us: int,
        settled: Settled | None = None,
        *,
        caught_up: bool = True,
    ) -> None:
        core = self._core
        with self.stages.of(Stage.DETECT):
            advanced = core.advance(frames, now_us, caught_up=caught_up)
            other = None if self._candidate is None else self._candidate_step(advanced)
        self.late += int(np.count_nonzero(advanced.ordered.late))
        self.failures += advanced.outcome.failed
        self.found += self._known(advanced.transitions, advanced)
        if self._candidate is not None and other is not None:
            self.failures += other.failed
            transitions = in_order(other.transitions, core.elevator_ids)
            self.candidate_found += self._known(transitions, advanced)
            self._candidate.adopt(other)
        with self.stages.of(Stage.DETECT):
            core.adopt(advanced, settled)

    def _candidate_step(self, advanced: Advanced) -> BankOutcome:
        bank, ordered = self._candidate, advanced.ordered
        assert bank is not None
        if len(advanced.frames):
            return bank.step(ordered.step)
        stream_us = assemble.stream_times_us(
            self._core.order, advanced.now_us, caught_up=advanced.caught_up, ordered=ordered
        )
        return bank.step(ordered.step, stream_us, bank.due_rows(stream_us))

    def _known(self, transitions: Sequence[Transition], advanced: Advanced) -> list[Seen]:
        """Return them with when they became known: what a change of parameters tells, at once."""
        return [
            Seen(
                t,
                self._known_us(t, advanced) if advanced.caught_up else advanced.now_us,
                int(self._clock_off_us[self._row(t)]),
            )
            for t in transitions
        ]

    def _row(self, t: Transition) -> int:
        return int(np.searchsorted(self._core.elevator_ids, t.elevator_id))

    def _known_us(self, t: Transition, advanced: Advanced) -> int:
        """Return when a frame or a tick made it known, whichever came first.

        A frame that waits for another counts from the arrival of that one.
        """
        row = self._row(t)
        step = advanced.ordered.step
        first, end = np.searchsorted(step["row"], [row, row + 1])
        after = int(np.searchsorted(step["time_us"][first:end], t.t_us))
        arrival_us = step["received_us"][first:end]
        if after:
            told_us, at_us = int(step["time_us"][first + after - 1]), int(arrival_us[after - 1])
        else:
            head = self._core.order.order.heads[row]
            told_us, at_us = int(head["step_us"]), int(head["arrival_us"])
        tick_us = -(-(at_us + t.t_us - told_us + self._window_us) // TICK_US) * TICK_US
        if first + after == end:
            return tick_us
        return min(tick_us, int(arrival_us[: after + 1].max()))
