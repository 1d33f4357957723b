"""``hoistway score`` as people run it: figures, bars, candidates, workers, errors in one line."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from service.backtest.bars import BarError, read_bar
from service.backtest.candidate import Candidate
from service.backtest.slices import ScenarioSlices
from service.backtest.workers import BacktestError, run_all
from service.cli import run
from simulator.scenarios.build import build
from simulator.scenarios.reader import load
from tests.waiting import until

ROOT = Path(__file__).parents[2]
SMALL = """
title = "A few lifts on a busy morning"
starts = 2026-03-24T08:00:00+08:00
lasts = "15 min"
other_alarms = "allowed"

[fleet]
lifts = 24
escalators = 2

[network]
like = "field"

[[happens]]
at = "2 min"
lift = [1, 2, 3, 4, 5, 6]
what = "door_lock"
people = 2
presses = "20 s"
freed_after = "4 min"

[[happens]]
at = "1 min"
lift = [7, 8, 9, 10, 11, 12]
what = "controller_stop"
freed_after = "5 min"

[[happens]]
at = "1 min"
lift = [13, 14, 15]
what = "button_play"
presses = ["1 s", "5 s"]
"""


@pytest.fixture
def small(tmp_path) -> str:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return str(path)


def told(capsys, *arguments: str) -> tuple[int, dict]:
    code = run(["score", *arguments, "--json"])
    out, _ = capsys.readouterr()
    return code, json.loads(out)


def test_a_scenario_is_scored(small, capsys, tmp_path):
    code, found = told(capsys, small, "--workers", "1", "--plot", str(tmp_path / "p.svg"))
    assert code == 0
    family = found["score"]["families"]["entrapment"]
    assert family["events"] + family["optional_not_found"] + family["optional_found"] > 5
    assert family["delay"]["n"] == family["found"]
    assert found["detector_failures"] == []
    summary = found["summary"]
    assert summary["frames"] > 3_000
    assert {"elapsed_s", "frames_per_s", "sha256", "stage_pct"} <= summary.keys()
    assert (tmp_path / "p.svg").read_text().startswith("<?xml")
    assert run(["score", small, "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert "entrapment_between_landings" in out
    assert "Re-weighted" in out
    assert "100.0 %" in err


def test_the_number_of_workers_changes_nothing(small):
    slices = ScenarioSlices(build(load(small).scenario), 3)
    candidate = Candidate({"at_landing_window_s": 20})
    one, two = (run_all(slices, n, candidate, lambda _: None) for n in (1, 2))
    for mine, theirs in zip(one, two, strict=True):
        assert mine.sha256 == theirs.sha256
        assert mine.alarms == theirs.alarms
        assert mine.candidate_alarms == theirs.candidate_alarms
        assert mine.truth == theirs.truth
        assert mine.look_alikes == theirs.look_alikes
    whole = run_all(ScenarioSlices(slices.built), 1, None, lambda _: None)
    joined = sorted((a.code, a.kind, a.onset_us) for r in one for a in r.alarms)
    assert sorted((a.code, a.kind, a.onset_us) for r in whole for a in r.alarms) == joined
    assert sum(r.frames for r in one) == whole[0].frames


class Broken(ScenarioSlices):
    """A source that cannot be opened."""

    def open(self, k):
        raise ValueError(f"slice {k}\n is broken")


class Deadly(ScenarioSlices):
    """A source that takes its process with it."""

    def open(self, k):
        import os

        os._exit(9)


def test_what_goes_wrong_in_a_worker_is_one_line(small):
    built = build(load(small).scenario)
    with pytest.raises(BacktestError, match=r"^ValueError: slice \d is broken \(open, line \d+\)$"):
        run_all(Broken(built, 3), 2, None, lambda _: None)
    with pytest.raises(BacktestError, match="ended with code 9; if memory ran out, take fewer"):
        run_all(Deadly(built, 3), 2, None, lambda _: None)


def test_a_candidate_is_scored_beside_the_current_rules(small, capsys, tmp_path):
    params = tmp_path / "params.toml"
    params.write_text("between_landings_window_s = 25\nat_landing_window_s = 45\n")
    code, found = told(capsys, small, "--workers", "1", "--candidate", str(params))
    assert code == 0
    both = found["score"], found["candidate"]
    current, candidate = (one["kinds"]["entrapment_at_landing"] for one in both)
    assert candidate["found"] >= current["found"]
    changes = found["differences"]
    assert changes["other_time"]
    for pair in changes["other_time"]:
        assert pair["candidate"]["detected_us"] < pair["current"]["detected_us"]
        assert pair["candidate"]["evidence"]["criteria"]
    assert run(["score", small, "--workers", "1", "--candidate", str(params)]) == 0
    out, _ = capsys.readouterr()
    assert "candidate" in out
    assert "another time" in out


def test_equal_rules_differ_in_nothing(small, capsys):
    rules = ["--candidate-detector", "detectors.bank:BANK"]
    code, found = told(capsys, small, "--workers", "1", *rules)
    assert code == 0
    assert found["score"] == found["candidate"]
    assert sum(len(cases) for name, cases in found["differences"].items() if name != "equal") == 0


@pytest.mark.parametrize(
    ("bar", "code"),
    [
        ("recall=0.5", 0),
        ("entrapment.recall=1.01", 1),
        ("alarm_button.recall=0.9", 0),
        ("delay_p99_s=0.0", 0),
        ("delay_p99_s=-1", 1),
        ("entrapment_at_landing.false=1000", 0),
        ("recal=1", 2),
        ("terminal_quiet.recall=1", 2),
        ("recall=much", 2),
    ],
)
def test_bars_decide_the_exit_code(small, capsys, bar, code):
    perfect = Path(small).read_text().replace('like = "field"', 'like = "perfect"')
    Path(small).write_text(perfect)
    assert run(["score", small, "--workers", "1", "--bar", bar]) == code
    _, err = capsys.readouterr()
    if code:
        assert err.strip().splitlines()[-1].startswith("hoistway: ")


def test_bars_say_what_may_be_asked():
    with pytest.raises(BarError, match="there are recall, recall_weighted, precision"):
        read_bar("speed=1")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["no-such-scenario"], 2, "no-such-scenario"),
        (["nowhere.toml"], 2, "nowhere.toml: No such file"),
        (["{small}", "--candidate", "{dir}/none.toml"], 2, "none.toml: No such file"),
        (["{small}", "--candidate", "{dir}/key.toml"], 2, "windov_s is no parameter"),
        (["{small}", "--candidate", "{dir}/range.toml"], 2, "must lie between 0.1 and 3600"),
        (["{small}", "--candidate", "{dir}/bad.toml"], 2, "this is no valid TOML"),
        (["{small}", "--candidate-detector", "detectors.bank"], 2, "write module:attribute"),
        (["{small}", "--candidate-detector", "no.such:THING"], 2, "No module named"),
        (["{small}", "--candidate-detector", "detectors.bank:NONE"], 2, "has no 'NONE'"),
        (["{small}", "--candidate-detector", "detectors.bank:Ints"], 2, "is no detector"),
        (["{small}", "--plot", "x.doc"], 2, "name a file that ends with"),
        (["{small}", "--database"], 2, "--database and --truth FILE go together"),
        (["--database", "--truth", "{dir}/none.jsonl"], 2, "none.jsonl: No such file"),
        (["--database", "--truth", "{dir}/key.toml"], 2, "key.toml:1:"),
        (["{dir}/key.toml.arrow"], 2, "key.toml.arrow"),
    ],
)
def test_errors_are_one_line(small, capsys, tmp_path, arguments, code, says):
    (tmp_path / "key.toml").write_text("windov_s = 3\n")
    (tmp_path / "range.toml").write_text("at_landing_window_s = 0\n")
    (tmp_path / "bad.toml").write_text("at_landing_window_s 0\n")
    (tmp_path / "key.toml.arrow").write_bytes(b"no recording")
    given = [a.format(small=small, dir=tmp_path) for a in arguments]
    assert run(["score", *given, "--workers", "1"]) == code
    _, err = capsys.readouterr()
    last = err.strip().splitlines()[-1]
    assert says in last
    assert last.startswith("hoistway: ")


async def test_ctrl_c_ends_the_workers_too_and_says_nothing_more():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "score", "city-weekday", "--lifts", "1000",
        "--slices", "2", "--workers", "2", "--hours", "12",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        # whoever runs the tests in the background has SIGINT ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stderr is not None
    first = await process.stderr.readline()
    assert b"%" in first
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err
    await until(lambda: not _lives(process.pid), 30)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
