"""A scenario as a feed: its fleet behind its network, recorded if wanted, moved to the present."""

from collections.abc import Sequence
from dataclasses import replace

from simulator.fleet import Fleet
from simulator.frames import Frames
from simulator.network.messages import Message, Messenger
from simulator.recordings.recorder import Recorder
from simulator.scenarios.build import Built
from simulator.truth import LookAlike, TruthEvent


class ScenarioFeed:
    """Messages of a scenario; all times are those of the run.

    Parameters
    ----------
    built
        The scenario.
    later_us
        How much later it is run than it takes place.
    """

    def __init__(self, built: Built, later_us: int) -> None:
        self.networked = built.source()
        self._built = built
        self._recorder: Recorder | None = None
        fleet = self.fleet
        self._later_us = later_us
        self._messenger = Messenger(
            built.network, built.seed, fleet.codes, fleet.labels, fleet.gateways, fleet.gateway_of
        )

    @property
    def fleet(self) -> Fleet:
        """The fleet that lives."""
        return self.networked.fleet

    @property
    def frames(self) -> int:
        """Frames that terminals made, without copies."""
        return self.networked.made

    @property
    def gateways(self) -> Sequence[str]:
        """Names of the gateways."""
        return self.fleet.gateways

    def record(self, recorder: Recorder) -> None:
        """Record what reaches the broker from now on, in the scenario's own time."""
        self._recorder = recorder

    def complete(self) -> None:
        """Complete the recording, if there is one."""
        if self._recorder is not None:
            self._recorder.add(self.networked.rest())
            self._recorder.complete(self._built.end_us, self.fleet.digest.hexdigest())

    def messages_until(self, t_us: int) -> list[Message]:
        """Let the fleet live until ``t_us`` and return what reaches the broker by then."""
        return self._messages(self.networked.arrived_until(t_us - self._later_us))

    def rest(self) -> list[Message]:
        """Return what is still under way, as if its time had come."""
        return self._messages(self.networked.rest())

    def truth(self) -> list[TruthEvent]:
        """Return the true events so far, by onset."""
        later_us = self._later_us
        return [
            replace(
                e,
                onset_us=e.onset_us + later_us,
                end_us=None if e.end_us is None else e.end_us + later_us,
                freeing_us=None if e.freeing_us is None else e.freeing_us + later_us,
                presses=tuple(t + later_us for t in e.presses),
            )
            for e in self.networked.truth()
        ]

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes so far, by their beginning."""
        later_us = self._later_us
        return [
            replace(
                one,
                from_us=one.from_us + later_us,
                to_us=None if one.to_us is None else one.to_us + later_us,
            )
            for one in self.networked.look_alikes()
        ]

    def _messages(self, frames: Frames) -> list[Message]:
        if self._recorder is not None:
            self._recorder.add(frames)
        times = ("time_us", "device_time_us", "arrival_us")
        moved = frames.replace(**{name: frames[name] + self._later_us for name in times})
        return self._messenger.messages(moved)
