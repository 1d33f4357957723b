"""Table ``[fleet]`` of a scenario: what is built, who watches it and who uses it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from simulator.scenarios.errors import Problem
from simulator.scenarios.keys import Key, tables_of
from simulator.scenarios.lines import Path
from simulator.scenarios.values import (
    MS_US,
    NUMBERS,
    SECOND_US,
    SHARE,
    TEXT,
    YES_NO,
    Form,
    duration,
    list_of,
    one_of,
    quantity,
    shown,
    weights,
    whole,
)
from simulator.world.buildings import Building, Presence, Terminal

MOST_LIFTS: Final = 1_000_000
BUILDINGS: Final = tuple(b.name.lower() for b in Building)
TERMINALS: Final = tuple(t.name.lower() for t in Terminal)
PRESENCES: Final = tuple(p.name.lower() for p in Presence)

_STEP_MMPS: Final = 250
"""Rated speeds are multiples of this, as in the world."""


def _speed(value: Any, path: Path) -> int:
    mmps = quantity("m/s", 0.25, 10)(value, path)
    if mmps % _STEP_MMPS:
        raise Problem(path, f"is {shown(value)}: write a multiple of 0.25 m/s")
    return mmps


SPEED: Final = Form('"0.25 m/s" to "10 m/s"', _speed)
_LIFT: Final = whole(1, MOST_LIFTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceptional:
    """Lifts that are not like the rest of the fleet."""

    path: Path = ()
    lifts: Annotated[tuple[int, ...], Key("lifts", list_of(_LIFT), "these lifts")]
    terminal: Annotated[
        str | None,
        Key(
            "terminal",
            one_of(TERMINALS, "terminal"),
            "type of their terminals",
            says="as the fleet",
        ),
    ] = None
    presence: Annotated[
        str | None,
        Key(
            "presence",
            one_of(PRESENCES, "presence"),
            "how their terminals notice people",
            says="as the fleet",
        ),
    ] = None
    quiet: Annotated[bool, Key("quiet", YES_NO, "only people of `happens` use them")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTable:
    """What is built, who watches it and who uses it."""

    path: Path = ()
    lifts: Annotated[int, Key("lifts", whole(1, MOST_LIFTS), "lifts")] = 1
    escalators: Annotated[int, Key("escalators", whole(0, 10_000), "escalators beside them")] = 0
    walks: Annotated[int, Key("walks", whole(0, 10_000), "moving walks beside them")] = 0
    building: Annotated[
        Mapping[str, int] | None,
        Key(
            "building",
            weights(BUILDINGS, "building"),
            "kind of buildings, or kinds with weights",
            says="a city's mix",
        ),
    ] = None
    lifts_per_building: Annotated[
        int | None,
        Key("lifts_per_building", whole(1, 8), "lifts in one group", says="drawn by building"),
    ] = None
    landings: Annotated[
        int | None, Key("landings", whole(2, 120), "of every lift", says="drawn by building")
    ] = None
    speed_mmps: Annotated[
        int | None, Key("speed", SPEED, "rated speed of every lift", says="drawn by building")
    ] = None
    terminal: Annotated[
        Mapping[str, int] | None,
        Key(
            "terminal",
            weights(TERMINALS, "terminal"),
            "type of terminals, or types with weights",
            says="a city's mix",
        ),
    ] = None
    presence: Annotated[
        Mapping[str, int] | None,
        Key(
            "presence",
            weights(PRESENCES, "presence"),
            "how terminals notice people",
            says="a city's mix",
        ),
    ] = None
    rescue_device_ppm: Annotated[
        int | None,
        Key(
            "rescue_device",
            SHARE,
            "lifts with an automatic rescue device for power cuts",
            says="a city's share",
        ),
    ] = None
    traffic_pct: Annotated[
        int,
        Key(
            "traffic",
            quantity("%", 0, 2000, 1),
            "people beside those of `happens`, of the usual traffic of that hour",
        ),
    ] = 100
    tells_every_us: Annotated[
        int,
        Key(
            "tells_every",
            duration(100 * MS_US, 60 * SECOND_US),
            "a terminal's interval while anything moves or is wrong",
        ),
    ] = SECOND_US
    idle_every_us: Annotated[
        int,
        Key(
            "idle_every", duration(SECOND_US, 3600 * SECOND_US), "a terminal's heartbeat otherwise"
        ),
    ] = 30 * SECOND_US
    alarm_tests_every_us: Annotated[
        int | None,
        Key(
            "alarm_tests_every",
            duration(10 * SECOND_US, 366 * 86_400 * SECOND_US),
            "terminals with a button test the alarm so often",
            says="never",
        ),
    ] = None
    alarm_tests_within_us: Annotated[
        int,
        Key(
            "alarm_tests_within",
            duration(SECOND_US, 366 * 86_400 * SECOND_US),
            "a lift without a test for longer is overdue (EN 81-28: 3 days)",
        ),
    ] = 3 * 86_400 * SECOND_US
    lifts_per_gateway: Annotated[
        int, Key("lifts_per_gateway", whole(1, 1000), "units that share a gateway")
    ] = 4
    districts: Annotated[
        tuple[str, ...] | None, Key("districts", list_of(TEXT), "of the city", says="four")
    ] = None
    feeders_per_district: Annotated[
        int | None,
        Key("feeders_per_district", whole(1, 1000), "branches of the mains", says="six"),
    ] = None
    params: Annotated[
        Mapping[str, float] | None,
        Key(
            "params", NUMBERS, "thresholds of the rules, as in the registry", says="the rules' own"
        ),
    ] = None
    but: Annotated[
        tuple[Exceptional, ...],
        Key("but", tables_of(Exceptional, "[[fleet.but]]"), "lifts that differ"),
    ] = ()
