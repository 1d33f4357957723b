"""The pictures of docs/simulation.md come from a command that the page names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import plots

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "simulation.md").read_text()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # six kinds of buildings live a day


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> list[Path]:
    return plots.write(list(plots.PLOTS), tmp_path_factory.mktemp("images"), 40)


def test_each_plot_is_written_as_a_small_file(written):
    assert [path.stem for path in written] == list(plots.PLOTS)
    for path in written:
        assert path.read_text().startswith("<?xml")
        assert path.stat().st_size < 300_000


def test_the_same_seed_draws_the_same_lines(written, tmp_path):
    [again] = plots.write(["trip"], tmp_path, 40)
    assert again.read_bytes() == written[0].read_bytes()


def test_the_page_names_the_command_and_shows_each_picture():
    assert "python -m bench plots" in PAGE
    shown = set(re.findall(r"\(images/(\w+)\.svg\)", PAGE))
    assert shown == set(plots.PLOTS)
    for name in shown:
        assert (ROOT / "docs" / "images" / f"{name}.svg").is_file(), "python -m bench plots"


def test_the_command_refuses_what_it_cannot_draw():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "plots", "--only", "trip,moon"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no plot moon; there are trip, day, mass" in done.stderr
