"""Traffic for soaks: lifts in which people keep getting trapped, among steady load and bad input.

Two feeds in real time. *The fleet*: entrapments of all causes one after another, freed by
themselves after a while; its network duplicates, reorders and breaks payloads, some terminals
believe that it is 1970, some restart. *The load*: lifts that nobody registered, all of them well.
What the broker acknowledged is remembered frame by frame; the truth comes from the fleet.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any, Final, Protocol

from service.soak.accounts import SentKey
from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.fleet import Fleet, FleetSpec, TerminalChoice
from simulator.network.messages import Message
from simulator.network.spec import NetworkSpec, Restart, WrongClock
from simulator.publishing.feed import Feed, FleetFeed, SteadyLoad
from simulator.publishing.publish import Publisher, PublishSettings
from simulator.scenarios.presets import as_record
from simulator.truth import TruthEvent
from simulator.world.buildings import Mix, Presence, Terminal
from telemetry.findings import FindingKind

STEP_S: Final = 0.02
"""How often is looked what is due."""
WINDOWS: Final = {
    "between_landings_window_s": 4,
    "at_landing_window_s": 7,
    "urgent_window_s": 2,
}
"""Hold windows of the fleet's lifts, as per-lift parameters in the registry."""
NEEDED_US: Final = 9 * SECOND_US
"""An entrapment that lasted longer must have been found: the longest window and a frame."""
EVERY_US: Final = 2_500_000
"""Somebody gets trapped so often."""
LEAD_US: Final = 17 * SECOND_US
"""The fleet has lived so long when its first frame is sent; the first ride to an entrapment takes
longer, so that everybody is told of each from its beginning on."""
_YEAR_1970_US: Final = 3_000_000_000_000
"""Told times below this are of a clock that believes in 1970 [µs]."""
_FLUSH_S: Final = 30.0
_BOOK: Final = (
    (Cause.DOOR_LOCK, ()),
    (Cause.CONTROLLER_STOP, (1 * SECOND_US,)),
    (Cause.SAFETY_CIRCUIT, ()),
    (Cause.MAINS_CUT, ()),
    (Cause.DOOR_LOCK, (3 * SECOND_US, 7 * SECOND_US)),
    (Cause.CONTROLLER_STOP, ()),
)


def broken_in(messages: Sequence[Message]) -> set[tuple[str, bytes]]:
    """Return topic and payload of the messages without a usable frame."""
    return {(m.topic, m.payload) for m in messages if not m.keys}


class Clock(Protocol):
    """Reads the time."""

    def now_us(self) -> int:
        """Return µs since epoch, UTC."""
        ...


@dataclass(frozen=True, slots=True)
class TrafficSpec:
    """How much traffic there is.

    Parameters
    ----------
    lifts
        Lifts in which people get trapped, one after another.
    load_lifts, load_frames_per_s
        Steady load beside them.
    seed
        Of fleet, network and script.
    longest_s
        Entrapments are scripted for this long; the traffic may end before.
    """

    lifts: int = 24
    load_lifts: int = 150
    load_frames_per_s: int = 300
    seed: int = 1
    longest_s: int = 600


