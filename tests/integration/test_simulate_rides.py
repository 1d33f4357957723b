"""``hoistway simulate`` as people run it, and real rides all the way into the hypertable."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.cli import run
from service.rig import Rig, RigSettings
from service.stack import Stack
from simulator.recordings.rides import Ride, read_rides
from telemetry.findings import FindingKind
from tests.waiting import until

ROOT = Path(__file__).parents[2]
REAL_LOG = ROOT.parent / "shared" / "data" / "real-rides" / "ride-log.csv"
START_MS = 1_774_374_000_000
_WAY = {1: 1, 2: -1}


def made_up_log(path: Path) -> Path:
    """Write a log of the same shape: short and long rides, short and long pauses."""
    lines, at_ms = ["start_ms,end_ms,direction"], START_MS
    for i in range(44):
        lasts_ms = 10_500 + 2_600 * (i % 5) + (24_000 if i % 11 == 0 else 0)
        lines.append(f"{at_ms},{at_ms + lasts_ms},{'up' if i % 4 < 2 else 'down'}")
        at_ms += lasts_ms + (6_400 if i % 3 else 8_500) + (170_000 if i % 13 == 5 else 0)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(params=["made up", "real"])
def log(request, tmp_path) -> Path:
    if request.param == "made up":
        return made_up_log(tmp_path / "rides.csv")
    if not REAL_LOG.is_file():
        pytest.skip("the recording of the real lift is not beside this checkout")
    return REAL_LOG


async def simulate(*arguments: str, url: str | None) -> tuple[int, str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOISTWAY_MQTT")}
    if url is not None:
        environment["HOISTWAY_MQTT_URL"] = url
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "simulate", *arguments,
        env=environment, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def stored(rig: Rig, code: str, want: int) -> list[Any]:
    """Return the frames of a lift by time, when all of them are there."""
    query = """SELECT f.time, f.car, f.direction
               FROM frames f JOIN elevators e ON e.id = f.elevator_id
               WHERE e.code = $1 ORDER BY f.time, f.seq"""

    async def all_rows() -> list[Any]:
        rows = await rig.pool.fetch(query, code)
        return rows if len(rows) >= want else []

    return await until(all_rows, 30)


def rides_in(rows: list[Any]) -> list[Ride]:
    found: list[Ride] = []
    began: Any = None
    for row in rows:
        if row["car"] and began is None:
            began = row
        elif not row["car"] and began is not None:
            found.append(Ride(_ms(began), _ms(row), _WAY[began["direction"]]))
            began = None
    return found


def _ms(row: Any) -> int:
    return round(row["time"].timestamp() * 1000)


async def test_rides_stand_in_the_hypertable_as_labelled_and_raise_nothing(
    stack: Stack, tmp_path, log
):
    code = f"RIDES-{secrets.token_hex(4)}"
    async with Rig(RigSettings(stack.database_url, stack.mqtt_url, tmp_path)) as rig:
        status, out, err = await simulate(
            "--rides", str(log), "--code", code, "--json", url=stack.mqtt_url
        )
        assert status == 0, err
        summary = json.loads(out)
        assert summary["unacknowledged"] == 0
        rows = await stored(rig, code, summary["frames"])
        assert len(rows) == summary["frames"]
        assert rides_in(rows) == read_rides(log)
        # past alarms would be rows too
        assert await rig.count("SELECT count(*) FROM alarms") == 0
        assert await rig.count("SELECT count(*) FROM transitions") == 0


@pytest.fixture
def command(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
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


def test_a_dry_run_needs_no_broker(command):
    status, out, _ = command("--dry-run", "--lifts", "20", "--for", "30", "--seed", "4", "--json")
    summary = json.loads(out)
    assert status == 0
    assert summary["frames"] >= 20
    assert len(summary["sha256"]) == 64


def test_a_noisy_fleet_is_acknowledged_and_its_truth_written(command, stack, tmp_path):
    truth = tmp_path / "truth.jsonl"
    status, out, err = command(
        "--lifts", "30", "--for", "120", "--speed", "max", "--noise", "--faults", "100000",
        "--json", "--truth", str(truth), url=stack.mqtt_url,
    )  # fmt: skip
    assert status == 0, err
    summary = json.loads(out)
    assert summary["unacknowledged"] == 0
    assert summary["acknowledged_frames"] == summary["published_frames"]
    assert summary["frames"] >= 30  # some are sent twice, and a bad line may lose some
    told = [json.loads(line) for line in truth.read_text().splitlines()]
    events = [one for one in told if one["what"] == "event"]
    assert len(events) == summary["true_events"] > 0
    assert len(told) - len(events) == summary["look_alikes"] > 0
    assert events[0]["kind"] in {kind.slug for kind in FindingKind}


def test_a_steady_load_reaches_its_rate(command, stack):
    status, out, err = command(
        "--lifts", "500", "--rate", "500", "--per-message", "10", "--for", "1", "--json",
        url=stack.mqtt_url,
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["acknowledged_frames"] == 500


def test_help_names_every_option(command):
    status, out, _ = command("--help")
    assert status == 0
    for option in ("--lifts", "--for", "--seed", "--speed", "--rate", "--rides", "--dry-run"):
        assert option in out


@pytest.mark.parametrize(
    ("arguments", "url", "says", "exit_code"),
    [
        (("--rides", "none.csv"), None, "none.csv: No such file", 2),
        (("--speed", "fast"), None, "--speed is 'fast'", 2),
        (("--rate", "100000", "--lifts", "1"), None, "need at least 100 lifts", 2),
        (("--lifts", "2"), None, "HOISTWAY_MQTT_URL is not set", 2),
        (("--lifts", "2"), "mqtt://127.0.0.1:1", "HOISTWAY_MQTT_URL", 3),
        (("--dry-run", "--lifts", "2", "--truth", "/"), None, "--truth: /: Is a directory", 2),
    ],
)
def test_what_cannot_be_done_is_one_line(command, arguments, url, says, exit_code):
    status, out, err = command(*arguments, url=url)
    assert status == exit_code
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


def test_a_wrong_password_is_one_line(command, stack):
    address = stack.mqtt_url.rsplit("@", 1)[1]
    status, _, err = command("--lifts", "2", url=f"mqtt://hoistway:wrong@{address}")
    assert status == 3
    assert "HOISTWAY_MQTT_URL" in err
    assert "wrong@" not in err
    assert err.count("\n") == 1


def test_a_garbled_log_names_file_line_and_remedy(command, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("start_ms,end_ms,direction\n1774374066680,oops,up\n")
    status, _, err = command("--rides", str(bad))
    assert status == 2
    assert f"{bad}:2: start and end must be whole milliseconds" in err
