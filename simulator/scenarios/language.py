"""The scenario language: its tables, and what each key means.

Times are counted from the start of the run, lifts from 1. A scenario is a value; what it needs
beyond the form of its parts is in ``checks``, and the fleet that it describes is made by ``build``.
Every table keeps its ``path`` in the file, so that later errors can still name a line.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Annotated, Final

from simulator.faults.causes import Cause
from simulator.scenarios.conditions import (
    EachExpectation,
    Expectation,
    SeemsEntry,
    TruthEntry,
)
from simulator.scenarios.fleet_table import MOST_LIFTS, FleetTable
from simulator.scenarios.keys import Key, table_of, tables_of
from simulator.scenarios.lines import Path
from simulator.scenarios.mass_table import EarthquakeEntry, PowerCutEntry
from simulator.scenarios.network_table import NetworkTable
from simulator.scenarios.values import (
    DAY_US,
    INSTANT,
    LONGEST_US,
    MS_US,
    SECOND_US,
    TEXT,
    YES_NO,
    duration,
    list_of,
    name_of,
    one_of,
    whole,
)

MORNING: Final = datetime(2026, 3, 24, 8, 0, tzinfo=timezone(timedelta(hours=8)))
"""A Tuesday: what a scenario starts at unless it says when."""

_LIFT: Final = whole(1, MOST_LIFTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something goes wrong, or only looks like it."""

    path: Path = ()
    at_us: Annotated[
        int,
        Key(
            "at",
            duration(),
            "from then on at the first chance; power, modes and sensors exactly then",
        ),
    ]
    lifts: Annotated[
        tuple[int, ...],
        Key(
            "lift",
            list_of(_LIFT),
            "lift, or lifts, that it strikes",
            says="one of the three is needed",
        ),
    ] = ()
    escalators: Annotated[
        tuple[int, ...], Key("escalator", list_of(_LIFT), "escalator, or escalators")
    ] = ()
    walks: Annotated[tuple[int, ...], Key("walk", list_of(_LIFT), "moving walk, or walks")] = ()
    what: Annotated[Cause, Key("what", name_of(Cause), "the cause")]
    people: Annotated[
        int, Key("people", whole(0, 64), "who come for the ride; 0 = it waits for ordinary traffic")
    ] = 1
    presses_us: Annotated[
        tuple[int, ...],
        Key(
            "presses",
            list_of(duration()),
            "when they press the alarm button, after the onset",
            says="never",
        ),
    ] = ()
    freed_us: Annotated[
        int | None,
        Key(
            "freed_after",
            duration(),
            "when the trapped are freed, after the onset",
            says="not before the end",
        ),
    ] = None
    self_freed: Annotated[
        bool, Key("by_themselves", YES_NO, "they free themselves; nobody from outside comes")
    ] = False
    lasts_us: Annotated[
        int, Key("lasts", duration(MS_US), "length, or time until a rescue device acts")
    ] = 40 * SECOND_US
    size: Annotated[
        int,
        Key("size", whole(-1_000_000_000, 1_000_000_000), "how strong, in the unit of the cause"),
    ] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Faults and look-alikes that come by chance, at multiples of the field's rates."""

    path: Path = ()
    faults: Annotated[
        int, Key("faults_times", whole(0, 10_000_000), "multiple of the field's rates of faults")
    ] = 0
    look_alikes: Annotated[
        int, Key("look_alikes_times", whole(0, 10_000_000), "the same of look-alikes")
    ] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A fleet, what happens to it, its network, and what is expected of whoever watches."""

    path: Path = ()
    title: Annotated[str, Key("title", TEXT, "one sentence: what happens")]
    about: Annotated[str, Key("about", TEXT, "why it is here")] = ""
    starts: Annotated[
        datetime,
        Key(
            "starts",
            INSTANT,
            "first instant; its offset is the local time of the buildings",
            says="a Tuesday, 08:00, UTC+8",
        ),
    ] = MORNING
    lasts_us: Annotated[
        int, Key("lasts", duration(SECOND_US, LONGEST_US - DAY_US), "length of the run")
    ]
    seed: Annotated[
        int, Key("seed", whole(0, 2**63 - 1), "of all draws; equal seeds give equal frames")
    ] = 1
    fleet: Annotated[
        FleetTable,
        Key(
            "fleet",
            table_of(FleetTable, "[fleet]"),
            "what is built, who watches it and who uses it",
            says="one lift",
        ),
    ] = field(default_factory=FleetTable)
    happens: Annotated[
        tuple[Happening, ...],
        Key("happens", tables_of(Happening, "[[happens]]"), "what goes wrong, or looks like it"),
    ] = ()
    drawn: Annotated[
        Drawn, Key("drawn", table_of(Drawn, "[drawn]"), "what comes by chance", says="nothing")
    ] = field(default_factory=Drawn)
    power_cuts: Annotated[
        tuple[PowerCutEntry, ...],
        Key("power_cut", tables_of(PowerCutEntry, "[[power_cut]]"), "districts without mains"),
    ] = ()
    earthquakes: Annotated[
        tuple[EarthquakeEntry, ...],
        Key("earthquake", tables_of(EarthquakeEntry, "[[earthquake]]"), "shaken districts"),
    ] = ()
    network: Annotated[
        NetworkTable,
        Key(
            "network",
            table_of(NetworkTable, "[network]"),
            "what happens to frames on their way",
            says="nothing",
        ),
    ] = field(default_factory=NetworkTable)
    truth: Annotated[
        tuple[TruthEntry, ...],
        Key("truth", tables_of(TruthEntry, "[[truth]]"), "what must really happen"),
    ] = ()
    other_truth: Annotated[
        str, Key("other_truth", one_of(("none", "allowed")), "whether anything else may happen")
    ] = "allowed"
    seems: Annotated[
        tuple[SeemsEntry, ...],
        Key("seems", tables_of(SeemsEntry, "[[seems]]"), "what must be recorded as a look-alike"),
    ] = ()
    expect: Annotated[
        tuple[Expectation, ...],
        Key("expect", tables_of(Expectation, "[[expect]]"), "alarms that must be raised"),
    ] = ()
    expect_each: Annotated[
        tuple[EachExpectation, ...],
        Key(
            "expect_each",
            tables_of(EachExpectation, "[[expect_each]]"),
            "true events that must all be alarmed",
        ),
    ] = ()
    other_alarms: Annotated[
        str,
        Key(
            "other_alarms",
            one_of(("none", "true", "allowed")),
            "further alarms: none; only such as the truth of the run explains; any",
        ),
    ] = "true"

    @property
    def utc_offset_hours(self) -> int:
        """Return the local time of the buildings."""
        offset = self.starts.utcoffset()
        return 0 if offset is None else round(offset.total_seconds()) // 3600
