"""The program as an operator starts it: its output, its exit code, no settings from outside."""

import os
import subprocess
import sys
from collections.abc import Mapping

TIMEOUT_S = 40


def hoistway(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; only these settings are set. Blocks."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOISTWAY_")}
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env={**inherited, **environment},
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip


def last_line(ended: subprocess.CompletedProcess[str]) -> str:
    """Return the last words of a command that failed; there must be no traceback."""
    assert "Traceback" not in ended.stderr, ended.stderr
    *before, last = ended.stderr.splitlines()
    assert last.startswith("hoistway: "), ended.stderr
    assert not any(line.startswith("hoistway: ") for line in before), ended.stderr
    return last
