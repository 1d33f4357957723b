"""A city in which everything happens is the same whatever the steps, the machine and the day.

The golden digest is of seed 7. It changes when the world, the terminals or the network change, and
then on purpose: write what the failing test prints into ``tests/golden/simulator/whole_city.txt``,
in the same commit as the change.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.faults.causes import Cause
from simulator.network.spec import NOISY_NETWORK
from simulator.publishing.feed import FleetFeed
from simulator.scenarios.presets import whole_city
from telemetry.findings import FINDINGS

START_US = 1_774_314_000_000_000
SECOND_US = 1_000_000
LASTS_US = 1_200 * SECOND_US
SEED = 7
ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "simulator" / "whole_city.txt"


class Lived:
    """The city, lived in steps: its digest, its messages, its truth."""

    def __init__(self, step_us: int) -> None:
        feed = FleetFeed(whole_city(SEED, START_US), NOISY_NETWORK, SEED)
        sha, end_us = hashlib.sha256(), START_US + LASTS_US
        t_us = START_US
        while t_us < end_us:
            t_us = min(t_us + step_us, end_us)
            for message in feed.messages_until(t_us):
                sha.update(repr(message).encode())
        for message in feed.rest():
            sha.update(repr(message).encode())
        fleet = feed.fleet
        self.truth, self.look_alikes = fleet.truth(), fleet.look_alikes()
        self.people = fleet.people()
        self.told = repr((self.truth, self.look_alikes, self.people))
        self.line = (
            f"{fleet.digest.frames} frames {fleet.digest.hexdigest()}, messages {sha.hexdigest()}, "
            f"truth {hashlib.sha256(self.told.encode()).hexdigest()}"
        )


@pytest.fixture(scope="module")
def whole() -> Lived:
    return Lived(60 * SECOND_US)


def test_everything_happens_in_it(whole):
    causes = {e.cause for e in whole.truth} | {a.cause for a in whole.look_alikes}
    assert {"area_power_cut", "earthquake"} <= causes
    assert len(causes) > 0.8 * len(Cause)
    assert len({e.kind for e in whole.truth}) > 0.7 * len(FINDINGS)
    gone = whole.people["left"] + whole.people["walked"]
    assert whole.people["arrived"] == gone + whole.people["waiting"] + whole.people["riding"]


@pytest.mark.parametrize("step_us", [LASTS_US, 7_777_007])
def test_the_size_of_the_steps_changes_neither_frames_nor_messages_nor_truth(whole, step_us):
    assert Lived(step_us).line == whole.line


def test_vector_units_change_nothing(whole):
    # every dispatch target that this NumPy has beyond its baseline, switched off
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    targets = [*simd["found"], *simd["not found"]]
    program = (
        "import numpy as np\n"
        "on = np.lib.introspect.opt_func_info(func_name='^add$', signature='float64')\n"
        "used = {s['current'] for by in on.values() for s in by.values()}\n"
        "from simulator.scenarios.presets import whole_city\n"
        f"fleet = whole_city({SEED}, {START_US})\n"
        f"fleet.frames_until({START_US + LASTS_US})\n"
        "print(fleet.digest.hexdigest())\n"
        "print('targets', *used)\n"
    )
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "NPY_DISABLE_CPU_FEATURES": " ".join(targets),
    }
    done = subprocess.run(
        # NumPy warns about targets that this machine lacks anyway
        [sys.executable, "-W", "ignore", "-c", program],
        env=env, check=True, capture_output=True, text=True,
    )  # fmt: skip
    digest, used = done.stdout.splitlines()
    assert not set(used.split()) & set(targets), "the targets are really off"
    assert digest in whole.line


def test_the_world_is_the_one_that_was_committed(whole):
    assert whole.line == GOLDEN.read_text().strip(), (
        f"the simulated world changed. If that is wanted, {GOLDEN.name} must say:\n{whole.line}"
    )
