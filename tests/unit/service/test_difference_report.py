"""What ``hoistway compare`` prints of an alarm: all that tells why one rule raised it."""

from io import StringIO

from rich.console import Console

from service.backtest.report import show_differences
from simulator.scoring.alarms import SeenAlarm
from simulator.scoring.differences import Differences
from telemetry.findings import Confidence, FindingKind

ALARM = SeenAlarm(
    "id",
    "L1",
    FindingKind.ENTRAPMENT_BETWEEN_LANDINGS,
    0,
    evidence={
        "criteria": {"stopped": True, "inside": None},
        "values": {"speed_mps": 0.0, "floor": 3, "people": None},
        "suspect": ["door", "zone"],
    },
    confidence=Confidence.POSSIBLE,
    rule="entrapment 4",
    thresholds={"window_us": 12},
    parameters=7,
)


def test_all_evidence_is_printed_and_a_key_is_no_floor():
    out = StringIO()
    show_differences(Console(file=out, width=200), Differences(only_candidate=(ALARM,)), full=True)
    for says in (
        "entrapment 4, parameters version 7, possible: stopped yes, inside unknown",
        "suspect: door, zone",
        "values: speed_mps 0.0, floor key 3; thresholds: window_us 12",
    ):
        assert says in out.getvalue()
