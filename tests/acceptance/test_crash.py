"""SIGKILL at random instants under load: nobody can tell from frames, alarms or deliveries.

Every kill is a real one, of the real program, between a real broker, database and desk. The report
compares what the broker acknowledged with what is stored, the truth with the alarms, the alarms
with what the desk got, and the stored transitions with those of a run without interruptions.
"""

import pytest

from service.soak.crash import Blow, CrashReport, CrashRun, CrashSettings, rig_settings
from service.soak.traffic import TrafficSpec
from tests.acceptance.conftest import MakeRig

SMALL = TrafficSpec(lifts=18, load_lifts=100, load_frames_per_s=200, seed=4)


async def crash(rig: MakeRig, settings: CrashSettings) -> CrashReport:
    wanted = rig_settings(settings)
    made = await rig(
        environment=wanted.environment,
        registrations=wanted.registrations,
        accept_after_s=wanted.accept_after_s,
    )
    report = await CrashRun(settings, made).run()
    words = made.service.last_words(5)
    assert not report.faults, "\n".join([*report.faults, words])
    return report


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_25_times_under_load_nothing_is_lost_doubled_or_late(rig: MakeRig) -> None:
    report = await crash(rig, CrashSettings(kills=25, traffic=SMALL))
    assert len(report.kills) == 25
    assert set(report.blows()) == set(Blow)
    # frames: what the broker acknowledged is stored, once
    assert report.acknowledged == report.published
    assert report.stored == report.distinct > 3_000
    assert report.duplicate >= report.acknowledged - report.distinct
    assert report.broken > 0
    # entrapments: enough of them, each with one row and the right onset, each delivered
    assert report.entrapments >= 8
    assert len(report.comparison.hits) >= 8
    assert max(abs(e) for e in report.onset_errors_us) <= 1_000_000
    assert report.deliveries > report.alarms
    # and an uninterrupted run would have found the same
    [backtest] = report.backtests
    assert backtest.stored
    assert not backtest.differing_batches


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_two_lanes_survive_kills_as_one_does(rig: MakeRig) -> None:
    report = await crash(rig, CrashSettings(kills=6, traffic=SMALL, lanes=2, longest_life_s=3.0))
    assert report.stored == report.distinct
    assert all(backtest.stored for backtest in report.backtests)
