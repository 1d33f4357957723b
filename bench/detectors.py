"""Frames per second through the bank: 5,000 frames of 2,000 lifts, and of 10 lifts.

Run: .venv/bin/python bench/detectors.py
Prints one line per shape; a step includes gathering and adopting.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from detectors.bank import Bank
from telemetry.batch import FrameBatch

N_FRAMES = 5_000
N_ROUNDS = 40
START_US = 1_790_000_000_000_000


def batches(n_lifts):
    """Lifts at random instants of normal traffic: running, stopping, doors, a few trapped."""
    rng = np.random.default_rng(1)
    row = np.sort(np.arange(N_FRAMES) % n_lifts)
    nth = np.arange(N_FRAMES) - np.searchsorted(row, row)
    for i in range(N_ROUNDS):
        span_us = int(nth.max() + 1) * 1_000_000
        running = rng.random(N_FRAMES) < 0.3
        stuck = row % 50 == 0
        yield FrameBatch.make(
            N_FRAMES,
            row=row,
            time_us=START_US + i * span_us + nth * 1_000_000,
            mode=1,
            car=np.where(stuck, 0, running),
            zone=np.where(stuck, 0, ~running & (rng.random(N_FRAMES) < 0.9)),
            door=np.where(stuck | running, 2, rng.choice((1, 2, 3, 4), N_FRAMES)),
            passenger=rng.random(N_FRAMES) < 0.5,
            speed_mps=np.where(running & ~stuck, 1.5, 0.0),
            power=0,
            button=0,
            codes=0,
            floor=3,
            height_m=12.0,
        )


def main():
    for n_lifts in (2_000, 10):
        bank = Bank(10_000)
        steps, found = [], 0
        for batch in batches(n_lifts):
            before = time.perf_counter()
            outcome = bank.step(batch)
            bank.adopt(outcome)
            steps.append(time.perf_counter() - before)
            found += sum(len(block) for block in outcome.transitions)
        median = float(np.median(steps))
        print(
            f"{N_FRAMES} frames of {n_lifts:>5} lifts: {N_FRAMES / median:>12,.0f} frames/s"
            f"  ({median * 1e3:.2f} ms a step, {found} transitions in {N_ROUNDS} steps)"
        )


if __name__ == "__main__":
    main()
