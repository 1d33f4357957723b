"""``Fleet``: a world with its terminals, escalators, registry and truth behind one door.

A fleet is a pure function of (spec, seed, commands). It reads no clock: ``frames_until(t_us)`` lets
it live up to an instant that the caller chooses, in steps of any size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator import geography
from simulator.faults import mass, sensors
from simulator.faults.catalogue import Fault
from simulator.faults.mass import MassEvent
from simulator.faults.sensors import SensorFault
from simulator.frames import Digest, Frames
from simulator.geography import City
from simulator.source import RegistryRow
from simulator.terminals.alarm_tests import AlarmTests, TestPlan, missed_of
from simulator.terminals.health import Health
from simulator.terminals.sensors import Sensors
from simulator.terminals.timeline import Cadence
from simulator.truth import LookAlike, TruthEvent
from simulator.world.buildings import (
    Building,
    Mix,
    Plan,
    Presence,
    Terminal,
    draw_plan,
    registration_code,
    with_terminals,
)
from simulator.world.escalators import MODEL as STAIRS
from simulator.world.escalators import NOMINAL_MMPS, EscalatorPlan, Escalators
from simulator.world.world import World
from telemetry.columns import Unit

HEARTBEAT: Final = "heartbeat_s"
"""Key of the expected interval among a unit's parameters."""
_MAINTAINERS: Final = ("Changjiang Lift Service", "Donghu Elevator", "Huanghe Lift")
_KIND_NAMES: Final = {
    Building.HOUSING: "Garden House",
    Building.OFFICE: "Office Tower",
    Building.TOWER: "View Tower",
    Building.HOSPITAL: "Hospital",
    Building.SHOP: "Department Store",
    Building.METRO: "Metro Station",
}


