"""``hoistway compare`` as people run it: what would have differed, with evidence, and errors."""

import asyncio
import json

import asyncpg
import numpy as np
import pytest

from detectors import candidates
from detectors.candidates import NamedDetectors
from detectors.lift.alarm_button import AlarmButtonDetector
from ingest.store import frames as store
from service.cli import run
from telemetry.batch import FrameBatch

START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
CURRENT = ["--candidate", "detectors.bank:BANK"]


@pytest.fixture
def sooner(tmp_path) -> str:
    path = tmp_path / "sooner.toml"
    path.write_text("between_landings_window_s = 25\n")
    return str(path)


def told(capsys, *arguments: str) -> tuple[int, dict]:
    code = run(["compare", *arguments, "--json"])
    out, _ = capsys.readouterr()
    return code, json.loads(out)


def test_a_scenario_shows_what_differs_and_why(capsys, sooner):
    code, found = told(capsys, "controller-stops", "--parameters", sooner, "--workers", "1")
    assert code == 1
    kind = found["kinds"]["entrapment_between_landings"]
    assert kind["changed"] == kind["current"] == kind["candidate"] == 1
    assert kind["later_us"]["median"] == -5 * SECOND_US
    [pair] = found["differences"]["other_time"]
    assert pair["current"]["thresholds"]["window_us"] == 30 * SECOND_US
    assert pair["candidate"]["thresholds"]["window_us"] == 25 * SECOND_US
    assert pair["candidate"]["evidence"]["criteria"]["stopped"] is True
    assert "speed_mps" in pair["candidate"]["evidence"]["values"]
    assert found["summary"]["times_real_time"] > 0


def test_equal_rules_differ_in_nothing(capsys):
    code, found = told(capsys, "controller-stops", *CURRENT, "--workers", "1")
    assert code == 0
    assert found["kinds"]["entrapment_between_landings"]["equal"] == 1


def test_the_table_spells_evidence_out(capsys, sooner):
    assert run(["compare", "controller-stops", "--parameters", sooner, "--workers", "1"]) == 1
    out, err = capsys.readouterr()
    assert "thresholds: window_us 25000000" in out
    assert "another time: 1" in out
    assert "x real time" in err


def test_a_registered_candidate_takes_the_place_of_its_namesake(capsys, monkeypatch):
    class Deaf(AlarmButtonDetector):
        def step(self, *arguments):
            raise RuntimeError("deaf")

    trial = NamedDetectors("deaf-button", "fails on purpose", (Deaf(),))
    monkeypatch.setattr(candidates, "CANDIDATES", (trial,))
    own = candidates.bank_with(trial)
    assert [d.name for d in own].count(AlarmButtonDetector().name) == 1
    args = ["compare", "controller-stops", "--candidate", "deaf-button", "--workers", "1"]
    assert run(args) == 1
    assert "detector failed" in capsys.readouterr().err


def trapped() -> FrameBatch:
    """Return four minutes of two lifts, of which the second stands between landings with people."""
    t = np.arange(240)
    stuck = np.repeat([False, True], len(t))
    time_us = START_US + np.tile(t, 2) * SECOND_US
    return FrameBatch.make(
        len(stuck),
        elevator_id=np.where(stuck, 2, 1),
        time_us=time_us,
        device_time_us=time_us,
        received_us=time_us + 40_000,
        seq=np.tile(t, 2),
        gateway_id=1,
        unit=0, mode=1, car=0, direction=0, zone=np.where(stuck, 0, 1), door=2, floor=3,
        passenger=np.where(stuck, 1, 0), speed_mps=0.0, power=0, button=0, codes=0,
    )  # fmt: skip


@pytest.fixture
def stored(database_url, monkeypatch) -> None:
    async def fill() -> None:
        conn = await asyncpg.connect(database_url)
        try:
            await conn.execute("INSERT INTO gateways (name) VALUES ('gw')")
            await conn.execute("INSERT INTO elevators (code, gateway_id) VALUES ('A', 1), ('B', 1)")
            async with conn.transaction():
                await store.write(conn, trapped(), 1)
        finally:
            await conn.close()

    asyncio.run(fill())
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", database_url)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_stored_frames_are_compared(capsys, sooner, workers):
    code, found = told(capsys, "--parameters", sooner, "--workers", workers)
    assert code == 1
    [pair] = found["differences"]["other_time"]
    assert pair["candidate"]["elevator"] == "B"
    assert pair["candidate"]["detected_us"] == pair["current"]["detected_us"] - 5 * SECOND_US
    assert found["summary"]["frames"] == 480
    assert told(capsys, "--parameters", sooner, "--elevator", "A")[0] == 0


@pytest.mark.usefixtures("stored")
def test_what_was_raised_before_the_span_does_not_count(capsys, sooner):
    code, found = told(capsys, "--parameters", sooner, "--from", "2026-09-21T14:15:00Z")
    assert (code, found["kinds"]) == (0, {})
    assert found["summary"]["frames"] == 480


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["controller-stops"], "give --parameters FILE, --candidate NAME, or both"),
        (["no-such", *CURRENT], "no scenario of the library"),
        (["controller-stops", "--candidate", "new"], "registered candidates: none"),
        (["controller-stops", "--parameters", "/nowhere.toml"], "/nowhere.toml: No such file"),
        (["controller-stops", *CURRENT, "--elevator", "A"], "are for stored frames"),
        ([*CURRENT, "--from", "today"], "give RFC 3339"),
    ],
)  # fmt: skip
def test_errors_are_one_line_with_the_remedy(capsys, arguments, says):
    assert run(["compare", *arguments]) == 2
    _, err = capsys.readouterr()
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("stored")
def test_a_lift_that_nobody_knows(capsys):
    assert run(["compare", *CURRENT, "--elevator", "Z"]) == 2
    assert "not in the registry" in capsys.readouterr().err
