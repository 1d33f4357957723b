"""Sample-and-hold: what each column of a unit was last known to be, shared by all detectors.

A missing key is unknown, and unknown changes nothing: the last known value goes on. Frames of lifts
and frames of escalators and walks are heard apart, and a rule listens to one of them; a frame
without unit is a lift's (wire v1). Strips are made when first asked for and kept for the batch.
Decides nothing about findings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.segments import NEVER_US, Bools, Ints, Segments, Timeline
from telemetry.batch import FrameBatch
from telemetry.columns import CODE_BIT, COLUMN, COLUMN_NAMES, UNKNOWN, Door, Power, Unit

BUTTON_CODE: Final = 90
"""National code of a pressed alarm button (GB/T 24476)."""
MAINS_OFF_CODE: Final = 41
"""National code of mains off (GB/T 24476)."""

SILENT_SOURCE: Final = "practice: 1.5 times the heartbeat of 30 s"
"""Source of thresholds for ``Heard.after_silence``."""

_ESCALATORS_ALONE: Final = (
    *("handrail_left_pct", "handrail_right_pct", "step_frequency_hz"),
    *("cover_open", "emergency_stop"),
)
LIFT_COLUMNS: Final = tuple(n for n in COLUMN_NAMES if n != "unit" and n not in _ESCALATORS_ALONE)
ESCALATOR_COLUMNS: Final = (
    *("mode", "car", "direction", "speed_mps", "power", "terminal_power", "safety_circuit"),
    *("codes", *_ESCALATORS_ALONE),
)
"""Columns that are held for each."""

_DENIED_BY: Final = {MAINS_OFF_CODE: ("power", int(Power.MAINS)), BUTTON_CODE: ("button", 0)}
"""Keys that, told without a list of codes, end what an earlier list said."""
T = TypeVar("T")
_OTHER_UNITS: Final = (int(Unit.ESCALATOR), int(Unit.WALK))
_DOOR_UNKNOWN: Final = int(Door.UNKNOWN)


def held_dtype(columns: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the fields that carry these columns from batch to batch."""
    return [("seen_us", "i8"), *((name, COLUMN[name].dtype) for name in columns)]


def never_heard(columns: tuple[str, ...]) -> dict[str, Any]:
    """Return their values for a unit that was never heard."""
    return {"seen_us": NEVER_US, **{name: COLUMN[name].unknown for name in columns}}


def from_lift(frames: FrameBatch) -> Bools:
    """Tell which frames are a lift's, shape (n,)."""
    unit = frames["unit"]
    return (unit != _OTHER_UNITS[0]) & (unit != _OTHER_UNITS[1])


@dataclass(frozen=True)
class Strip:
    """The strip of a batch with its times.

    Parameters
    ----------
    frames
        ``n`` frames sorted by (compact row, stepping order).
    segments
        Where the frames of each row begin and end.
    t_us, end_us
        When each element begins and ends, shape (n + m,) [µs].
    """

    frames: FrameBatch
    segments: Segments
    t_us: Ints
    end_us: Ints

    def __post_init__(self) -> None:
        object.__setattr__(self, "_last", {})
        object.__setattr__(self, "_source", {})

    def last(self, told: Bools) -> Ints:
        """Return ``Segments.last`` of marks of frames (n,); the same marks are laid out once."""
        known: dict[bytes, Ints] = self._last  # pyright: ignore[reportAttributeAccessIssue]
        key = told.tobytes()
        if key not in known:
            known[key] = self.segments.last(self.segments.at_frames(told))
        return known[key]

    def source(self, told: Bools) -> Ints:
        """Return where the value of each element is from, as ``Segments.source``; likewise once."""
        known: dict[bytes, Ints] = self._source  # pyright: ignore[reportAttributeAccessIssue]
        key = told.tobytes()
        if key not in known:
            known[key] = self.segments.source.take(self.last(told))
        return known[key]


