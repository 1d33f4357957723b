"""``python -m bench NAME [options]``: runs one benchmark; without a name it lists them."""

import importlib
import runpy
import sys
from pathlib import Path


def main() -> None:
    here = Path(__file__).parent
    names = sorted(p.stem for p in here.glob("*.py") if not p.stem.startswith("_"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print("benchmarks (make bench ARGS=NAME):")
        for name in names:
            document = importlib.import_module(f"bench.{name}").__doc__ or ""
            print(f"  {name:10s} {document.splitlines()[0]}")
        sys.exit(0 if len(sys.argv) < 2 else 2)
    name = sys.argv.pop(1)
    runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
