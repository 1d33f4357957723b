"""Write the tables and names of ``docs/scenarios.md`` anew from the declarations."""

import sys
from pathlib import Path

from simulator.scenarios.described import filled

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "scenarios.md"


def main() -> int:
    """Fill the document."""
    DOCUMENT.write_text(filled(DOCUMENT.read_text("utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