@dataclass(frozen=True, slots=True)
class TerminalChoice:
    """A terminal type, or a way to notice people, that a scenario wants on certain lifts."""

    lifts: tuple[int, ...]
    terminal: Terminal | None
    presence: Presence | None


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """What a fleet is.

    Parameters
    ----------
    start_us
        First instant, whole ms.
    n_lifts
        Lifts.
    escalators, walks
        Other units; their indices follow the lifts.
    mix
        Shares of building kinds and terminal types.
    cadence
        How often terminals tell.
    rate_pct
        Traffic in percent of the usual; ``quiet`` lifts have none of their own.
    quiet
        Lifts to which only scripted people come.
    script
        Faults, also those of sensors.
    sensor_faults
        Drawn faults of sensors and terminals, added to those of the script.
    city
        Its districts and their feeders.
    mass_events
        Power cuts and earthquakes; their faults join the script.
    terminals
        Exchanged terminals.
    params
        Per-lift parameters for the registry, for all units.
    lifts_per_gateway
        Units that share a gateway.
    code_prefix, gateway_prefix
        Of registration codes (empty = 20 digits) and gateway names.
    utc_offset_hours
        Local time of the buildings.
    alarm_tests
        How often terminals test their alarm.
    share
        Which part of the fleet lives here, ``(k, of)``: its units live, tell and are numbered as in
        the whole fleet, and none other tells anything. Equal for any division: buildings are whole.
    """

    start_us: int
    n_lifts: int = 200
    escalators: int = 0
    walks: int = 0
    mix: Mix = field(default_factory=Mix)
    cadence: Cadence = field(default_factory=Cadence)
    rate_pct: int = 100
    quiet: tuple[int, ...] = ()
    script: tuple[Fault, ...] = ()
    sensor_faults: tuple[SensorFault, ...] = ()
    city: City = field(default_factory=City)
    mass_events: tuple[MassEvent, ...] = ()
    terminals: tuple[TerminalChoice, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    lifts_per_gateway: int = 4
    code_prefix: str = ""
    gateway_prefix: str = "sim-"
    utc_offset_hours: int = 8
    alarm_tests: TestPlan = field(default_factory=TestPlan)
    share: tuple[int, int] = (0, 1)


class Fleet:
    """A living fleet.

    Parameters
    ----------
    spec
        What it is.
    seed
        Seed of all draws.
    """

    def __init__(self, spec: FleetSpec, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        self.plan = _plan(spec, seed)
        units = (Unit.ESCALATOR,) * spec.escalators + (Unit.WALK,) * spec.walks
        more = tuple(
            registration_code(i, spec.code_prefix)
            for i in range(spec.n_lifts, spec.n_lifts + len(units))
        )
        self.codes = self.plan.codes + more
        self.units = (Unit.LIFT,) * spec.n_lifts + units
        self.labels = self.plan.labels + ((),) * len(units)
        self.buildings = _buildings(self.plan, len(units))
        """Number of the building of each unit."""
        self.geography = geography.draw(self.buildings, seed, spec.city)
        self.script = (
            *spec.script, *mass.script(spec.mass_events, self.geography, spec.n_lifts, seed)
        )  # fmt: skip
        """All faults, those of mass events too."""
        self.gateway_of = np.arange(len(self.codes)) // spec.lifts_per_gateway
        self.gateways = tuple(
            f"{spec.gateway_prefix}{g + 1:04d}" for g in range(int(self.gateway_of[-1]) + 1)
        )
        self.digest = Digest()
        self.now_us = spec.start_us
        self.lifts = self.plan.share(*spec.share)
        """Those that live here."""
        part = self.plan.part(self.lifts)
        stairs = [f for f in self.script if f.lift >= spec.n_lifts]
        missed, script = missed_of([f for f in self.script if f.lift < spec.n_lifts])
        of_sensors, of_lifts = sensors.of_script(script)
        self._health = Health(self.plan, _known(spec, self.lifts, of_sensors))
        self._world = World(
            part, seed, spec.start_us, _own(of_lifts, spec.n_lifts, self.lifts),
            _rates(spec)[self.lifts.start : self.lifts.stop], spec.utc_offset_hours,
        )  # fmt: skip
        here = [replace(f, unit=f.unit - self.lifts.start) for f in self._health.faults]
        self._tests = AlarmTests(
            part, spec.alarm_tests, seed, spec.start_us, spec.cadence.moving_us,
            _own(missed, spec.n_lifts, self.lifts), here,
        )  # fmt: skip
        self._sensors = Sensors(part, spec.cadence, seed, spec.start_us, here, self._tests)
        self._escalators = Escalators(
            EscalatorPlan(spec.n_lifts, units, more, spec.share), seed, spec.start_us,
            spec.cadence.moving_us, spec.cadence.idle_us, stairs,
        )  # fmt: skip
        self._index = {code: i for i, code in enumerate(self.codes)}

    def frames_until(self, t_us: int) -> Frames:
        """Live until ``t_us`` (exclusive); return the frames since the last call in time order."""
        frames = self._sensors.frames(self._world.advance(t_us))
        frames = frames.replace(lift=frames["lift"] + self.lifts.start)
        stairs = self._escalators.frames_until(t_us)
        if len(stairs):
            frames = Frames.concat([frames, stairs]).in_time_order()
        self.digest.update(frames)
        self.now_us = max(self.now_us, t_us)
        return frames

    def release(self, lift: int | str, at_us: int) -> None:
        """Send a rescuer: people in ``lift`` (index or code) are freed from ``at_us`` on.

        An instant that is past already means now. A lift without trapped people does nothing.
        """
        number = self._index[lift] if isinstance(lift, str) else lift
        if number not in self.lifts:
            raise ValueError(f"lift {lift} does not live in share {self.spec.share} of its fleet")
        self._world.release(number - self.lifts.start, at_us)

    def truth(self) -> list[TruthEvent]:
        """Return the true events so far, by onset."""
        first = self.lifts.start
        events = [replace(e, lift=e.lift + first) if first else e for e in self._world.truth()]
        events += [replace(e, lift=e.lift + first) for e in self._tests.truth(self.now_us)]
        events += self._health.truth(self.now_us)
        events += self._health.of_lines(self._sensors.bad_lines, first, self.now_us)
        events += self._escalators.truth()
        return sorted(events, key=lambda e: (e.onset_us, e.lift, e.kind))

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes so far, by their beginning."""
        first = self.lifts.start
        seen = [replace(s, lift=s.lift + first) if first else s for s in self._world.look_alikes()]
        seen += [*self._health.look_alikes(self.now_us), *self._escalators.look_alikes()]
        return sorted(seen, key=lambda s: (s.from_us, s.lift, s.cause))

    def people(self) -> dict[str, int]:
        """Return how many people arrived, left, took the stairs, wait and ride."""
        people = self._world.cars.people
        return {
            "arrived": int(people.arrived.sum()),
            "left": int(people.left.sum()),
            "walked": int(people.walked.sum()),
            "waiting": int((people.doing == 1).sum()),
            "riding": int((people.doing == 2).sum()),
        }

    def registry(self) -> list[RegistryRow]:
        """Return all units as the registry wants them."""
        return [self._row(i) for i in range(len(self.codes))]

    @property
    def _heartbeat(self) -> dict[str, float]:
        """Return the expected interval of frames, if it is not the usual one."""
        idle_us = self.spec.cadence.idle_us
        return {} if idle_us == Cadence().idle_us else {HEARTBEAT: idle_us / 1e6}

    def _row(self, i: int) -> RegistryRow:
        is_lift = i < self.spec.n_lifts
        number = int(self.buildings[i]) + 1
        kind = _KIND_NAMES[Building(int(self.plan.kind[i]))] if is_lift else "Metro Station"
        model = Terminal(int(self.plan.terminal[i])).slug if is_lift else STAIRS
        return RegistryRow(
            code=self.codes[i],
            sticker=f"{420000 + i:06d}",
            unit=int(self.units[i]),
            building=f"{kind} {number}",
            address=f"{number} Jiefang Avenue",
            district=self.geography.district_name(i),
            maintainer=_MAINTAINERS[number % len(_MAINTAINERS)],
            use_unit=f"{kind} {number} Management",
            insurer="Simulated Mutual",
            policy=f"SIM-{i + 1:06d}",
            model=model,
            rated_speed_mps=float(self.plan.rated_mps[i]) if is_lift else NOMINAL_MMPS / 1000,
            gateway=self.gateways[int(self.gateway_of[i])],
            params={**self._heartbeat, **(self.spec.params if is_lift else {})},
            feeder=self.geography.feeder_name(i),
        )


def _plan(spec: FleetSpec, seed: int) -> Plan:
    plan = draw_plan(spec.n_lifts, seed, spec.mix, spec.code_prefix)
    for choice in spec.terminals:
        plan = with_terminals(plan, list(choice.lifts), choice.terminal, choice.presence)
    return plan


def _buildings(plan: Plan, n_stairs: int) -> NDArray[np.int64]:
    """Return the number of the building of each unit; four escalators or walks share one."""
    first = int(plan.building.max(initial=-1)) + 1
    return np.concatenate([plan.building, first + np.arange(n_stairs) // 4])


def _own(script: Sequence[Fault], n_lifts: int, lifts: range) -> list[Fault]:
    """Return the faults of ``lifts``, numbered from the first of them.

    Raises ``ValueError`` for a number below 0; those from ``n_lifts`` on are no lifts.
    """
    for fault in script:
        if fault.lift < 0:
            raise ValueError(f"fault {fault.cause} is for lift {fault.lift} of {n_lifts} lifts")
    return [replace(f, lift=f.lift - lifts.start) for f in script if f.lift in lifts]


def _known(
    spec: FleetSpec, lifts: range, of_script: Sequence[SensorFault]
) -> tuple[SensorFault, ...]:
    """Return the sensor faults of ``lifts``, by onset, and those of no lift, to be refused."""
    everybody = range(spec.n_lifts)
    faults = [
        fault
        for fault in (*of_script, *spec.sensor_faults)
        if fault.unit in lifts or fault.unit not in everybody
    ]
    return tuple(sorted(faults, key=lambda f: (f.from_us, f.unit, f.what)))


def _rates(spec: FleetSpec) -> NDArray[np.int64]:
    rates = np.full(spec.n_lifts, spec.rate_pct)
    quiet: Sequence[int] = spec.quiet
    rates[list(quiet)] = 0
    return rates
