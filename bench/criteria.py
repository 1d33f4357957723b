"""Draws an entrapment of the library as its rule saw it: criteria, window, raise and clear.

    python -m bench criteria [SCENARIO] [--lift 1] [--into docs/images]

The frames of that lift go through the rule as one batch; every named criterion is drawn as a step
that holds until the next frame, grey where it is unknown. Needs matplotlib:
pip install 'hoistway[simulation]'. The same scenario draws the same lines.
"""

import argparse
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.plots import COLOURS, figure
from detectors.bank import Bank
from detectors.contract import LiftFrames, State, Stepped
from detectors.lift.entrapment import EntrapmentDetector
from detectors.lift.entrapment_criteria import evidence, judge
from detectors.parameters import spread_all
from simulator.batches import Batcher
from simulator.scenarios.build import build
from simulator.scenarios.errors import ScenarioError
from simulator.scenarios.reader import load
from telemetry.batch import FrameBatch
from telemetry.findings import Change
from telemetry.transitions import Transition

DEFAULT = "mains-cut-with-rescue-device"
BEFORE_US = 20_000_000
AFTER_US = 20_000_000
"""Shown before the onset and after the end."""
HEIGHT = 0.8
"""Of a criterion's line, of the distance between two."""


class NoLiftError(Exception):
    """The scenario has no lift of that number."""


@dataclass(slots=True)
class Watched:
    """The rule, and what it thought of every element of the last batch."""

    rule: Any = field(default_factory=EntrapmentDetector)
    t_us: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, "i8"))
    criteria: dict[str, NDArray[np.int8]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rule, name)

    def step(self, state: State, batch: LiftFrames, params: Any) -> Stepped:
        """Remember what is so, and step the rule."""
        if len(batch.frames):
            judged = judge(state, batch.lift, spread_all(params, batch.segments.row))
            at = batch.segments.frame_at
            self.t_us, self.criteria = judged.line.t_us[at], evidence(judged, at)[0]
        return self.rule.step(state, batch, params)


def watched(name: str, lift: int) -> tuple[Watched, list[Transition]]:
    """Return what the rule thought of the frames of a lift, and what it told.

    Raises ``ScenarioError`` or ``NoLiftError``.
    """
    built = build(load(name).scenario)
    source = built.source()
    registry = source.registry()
    if not 0 <= lift < len(registry):
        raise NoLiftError(f"{name} has lifts 1 to {len(registry)}")
    row = registry[lift]
    made = source.arrived_until(built.end_us)
    own = made.take(made["lift"] == lift)
    own = own.take(np.lexsort((own["seq"], own["time_us"])))
    frames = Batcher([lift], [row.unit], [0]).batch(own).replace(time_us=own["time_us"])
    rule = Watched()
    bank = Bank(1, {0: dict(row.params)}, (rule,))
    found: list[Transition] = []
    for batch, now_us in ((frames, None), (FrameBatch.empty(), np.array([built.end_us]))):
        outcome = bank.step(batch, now_us, None if now_us is None else [0])
        bank.adopt(outcome)
        found += [r for block in outcome.transitions for r in block.records(np.array([lift]))]
    return rule, found


def draw_criterion(axis: Any, line: int, t_s: NDArray[Any], values: NDArray[np.int8]) -> None:
    """Draw one criterion above ``line``; ``t_s`` has the end of the last value besides."""
    changes = np.flatnonzero(np.diff(values)) + 1
    kept = np.concatenate([[0], changes, [len(values)]])
    t_s, level = t_s[kept], np.append(values[kept[:-1]], values[-1])
    top = line + HEIGHT * (level == 1)
    axis.fill_between(
        t_s, line, line + HEIGHT, where=level == -1, step="post", color="#dddddd", linewidth=0
    )
    axis.fill_between(t_s, line, top, step="post", color=COLOURS[0], alpha=0.35, linewidth=0)
    axis.step(t_s, top, where="post", color=COLOURS[0], lw=1)


def draw(rule: Watched, found: list[Transition], title: str) -> Any:
    """Draw the first alarm of a lift."""
    raised = next(t for t in found if t.change is Change.RAISED)
    cleared = next((t for t in found if t.change is Change.CLEARED), None)
    zero_us = raised.onset_us
    end_us = (raised.t_us if cleared is None else cleared.t_us) + AFTER_US
    shown = (rule.t_us >= zero_us - BEFORE_US) & (rule.t_us <= end_us)
    first = max(int(np.flatnonzero(shown)[0]) - 1, 0)
    cut = slice(first, int(np.flatnonzero(shown)[-1]) + 1)
    t_s = np.append(rule.t_us[cut], end_us) - zero_us
    made, axes = figure(9, 5.5, 1, 1)
    axis = axes[0][0]
    names = list(rule.criteria)
    for line, name in enumerate(reversed(names)):
        draw_criterion(axis, line, t_s / 1e6, rule.criteria[name][cut])
    axis.axvspan(0, (raised.t_us - zero_us) / 1e6, color=COLOURS[4], alpha=0.15, zorder=0)
    marks = [("onset", zero_us, COLOURS[4]), ("raised", raised.t_us, COLOURS[1])]
    if cleared is not None:
        marks.append((f"cleared: {cleared.reason.name.lower()}", cleared.t_us, COLOURS[2]))
    for text, at_us, colour in marks:
        axis.axvline((at_us - zero_us) / 1e6, color=colour, lw=1.5)
        axis.annotate(
            text, ((at_us - zero_us) / 1e6, len(names)), (3, 0), textcoords="offset points",
            color=colour, fontsize=9, va="bottom",
        )  # fmt: skip
    axis.set_yticks(np.arange(len(names)) + HEIGHT / 2, reversed(names))
    axis.set_xlim((zero_us - BEFORE_US - zero_us) / 1e6, (end_us - zero_us) / 1e6)
    axis.set_ylim(-0.2, len(names) + 0.6)
    axis.set_xlabel("seconds since the onset (steps hold until the next frame; grey: unknown)")
    axis.set_title(f"{title}\n{raised.kind.slug}, window {window_s(raised):g} s", fontsize=10)
    return made


def window_s(raised: Transition) -> float:
    """Return the window that was applied [s]."""
    return float(raised.thresholds.get("window_us") or 0) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="?", default=DEFAULT)
    parser.add_argument("--lift", type=int, default=1, help="from 1")
    parser.add_argument("--into", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    if find_spec("matplotlib") is None:
        parser.error("pictures need matplotlib: pip install 'hoistway[simulation]'")
    try:
        rule, found = watched(given.scenario, given.lift - 1)
    except (ScenarioError, NoLiftError) as error:
        parser.error(str(error))
    if not any(t.change is Change.RAISED for t in found):
        parser.error(f"no entrapment of lift {given.lift} in {given.scenario}")
    given.into.mkdir(parents=True, exist_ok=True)
    path = given.into / "criteria.svg"
    title = f"{given.scenario}, lift {given.lift}"
    draw(rule, found, title).savefig(path, metadata={"Date": None})
    print(f"{path} ({path.stat().st_size / 1024:.0f} KB)")


if __name__ == "__main__":
    main()
