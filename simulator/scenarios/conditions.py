"""The conditions of a scenario: what must happen, and which alarms must be raised, when and where.

Tables of the scenario language; ``judge`` compares them with what happened and with what was found.
Times are counted from the start of the run, lifts from 1.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from simulator.faults.causes import Cause
from simulator.scenarios.fleet_table import TERMINALS
from simulator.scenarios.keys import Key
from simulator.scenarios.lines import Path
from simulator.scenarios.values import INTERVAL, YES_NO, duration, list_of, name_of, one_of, whole
from telemetry.findings import FindingKind

KINDS: Final = tuple(kind.slug for kind in FindingKind)

_LIFT: Final = whole(1, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthEntry:
    """What really happens: a condition on the simulator itself."""

    path: Path = ()
    what: Annotated[str, Key("what", one_of(KINDS, "finding"), "kind of the event")]
    lift: Annotated[
        int | None, Key("lift", _LIFT, "on this lift", says="one of the three is needed")
    ] = None
    escalator: Annotated[int | None, Key("escalator", _LIFT, "on this escalator")] = None
    walk: Annotated[int | None, Key("walk", _LIFT, "on this moving walk")] = None
    between_us: Annotated[tuple[int, int], Key("between", INTERVAL, "its onset")]
    ends_us: Annotated[
        tuple[int, int] | None, Key("ends_between", INTERVAL, "its end", says="not looked at")
    ] = None
    lasts_on: Annotated[bool, Key("still_lasts", YES_NO, "it lasts at the end of the run")] = False
    cause: Annotated[
        Cause | None, Key("because_of", name_of(Cause), "its cause", says="not looked at")
    ] = None
    people: Annotated[
        int | None, Key("people", whole(0, 64), "people inside", says="not looked at")
    ] = None
    self_released: Annotated[
        bool | None,
        Key("by_themselves", YES_NO, "nobody from outside ended it", says="not looked at"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeemsEntry:
    """What is recorded as a look-alike: a condition on the simulator itself."""

    path: Path = ()
    what: Annotated[Cause, Key("what", name_of(Cause), "its cause")]
    lift: Annotated[
        int | None, Key("lift", _LIFT, "on this lift", says="one of the three is needed")
    ] = None
    escalator: Annotated[int | None, Key("escalator", _LIFT, "on this escalator")] = None
    walk: Annotated[int | None, Key("walk", _LIFT, "on this moving walk")] = None
    between_us: Annotated[tuple[int, int], Key("between", INTERVAL, "its beginning")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """An alarm that is raised between two times."""

    path: Path = ()
    alarm: Annotated[str, Key("alarm", one_of(KINDS, "finding"), "kind of the alarm")]
    lift: Annotated[
        int | None, Key("lift", _LIFT, "on this lift", says="one of the three is needed")
    ] = None
    escalator: Annotated[int | None, Key("escalator", _LIFT, "on this escalator")] = None
    walk: Annotated[int | None, Key("walk", _LIFT, "on this moving walk")] = None
    between_us: Annotated[
        tuple[int, int] | None,
        Key(
            "between",
            INTERVAL,
            "when it is raised, in event time",
            says="one of it and `known_between` is needed",
        ),
    ] = None
    known_us: Annotated[
        tuple[int, int] | None,
        Key(
            "known_between",
            INTERVAL,
            "when whoever watches knows of it, by arrival; not judged of a running service",
            says="not looked at",
        ),
    ] = None
    onset_us: Annotated[
        tuple[int, int] | None,
        Key("onset_between", INTERVAL, "the onset that it tells", says="not looked at"),
    ] = None
    ends_us: Annotated[
        tuple[int, int] | None,
        Key("ends_between", INTERVAL, "when it is over", says="not looked at"),
    ] = None
    lasts_on: Annotated[bool, Key("still_lasts", YES_NO, "it is not over at the end")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EachExpectation:
    """Every true event of a kind gets its alarm: for fleets in which nobody can name them all."""

    path: Path = ()
    kinds: Annotated[
        tuple[str, ...], Key("truth", list_of(one_of(KINDS, "finding")), "kinds of true events")
    ]
    within_us: Annotated[int, Key("alarm_within", duration(), "from the onset to the alarm")]
    if_lasts_us: Annotated[int, Key("if_it_lasts", duration(), "shorter ones may be missed")] = 0
    terminals: Annotated[
        tuple[str, ...],
        Key("of_terminals", list_of(one_of(TERMINALS, "terminal")), "of these types", says="all"),
    ] = ()
