"""The score: matched alarms in figures, by family, by kind and by terminal type.

*As run* counts events as they were simulated. *Re-weighted* estimates what the same rules would
show at the field's own rates: an event of a fault drawn at F times its rate weighs 1/F, and so do
its alarm and the false alarms that it brings about; a false alarm of a look-alike drawn at L times
its rate weighs 1/L; one of ordinary life weighs 1. An event during which a sensor or terminal of
its lift failed as well weighs 1/F once more: at the field's rates faults hardly ever coincide. So
does, by what else was going on, each false alarm: a cleaner at work in a lift with a fault counts
1/(L F), as its chance is that of both. This is importance sampling; it tells a little less than is
so where an alarm has nothing to do with what coincides, by the share of time with such a cause.

Intervals are 95 %. Recall and precision as run: Clopper and Pearson. Rates: Garwood; re-weighted:
Fay and Feuer. Recall and precision re-weighted: hits / (hits + others) at the outer ends of two
intervals of 97.5 % each, which is conservative.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Final, NamedTuple

from simulator.faults.catalogue import LOOK_ALIKES
from simulator.faults.causes import Cause
from simulator.faults.draw import ALIKE
from simulator.faults.sensors import LOOK_ALIKE_RATES
from simulator.scoring.alarms import SeenAlarm
from simulator.scoring.attribution import Blame, FalseAlarm, attribute, lying_sensors
from simulator.scoring.intervals import Interval, poisson, proportion, weighted_poisson
from simulator.scoring.matching import Comparison, Double, Hit, Needed, match
from simulator.source import RegistryRow
from simulator.truth import LookAlike, TruthEvent
from telemetry.columns import Unit
from telemetry.findings import FINDINGS, FindingKind

YEAR_US: Final = 365 * 86_400_000_000
US_PER_S: Final = 1_000_000
OF_STAIRS: Final = frozenset(
    kind for kind in FindingKind if kind >= FindingKind.ESCALATOR_OVERSPEED
)
"""Kinds of escalators and walks."""
SLOW_US: Final = 3_000_000
"""A later rule than this is worth a look [µs]."""
_ALIKE: Final = frozenset((*LOOK_ALIKES, *ALIKE, *LOOK_ALIKE_RATES))
"""Causes that are drawn as look-alikes."""
_OF_THE_NETWORK: Final = frozenset((Cause.CLOCK_WRONG, Cause.GATEWAY_OFFLINE))
"""Causes that come at the network's own rates, which nobody multiplies."""
_HEAVIEST: Final = 1.0
"""Weight of a false alarm of ordinary life, which may come even if none was seen."""
_BOTH_ENDS: Final = 0.975
"""Confidence of each of two intervals that together shall hold with 95 %."""


