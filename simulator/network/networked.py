"""``NetworkedFleet``: a fleet seen from the broker, as ``simulator.source.Source``."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np

from simulator.faults.causes import Cause
from simulator.fleet import Fleet
from simulator.frames import Frames
from simulator.network.spec import NetworkSpec
from simulator.network.travel import Network
from simulator.source import RegistryRow
from simulator.truth import LookAlike, TruthEvent, joined
from telemetry.findings import FindingKind

CLOCK_CAUSE: Final = "clock_wrong"
OFFLINE_CAUSE: Final = "gateway_offline"
_NOTHING_COMES: Final = frozenset(
    {OFFLINE_CAUSE, Cause.TERMINAL_SILENT, Cause.TERMINAL_REBOOT, Cause.BUFFER_OVERFLOW}
)
"""Causes of silences in which no frame at all comes; lines that lose some are no such."""


class NetworkedFleet:
    """A fleet behind its network.

    Parameters
    ----------
    fleet
        It lives as far as it is asked for arrivals.
    spec
        The network.
    seed
        Seed of the network's draws.
    """

    def __init__(self, fleet: Fleet, spec: NetworkSpec, seed: int) -> None:
        self.fleet = fleet
        self.made = 0
        self._network = Network(spec, seed, fleet.gateway_of, fleet.spec.start_us)

    @property
    def start_us(self) -> int:
        """Return the first instant of the run [µs]."""
        return self.fleet.spec.start_us

    @property
    def labels(self) -> Sequence[Sequence[str]]:
        """Return the floor labels of each unit."""
        return self.fleet.labels

    @property
    def spec(self) -> NetworkSpec:
        """Return what the network does."""
        return self._network.spec

    def registry(self) -> list[RegistryRow]:
        """Return all units as the registry wants them."""
        return self.fleet.registry()

    def arrived_until(self, t_us: int) -> Frames:
        """Let the fleet live until ``t_us``; return what reaches the broker before.

        ``made`` counts the frames that terminals made, without copies.
        """
        frames = self.fleet.frames_until(t_us)
        self.made += len(frames)
        return self._network.arrivals(frames, t_us)

    def rest(self) -> Frames:
        """Return what is still under way, as if its time had come."""
        return self._network.rest()

    def truth(self) -> list[TruthEvent]:
        """Return the true events so far, by onset; wrong clocks and outages are among them.

        What is unheard for two reasons that overlap is one silence, of the cause that came first;
        buffers that overflow at once lose one span of numbers.
        """
        events = [*self.fleet.truth(), *self._wrong_clocks(), *self._outages()]
        events = joined(events, FindingKind.TERMINAL_SILENT, _NOTHING_COMES)
        events = joined(events, FindingKind.SEQUENCE_GAPS, {Cause.BUFFER_OVERFLOW})
        return sorted(events, key=lambda e: (e.onset_us, e.lift, e.kind))

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes so far, by their beginning."""
        return self.fleet.look_alikes()

    @cached_property
    def _models(self) -> list[str]:
        return [row.model for row in self.fleet.registry()]

    def _wrong_clocks(self) -> list[TruthEvent]:
        begun = self._network.clocks.begun
        columns = (begun.entity.tolist(), begun.from_us.tolist(), begun.to_us.tolist())
        return [
            self._event(lift, FindingKind.CLOCK_WRONG, CLOCK_CAUSE, (from_us, to_us), "time")
            for lift, from_us, to_us in zip(*columns, strict=True)
            if self._lives_here(lift)
        ]

    def _outages(self) -> list[TruthEvent]:
        """Return the times in which nothing arrived of a unit since its gateway was cut off."""
        begun = self._network.connections.begun
        columns = (begun.entity.tolist(), begun.from_us.tolist(), begun.to_us.tolist())
        return [
            self._event(unit, FindingKind.TERMINAL_SILENT, OFFLINE_CAUSE, span_us, "time_us")
            for gateway, *span_us in zip(*columns, strict=True)
            if span_us[0] < self.fleet.now_us
            for unit in np.flatnonzero(self.fleet.gateway_of == gateway).tolist()
            if self._lives_here(unit)
        ]

    def _event(
        self, unit: int, kind: FindingKind, cause: str, span_us: Sequence[int], shown_in: str
    ) -> TruthEvent:
        from_us, to_us = span_us
        return TruthEvent(
            lift=unit,
            code=self.fleet.codes[unit],
            kind=kind,
            cause=cause,
            onset_us=max(from_us, self.start_us),
            end_us=to_us if to_us <= self.fleet.now_us else None,
            people=0,
            terminal=self._models[unit],
            effects=(shown_in,),
        )

    def _lives_here(self, unit: int) -> bool:
        """Tell whether a unit belongs to the share of the fleet that lives here."""
        first = self.fleet.spec.n_lifts
        k, of = self.fleet.spec.share
        return unit in self.fleet.lifts if unit < first else (unit - first) % of == k
