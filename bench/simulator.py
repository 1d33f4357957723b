"""How fast the simulator makes frames in memory, and where the time of a backtest goes.

    python -m bench simulator [--lifts 2000 10000] [--step 60] [--backtest-lifts 400]

One core, processor time of this process, from 08:00 of a weekday, with drawn faults and
look-alikes, in steps of --step seconds. The rate stands beside that of copying the same columns
with NumPy: ratios outlast machines. The backtest is `hoistway score` of city-weekday with fewer
lifts; the whole of it is `hoistway score city-weekday`.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from simulator.faults.draw import Rates, draw  # noqa: E402
from simulator.fleet import Fleet, FleetSpec  # noqa: E402

EIGHT_US = 1_774_310_400_000_000
MINUTE_US = 60_000_000


def generation(lifts: int, minutes: int, step_s: int) -> None:
    """Print frames/s of a fleet, and of a copy of their columns."""
    start_us = EIGHT_US - 10 * MINUTE_US
    script = tuple(draw(lifts, 1, start_us, (minutes + 10) * MINUTE_US, Rates(), 200, 20))
    fleet = Fleet(FleetSpec(start_us, lifts, script=script), 1)
    for k in range(10):
        fleet.frames_until(start_us + (k + 1) * MINUTE_US)
    frames, made_s, copied_s = 0, 0.0, 0.0
    step_us = step_s * 1_000_000
    for k in range(minutes * MINUTE_US // step_us):
        before = time.process_time()
        some = fleet.frames_until(EIGHT_US + (k + 1) * step_us)
        made_s += time.process_time() - before
        before = time.process_time()
        _ = [column.copy() for column in some.columns.values()]
        copied_s += time.process_time() - before
        frames += len(some)
    print(
        f"{lifts:>6} lifts: {frames / made_s:>9,.0f} frames/s of one core, SHA-256 included "
        f"({frames:,} frames); a copy of the columns {frames / copied_s:,.0f}, "
        f"ratio {copied_s / made_s:.3f}"
    )


def backtest(lifts: int) -> None:
    """Print how long a day of some lifts takes, and the share of each stage."""
    command = [
        sys.executable,
        "-m",
        "service",
        "score",
        "city-weekday",
        "--lifts",
        str(lifts),
        "--json",
    ]
    before = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    took_s = time.perf_counter() - before
    run = json.loads(done.stdout)["run"]
    total = sum(run["seconds"].values())
    print(f"backtest of {lifts} lifts, 24 h: {took_s:.0f} s, {run['frames']:,} frames")
    for stage, seconds in run["seconds"].items():
        print(f"  {stage:20s} {seconds / total:>6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lifts", type=int, nargs="*", default=[2_000, 10_000])
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--step", type=int, default=60, help="seconds of a call")
    parser.add_argument("--backtest-lifts", type=int, default=400, help="0 = none")
    given = parser.parse_args()
    for lifts in given.lifts:
        generation(lifts, given.minutes, given.step)
    if given.backtest_lifts:
        backtest(given.backtest_lifts)


if __name__ == "__main__":
    main()
