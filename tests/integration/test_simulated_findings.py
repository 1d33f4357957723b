"""Simulated fleets through the detectors: what really happened is found, and nothing else.

Neither side knows the other: the simulator has the truth, the bank sees frames only. Pure, yet it
joins two packages, hence not among the unit tests.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from detectors.bank import Bank
from simulator.frames import MISSING, Frames
from simulator.recordings.rides import frames_of, read_rides
from simulator.scenarios.presets import NEEDED_US, SHORT_WINDOWS, demo_script, random_fleet
from simulator.scoring import Comparison, SeenAlarm, match
from simulator.truth import TruthEvent
from simulator.world.buildings import Terminal
from telemetry.batch import FrameBatch
from telemetry.columns import COLUMNS
from telemetry.findings import FINDINGS, Change, FindingKind
from telemetry.transitions import Transition, in_order

START_US = 1_774_314_000_000_000
SECOND_US = 1_000_000
ENTRAPMENT = "entrapment"
LONGEST_WINDOW_US = 60 * SECOND_US
CLOSING_US = 4 * SECOND_US
"""Doors close in less: a rule may count from there, though people are trapped only when closed."""
REAL_LOG = Path(__file__).parents[3] / "shared" / "data" / "real-rides" / "ride-log.csv"


def as_batch(frames: Frames) -> FrameBatch:
    frames = frames.take(np.lexsort((frames["seq"], frames["lift"])))
    columns = {}
    for column in COLUMNS:
        values = frames[column.name]
        if column.kind == "real":
            columns[column.name] = np.where(values == MISSING, np.nan, values / 1000)
        else:
            columns[column.name] = np.where(values == MISSING, column.unknown, values)
    header = {"row": frames["lift"], "time_us": frames["time_us"], "seq": frames["seq"]}
    return FrameBatch.make(len(frames), **header, **columns)


def found(frames: Frames, n_lifts: int, params: Mapping[str, float]) -> list[Transition]:
    bank = Bank(n_lifts, {row: dict(params) for row in range(n_lifts)})
    outcome = bank.step(as_batch(frames))
    assert not outcome.failed
    return in_order(outcome.transitions, np.arange(n_lifts))


def entrapments(transitions: list[Transition], codes: tuple[str, ...]) -> list[SeenAlarm]:
    return [
        SeenAlarm(str(i), codes[t.elevator_id], t.kind, t.onset_us)
        for i, t in enumerate(transitions)
        if t.change is Change.RAISED and FINDINGS[t.kind].family == ENTRAPMENT
    ]


def presses(transitions: list[Transition], codes: tuple[str, ...]) -> set[tuple[str, int]]:
    return {
        (codes[t.elevator_id], t.t_us)
        for t in transitions
        if t.change is Change.RAISED and t.kind is FindingKind.ALARM_BUTTON
    }


def true_presses(truth: list[TruthEvent]) -> set[tuple[str, int]]:
    return {(e.code, press_us) for e in truth for press_us in e.presses}


def compare(alarms: list[SeenAlarm], truth: list[TruthEvent], **more: int) -> Comparison:
    trapped = [e for e in truth if e.family == ENTRAPMENT]
    return match(alarms, trapped, **more)


@pytest.mark.parametrize("seed", range(6))
def test_the_demo_is_found_as_it_happened(seed):
    fleet, parts, sent = demo_script(60, seed, START_US, rate_pct=300).fleet, [], set()
    now_us = START_US
    for k in range(1, 131):
        now_us = START_US + k * SECOND_US // 2
        parts.append(fleet.frames_until(now_us))
        for event in fleet.truth():
            if (
                event.life_safety
                and event.lift not in sent
                and now_us >= event.onset_us + 14 * SECOND_US
            ):
                sent.add(event.lift)
                fleet.release(event.code, now_us)
    transitions = found(Frames.concat(parts), 60, SHORT_WINDOWS)
    result = compare(
        entrapments(transitions, fleet.codes), fleet.truth(), needed_us=NEEDED_US, until_us=now_us
    )
    assert result.is_perfect, result
    assert len(result.hits) == 5
    assert not result.optional
    assert all(abs(hit.onset_error_us) <= SECOND_US // 2 for hit in result.hits)
    assert presses(transitions, fleet.codes) == true_presses(fleet.truth())
    ends = [t for t in transitions if t.change is Change.CLEARED]
    for hit in result.hits:
        # the one contact of a retrofitted terminal says "opening" for 3 s, doors take 2 at least
        retrofit = fleet.plan.terminal[hit.event.lift] == Terminal.RETROFIT
        late_us = 2 * SECOND_US if retrofit else 0
        own = [t.t_us - hit.event.end_us for t in ends if t.elevator_id == hit.event.lift]
        assert any(0 <= after_us <= late_us for after_us in own), hit


@pytest.mark.parametrize("seed", range(100))
def test_random_fleets_are_found_as_they_happened(seed):
    fleet = random_fleet(seed, START_US)
    end_us = START_US + 240 * SECOND_US
    frames = fleet.frames_until(end_us)
    transitions = found(frames, len(fleet.codes), {})
    result = compare(
        entrapments(transitions, fleet.codes), fleet.truth(),
        needed_us=LONGEST_WINDOW_US + SECOND_US, until_us=end_us, tolerance_us=CLOSING_US,
    )  # fmt: skip
    assert result.is_perfect, result
    assert presses(transitions, fleet.codes) == true_presses(fleet.truth())


@pytest.mark.skipif(not REAL_LOG.is_file(), reason="the recording is not beside this checkout")
def test_real_rides_show_nothing():
    frames, _ = frames_of(read_rides(REAL_LOG))
    assert found(frames, 1, {}) == []
