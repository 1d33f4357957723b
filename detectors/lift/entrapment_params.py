"""Thresholds of the entrapment rule, with their sources. The rule itself is in ``entrapment``."""

from dataclasses import dataclass, field
from typing import Any, Final

from detectors.lift.doors import RELEASE_SOURCE
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.signals import SILENT_SOURCE

_TABLE: Final = "practice; truth table of entrapment (docs/detectors.md)"
_INTERRUPTION: Final = "practice: a door drive gives up one attempt sooner"
_CLASS_HOLD: Final = "practice: at most six class updates a minute"
_STUCK: Final = "practice: somebody uses one opening in twenty"
_UNEXPLAINED: Final = "practice: who finds no fault and needs no help presses a floor sooner"
_UNSEEN: Final = "practice: whoever is sent to a terminal silent for 1 h has been there by then"
_EMPTY: Final = "practice: 20 kg in a car for 1,000 kg; scales are good for a percent or two"
_OVERLOAD: Final = "EN 81-20, 5.12.1.2: overload is 110 % of rated at the latest"
_UNHEARD: Final = "practice: shorter than any stop at which doors open and close"


@dataclass(frozen=True, slots=True)
class EntrapmentParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    between_landings_window_us, at_landing_window_us
        How long a class must hold [µs].
    unexplained_window_us
        The same at a landing, where a lift that tells its faults tells nothing that explains why
        the doors stay closed [µs].
    unseen_window_us
        The same at a landing, unexplained, if whoever is inside was last seen before a silence, or
        the lift is silent when the window would be complete [µs].
    silent_after_us
        A lift of which nothing was heard for longer is silent [µs].
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
        Openings in the zone without any change of the presence sensor, or of the scale between
        empty and not, that make it untrusted; one after a long stay behind closed doors with
        somebody inside counts ten times.
    empty_load_pct
        A car that weighs no more is empty, of rated load [%].
    overload_pct
        A car that weighs more is overloaded [%].
    unheard_doors_us
        A stay at a landing so long lets people out of a car whose doors are never told [µs].
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
    unexplained_window_us: Any = field(
        default=240 * US_PER_S,
        metadata=in_seconds("unexplained_window_s", 0.1, 86_400, _UNEXPLAINED),
    )
    unseen_window_us: Any = field(
        default=4 * 3600 * US_PER_S, metadata=in_seconds("unseen_window_s", 0.1, 86_400, _UNSEEN)
    )
    silent_after_us: Any = field(
        default=45 * US_PER_S, metadata=in_seconds("silent_after_s", 0.1, 86_400, SILENT_SOURCE)
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
    empty_load_pct: Any = field(default=2.0, metadata=plain("empty_load_pct", 0, 100, "f4", _EMPTY))
    overload_pct: Any = field(
        default=110.0, metadata=plain("overload_pct", 50, 500, "f4", _OVERLOAD)
    )
    unheard_doors_us: Any = field(
        default=5 * US_PER_S, metadata=in_seconds("unheard_doors_s", 0, 600, _UNHEARD)
    )
