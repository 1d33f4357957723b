"""The judge: what a scenario wants against what happened and which alarms were raised.

Pure. Whoever raised the alarms, the backtest or the running service, is reduced to ``RaisedAlarm``
first. Every condition takes at most one event or alarm. What is left over is *other*, unless the
truth of the run explains it, by the same matching as that of the score. Differences are sentences
with the line of their condition, so that a person can see what to look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from simulator.scenarios.checks import Located, unit_of
from simulator.scenarios.conditions import EachExpectation, Expectation, SeemsEntry, TruthEntry
from simulator.scenarios.fleet_table import FleetTable
from simulator.scenarios.lines import Path
from simulator.scenarios.reader import ScenarioFile
from simulator.scoring import SeenAlarm, match
from simulator.truth import LookAlike, TruthEvent
from telemetry.findings import FINDINGS, FindingKind

TOLERANCE_US: Final = 3_000_000
"""The alarm of an event that must be alarmed is raised at most this before the event began."""


class Differs(StrEnum):
    """How a run differs from its scenario."""

    MISSING = "missing"
    TOO_EARLY = "too early"
    TOO_LATE = "too late"
    WRONG_UNIT = "wrong unit"
    WRONG_ONSET = "wrong onset"
    WRONG_END = "wrong end"
    EXTRA = "extra"
    NOT_TRUE = "not true"
    TRUE_BESIDES = "true besides"
    NO_LOOK_ALIKE = "no look-alike"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class RaisedAlarm:
    """An alarm, reduced to what is judged.

    Parameters
    ----------
    unit
        Index in the fleet.
    kind
        Under which it was raised.
    raised_us, onset_us
        Event times at which it was raised, and from which on it held.
    ended_us
        When the finding was over; ``None`` = it still holds.
    known_us
        Time of arrival at which it became known; ``None`` = that is not judged.
    clock_off_us
        By how much the event times of its lift are late.
    """

    unit: int
    kind: FindingKind
    raised_us: int
    onset_us: int
    ended_us: int | None = None
    known_us: int | None = None
    clock_off_us: int = 0


@dataclass(frozen=True, slots=True)
class Happened:
    """What a run led to.

    Parameters
    ----------
    start_us, end_us
        Event times of the run.
    alarms
        All that were raised.
    truth
        True events.
    look_alikes
        What only looked like events.
    """

    start_us: int
    end_us: int
    alarms: Sequence[RaisedAlarm]
    truth: Sequence[TruthEvent]
    look_alikes: Sequence[LookAlike] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the scenario wants it; ``path`` is that of its condition, if any."""

    how: Differs
    path: Path
    text: str


def judge(wanted: ScenarioFile, happened: Happened) -> list[Difference]:
    """Return every difference, truth first; none = the scenario passed."""
    return [*judge_truth(wanted, happened), *judge_alarms(wanted, happened)]


def sentence(wanted: ScenarioFile, difference: Difference) -> str:
    """Return a difference as one line with its place in the file."""
    line = wanted.line(difference.path) if difference.path else 0
    place = f"{wanted.file}:{line}" if line else wanted.file
    return f"{place}: {difference.how}: {difference.text}"


def judge_truth(wanted: ScenarioFile, happened: Happened) -> list[Difference]:
    """Return how the truth differs: a fault of scenario or simulator."""
    scenario = wanted.scenario
    left, differences = list(happened.truth), []
    for condition in scenario.truth:
        unit = unit_of(condition, scenario.fleet)
        taken = next((e for e in left if _is_true(condition, unit, e, happened.start_us)), None)
        if taken is None:
            differences.append(_not_true(condition, unit, happened))
        else:
            left.remove(taken)
    if scenario.other_truth == "none":
        differences += [
            Difference(Differs.TRUE_BESIDES, (), f"{_event(e, happened.start_us)} happened too")
            for e in left
        ]
    seen = (_seems(one, scenario.fleet, happened) for one in scenario.seems)
    return differences + [one for one in seen if one is not None]


