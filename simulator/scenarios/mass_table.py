"""Tables ``[[power_cut]]`` and ``[[earthquake]]`` of a scenario: what strikes a whole district."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from simulator.scenarios.errors import Problem
from simulator.scenarios.keys import Key
from simulator.scenarios.lines import Path
from simulator.scenarios.values import INTERVAL, SHARE, TEXT, Form, duration, shown, whole

MINUTE_US: Final = 60_000_000


def _intensities(value: Any, path: Path) -> Mapping[str, int]:
    if not isinstance(value, dict):
        raise Problem(path, f"is {shown(value)}: write {{ <district> = 6 }}")
    return {name: whole(0, 7)(one, (*path, name)) for name, one in value.items()}


def _minutes(value: Any, path: Path) -> tuple[int, int]:
    span_us = INTERVAL(value, path)
    if any(us % MINUTE_US for us in span_us):
        raise Problem(path, f"is {shown(value)}: write whole minutes")
    return span_us[0] // MINUTE_US, span_us[1] // MINUTE_US


_MINUTES: Final = Form(INTERVAL.looks, _minutes)
_TEAMS: Final = whole(1, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCutEntry:
    """Mains of a district fails at one instant, and comes back feeder by feeder."""

    path: Path = ()
    at_us: Annotated[int, Key("at", duration(), "the instant")]
    district: Annotated[str, Key("district", TEXT, "its name", says="the whole city")] = ""
    feeders_ppm: Annotated[int, Key("feeders", SHARE, "branches that fail, at least one")] = (
        1_000_000
    )
    returns: Annotated[
        tuple[int, int],
        Key("returns_between", _MINUTES, "the first branch's return, drawn, after the cut"),
    ] = (20, 60)
    steps: Annotated[
        tuple[int, int], Key("then_every", _MINUTES, "from each branch's return to the next one's")
    ] = (2, 15)
    teams: Annotated[int, Key("rescue_teams", _TEAMS, "in each district")] = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class EarthquakeEntry:
    """The ground shakes: lifts stop where it is strong enough, until mechanics reset them."""

    path: Path = ()
    at_us: Annotated[int, Key("at", duration(), "the instant")]
    intensity: Annotated[
        Mapping[str, int] | None,
        Key(
            "intensity",
            Form("{ <district> = 0 to 7 }", _intensities),
            "of each district that feels it; lifts stop from 4 on",
            says="6 everywhere",
        ),
    ] = None
    mechanics: Annotated[int, Key("mechanics", _TEAMS, "who reset lifts, in each district")] = 50
    come_after_us: Annotated[
        int, Key("mechanics_come_after", duration(), "in whole minutes, after the shock")
    ] = 20 * MINUTE_US
    resets: Annotated[
        tuple[int, int],
        Key("reset_takes_between", _MINUTES, "a mechanic's time for a lift, with the way to it"),
    ] = (5, 15)
    teams: Annotated[int, Key("rescue_teams", _TEAMS, "in each district")] = 10
