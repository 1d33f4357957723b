"""Clock: which event time a frame gets, and under which times it may be stored already.

A device time from 400 days before to 60 s after arrival is believed, however late. Any other frame
gets device time + the offset of a *clock run* of its (gateway, lift). This module decides which run
that is; whether a frame is stored already is asked from the table by the caller.

Invariants: a frame that was stored once gets the same time again while its run is among the last
eight; a run is opened once and its offset never changes; runs are plain immutable tuples.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ingest.assemble.params import NEVER, AssembleParams


class ClockRun(NamedTuple):
    """One run of a device clock that cannot be believed.

    ``last_device_us`` is the highest device time seen under it; ``NEVER`` = not known, as of a run
    that was read from the table.
    """

    run: int
    offset_us: int
    first_device_us: int
    started_received_us: int
    last_device_us: int


class ClockRunRow(NamedTuple):
    """A clock run as the table ``clock_runs`` holds it."""

    elevator_id: int
    gateway_id: int
    run: int
    first_device_time_us: int
    offset_us: int
    started_received_us: int


Runs = tuple[ClockRun, ...]
"""Runs of one (gateway, lift), in the order in which they were opened, at most ``offsets_kept``."""


def is_believed(device_us: int, received_us: int, params: AssembleParams) -> bool:
    """Tell whether a time lies in the believed span around an arrival, both ends included."""
    age_us = received_us - device_us
    return -params.believed_future_us <= age_us <= params.believed_past_us


def offset_us(device_us: int, received_us: int) -> int:
    """Return arrival - device time in whole milliseconds, as µs."""
    return (received_us - device_us) // 1000 * 1000


def offsets(device_us: int, received_us: int, runs: Runs, params: AssembleParams) -> Iterator[int]:
    """Yield the offsets under which the frame may have been stored at an earlier arrival.

    0 stands for "believed": a time that was believed then may lie beyond the 400 days now, and one
    that is believed now may have been too far ahead then.
    """
    if device_us >= received_us - 2 * params.believed_past_us:
        yield 0
    for run in reversed(runs):
        if device_us <= run.last_device_us:
            yield run.offset_us


def fitting_run(
    device_us: int, received_us: int, runs: Runs, params: AssembleParams
) -> ClockRun | None:
    """Return the run that the frame continues, ``None`` if it opens a new one.

    The newest run goes on unless the device time fell by more than the reorder window or jumped
    ahead of the arrival. An older one is returned to only if it agrees with the arrival in both
    directions: frames shuffled over the restart of a clock, or a clock set back to what it was.
    """
    newest = True
    for run in reversed(runs):
        time_us = device_us + run.offset_us
        known_us = run.first_device_us if run.last_device_us == NEVER else run.last_device_us
        rising = device_us >= known_us - params.reorder_window_us
        near = newest or received_us - time_us <= params.believed_future_us
        if rising and near and is_believed(time_us, received_us, params):
            return run
        newest = False
    return next((r for r in runs if r.offset_us == offset_us(device_us, received_us)), None)


def opened(device_us: int, received_us: int, runs: Runs) -> ClockRun:
    """Return the new run that the frame opens."""
    number = runs[-1].run + 1 if runs else 0
    offset = offset_us(device_us, received_us)
    return ClockRun(number, offset, device_us, received_us, device_us)


def with_run(runs: Runs, run: ClockRun, device_us: int, params: AssembleParams) -> Runs:
    """Return ``runs`` with ``run`` (kept in its place, or appended) having seen ``device_us``."""
    if device_us <= run.last_device_us and run in runs:
        return runs
    seen = run._replace(last_device_us=max(run.last_device_us, device_us))
    if runs and run is runs[-1]:
        return (*runs[:-1], seen)
    if any(r.run == run.run for r in runs):
        return tuple(seen if r.run == run.run else r for r in runs)
    return (*runs, seen)[-params.offsets_kept :]
