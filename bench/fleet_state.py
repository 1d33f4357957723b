"""The state of 100,000 lifts in one process: growth, ticks, batches, snapshots, memory a lift.

    .venv/bin/python -m bench fleet_state [--lifts 100000]

A lane's core, as the service uses it, without a broker or a database. Printed: what growing costs
(all at once, one lift at a time), what a tick and a batch cost, how long copying, packing and
checking a snapshot takes in one piece and piece by piece (the longest pause of the pipeline), and
how much memory a lift takes: state alone, and all that the process holds.
"""

import argparse
import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ingest import assemble  # noqa: E402
from ingest.assemble import AssembleParams  # noqa: E402
from ingest.fleet import Fleet, LiftRecord  # noqa: E402
from ingest.store.snapshots import LIFTS_PER_PIECE, checksum, pack  # noqa: E402
from service.collector import settle  # noqa: E402
from service.core import LaneCore  # noqa: E402
from telemetry.batch import FrameBatch  # noqa: E402

START_US = 1_790_000_000_000_000
BATCH = 8_000


def timed(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes [ms]."""
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


def told(name: str, times_ms: list[float]) -> None:
    print(f"{name:<58} median {np.median(times_ms):8.2f} ms, longest {max(times_ms):8.2f} ms")


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def record(i: int) -> LiftRecord:
    return LiftRecord(i, f"3110330110201{i:07d}", 0, True, 1, True, {})


def batches(lifts: int, n: int) -> Iterator[tuple[FrameBatch, int]]:
    """Yield ``n`` batches of ``BATCH`` frames, each of other lifts, all lifts in turn."""
    rng = np.random.default_rng(1)
    for k in range(n):
        at = k * BATCH + np.arange(BATCH)
        row, seq = at % lifts, at // lifts + 1
        now_us = START_US + k * 200_000
        running = rng.random(BATCH) < 0.3
        frames = FrameBatch.make(
            BATCH, row=row, elevator_id=row + 1, gateway_id=1, seq=seq, time_us=now_us - 40_000,
            device_time_us=now_us - 40_000, received_us=now_us, unit=0, mode=1, car=running,
            direction=0, zone=~running, door=np.where(running, 2, 1), floor=3,
            passenger=rng.random(BATCH) < 0.5, speed_mps=np.where(running, 1.5, 0.0),
            height_m=12.0, power=0, button=0, codes=0,
        )  # fmt: skip
        yield frames, now_us


def growth(lifts: int) -> tuple[Fleet, LaneCore]:
    fleet, core = Fleet(), LaneCore(AssembleParams(), {})
    fleet.load([(1, "gateway")], map(record, range(1, lifts + 1)))
    took = timed(lambda: core.grow(fleet.elevator_ids(), assemble.NOTHING_STORED))
    print(f"{'growing to ' + format(lifts, ',') + ' lifts at once':<58} {took:8.2f} ms")
    ones = []
    for i in range(lifts + 1, lifts + 101):

        def one(i: int = i) -> None:
            fleet.load(lifts=[record(i)])
            core.grow(fleet.elevator_ids(), assemble.NOTHING_STORED)

        ones.append(timed(one))
    told("one lift more, registry's mirror included", ones)
    return fleet, core


def work(core: LaneCore, lifts: int) -> None:
    def take(frames: FrameBatch, now_us: int) -> None:
        core.adopt(core.advance(frames, now_us, caught_up=True))

    steps, ticks = [], []
    for frames, now_us in batches(lifts, 3 * -(-lifts // BATCH)):
        steps.append(timed(partial(take, frames, now_us)))
        ticks.append(timed(partial(take, FrameBatch.empty(), now_us)))
    told(f"a batch of {BATCH:,} frames of as many lifts", steps)
    told("a tick", ticks)


def snapshot(core: LaneCore) -> None:
    core.mark_dirty()
    copies, packs, taken = [], [], []
    for piece in core.dirty_pieces(LIFTS_PER_PIECE):
        copies.append(timed(lambda p=piece: taken.append(core.take_piece(p, LIFTS_PER_PIECE))))
        packs.append(timed(lambda: checksum("layout", pack(taken[-1]))))
    told(f"copying a piece of {LIFTS_PER_PIECE:,} lifts (the pipeline waits)", copies)
    told("packing and checking it (in a thread)", packs)
    print(f"{'all ' + str(len(copies)) + ' pieces in one go':<58} {sum(copies):8.2f} ms copied,"
          f" {sum(packs):.2f} ms packed")  # fmt: skip


def collecting() -> None:
    """Show for how long a full collection of garbage stops everything, before and after."""
    print(f"{'a full collection of garbage':<58} {timed(gc.collect):8.2f} ms")
    settle()
    print(f"{'... once the service has settled':<58} {timed(gc.collect):8.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lifts", type=int, default=100_000)
    given = parser.parse_args()
    before = resident_mb()
    fleet, core = growth(given.lifts)
    work(core, given.lifts)
    after = resident_mb()
    snapshot(core)
    collecting()
    n = core.n_lifts
    print(
        f"state of a lift: detectors {core.bank.lift_bytes} B, order and keys"
        f" {assemble.lift_bytes()} B; the process grew by"
        f" {2**20 * (after - before) / n:.0f} B a lift,"
        f" registry's mirror included ({fleet.n_rows():,} lifts, {after:.0f} MB in all)"
    )


if __name__ == "__main__":
    main()
