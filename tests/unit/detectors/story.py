"""One lift told in seconds, for tests that read like a story."""

import numpy as np

from detectors.bank import BANK, Bank
from detectors.lift.alarm_button import AlarmButtonDetector
from detectors.lift.entrapment import EntrapmentDetector
from telemetry.batch import FrameBatch
from telemetry.findings import Change, FindingKind
from tests.contract.detector_streams import START_US, S, batch_of

BETWEEN = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
LANDING = FindingKind.ENTRAPMENT_AT_LANDING
BUTTON = FindingKind.ALARM_BUTTON

LISTENING = tuple(d for d in BANK if d.name != "terminal_silent")

TRAPPED_BETWEEN = {"car": 0, "speed_mps": 0.0, "zone": 0, "door": 2, "passenger": 1, "mode": 1}
TRAPPED_AT_LANDING = {**TRAPPED_BETWEEN, "zone": 1}
RUNNING = {**TRAPPED_BETWEEN, "car": 1, "speed_mps": 1.5}
OPEN_AT_LANDING = {**TRAPPED_AT_LANDING, "door": 4}


class Lift:
    """A lift whose frames and ticks are given at seconds after the start.

    The whole bank listens but for silence, since stories skip time, or only the given detectors.
    """

    def __init__(self, *detectors, **overrides):
        self.bank = Bank(1, {0: overrides}, detectors or LISTENING)
        self.found = []
        self.last_s = 0

    def at(self, time_s, *states, **known):
        """Send a frame; later states and keywords win. Return what it brought about."""
        return self.all_at_once([(time_s, joined(*states, known))])

    def all_at_once(self, timed_frames):
        """Send (seconds, frame) pairs as one batch. Return what they brought about."""
        frames = [{**frame, "time_us": us(time_s)} for time_s, frame in timed_frames]
        self.last_s = max(time_s for time_s, _ in timed_frames)
        return self._take(self.bank.step(batch_of([0] * len(frames), frames)))

    def wait_until(self, time_s):
        """Tick. Return what it brought about."""
        return self._take(self.bank.step(FrameBatch.empty(), np.array([us(time_s)]), [0]))

    def alive_until(self, time_s):
        """Send a heartbeat every 15 s from the last frame on, then tick."""
        found = []
        for beat_s in np.arange(self.last_s + 15, time_s, 15).tolist():
            found += self.at(beat_s, floor=3)
        return found + self.wait_until(time_s)

    def every(self, step_s, start_s, stop_s, *states, **known):
        """Send the same frame again and again, from start to before stop, as one batch."""
        times_s = np.arange(start_s, stop_s, step_s).tolist()
        return self.all_at_once([(time_s, joined(*states, known)) for time_s in times_s])

    def said(self, *kinds):
        """All so far as (change, kind_now, seconds), of these kinds or of entrapments."""
        kinds = kinds or (BETWEEN, LANDING)
        return [
            (t.change.name.lower(), t.kind_now, seconds(t.t_us))
            for t in self.found
            if t.kind in kinds
        ]

    def raised(self, *kinds):
        """Seconds at which something was raised."""
        kinds = kinds or (BETWEEN, LANDING)
        return [
            seconds(t.t_us) for t in self.found if t.change is Change.RAISED and t.kind in kinds
        ]

    def _take(self, outcome):
        assert not outcome.failed
        self.bank.adopt(outcome)
        found = [r for block in outcome.transitions for r in block.records(np.array([77]))]
        self.found += found
        return found


class RescueLift(Lift):
    """A lift that only the rules of rescue watch: entrapments and the alarm button."""

    def __init__(self, **overrides):
        super().__init__(EntrapmentDetector(), AlarmButtonDetector(), **overrides)


def joined(*states):
    """Put states over each other; later ones win, ``None`` is not told."""
    frame = {k: v for state in states for k, v in state.items()}
    return {k: v for k, v in frame.items() if v is not None}


def us(time_s):
    return START_US + round(time_s * S)


def seconds(t_us):
    return (t_us - START_US) / S
