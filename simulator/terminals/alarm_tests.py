"""Periodic tests of the alarm (EN 81-28): when terminals make them, what is told, what is true.

A terminal that has an alarm button tests it at a fixed interval, from an instant of its own on: for
a few seconds it tells ``button`` and ``alarm_test``; else ``alarm_test`` is 0. Tests fail to come
while the terminal is silent, or by the cause ``alarm_test_missed``. Every test is a true
press of the button; once none has come for longer than allowed, the test is overdue until the next.
Nothing here knows the world; a fleet without an interval tells no ``alarm_test`` at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.faults.sensors import SensorFault
from simulator.randomness import Stream, between, words
from simulator.terminals.timeline import Cut, Timeline
from simulator.truth import TruthEvent
from simulator.world.buildings import Plan, Presence, Terminal
from simulator.world.knowledge import TELLS
from telemetry.findings import FindingKind

WITHIN_US: Final = 3 * 86_400 * SECOND_US
"""A test at least so often: EN 81-28, 4.2.1."""
PRESSED_US: Final = 3 * SECOND_US
"""How long a test holds the button (practice)."""
_SILENT: Final = frozenset({Cause.TERMINAL_SILENT, Cause.TERMINAL_REBOOT})


@dataclass(frozen=True, slots=True)
class TestPlan:
    """How often terminals test their alarm.

    Parameters
    ----------
    every_us
        From test to test, whole ms; 0 = never, and then nothing is told of it.
    within_us
        How long a lift may be without a test.
    """

    __test__ = False

    every_us: int = 0
    within_us: int = WITHIN_US


class AlarmTests:
    """Tests of the alarm of a fleet.

    Parameters
    ----------
    plan
        The lifts.
    how
        How often.
    seed, start_us
        Of the fleet.
    every_us
        Interval of frames while something moves: a test is held at least so long.
    missed
        Times without tests, ``lift`` is the row in the plan.
    silent
        Faults of sensors; in those that silence a terminal no test comes.
    """

    def __init__(
        self,
        plan: Plan,
        how: TestPlan,
        seed: int,
        start_us: int,
        every_us: int,
        missed: Iterable[Fault] = (),
        silent: Iterable[SensorFault] = (),
    ) -> None:
        self.on = how.every_us > 0
        self._plan, self._how = plan, how
        self._held_us = max(PRESSED_US, every_us)
        self._missed = [(f.lift, f.at_us, f.at_us + f.lasts_us) for f in missed]
        self._missed += [(f.unit, f.from_us, f.to_us) for f in silent if f.what in _SILENT]
        has_button = [t for t in Terminal if "button" in TELLS[t]]
        self.tells = np.isin(plan.terminal, has_button)
        self._next_us = np.full(len(plan), np.iinfo("i8").max)
        if self.on:
            unit = plan.first_lift + np.flatnonzero(self.tells)
            drawn = words(seed, Stream.ALARM_TEST, unit, 0)[0]
            self._next_us[self.tells] = (
                start_us + between(drawn, 0, how.every_us // 1000 - 1) * 1000
            )
        self._now_us = start_us
        self._active: list[tuple[int, int]] = []
        self._made: list[tuple[int, int]] = []

    def advance(self, until_us: int) -> list[Cut]:
        """Make the tests that begin before ``until_us``; return where terminals tell more often."""
        while len(due := np.flatnonzero(self._next_us < until_us)):
            for lift in due.tolist():
                at_us = int(self._next_us[lift])
                if not self._fails(lift, at_us):
                    self._active.append((lift, at_us))
                    self._made.append((lift, at_us))
            self._next_us[due] += self._how.every_us
        lasts_us = 2 * self._held_us
        self._active = [(lift, t) for lift, t in self._active if t + lasts_us > self._now_us]
        self._now_us = max(self._now_us, until_us)
        return [Cut(lift, t, t + lasts_us, silent=False) for lift, t in self._active]

    def samples(self, timeline: Timeline) -> NDArray[Any]:
        """Return the samples of a timeline that belong to a test."""
        own = (timeline.within(lift, t, t + self._held_us) for lift, t in self._active)
        return np.array([i for part in own for i in range(part.start, part.stop)], "i8")

    def truth(self, now_us: int) -> list[TruthEvent]:
        """Return the tests before ``now_us``, and the times without one."""
        made = sorted((lift, t) for lift, t in self._made if t < now_us)
        events = [self._test(lift, t, now_us) for lift, t in made]
        for i, (lift, t) in enumerate(made):
            following = made[i + 1][1] if made[i + 1 : i + 2] and made[i + 1][0] == lift else None
            overdue_us = t + self._how.within_us
            if overdue_us < (now_us if following is None else following):
                events.append(self._overdue(lift, overdue_us, following))
        return events

    def _fails(self, lift: int, at_us: int) -> bool:
        return any(a == lift and low <= at_us < high for a, low, high in self._missed)

    def _test(self, lift: int, at_us: int, now_us: int) -> TruthEvent:
        event = self._event(lift, FindingKind.ALARM_BUTTON, Cause.ALARM_TEST, at_us)
        over_us = at_us + self._held_us
        return replace(event, presses=(at_us,), end_us=over_us if over_us <= now_us else None)

    def _overdue(self, lift: int, at_us: int, end_us: int | None) -> TruthEvent:
        kind, cause = FindingKind.TEST_OVERDUE, Cause.ALARM_TEST_MISSED
        return replace(self._event(lift, kind, cause, at_us), end_us=end_us)

    def _event(self, lift: int, kind: FindingKind, cause: Cause, at_us: int) -> TruthEvent:
        plan = self._plan
        return TruthEvent(
            lift, plan.codes[lift], kind, str(cause), at_us, people=0,
            presence_known=bool(plan.presence[lift] != Presence.ABSENT),
            terminal=Terminal(int(plan.terminal[lift])).slug,
            effects=("button", "alarm_test"),
        )  # fmt: skip


def missed_of(script: Sequence[Fault]) -> tuple[list[Fault], list[Fault]]:
    """Part a script into times without tests and the rest."""
    missed = [f for f in script if f.cause is Cause.ALARM_TEST_MISSED]
    return missed, [f for f in script if f.cause is not Cause.ALARM_TEST_MISSED]
