"""What a fault does to an escalator or walk: stretches of its life, and what is true meanwhile.

Pure: a ``Fault`` and the unit's own direction become ``Stretch``es that take the place of ordinary
life, and the true events or the look-alike. Steps change their speed at once: a unit's stop takes
a second or two, and its terminal tells a frame a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from telemetry.columns import CODE_BIT, Direction, EscalatorMode, Power
from telemetry.findings import FindingKind

RESTART_PREVENTED: Final = 65
GOVERNOR_PCT: Final = 120
"""Speed at which the governor must have stopped the steps [% of nominal]; EN 115-1."""
GOVERNOR_US: Final = 2 * SECOND_US
REVERSED_US: Final = 3 * SECOND_US
"""How long the steps run back until they are stopped."""
RUNS_BEFORE_US: Final = 20 * SECOND_US
"""A unit that turns back has run before."""
STANDS_US: Final = 20 * SECOND_US
"""Between the two directions of a commanded reversal."""
_SIZES: Final[Mapping[Cause, int]] = MappingProxyType(
    {
        Cause.ESCALATOR_OVERSPEED: 115,
        Cause.HANDRAIL_DEVIATION: 20,
        Cause.ENERGY_SAVING: 40,
    }
)
"""Usual sizes: % of nominal; % behind the steps; % of nominal."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """``[from_us, to_us)`` of a unit's life in which nothing but wobble changes.

    Parameters
    ----------
    speed_pct
        Of nominal; 0 = it stands.
    direction
        Of the steps.
    left_pct, right_pct
        How far a handrail is behind the steps [% of nominal].
    gap_us
        Since when a step is missing; 0 = none is.
    cover, emergency
        1 = cover open; emergency stop pressed.
    safety
        1 = safety circuit closed.
    codes
        National codes as bits.
    """

    from_us: int
    to_us: int
    speed_pct: int = 0
    direction: Direction = Direction.UP
    left_pct: int = 0
    right_pct: int = 0
    gap_us: int = 0
    mode: EscalatorMode = EscalatorMode.NORMAL
    power: Power = Power.MAINS
    safety: int = 1
    cover: int = 0
    emergency: int = 0
    codes: int = 0


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that is true of a unit in ``[from_us, to_us)``, and the columns that show it."""

    kind: FindingKind
    from_us: int
    to_us: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """What a fault does: stretches that follow each other, and what is true meanwhile.

    Without an effect it is a look-alike.
    """

    fault: Fault
    stretches: tuple[Stretch, ...]
    effects: tuple[Effect, ...]

    @property
    def from_us(self) -> int:
        """Return when ordinary life ends."""
        return self.stretches[0].from_us

    @property
    def to_us(self) -> int:
        """Return when ordinary life goes on."""
        return self.stretches[-1].to_us


def course(fault: Fault, own: Direction) -> Course:
    """Return the course of a fault of a unit that runs in the direction ``own``.

    Raises ``ValueError`` for a cause that lifts alone have.
    """
    makers = {
        Cause.ESCALATOR_OVERSPEED: _overspeed,
        Cause.ESCALATOR_REVERSAL: _reversal,
        Cause.HANDRAIL_DEVIATION: _handrail,
        Cause.STEP_MISSING: _step,
        Cause.ENERGY_SAVING: _energy_saving,
        Cause.COMMANDED_REVERSAL: _commanded_reversal,
        Cause.INSPECTION: _inspection,
    }
    if fault.cause in _STANDING:
        return _standing(fault, own)
    if fault.cause not in makers:
        raise ValueError(f"unit {fault.lift} is no lift: {fault.cause} cannot happen to it")
    return makers[fault.cause](fault, own)


_STANDING: Final = MappingProxyType({
    Cause.EMERGENCY_STOP: (
        FindingKind.ESCALATOR_EMERGENCY_STOP,
        Stretch(0, 0, emergency=1, codes=1 << CODE_BIT[RESTART_PREVENTED]),
        ("emergency_stop",),
    ),
    Cause.COVER_OPEN: (
        FindingKind.ESCALATOR_COVER_OPEN, Stretch(0, 0, cover=1), ("cover_open",),
    ),
    Cause.ESCALATOR_SAFETY_CIRCUIT: (
        FindingKind.ESCALATOR_SAFETY_CIRCUIT,
        Stretch(0, 0, safety=0, codes=1 << CODE_BIT[61]),
        ("safety_circuit", "codes"),
    ),
    Cause.AREA_POWER_CUT: (
        FindingKind.MAINS_OFF,
        Stretch(0, 0, power=Power.BATTERY, codes=1 << CODE_BIT[41]),
        ("power", "codes"),
    ),
})  # fmt: skip
"""Causes that make a unit stand: what is true, how it stands, what shows it."""


def _standing(fault: Fault, own: Direction) -> Course:
    kind, stands, columns = _STANDING[fault.cause]
    end_us = fault.at_us + fault.lasts_us
    stretch = replace(stands, from_us=fault.at_us, to_us=end_us, direction=own)
    effect = Effect(kind, fault.at_us, end_us, columns)
    return Course(fault, (stretch,), (effect, *_kept_from_starting(stretch)))


