"""What is built: lifts with their landings, drives, doors and terminals, drawn per building.

A ``Plan`` is a struct of arrays over the lifts of a fleet and never changes while a world runs.
Ranges are those of the domain facts, "Physics and traffic" (housing, office), plus a tower whose
express run through a blind zone takes more than a minute.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, between, chance, pick, words

ZONE_HALF_M: Final = 0.15
"""Half height of the unlocking zone [m]; EN 81-20 allows up to ±0.35 m, ±0.2 m without linkage."""


class Building(IntEnum):
    """Kind of building: decides sizes, drives and traffic."""

    HOUSING = 0
    OFFICE = 1
    TOWER = 2
    """Two landings and an express run of more than a minute between them."""


class Terminal(IntEnum):
    """What the terminal is connected to, hence what it knows."""

    COUPLED = 0
    """To the controller: everything."""
    RETROFIT = 1
    """To its own photo switches and accelerometer: zone, door, moving or not, floor by counting."""
    BAROMETRIC = 2
    """To nothing: a box on the car with a barometer and an accelerometer."""

    @property
    def slug(self) -> str:
        """Name in the registry's ``model`` and in ``TruthEvent.terminal``."""
        return self.name.lower()


class Presence(IntEnum):
    """How the terminal notices people."""

    ABSENT = 0
    PIR = 1
    """Passive infrared: loses people who do not move."""
    COUNT = 2
    """Camera that counts heads."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """Inclusive ranges from which a lift is drawn, in the units of the names."""

    speed_mmps: tuple[int, int]
    acceleration_mmps2: int
    jerk_mmps3: int
    storey_mm: tuple[int, int]
    lobby_mm: tuple[int, int]
    floors: tuple[int, int]
    opening_ms: tuple[int, int]
    closing_ms: tuple[int, int]
    dwell_ms: tuple[int, int]
    per_person_ms: tuple[int, int] = (1_000, 1_200)


RANGES: Final = {
    Building.HOUSING: Ranges(
        (1000, 2000), 600, 800, (2800, 3000), (4000, 4000), (6, 30),
        (2000, 2500), (2500, 3500), (3000, 5000),
    ),
    Building.OFFICE: Ranges(
        (1750, 4000), 1000, 1200, (3800, 4200), (5000, 6000), (8, 36),
        (1800, 2200), (2200, 3000), (2000, 4000),
    ),
    Building.TOWER: Ranges(
        (3000, 4000), 1000, 1200, (260_000, 300_000), (260_000, 300_000), (2, 2),
        (1800, 2200), (2200, 3000), (3000, 5000),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """Lifts as arrays of shape (n_lifts,), landings of shape (n_lifts, most landings).

    Parameters
    ----------
    building
        Number of the building; lifts of one building follow each other.
    kind
        ``Building``.
    landings_m
        Height of each landing above the lowest [m]; ``inf`` beyond the last.
    n_landings
        Landings of each lift.
    rated_mps, acceleration_mps2, jerk_mps3
        Limits of the drive.
    opening_us, closing_us, dwell_us, per_person_us
        Door times, whole ms.
    capacity
        Most people in the car.
    terminal, presence
        ``Terminal``, ``Presence``.
    rescue_device
        Has an automatic rescue device for power cuts.
    codes, labels
        Registration code and floor labels of each lift.
    first_lift
        Number of the first lift in the whole fleet, if this is a ``part`` of it. Draws about a
        lift are keyed by ``first_lift`` + row, those about a building by ``building``: lifts live
        the same life in a part as in the whole.
    """

    building: NDArray[np.int64]
    kind: NDArray[np.int64]
    landings_m: NDArray[np.float64]
    n_landings: NDArray[np.int64]
    rated_mps: NDArray[np.float64]
    acceleration_mps2: NDArray[np.float64]
    jerk_mps3: NDArray[np.float64]
    opening_us: NDArray[np.int64]
    closing_us: NDArray[np.int64]
    dwell_us: NDArray[np.int64]
    per_person_us: NDArray[np.int64]
    capacity: NDArray[np.int64]
    terminal: NDArray[np.int64]
    presence: NDArray[np.int64]
    rescue_device: NDArray[np.bool_]
    codes: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    first_lift: int = 0

    def __len__(self) -> int:
        """Return the number of lifts."""
        return len(self.codes)

    def part(self, lifts: range) -> "Plan":
        """Return the plan of these lifts alone; their buildings keep their numbers."""
        cut = {
            f.name: value[lifts.start : lifts.stop]
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), np.ndarray | tuple)
        }
        return replace(self, **cut, first_lift=self.first_lift + lifts.start)

    def share(self, k: int, of: int) -> range:
        """Return the lifts of share ``k`` of ``of`` shares of about equal size, whole buildings."""
        n = len(self)
        starts = np.flatnonzero(np.r_[True, self.building[1:] != self.building[:-1]])
        ends = np.append(starts, n)
        low, high = (int(ends[np.searchsorted(ends, i * n // of)]) for i in (k, k + 1))
        return range(low, high)

    def nearest_landing(
        self, lifts: NDArray[Any], height_m: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return the index of the landing nearest to each height."""
        away = np.abs(self.landings_m[lifts] - height_m[:, np.newaxis])
        return np.argmin(away, axis=1)

    def in_zone(self, lifts: NDArray[Any], height_m: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell whether a car at each height is in the unlocking zone of a landing."""
        away = np.abs(self.landings_m[lifts] - height_m[:, np.newaxis])
        return away.min(axis=1) <= ZONE_HALF_M


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares in a fleet, as integer weights.

    Parameters
    ----------
    housing, office, tower
        Kinds of buildings.
    coupled, retrofit, barometric
        Terminal types.
    absent, pir, count
        Presence sensing; only a coupled terminal can have a camera, others get a PIR instead.
    rescue_device_pct
        Lifts with an automatic rescue device [%].
    """

    housing: int = 70
    office: int = 28
    tower: int = 2
    coupled: int = 60
    retrofit: int = 30
    barometric: int = 10
    absent: int = 0
    pir: int = 60
    count: int = 40
    rescue_device_pct: int = 30


def draw_plan(n_lifts: int, seed: int, mix: Mix | None = None, code_prefix: str = "") -> Plan:
    """Draw ``n_lifts`` lifts in buildings of 1 to 4 lifts."""
    mix = mix or Mix()
    building = _buildings(n_lifts, seed)
    by_building = words(seed, Stream.BUILDING, building, 1)
    kind = pick(by_building[0], [mix.housing, mix.office, mix.tower])
    own = words(seed, Stream.LIFT, np.arange(n_lifts), 0)
    more = words(seed, Stream.LIFT, np.arange(n_lifts), 1)
    low = {name: _ends(kind, name) for name in ("speed_mmps", "storey_mm", "lobby_mm", "floors",
           "opening_ms", "closing_ms", "dwell_ms", "per_person_ms")}  # fmt: skip
    floors = between(by_building[1], *low["floors"])
    terminal = pick(own[0], [mix.coupled, mix.retrofit, mix.barometric])
    presence = pick(own[1], [mix.absent, mix.pir, mix.count])
    no_camera = (terminal != Terminal.COUPLED) & (presence == Presence.COUNT)
    return Plan(
        building=building,
        kind=kind,
        landings_m=_landings(
            floors, between(by_building[2], *low["lobby_mm"]),
            between(by_building[3], *low["storey_mm"]),
        ),
        n_landings=floors,
        rated_mps=(between(own[2], *low["speed_mmps"]) // 250 * 0.25).astype("f8"),
        acceleration_mps2=_fixed(kind, "acceleration_mmps2"),
        jerk_mps3=_fixed(kind, "jerk_mmps3"),
        opening_us=between(own[3], *low["opening_ms"]) * 1000,
        closing_us=between(more[0], *low["closing_ms"]) * 1000,
        dwell_us=between(more[1], *low["dwell_ms"]) * 1000,
        per_person_us=between(more[2], *low["per_person_ms"]) * 1000,
        capacity=np.full(n_lifts, 8),
        terminal=terminal,
        presence=np.where(no_camera, Presence.PIR, presence),
        rescue_device=chance(more[3], mix.rescue_device_pct * 10_000),
        codes=tuple(registration_code(i, code_prefix) for i in range(n_lifts)),
        labels=tuple(floor_labels(n) for n in floors.tolist()),
    )  # fmt: skip


def registration_code(index: int, prefix: str = "") -> str:
    """Return a registration code: 20 digits, or ``prefix`` and a number."""
    return f"{prefix}{index + 1:04d}" if prefix else f"3110330110{2014_000000 + index + 1:010d}"


def floor_labels(n_landings: int) -> tuple[str, ...]:
    """Return display texts: a basement from eight landings on, no floors 4, 13 and 14."""
    labels = ["B1"] if n_landings >= 8 else []
    number = 1
    while len(labels) < n_landings:
        if number not in (4, 13, 14):
            labels.append(str(number))
        number += 1
    return tuple(labels)


def with_terminals(
    plan: Plan, lifts: list[int], terminal: Terminal | None, presence: Presence | None
) -> Plan:
    """Return the plan with the terminals of some lifts exchanged; ``None`` = as they are."""
    terminals, presences = plan.terminal.copy(), plan.presence.copy()
    if terminal is not None:
        terminals[lifts] = terminal
    if presence is not None:
        presences[lifts] = presence
    return replace(plan, terminal=terminals, presence=presences)


def _buildings(n_lifts: int, seed: int) -> NDArray[np.int64]:
    sizes = 1 + pick(words(seed, Stream.BUILDING, np.arange(n_lifts), 0)[0], [40, 35, 15, 10])
    return np.repeat(np.arange(n_lifts), sizes)[:n_lifts]


def _ends(kind: NDArray[np.int64], name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    ends = np.array([getattr(RANGES[b], name) for b in Building])
    return ends[kind, 0], ends[kind, 1]


def _fixed(kind: NDArray[np.int64], name: str) -> NDArray[np.float64]:
    return np.array([getattr(RANGES[b], name) for b in Building])[kind] / 1000.0


def _landings(
    floors: NDArray[np.int64], lobby_mm: NDArray[np.int64], storey_mm: NDArray[np.int64]
) -> NDArray[np.float64]:
    number = np.arange(floors.max(initial=1))[np.newaxis, :]
    mm = lobby_mm[:, np.newaxis] + (number - 1) * storey_mm[:, np.newaxis]
    mm[:, 0] = 0
    return np.where(number < floors[:, np.newaxis], mm / 1000.0, np.inf)
