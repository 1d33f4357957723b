"""What a crash run does and what it tells: sorts of blows, settings, the rig it wants, the report.

Plain values; the run itself is in ``crash``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from service.rig import RigSettings
from service.soak.backtest import Backtest
from service.soak.traffic import Traffic, TrafficSpec
from simulator.scoring import Comparison
from simulator.truth import TruthEvent

ANY_TIME_US: Final = 1_700_000_000_000_000
"""A fleet's registry does not depend on its time."""


class Blow(StrEnum):
    """When the service is killed."""

    AT_RANDOM = "at random"
    IN_WINDOW = "in a hold window"
    AT_COMMIT = "about a commit"
    AT_ALARM = "after an alarm's commit"
    AT_DELIVERY = "during a delivery"
    IN_RECOVERY = "in recovery"
    WHILE_STOPPING = "while it stops"


SHARES: Final = {
    Blow.AT_RANDOM: 0.21,
    Blow.IN_WINDOW: 0.16,
    Blow.AT_COMMIT: 0.15,
    Blow.AT_ALARM: 0.15,
    Blow.AT_DELIVERY: 0.1,
    Blow.IN_RECOVERY: 0.15,
    Blow.WHILE_STOPPING: 0.08,
}


@dataclass(frozen=True, slots=True)
class CrashSettings:
    """How often to kill, under which traffic.

    Parameters
    ----------
    kills
        Number of SIGKILLs.
    traffic
        What is published meanwhile; its seed is that of the blows too.
    longest_life_s
        A blow at random falls within this time after the service was ready.
    tail_s
        Traffic goes on for so long after the last restart.
    lanes
        Writers of the service.
    """

    kills: int = 25
    traffic: TrafficSpec = field(default_factory=TrafficSpec)
    longest_life_s: float = 1.2
    tail_s: float = 3.0
    lanes: int = 1


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL: when [s after the start], and how long the service had been up."""

    blow: Blow
    at_s: float
    was_ready: bool


@dataclass(slots=True)
class CrashReport:
    """What happened and what is wrong with it; no fault means that all promises were kept."""

    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0.0
    published: int = 0
    broken: int = 0
    acknowledged: int = 0
    distinct: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    dead_letters: int = 0
    entrapments: int = 0
    comparison: Comparison = field(default_factory=Comparison)
    missed: list[TruthEvent] = field(default_factory=list)
    onset_errors_us: list[int] = field(default_factory=list)
    alarms: int = 0
    deliveries: int = 0
    redelivered: int = 0
    backtests: list[Backtest] = field(default_factory=list)
    """One of each lane."""
    faults: list[str] = field(default_factory=list)

    def blows(self) -> Counter[Blow]:
        """Return how many kills there were of each sort."""
        return Counter(kill.blow for kill in self.kills)


@dataclass(frozen=True, slots=True)
class CrashRig:
    """What a crash run wants of its rig; the names are those of ``RigSettings``."""

    registrations: Sequence[tuple[str, Mapping[str, Any]]]
    environment: Mapping[str, str]
    accept_after_s: float | None = None
    """The desk accepts by its reply."""

    def at(self, database_url: str, mqtt_url: str, directory: Path) -> RigSettings:
        """Return the settings of a rig of these services."""
        return RigSettings(
            database_url,
            mqtt_url,
            directory,
            environment=self.environment,
            registrations=self.registrations,
            accept_after_s=self.accept_after_s,
        )


def rig_settings(settings: CrashSettings) -> CrashRig:
    """Return what the run wants: its lifts registered, snapshots often, as many lanes."""
    registrations = Traffic(settings.traffic, ANY_TIME_US).registrations()
    environment = {
        "HOISTWAY_SNAPSHOT_INTERVAL_S": "0.3",  # lives are short: some with one, some without
        "HOISTWAY_INGEST_LANES": str(settings.lanes),
    }
    return CrashRig(registrations, environment)
