"""Faults of doors, one lift and one frame at a time. From docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener, merged
from tests.oracles.windowed import us

FAILS_TO_OPEN, FAILS_TO_CLOSE, HELD_OPEN, REOPENS = 10, 11, 12, 13
VALUES = {
    "car": (0, 0, 0, 0, 0, 1),
    "door": (2, 2, 1, 1, 1, 3, 3, 4, 4, 4, 0, 5, 6),
    "speed_mps": (0.0, 0.0, 0.0, 0.0, 0.0, 0.04, 1.5),
    "zone": (0, 1, 1),
    "passenger": (0, 0, 1, 3),
    "load_pct": (0.0, 0.0, 3.0, 4.0, 20.0),
    "safety_circuit": (1, 1, 1, 0),
    "terminal_power": (0, 0, 0, 1),
    "codes": ((), (), (2,), (3,), (2, 3), (41,)),
}
SHORT = {
    "fails_to_open_window_s": 2,
    "fails_to_close_window_s": 2,
    "held_open_window_s": 5,
    "unseen_closing_s": 2,
    "reopenings": 2,
    "fails_to_open_trips": 1,
    "door_bounces_per_min": 1,
    "silent_after_s": 3,
}
REACHES = {
    *((kind, change, reason) for kind in (10, 11, 12) for change, reason in ((1, 0), (3, 2))),
    *((13, change, reason) for change, reason in ((1, 0), (2, 0), (3, 2))),
}


@dataclass
class Rules:
    fails_to_open_window_s: float = 30
    fails_to_close_window_s: float = 30
    fails_to_open_trips: int = 2
    occupied_load_pct: float = 4
    held_open_window_s: float = 60
    unseen_closing_s: float = 5
    reopenings: int = 5
    door_bridge_s: float = 1
    door_bounces_per_min: int = 3
    silent_after_s: float = 45


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        rules, bridge = self.rules, us(self.rules.door_bridge_s)
        silent = us(rules.silent_after_s)
        self.door_before = None
        self.reopened = 0
        self.away, self.trips = False, 0
        self.minute, self.shuts = None, 0
        self.tells_closing = self.arrived = self.occupied = False
        self.opens_again = False
        self.window(FAILS_TO_OPEN, us(rules.fails_to_open_window_s), bridge, silent)
        self.window(FAILS_TO_CLOSE, us(rules.fails_to_close_window_s), bridge, silent)
        self.window(HELD_OPEN, us(rules.held_open_window_s), bridge, silent)
        self.window(REOPENS, 0, 0)

    def look(self, time, told):
        self.forget_what_was_before_a_silence(told)
        self.remember()
        self.count_trips()
        self.judge_opening(time)
        self.judge_closing(time)
        self.judge_held(time)
        self.windows[REOPENS].judged(time, self.reopened >= self.rules.reopenings)

    def forget_what_was_before_a_silence(self, told):
        silence_us = self.seen - self.seen_before if told and self.seen_before else 0
        if silence_us > us(self.rules.silent_after_s):
            self.arrived = self.occupied = False

    def has_news(self, before):
        """Tell that the doors open again; of the other findings nothing is told anew."""
        door, was = self.get("door"), before.get("door")
        self.opens_again = was in (1, 6) and door in (3, 4) and not self.moves
        self.closed_or_away = door in (2, 5) or self.moves
        self.count_shuts(door, was)
        return self.opens_again

    def frame(self, frame):
        others = {k: w for k, w in self.windows.items() if k != REOPENS}
        updates = {k: w.update for k, w in others.items()}
        for window in others.values():
            window.update = lambda time: None
        super().frame(frame)
        for kind, window in others.items():
            window.update = updates[kind]

    def count_shuts(self, door, was):
        """How often the doors were told to be shut in this minute."""
        if self.seen is not None and self.seen // us(60) != self.minute:
            self.minute, self.shuts = self.seen // us(60), 0
        if door in (2, 5) and was not in (2, 5):
            self.shuts += 1

    def count_trips(self):
        """How often the car left a zone since the doors were last apart."""
        leaves = self.moves and self.get("zone") == 0
        if self.get("door") in (1, 3, 4, 6):
            self.trips = 0
        elif leaves and not self.away:
            self.trips += 1
        if leaves:
            self.away = True
        elif self.stands and self.get("zone") == 1:
            self.away = False

    def remember(self):
        door = self.get("door")
        if self.closed_or_away:
            self.reopened = 0
        if self.opens_again:
            self.reopened += 1
        apart = door in (1, 3, 4, 6)
        if apart:
            self.arrived = self.occupied = False
        else:
            if self.moves and self.get("zone") == 0:
                self.arrived = True
            load = self.get("load_pct")
            somebody = self.get("passenger") or (
                load is not None and load >= self.rules.occupied_load_pct
            )
            if somebody and door in (2, 5):
                self.occupied = True
        self.tells_closing = self.tells_closing or door == 1

    @property
    def dark(self):
        return 1 in (self.get("power"), self.get("terminal_power")) or bool(self.code(41))

    @property
    def at_work(self):
        return self.get("mode") in (0, 2, 3, 4)

    def judge_opening(self, time):
        door, zone = self.get("door"), self.get("zone")
        waits = self.stands and zone == 1 and door in (2, 5) and self.arrived
        waits = waits and not self.at_work and not self.dark and self.get("safety_circuit") != 0
        sticks = self.trips > self.rules.fails_to_open_trips
        unknown = door is None or zone is None or (waits and (sticks or not self.occupied))
        self.sensed_open = None if unknown else waits
        holds, self.sure_open = merged(self.sensed_open, self.code(3))
        self.windows[FAILS_TO_OPEN].judged(time, holds)

    def judge_closing(self, time):
        door = self.get("door")
        if door in (1, 6) and not self.at_work:
            self.sensed_close = True
        else:
            self.sensed_close = False if door in (2, 5) else None
        holds, self.sure_close = merged(self.sensed_close, self.code(2))
        self.windows[FAILS_TO_CLOSE].judged(time, holds)

    def judge_held(self, time):
        ordinary = self.get("mode") in (None, 1, 7) and not self.dark
        stands_open = self.get("door") == 4 and self.get("zone") != 0 and not self.moves
        window = self.windows[HELD_OPEN]
        extra = 0 if self.tells_closing else self.rules.unseen_closing_s
        window.window_us = us(self.rules.held_open_window_s + extra)
        bounces = self.shuts > self.rules.door_bounces_per_min
        window.bridge_us = 0 if bounces else us(self.rules.door_bridge_s)
        window.judged(time, stands_open and ordinary)

    def confidence(self, kind):
        return {FAILS_TO_OPEN: self.sure_open, FAILS_TO_CLOSE: self.sure_close}.get(kind, 0)

    def said(self, kind):
        if kind == FAILS_TO_OPEN:
            return {"sensed": self.sensed_open, "arrived": self.arrived, "occupied": self.occupied}
        if kind == FAILS_TO_CLOSE:
            return {"sensed": self.sensed_close, "tells_closing": self.tells_closing}
        if kind == HELD_OPEN:
            return {"in_zone": self.get("zone"), "tells_closing": self.tells_closing}
        return {"reopened": self.reopened}