def judge_alarms(wanted: ScenarioFile, happened: Happened) -> list[Difference]:
    """Return how the alarms differ."""
    scenario = wanted.scenario
    left, differences = list(happened.alarms), []
    open_: list[tuple[Expectation, int]] = []
    for condition in scenario.expect:
        unit = unit_of(condition, scenario.fleet)
        taken = next((a for a in left if _in_time(condition, unit, a, happened.start_us)), None)
        if taken is None:
            open_.append((condition, unit))
        else:
            left.remove(taken)
            differences += _details(condition, taken, happened.start_us)
    for condition, unit in open_:
        taken, difference = _nearest(condition, unit, left, happened.start_us)
        differences.append(difference)
        if taken is not None:
            left.remove(taken)
    for each in scenario.expect_each:
        differences += _each(each, happened)
    return differences + _others(scenario.other_alarms, left, happened)


def _within(t_us: int, span_us: tuple[int, int], start_us: int) -> bool:
    return span_us[0] <= t_us - start_us <= span_us[1]


# --- truth ----------------------------------------------------------------------------------------


def _is_true(want: TruthEntry, unit: int, event: TruthEvent, start_us: int) -> bool:
    end_us = event.end_us
    return (
        event.kind.slug == want.what
        and event.lift == unit
        and _within(event.onset_us, want.between_us, start_us)
        and (want.cause is None or event.cause == want.cause)
        and (want.people is None or event.people == want.people)
        and (want.self_released is None or event.self_released == want.self_released)
        and not (want.lasts_on and end_us is not None)
        and (
            want.ends_us is None or (end_us is not None and _within(end_us, want.ends_us, start_us))
        )
    )


def _not_true(want: TruthEntry, unit: int, happened: Happened) -> Difference:
    there = [_event(e, happened.start_us) for e in happened.truth if e.lift == unit]
    instead = "; ".join(there) or "nothing happened there"
    text = f"{want.what} on {_named(want)} {_between(want.between_us)} did not happen: {instead}"
    return Difference(Differs.NOT_TRUE, want.path, text)


def _seems(want: SeemsEntry, fleet: FleetTable, happened: Happened) -> Difference | None:
    unit = unit_of(want, fleet)
    for one in happened.look_alikes:
        about = one.lift == unit and one.cause == want.what
        if about and _within(one.from_us, want.between_us, happened.start_us):
            return None
    text = f"{want.what} on {_named(want)} {_between(want.between_us)} was not recorded"
    return Difference(Differs.NO_LOOK_ALIKE, want.path, text)


# --- alarms ---------------------------------------------------------------------------------------


def _in_time(want: Expectation, unit: int, alarm: RaisedAlarm, start_us: int) -> bool:
    return (
        alarm.kind.slug == want.alarm
        and alarm.unit == unit
        and _when(want, alarm, start_us) is None
    )


def _when(want: Expectation, alarm: RaisedAlarm, start_us: int) -> Difference | None:
    """Return how an alarm of the right kind and unit is early or late; ``None`` = it is not."""
    for span_us, t_us, word in (
        (want.between_us, alarm.raised_us, "raised"),
        (want.known_us, alarm.known_us, "known"),
    ):
        if span_us is None or t_us is None or _within(t_us, span_us, start_us):
            continue
        how = Differs.TOO_EARLY if t_us - start_us < span_us[0] else Differs.TOO_LATE
        text = f"{want.alarm} on {_named(want)} was {word} at {_at(t_us, start_us)}"
        return Difference(how, want.path, f"{text}, not {_between(span_us)}")
    return None


def _details(want: Expectation, alarm: RaisedAlarm, start_us: int) -> list[Difference]:
    what = f"{want.alarm} on {_named(want)}"
    differences = []
    if want.onset_us is not None and not _within(alarm.onset_us, want.onset_us, start_us):
        text = f"{what} tells onset {_at(alarm.onset_us, start_us)}, not {_between(want.onset_us)}"
        differences.append(Difference(Differs.WRONG_ONSET, want.path, text))
    if want.lasts_on and alarm.ended_us is not None:
        text = f"{what} was over at {_at(alarm.ended_us, start_us)}, and should still last"
        differences.append(Difference(Differs.WRONG_END, want.path, text))
    if want.ends_us is None:
        return differences
    if alarm.ended_us is None:
        text = f"{what} still lasts, and should be over {_between(want.ends_us)}"
        differences.append(Difference(Differs.WRONG_END, want.path, text))
    elif not _within(alarm.ended_us, want.ends_us, start_us):
        text = f"{what} was over at {_at(alarm.ended_us, start_us)}, not {_between(want.ends_us)}"
        differences.append(Difference(Differs.WRONG_END, want.path, text))
    return differences


