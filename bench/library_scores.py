"""What the rules find in every scenario of the library, as one table by kind.

    python -m bench library_scores [--most 5000]

Scores one scenario after another; those of more lift-hours, the whole city and the weeks among
them, have tables of their own. A false alarm here is an answer, too: look-alikes and lying sensors
are in the library to be taken for something. What each scenario must show is judged by the tests.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter

from bench.quality_tables import row
from simulator.scenarios.reader import load, names

HOUR_US = 3_600_000_000
MOST_LIFT_HOURS = 5_000
COUNTS = ("events", "found", "missed", "false")


def scored(name: str) -> dict[str, dict[str, int]]:
    """Return the score of a scenario by kind."""
    command = [sys.executable, "-m", "service", "score", name, "--json", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"{name}: {done.stderr.strip()}")
    return json.loads(done.stdout)["score"]["kinds"]


def main() -> None:
    parser = argparse.ArgumentParser(description="score every scenario of the library")
    parser.add_argument("--most", type=int, default=MOST_LIFT_HOURS, help="lift-hours of one")
    most = parser.parse_args().most
    counts, n, left = Counter[tuple[str, str]](), 0, []
    for name in names():
        scenario = load(name).scenario
        if scenario.fleet.lifts * scenario.lasts_us / HOUR_US > most:
            left.append(name)
            continue
        print(name, file=sys.stderr)
        n += 1
        for kind, group in scored(name).items():
            counts.update({(kind, what): group[what] for what in COUNTS})
    kinds = sorted({kind for kind, _ in counts}, key=lambda kind: -counts[kind, "events"])
    print(f"{n} scenarios; left out: {', '.join(left)}\n")
    print(row("kind", *COUNTS))
    print(row("---", *["--:"] * len(COUNTS)))
    for kind in kinds:
        if counts[kind, "found"] or counts[kind, "missed"] or counts[kind, "false"]:
            print(row(f"`{kind}`", *(counts[kind, what] for what in COUNTS)))


if __name__ == "__main__":
    main()
