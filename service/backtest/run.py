"""One slice through the engine, from its first instant to its end, and what came of it."""

import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from service.backtest.candidate import Candidate
from service.backtest.engine import Engine
from service.backtest.slices import Slice, Slices
from service.backtest.stages import Stage
from simulator.scoring import SeenAlarm, alarms_of
from simulator.truth import LookAlike, TruthEvent

STEP_US: Final = 30_000_000
"""Frames that arrive within this are one batch: up to 80,000 of a slice [µs]."""

OnStep = Callable[[int, int], None]
"""Called after each step with the instant reached [µs] and the frames so far."""


@dataclass(frozen=True, slots=True)
class SliceResult:
    """What a slice led to.

    Parameters
    ----------
    number
        Of the slice.
    frames, duplicates, late
        Frames that arrived; of them copies; of them too late to be stepped.
    alarms, candidate_alarms
        By the current rules, and by the candidate's (``None`` without one).
    truth, look_alikes
        What really happened.
    sha256
        Over the frames as terminals told them; empty = not known.
    seconds
        Processor time by stage.
    failures
        What detectors raised, one text each; they should be none.
    peak_bytes
        Most memory that the process held so far.
    """

    number: int
    frames: int
    duplicates: int
    late: int
    alarms: list[SeenAlarm]
    candidate_alarms: list[SeenAlarm] | None
    truth: list[TruthEvent]
    look_alikes: list[LookAlike]
    sha256: str
    seconds: Mapping[Stage, float]
    failures: list[str]
    peak_bytes: int


def run_slice(
    slices: Slices, number: int, candidate: Candidate | None, on_step: OnStep
) -> SliceResult:
    """Let slice ``number`` live, watch it, and return what came of it."""
    part = slices.open(number)
    try:
        return _lived(slices, number, part, candidate, on_step)
    finally:
        part.close()


def _lived(
    slices: Slices, number: int, part: Slice, candidate: Candidate | None, on_step: OnStep
) -> SliceResult:
    source = part.source
    registry = source.registry()
    rules = None if candidate is None else candidate.rules()
    engine = Engine(registry, part.units, rules, part.versions)
    t_us = slices.start_us
    while t_us < slices.end_us:
        t_us = min(t_us + STEP_US, slices.end_us)
        with engine.stages.of(Stage.SOURCE):
            frames = source.arrived_until(t_us)
        engine.take(frames, t_us)
        on_step(t_us, engine.frames)
    codes = {i: registry[i].code for i in part.units}
    return SliceResult(
        number=number,
        frames=engine.frames,
        duplicates=engine.duplicates,
        late=engine.late,
        alarms=alarms_of(engine.found, codes),
        candidate_alarms=None if rules is None else alarms_of(engine.candidate_found, codes),
        truth=source.truth(),
        look_alikes=source.look_alikes(),
        sha256=part.sha256(),
        seconds=dict(engine.stages.seconds),
        failures=[
            f"{f.detector} on {registry[part.units[f.row]].code}: {f.error}"
            for f in engine.failures
        ],
        peak_bytes=_peak_bytes(),
    )


def _peak_bytes() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