@dataclass(frozen=True, slots=True)
class Multipliers:
    """How much more often than in the field faults and look-alikes were drawn; 1 = as there."""

    faults: float = 1.0
    look_alikes: float = 1.0

    def of_cause(self, cause: str) -> float:
        """Return what an event of that cause counts at the field's rates."""
        if cause in _OF_THE_NETWORK:
            return 1.0
        return 1 / (self.look_alikes if cause in _ALIKE else self.faults)

    def of_false(self, one: FalseAlarm) -> float:
        """Return what a false alarm counts at the field's rates."""
        match one.blame:
            case Blame.LOOK_ALIKE:
                alone = 1 / self.look_alikes
            case Blame.CONSEQUENCE:
                alone = self.of_cause(one.cause)
            case Blame.BACKGROUND:
                alone = 1.0
        return alone * prod(self.of_cause(cause) for cause in one.beside)


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen in a run, and what really happened.

    Parameters
    ----------
    alarms, truth, look_alikes
        Of all lifts.
    registry
        Units that were watched; false alarms about lifts are counted per lift, those about
        escalators and walks per such unit.
    from_us, to_us
        When they were watched.
    """

    alarms: Sequence[SeenAlarm]
    truth: Sequence[TruthEvent]
    look_alikes: Sequence[LookAlike]
    registry: Sequence[RegistryRow]
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class Asked:
    """By what it is judged.

    Parameters
    ----------
    detected
        Kinds for which there is a detector; events of other kinds are not missed.
    needed_us
        How long an event of a kind must last to be found: the rule's window and a sample.
    multipliers
        How faults and look-alikes were drawn.
    """

    detected: frozenset[FindingKind]
    needed_us: Needed = 0
    multipliers: Multipliers = field(default_factory=Multipliers)


class Estimate(NamedTuple):
    """A figure with its interval; ``None`` = nothing to tell it from."""

    value: float
    interval: Interval


class Spread(NamedTuple):
    """Distribution of a time [s]: how many, median, 99th percentile (nearest rank), largest."""

    n: int
    p50_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs together in one line of the score."""

    hits: tuple[Hit, ...] = ()
    missed: tuple[TruthEvent, ...] = ()
    optional: tuple[TruthEvent, ...] = ()
    false: tuple[FalseAlarm, ...] = ()
    doubles: tuple[Double, ...] = ()
    lift_years: float = 0.0
    multipliers: Multipliers = field(default_factory=Multipliers)
    lied: Mapping[TruthEvent, str] = field(default_factory=dict)
    """Events during which a sensor or terminal failed, too, and its cause."""

    @property
    def required(self) -> int:
        """Return how many events had to be found."""
        return self._required_hits + len(self.missed)

    @property
    def wrong_class(self) -> tuple[Hit, ...]:
        """Return the events that were found under another class."""
        return tuple(hit for hit in self.hits if not hit.right_class)

    @property
    def slow(self) -> tuple[Hit, ...]:
        """Return the events that were found, yet late."""
        return tuple(hit for hit in self.hits if (hit.delay_us or 0) > SLOW_US)

    @property
    def _required_hits(self) -> int:
        return sum(not hit.optional for hit in self.hits)

    @property
    def recall(self) -> Estimate | None:
        """Return the share of the events that had to be found that were found."""
        return _share(self._required_hits, self.required)

    @property
    def recall_weighted(self) -> Estimate | None:
        """Return the same at the field's own rates, where two faults hardly ever coincide."""
        hits = [self._weight(hit.event) for hit in self.hits if not hit.optional]
        return self._share_weighted(hits, [self._weight(event) for event in self.missed])

    @property
    def precision(self) -> Estimate | None:
        """Return the share of alarms that are the first one of a true event, as run."""
        others = len(self.false) + len(self.doubles)
        return _share(len(self.hits), len(self.hits) + others)

    @property
    def precision_weighted(self) -> Estimate | None:
        """Return the same at the field's own rates."""
        hits = [self._weight(hit.event) for hit in self.hits]
        return self._share_weighted(hits, self._weights(), _HEAVIEST)

    @property
    def false_per_lift_year(self) -> Estimate | None:
        """Return the rate of false alarms as run."""
        return self._rate(len(self.false), poisson(len(self.false)))

    @property
    def false_per_lift_year_weighted(self) -> Estimate | None:
        """Return the rate of false alarms at the field's own rates."""
        weights = [self.multipliers.of_false(one) for one in self.false]
        return self._rate(sum(weights), weighted_poisson(weights, _HEAVIEST))

    @property
    def delay(self) -> Spread | None:
        """Return how much later than true onset + window the rules were satisfied."""
        return spread(hit.delay_us for hit in self.hits)

    @property
    def known_delay(self) -> Spread | None:
        """Return how much later than that it was known, the network's delay included."""
        return spread(hit.known_delay_us for hit in self.hits)

    @property
    def onset_error(self) -> Spread | None:
        """Return by how much onsets are wrong, either way."""
        return spread(abs(hit.onset_error_us) for hit in self.hits)

    def blamed(self) -> dict[str, int]:
        """Return the number of false alarms by what they come from."""
        names = Counter(
            f"{one.blame}:{one.cause}" if one.cause else one.blame for one in self.false
        )
        return dict(sorted(names.items()))

    def missed_because(self) -> dict[str, int]:
        """Return the number of missed events by the sensor or terminal that failed meanwhile."""
        names = Counter(self.lied.get(event, "nothing else") for event in self.missed)
        return dict(sorted(names.items()))

    def _weight(self, event: TruthEvent) -> float:
        alone = self.multipliers.of_cause(event.cause)
        return alone * self.multipliers.of_cause(self.lied[event]) if event in self.lied else alone

    def _share_weighted(
        self, mine: Sequence[float], others: Sequence[float], heaviest: float = 0.0
    ) -> Estimate | None:
        """Return ``mine`` of all, with the outer ends of two intervals as bounds."""
        if not mine and not others:
            return None
        one = max((*mine, *others), default=1.0)
        my_sum = weighted_poisson(mine, one, _BOTH_ENDS)
        other_sum = weighted_poisson(others, heaviest or one, _BOTH_ENDS)
        bounds = Interval(
            my_sum.low / (my_sum.low + other_sum.high),
            my_sum.high / (my_sum.high + other_sum.low),
        )
        return Estimate(sum(mine) / (sum(mine) + sum(others)), bounds)

    def _weights(self) -> list[float]:
        doubles = [self._weight(double.event) for double in self.doubles]
        return [self.multipliers.of_false(one) for one in self.false] + doubles

    def _rate(self, value: float, mean: Interval) -> Estimate | None:
        if not self.lift_years:
            return None
        low, high = (bound / self.lift_years for bound in mean)
        return Estimate(value / self.lift_years, Interval(low, high))


