"""What a demo run comes to: one table, one verdict. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from simulator.scoring import Comparison
from simulator.truth import TruthEvent

ENTRAPMENT = "entrapment"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one run; latencies in ms, frames as counted on both sides."""

    comparison: Comparison
    truth: Sequence[TruthEvent]
    dispatched: frozenset[str]
    accepted: frozenset[str]
    released: frozenset[str]
    published: int
    broken: int
    stored: int
    duplicate: int
    rejected: int
    latencies_ms: Sequence[float]

    @property
    def entrapments(self) -> list[TruthEvent]:
        """True entrapments that had to be found."""
        optional = set(map(id, self.comparison.optional))
        return [t for t in self.truth if t.family == ENTRAPMENT and id(t) not in optional]

    @property
    def found(self) -> list[str]:
        """Ids of the alarms that found a true entrapment."""
        hits = self.comparison.hits
        return [h.alarm.alarm_id for h in hits if h.event.family == ENTRAPMENT]

    @property
    def unaccounted(self) -> int:
        """Frames and broken payloads published that are neither stored, duplicate nor rejected."""
        return self.published + self.broken - self.stored - self.duplicate - self.rejected

    def faults(self) -> list[str]:
        """Say what is wrong with the run; empty = nothing."""
        c = self.comparison
        hit_ids = {h.alarm.alarm_id for h in c.hits}
        checks: Mapping[str, int] = {
            "true events missed": len(c.missed),
            "false alarms": len(c.false),
            "doubled alarms": len(c.double),
            "alarms of the wrong class": len(c.wrong_class),
            "alarms not dispatched": len(hit_ids - self.dispatched),
            "alarms not accepted": len(hit_ids - self.accepted),
            "entrapments not released": len(set(self.found) - self.released),
            "frames unaccounted for": abs(self.unaccounted),
        }
        faults = [f"{count} {what}" for what, count in checks.items() if count]
        if len(self.entrapments) < 4:
            faults.append(f"only {len(self.entrapments)} entrapments happened")
        return faults

    def table(self) -> Table:
        """Return the table that people see."""
        table = Table(title="hoistway demo", show_header=False, title_justify="left")
        found = set(self.found)
        for name, value in (
            ("true entrapments  真实困人", len(self.entrapments)),
            ("raised  已报警", len(found)),
            ("dispatched  已派单", len(found & self.dispatched)),
            ("accepted  已受理", len(found & self.accepted)),
            ("released  已解救", len(found & self.released)),
            ("false alarms  误报", len(self.comparison.false) + len(self.comparison.double)),
            ("frames published  发布帧数", self.published),
            ("  stored  入库", self.stored),
            ("  duplicate  重复", self.duplicate),
            ("  rejected (broken payloads sent)  拒收", f"{self.rejected} ({self.broken})"),
            ("latency p50  延迟中位数", f"{percentile(self.latencies_ms, 50):.0f} ms"),
            ("latency p99  延迟 p99", f"{percentile(self.latencies_ms, 99):.0f} ms"),
        ):
            table.add_row(name, str(value))
        return table


def percentile(values: Sequence[float], pct: float) -> float:
    """Return the nearest-rank percentile, NaN for no values."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * round(pct) // 100) - 1))]
