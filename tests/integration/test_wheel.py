"""The wheel holds what the program reads at run time."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

from simulator.scenarios.reader import names

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_the_scenarios(tmp_path):
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {f"simulator/scenarios/library/{name}.toml" for name in names()} <= held
    assert "service/queries.sql" in held
