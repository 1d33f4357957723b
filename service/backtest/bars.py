"""Bars: figures below (or, of delays and rates, above) which a score is not good enough.

``recall=0.99`` is about the entrapment family; ``alarm_button.recall=1`` about another family or
kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from simulator.scoring.score import Group, Score

FAMILY: Final = "entrapment"
_Measure = Callable[[Group], float | None]


def _value(name: str) -> _Measure:
    read = attrgetter(name)
    return lambda group: None if (figure := read(group)) is None else figure.value


def _time(name: str, quantile: str) -> _Measure:
    read = attrgetter(name)
    return lambda group: None if (times := read(group)) is None else getattr(times, quantile)


_AT_LEAST: Final[Mapping[str, _Measure]] = {
    "recall": _value("recall"),
    "recall_weighted": _value("recall_weighted"),
    "precision": _value("precision"),
    "precision_weighted": _value("precision_weighted"),
}
_AT_MOST: Final[Mapping[str, _Measure]] = {
    "false_per_lift_year": _value("false_per_lift_year"),
    "false_per_lift_year_weighted": _value("false_per_lift_year_weighted"),
    **{
        f"{name}_{quantile}": _time(name, quantile)
        for name in ("delay", "known_delay", "onset_error")
        for quantile in ("p50_s", "p99_s", "max_s")
    },
    "missed": lambda group: len(group.missed),
    "false": lambda group: len(group.false),
    "doubles": lambda group: len(group.doubles),
    "wrong_class": lambda group: len(group.wrong_class),
}
MEASURES: Final = (*_AT_LEAST, *_AT_MOST)


class BarError(ValueError):
    """A bar that cannot be read: one line."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bound on one measure of one family or kind."""

    group: str
    measure: str
    bound: float

    def failed(self, score: Score) -> str | None:
        """Return why the score is not good enough, ``None`` if it is. Raises ``BarError``."""
        group = score.group(self.group)
        if group is None:
            there = ", ".join([*score.families, *(kind.slug for kind in score.kinds)])
            raise BarError(f"--bar {self.group}.{self.measure}: there are {there}")
        least = self.measure in _AT_LEAST
        value = (_AT_LEAST if least else _AT_MOST)[self.measure](group)
        name = f"{self.group}.{self.measure}"
        if value is None:
            return f"{name}: nothing to tell it from"
        if (value >= self.bound) if least else (value <= self.bound):
            return None
        return f"{name} is {value:.6g}, {'below' if least else 'above'} {self.bound:g}"


def read_bar(text: str) -> Bar:
    """Read ``[family or kind.]measure=bound``. Raises ``BarError``."""
    name, _, bound = text.partition("=")
    group, _, measure = name.rpartition(".")
    if measure not in MEASURES:
        raise BarError(f"--bar {text}: no such measure; there are {', '.join(MEASURES)}")
    try:
        number = float(bound)
    except ValueError as error:
        raise BarError(f"--bar {text}: write {name}=NUMBER") from error
    return Bar(group or FAMILY, measure, number)


def failures(bars: list[Bar], score: Score) -> list[str]:
    """Return what is not good enough."""
    said: list[Any] = [bar.failed(score) for bar in bars]
    return [text for text in said if text is not None]
