"""How well sensors know: noise, drift and what differs from lift to lift.

All of it is integer, in wire units, from Philox words keyed by (seed, stream, lift, instant), so it
depends neither on the steps nor on who else lives. Figures come from two recordings of a real lift
with a phone (26 readings of acceleration and one of pressure a second; ``docs/simulation.md`` has
the comparison), and from the domain facts where those go further.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, Words, between, normal, philox, words

Indices = NDArray[np.int64]

REST_MMPS2: Final = 5
"""Standard deviation of acceleration at rest; measured 5.4 and 5.7."""
RIDE_MMPS2: Final = 27
"""The same while the car runs; measured 26.0 and 28.4."""
VIBRATION_MMPS2: Final = (100, 215)
"""Usual vertical vibration of a lift, peak to peak in one second, drawn per lift. Measured 89 and
103; the field says 15-25 milli-g (147-245)."""
HORIZONTAL_MMPS2: Final = (85, 125)
"""The same for horizontal vibration; the field says 10-15 milli-g (98-147)."""
VIBRATION_PCT: Final = 15
"""Ride by ride and second by second it differs by up to this from the usual [%]."""
PRESSURE_MPA: Final = 10_000
"""Standard deviation of one reading of pressure [mPa]; measured 8.2 and 9.3 Pa at rest, without
outliers. 12 Pa are one metre."""
DRIFT_MPA: Final = 15_000
"""The day's pressure drifts between knots within ± this [mPa]: at most 0.3 hPa a day (practice)."""
DOOR_PULSE_PA: Final = 80
"""Largest pulse of pressure when doors part; measured 80 Pa once."""
MPA_PER_MM: Final = 12
DAY_US: Final = 86_400_000_000


class Draws:
    """Random bits for samples of one kind of terminal: one Philox block each.

    Parameters
    ----------
    seed
        Seed of the fleet.
    unit
        Number of the lift of each sample in the whole fleet.
    t_us
        Instant of each sample, whole ms.
    """

    def __init__(self, seed: int, unit: Indices, t_us: Indices) -> None:
        ms = (t_us // 1000).astype("u8")
        stream = np.full_like(ms, Stream.SENSOR)
        counter = (ms & np.uint64(0xFFFFFFFF), ms >> np.uint64(32), unit.astype("u8"), stream)
        first, second, _, _ = philox(counter, (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF))
        self._first, self._second = first.astype("i8"), second.astype("i8")

    def acceleration(self, deviation_mmps2: Indices) -> Indices:
        """Return noise of acceleration [mm/s²]."""
        return normal(self._first & 1023, deviation_mmps2)

    def pressure(self) -> Indices:
        """Return noise of one reading of pressure [mPa]."""
        return normal(self._first >> 10 & 1023, PRESSURE_MPA)

    def speed(self, deviation_mmps: int) -> Indices:
        """Return noise of speed [mm/s]."""
        return normal(self._first >> 20 & 1023, deviation_mmps)

    def vibration(self, usual_mmps2: Indices) -> Indices:
        """Return vertical vibration around the usual [mm/s²]."""
        return _around(usual_mmps2, self._second & 255)

    def horizontal(self, usual_mmps2: Indices) -> Indices:
        """Return horizontal vibration around the usual [mm/s²]."""
        return _around(usual_mmps2, self._second >> 8 & 255)

    def load(self) -> Indices:
        """Return noise of the load, in thousandths of a percent, up to ± 1 %."""
        return (self._second >> 16 & 255) * 2000 // 255 - 1000

    def miscount(self) -> Indices:
        """Return how many people a camera counts too many or too few: rarely one."""
        bits = self._second >> 24 & 255
        return (bits == 1).astype("i8") - (bits == 0)


def _around(usual: Indices, byte: Indices) -> Indices:
    """Return ``usual`` ± up to ``VIBRATION_PCT`` percent."""
    return usual + usual * VIBRATION_PCT * (2 * byte - 255) // 25_500


class Drift:
    """Drift of each lift's pressure: straight between values drawn for each midnight (UTC).

    Parameters
    ----------
    seed
        Seed of the fleet.
    unit
        Number of each lift in the whole fleet, shape (n_lifts,).
    """

    def __init__(self, seed: int, unit: Indices) -> None:
        self._seed = seed
        self._unit = unit
        self._knots: dict[int, Indices] = {}

    def __call__(self, lift: Indices, t_us: Indices) -> Indices:
        """Return the drift at each instant [mPa]."""
        day = t_us // DAY_US
        drift = np.empty(len(lift), "i8")
        for number in range(int(day.min(initial=2**31)), int(day.max(initial=-1)) + 1):
            own = day == number
            lifts = lift[own]
            low, high = self._knot(number), self._knot(number + 1)
            within_s = (t_us[own] - number * DAY_US) // 1_000_000
            drift[own] = low[lifts] + (high - low)[lifts] * within_s // 86_400
        return drift

    def _knot(self, day: int) -> Indices:
        if day not in self._knots:
            self._knots = {k: v for k, v in self._knots.items() if k >= day - 1}
            word = words(self._seed, Stream.BAROMETER, self._unit, day)[0]
            self._knots[day] = between(word, -DRIFT_MPA, DRIFT_MPA)
        return self._knots[day]


def door_pulse_mpa(seed: int, unit: Indices, opened_us: Indices) -> Indices:
    """Return the pulse of pressure of doors that begin to part at ``opened_us`` [mPa]."""
    word = words(seed, Stream.SENSOR_DOOR, unit, opened_us // 1000)[0]
    return between(word, -DOOR_PULSE_PA, DOOR_PULSE_PA) * 1000


def of_lifts(seed: int, unit: Indices) -> tuple[Words, Words, Words, Words]:
    """Return four words for what differs from lift to lift."""
    return words(seed, Stream.SENSOR, unit, 0)
