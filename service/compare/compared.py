"""What a comparison comes to, whichever way it was made, and how it is told."""

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from service.backtest.report import show_differences, show_kinds
from service.times import rfc3339
from simulator.scoring.differences import Differences
from simulator.scoring.document import differences_document, kinds_document


@dataclass(frozen=True, slots=True)
class Compared:
    """Current against candidate, over a span of event time.

    Parameters
    ----------
    title
        What was compared.
    candidate
        What is other about the candidate.
    from_us, until_us
        Alarms raised in ``[from_us, until_us)`` count [µs].
    summary
        Figures of the run.
    failures
        What detectors raised; they should be none.
    gaps
        Moments at which the shadow's state began, and since when it remembered then.
    """

    title: str
    candidate: dict[str, Any]
    from_us: int
    until_us: int
    found: Differences
    summary: dict[str, Any]
    failures: list[str] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return everything, JSON types only."""
        return {
            "title": self.title,
            "candidate": self.candidate,
            "from": rfc3339(self.from_us),
            "until": rfc3339(self.until_us),
            "kinds": kinds_document(self.found),
            "differences": differences_document(self.found),
            "gaps": self.gaps,
            "detector_failures": self.failures,
            "summary": self.summary,
        }

    def show(self, console: Console) -> None:
        """Print it for people."""
        span = f"{rfc3339(self.from_us)} to {rfc3339(self.until_us)}"
        told = ", ".join(f"{k} {v}" for k, v in self.candidate.items() if v)
        console.print(f"{self.title}, {span}; candidate: {told}", highlight=False, soft_wrap=True)
        if self.found.equal or len(self.found):
            show_kinds(console, self.found)
        show_differences(console, self.found, full=True)
        for gap in self.gaps:
            told = ", ".join(f"{name} {value}" for name, value in gap.items())
            console.print(f"shadow's state began: {told}", highlight=False, soft_wrap=True)
        figures = ", ".join(f"{name} {value}" for name, value in self.summary.items())
        console.print(figures, highlight=False, soft_wrap=True)