def _size(fault: Fault) -> int:
    return fault.size or _SIZES[fault.cause]


def _stopped(from_us: int, to_us: int, own: Direction, code: int) -> Stretch:
    """Return a stop by a safety device, which shows its code until a mechanic has come."""
    codes = 1 << CODE_BIT[code] | 1 << CODE_BIT[RESTART_PREVENTED]
    return Stretch(from_us, to_us, direction=own, codes=codes)


def _kept_from_starting(*stretches: Stretch) -> tuple[Effect, ...]:
    """Return what is true besides while a mechanic must come before the unit can start."""
    return tuple(
        Effect(FindingKind.ESCALATOR_RESTART_PREVENTED, s.from_us, s.to_us, ("codes",))
        for s in stretches
        if s.codes >> CODE_BIT[RESTART_PREVENTED] & 1
    )


def _overspeed(fault: Fault, own: Direction) -> Course:
    pct = _size(fault)
    at_us, end_us = fault.at_us, fault.at_us + fault.lasts_us
    stops_us = min(at_us + GOVERNOR_US, end_us) if pct >= GOVERNOR_PCT else end_us
    stretches = [Stretch(at_us, stops_us, pct, own)]
    if stops_us < end_us:
        stretches.append(_stopped(stops_us, end_us, own, 62))
    effect = Effect(FindingKind.ESCALATOR_OVERSPEED, at_us, stops_us, ("speed_mps", "codes"))
    return Course(fault, tuple(stretches), (effect, *_kept_from_starting(*stretches)))


def _reversal(fault: Fault, own: Direction) -> Course:
    at_us = fault.at_us
    stops_us = at_us + REVERSED_US
    end_us = max(at_us + fault.lasts_us, stops_us + SECOND_US)
    stretches = (
        Stretch(at_us - RUNS_BEFORE_US, at_us, 100, own),
        Stretch(at_us, stops_us, 60, _other(own)),
        _stopped(stops_us, end_us, own, 63),
    )
    effect = Effect(FindingKind.ESCALATOR_REVERSAL, at_us, stops_us, ("direction", "codes"))
    return Course(fault, stretches, (effect, *_kept_from_starting(*stretches)))


def _handrail(fault: Fault, own: Direction) -> Course:
    at_us, end_us = fault.at_us, fault.at_us + fault.lasts_us
    pct = _size(fault)
    left = fault.lift % 2 == 0
    stretch = Stretch(
        at_us, end_us, 100, own, left_pct=pct if left else 0, right_pct=0 if left else pct
    )
    column = "handrail_left_pct" if left else "handrail_right_pct"
    effect = Effect(FindingKind.HANDRAIL_DEVIATION, at_us, end_us, (column,))
    return Course(fault, (stretch,), (effect,))


def _step(fault: Fault, own: Direction) -> Course:
    at_us = fault.at_us
    # nobody notices for half of the time, then the detector stops it until the step is replaced
    stops_us = at_us + fault.lasts_us // 2 // 1000 * 1000
    end_us = at_us + fault.lasts_us
    stretches = (
        Stretch(at_us, stops_us, 100, own, gap_us=at_us),
        _stopped(stops_us, end_us, own, 64),
    )
    effect = Effect(FindingKind.STEP_MISSING, at_us, end_us, ("step_frequency_hz", "codes"))
    return Course(fault, stretches, (effect, *_kept_from_starting(*stretches)))


def _energy_saving(fault: Fault, own: Direction) -> Course:
    end_us = fault.at_us + fault.lasts_us
    return Course(fault, (Stretch(fault.at_us, end_us, _size(fault), own),), ())


def _commanded_reversal(fault: Fault, own: Direction) -> Course:
    at_us = fault.at_us
    turned_us = at_us + STANDS_US
    back_us = max(at_us + fault.lasts_us, turned_us + STANDS_US)
    stretches = (
        Stretch(at_us, turned_us, direction=own),
        Stretch(turned_us, back_us, 100, _other(own)),
        Stretch(back_us, back_us + STANDS_US, direction=own),
    )
    return Course(fault, stretches, ())


def _inspection(fault: Fault, own: Direction) -> Course:
    """Let a mechanic open the cover and move the steps to and fro at creep speed."""
    at_us = fault.at_us
    quarter_us = max(fault.lasts_us // 4 // 1000 * 1000, SECOND_US)
    speeds = ((0, own), (30, own), (30, _other(own)), (0, own))
    stretches = tuple(
        Stretch(
            at_us + k * quarter_us, at_us + (k + 1) * quarter_us, pct, way,
            mode=EscalatorMode.INSPECTION, cover=1,
        )
        for k, (pct, way) in enumerate(speeds)
    )  # fmt: skip
    return Course(fault, stretches, ())


def _other(way: Direction) -> Direction:
    return Direction.DOWN if way == Direction.UP else Direction.UP
