"""``hoistway replay`` as people run it: from every kind of source, to the broker and to detectors.

What a service stored, replayed from its own table, comes to the transitions that it stored; and a
recording finds its way into a service as the run that it recorded.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from service.cli import run
from service.rig import Rig, RigSettings
from service.stack import Stack
from service.times import read, to_us
from simulator.recordings.recorded import RecordedSource
from telemetry.findings import Change, FindingKind
from tests.unit.simulator.test_traces import made_up
from tests.waiting import until

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "real-rides"
SCENARIO = "door-lock-jams"
TRANSITIONS = """
    SELECT e.code, t.time, t.onset, t.kind, t.change, t.evidence
    FROM transitions t JOIN elevators e ON e.id = t.elevator_id"""
FRAMES = "SELECT count(*) FROM frames"


class Said(NamedTuple):
    """One transition, as both sides tell it."""

    code: str
    t_us: int
    onset_us: int
    kind: str
    change: str
    evidence: str

    def later(self, by_us: int) -> tuple[Any, ...]:
        return (self.code, self.t_us + by_us, self.onset_us + by_us, self.kind, self.change)


async def hoistway(*arguments: str, **environment: str) -> tuple[int, str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HOISTWAY_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", *arguments,
        env=clean | environment, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def stored(rig: Rig, frames: int, transitions: int) -> list[Said]:
    """Return the stored transitions when so many frames and transitions are there."""

    async def all_rows() -> list[asyncpg.Record]:
        rows = await rig.pool.fetch(TRANSITIONS)
        there = len(rows) >= transitions and await rig.count(FRAMES) >= frames
        return rows if there else []

    return sorted(map(_of_row, await until(all_rows, 60)), key=_order)


def _of_row(row: asyncpg.Record) -> Said:
    return Said(
        row["code"],
        to_us(row["time"]),
        to_us(row["onset"]),
        FindingKind(row["kind"]).slug,
        Change(row["change"]).name.lower(),
        json.dumps(json.loads(row["evidence"]), sort_keys=True),
    )


def told(out: str) -> list[Said]:
    """Return what ``--to detectors --json`` printed."""
    found = []
    for line in out.splitlines():
        one = json.loads(line)
        times = read(one["time"]), read(one["onset"])
        evidence = json.dumps(one["evidence"], sort_keys=True)
        found.append(Said(one["elevator"], *times, one["kind"], one["change"], evidence))
    return sorted(found, key=_order)


def _order(said: Said) -> tuple[Any, ...]:
    return said.t_us, said.code, said.kind, said.change


async def test_a_service_repeats_itself_from_its_own_table(stack: Stack, tmp_path):
    recording = tmp_path / "run.arrows"
    (tmp_path / "b").mkdir()
    async with Rig(RigSettings(stack.database_url, stack.mqtt_url, tmp_path)) as rig:
        code, out, err = await hoistway(
            "simulate", SCENARIO, "--speed", "max", "--json", "--record", str(recording),
            HOISTWAY_MQTT_URL=stack.mqtt_url, HOISTWAY_MQTT_CLIENT_ID=rig.client_id,
        )  # fmt: skip
        assert code == 0, err
        frames = json.loads(out)["frames"]
        code, out, err = await hoistway("replay", str(recording), "--to", "detectors", "--json")
        assert code == 0, err
        wanted = told(out)
        assert {s.kind for s in wanted} >= {"entrapment_at_landing", "alarm_button"}
        live = await stored(rig, frames, len(wanted))
        by_us = live[0].t_us - wanted[0].t_us  # a recording keeps the scenario's own time
        assert [s.later(0) for s in live] == [s.later(by_us) for s in wanted]
        await rig.service.stop()

        database = {"HOISTWAY_DATABASE_URL": rig.database_url}
        code, out, err = await hoistway(
            "replay", "--database", "--to", "detectors", "--json", **database
        )
        assert code == 0, err
        assert told(out) == live
        assert f"frames {frames}," in err

        trapped = live[0].code
        code, out, err = await hoistway(
            "replay", "--database", "--to", "detectors", "--json", "--elevator", trapped, **database
        )
        assert code == 0, err
        assert told(out) == [s for s in live if s.code == trapped]

        settings = RigSettings(stack.database_url, stack.mqtt_url, tmp_path / "b")
        async with Rig(settings) as other:
            code, out, err = await hoistway(
                "replay", "--database", "--speed", "max", "--json",
                HOISTWAY_MQTT_URL=stack.mqtt_url, HOISTWAY_MQTT_CLIENT_ID=other.client_id,
                **database,
            )  # fmt: skip
            assert code == 0, err
            assert json.loads(out)["unacknowledged"] == 0
            assert await stored(other, frames, len(live)) == live


async def test_a_recording_reaches_a_service_as_the_run_did(stack: Stack, tmp_path):
    recording = tmp_path / "run.arrows"
    code, out, err = await hoistway(
        "simulate", SCENARIO, "--judge", "--record", str(recording), "--json"
    )
    assert code == 0, err
    frames = json.loads(out)["frames"]
    code, out, err = await hoistway("replay", str(recording), "--to", "detectors", "--json")
    wanted = told(out)
    async with Rig(RigSettings(stack.database_url, stack.mqtt_url, tmp_path)) as rig:
        code, out, err = await hoistway(
            "replay", str(recording), "--rebase", "--speed", "max", "--json",
            HOISTWAY_MQTT_URL=stack.mqtt_url, HOISTWAY_MQTT_CLIENT_ID=rig.client_id,
        )  # fmt: skip
        assert code == 0, err
        assert json.loads(out)["acknowledged_frames"] == frames
        live = await stored(rig, frames, len(wanted))
        by_us = live[0].t_us - wanted[0].t_us
        assert by_us % 1000 == 0
        assert abs(RecordedSource(recording).end_us + by_us - rig.clock.now_us()) < 60_000_000
        assert [s.later(0) for s in live] == [s.later(by_us) for s in wanted]
        alarms = await rig.pool.fetch(
            "SELECT e.code, a.kind FROM alarms a JOIN elevators e ON e.id = a.elevator_id"
        )
        raised = {(s.code, s.kind) for s in wanted if s.change == "raised"}
        assert {(a["code"], FindingKind(a["kind"]).slug) for a in alarms} == raised


@pytest.fixture
def command(monkeypatch, capsys):
    """Return the command line in this process: arguments to exit code, output, errors."""

    def run_it(*arguments: str, **environment: str) -> tuple[int, str, str]:
        for name in ("HOISTWAY_MQTT_URL", "HOISTWAY_DATABASE_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        status = run(["replay", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run_it


def made_up_trace(folder: Path) -> list[str]:
    return [str(path) for path in made_up(folder)]


@pytest.mark.parametrize("which", ["made up", "trace-0", "trace-1", "ride-log.csv"])
def test_rides_of_real_lifts_raise_nothing(command, tmp_path, which):
    if which == "made up":
        paths = made_up_trace(tmp_path)
    elif REAL.is_dir():
        paths = [str(REAL / which)]
    else:
        pytest.skip("the recordings of real lifts are not beside this checkout")
    status, out, err = command(*paths, "--to", "detectors")
    assert status == 0, err
    assert out == ""
    assert "raised 0" in err


def test_findings_are_a_table_for_people(command, tmp_path):
    recording = tmp_path / "run.arrows"
    run(["simulate", SCENARIO, "--judge", "--record", str(recording)])
    status, out, err = command(str(recording), "--to", "detectors")
    assert status == 0, err
    assert "entrapment_at_landing" in out
    assert "raised" in out


def test_a_recording_cut_off_says_so_and_replays_up_to_there(command, tmp_path):
    recording = tmp_path / "run.arrows"
    run(["simulate", SCENARIO, "--judge", "--record", str(recording)])
    whole = recording.read_bytes()
    recording.write_bytes(whole[: len(whole) * 2 // 3])
    status, _, err = command(str(recording), "--to", "detectors")
    assert status == 0, err
    assert f"{recording}: cut off, " in err
    assert "bytes are whole; replaying up to 20" in err


@pytest.mark.parametrize(
    ("arguments", "says", "exit_code"),
    [
        ((), "give a recording, a ride log, a trace, or --database", 2),
        (("a", "b", "c"), "give a recording, a ride log, a trace, or --database", 2),
        (("none.arrows",), "none.arrows: No such file", 2),
        (("none.csv",), "none.csv: No such file", 2),
        (("a.csv", "b.csv"), "a.csv: No such file", 2),
        (("a", "--database"), "give files or --database, not both", 2),
        (("--database",), "HOISTWAY_DATABASE_URL is not set", 3),
        (("--database", "--from", "yesterday"), "--from is 'yesterday'", 2),
        (("--database", "--from", "2026-01-02T00:00Z", "--until", "2026-01-01T00:00Z"),
         "--from must lie before --until", 2),
        (("a", "--elevator", "X"), "--elevator, --from and --until need --database", 2),
        (("a", "--to", "nowhere"), "--to is 'nowhere'", 2),
        (("a", "--to", "detectors", "--speed", "2"), "--speed is for the broker", 2),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(command, arguments, says, exit_code):
    status, out, err = command(*arguments)
    assert status == exit_code
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


def test_what_the_table_does_not_hold_is_one_line(command, database_url):
    there = {"HOISTWAY_DATABASE_URL": database_url}
    status, _, err = command("--database", "--elevator", "GHOST", "--elevator", "G2", **there)
    assert status == 2
    assert "--elevator: G2, GHOST are not in the registry" in err
    status, _, err = command("--database", "--from", "2026-01-01T00:00:00Z", **there)
    assert status == 2
    assert "the table holds no frames from 2026-01-01T00:00:00.000Z; choose" in err
    assert err.count("\n") == 1


def test_a_trace_to_a_missing_broker_is_one_line(command, tmp_path):
    paths = made_up_trace(tmp_path)
    status, _, err = command(*paths)
    assert (status, err.count("\n")) == (2, 1)
    assert "HOISTWAY_MQTT_URL is not set" in err
    status, _, err = command(*paths, HOISTWAY_MQTT_URL="mqtt://127.0.0.1:1")
    assert (status, err.count("\n")) == (3, 1)


def test_help_names_every_option(command):
    status, out, _ = command("--help")
    assert status == 0
    for option in ("--database", "--elevator", "--from", "--until", "--to", "--speed", "--rebase"):
        assert option in out
