"""The whole detector bank on one core: frames/s, each detector's share, state, pauses.

    python -m bench detectors [--rounds 30] [--only speed,linear,scale]

Batches of 5,000 frames of 2,000 lifts, of as many units of which one in twenty-five is an escalator
or a walk, and of 10 lifts: those of the simulated city at a weekday's morning with faults a
thousand times as often as in the field, and hostile ones, with random values in every column.
Figures are medians over the rounds, in processor time of this process, adopting included; batches
are sorted as the order stage gives them, and garbage is collected as the service does it.
For 100,000 units: bytes of state, and the longest pause of a snapshot and of growth.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from detectors.bank import Bank
from detectors.signals import ESCALATOR_COLUMNS, LIFT_COLUMNS
from ingest.assemble import NOTHING_STORED, AssembleParams
from service.collector import settle
from service.core import LaneCore
from service.snapshots import LIFTS_PER_PIECE
from simulator.batches import Batcher
from simulator.scenarios.build import build
from simulator.scenarios.reader import load
from telemetry.batch import FrameBatch
from telemetry.columns import COLUMNS, Unit

N_FRAMES = 5_000
START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
FLEETS = ((2_000, 0), (1_920, 80), (10, 0))
"""Lifts, and escalators and walks: none, and one unit in twenty-five, as in the city."""
SCALE = 100_000


Made: TypeAlias = tuple[list[FrameBatch], dict[int, dict[str, float]]]
"""Batches, and the parameters of each unit."""

# --- batches ------------------------------------------------------------------------------------


def city(lifts: int, stairs: int, sizes: list[int]) -> Made:
    """Return batches of so many frames of a living city, and what its registry says of speeds."""
    scenario = load("city-weekday").scenario
    fleet = replace(scenario.fleet, lifts=lifts, escalators=stairs, walks=0)
    drawn = replace(scenario.drawn, faults=1_000, look_alikes=100)
    starts = scenario.starts.replace(hour=7)
    source = build(replace(scenario, fleet=fleet, drawn=drawn, starts=starts)).source().fleet
    registry = source.registry()
    rows = list(range(lifts + stairs))
    batcher = Batcher(rows, [r.unit for r in registry], rows)
    parts, waiting, t_us = [], 0, source.now_us
    while waiting < sum(sizes):
        t_us += 60 * SECOND_US
        made = source.frames_until(t_us)
        batch = batcher.batch(
            made.replace(arrival_us=made["time_us"], device_time_us=made["time_us"])
        )
        parts.append(batch.replace(time_us=made["time_us"]))
        waiting += len(batch)
    whole = joined(parts)
    speeds = {
        i: {"rated_speed_mps": row.rated_speed_mps}
        for i, row in enumerate(registry) if row.rated_speed_mps is not None
    }  # fmt: skip
    return list(cut(whole, sizes)), speeds


def hostile(lifts: int, stairs: int, sizes: list[int]) -> Made:
    """Return batches in which every column is random within its range, and a third is not told."""
    rng = np.random.default_rng(1)
    n, n_units = sum(sizes), lifts + stairs
    columns: dict[str, Any] = {
        "row": np.arange(n) % n_units,
        "time_us": START_US + np.arange(n) // n_units * SECOND_US,
        "seq": np.arange(n) // n_units,
    }
    for column in COLUMNS:
        if column.kind == "real":
            values = rng.uniform(column.low, column.high, n)
        else:
            values = rng.integers(int(column.low), int(min(column.high, 2**31)) + 1, n)
        columns[column.name] = np.where(rng.random(n) < 1 / 3, column.unknown, values)
    columns["unit"] = np.where(columns["row"] < stairs, Unit.ESCALATOR, Unit.LIFT)
    return list(cut(FrameBatch.make(n, **columns), sizes)), {}


def joined(parts: list[FrameBatch]) -> FrameBatch:
    """Return batches as one."""
    names = parts[0].columns
    n = sum(len(part) for part in parts)
    return FrameBatch.make(n, **{k: np.concatenate([p[k] for p in parts]) for k in names})


def cut(whole: FrameBatch, sizes: list[int]) -> Iterator[FrameBatch]:
    """Cut frames into batches, each sorted by unit."""
    at = 0
    for size in sizes:
        part = whole.take(np.arange(at, at + size))
        yield part.take(np.argsort(part["row"], kind="stable"))
        at += size


# --- speed --------------------------------------------------------------------------------------


class TimedBank(Bank):
    """A bank that knows where its time went, by name [s]."""

    def __init__(self, *given: Any) -> None:
        self.seconds: dict[str, float] = {}
        super().__init__(*given)

    def spent(self, name: str, since_s: float) -> float:
        """Count the time since then to a name; return now."""
        now_s = time.process_time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now_s - since_s
        return now_s

    def _guarded(self, detector, touched, shared, result) -> None:
        since_s = time.process_time()
        if detector is self.detectors[0]:
            for heard, names in (
                (shared.lift, LIFT_COLUMNS),
                (shared.escalator, ESCALATOR_COLUMNS),
            ):
                _ = [heard.held(name) for name in names], heard.line, heard.seen_us
            since_s = self.spent("shared: signals held", since_s)
        super()._guarded(detector, touched, shared, result)
        self.spent(detector.name, since_s)


def bank_for(n_units: int, speeds: dict[int, dict[str, float]], kind: type[Bank] = Bank) -> Bank:
    """Return a bank of a fleet with its registered speeds."""
    return kind(n_units, speeds)


def steps(bank: Bank, batches: list[FrameBatch]) -> tuple[list[float], int]:
    """Step and adopt; return the processor time of each [s], and how many transitions came."""
    took_s, found = [], 0
    settle()
    for batch in batches:
        before_s = time.process_time()
        outcome = bank.step(batch)
        bank.adopt(outcome)
        took_s.append(time.process_time() - before_s)
        found += sum(len(block) for block in outcome.transitions)
        if outcome.failed:
            raise SystemExit(f"a detector failed: {outcome.failed[0]}")
    return took_s, found


def speed(rounds: int) -> None:
    """Print frames/s of each kind of batch, then the share of each detector in the first."""
    for make in (city, hostile):
        for lifts, stairs in FLEETS:
            batches, speeds = make(lifts, stairs, [N_FRAMES] * rounds)
            n_units = lifts + stairs
            took_s, found = steps(bank_for(n_units, speeds), batches)
            median_s = float(np.median(took_s))
            print(
                f"{make.__name__:7s} {N_FRAMES} frames of {lifts:>5} lifts, {stairs:>2} stairs: "
                f"{N_FRAMES / median_s:>11,.0f} frames/s  ({median_s * 1e3:.2f} ms a step,"
                f" best {min(took_s) * 1e3:.2f}; {found} transitions in {rounds} steps)"
            )
            timed = bank_for(n_units, speeds, TimedBank)
            assert isinstance(timed, TimedBank)
            took_s, _ = steps(timed, batches)
            shares(timed, sum(took_s))


def shares(bank: TimedBank, total_s: float) -> None:
    """Print where the time of a run went."""
    rest_s = total_s - sum(bank.seconds.values())
    parts = {"shared: gather, segments, scatter": rest_s, **bank.seconds}
    for name, seconds in sorted(parts.items(), key=lambda p: -p[1]):
        print(f"    {seconds / total_s:6.1%}  {name}")


def linear(rounds: int) -> None:
    """Print what a frame costs in batches of four sizes."""
    for make in (city, hostile):
        line = []
        for size in (2_500, 5_000, 10_000, 20_000):
            batches, speeds = make(2_000, 0, [size] * rounds)
            took_s, _ = steps(bank_for(2_000, speeds), batches)
            line.append(f"{size:,}: {float(np.median(took_s)) / size * 1e6:.2f}")
        print(f"{make.__name__:7s} µs a frame of 2,000 lifts, by frames a batch: {'; '.join(line)}")


# --- scale --------------------------------------------------------------------------------------


def scale() -> None:
    """Print bytes and pauses for a large fleet."""
    core = LaneCore(AssembleParams(), {})
    core.grow(np.arange(SCALE), NOTHING_STORED)
    bytes_ = core.bank.lift_bytes
    print(f"{SCALE:,} units: {bytes_} B of detector state each, {bytes_ * SCALE / 1e6:.0f} MB")
    pauses_s, size = [], 0
    for _ in range(4):
        core.mark_dirty()
        for piece in core.dirty_pieces(LIFTS_PER_PIECE):
            before_s = time.process_time()
            taken = core.take_piece(piece, LIFTS_PER_PIECE)
            pauses_s.append(time.process_time() - before_s)
            size += sum(array.nbytes for array in taken.values())
    print(
        f"snapshot, {size / 4e6:.0f} MB in pieces of {LIFTS_PER_PIECE:,} units, between which"
        f" batches go on: longest pause {max(pauses_s) * 1e3:.1f} ms,"
        f" median {float(np.median(pauses_s)) * 1e3:.1f} ms"
    )
    pauses_s = []
    for n_units in range(SCALE, SCALE + 40_000, 500):
        before_s = time.process_time()
        core.grow(np.arange(n_units), NOTHING_STORED)
        pauses_s.append(time.process_time() - before_s)
    print(
        f"growth by 500 units from {SCALE:,} to {SCALE + 40_000:,}: longest pause"
        f" {max(pauses_s) * 1e3:.1f} ms (a second block of 131,072 is added),"
        f" median {float(np.median(pauses_s)) * 1e3:.2f} ms"
    )


PARTS = {"speed": speed, "linear": linear, "scale": lambda _rounds: scale()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30, help="batches of each kind")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    given = parser.parse_args()
    names = [name for name in given.only.split(",") if name]
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in names:
        PARTS[name](given.rounds)


if __name__ == "__main__":
    main()
