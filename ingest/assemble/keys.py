"""Key stage, the values: what is remembered per lift about keys, and what a batch would change.

``KeyState`` is only changed by ``grow``, ``adopt_keys`` and recovery; planning
and settling read it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.assemble.clock import ClockRun, ClockRunRow, Runs, with_run
from ingest.assemble.params import NEVER, NO_TIME, AssembleParams
from ingest.room import with_rows
from telemetry.batch import ClockQuality, FrameBatch


@dataclass(slots=True)
class KeyState:
    """Newest stored time per lift, and the clock runs of lifts that ever needed one.

    Parameters
    ----------
    stored_head_us
        Highest stored event time per row, shape (n_rows,) [µs]; ``NOTHING_STORED`` or
        ``UNKNOWN_HEAD``. Frames above it cannot be stored yet.
    runs_until_us
        Highest device time seen under any clock run of the row, shape (n_rows,) [µs]: believed
        frames above it were never given an offset. ``NO_TIME`` without runs.
    runs, gateways
        Clock runs by (row, gateway), and the gateways of a row that have some.
    """

    stored_head_us: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    runs_until_us: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    runs: dict[tuple[int, int], Runs] = field(default_factory=dict)
    gateways: dict[int, set[int]] = field(default_factory=dict)

    def grow(self, n_rows: int, stored_head_us: NDArray[np.int64] | int) -> None:
        """Add rows up to ``n_rows`` with the given stored heads (scalar or one per new row)."""
        self.stored_head_us = with_rows(self.stored_head_us, n_rows, stored_head_us)
        self.runs_until_us = with_rows(self.runs_until_us, n_rows, NO_TIME)

    def set_runs(self, row: int, gateway_id: int, runs: Runs) -> None:
        """Remember the clock runs of one (row, gateway)."""
        self.runs[row, gateway_id] = runs
        self.gateways.setdefault(row, set()).add(gateway_id)
        until_us = max(run.last_device_us for run in runs)
        if self.runs_until_us[row] == NEVER:  # recovery: what was not known may be known now
            all_runs = (run for g in self.gateways[row] for run in self.runs[row, g])
            self.runs_until_us[row] = max(run.last_device_us for run in all_runs)
        else:
            self.runs_until_us[row] = max(int(self.runs_until_us[row]), until_us)


@dataclass(frozen=True, slots=True)
class KeyPending:
    """What a batch changes in ``KeyState`` once it is committed."""

    rows: NDArray[Any]
    stored_head_us: NDArray[np.int64]
    runs: dict[tuple[int, int], Runs]


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """Which keys of a batch must be looked up in the table before it can be settled.

    ``odd`` are the positions of frames whose time is not simply their device time; ``clocks`` has
    the times of all, as they are if nothing is found.
    ``elevator_ids``, ``times_us`` and ``seqs`` (int64, one shape) are the keys to look up.
    """

    arrivals: FrameBatch
    odd: list[int]
    clocks: Any
    elevator_ids: NDArray[np.int64]
    times_us: NDArray[np.int64]
    seqs: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of keys to look up."""
        return len(self.times_us)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A frame whose key is taken by a frame with other content.

    ``index`` is its position in the arrivals, ``stored`` the frame that has the key.
    """

    index: int
    stored: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """A batch with times and without doubles.

    Parameters
    ----------
    frames
        Frames to store, sorted by (row, received_us, time_us, seq), ``time_us`` and ``clock`` set.
    index
        Their positions in the arrivals, shape (n,).
    duplicates
        Positions in the arrivals of frames that are stored already or are in this batch twice.
    conflicts
        Frames that have the key of another frame.
    clock_runs
        Clock runs opened, to be stored in the same transaction.
    pending
        What becomes of the key state after the commit.
    """

    frames: FrameBatch
    index: NDArray[np.int64]
    duplicates: NDArray[np.int64]
    conflicts: list[Conflict]
    clock_runs: list[ClockRunRow]
    pending: KeyPending


def adopt_keys(state: KeyState, pending: KeyPending) -> None:
    """Make a committed batch part of the state."""
    state.stored_head_us[pending.rows] = pending.stored_head_us
    for (row, gateway_id), runs in pending.runs.items():
        state.set_runs(row, gateway_id, runs)


def absorb_keys(
    state: KeyState,
    frames: FrameBatch,
    clock_runs: list[tuple[int, ClockRunRow]],
    params: AssembleParams,
) -> None:
    """Learn heads and runs from what the database holds (recovery); runs come with their rows."""
    for row, stored in sorted(clock_runs, key=lambda pair: pair[1].run):
        known = state.runs.get((row, stored.gateway_id), ())
        if all(run.run != stored.run for run in known):
            run = ClockRun(
                stored.run, stored.offset_us, stored.first_device_time_us,
                stored.started_received_us, NEVER,
            )  # fmt: skip
            runs = sorted((*known, run))[-params.offsets_kept :]
            state.set_runs(row, stored.gateway_id, tuple(runs))
    if len(frames):
        np.maximum.at(state.stored_head_us, frames["row"], frames["time_us"])
    offset = np.flatnonzero(frames["clock"] == ClockQuality.OFFSET)
    for i in offset[np.argsort(frames["received_us"][offset], kind="stable")].tolist():
        _absorb_device_time(state, frames, i, params)


def _absorb_device_time(
    state: KeyState, frames: FrameBatch, i: int, params: AssembleParams
) -> None:
    key = int(frames["row"][i]), int(frames["gateway_id"][i])
    device_us = int(frames["device_time_us"][i])
    offset = int(frames["time_us"][i]) - device_us
    runs = state.runs.get(key, ())
    run = next((r for r in runs if r.offset_us == offset), None)
    if run is None:
        return
    first = device_us == run.first_device_us
    if first and run.last_device_us == NEVER:  # seen from its first frame on: its last one is known
        begun = run._replace(last_device_us=device_us)
        runs, run = tuple(begun if r is run else r for r in runs), begun
    state.set_runs(*key, with_run(runs, run, device_us, params))
