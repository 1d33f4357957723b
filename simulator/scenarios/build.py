"""A scenario becomes what the simulator runs: a fleet, its script, its network.

``Built`` is plain values, so that another process can be sent it to live a share of the fleet.
Nothing is drawn here but faults at rates; the same scenario and seed give the same fleet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from simulator.faults.catalogue import Fault
from simulator.faults.draw import Rates, draw
from simulator.faults.escalators import UnitRates, draw_for_units
from simulator.faults.mass import Earthquake, MassEvent, PowerCut, Rescue
from simulator.faults.sensors import (
    FAULT_RATES,
    LOOK_ALIKE_RATES,
    SensorFault,
    draw_sensor_faults,
)
from simulator.fleet import Fleet, FleetSpec, TerminalChoice
from simulator.geography import City
from simulator.network.networked import NetworkedFleet
from simulator.network.spec import (
    DEFAULT_NETWORK,
    NOISY_NETWORK,
    NetworkSpec,
    Outage,
    Restart,
    WrongClock,
)
from simulator.scenarios.checks import units_of
from simulator.scenarios.fleet_table import (
    BUILDINGS,
    PRESENCES,
    TERMINALS,
    Exceptional,
    FleetTable,
)
from simulator.scenarios.language import Scenario
from simulator.scenarios.mass_table import MINUTE_US, EarthquakeEntry, PowerCutEntry
from simulator.scenarios.network_table import ClockEntry, NetworkTable
from simulator.terminals.alarm_tests import TestPlan
from simulator.terminals.timeline import Cadence
from simulator.world.buildings import Mix, Presence, Terminal

_NETWORKS: Final = {
    "perfect": NetworkSpec(),
    "noisy": NOISY_NETWORK,
    "field": DEFAULT_NETWORK,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Built:
    """A scenario, ready to run.

    Parameters
    ----------
    fleet
        What lives.
    network
        What happens to its frames.
    seed
        Of all draws.
    end_us
        End of the run, exclusive.
    """

    fleet: FleetSpec
    network: NetworkSpec
    seed: int
    end_us: int

    @property
    def start_us(self) -> int:
        """Return the first instant of the run."""
        return self.fleet.start_us

    def source(self, share: tuple[int, int] = (0, 1)) -> NetworkedFleet:
        """Return the fleet, or a share of it, behind its network, at its first instant."""
        fleet = Fleet(replace(self.fleet, share=share), self.seed)
        return NetworkedFleet(fleet, self.network, self.seed)


def build(scenario: Scenario, start_us: int | None = None) -> Built:
    """Build what a scenario describes.

    Parameters
    ----------
    scenario
        Read and checked.
    start_us
        First instant instead of the scenario's own [µs], whole ms.
    """
    start = scenario.starts.astimezone(UTC)
    begins_us = (start - _EPOCH) // timedelta(microseconds=1) if start_us is None else start_us
    table = scenario.fleet
    spec = FleetSpec(
        begins_us,
        table.lifts,
        escalators=table.escalators,
        walks=table.walks,
        mix=_mix(table),
        cadence=Cadence(table.tells_every_us, table.idle_every_us),
        rate_pct=table.traffic_pct,
        quiet=tuple(n - 1 for one in table.but if one.quiet for n in one.lifts),
        script=(*_script(scenario, begins_us), *_drawn(scenario, begins_us)),
        sensor_faults=_drawn_sensors(scenario, begins_us),
        city=_city(table),
        mass_events=_mass(scenario, begins_us),
        terminals=_choices(table.but),
        params=dict(table.params or {}),
        lifts_per_gateway=table.lifts_per_gateway,
        utc_offset_hours=scenario.utc_offset_hours,
        alarm_tests=TestPlan(table.alarm_tests_every_us or 0, table.alarm_tests_within_us),
    )
    network = _network(scenario.network, table, begins_us)
    return Built(spec, network, scenario.seed, begins_us + scenario.lasts_us)


def _mix(table: FleetTable) -> Mix:
    shares: dict[str, int] = {}
    for names, given in (
        (BUILDINGS, table.building),
        (TERMINALS, table.terminal),
        (PRESENCES, table.presence),
    ):
        shares |= _shares(names, given)
    shares |= {
        name: getattr(table, name)
        for name in ("landings", "lifts_per_building", "speed_mmps")
        if getattr(table, name) is not None
    }
    if table.rescue_device_ppm is not None:
        shares["rescue_device_pct"] = table.rescue_device_ppm // 10_000
    return replace(Mix(), **shares)


def _shares(names: tuple[str, ...], given: Mapping[str, int] | None) -> dict[str, int]:
    """Return the weights of all names of a group, 0 for those that are not given."""
    return {} if given is None else {name: given.get(name, 0) for name in names}


def _choices(exceptions: tuple[Exceptional, ...]) -> tuple[TerminalChoice, ...]:
    return tuple(
        TerminalChoice(
            tuple(n - 1 for n in one.lifts),
            None if one.terminal is None else Terminal[one.terminal.upper()],
            None if one.presence is None else Presence[one.presence.upper()],
        )
        for one in exceptions
        if one.terminal is not None or one.presence is not None
    )


def _city(table: FleetTable) -> City:
    plain = City()
    return City(
        table.districts or plain.districts,
        table.feeders_per_district or plain.feeders_per_district,
    )


def _script(scenario: Scenario, start_us: int) -> list[Fault]:
    return [
        Fault(
            lift=unit,
            cause=one.what,
            at_us=start_us + one.at_us,
            people=one.people,
            presses_us=one.presses_us,
            release_after_us=one.freed_us,
            lasts_us=one.lasts_us,
            self_freed=one.self_freed,
            size=one.size,
        )
        for one in scenario.happens
        for unit in units_of(one, scenario.fleet)
    ]


def _drawn(scenario: Scenario, start_us: int) -> list[Fault]:
    """Draw what befalls lifts, escalators and walks."""
    drawn, fleet = scenario.drawn, scenario.fleet
    stairs = range(fleet.lifts, fleet.lifts + fleet.escalators + fleet.walks)
    how = (scenario.seed, start_us, scenario.lasts_us)
    often = (drawn.faults, drawn.look_alikes)
    return [
        *draw(fleet.lifts, *how, Rates(), *often),
        *draw_for_units(stairs, *how, UnitRates(), *often),
    ]


def _drawn_sensors(scenario: Scenario, start_us: int) -> tuple[SensorFault, ...]:
    """Draw what befalls terminals and their sensors."""
    how = (scenario.fleet.lifts, scenario.seed, start_us, scenario.lasts_us)
    return (
        *draw_sensor_faults(*how, FAULT_RATES, scenario.drawn.faults),
        *draw_sensor_faults(*how, LOOK_ALIKE_RATES, scenario.drawn.look_alikes),
    )


def _mass(scenario: Scenario, start_us: int) -> tuple[MassEvent, ...]:
    cuts = (_power_cut(one, start_us) for one in scenario.power_cuts)
    quakes = (_earthquake(one, start_us) for one in scenario.earthquakes)
    return (*cuts, *quakes)


def _power_cut(one: PowerCutEntry, start_us: int) -> PowerCut:
    return PowerCut(
        at_us=start_us + one.at_us,
        district=one.district,
        feeders_pct=max(one.feeders_ppm // 10_000, 1),
        minutes=one.returns,
        step_minutes=one.steps,
        rescue=Rescue(teams=one.teams),
    )


def _earthquake(one: EarthquakeEntry, start_us: int) -> Earthquake:
    plain = Earthquake(start_us + one.at_us)
    return replace(
        plain,
        intensity=dict(one.intensity or {}),
        mechanics=one.mechanics,
        mechanics_come_minutes=one.come_after_us // MINUTE_US,
        reset_minutes=one.resets,
        rescue=replace(plain.rescue, teams=one.teams),
    )


def _network(table: NetworkTable, fleet: FleetTable, start_us: int) -> NetworkSpec:
    given = {
        name: getattr(table, name)
        for name in (
            "duplicate_ppm", "reorder_ppm", "reorder_us", "broken_ppm", "frames_per_message",
            "linger_us",
        )
        if getattr(table, name) is not None
    }  # fmt: skip
    return replace(
        _NETWORKS[table.like],
        **given,
        msgpack=table.payload == "msgpack",
        outages=tuple(
            Outage(
                (o.lift - 1) // fleet.lifts_per_gateway, start_us + o.from_us, start_us + o.to_us
            )
            for o in table.outages
        ),
        clocks=tuple(_clock(one, start_us) for one in table.clocks),
        restarts=tuple(Restart(one.lift - 1, start_us + one.at_us) for one in table.restarts),
    )


def _clock(one: ClockEntry, start_us: int) -> WrongClock:
    from_us = start_us + one.from_us
    if one.shows is not None:
        shown_us = (one.shows - _EPOCH) // timedelta(microseconds=1)
        off_us = shown_us - from_us
    else:
        off_us = one.off_us or 0
    to_us = None if one.to_us is None else start_us + one.to_us
    return WrongClock(one.lift - 1, from_us, off_us, to_us)