class Traffic:
    """Fleet and load; ``run`` publishes until it is told to stop."""

    def __init__(self, spec: TrafficSpec, start_us: int) -> None:
        self.start_us = start_us // 1000 * 1000
        self.fleet = _fleet(spec, self.start_us - LEAD_US)
        self.fleet.frames_until(self.start_us)  # what was before, nobody was told
        self._wrong_us = {c.lift: c.offset_us for c in _clocks(spec, self.start_us)}
        self._feed = FleetFeed(self.fleet, _network(spec, self.start_us), spec.seed)
        self._load = SteadyLoad(spec.load_lifts, spec.load_frames_per_s, self.start_us)
        self._broken: set[tuple[str, bytes]] = set()
        self.published = 0
        self._acknowledged: list[SentKey] = []

    def registrations(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the fleet's lifts as a rig registers them; the load's stay unknown."""
        rows = [as_record(row) for row in self.fleet.registry()]
        return [(row.pop("code"), row | {"confirmed": True}) for row in rows]

    async def run(self, mqtt_url: str, client_id: str, clock: Clock, stop: asyncio.Event) -> None:
        """Publish in real time until ``stop``, then what is under way; wait for all PUBACKs."""
        async with (
            Publisher(PublishSettings(mqtt_url, 1, f"{client_id}-f"), remember_keys=True) as fleet,
            Publisher(PublishSettings(mqtt_url, 1, f"{client_id}-l"), remember_keys=True) as load,
        ):
            await fleet.announce(self.fleet.gateways, "online", self.start_us)
            pairs: tuple[tuple[Feed, Publisher], ...] = ((self._feed, fleet), (self._load, load))
            while not stop.is_set():
                now_us = clock.now_us()
                for feed, publisher in pairs:
                    messages = feed.messages_until(now_us)
                    self._broken |= broken_in(messages)
                    await publisher.publish(messages)
                await asyncio.sleep(STEP_S)
            rest = self._feed.rest()
            self._broken |= broken_in(rest)
            await fleet.publish(rest)
            await fleet.announce(self.fleet.gateways, "offline", clock.now_us())
            for _, publisher in pairs:
                await publisher.flush(_FLUSH_S)
        self.published = fleet.report.frames + load.report.frames
        self._acknowledged = _named(fleet, self.fleet.codes) + _named(load, self._load.codes)

    @property
    def broken(self) -> int:
        """Number of broken payloads that differ: those that are alike are one dead letter."""
        return len(self._broken)

    @property
    def acknowledged(self) -> list[SentKey]:
        """Frames that the broker acknowledged, copies included; known after ``run``."""
        return self._acknowledged

    def truth(self) -> list[TruthEvent]:
        """Return the true events about people that anybody was told of from their beginning on.

        All presses in a lift are one event without an end: nobody ends an alarm of the button here,
        so whoever presses again presses for the alarm that is open.
        """
        events: list[TruthEvent] = []
        pressed: dict[int, TruthEvent] = {}
        for event in self.fleet.truth():
            if event.onset_us < self.start_us or not event.life_safety:
                continue
            if event.kind is not FindingKind.ALARM_BUTTON:
                events.append(event)
                continue
            known = pressed.get(event.lift, event)
            presses = event.presses if known is event else (*known.presses, *event.presses)
            pressed[event.lift] = replace(known, presses=presses, end_us=None)
        return sorted([*events, *pressed.values()], key=lambda e: (e.onset_us, e.lift, e.kind))

    def told_us(self) -> dict[int, int]:
        """Return when the newest acknowledged frame of each lift was made."""
        newest: dict[int, int] = {}
        lift_of = {code: lift for lift, code in enumerate(self.fleet.codes)}
        for key in self._acknowledged:
            lift = lift_of.get(key.code)
            if lift is not None:
                made_us = self.true_time_us(lift, key.device_time_us)
                newest[lift] = max(newest.get(lift, made_us), made_us)
        return newest

    def true_time_us(self, lift: int, told_us: int) -> int:
        """Return when a frame was made that told ``told_us``."""
        wrong_us = self._wrong_us.get(lift)
        return told_us if wrong_us is None or told_us > _YEAR_1970_US else told_us - wrong_us


def _named(publisher: Publisher, codes: Sequence[str]) -> list[SentKey]:
    keys = publisher.report.acknowledged
    return [SentKey(codes[key.lift], key.device_time_us, key.seq) for key in keys]


def _fleet(spec: TrafficSpec, start_us: int) -> Fleet:
    lifts = spec.lifts
    if lifts < len(_BOOK):
        raise ValueError(f"a soak needs at least {len(_BOOK)} lifts, not {lifts}")
    count = (spec.longest_s * SECOND_US + LEAD_US) // EVERY_US
    script = tuple(
        Fault(
            lift=k % lifts,
            cause=cause,
            at_us=start_us + k * EVERY_US,
            people=1 + k % 3,
            presses_us=presses_us,
            release_after_us=(11 + k % 4) * SECOND_US,
            lasts_us=12 * SECOND_US,
        )
        for k, (cause, presses_us) in enumerate(islice(cycle(_BOOK), count))
    )
    everyone = tuple(range(lifts))
    return Fleet(
        FleetSpec(
            start_us,
            lifts,
            mix=Mix(rescue_device_pct=30, tower=0),
            quiet=everyone,
            script=script,
            terminals=(
                TerminalChoice(everyone[::2], Terminal.COUPLED, Presence.COUNT),
                TerminalChoice(everyone[1::2], Terminal.COUPLED, Presence.PIR),
            ),
            params=dict(WINDOWS),
            gateway_prefix="soak-",
        ),
        spec.seed,
    )


def _clocks(spec: TrafficSpec, start_us: int) -> tuple[WrongClock, ...]:
    """Return who believes in 1970: every sixth lift at once, every sixth after a while."""
    offset_us = -(start_us - 86_400 * SECOND_US)
    early = [WrongClock(lift, 0, offset_us) for lift in range(1, spec.lifts, 6)]
    since_us = start_us + 20 * SECOND_US
    later = [WrongClock(lift, since_us, offset_us) for lift in range(3, spec.lifts, 6)]
    return (*early, *later)


def _network(spec: TrafficSpec, start_us: int) -> NetworkSpec:
    restarts = tuple(
        Restart(lift, start_us + (10 + lift) * SECOND_US) for lift in range(2, spec.lifts, 6)
    )
    return NetworkSpec(
        duplicate_ppm=20_000,
        reorder_ppm=10_000,
        broken_ppm=20_000,
        clocks=_clocks(spec, start_us),
        restarts=restarts,
    )
