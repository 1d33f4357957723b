"""Thresholds of the entrapment rule, with their sources. The rule itself is in ``entrapment``."""

from dataclasses import dataclass, field
from typing import Any, Final

from detectors.doors import RELEASE_SOURCE
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain

_TABLE: Final = "practice; truth table of entrapment (docs/detectors.md)"
_INTERRUPTION: Final = "practice: a door drive gives up one attempt sooner"
_CLASS_HOLD: Final = "practice: at most six class updates a minute"
_STUCK: Final = "practice: somebody uses one opening in twenty"


@dataclass(frozen=True, slots=True)
class EntrapmentParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    between_landings_window_us, at_landing_window_us
        How long a class must hold [µs].
    urgent_window_us
        The same once the button was pressed, or mains is off with a person inside [µs].
    doubtful_stop_windows
        Number of windows when the car says "running" at a speed below ``moving_speed_mps``.
    moving_speed_mps
        Speed from which on a car moves [m/s].
    release_hold_us
        How long doors must stand open in the zone to let people out [µs].
    interruption_us
        A longer time without any class, in one stop, starts the window anew; a shorter one does
        not, so a flapping door or zone switch cannot put an alarm off for ever [µs].
    class_hold_us
        How long the other class must hold before an active alarm is updated to it [µs].
    presence_stuck_openings
        Openings in the zone without any change of the presence sensor that make it untrusted.
    """

    between_landings_window_us: Any = field(
        default=30 * US_PER_S, metadata=in_seconds("between_landings_window_s", 0.1, 3600, _TABLE)
    )
    at_landing_window_us: Any = field(
        default=60 * US_PER_S, metadata=in_seconds("at_landing_window_s", 0.1, 3600, _TABLE)
    )
    urgent_window_us: Any = field(
        default=10 * US_PER_S, metadata=in_seconds("urgent_window_s", 0.1, 3600, _TABLE)
    )
    doubtful_stop_windows: Any = field(
        default=3, metadata=plain("doubtful_stop_windows", 1, 100, "i8", _TABLE)
    )
    moving_speed_mps: Any = field(
        default=0.05, metadata=plain("moving_speed_mps", 0.001, 5, "f4", _TABLE)
    )
    release_hold_us: Any = field(
        default=1 * US_PER_S, metadata=in_seconds("release_hold_s", 0, 60, RELEASE_SOURCE)
    )
    interruption_us: Any = field(
        default=10 * US_PER_S, metadata=in_seconds("interruption_s", 0, 600, _INTERRUPTION)
    )
    class_hold_us: Any = field(
        default=10 * US_PER_S, metadata=in_seconds("class_hold_s", 0, 600, _CLASS_HOLD)
    )
    presence_stuck_openings: Any = field(
        default=20, metadata=plain("presence_stuck_openings", 1, 200, "i8", _STUCK)
    )
