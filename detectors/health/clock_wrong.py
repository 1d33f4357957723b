"""A terminal whose clock is wrong: its times are not to be believed, or lie hours behind.

Decides from three columns of each frame: ``clock`` (whether ingest believed the device's time),
``device_time_us`` and ``received_us``. A time that was not believed is wrong. One that lies behind
is wrong only if it lies behind by the same amount for minutes: what a gateway buffered and sends
late comes faster than it was made, so its lag shrinks, and history is no wrong clock.

Invariant: constant seconds (up to ``clock_lag_s``) are no finding; the service allows for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.parameters import LiftParams, in_seconds
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.batch import ClockQuality
from telemetry.findings import FindingKind

MARK_US: Final = 60_000_000
"""The lag is compared with that of a minute of event time before."""


@dataclass(frozen=True, slots=True)
class ClockWrongParams(LiftParams):
    """Thresholds of ``clock_wrong``."""

    lag_us: int = field(
        default=120_000_000,
        metadata=in_seconds("clock_lag_s", 1, 864_000, "DESIGN section 5: from there on history"),
    )
    steady_us: int = field(
        default=5_000_000,
        metadata=in_seconds("clock_steady_s", 0, 3_600, "DESIGN section 5: a lag that shrinks"),
    )
    window_us: int = field(
        default=300_000_000,
        metadata=in_seconds("clock_window_s", 0, 86_400, "practice: a backlog is gone sooner"),
    )
    refused_window_us: int = field(
        default=10_000_000,
        metadata=in_seconds("clock_refused_window_s", 0, 86_400, "practice: a start from 1970"),
    )
    calm_us: int = field(
        default=60_000_000,
        metadata=in_seconds("clock_calm_s", 0, 86_400, "practice: two heartbeats"),
    )


class _Clock(NamedTuple):
    """What is known of the clock, along the strip."""

    refused: Bools
    lag_us: Ints  # at the last mark
    steady: Bools  # it was the same at the mark before


class ClockWrongDetector(ConditionDetector):
    """See the module."""

    name = "clock_wrong"
    kinds = (FindingKind.CLOCK_WRONG,)
    layout = (
        Field("lag_us", "i8", NEVER_US),
        Field("steady", "?", False),
        Field("refused", "?", False),
        *WINDOW_FIELDS,
    )
    params_type = ClockWrongParams

    def judge(
        self, state: State, heard: Heard, params: Any
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        clock = _clock(state, heard, params)
        behind = ~clock.refused & clock.steady & (clock.lag_us > params.lag_us)
        holds = clock.refused | behind
        window_us = np.where(clock.refused, params.refused_window_us, params.window_us)

        def evidence(at: Ints) -> Evidence:
            unknown = clock.lag_us[at] == NEVER_US
            lag_s = np.where(unknown, np.nan, clock.lag_us[at] / 1e6)
            return Evidence(
                {"time_refused": tri(clock.refused[at]), "steadily_behind": tri(behind[at])},
                {"lag_s": lag_s},
                {"window_us": window_us[at], "lag_us": limit_at(params.lag_us, at)},
            )

        at = heard.segments.last_at
        own = {name: values[at] for name, values in clock._asdict().items()}
        kind = FindingKind.CLOCK_WRONG
        return (Judged(kind, holds, window_us, params.calm_us, evidence),), own


def _clock(state: State, heard: Heard, params: Any) -> _Clock:
    seg, frames = heard.segments, heard.frames
    told = frames["clock"] == int(ClockQuality.OFFSET)
    refused = seg.hold(seg.join(state["refused"], told), heard.line.told)
    lag_us = seg.join(state["lag_us"], frames["received_us"] - frames["device_time_us"])
    marks = heard.turns(MARK_US)
    if not marks.any():
        row = seg.row
        return _Clock(refused, state["lag_us"][row], state["steady"][row])
    lag_us = seg.hold(lag_us, marks)
    before_us = seg.prior(lag_us)
    same = np.abs(lag_us - before_us) <= params.steady_us
    same[seg.head_at] = state["steady"]
    return _Clock(refused, lag_us, seg.hold(same, marks))
