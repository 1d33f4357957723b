"""From what a person names to slices: a scenario of the library, a scenario file, a recording."""

from dataclasses import dataclass, replace
from pathlib import Path

from service.backtest.slices import RecordingSlices, ScenarioSlices, Slices
from simulator.recordings.recorded import RecordedSource
from simulator.scenarios.build import build
from simulator.scenarios.language import Scenario
from simulator.scenarios.reader import load
from simulator.scoring.score import Multipliers


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be other than in the scenario; ``None`` = as there."""

    lifts: int | None = None
    lasts_us: int | None = None
    seed: int | None = None
    slices: int | None = None
    faults: int | None = None
    look_alikes: int | None = None

    @property
    def any(self) -> bool:
        """Tell whether anything is to be changed about the scenario."""
        names = ("lifts", "lasts_us", "seed", "faults", "look_alikes")
        return any(getattr(self, name) is not None for name in names)

    def apply(self, scenario: Scenario) -> Scenario:
        """Return the scenario with the changes."""
        drawn = replace(scenario.drawn, **_given(faults=self.faults, look_alikes=self.look_alikes))
        return replace(
            scenario,
            fleet=replace(scenario.fleet, **_given(lifts=self.lifts)),
            drawn=drawn,
            **_given(lasts_us=self.lasts_us, seed=self.seed),
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A source to be scored.

    Parameters
    ----------
    slices
        Its frames.
    multipliers
        At which its faults and look-alikes were drawn.
    title
        For people.
    warnings
        What they should know.
    """

    slices: Slices
    multipliers: Multipliers
    title: str
    warnings: tuple[str, ...] = ()


def open_source(name: str, changes: Changes, multipliers: Multipliers) -> Opened:
    """Open what ``name`` stands for.

    ``multipliers`` are those of a recording, which does not tell them. Raises ``ScenarioError`` or
    ``RecordingError``.
    """
    if not name.endswith(".toml") and Path(name).is_file():
        source = RecordedSource(Path(name))
        cut = f"{name}: cut off at {source.end_us} µs: scored up to there"
        slices = RecordingSlices(Path(name), source.start_us, source.end_us)
        return Opened(slices, multipliers, name, (cut,) if source.truncated else ())
    scenario = load(name)
    if changes.any:
        scenario = scenario.changed(changes.apply)
    drawn = scenario.scenario.drawn
    return Opened(
        ScenarioSlices(build(scenario.scenario), changes.slices or 0),
        Multipliers(max(drawn.faults, 1), max(drawn.look_alikes, 1)),
        scenario.scenario.title,
    )


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
