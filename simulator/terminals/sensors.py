"""From the world to frames: what each terminal knows, when it tells it, and how well.

A terminal tells a frame at every discrete change, every ``moving_us`` while anything is going on,
and a heartbeat every ``idle_us`` otherwise. Sample instants lie on the grid of the piece (its start
plus whole intervals), so how the world was cut into calls does not change them. Values are rounded
to integer wire units here, once.

Terminal types are in ``buildings``: a coupled terminal knows what the controller knows; a retrofit
one has photo switches (zone, door), an accelerometer (moving or not, direction), counts floors,
and tells no speed: one told at landings only would be held for the whole run after it. Presence may
be absent, a PIR that loses motionless people, or a camera that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.frames import MISSING, Frames
from simulator.world.buildings import ZONE_HALF_M, Plan, Presence, Terminal
from simulator.world.state import DOOR, FIELDS, QUIET, RUNNING, Phase, Pieces, kinematics
from telemetry.columns import Direction

PIR_HOLD_US: Final = 6_000_000
"""How long after the last movement about the door a PIR still sees people (practice)."""
PERSON_KG: Final = 75
RATED_KG_PER_PERSON: Final = 75
_STIRRING: Final = np.array(
    [Phase.OPENING, Phase.LEAVING, Phase.BOARDING, Phase.CLOSING, Phase.CLOSED]
)
"""Phases in which doors or people move about the door."""

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a terminal tells, whole ms.

    Parameters
    ----------
    moving_us
        While anything moves or something is wrong: 0.5-5 s in the field.
    idle_us
        Heartbeat.
    """

    moving_us: int = 1_000_000
    idle_us: int = 30_000_000


class Sensors:
    """Terminals of a fleet: they number their frames.

    Parameters
    ----------
    plan
        What is built.
    cadence
        How often they tell.
    """

    def __init__(self, plan: Plan, cadence: Cadence) -> None:
        self._plan = plan
        self._cadence = cadence
        self._seq = np.zeros(len(plan), "i8")

    def frames(self, pieces: Sequence[Pieces]) -> Frames:
        """Sample all instants that are due in ``pieces``, in time order, ``seq`` gapless."""
        parts = [self._due(part) for part in pieces]
        parts = [part for part in parts if len(part["lift"])]
        if not parts:
            return Frames.empty()
        joined = {k: np.concatenate([p[k] for p in parts]) for k in (*FIELDS, "lift", "t_us", "k")}
        order = np.lexsort((joined["lift"], joined["t_us"]))
        joined = {k: v[order] for k, v in joined.items()}
        return self._told(joined)

    def _due(self, pieces: Pieces) -> Pieces:
        """Return one row for each sample that is due: the piece, the instant, its number in it."""
        quiet = QUIET[pieces["phase"]] & (pieces["flapping"] == 0)
        every_us = np.where(quiet, self._cadence.idle_us, self._cadence.moving_us)
        first = -((pieces["start_us"] - pieces["lo_us"]) // every_us)
        last = -((pieces["start_us"] - pieces["hi_us"]) // every_us)
        count = np.maximum(last - first, 0)
        picked = np.flatnonzero(count)
        times = count[picked]
        of = np.repeat(picked, times)
        nth = np.arange(len(of)) - np.repeat(np.cumsum(times) - times, times)
        rows = {name: pieces[name][of] for name in (*FIELDS, "lift")}
        rows["k"] = first[of] + nth
        rows["t_us"] = rows["start_us"] + rows["k"] * every_us[of]
        return rows

    def _number(self, lift: NDArray[Any]) -> Column:
        """Return the next sequence numbers of frames that are in time order."""
        order = np.argsort(lift, kind="stable")
        lifts = lift[order]
        begins = np.flatnonzero(np.r_[True, lifts[1:] != lifts[:-1]])
        counts = np.diff(np.r_[begins, len(lifts)])
        within = np.arange(len(lifts)) - np.repeat(begins, counts)
        seq = np.empty(len(lifts), "i8")
        seq[order] = self._seq[lifts] + within
        self._seq[lifts[begins]] += counts
        return seq

    def _told(self, s: Pieces) -> Frames:
        plan, lift, t_us = self._plan, s["lift"], s["t_us"]
        height_m, speed_mps, acceleration = kinematics(s, t_us)
        away = np.abs(plan.landings_m[lift] - height_m[:, np.newaxis])
        running = RUNNING[s["phase"]]
        coupled = plan.terminal[lift] == Terminal.COUPLED
        zone = zone_told(away.min(axis=1), s)
        return Frames.make(
            len(lift),
            lift=lift,
            time_us=t_us,
            seq=self._number(lift),
            mode=_only(coupled, s["mode"]),
            car=running,
            direction=direction_told(running, s["sign"]),
            zone=zone,
            floor=np.argmin(away, axis=1),
            door=DOOR[s["phase"]],
            passenger=self._presence(s),
            speed_mps=_only(coupled, thousandths(np.abs(speed_mps))),
            height_m=_only(coupled, thousandths(height_m)),
            acceleration_mps2=thousandths(acceleration),
            load_pct=_only(coupled, self._load(s)),
            power=_only(coupled, s["power"]),
            safety_circuit=_only(coupled, s["safety_circuit"]),
            brake=_only(coupled, running),
            button=s["button"],
            codes=_only(coupled, s["codes"]),
            runs=_only(coupled, s["runs"]),
            door_cycles=s["door_cycles"],
            distance_m=_only(
                coupled, (s["travelled_m"] + np.abs(height_m - s["height_m"])).astype("i8")
            ),
        )

    def _presence(self, s: Pieces) -> Column:
        kind = self._plan.presence[s["lift"]]
        riders = s["riders"]
        stirring = np.isin(s["phase"], _STIRRING) | (s["t_us"] < s["stirred_us"] + PIR_HOLD_US)
        pir = (riders > 0) & stirring
        return np.select(
            [kind == Presence.COUNT, kind == Presence.PIR], [riders, pir.astype("i8")], MISSING
        )

    def _load(self, s: Pieces) -> Column:
        rated_kg = self._plan.capacity[s["lift"]] * RATED_KG_PER_PERSON
        return s["riders"] * PERSON_KG * 100_000 // rated_kg


def zone_told(away_m: NDArray[np.float64], s: Pieces) -> Column:
    """Return what the zone switch tells; a chattering one is wrong in every other sample."""
    zone = away_m <= ZONE_HALF_M
    return (zone ^ ((s["flapping"] == 1) & (s["k"] % 2 == 1))).astype("i8")


def direction_told(running: NDArray[np.bool_], sign: NDArray[Any]) -> Column:
    """Return ``Direction`` of travel."""
    way = np.where(sign > 0, Direction.UP, Direction.DOWN)
    return np.where(running & (sign != 0), way, Direction.NONE).astype("i8")


def thousandths(values: NDArray[np.float64]) -> Column:
    """Round to integer thousandths, half to even."""
    return np.rint(values * 1000).astype("i8")


def _only(known: NDArray[np.bool_], values: NDArray[Any]) -> Column:
    # widened first: np.where would squeeze MISSING into the narrow dtype of ``values``
    return np.where(known, values.astype("i8"), MISSING)
