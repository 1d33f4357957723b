"""Fleets that no file can say: the demo's script, and random small fleets for property tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulator.faults import catalogue as faults
from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.faults.mass import Earthquake, PowerCut
from simulator.fleet import Fleet, FleetSpec, TerminalChoice
from simulator.geography import City
from simulator.randomness import Stream, between, words
from simulator.terminals.timeline import Cadence
from simulator.world.buildings import Mix, Presence, Terminal

SHORT_WINDOWS: Final[Mapping[str, float]] = {
    "between_landings_window_s": 5,
    "at_landing_window_s": 10,
    "urgent_window_s": 3,
}
"""Per-lift parameters of the demo's lifts, so that a minute suffices. A stop with people in closed
doors lasts up to 5 s in ordinary service here, hence not shorter."""

NEEDED_US: Final = 12 * SECOND_US
"""An entrapment of the demo that lasted longer than this must have been found."""
_SCRIPTED: Final = 8


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's fleet and what its script promises.

    Parameters
    ----------
    fleet
        200 lifts unless told otherwise; entrapments in ``trapped``, look-alikes in ``look_alikes``.
    trapped
        Lifts in which people get trapped, with the seconds from the start until they surely are.
    look_alikes
        Lifts that only look like it.
    """

    fleet: Fleet
    trapped: Mapping[int, int]
    look_alikes: tuple[int, ...]


