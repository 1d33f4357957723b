"""From options to a run: the scenario with its overrides, its feed, its time.

A scenario of a file lives at its own time of day, and what is sent is moved as a whole to the
present, so the same seed gives the same frames whenever it is run. A fleet of options alone lives
now. Times never pass the clock (``start_of_run``).
"""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from service.clock import SystemClock
from service.commands.failures import SETTINGS, CommandError
from service.simulate.feeds import ScenarioFeed
from simulator.publishing.feed import Feed, SteadyLoad, TapeFeed
from simulator.publishing.live import start_of_run
from simulator.recordings.layout import RecordingInfo
from simulator.recordings.recorder import Recorder
from simulator.recordings.rides import RideLogError, frames_of, read_rides
from simulator.scenarios.build import build
from simulator.scenarios.fleet_table import FleetTable
from simulator.scenarios.language import Scenario
from simulator.scenarios.reader import ScenarioFile, load
from simulator.source import Source

SECOND_US: Final = 1_000_000
LIFTS: Final = 200
FOR_S: Final = 60.0
LIKES: Final = ("perfect", "noisy", "field")
_LOCAL: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of the scenario; ``None`` or empty = nothing."""

    scenario: str = ""
    lifts: int | None = None
    escalators: int | None = None
    for_s: float | None = None
    seed: int | None = None
    traffic: int | None = None
    faults: int | None = None
    look_alikes: int | None = None
    network: str = ""
    per_message: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be sent, and how fast. ``speed`` None = as fast as possible."""

    feed: Feed
    start_us: int
    end_us: int
    speed: float | None
    announce: bool = True


def loaded(options: Options, found: Collection[str] | None = None) -> ScenarioFile:
    """Return the scenario that is meant, with the overrides. Raises ``ScenarioError``."""
    file = load(options.scenario, found) if options.scenario else _of_options()
    return file.changed(lambda scenario: _overridden(scenario, options), found)


def plan(options: Options, speed: float | None, record: Path | None, stack: ExitStack) -> Run:
    """Return the run of a scenario, or of a fleet of options; a recording is left to ``stack``."""
    file = loaded(options)
    lasts_us = file.scenario.lasts_us
    start_us = _start(lasts_us, speed)
    built = build(file.scenario, None if options.scenario else start_us)
    feed = ScenarioFeed(built, start_us - built.start_us)
    if record is not None:
        feed.record(stack.enter_context(recorder(record, file, feed.networked)))
    return Run(feed, start_us, start_us + lasts_us, speed)


def recorder(path: Path, file: ScenarioFile, source: Source) -> Recorder:
    """Return the recorder of a scenario's run."""
    seed = file.scenario.seed
    return Recorder(path, source, RecordingInfo(source.start_us, seed, file.file, file.text))


def load_run(options: Options, frames_per_s: int, speed: float | None) -> Run:
    """Return the run of a steady load."""
    lasts_us = round((options.for_s or FOR_S) * SECOND_US)
    start_us = _start(lasts_us, speed)
    try:
        feed = SteadyLoad(options.lifts or LIFTS, frames_per_s, start_us, options.per_message or 1)
    except ValueError as error:
        raise CommandError(f"--rate: {error}", SETTINGS) from error
    return Run(feed, start_us, start_us + lasts_us, speed, announce=False)


def rides_run(path: Path, code: str, speed: float | None) -> Run:
    """Return the run of a ride log."""
    try:
        frames, labels = frames_of(read_rides(path))
    except RideLogError as error:
        raise CommandError(str(error), SETTINGS) from error
    tape = TapeFeed(frames, code, labels, "rides")
    return Run(tape, tape.start_us, tape.end_us, speed)


def speed_of(text: str) -> float | None:
    """Return the speed that ``text`` means; None = as fast as possible."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1e6:
        raise CommandError(f"--speed is {text!r}: give a number above 0, or max", SETTINGS)
    return speed


def _of_options() -> ScenarioFile:
    """Return a fleet that nothing is expected of."""
    now = datetime.fromtimestamp(SystemClock().now_us() // SECOND_US, _LOCAL)
    plain = Scenario(
        title="A fleet of the command line",
        starts=now,
        lasts_us=round(FOR_S * SECOND_US),
        fleet=FleetTable(lifts=LIFTS),
        other_alarms="allowed",
    )
    return ScenarioFile(plain, "hoistway simulate")


def _overridden(scenario: Scenario, options: Options) -> Scenario:
    fleet, drawn, network = scenario.fleet, scenario.drawn, scenario.network
    fleet = replace(
        fleet,
        lifts=_or(options.lifts, fleet.lifts),
        escalators=_or(options.escalators, fleet.escalators),
        traffic_pct=_or(options.traffic, fleet.traffic_pct),
    )
    drawn = replace(
        drawn,
        faults=_or(options.faults, drawn.faults),
        look_alikes=_look_alikes(options, drawn.look_alikes),
    )
    if options.network and options.network not in LIKES:
        raise CommandError(f"--network: write one of {', '.join(LIKES)}", SETTINGS)
    network = replace(network, like=options.network or network.like)
    if options.per_message is not None:
        gathers_us = SECOND_US if options.per_message > 1 else 0
        network = replace(network, frames_per_message=options.per_message, linger_us=gathers_us)
    lasts_us = scenario.lasts_us if options.for_s is None else round(options.for_s * 1000) * 1000
    seed = _or(options.seed, scenario.seed)
    return replace(
        scenario, fleet=fleet, drawn=drawn, network=network, lasts_us=lasts_us, seed=seed
    )


def _look_alikes(options: Options, otherwise: int) -> int:
    """Return their multiple: one that is given for faults alone is meant for both."""
    both = None if options.scenario else options.faults
    return _or(options.look_alikes, _or(both, otherwise))


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def _start(lasts_us: int, speed: float | None) -> int:
    """Return the first event time of a run that never passes the clock."""
    now_us = SystemClock().now_us()
    return start_of_run(now_us - (lasts_us if speed is None else 0), lasts_us, speed or 1)
