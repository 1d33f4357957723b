"""The contract of a detector: what one must offer, and what it may rely on.

A detector is a pure function over *compact* state: one element per lift that a step touches. It
reads no clock, writes into none of its arguments and lets only ``Transitions`` out. What it may
rely on: frames of a row come in stepping order, the segments are ready, columns are held, state has
its layout. What it leaves to others: gathering, scattering, isolation of failures (``bank.py``),
holding columns (``signals.py``), alarms (``alerting``).

Invariants, proven for every detector by ``tests/contract/test_detector_battery.py``: equal to its
oracle; any split into batches, any permutation of lifts, snapshot, growth and ticks are invisible.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.parameters import LiftParams
from detectors.segments import Ints, Segments
from detectors.signals import Heard, Strip
from telemetry.batch import FrameBatch
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import FIXED, Transitions

NO_DUE_US: Final = int(np.iinfo("i8").max)
"""Due time of a row that waits for nothing [µs]."""

State: TypeAlias = Mapping[str, NDArray[Any]]
"""State arrays by field name, each of shape (m,); treated as immutable."""


class GapPolicy(StrEnum):
    """What missing telemetry means to a detector."""

    HOLD = "hold"
    """Sample-and-hold: the last known state goes on, windows run on, nothing is cleared."""
    RESET = "reset"
    """What was pending is forgotten."""


@dataclass(frozen=True, slots=True)
class Field:
    """One array of a detector's state: name with unit, dtype, value for a lift never seen.

    ``shape``: of the value of one lift, for a small table; () = a scalar. ``rare``: it is hardly
    ever other than initial, so it has no place in the record of a lift (``records``).
    """

    name: str
    dtype: str
    initial: float | int | bool
    shape: tuple[int, ...] = ()
    rare: bool = False


@dataclass(frozen=True, slots=True)
class LiftFrames:
    """Frames of ``m`` lifts, made ready once per batch and shared by all detectors.

    Parameters
    ----------
    frames
        ``n`` frames sorted by (compact row, stepping order); column ``row`` holds 0 ... m - 1.
    segments
        Where the frames of each row begin and end.
    now_us
        Stream time up to which windows complete, shape (m,) [µs]. A value that is not above the
        time of the row's last frame is no tick. It is in the times of ``lift`` and ``escalator``.
    strip
        Their times, whatever they told.
    deaf_us
        How long after each element nobody listened to the unit, shape (n + m,), or one for all
        [µs]: silence does not count until then.
    lift, escalator
        What frames of lifts, and those of escalators and walks, told. A rule listens to one.
    """

    frames: FrameBatch
    segments: Segments
    now_us: Ints
    strip: Strip
    deaf_us: Ints | int
    lift: Heard
    escalator: Heard


class Deaf(NamedTuple):
    """What silence does not count: we did not listen, or a frame came that was not stepped.

    Parameters
    ----------
    heads_us
        How long after the newest frame of each lift before the step, shape (n_rows,) [µs].
    since_us
        Since when we listen: how long after frames of the batch, by when they were made [µs].
    """

    heads_us: Ints
    since_us: int

    def of(self, rows: Any) -> "Deaf":
        """Return the same of some rows."""
        return Deaf(self.heads_us[rows], self.since_us)

    def along(self, segments: Segments, frames: FrameBatch) -> Ints:
        """Return how long after each element of the strip, shape (n + m,) [µs].

        Counted from when a frame was made: the broker may have held it while nobody listened.
        """
        frames_us = self.since_us - np.minimum(frames["received_us"], frames["time_us"])
        return np.maximum(segments.join(self.heads_us, frames_us), 0)


class Stepped(NamedTuple):
    """What a step leads to."""

    state: State
    """New arrays of shape (m,) of the fields that have changed; the others stay as they are."""
    due_us: Ints | int
    """Next stream time at which a tick would tell something, shape (m,) [µs]; ``NO_DUE_US``, of a
    row or of all, is none."""
    found: tuple[Transitions, ...]
    """With compact rows, each sorted by (t_us, row), else in the order in which they came about."""
    silence_due_us: Ints | int = NO_DUE_US
    """As ``due_us``, on a clock that stands still while nobody listens."""


class Detector(Protocol):
    """A finding's rule.

    One may declare in ``depends`` the columns on which its findings rest (``doubt``); otherwise
    they are those that it shows among the values it used.
    """

    @property
    def name(self) -> str:
        """Name of the rule, in transitions and state keys."""
        ...

    @property
    def version(self) -> str:
        """Version of the rule; changes whenever equal frames may give other transitions."""
        ...

    @property
    def kinds(self) -> tuple[FindingKind, ...]:
        """Kinds of findings that it raises."""
        ...

    @property
    def gap_policy(self) -> GapPolicy:
        """What missing telemetry means to it."""
        ...

    @property
    def layout(self) -> tuple[Field, ...]:
        """Fields of its own state; columns and times are held for it."""
        ...

    @property
    def params_type(self) -> type[LiftParams]:
        """Frozen dataclass of thresholds, each a scalar or an array over rows."""
        ...

    def step(self, state: State, batch: LiftFrames, params: Any) -> Stepped:
        """Advance ``m`` lifts by their frames, then by stream time alone.

        Parameters
        ----------
        state
            Fields of ``layout``, shape (m,).
        batch
            Frames of these lifts, possibly none, and what they told.
        params
            Instance of ``params_type`` with scalars or arrays of shape (m,).
        """
        ...


def initial_state(detector: Detector, m: int) -> dict[str, NDArray[Any]]:
    """Return the state of ``m`` lifts that were never seen."""
    return {f.name: np.full((m, *f.shape), f.initial, f.dtype) for f in detector.layout}


class StateOf(dict[str, NDArray[Any]]):
    """The state of some rows of all, each field made when it is first asked for.

    Parameters
    ----------
    state
        Of all lifts.
    rows
        Which of them, shape (k,).
    """

    def __init__(self, state: State, rows: Ints) -> None:
        super().__init__()
        self._state = state
        self._rows = rows

    def __missing__(self, name: str) -> NDArray[Any]:
        """Take a field of these rows."""
        values = self[name] = self._state[name].take(self._rows, axis=0)
        return values

    def put_back(self, after: State) -> dict[str, NDArray[Any]]:
        """Return what has changed of the state of all lifts, after these were stepped."""
        changed = {}
        for name, values in after.items():
            if values is not self.get(name):
                changed[name] = self._state[name].copy()
                changed[name][self._rows] = values
        return changed


def layout_text(detector: Detector) -> str:
    """Spell name, version and fields of a detector's state, to be compared after a restart."""
    fields = ",".join(
        f"{f.name}:{np.dtype(f.dtype).str}{'x'.join(map(str, f.shape))}{'~' * f.rare}"
        for f in detector.layout
    )
    return f"{detector.name}/{detector.version}({fields})"


