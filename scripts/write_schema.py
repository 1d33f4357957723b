"""Write ``migrations/schema.sql`` anew: migrate an empty private database and dump it."""

import subprocess
import sys
from pathlib import Path

from migrations.run import upgrade
from service.stack import open_stack

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Return the exit code of the dump."""
    with open_stack(ROOT, own=True, services=frozenset({"postgres"})) as stack:
        print(upgrade(stack.database_url))
        command = [sys.executable, "-m", "migrations.dump", stack.database_url]
        return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own module


if __name__ == "__main__":
    sys.exit(main())
