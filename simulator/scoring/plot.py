"""A score as a picture: recall and precision with their intervals, and how late alarms were."""

from pathlib import Path
from typing import Any, Final

from simulator.scoring.score import Estimate, Group, Score

SUFFIXES: Final = (".png", ".svg", ".pdf")
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
    figure = _figure_type()(figsize=(11, 4.5), layout="constrained")
    shown = {**score.families, **{kind.slug: group for kind, group in score.kinds.items()}}
    shown = {name: group for name, group in shown.items() if group.hits or group.missed}
    left, right = figure.subplots(1, 2)
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
    for name, group in shown.items():
        delays = sorted(h.delay_us / 1e6 for h in group.hits if h.delay_us is not None)
        if delays:
            shares = [100 * (i + 1) / len(delays) for i in range(len(delays))]
            axes.step(delays, shares, where="post", label=name.replace("_", " "))
    axes.set_xlabel("later than true onset + window [s]")
    axes.set_ylabel("% of the events found")
    axes.set_xscale("symlog", linthresh=10)
    axes.grid(alpha=0.3)
    if axes.has_data():
        axes.legend(loc="lower right")
