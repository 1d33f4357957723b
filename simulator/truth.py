"""The truth beside the frames: what really happened, and what only looked like it.

Pure. Classes are ``telemetry.findings``. How alarms compare with it is for ``scoring``.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from telemetry.findings import FINDINGS, FindingKind


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """One true event: something that is really so, of any kind that can be found.

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
        It became true: for people trapped the car stood still and they could not get out, for a
        button the first press; the others are in ``docs/simulation.md``.
    end_us
        It ceased to be true, ``None`` = not yet: for people trapped the doors stood open in the
        door zone, for a button its last letting go.
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


def joined(
    events: Sequence[TruthEvent], kind: FindingKind, causes: Collection[str]
) -> list[TruthEvent]:
    """Join events of one kind, lift and any of these causes that overlap; the first one stays."""
    rest = [e for e in events if e.kind is not kind or e.cause not in causes]
    some = [e for e in events if e.kind is kind and e.cause in causes]
    whole: list[TruthEvent] = []
    for event in sorted(some, key=lambda e: (e.lift, e.onset_us)):
        last = whole[-1] if whole else None
        if last is None or last.lift != event.lift or _is_over(last, event.onset_us):
            whole.append(event)
        elif last.end_us is not None:
            later = event.end_us is None or event.end_us > last.end_us
            whole[-1] = replace(last, end_us=event.end_us) if later else last
    return rest + whole


def _is_over(event: TruthEvent, at_us: int) -> bool:
    return event.end_us is not None and event.end_us < at_us


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

    def resume(self, number: int) -> None:
        """Take back the end of an event: it goes on."""
        self._events[number] = replace(self._events[number], end_us=None, self_released=False)

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


class LookAlikeLog:
    """Collects look-alikes while a world runs; every one has a number by which it is ended."""

    def __init__(self) -> None:
        self._seen: list[LookAlike] = []

    def begin(self, seen: LookAlike) -> int:
        """Add a look-alike and return its number."""
        self._seen.append(seen)
        return len(self._seen) - 1

    def end(self, number: int, to_us: int) -> None:
        """Set the end of a look-alike."""
        self._seen[number] = replace(self._seen[number], to_us=to_us)

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes by their beginning."""
        return sorted(self._seen, key=lambda s: (s.from_us, s.lift, s.cause))
