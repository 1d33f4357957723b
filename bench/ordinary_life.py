"""False entrapments a lift-year of ordinary life, pooled from parts that were scored apart.

    hoistway score ordinary-life --seed 1 --json > part-1.json     # 13.7 lift-years in some minutes
    python -m bench ordinary_life part-*.json                      # eleven of them are 150

What a look-alike brought about weighs one over its multiple, all else one (docs/simulation.md).
"""

import json
import sys
from collections import Counter
from pathlib import Path

from simulator.scoring.intervals import weighted_poisson

KINDS = ("entrapment_between_landings", "entrapment_at_landing")


def main() -> None:
    parts = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    if not parts:
        sys.exit("usage: python -m bench ordinary_life PART.json...")
    years = sum(part["score"]["lift_years"] for part in parts)
    weights: list[float] = []
    origins: Counter[str] = Counter()
    for part in parts:
        times = part["summary"]["look_alikes_times"]
        for kind in KINDS:
            for origin, n in part["score"]["kinds"][kind]["false_by_origin"].items():
                weights += [1 / times if origin.startswith("look_alike") else 1.0] * n
                origins[origin] += n
    low, high = (bound / years for bound in weighted_poisson(weights, 1.0))
    rate = sum(weights) / years
    print(f"{years:.1f} lift-years, {sum(origins.values())} false: {dict(origins)}")
    print(f"{rate:.4f} a lift-year re-weighted (95 %: {low:.4f}-{high:.4f})")


if __name__ == "__main__":
    main()