def demo_script(
    n_lifts: int, seed: int, start_us: int, duration_s: int = 60, rate_pct: int = 100
) -> Demo:
    """Build the demo: both classes, alarm button, power cut with and without rescue device.

    Entrapments are scripted on otherwise quiet lifts, so that each strikes within half a minute of
    its time; all are set off in the first few percent of ``duration_s`` (at least 60 s), so that
    they can be raised, accepted and released before the end. Those trapped are freed on command
    (``fleet.release``) only, the one with a rescue device by itself.

    Raises ``ValueError`` if there are fewer lifts than the script needs.
    """
    if n_lifts < _SCRIPTED:
        raise ValueError(f"the demo needs at least {_SCRIPTED} lifts, not {n_lifts}")
    step_us = max(duration_s, 60) * SECOND_US // 120 // 1000 * 1000

    def at(k: int) -> int:
        return start_us + SECOND_US + k * step_us

    script = (
        Fault(0, Cause.DOOR_LOCK, at(0), people=2),
        Fault(1, Cause.CONTROLLER_STOP, at(1), people=1, presses_us=(2 * SECOND_US,)),
        Fault(2, Cause.MAINS_CUT, at(2), people=3),
        Fault(3, Cause.SAFETY_CIRCUIT, at(3), people=1),
        Fault(4, Cause.DOOR_LOCK, at(4), people=1, presses_us=(4 * SECOND_US, 9 * SECOND_US)),
        Fault(5, Cause.INSPECTION, at(0), lasts_us=20 * SECOND_US),
        Fault(6, Cause.PARKED_RIDER, at(1), lasts_us=3 * SECOND_US),
        Fault(7, Cause.ZONE_FLAPPING, at(0), lasts_us=30 * SECOND_US),
    )
    spec = FleetSpec(
        start_us,
        n_lifts,
        mix=Mix(rescue_device_pct=0, tower=0, hospital=0, shop=0, metro=0),
        rate_pct=rate_pct,
        quiet=tuple(range(_SCRIPTED)),
        script=script,
        terminals=(
            TerminalChoice((0, 1, 2, 5, 6, 7), Terminal.COUPLED, Presence.COUNT),
            TerminalChoice((3,), Terminal.RETROFIT, Presence.PIR),
            TerminalChoice((4,), Terminal.COUPLED, Presence.PIR),
        ),
        params=dict(SHORT_WINDOWS),
        gateway_prefix="demo-",
    )
    trapped = {f.lift: (f.at_us - start_us) // SECOND_US + 40 for f in script[:5]}
    return Demo(Fleet(spec, seed), trapped, tuple(range(5, _SCRIPTED)))


def random_fleet(seed: int, start_us: int, duration_s: int = 180) -> Fleet:
    """Draw a fleet of 1 to 8 lifts in which about every second has an incident.

    For property tests: small and short, all causes and look-alikes, all terminal types, rescuers
    who come by themselves after 20 to 90 s. Look-alikes are on terminals that can tell: a retrofit
    one cannot know an inspection, and one without presence cannot tell an empty car that stands
    between landings without mains, or whose zone switch chatters, from a trap. There is no
    barometric one: it sees neither doors nor button, and takes a car that hangs little outside the
    zone for levelled, so it misses traps by its nature.
    """
    w = words(seed, Stream.SCENARIO, 0, 0)
    n_lifts = int(between(w[0], 1, 8).item())
    script = tuple(
        fault
        for lift in range(n_lifts)
        for fault in _random_faults(seed, lift, start_us, duration_s * SECOND_US)
    )
    told_apart = (Cause.INSPECTION, Cause.ZONE_FLAPPING, *faults.TIMED)
    telling = tuple(f.lift for f in script if f.cause in told_apart)
    spec = FleetSpec(
        start_us,
        n_lifts,
        escalators=int(between(w[1], 0, 1).item()),
        mix=Mix(tower=0, barometric=0, absent=15, rescue_device_pct=50),
        rate_pct=int(between(w[2], 50, 600).item()),
        script=script,
        cadence=Cadence(moving_us=int(between(w[3], 1, 4).item()) * 500_000),
        lifts_per_gateway=3,
        terminals=(TerminalChoice(telling, Terminal.COUPLED, Presence.PIR),),
        code_prefix="R",
        gateway_prefix="rnd-",
    )
    return Fleet(spec, seed)


def _random_faults(seed: int, lift: int, start_us: int, duration_us: int) -> list[Fault]:
    w = words(seed, Stream.SCENARIO, lift, 1)
    v = words(seed, Stream.SCENARIO, lift, 2)
    if between(w[0], 0, 1).item():
        return []
    causes = (*faults.ENTRAPPING, *faults.LOOK_ALIKES, Cause.AREA_POWER_CUT)
    cause = causes[int(between(w[1], 0, len(causes) - 1).item())]
    pressed = cause is Cause.BUTTON_PLAY or between(v[0], 0, 1).item()
    at_us = start_us + int(between(w[2], 0, duration_us // 3 // 1000).item()) * 1000
    return [
        Fault(
            lift,
            cause,
            at_us,
            people=1 if cause in faults.LOOK_ALIKES else int(between(w[3], 1, 4).item()),
            presses_us=(SECOND_US, 9 * SECOND_US) if pressed else (),
            release_after_us=int(between(v[1], 20, 90).item()) * SECOND_US,
            lasts_us=int(between(v[2], 10, 40).item()) * SECOND_US,
        )
    ]


def whole_city(seed: int, start_us: int) -> Fleet:
    """Build a small city in which everything happens within 20 minutes, for determinism tests.

    Every cause strikes a unit of its own, then a power cut half of the city, then an earthquake
    all of it; all kinds of buildings, terminals and presence sensors are there.
    """
    stairs = (*faults.ESCALATOR_CAUSES, *faults.ESCALATOR_LOOK_ALIKES)
    made_elsewhere = (Cause.CLOCK_WRONG, Cause.GATEWAY_OFFLINE, Cause.ALARM_TEST)
    lifts = [c for c in Cause if c not in stairs[:-1] and c not in made_elsewhere]
    own = [
        Fault(
            unit, cause, start_us + (60 + unit) * SECOND_US, people=2,
            presses_us=(5 * SECOND_US,) if unit % 3 == 0 or cause is Cause.BUTTON_PLAY else (),
            release_after_us=150 * SECOND_US, lasts_us=90 * SECOND_US,
        )
        for unit, cause in enumerate((*lifts, *stairs))
    ]  # fmt: skip
    spec = FleetSpec(
        start_us,
        len(lifts),
        escalators=len(stairs),
        walks=1,
        mix=Mix(20, 20, 20, 20, 20, 20, coupled=50, absent=10, rescue_device_pct=50),
        rate_pct=300,
        script=tuple(own),
        city=City(("North", "South"), 3),
        mass_events=(
            PowerCut(start_us + 480 * SECOND_US, "North", minutes=(2, 3), step_minutes=(1, 1)),
            Earthquake(
                start_us + 840 * SECOND_US, {"North": 7, "South": 7}, mechanics=20,
                mechanics_come_minutes=1, reset_minutes=(1, 2),
            ),
        ),
        code_prefix="W",
        gateway_prefix="city-",
    )  # fmt: skip
    return Fleet(spec, seed)


def as_record(row: Any) -> dict[str, Any]:
    """Return a registry row as the service registers it, ``params`` included."""
    return {name: getattr(row, name) for name in row.__slots__ if name != "feeder"}
