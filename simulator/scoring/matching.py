"""Which alarm is about which true event."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from simulator.scoring.alarms import SeenAlarm
from simulator.truth import TruthEvent
from telemetry.findings import FINDINGS, FindingKind

PRESSED: Final = "button_pressed"
"""Criterion of an entrapment's evidence: the button was pressed in this stop."""
_BUTTON_FAMILY: Final = FINDINGS[FindingKind.ALARM_BUTTON].family

Needed = int | Mapping[FindingKind, int]
"""How long an event must stand still to be found [µs]: one number, or by kind (missing = 0)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A true event and the alarm that found it.

    ``optional``: it need not have been found. ``pressed_us``: when the trapped first pressed the
    button, if the alarm's window is as short as it is because of that.
    """

    event: TruthEvent
    alarm: SeenAlarm
    optional: bool = False
    pressed_us: int | None = None

    @property
    def onset_error_us(self) -> int:
        """Return alarm onset minus true onset, a wrong clock included."""
        return self.alarm.onset_us - self.event.onset_us

    @property
    def right_class(self) -> bool:
        """Tell whether the class is the true one."""
        return self.alarm.kind == self.event.kind

    @property
    def delay_us(self) -> int | None:
        """Return by how much the rule was satisfied later than true onset + its own window.

        A window that a press makes shorter is not complete before that press.
        """
        return self._beyond(self.alarm.true_detected_us)

    @property
    def known_delay_us(self) -> int | None:
        """Return the same for when whoever watches knew it: with the network's delay."""
        return self._beyond(self.alarm.known_us)

    def _beyond(self, at_us: int | None) -> int | None:
        if at_us is None:
            return None
        due_us = self.event.onset_us + self.alarm.window_us
        return at_us - (due_us if self.pressed_us is None else max(due_us, self.pressed_us))


@dataclass(frozen=True, slots=True)
class Double:
    """An alarm about an event that another alarm had found already."""

    event: TruthEvent
    alarm: SeenAlarm


@dataclass(frozen=True, slots=True)
class Comparison:
    """Alarms against the truth, per event.

    ``optional`` events (too short for the rule's window, or not to be seen by that terminal) may be
    found, yet are not missed.
    """

    hits: tuple[Hit, ...] = ()
    missed: tuple[TruthEvent, ...] = ()
    optional: tuple[TruthEvent, ...] = ()
    false: tuple[SeenAlarm, ...] = ()
    double: tuple[SeenAlarm, ...] = ()
    wrong_class: tuple[Hit, ...] = field(default=())
    doubles: tuple[Double, ...] = ()
    """The alarms of ``double`` with their events."""

    @property
    def is_perfect(self) -> bool:
        """Tell whether nothing was missed, doubled, false or of the wrong class."""
        return not (self.missed or self.false or self.double or self.wrong_class)


def match(
    alarms: Iterable[SeenAlarm],
    truth: Sequence[TruthEvent],
    *,
    tolerance_us: int = 3_000_000,
    needed_us: Needed = 0,
    until_us: int | None = None,
) -> Comparison:
    """Match each alarm to the true event of its lift and family around its onset.

    Further alarms of one event are doubles, unless they only update the alarm that is open, as
    presses of the alarm button do.

    Parameters
    ----------
    alarms
        Alarms of any kinds.
    truth
        True events.
    tolerance_us
        An alarm belongs to an event if its onset is at most this before the true onset and not
        after the event's end plus this. Its onset may be earlier if it was raised during the event.
        Of several events, the one with the nearest onset is taken.
    needed_us
        Events in which nothing moved for less than this are optional: no window was complete.
    until_us
        End of the observation, for events that still last; ``None`` = they lasted for ever.
    """
    places = _Places(truth, tolerance_us)
    found: dict[int, list[SeenAlarm]] = {}
    false: list[SeenAlarm] = []
    for alarm in sorted(alarms, key=lambda a: (a.onset_us, a.alarm_id)):
        event = places.of(alarm)
        if event is None:
            false.append(alarm)
        else:
            found.setdefault(event, []).append(alarm)
    optional = [is_optional(event, needed_us, until_us) for event in truth]
    hits = tuple(
        Hit(truth[i], one[0], optional[i], places.pressed_us(truth[i], one[0]))
        for i, one in sorted(found.items())
    )
    unfound = [i for i in range(len(truth)) if i not in found]
    doubles = tuple(
        Double(truth[i], a)
        for i, one in found.items()
        for a in one[1:]
        if FINDINGS[a.kind].ends_with_finding
    )
    return Comparison(
        hits=hits,
        missed=tuple(truth[i] for i in unfound if not optional[i]),
        optional=tuple(truth[i] for i in unfound if optional[i]),
        false=tuple(false),
        double=tuple(double.alarm for double in doubles),
        wrong_class=tuple(hit for hit in hits if not hit.right_class),
        doubles=doubles,
    )


def is_optional(event: TruthEvent, needed_us: Needed, until_us: int | None) -> bool:
    """Tell whether an event need not be found.

    What no column of its terminal shows, nobody can find. The alarm button has no window. An
    entrapment at a landing without a presence sensor looks like an empty car.
    """
    if event.terminal and not event.effects:
        return True
    if event.kind is FindingKind.ALARM_BUTTON:
        return False
    if not event.presence_known and event.kind is FindingKind.ENTRAPMENT_AT_LANDING:
        return True
    least_us = needed_us if isinstance(needed_us, int) else needed_us.get(event.kind, 0)
    stood_us = event.stood_us(until_us)
    return stood_us is not None and stood_us < least_us


class _Places:
    """True events by lift and family, to be looked up by an instant."""

    def __init__(self, truth: Sequence[TruthEvent], tolerance_us: int) -> None:
        self._truth = truth
        self._tolerance_us = tolerance_us
        self._by_key: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for i, event in enumerate(truth):
            self._by_key[event.code, event.family].append((event.onset_us, i))
        for places in self._by_key.values():
            places.sort()

    def of(self, alarm: SeenAlarm) -> int | None:
        """Return the position of the nearest event that the alarm can be about."""
        places = self._by_key.get((alarm.code, alarm.family), [])
        raised_us = max(alarm.true_onset_us, alarm.true_detected_us or alarm.true_onset_us)
        begun = bisect_right(places, raised_us + self._tolerance_us, key=lambda p: p[0])
        candidates = [
            (abs(alarm.true_onset_us - onset_us), i)
            for onset_us, i in places[:begun]
            if self._is_about(alarm, self._truth[i])
        ]
        return min(candidates)[1] if candidates else None

    def pressed_us(self, event: TruthEvent, alarm: SeenAlarm) -> int | None:
        """Return the first press in ``event`` if ``alarm`` was raised because of one."""
        if not alarm.window_us or not alarm.says(PRESSED):
            return None
        calls = self._by_key.get((event.code, _BUTTON_FAMILY), [])
        presses = [p for _, i in calls for p in self._truth[i].presses]
        since_us = event.onset_us - self._tolerance_us
        return min((p for p in presses if p >= since_us), default=None)

    def _is_about(self, alarm: SeenAlarm, event: TruthEvent) -> bool:
        onset_us, ended_us = alarm.true_onset_us, alarm.true_ended_us
        if event.end_us is not None and onset_us > event.end_us + self._tolerance_us:
            return False
        if onset_us >= event.onset_us - self._tolerance_us:
            return True
        return ended_us is None or ended_us >= event.onset_us