class Heard:
    """What the frames of lifts, or those of escalators and walks, have told; along the strip.

    Parameters
    ----------
    strip
        The strip of the batch.
    mine
        Frames that are of such a unit, shape (n,).
    carried
        Fields of ``held_dtype`` as they stand before the batch, each of shape (m,).
    columns
        Columns that are held.
    """

    def __init__(
        self,
        strip: Strip,
        mine: Bools,
        carried: Mapping[str, NDArray[Any]],
        columns: tuple[str, ...],
    ) -> None:
        self._strip = strip
        self.segments = strip.segments
        """Where the frames of each row begin and end."""
        self._frames = strip.frames
        self._mine = mine
        self.carried = carried
        self._columns = columns
        self._told: dict[str, Bools] = {}
        self._held: dict[str, NDArray[Any]] = {}
        self._said: dict[tuple[str, tuple[IntEnum, ...]], Bools] = {}
        self._codes: dict[int, NDArray[np.int8]] = {}
        self._made: dict[Any, Any] = {}

    @property
    def frames(self) -> FrameBatch:
        """Return the frames of the batch; those of other units are among them (``mine``)."""
        return self._frames

    @property
    def mine(self) -> Bools:
        """Frames of such a unit, shape (n,)."""
        return self._mine

    def told(self, name: str) -> Bools:
        """Tell which frames know column ``name``, shape (n,); door 0 is a word for unknown."""
        if name not in self._told:
            values = self._frames[name]
            known = COLUMN[name].is_known(values) & self._mine
            self._told[name] = known & (values != _DOOR_UNKNOWN) if name == "door" else known
        return self._told[name]

    def told_at(self, name: str) -> Bools:
        """Mark the elements of the strip whose frame tells column ``name``; never a head."""
        return self.segments.at_frames(self.told(name))

    def held(self, name: str) -> NDArray[Any]:
        """Hold a column along the strip, shape (n + m,); unknown until it was told.

        The speed is forgotten where ``car`` changes in a frame that tells none: a speed from
        before says nothing about now, and a terminal that tells the speed of running cars only
        would otherwise look as if it ran for ever.
        """
        if name not in self._held:
            make = self._held_speed if name == "speed_mps" else self._hold
            self._held[name] = make(name)
        return self._held[name]

    def prior(self, name: str) -> NDArray[Any]:
        """Return a held column one element earlier, within the row."""
        return self.segments.prior(self.held(name))

    def says(self, name: str, *members: IntEnum) -> Bools:
        """Mark where a held enumeration is one of these; for several rules it is compared once."""
        key = name, members
        if key not in self._said:
            held = self.held(name)
            each = [held == int(member) for member in members]  # of a member itself numpy is slow
            marks = each[0] if len(each) == 1 else np.logical_or.reduce(each)
            marks.flags.writeable = False
            self._said[key] = marks
        return self._said[key]

    def said(self, name: str, *members: IntEnum) -> Bools:
        """Return ``says`` one element earlier, within the row."""
        return self.segments.prior(self.says(name, *members))

    def code(self, code: int) -> NDArray[np.int8]:
        """Tell along the strip whether a national code is active: 1, 0, or -1 if never told.

        A list of codes is complete. Codes 41 and 90 are also ended by a frame without a list that
        tells mains on, or the button let go.
        """
        if code not in self._codes:
            if not self._ever_listed >> CODE_BIT[code] & 1:
                return self._none_listed
            listed = self.held("codes")
            bit = (listed >> CODE_BIT[code] & 1).astype(np.int8)
            active = np.where(listed == UNKNOWN, np.int8(UNKNOWN), bit)
            if code in _DENIED_BY and (active == 1).any():
                active[self._denied(code) & (active == 1)] = 0
            self._codes[code] = active
        return self._codes[code]

    @cached_property
    def _ever_listed(self) -> int:
        """Bits of the codes that are listed anywhere along the strip; mostly none is."""
        listed = self.held("codes")
        return int(np.bitwise_or.reduce(np.where(listed == UNKNOWN, 0, listed)))

    @cached_property
    def _none_listed(self) -> NDArray[np.int8]:
        """What ``code`` says of a code that is listed nowhere."""
        return np.where(self.held("codes") == UNKNOWN, np.int8(UNKNOWN), np.int8(0))

    @cached_property
    def line(self) -> Timeline:
        """Times of the strip; told = frames that told any column of such a unit."""
        told = np.zeros(len(self._frames), np.bool_)
        for name in self._columns:
            told |= self.told(name)
            if np.array_equal(told, self._mine):
                break
        strip = self._strip
        at = strip.segments.at_frames(told)
        return Timeline.heard(strip.segments, strip.t_us, strip.end_us, at)

    @cached_property
    def seen_us(self) -> Ints:
        """Time of the newest frame that told anything, along the strip; ``NEVER_US`` = none."""
        return self.line.since(self.line.told, self.carried["seen_us"])

    @cached_property
    def unheard_us(self) -> Ints:
        """How long nothing had been told before each frame that tells anything; 0 elsewhere [µs].

        Frames that tell nothing of such a unit do not break a silence.
        """
        line = self.line
        return np.where(line.told, line.t_us - self.segments.prior(self.seen_us), 0)

    def after_silence(self, silent_after_us: Ints | int) -> Bools:
        """Mark the frames by which something is told again after a longer silence; never a head.

        ``silent_after_us``: per element or one for all [µs].
        """
        return self.unheard_us > silent_after_us

    def turns(self, period_us: int) -> Bools:
        """Mark the frames by which a further period of event time has begun; never a head.

        Few rows have one in a batch, and time never runs backwards on a row.
        """
        seg, seen_us = self.segments, self.seen_us
        marks = np.zeros(len(seg), np.bool_)
        first, last = seen_us.take(seg.head_at) // period_us, seen_us.take(seg.last_at) // period_us
        at = np.flatnonzero((first != last).take(seg.row))
        marks[at] = seen_us.take(at) // period_us != seen_us.take(seg.before.take(at)) // period_us
        return marks

    def once(self, make: "Callable[[Heard], T]") -> T:
        """Return what ``make`` makes of this; for several rules it is made once."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]

    @cached_property
    def alone(self) -> "tuple[Ints, Heard]":
        """The rows of which such a unit was ever heard, and what was heard of these alone.

        For rules that concern few of the rows: escalators are one unit in twenty-five.
        """
        ever = self.carried["seen_us"] != NEVER_US
        ever[self._frames["row"][self._mine]] = True
        if ever.all():
            return np.arange(len(ever)), self
        strip, here = self._strip, ever[self._frames["row"]]
        segments, kept = strip.segments.part(ever)
        frames = FrameBatch({n: self._frames[n][here] for n in ("time_us", *self._columns)})
        part = Strip(frames, segments, strip.t_us[kept], strip.end_us[kept])
        carried = {n: self.carried[n][ever] for n in ("seen_us", *self._columns)}
        return np.flatnonzero(ever), Heard(part, self._mine[here], carried, self._columns)

    def after(self) -> dict[str, NDArray[Any]]:
        """Return the fields of ``held_dtype`` after the batch, each of shape (m,)."""
        at = self.segments.last_at
        fields = {name: self._after(name, at) for name in self._columns}
        for code, (name, _) in _DENIED_BY.items():
            if name in self._columns:
                ended = (fields["codes"] != UNKNOWN) & (self.code(code)[at] == 0)
                fields["codes"] = np.where(
                    ended, fields["codes"] & ~(1 << CODE_BIT[code]), fields["codes"]
                )
        fields["seen_us"] = self.seen_us[at]
        return fields

    def _after(self, name: str, at: Ints) -> NDArray[Any]:
        if name in self._held or name == "speed_mps":
            return self.held(name).take(at)
        told, carried = self.told(name), self.carried[name]
        if not told.any():
            return carried
        values = carried.copy()
        rows = self.segments.row.take(self.segments.frame_at[told])
        values[rows] = self._frames[name][told]  # the last of a row stays
        return values

    def _hold(self, name: str) -> NDArray[Any]:
        told, carried, frames = self.told(name), self.carried[name], self._frames[name]
        if told.all():
            return self.segments.join(carried, frames)
        return np.concatenate([carried, frames]).take(self._strip.source(told))

    def _held_speed(self, name: str) -> NDArray[Any]:
        seg, told = self.segments, self.told(name)
        strip = seg.join(self.carried[name], np.where(told, self._frames[name], np.nan))
        if told.all():
            return strip
        return seg.hold(strip, seg.at_frames(told) | seg.changes(self.held("car")))

    def _denied(self, code: int) -> Bools:
        """Mark elements since whose last list of codes a frame without a list denied the code."""
        name, value = _DENIED_BY[code]
        if name not in self._columns:
            return np.zeros(len(self.segments), np.bool_)
        listed = self.told("codes")
        denies = self.told(name) & (self._frames[name] == value) & ~listed
        return self._strip.last(denies) > self._strip.last(listed)