class Events(NamedTuple):
    """What became of a finding: ``k`` events, in the order in which they came about.

    Parameters
    ----------
    at
        Elements of the strip, shape (k,).
    change
        ``Change``, shape (k,).
    t_us, onset_us
        When, and since when the condition has held, shape (k,) [µs].
    last_seen_us
        Time of the newest frame known then, shape (k,) [µs].
    kind
        Kind under which it was raised, shape (k,) or one for all.
    confidence
        ``Confidence`` of what is not a clear, which is always certain.
    ended_by
        ``ClearReason`` of the clears.
    kind_now
        Kind as it is now, if that can be another.
    known_us
        When it could be known, if anything is dated back [µs].
    """

    at: Ints
    change: NDArray[Any]
    t_us: Ints
    onset_us: Ints
    last_seen_us: Ints
    kind: NDArray[Any] | int
    confidence: NDArray[Any] | int = Confidence.CERTAIN
    ended_by: NDArray[Any] | int = ClearReason.CONDITION_ENDED
    kind_now: NDArray[Any] | int | None = None
    known_us: Ints | None = None


def written(
    detector: Detector,
    segments: Segments,
    events: Events,
    criteria: Mapping[str, NDArray[Any]],
    values: Mapping[str, NDArray[Any]],
    thresholds: Mapping[str, NDArray[Any] | float],
) -> Transitions:
    """Return events with their evidence as sorted transitions.

    Evidence has shape (k,); a threshold may be one for all. The version of the parameters and the
    suspect columns are the bank's to fill in.
    """
    at, t_us = events.at, events.t_us
    cleared = events.change == Change.CLEARED
    columns = {
        "row": segments.row[at],
        "nth": segments.nth(at),
        "t_us": t_us,
        "onset_us": events.onset_us,
        "known_us": t_us if events.known_us is None else events.known_us,
        "last_seen_us": events.last_seen_us,
        "kind": events.kind,
        "kind_now": events.kind if events.kind_now is None else events.kind_now,
        "change": events.change,
        "reason": np.where(cleared, events.ended_by, ClearReason.NONE),
        "confidence": np.where(cleared, Confidence.CERTAIN, events.confidence),
        "parameters": 0,
        "suspect": 0,
    }
    order = np.lexsort((columns["row"], t_us))  # stable

    def sort(array: NDArray[Any] | float) -> NDArray[Any]:
        return array[order] if isinstance(array, np.ndarray) else np.full(len(order), array)

    return Transitions(
        detector.name,
        detector.version,
        {name: sort(columns[name]).astype(dtype) for name, dtype in FIXED.items()},
        {name: array[order] for name, array in criteria.items()},
        {name: array[order] for name, array in values.items()},
        {name: sort(limit) for name, limit in thresholds.items()},
    )
