"""The state of the lifts of a step, as it was before and as it is after.

Fields become arrays of their own when a rule first asks for them; a window that is idle everywhere
is never made, and only what has changed is written back. Decides nothing about where fields lie
(``records``), and nothing about what they mean.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.records import (
    BITS_NAME,
    IDLE_FIELDS,
    NO_WINDOW,
    SLOTS,
    SLOTS_NAME,
    WINDOW_PARTS,
    How,
    Layout,
    Place,
    Stored,
)


class Opened:
    """The state of ``m`` lifts in a step: as it was (``[group][field]``), and what became of it.

    Parameters
    ----------
    layout
        Of the records.
    stored
        The records; they are this object's own, and ``closed`` writes into them.
    """

    def __init__(self, layout: Layout, stored: Stored) -> None:
        self.layout = layout
        self.m = len(stored.rows)
        """Number of lifts."""
        self._stored = stored
        self._fields = layout.fields(stored.rows)
        self._whole = stored.whole.view(layout.whole)[:, 0]
        self._bits = np.unpackbits(self._fields[BITS_NAME], axis=1).view(np.bool_)
        self._up = _windows_up(layout, stored)
        bounds = np.searchsorted(self._up.window, np.arange(len(layout.windows) + 1)).tolist()
        self._of = [slice(*pair) for pair in pairwise(bounds)]  # what is up of each window
        self._groups: dict[str, _Group] = {}
        self._after: dict[str, dict[str, NDArray[Any]]] = {}
        self._idle: dict[str, NDArray[Any]] = {}

    def __getitem__(self, group: str) -> "_Group":
        """Return the fields of a group as they were before the step; none can be written into."""
        if group not in self._groups:
            self._groups[group] = _Group(self, self.layout.places[group])
        return self._groups[group]

    def part(self, low: int, high: int) -> "dict[str, dict[str, NDArray[Any]]]":
        """Return all fields of some of the lifts as they were before the step."""
        return {
            group: {name: self[group][name][low:high] for name in places}
            for group, places in self.layout.places.items()
        }

    def put(self, group: str, fields: Mapping[str, NDArray[Any]], low: int = 0) -> None:
        """Take the new values of a group for the lifts from ``low`` on, shape (k, ...)."""
        before, after = self[group], self._after.setdefault(group, {})
        for name, values in fields.items():
            if before.get(name) is values:
                continue
            if len(values) == self.m:
                after[name] = values
            else:
                whole = after[name] if name in after else before[name].copy()
                whole[low : low + len(values)] = values
                after[name] = whole

    def closed(self) -> Stored:
        """Return the records after the step; what was before can no longer be asked for."""
        changed: dict[int, str] = {}
        rare = False
        for group, fields in self._after.items():
            places = self.layout.places[group]
            for name, values in fields.items():
                place = places[name]
                if place.how is How.PLAIN:
                    self._fields[place.name] = values
                elif place.how is How.BITS:
                    self._bits[:, place.bits] = values
                elif place.how is How.RARE:
                    rare = True
                else:
                    changed[place.number] = name.removesuffix(place.name)
        self._fields[BITS_NAME] = np.packbits(self._bits, axis=1)
        return self._with_windows(changed) if changed or rare else self._stored

    def made(self, place: Place) -> NDArray[Any]:
        """Return a field as it was, for ``_Group`` to keep."""
        if place.how is How.PLAIN:
            values = self._fields[place.name].copy()
        elif place.how is How.BITS:
            values = self._bits[:, place.bits].copy()
        elif place.how is How.RARE:
            values = self._rare(place, self._stored.whole_at, self._whole)
        else:
            of = self._of[place.number]
            if of.start == of.stop:
                return self._idle_of(place.name)
            values = np.full(self.m, IDLE_FIELDS[place.name], place.dtype)
            values[self._up.row[of]] = getattr(self._up, place.name)[of]
        values.setflags(write=False)
        return values

    def _idle_of(self, part: str) -> NDArray[Any]:
        if part not in self._idle:
            dtype = "u1" if part == "phase" else "i8"
            self._idle[part] = np.full(self.m, IDLE_FIELDS[part], dtype)
            self._idle[part].flags.writeable = False
        return self._idle[part]

    def _rare(self, place: Place, at: NDArray[np.int64], whole: NDArray[Any]) -> NDArray[Any]:
        fresh = self.layout.fresh_whole.view(self.layout.whole)[place.name]
        values = np.repeat(fresh, self.m, axis=0)
        values[at] = whole[place.name]
        return values

    def _with_windows(self, changed: dict[int, str]) -> Stored:
        """Put the windows that are up now into slots, and beside what is whole now."""
        rows, m = self._stored.rows, self.m
        up = self._up_after(changed)
        slots = self._fields[SLOTS_NAME]
        slots["onset_us"], slots["aux_us"], slots["phase"] = 0, 0, 0
        slots["which"] = NO_WINDOW
        counts = np.bincount(up.row, minlength=m)
        slot = np.arange(len(up.row)) - (np.cumsum(counts) - counts)[up.row]
        whole_at, whole = self._whole_after(counts > SLOTS)
        is_whole = np.zeros(m, np.bool_)
        is_whole[whole_at] = True
        fits = ~is_whole[up.row]
        beside = np.flatnonzero(~fits)
        place = np.searchsorted(whole_at, up.row[beside]), up.window[beside]
        at = up.row[fits], slot[fits]
        slots["which"][at] = up.window[fits]
        for part in WINDOW_PARTS:
            values = getattr(up, part)
            slots[part][at] = values[fits]
            whole[part][place] = values[beside]
        return Stored(rows, whole_at, whole.view(np.uint8).reshape(-1, self.layout.whole_bytes))

    def _whole_after(self, crowded: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return which units are whole after the step, and their rare fields; windows are idle."""
        fresh = self.layout.fresh_whole.view(self.layout.whole)
        chosen = crowded.copy()
        chosen[self._stored.whole_at] = True
        now = {}
        for group, name, place in self.layout.rare:
            if name in self._after.get(group, ()):
                now[place.name] = values = self._after[group][name]
                new = values != fresh[place.name]
                chosen |= new & ~np.isnan(values) if place.dtype.kind == "f" else new
        at = np.flatnonzero(chosen)
        whole = np.repeat(fresh, len(at))
        before = np.searchsorted(at, self._stored.whole_at)
        for _, _, place in self.layout.rare:
            if place.name in now:
                whole[place.name] = now[place.name][at]
            else:
                whole[place.name][before] = self._whole[place.name]
        raw = whole.view(np.uint8).reshape(-1, self.layout.whole_bytes)
        kept = np.asarray((raw != self.layout.fresh_whole).any(axis=1)) | crowded[at]
        return at[kept], whole[kept]

    def _up_after(self, changed: dict[int, str]) -> "_Up":
        """Return the windows that are up after the step, by row, then by window."""
        left = np.ones(len(self.layout.windows), np.bool_)
        left[list(changed)] = False
        pieces = [self._up.take(left[self._up.window])]
        for number, prefix in changed.items():
            group, _ = self.layout.windows[number]
            now = {part: self._now(group, prefix + part) for part in WINDOW_PARTS}
            row = np.flatnonzero(now["phase"])
            window = np.full(len(row), number, np.uint8)
            pieces.append(_Up(row, window, *(now[part][row] for part in WINDOW_PARTS)))
        every = _Up(*map(np.concatenate, zip(*pieces, strict=True)))
        return every.take(np.lexsort((every.window, every.row)))

    def _now(self, group: str, name: str) -> NDArray[Any]:
        after = self._after[group]
        return after[name] if name in after else self[group][name]