def _nearest(
    want: Expectation, unit: int, left: Sequence[RaisedAlarm], start_us: int
) -> tuple[RaisedAlarm | None, Difference]:
    """Return the alarm that was probably meant, and what is wrong with it."""
    same = [a for a in left if a.kind.slug == want.alarm]
    what = f"{want.alarm} on {_named(want)}"
    for alarm in same:
        off = _when(want, alarm, start_us) if alarm.unit == unit else None
        if off is not None:
            return alarm, off
    for alarm in same:
        if _when(want, alarm, start_us) is None:
            text = f"{what} was raised on unit {alarm.unit + 1} instead"
            return alarm, Difference(Differs.WRONG_UNIT, want.path, text)
    text = f"{what} was not raised {_between(want.between_us or want.known_us or (0, 0))}"
    return None, Difference(Differs.MISSING, want.path, text)


def _each(want: EachExpectation, happened: Happened) -> list[Difference]:
    differences = []
    for event in happened.truth:
        stood_us = event.stood_us(happened.end_us) or 0
        if event.kind.slug not in want.kinds or stood_us < max(want.if_lasts_us, 1):
            continue
        if want.terminals and event.terminal not in want.terminals:
            continue
        found = any(
            a.unit == event.lift
            and FINDINGS[a.kind].family == event.family
            and event.onset_us - TOLERANCE_US <= a.raised_us <= event.onset_us + want.within_us
            for a in happened.alarms
        )
        if not found:
            text = f"{_event(event, happened.start_us)} got no alarm in time"
            differences.append(Difference(Differs.MISSED, want.path, text))
    return differences


def _others(policy: str, left: Sequence[RaisedAlarm], happened: Happened) -> list[Difference]:
    if policy == "allowed":
        return []
    extra = left if policy == "none" else _unexplained(left, happened.truth)
    return [Difference(Differs.EXTRA, (), _unexpected(a, happened.start_us)) for a in extra]


def _unexplained(left: Sequence[RaisedAlarm], truth: Sequence[TruthEvent]) -> list[RaisedAlarm]:
    """Return the alarms that the score would call false."""
    codes = {event.lift: event.code for event in truth}
    false = match(
        [
            SeenAlarm(
                alarm_id=str(i),
                code=codes.get(alarm.unit, ""),
                kind=alarm.kind,
                onset_us=alarm.onset_us,
                detected_us=alarm.raised_us,
                ended_us=alarm.ended_us,
                clock_off_us=alarm.clock_off_us,
            )
            for i, alarm in enumerate(left)
        ],
        truth,
    ).false
    return [left[i] for i in sorted(int(alarm.alarm_id) for alarm in false)]


# --- words ----------------------------------------------------------------------------------------


def _named(one: Located) -> str:
    for word in ("lift", "escalator", "walk"):
        number = getattr(one, word)
        if number is not None:
            return f"{word} {number}"
    raise AssertionError("checked: every condition names its unit")


def _between(span_us: tuple[int, int]) -> str:
    return f"between {span_us[0] / 1e6:g} s and {span_us[1] / 1e6:g} s"


def _at(t_us: int, start_us: int) -> str:
    return f"{(t_us - start_us) / 1e6:g} s"


def _event(event: TruthEvent, start_us: int) -> str:
    end = "on" if event.end_us is None else f"to {_at(event.end_us, start_us)}"
    because = f"{event.kind.slug} ({event.cause}) on unit {event.lift + 1}"
    return f"{because} from {_at(event.onset_us, start_us)} {end}, {event.people} inside"


def _unexpected(alarm: RaisedAlarm, start_us: int) -> str:
    raised = f"{alarm.kind.slug} on unit {alarm.unit + 1} at {_at(alarm.raised_us, start_us)}"
    return f"{raised} is expected by nobody"
