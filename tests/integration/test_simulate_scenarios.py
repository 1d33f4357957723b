"""``hoistway simulate SCENARIO``: list, check, dry run, judge and publish, as people run them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from service.cli import run
from simulator.scenarios.reader import names

NAME = "mains-cut-with-rescue-device"
SCENARIO = """\
title = "Two people wait for a rescuer"
lasts = "3 min"

[fleet]
terminal = "coupled"
presence = "count"
traffic = "0 %"

[[happens]]
at = "10 s"
lift = 1
what = "controller_stop"
people = 2
presses = "5 s"

[[expect]]
alarm = "entrapment_between_landings"
lift = 1
between = ["20 s", "2 min"]

[[expect]]
alarm = "alarm_button"
lift = 1
between = ["20 s", "2 min"]
"""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch, capsys) -> Command:
    """Return the command line in this process: (arguments, url) to exit code, output, errors."""

    def run_it(*arguments: str, url: str | None = None) -> tuple[int, str, str]:
        if url is None:
            monkeypatch.delenv("HOISTWAY_MQTT_URL", raising=False)
        else:
            monkeypatch.setenv("HOISTWAY_MQTT_URL", url)
        status = run(["simulate", *arguments])
        told = capsys.readouterr()
        return status, told.out, told.err

    return run_it


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "wait.toml"
    path.write_text(SCENARIO)
    return path


def test_the_library_is_listed_with_titles(command):
    status, out, _ = command("--list")
    assert status == 0
    assert [line.split("  ")[0] for line in out.splitlines()] == names()
    assert all(re.fullmatch(r"\S+ +\S.*\S", line) for line in out.splitlines())
    assert set(json.loads(command("--list", "--json")[1])) == set(names())


def test_check_only_reads(command, file):
    status, out, err = command("--check", str(file))
    assert (status, out, err) == (0, f"{file}: Two people wait for a rescuer\n", "")
    file.write_text(SCENARIO.replace("people = 2", "peopel = 2"))
    status, out, err = command("--check", str(file))
    assert (status, out) == (2, "")
    assert err == (
        f'hoistway: {file}:13: peopel is no key of [[happens]]: did you mean "people"?\n'
    )


def test_the_judge_passes_what_is_as_expected(command, file, tmp_path):
    truth = tmp_path / "truth.jsonl"
    status, out, err = command(str(file), "--judge", "--json", "--truth", str(truth))
    assert (status, err) == (0, "")
    summary = json.loads(out)
    assert summary["passed"]
    assert summary["alarms"] == summary["true_events"] == 2
    events = [json.loads(line) for line in truth.read_text().splitlines()]
    assert {e["kind"] for e in events} == {"entrapment_between_landings", "alarm_button"}


def test_the_judge_lists_what_differs(command, file):
    late = SCENARIO.replace('["20 s", "2 min"]', '["20 s", "25 s"]', 1).partition("\n[[expect]]")
    strict = late[0].replace("[fleet]", 'other_alarms = "none"\n\n[fleet]', 1)
    file.write_text(strict + late[1] + late[2].partition("\n[[expect]]")[0])
    status, out, err = command(str(file), "--judge")
    assert status == 1
    assert "passed False" in out
    lines = err.splitlines()
    assert re.match(rf"{re.escape(str(file))}:18: too late: entrapment_between_landings", lines[0])
    assert re.match(rf"{re.escape(str(file))}: extra: alarm_button on unit 1 at", lines[1])


def test_equal_seeds_give_equal_frames_whenever_they_are_run(command):
    def digest(*arguments: str) -> str:
        return json.loads(command(NAME, *arguments, "--json")[1])["sha256"]

    assert digest("--dry-run") == digest("--dry-run", "--speed", "max") == digest("--judge")
    assert digest("--dry-run", "--seed", "9") != digest("--dry-run")


def test_options_override_the_scenario(command, file):
    status, out, _ = command(
        str(file), "--dry-run", "--lifts", "30", "--traffic", "100", "--for", "300",
        "--look-alikes", "100000", "--network", "field", "--json",
    )  # fmt: skip
    assert status == 0
    summary = json.loads(out)
    assert summary["arrived"] > 2
    assert summary["messages"] > summary["frames"]


def test_a_scenario_is_published_and_told_in_the_present(command, stack, file, tmp_path):
    truth = tmp_path / "truth.jsonl"
    status, out, err = command(
        str(file), "--speed", "max", "--json", "--truth", str(truth), url=stack.mqtt_url
    )
    assert status == 0, err
    assert "HOISTWAY_HISTORY_HOLD_LAG_S=" in err
    summary = json.loads(out)
    assert summary["unacknowledged"] == 0
    assert summary["acknowledged_frames"] == summary["frames"] > 10
    onset_us = json.loads(truth.read_text().splitlines()[0])["onset_us"]
    status, out, _ = command(str(file), "--judge", "--json", "--truth", str(truth))
    assert json.loads(out)["sha256"] == summary["sha256"]
    assert onset_us - json.loads(truth.read_text().splitlines()[0])["onset_us"] > 86_400_000_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("mains-cut-with-rescue-devic",), 'did you mean "mains-cut-with-rescue-device"?'),
        (("none.toml",), "none.toml: No such file or directory; name a file or one of --list"),
        ((NAME, "--for", "5", "--judge"), ": at is not in the run, which lasts 5 s"),
        ((NAME, "--network", "bad"), "--network: write one of perfect, noisy, field"),
        ((NAME, "--judge", "--truth", "/"), "--truth: /: Is a directory"),
        (("--judge", "--speed", "fast"), "--speed is 'fast'"),
        ((NAME,), "HOISTWAY_MQTT_URL is not set"),
    ],
)
def test_what_cannot_be_done_is_one_line(command, arguments, says):
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_help_is_grouped_and_has_units(command):
    _, out, _ = command("--help")
    for heading in ("What is simulated:", "How it is sent:", "What is done with it:"):
        assert heading in out
    for words in ("--judge", "--check", "--list", "[s; default: 60]", "--look-alikes"):
        assert words in out