class _Group(dict[str, NDArray[Any]]):
    """Fields of a group, each made when it is first asked for."""

    def __init__(self, opened: Opened, places: Mapping[str, Place]) -> None:
        super().__init__()
        self._opened = opened
        self._places = places

    def __missing__(self, name: str) -> NDArray[Any]:
        """Make a field, shape (m, ...)."""
        values = self[name] = self._opened.made(self._places[name])
        return values


class _Up(NamedTuple):
    """Windows that are not idle, shape (k,): of which row, which window, its fields."""

    row: NDArray[Any]
    window: NDArray[Any]
    onset_us: NDArray[Any]
    aux_us: NDArray[Any]
    phase: NDArray[Any]

    def take(self, at: Any) -> "_Up":
        return _Up(*(values[at] for values in self))


def _windows_up(layout: Layout, stored: Stored) -> _Up:
    """Return the windows of stored records that are up, by window."""
    slots, beside = layout.fields(stored.rows)[SLOTS_NAME], stored.whole.view(layout.whole)[:, 0]
    at = np.nonzero(slots["which"] != NO_WINDOW)
    whole, window = np.nonzero(beside["phase"])
    row = np.concatenate([at[0], stored.whole_at[whole]])
    windows = np.concatenate([slots["which"][at], window.astype(np.uint8)])
    fields = (np.concatenate([slots[p][at], beside[p][whole, window]]) for p in WINDOW_PARTS)
    return _Up(row, windows, *fields).take(np.argsort(windows, kind="stable"))
