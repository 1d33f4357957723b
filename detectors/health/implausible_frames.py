"""Frames that contradict themselves, or hold what cannot be.

Decides from single frames and from one combination that lasts: values that the wire refused
(``quality``), a speed beyond any lift's, a car that stands and has a speed, a floor that changes
while the car stands, and a car that runs with doors reported open for longer than any fault does.
Such frames are stored and believed; what they do to other findings is ``doubt``'s.

Invariant: one frame alone is never a finding; the field sends nonsense now and then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.parameters import LiftParams, in_seconds, plain
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.columns import UNKNOWN, Door
from telemetry.findings import FindingKind

PERIOD_US: Final = 600_000_000
"""Contradictions are counted by ten minutes of event time."""
FASTEST_MPS: Final = 21.0
"""The fastest lift in service runs 20.5 m/s; for lifts whose rated speed is not known."""
MOST: Final = 65_535
SIGNS: Final = ("values_refused", "too_fast", "standing_at_speed", "floor_jumped")
"""What can be wrong with one frame; told of the last one with which anything was."""


@dataclass(frozen=True, slots=True)
class ImplausibleFramesParams(LiftParams):
    """Thresholds of ``implausible_frames``."""

    frames: int = field(
        default=5,
        metadata=plain("implausible_per_10_min", 1, 60_000, "i8", "practice: not a slip"),
    )
    standing_mps: float = field(
        default=0.5,
        metadata=plain("implausible_standing_mps", 0.05, 30, "f8", "practice: beyond any noise"),
    )
    rated_times: float = field(
        default=2.5,
        metadata=plain(
            "implausible_rated_times", 1.2, 100, "f8", "EN 81-20: a governor acts at 1.15 to 1.3"
        ),
    )
    rated_speed_mps: float = field(
        default=float("nan"), metadata=plain("rated_speed_mps", 0.05, 30, "f8", "registry")
    )
    open_us: int = field(
        default=600_000_000,
        metadata=in_seconds("implausible_open_s", 1, 86_400, "practice: no run lasts so long"),
    )
    calm_us: int = field(
        default=1_200_000_000,
        metadata=in_seconds("implausible_calm_s", 0, 86_400, "practice: two periods of counting"),
    )


class ImplausibleFramesDetector(ConditionDetector):
    """See the module."""

    name = "implausible_frames"
    kinds = (FindingKind.IMPLAUSIBLE_FRAMES,)
    layout = (
        Field("mark_us", "i8", NEVER_US),
        Field("open_since_us", "i8", NEVER_US),
        Field("frames", "u2", 0),
        Field("signs", "u1", 0),
        *WINDOW_FIELDS,
    )
    params_type = ImplausibleFramesParams

    def judge(
        self, state: State, heard: Heard, params: Any
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        seg, line = heard.segments, heard.line
        signs = seg.join(state["signs"], 0)
        for bit, sign in enumerate(_signs(heard, params)):
            signs |= sign.astype("u1") << bit
        marks = (signs != 0) & ~seg.is_head
        mark_us = line.since(marks, state["mark_us"])
        counted = marks & (line.t_us > seg.prior(mark_us))
        period = heard.turns(PERIOD_US)
        frames = seg.count_since(counted, period, state["frames"])
        opened = (heard.held("car") == 1) & (heard.held("door") == int(Door.OPEN))
        since_us = line.since(seg.rises(opened), state["open_since_us"])
        long = opened & (heard.seen_us - since_us >= params.open_us)
        holds = (frames >= params.frames) | long
        signs = seg.hold(signs, marks)
        at = seg.last_at
        own = {
            "mark_us": mark_us[at],
            "open_since_us": since_us[at],
            "frames": np.minimum(frames[at], MOST),
            "signs": signs[at],
        }
        return (_judged(holds, heard, (signs, long, frames), params),), own


def _signs(heard: Heard, params: Any) -> tuple[Bools, ...]:
    """Mark the frames that cannot be true, in the order of ``SIGNS``."""
    seg, told = heard.segments, heard.line.told
    speed = np.abs(heard.held("speed_mps"))
    car, floor = heard.held("car"), heard.held("floor")
    stands = (car == 0) & (seg.prior(car) == 0)
    fastest = np.where(
        np.isnan(params.rated_speed_mps), FASTEST_MPS, params.rated_speed_mps * params.rated_times
    )
    return (
        told & seg.at_frames(heard.frames["quality"] != 0),
        told & (speed > fastest),
        told & (car == 0) & (speed >= params.standing_mps),
        seg.changes(floor) & (seg.prior(floor) != UNKNOWN) & stands,
    )


def _judged(
    holds: Bools, heard: Heard, found: tuple[NDArray[Any], Bools, Ints], params: Any
) -> Judged:
    signs, long, frames = found

    def evidence(at: Ints) -> Evidence:
        columns = {n: heard.held(n)[at] for n in ("speed_mps", "car", "door", "floor")}
        return Evidence(
            {
                **{name: tri(signs[at] >> bit & 1 == 1) for bit, name in enumerate(SIGNS)},
                "running_with_open_doors": tri(long[at]),
            },
            {**columns, "frames_in_period": frames[at]},
            {"frames": limit_at(params.frames, at), "open_us": limit_at(params.open_us, at)},
        )

    kind = FindingKind.IMPLAUSIBLE_FRAMES
    return Judged(kind, holds, 0, params.calm_us, evidence)
