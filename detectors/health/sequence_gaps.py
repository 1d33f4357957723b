"""Sequence gaps: frames were numbered and never came.

Decides from ``seq`` and time how many frames are missing between those that were stepped: a few of
a thousand are the way of the field, more is a finding. It tells whether they went missing in a
silence of the terminal (it was cut off, and its buffer lost them) or amid a steady stream (lost on
the way, or refused by us). Which of the latter, only the dead letters know (ADR 0012). Numbers are
of a terminal, so frames of all units count.

Losses are counted by pages of numbers (``number_pages``), so a lift whose numbers are complete
costs one difference. A gap counts when its page or the one before is full; what was missing before
a calm time is not counted with what is missing after it. Number 0 is passed over: it begins a
numbering, and nothing is missing before it.

Invariants: a terminal that starts anew, or whose numbers jump further than it can have counted
meanwhile, has lost nothing; a frame that comes late, after its gap was passed, is never stepped and
takes nothing back.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import tri
from detectors.contract import (
    NO_DUE_US,
    Events,
    Field,
    GapPolicy,
    LiftFrames,
    State,
    Stepped,
    written,
)
from detectors.health.number_pages import Counted, Steps, counted, steps
from detectors.parameters import LiftParams, in_seconds, plain, spread_all
from detectors.segments import Bools, Ints, Timeline
from detectors.signals import Heard
from detectors.windows import IDLE, WINDOW_FIELDS, Course, follow, limit_at, limits_at
from telemetry.findings import FindingKind
from telemetry.transitions import Transitions

HISTORY_US: Final = 120_000_000
"""A frame that comes so late is history (DESIGN section 5)."""
_S: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SequenceGapsParams(LiftParams):
    """Thresholds of ``sequence_gaps``."""

    missing: int = field(
        default=16,
        metadata=plain(
            "gaps_per_1024", 1, 1024, "i8",
            "practice: at 0.5 % lost singly, as with QoS 0, one page in 11,000 has so many",
        ),
    )  # fmt: skip
    silence_us: int = field(
        default=120 * _S,
        metadata=in_seconds("gaps_silence_s", 1, 86_400, "practice: three heartbeats of 30 s"),
    )
    calm_us: int = field(
        default=3_600 * _S,
        metadata=in_seconds("gaps_calm_s", 0, 604_800, "practice: the class of maintenance"),
    )


class SequenceGapsDetector:
    """See the module."""

    name = "sequence_gaps"
    version = "2"
    kinds = (FindingKind.SEQUENCE_GAPS,)
    gap_policy = GapPolicy.HOLD
    layout = (
        Field("seq", "i8", 0),  # the newest number; 0 = none yet
        Field("gap_seq", "u4", 0),  # low bits of the number after the newest gap or beginning
        Field("missing", "u2", 0),  # in the page of that number,
        Field("silent", "u2", 0),  # of these in a silence,
        Field("before", "u2", 0),  # and in the page before
        Field("gap_s", "u4", 0),  # when that gap or beginning came
        *WINDOW_FIELDS,
    )
    params_type = SequenceGapsParams

    def step(self, state: State, batch: LiftFrames, params: Any) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        seg, numbered = batch.segments, batch.frames["seq"] > 0
        seq = seg.join(state["seq"], batch.frames["seq"])
        if not numbered.all():
            seq = seg.hold(seq, seg.at_frames(numbered))
        ahead = seq - seg.prior(seq)
        up = state["phase"] != IDLE
        up[seg.row[np.flatnonzero((ahead < 0) | (ahead > 1))]] = True
        after = {**{f.name: state[f.name] for f in self.layout}, "seq": seq[seg.last_at]}
        if not up.any():
            return Stepped(after, NO_DUE_US, ())
        part = _part(state, batch, seq, up)
        limits = spread_all(params, seg.row[part.kept])
        course, told = _course(self, part, limits)
        for name, values in course.state.items():
            after[name] = state[name].copy()
            after[name][up] = values
        due_us = np.full(len(up), NO_DUE_US)
        due_us[up] = course.due_us
        return Stepped(after, due_us, told)


class _Stream(NamedTuple):
    """When frames of all units came: as much of ``Heard`` as windows ask for."""

    line: Timeline
    seen_us: Ints


class _Part(NamedTuple):
    """The lifts on which something is up: their numbers are odd, or a finding is active."""

    batch: LiftFrames
    kept: Ints  # where their elements stand in the strip of all
    seq: Ints
    state: dict[str, NDArray[Any]]
    stream: _Stream


def _part(state: State, batch: LiftFrames, seq: Ints, up: Bools) -> _Part:
    own, kept = batch.segments.part(up)
    line = batch.lift.line
    numbered = ~own.is_head
    numbered[own.frame_at] = batch.frames["seq"][up[batch.frames["row"]]] > 0
    timeline = Timeline.heard(own, line.t_us[kept], line.end_us[kept], numbered)
    seen_us = np.maximum(batch.lift.seen_us[kept], batch.escalator.seen_us[kept])
    carried = {f.name: state[f.name][up] for f in SequenceGapsDetector.layout}
    return _Part(batch, kept, seq[kept], carried, _Stream(timeline, seen_us))


def _course(
    rule: SequenceGapsDetector, part: _Part, limits: SequenceGapsParams
) -> tuple[Course, tuple[Transitions, ...]]:
    """Return what becomes of the lifts on which something is up, with their new state."""
    line, seen_us = part.stream
    seg = line.segments
    found = steps(seg, part.seq, line.t_us, seen_us)
    silent = found.after_us > limit_at(limits.silence_us, found.at)
    calm_us = limit_at(limits.calm_us, found.at)
    pages = counted(part.state, seg, found, silent, calm_us)
    full = (pages.missing >= limits.missing) | (pages.before >= limits.missing)
    holds, updates = full & (part.seq == pages.gap_seq), full & pages.opens
    heard = cast("Heard", part.stream)
    course = follow(part.state, heard, holds, 0, limits.calm_us, updates=updates)
    course = course._replace(state={**pages.after(seg.last_at), **course.state})
    if not len(course.at):
        return course, ()
    at = course.at
    events = Events(
        at=part.kept[at],
        change=course.change,
        t_us=course.t_us,
        onset_us=course.onset_us,
        # At least the frame of the onset has been seen, whatever it told.
        last_seen_us=np.maximum(seen_us[at], course.onset_us),
        kind=rule.kinds[0],
        ended_by=course.reason,
        known_us=course.known_us,
    )
    limit = limits_at(limits, ("missing", "silence_us", "calm_us"), at)
    said = _said(part, found, pages, at)
    return course, (written(rule, part.batch.segments, events, *said, limit),)


def _said(
    part: _Part, found: Steps, pages: Counted, at: Ints
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Tell what was missing, at the elements at which something happened: criteria and values."""
    batch, everywhere = part.batch, part.kept[at]
    missing, silent = pages.missing[at], pages.silent[at]
    here = np.isin(at, found.at[~found.begins])
    first, last, lag_us = (np.full(len(at), -1) for _ in range(3))
    which = np.searchsorted(found.at, at[here])
    first[here], last[here] = found.prior[which] + 1, found.seq[which] - 1
    frame = everywhere[here] - batch.segments.row[everywhere[here]] - 1
    lag_us[here] = (batch.frames["received_us"] - batch.frames["time_us"])[frame]
    criteria = {
        "in_a_silence": tri(2 * silent >= missing, missing == 0),
        "amid_a_stream": tri(2 * silent < missing, missing == 0),
        "history_followed": tri(lag_us > HISTORY_US, ~here),
    }
    values = {
        "missing": missing,
        "missing_in_a_silence": silent,
        "missing_before": pages.before[at],
        "first_missing": first,
        "last_missing": last,
    }
    return criteria, values
