"""A score as a picture: recall and precision with their intervals, and how late alarms were."""

from pathlib import Path
from typing import Any, Final

from simulator.scoring.score import Estimate, Group, Score

SUFFIXES: Final = (".png", ".svg", ".pdf")
ROW_IN: Final = 0.26
"""Height of a kind's row [inch]."""
_NEEDS: Final = "plots need matplotlib: pip install 'hoistway[simulation]'"


class PlotError(Exception):
    """A plot that cannot be made: one line."""


def check(path: Path) -> None:
    """Raise ``PlotError`` if no picture could be written to ``path``, before anything is made."""
    if path.suffix not in SUFFIXES:
        raise PlotError(f"{path}: name a file that ends with {', '.join(SUFFIXES)}")
    _figure_type()


def _figure_type() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotError(_NEEDS) from error
    return Figure


def plot(score: Score, path: Path, title: str) -> None:
    """Write the picture to ``path``, in the format of its suffix. Raises ``PlotError``."""
    check(path)
    shown = {**score.families, **{kind.slug: group for kind, group in score.kinds.items()}}
    shown = {name: group for name, group in shown.items() if group.hits or group.missed}
    height = max(4.5, 1.5 + ROW_IN * len(shown))
    figure = _figure_type()(figsize=(11, height), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_shares(left, shown)
    _draw_delays(right, shown)
    figure.suptitle(title)
    try:
        figure.savefig(path)
    except OSError as error:
        raise PlotError(f"{path}: {error.strerror}") from error


def _draw_shares(axes: Any, shown: dict[str, Group]) -> None:
    measures = ("recall", "precision", "precision_weighted")
    for m, measure in enumerate(measures):
        figures: list[tuple[int, Estimate]] = [
            (i, figure)
            for i, group in enumerate(shown.values())
            if (figure := getattr(group, measure)) is not None
        ]
        if figures:
            axes.errorbar(
                [100 * f.value for _, f in figures],
                [i + 0.2 * (1 - m) for i, _ in figures],
                xerr=[
                    [100 * max(f.value - f.interval.low, 0) for _, f in figures],
                    [100 * max(f.interval.high - f.value, 0) for _, f in figures],
                ],
                fmt="o", capsize=3, label=measure.replace("_", ", re-") if m == 2 else measure,
            )  # fmt: skip
    axes.set_yticks(range(len(shown)), [name.replace("_", " ") for name in shown])
    axes.invert_yaxis()
    axes.set_xlabel("% with 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    if shown:
        axes.legend(loc="lower left")


def _draw_delays(axes: Any, shown: dict[str, Group]) -> None:
    """Draw for each kind how late half of its events were found, 99 of 100, and the last."""
    delays = [(i, group.delay) for i, group in enumerate(shown.values()) if group.delay is not None]
    if delays:
        rows, spreads = zip(*delays, strict=True)
        axes.hlines(rows, [d.p50_s for d in spreads], [d.p99_s for d in spreads], lw=2)
        axes.plot([d.p50_s for d in spreads], rows, "o", label="median")
        axes.plot([d.p99_s for d in spreads], rows, "|", ms=10, label="99 of 100")
        axes.plot([d.max_s for d in spreads], rows, "x", label="most")
        axes.legend(loc="lower right")
    axes.set_xlabel("later than true onset + window [s]")
    axes.set_xscale("symlog", linthresh=10)
    axes.grid(alpha=0.3)
