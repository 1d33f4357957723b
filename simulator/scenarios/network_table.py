"""Table ``[network]`` of a scenario: what happens to frames between terminal and broker."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from simulator.scenarios.keys import Key, tables_of
from simulator.scenarios.lines import Path
from simulator.scenarios.values import (
    INSTANT,
    MS_US,
    SECOND_US,
    SHARE,
    SIGNED_DURATION,
    duration,
    one_of,
    whole,
)

_LIFT: Final = whole(1, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageEntry:
    """A gateway that is cut off, buffers, and sends late."""

    path: Path = ()
    lift: Annotated[int, Key("lift", _LIFT, "the gateway of this lift")]
    from_us: Annotated[int, Key("from", duration(), "begins")]
    to_us: Annotated[int, Key("to", duration(), "ends")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEntry:
    """A terminal whose clock is wrong: by an offset, or set to an instant."""

    path: Path = ()
    lift: Annotated[int, Key("lift", _LIFT, "of this lift")]
    from_us: Annotated[int, Key("from", duration(), "begins")]
    to_us: Annotated[int | None, Key("to", duration(), "ends", says="not at all")] = None
    off_us: Annotated[
        int | None,
        Key(
            "off_by",
            SIGNED_DURATION,
            "how far it is ahead of the time; negative = behind",
            says="one of the two is needed",
        ),
    ] = None
    shows: Annotated[datetime | None, Key("shows", INSTANT, "what it shows in the beginning")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartEntry:
    """A terminal that starts anew and counts its frames from 0 again."""

    path: Path = ()
    lift: Annotated[int, Key("lift", _LIFT, "of this lift")]
    at_us: Annotated[int, Key("at", duration(), "when")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTable:
    """What happens to frames between terminal and broker."""

    path: Path = ()
    like: Annotated[
        str,
        Key(
            "like",
            one_of(("perfect", "noisy", "field")),
            "nothing; single messages doubled, shuffled, broken; all that the field shows",
        ),
    ] = "perfect"
    duplicate_ppm: Annotated[
        int | None, Key("duplicates", SHARE, "messages that come twice", says="of `like`")
    ] = None
    reorder_ppm: Annotated[
        int | None, Key("reordered", SHARE, "messages that others overtake", says="of `like`")
    ] = None
    reorder_us: Annotated[
        int | None,
        Key(
            "late_by",
            duration(2 * MS_US, 3600 * SECOND_US),
            "how late those are at most",
            says='"1.5 s"',
        ),
    ] = None
    broken_ppm: Annotated[
        int | None,
        Key("broken", SHARE, "messages with a broken copy beside them", says="of `like`"),
    ] = None
    frames_per_message: Annotated[
        int | None,
        Key("frames_per_message", whole(1, 10_000), "frames in one message at most", says="1"),
    ] = None
    linger_us: Annotated[
        int | None,
        Key(
            "gathers_for",
            duration(0, 3600 * SECOND_US),
            "time in which frames are gathered",
            says='"0 s"',
        ),
    ] = None
    payload: Annotated[str, Key("payload", one_of(("json", "msgpack")), "form of messages")] = (
        "json"
    )
    outages: Annotated[
        tuple[OutageEntry, ...],
        Key("outage", tables_of(OutageEntry, "[[network.outage]]"), "lost connections"),
    ] = ()
    clocks: Annotated[
        tuple[ClockEntry, ...],
        Key("clock", tables_of(ClockEntry, "[[network.clock]]"), "wrong clocks"),
    ] = ()
    restarts: Annotated[
        tuple[RestartEntry, ...],
        Key("restart", tables_of(RestartEntry, "[[network.restart]]"), "restarted terminals"),
    ] = ()