@dataclass(frozen=True, slots=True)
class Score:
    """All groups of a run.

    Parameters
    ----------
    families
        Kinds that exclude each other, such as both entrapments; families of one kind are left out.
    kinds
        By kind for which there is a detector.
    terminals
        By kind and terminal type.
    undetected
        Number of true events of kinds for which there is no detector yet.
    lift_years
        Lifts, no escalators and walks, times the time for which they were watched.
    look_alikes
        How often each cause of look-alikes came.
    """

    families: Mapping[str, Group]
    kinds: Mapping[FindingKind, Group]
    terminals: Mapping[tuple[FindingKind, str], Group]
    undetected: Mapping[FindingKind, int]
    lift_years: float
    look_alikes: Mapping[str, int] = field(default_factory=dict)

    def taken_for(self, cause: str) -> dict[FindingKind, int]:
        """Return how many false alarms of each kind a cause of look-alikes has made."""
        blamed = {
            kind: sum(one.cause == cause and one.blame is Blame.LOOK_ALIKE for one in group.false)
            for kind, group in self.kinds.items()
        }
        return {kind: count for kind, count in blamed.items() if count}

    def group(self, name: str) -> Group | None:
        """Return the group of a family or kind by its slug, ``None`` if there is none."""
        kinds = {kind.slug: group for kind, group in self.kinds.items()}
        return self.families.get(name) or kinds.get(name)


def score(observed: Observed, asked: Asked) -> Score:
    """Match, attribute and count."""
    truth = [e for e in observed.truth if e.kind in asked.detected]
    found = match(
        observed.alarms, truth, needed_us=asked.needed_us, until_us=observed.to_us
    )  # fmt: skip
    false = attribute(found.false, observed.truth, observed.look_alikes)
    lied = lying_sensors(observed.truth)
    models = {row.code: row.model for row in observed.registry}
    watched = Counter((_is_lift(row), row.model) for row in observed.registry)
    span = (observed.to_us - observed.from_us) / YEAR_US
    total = {
        lifts: span * sum(n for (of_lifts, _), n in watched.items() if of_lifts is lifts)
        for lifts in (True, False)
    }

    def group(
        of_event: Callable[[TruthEvent], bool], of_alarm: Callable[[SeenAlarm], bool], span: float
    ) -> Group:
        one = _group(found, false, of_event, of_alarm)
        return replace(one, lift_years=span, multipliers=asked.multipliers, lied=lied)

    families = {
        family: group(
            lambda e, f=family: e.family == f, lambda a, f=family: a.family == f, total[True]
        )
        for family in _families(asked.detected)
    }
    kinds = {
        kind: group(
            lambda e, k=kind: e.kind is k, lambda a, k=kind: a.kind is k,
            total[kind not in OF_STAIRS],
        )
        for kind in sorted(asked.detected)
    }  # fmt: skip
    terminals = {
        (kind, model): group(
            lambda e, k=kind, m=model: e.kind is k and models.get(e.code) == m,
            lambda a, k=kind, m=model: a.kind is k and models.get(a.code) == m,
            span * n,
        )
        for kind in sorted(asked.detected)
        for (lifts, model), n in sorted(watched.items())
        if lifts is (kind not in OF_STAIRS)
    }
    undetected = Counter(e.kind for e in observed.truth if e.kind not in asked.detected)
    seen = Counter(like.cause for like in observed.look_alikes)
    return Score(
        families, kinds, terminals, dict(sorted(undetected.items())), total[True],
        dict(sorted(seen.items())),
    )  # fmt: skip


def _group(
    found: Comparison, false: Sequence[FalseAlarm], of_event: Callable[[TruthEvent], bool],
    of_alarm: Callable[[SeenAlarm], bool],
) -> Group:  # fmt: skip
    return Group(
        hits=tuple(hit for hit in found.hits if of_event(hit.event)),
        missed=tuple(event for event in found.missed if of_event(event)),
        optional=tuple(event for event in found.optional if of_event(event)),
        false=tuple(one for one in false if of_alarm(one.alarm)),
        doubles=tuple(double for double in found.doubles if of_event(double.event)),
    )


def _is_lift(row: RegistryRow) -> bool:
    return row.unit == Unit.LIFT


def _families(detected: Iterable[FindingKind]) -> list[str]:
    """Return the families of more than one kind."""
    count = Counter(FINDINGS[kind].family for kind in detected)
    return sorted(family for family, kinds in count.items() if kinds > 1)


def _share(hits: int, n: int) -> Estimate | None:
    return Estimate(hits / n, proportion(hits, n)) if n else None


def spread(times_us: Iterable[int | None]) -> Spread | None:
    """Return the distribution of those times that are known."""
    known = sorted(t for t in times_us if t is not None)
    if not known:
        return None

    def rank(pct: int) -> float:
        return known[max(-(-pct * len(known) // 100), 1) - 1] / US_PER_S

    return Spread(len(known), rank(50), rank(99), known[-1] / US_PER_S)
