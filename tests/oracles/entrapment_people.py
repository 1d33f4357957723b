"""Who is inside, for the oracle of entrapments: what sensor, scale and doors say together.

Written from DOMAIN.md section 3 and docs/detectors.md, not from the code.
"""

from dataclasses import dataclass, field

CLOSING, CLOSED, OPENING, OPEN, LOCKED, HELD = 1, 2, 3, 4, 5, 6


@dataclass
class Rules:
    """Thresholds, in seconds as people say them."""

    between_landings_window_s: float = 30
    at_landing_window_s: float = 60
    urgent_window_s: float = 10
    doubtful_stop_windows: int = 3
    moving_speed_mps: float = 0.05
    release_hold_s: float = 1
    interruption_s: float = 10
    class_hold_s: float = 10
    presence_stuck_openings: int = 20
    unexplained_window_s: float = 240
    unseen_window_s: float = 4 * 3600
    silent_after_s: float = 45
    empty_load_pct: float = 2
    overload_pct: float = 110
    unheard_doors_s: float = 5


@dataclass
class People:
    """What witnesses have said of who is inside."""

    rules: Rules = field(default_factory=Rules)

    # what was last told of each thing; a thing never told is not in it
    told: dict = field(default_factory=dict)
    latched: bool = False
    stale: bool = False  # ... and not seen since a silence
    openings: int = 0  # in which the presence sensor never changed
    scale_openings: int = 0  # in which the scale never changed its word
    stays_open: bool = False  # the doors are open, and were in the frame before
    called: bool = False  # the button, in this stop

    def seen_people(self):
        people = self.told.get("passenger")
        return None if people is None else people > 0

    def scale_word(self):
        """ "empty", "somebody", or None if the load was never told."""
        load = self.told.get("load_pct")
        if load is None:
            return None
        return "empty" if load <= self.rules.empty_load_pct else "somebody"

    def scale(self):
        """The scale's word as far as it is believed."""
        trusted = self.scale_openings < self.rules.presence_stuck_openings
        return self.scale_word() if trusted else None

    def judge_emptied(self, at_rest):
        """Open doors show an empty car though the zone says no landing: its switch sticks."""
        zone, nobody = self.told.get("zone"), self.seen_people() is False
        if at_rest and self.stays_open and zone == 0 and nobody and self.scale() == "empty":
            self.latched = self.stale = False

    def inside(self):
        if self.latched:
            doubted = self.stuck() or self.scale() == "empty"
            return "unknown" if doubted else "yes"
        if self.seen_people() is not None and not self.stuck():
            claim = self.seen_people() or self.scale() == "somebody"
            parted = self.told.get("door") in (OPENING, OPEN)
            return "unknown" if claim and not parted else "no"
        return "no" if self.scale() == "empty" and not self.called else "unknown"

    def claimed(self):
        return self.latched or self.scale() == "somebody"

    def stuck(self):
        return (
            self.seen_people() is not None and self.openings >= self.rules.presence_stuck_openings
        )
