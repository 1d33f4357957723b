"""What is built: lifts with their landings, drives, doors and terminals, drawn per building.

A ``Plan`` is a struct of arrays over the lifts of a fleet and never changes while a world runs.
A building has one group of 1 to 8 equal lifts, which follow each other in the plan. Ranges for
housing and offices are those of the domain facts, "Physics and traffic"; those for hospitals, shops
and metro stations are practice (no published figures), with the loads of EN 81-20, table 6; a tower
has an express run of more than a minute through a blind zone.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, Words, between, chance, pick, words

ZONE_HALF_M: Final = 0.15
"""Half height of the unlocking zone [m]; EN 81-20 allows up to ±0.35 m, ±0.2 m without linkage."""
BAROMETER_NEAR_M: Final = 0.40
"""A box with a barometer takes a car that seems to stand within this of a learned landing to be at
it (practice)."""


class Building(IntEnum):
    """Kind of building: decides sizes, drives and traffic."""

    HOUSING = 0
    OFFICE = 1
    TOWER = 2
    """Two landings and an express run of more than a minute between them."""
    HOSPITAL = 3
    """Bed lifts: wide slow doors, large cars, much traffic between floors, also at night."""
    SHOP = 4
    """A department store: few high storeys, busiest in the evening and at the weekend."""
    METRO = 5
    """A station: two or three landings, slow drives, patient doors."""


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
    """Inclusive ranges from which a building and its lifts are drawn, in the units of the names.

    ``lifts`` are weights of groups of 1, 2, ... lifts, ``capacity`` indices into ``CAPACITIES``.
    """

    speed_mmps: tuple[int, int]
    acceleration_mmps2: int
    jerk_mmps3: int
    storey_mm: tuple[int, int]
    lobby_mm: tuple[int, int]
    floors: tuple[int, int]
    opening_ms: tuple[int, int]
    closing_ms: tuple[int, int]
    dwell_ms: tuple[int, int]
    capacity: tuple[int, int]
    lifts: tuple[int, int, int, int, int, int, int, int]
    per_person_ms: tuple[int, int] = (1_000, 1_200)


CAPACITIES: Final = (8, 10, 13, 17, 21)
"""People that fit into cars of 630, 800, 1000, 1275 and 1600 kg, 75 kg each (EN 81-20)."""

RANGES: Final = {
    Building.HOUSING: Ranges(
        (1000, 2000), 600, 800, (2800, 3000), (4000, 4000), (6, 30),
        (2000, 2500), (2500, 3500), (3000, 5000), (0, 2), (45, 38, 12, 5, 0, 0, 0, 0),
    ),
    Building.OFFICE: Ranges(
        (1750, 4000), 1000, 1200, (3800, 4200), (5000, 6000), (8, 36),
        (1800, 2200), (2200, 3000), (2000, 4000), (2, 4), (5, 20, 20, 25, 5, 15, 0, 10),
    ),
    Building.TOWER: Ranges(
        (3000, 4000), 1000, 1200, (260_000, 300_000), (260_000, 300_000), (2, 2),
        (1800, 2200), (2200, 3000), (3000, 5000), (2, 4), (20, 40, 20, 20, 0, 0, 0, 0),
    ),
    Building.HOSPITAL: Ranges(
        (1000, 2500), 600, 800, (3900, 4500), (4500, 5000), (5, 20),
        (2500, 3500), (3500, 4500), (5000, 8000), (3, 4), (5, 20, 20, 25, 10, 10, 5, 5),
        (1000, 1500),
    ),
    Building.SHOP: Ranges(
        (1000, 1750), 700, 900, (4500, 5500), (5000, 6000), (3, 8),
        (2200, 2800), (3000, 3800), (4000, 6000), (2, 4), (35, 35, 15, 15, 0, 0, 0, 0),
        (1200, 1500),
    ),
    Building.METRO: Ranges(
        (750, 1000), 500, 700, (5000, 9000), (5000, 9000), (2, 3),
        (2500, 3200), (3500, 4500), (6000, 9000), (2, 4), (60, 40, 0, 0, 0, 0, 0, 0),
        (1200, 1500),
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

    def in_zone(
        self, lifts: NDArray[Any], height_m: NDArray[np.float64], half_m: float = ZONE_HALF_M
    ) -> NDArray[np.bool_]:
        """Tell whether a car at each height is in a landing's zone, by default the unlocking."""
        away = np.abs(self.landings_m[lifts] - height_m[:, np.newaxis])
        return away.min(axis=1) <= half_m


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares in a fleet, as integer weights.

    Parameters
    ----------
    housing, office, tower, hospital, shop, metro
        Kinds of buildings.
    coupled, retrofit, barometric
        Terminal types.
    absent, pir, count
        Presence sensing; only a coupled terminal can have a camera, others get a PIR instead.
    rescue_device_pct
        Lifts with an automatic rescue device [%].
    landings, lifts_per_building, speed_mmps
        The same in all buildings, instead of drawn from the ranges of their kind; 0 = drawn.
    """

    housing: int = 70
    office: int = 15
    tower: int = 2
    hospital: int = 4
    shop: int = 6
    metro: int = 3
    coupled: int = 60
    retrofit: int = 30
    barometric: int = 10
    absent: int = 0
    pir: int = 60
    count: int = 40
    rescue_device_pct: int = 30
    landings: int = 0
    lifts_per_building: int = 0
    speed_mmps: int = 0


def draw_plan(n_lifts: int, seed: int, mix: Mix | None = None, code_prefix: str = "") -> Plan:
    """Draw ``n_lifts`` lifts in buildings of 1 to 8 lifts; the last building may be cut short."""
    mix = mix or Mix()
    building = _buildings(n_lifts, seed, mix)
    kind = _kinds(building, seed, mix)
    _, floor, lobby, storey = words(seed, Stream.BUILDING, building, 1)
    speed, capacity, _, _ = words(seed, Stream.BUILDING, building, 2)
    own = words(seed, Stream.LIFT, np.arange(n_lifts), 0)
    more = words(seed, Stream.LIFT, np.arange(n_lifts), 1)

    given = {"floors": mix.landings, "speed_mmps": mix.speed_mmps}

    def drawn(word: Words, name: str) -> NDArray[np.int64]:
        if given.get(name):
            return np.full(n_lifts, given[name])
        ends = np.array([getattr(RANGES[b], name) for b in Building])
        return between(word, ends[kind, 0], ends[kind, 1])

    floors = drawn(floor, "floors")
    terminal = pick(own[0], [mix.coupled, mix.retrofit, mix.barometric])
    presence = pick(own[1], [mix.absent, mix.pir, mix.count])
    no_camera = (terminal != Terminal.COUPLED) & (presence == Presence.COUNT)
    return Plan(
        building=building,
        kind=kind,
        landings_m=_landings(floors, drawn(lobby, "lobby_mm"), drawn(storey, "storey_mm")),
        n_landings=floors,
        rated_mps=(drawn(speed, "speed_mmps") // 250 * 0.25).astype("f8"),
        acceleration_mps2=_fixed(kind, "acceleration_mmps2"),
        jerk_mps3=_fixed(kind, "jerk_mmps3"),
        opening_us=drawn(own[3], "opening_ms") * 1000,
        closing_us=drawn(more[0], "closing_ms") * 1000,
        dwell_us=drawn(more[1], "dwell_ms") * 1000,
        per_person_us=drawn(more[2], "per_person_ms") * 1000,
        capacity=np.array(CAPACITIES)[drawn(capacity, "capacity")],
        terminal=terminal,
        presence=np.where(no_camera, Presence.PIR, presence),
        rescue_device=chance(more[3], mix.rescue_device_pct * 10_000),
        codes=tuple(registration_code(i, code_prefix) for i in range(n_lifts)),
        labels=tuple(floor_labels(n) for n in floors.tolist()),
    )


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


def _kinds(building: NDArray[np.int64], seed: int, mix: Mix) -> NDArray[np.int64]:
    weights = [getattr(mix, b.name.lower()) for b in Building]
    return pick(words(seed, Stream.BUILDING, building, 1)[0], weights)


def _buildings(n_lifts: int, seed: int, mix: Mix) -> NDArray[np.int64]:
    number = np.arange(n_lifts)
    if mix.lifts_per_building:
        return number // mix.lifts_per_building
    weights = np.array([RANGES[b].lifts for b in Building])[_kinds(number, seed, mix)]
    sizes = 1 + pick(words(seed, Stream.BUILDING, number, 0)[0], weights)
    return np.repeat(number, sizes)[:n_lifts]


def _fixed(kind: NDArray[np.int64], name: str) -> NDArray[np.float64]:
    return np.array([getattr(RANGES[b], name) for b in Building])[kind] / 1000.0


def _landings(
    floors: NDArray[np.int64], lobby_mm: NDArray[np.int64], storey_mm: NDArray[np.int64]
) -> NDArray[np.float64]:
    number = np.arange(floors.max(initial=1))[np.newaxis, :]
    mm = lobby_mm[:, np.newaxis] + (number - 1) * storey_mm[:, np.newaxis]
    mm[:, 0] = 0
    return np.where(number < floors[:, np.newaxis], mm / 1000.0, np.inf)
