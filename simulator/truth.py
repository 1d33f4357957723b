"""The truth beside the frames: what really happened, and how alarms compare with it.

Pure. Classes are ``telemetry.findings``; nothing here knows a detector's windows, so what counts as
in time is the caller's parameter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from telemetry.findings import FINDINGS, FindingKind


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """One true event: people trapped, or the alarm button pressed.

    Parameters
    ----------
    lift
        Index in the fleet.
    code
        Registration code.
    kind
        Class of the event.
    cause
        ``faults.Cause`` as text.
    onset_us
        The car stood still with people who could not get out; for a button the first press.
    end_us
        The doors stood open in the door zone; ``None`` = not yet. For a button its last letting go.
    people
        People inside.
    freeing_us
        Something began to free them: doors opening, car moving again; ``None`` = not yet.
    presence_known
        The terminal has a presence sensor, so that the event can be told from an empty car.
    self_released
        Nobody from outside ended it (rescue device, mains back).
    presses
        Times at which the button was pressed.
    terminal
        Type of the terminal that watches it, as in the registry's ``model``; empty = not known.
    effects
        Columns in which this terminal can show it; empty = it cannot be seen by this terminal.
    """

    lift: int
    code: str
    kind: FindingKind
    cause: str
    onset_us: int
    people: int
    end_us: int | None = None
    freeing_us: int | None = None
    presence_known: bool = True
    self_released: bool = False
    presses: tuple[int, ...] = ()
    terminal: str = ""
    effects: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """Return the family: one alarm of it at a time and lift."""
        return FINDINGS[self.kind].family

    @property
    def life_safety(self) -> bool:
        """Tell whether it is about people in need: an entrapment, or the alarm button."""
        return FINDINGS[self.kind].life_safety

    def lasted_us(self, until_us: int) -> int:
        """Return how long it lasted, up to ``until_us`` if it still does."""
        return (until_us if self.end_us is None else self.end_us) - self.onset_us

    def stood_us(self, until_us: int | None) -> int | None:
        """Return how long nothing moved, up to ``until_us``; ``None`` = without end."""
        ends = [t for t in (self.freeing_us, self.end_us, until_us) if t is not None]
        return min(ends) - self.onset_us if ends else None


@dataclass(frozen=True, slots=True)
class LookAlike:
    """Something that is no event and may be taken for one.

    Parameters
    ----------
    lift, code, terminal
        As in ``TruthEvent``.
    cause
        ``faults.Cause`` as text.
    from_us, to_us
        ``[from_us, to_us)``; ``None`` = it still lasts.
    """

    lift: int
    code: str
    cause: str
    from_us: int
    to_us: int | None = None
    terminal: str = ""


@dataclass(frozen=True, slots=True)
class SeenAlarm:
    """An alarm as the service keeps it, reduced to what is compared."""

    alarm_id: str
    code: str
    kind: FindingKind
    onset_us: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A true event and the alarm that found it."""

    event: TruthEvent
    alarm: SeenAlarm

    @property
    def onset_error_us(self) -> int:
        """Return alarm onset minus true onset."""
        return self.alarm.onset_us - self.event.onset_us

    @property
    def right_class(self) -> bool:
        """Tell whether the class is the true one."""
        return self.alarm.kind == self.event.kind


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

    @property
    def is_perfect(self) -> bool:
        """Tell whether nothing was missed, doubled, false or of the wrong class."""
        return not (self.missed or self.false or self.double or self.wrong_class)


def match(
    alarms: Iterable[SeenAlarm],
    truth: Sequence[TruthEvent],
    *,
    tolerance_us: int = 3_000_000,
    needed_us: int = 0,
    until_us: int | None = None,
) -> Comparison:
    """Match each alarm to the true event of its lift and family around its onset.

    Parameters
    ----------
    alarms
        Alarms of any kinds.
    truth
        True events.
    tolerance_us
        An alarm belongs to an event if its onset is at most this before the true onset and not
        after the event's end plus this.
    needed_us
        Entrapments in which nothing moved for less than this are optional: no window was complete.
    until_us
        End of the observation, for events that still last; ``None`` = they lasted for ever.
    """
    found: dict[int, list[SeenAlarm]] = {}
    false: list[SeenAlarm] = []
    for alarm in sorted(alarms, key=lambda a: (a.onset_us, a.alarm_id)):
        event = _event_of(alarm, truth, tolerance_us)
        if event is None:
            false.append(alarm)
        else:
            found.setdefault(event, []).append(alarm)
    hits = [Hit(truth[i], one[0]) for i, one in sorted(found.items())]
    unfound = [event for i, event in enumerate(truth) if i not in found]
    optional = [e for e in unfound if _is_optional(e, needed_us, until_us)]
    return Comparison(
        hits=tuple(hits),
        missed=tuple(e for e in unfound if e not in optional),
        optional=tuple(optional),
        false=tuple(false),
        double=tuple(alarm for one in found.values() for alarm in one[1:]),
        wrong_class=tuple(hit for hit in hits if not hit.right_class),
    )


def _event_of(alarm: SeenAlarm, truth: Sequence[TruthEvent], tolerance_us: int) -> int | None:
    """Return the position of the nearest event that the alarm can be about."""
    family = FINDINGS[alarm.kind].family
    candidates = [
        (abs(alarm.onset_us - event.onset_us), i)
        for i, event in enumerate(truth)
        if event.code == alarm.code
        and event.family == family
        and alarm.onset_us >= event.onset_us - tolerance_us
        and (event.end_us is None or alarm.onset_us <= event.end_us + tolerance_us)
    ]
    return min(candidates)[1] if candidates else None


def _is_optional(event: TruthEvent, needed_us: int, until_us: int | None) -> bool:
    if event.kind is FindingKind.ALARM_BUTTON:
        return False
    if not event.presence_known and event.kind is FindingKind.ENTRAPMENT_AT_LANDING:
        return True
    stood_us = event.stood_us(until_us)
    return stood_us is not None and stood_us < needed_us


class TruthLog:
    """Collects events while a world runs; every event has a number by which it is ended."""

    def __init__(self) -> None:
        self._events: list[TruthEvent] = []

    def begin(self, event: TruthEvent) -> int:
        """Add an event and return its number."""
        self._events.append(event)
        return len(self._events) - 1

    def end(self, number: int, end_us: int, *, self_released: bool = False) -> None:
        """Set the end of an event."""
        event = self._events[number]
        self._events[number] = replace(event, end_us=end_us, self_released=self_released)

    def freeing(self, number: int, at_us: int) -> None:
        """Note that an event begins to end."""
        self._events[number] = replace(self._events[number], freeing_us=at_us)

    def pressed(self, number: int, at_us: int) -> None:
        """Add a press to an event."""
        event = self._events[number]
        self._events[number] = replace(event, presses=(*event.presses, at_us))

    def events(self) -> list[TruthEvent]:
        """Return the events by onset."""
        return sorted(self._events, key=lambda e: (e.onset_us, e.lift, e.kind))
