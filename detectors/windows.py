"""Windows: a condition that must hold for a while before it is a finding, with hysteresis.

Decides when a condition that is judged element by element becomes a finding, and when that ends.
What the condition is, and what is told as evidence, is the detector's. It works only on lifts on
which something is up, so a quiet fleet costs next to nothing.

Rules, for a window of ``window_us`` and an absence of ``bridge_us``:

- the *onset* is the first instant at which the condition holds; the finding is raised at
  ``onset + window``, made known by a frame or a tick, while the condition holds;
- an absence that ends before ``bridge_us`` changes nothing: the window runs on, the finding stays;
- one that has lasted ``bridge_us`` ends the finding, at the instant at which it began;
- a frame that refutes a condition at or before the instant at which a tick completed its window
  clears at once, with reason ``late_evidence``.

Missing frames change nothing (gap policy hold), unless the rule marks the frames that come after a
silence (``anew``; gap policy reset). Then a window asks for witnesses: only a frame that tells
anything, and at which the condition still holds, completes it, at its own time, and never a tick.
What is pending before a silence begins anew with the frame after it; what is active stays.
``tests/oracles/windowed.py`` says the same, one frame at a time.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import NO_DUE_US, Field, State
from detectors.parameters import LiftParams
from detectors.segments import NEVER_US, Bools, Ints, Segments, Timeline
from detectors.signals import Heard
from telemetry.findings import Change, ClearReason

IDLE: Final = 0
PENDING: Final = 1
PENDING_ABSENT: Final = 2
ACTIVE: Final = 3
ACTIVE_ABSENT: Final = 4
"""Phases of a window: nothing; condition holds; ... is absent; raised; raised and absent."""
_FIELDS: Final = ("onset_us", "aux_us", "phase")


def window_fields(prefix: str = "") -> tuple[Field, ...]:
    """Return the state of one window; ``prefix`` tells several of one detector apart.

    ``aux_us`` is since when the condition has been absent, or, while it is active, the instant at
    which a tick raised it.
    """
    return (
        Field(f"{prefix}onset_us", "i8", NEVER_US),
        Field(f"{prefix}aux_us", "i8", NEVER_US),
        Field(f"{prefix}phase", "u1", IDLE),
    )


WINDOW_FIELDS: Final = window_fields()


class Course(NamedTuple):
    """What became of one window; ``k`` events, in the order of the strip.

    Parameters
    ----------
    at
        Elements of the strip at which something happened, shape (k,).
    change, reason, t_us, onset_us, known_us
        What, why, when, since when, and when it could be known (an end is dated back by its
        bridge), shape (k,).
    state
        Fields of ``window_fields`` that have changed, shape (m,); none where nothing was up.
    due_us
        Next stream time at which a tick would tell something, shape (m,), or one for all [µs].
    """

    at: Ints
    change: NDArray[np.int8]
    reason: NDArray[np.int8]
    t_us: Ints
    onset_us: Ints
    known_us: Ints
    state: dict[str, NDArray[Any]]
    due_us: Ints | int


_NONE: Final = np.empty(0, np.int64)
_NO_CODE: Final = np.empty(0, np.int8)
_NOTHING: Final = Course(_NONE, _NO_CODE, _NO_CODE, _NONE, _NONE, _NONE, {}, NO_DUE_US)
"""Nothing happened, and nothing waits."""


def follow(
    state: State,
    heard: Heard,
    holds: Bools,
    window_us: Ints | int,
    bridge_us: Ints | int,
    prefix: str = "",
    updates: Bools | None = None,
    anew: Bools | None = None,
) -> Course:
    """Follow one window through a batch.

    Parameters
    ----------
    state
        Fields of ``window_fields(prefix)``, shape (m,).
    heard
        Where the frames come from: its times count.
    holds
        The condition, shape (n + m,); at a head, by what was carried in. A lift that was never
        heard must not satisfy it.
    window_us, bridge_us
        Per element or one for all [µs].
    prefix
        Of the window's fields in the state.
    updates
        Elements at which an active finding has something new to tell.
    anew
        Frames after a silence through which nothing counts as seen (``Heard.after_silence``), for a
        window that frames alone complete.
    """
    line = heard.line
    seg = line.segments
    if not (np.count_nonzero(holds) or np.count_nonzero(state[prefix + "phase"])):
        return _NOTHING  # nothing is up on any lift, before or now
    carried = {name: state[prefix + name] for name in _FIELDS}
    up = carried["phase"] != IDLE
    up[seg.row.take(np.flatnonzero(holds))] = True
    own, kept = seg.part(up)
    rows = np.flatnonzero(up)
    part = _Part(
        line.part(own, kept),
        {name: values.take(rows) for name, values in carried.items()},
        holds.take(kept),
        limit_at(window_us, kept),
        limit_at(bridge_us, kept),
        None if updates is None else updates[kept],
        None if anew is None else anew[kept],
    )
    life = _life(part)
    fields = {name: values.copy() for name, values in carried.items()}
    for name, values in _after(part, life).items():
        fields[name][rows] = values
    due_us = np.full(len(up), NO_DUE_US)
    due_us[rows] = _due_us(part, life)
    return _events(part, life, kept)._replace(
        state={prefix + name: values for name, values in fields.items()}, due_us=due_us
    )


class _Part(NamedTuple):
    """The lifts on which something is up."""

    line: Timeline
    carried: dict[str, NDArray[Any]]
    holds: Bools
    window_us: Ints | int
    bridge_us: Ints | int
    updates: Bools | None
    anew: Bools | None


class _Life(NamedTuple):
    """A window along the strip."""

    late: Bools
    gone_us: Ints  # since when it has been absent, where it is
    dead: Bools  # absent, and nothing pending any more
    complete_us: Ints
    onset_us: Ints
    raised: Bools
    cleared: Bools
    active: Bools
    tick_us: Ints  # instant at which a tick raised it


def _life(part: _Part) -> _Life:
    line, carried, holds = part.line, part.carried, part.holds
    seg, t_us = line.segments, line.t_us
    phase, at_head = carried["phase"], holds.take(seg.head_at)
    absent = (phase == PENDING_ABSENT) | (phase == ACTIVE_ABSENT)
    idle, was_active = phase == IDLE, phase >= ACTIVE
    lacks, head_us = ~holds, t_us.take(seg.head_at)
    tick_us = np.where(phase == ACTIVE, carried["aux_us"], NEVER_US)
    late = _late(part, lacks, tick_us)
    since_us = np.where(absent, carried["aux_us"], head_us)
    gone_us = line.since(seg.prior(holds) & lacks, since_us)
    resets = (lacks & line.reached(gone_us + part.bridge_us)) | late
    resets[seg.head_at] |= idle & ~at_head
    anew = np.zeros_like(holds) if part.anew is None else part.anew
    dead = seg.latch(resets | (anew & lacks), holds)
    begins = (seg.rises(holds) & seg.prior(dead)) | (holds & anew)
    begins[seg.head_at] = fresh = idle & at_head
    onset_us = line.since(begins, np.where(fresh, since_us, carried["onset_us"]))
    complete_us = np.maximum(t_us, onset_us + part.window_us)
    ripe = holds & _complete(part, complete_us)
    sets = ripe.copy()
    sets[seg.head_at] |= was_active
    active = seg.latch(sets, resets)
    before = seg.prior(active)
    before[seg.head_at] = was_active
    raised = ripe & ~before
    return _Life(
        late=late,
        gone_us=gone_us,
        dead=dead,
        complete_us=complete_us,
        onset_us=onset_us if part.anew is None else _kept(seg, onset_us, raised, active | before),
        raised=raised,
        cleared=resets & before,
        active=active,
        tick_us=_raised_by_tick(part, raised, complete_us, tick_us),
    )


def _complete(part: _Part, complete_us: Ints) -> Bools:
    """Tell in which elements a window completes whose condition holds."""
    if part.anew is None:
        return part.line.reached(complete_us)
    return part.line.told & (complete_us == part.line.t_us)


def _kept(seg: Segments, onset_us: Ints, raised: Bools, active: Bools) -> Ints:
    """Keep the onset of what is active through silences in which something pending would begin."""
    return np.where(active, seg.hold(onset_us, raised), onset_us)


def _late(part: _Part, lacks: Bools, tick_us: Ints) -> Bools:
    """Mark the first frame of a row that refutes what a tick raised before it came."""
    line, seg = part.line, part.line.segments
    if (tick_us == NEVER_US).all():
        return np.zeros(len(seg), np.bool_)
    return seg.first(lacks & ~seg.is_head & (line.t_us <= tick_us.take(seg.row)))


def _raised_by_tick(part: _Part, raised: Bools, complete_us: Ints, tick_us: Ints) -> Ints:
    """Return along the strip at which instant a tick raised what is active."""
    line, seg = part.line, part.line.segments
    if not raised.any():
        return tick_us.take(seg.row)
    by_tick_us = np.where(raised & line.by_tick(complete_us), complete_us, NEVER_US)
    return seg.hold(np.where(raised, by_tick_us, seg.join(tick_us, NEVER_US)), raised)


def _after(part: _Part, life: _Life) -> dict[str, NDArray[Any]]:
    at = part.line.segments.last_at
    holds, active = part.holds[at], life.active[at]
    waiting = np.where(holds, PENDING, np.where(life.dead[at], IDLE, PENDING_ABSENT))
    phase = np.where(active, np.where(holds, ACTIVE, ACTIVE_ABSENT), waiting)
    absent = (phase == PENDING_ABSENT) | (phase == ACTIVE_ABSENT)
    aux_us = np.where(phase == ACTIVE, life.tick_us[at], NEVER_US)
    return {
        "onset_us": np.where(phase == IDLE, NEVER_US, life.onset_us[at]),
        "aux_us": np.where(absent, life.gone_us[at], aux_us),
        "phase": phase.astype("u1"),
    }


def _due_us(part: _Part, life: _Life) -> Ints:
    at = part.line.segments.last_at
    holds, active = part.holds[at], life.active[at]
    ends_us = (life.gone_us + part.bridge_us)[at]
    waits = holds & ~active & (part.anew is None)
    waits_us = np.where(waits, life.complete_us[at], NO_DUE_US)
    return np.where(active & ~holds, ends_us, waits_us)


def _events(part: _Part, life: _Life, kept: Ints) -> Course:
    """List what happened; an update comes before an end that the same element brings later."""
    line = part.line
    updated = np.flatnonzero(_updated(part, life)) if part.updates is not None else _NONE
    turned = np.flatnonzero(life.raised | life.cleared)
    if not len(turned) and not len(updated):
        return _NOTHING
    at = np.concatenate([updated, turned])
    order = np.argsort(at, kind="stable")
    at, is_update = at[order], (np.arange(len(at)) < len(updated))[order]
    raised, late = life.raised[at] & ~is_update, life.late[at]
    ended_us = np.where(late, line.t_us[at], life.gone_us[at])
    turned_us = np.where(raised, life.complete_us[at], ended_us)
    bridge_us = np.where(raised | late, 0, limit_at(part.bridge_us, at))
    why = np.where(late, ClearReason.LATE_EVIDENCE, ClearReason.CONDITION_ENDED)
    change = np.select([is_update, raised], [Change.UPDATED, Change.RAISED], Change.CLEARED)
    return Course(
        at=kept[at],
        change=change.astype(np.int8),
        reason=np.where(is_update | raised, ClearReason.NONE, why).astype(np.int8),
        t_us=np.where(is_update, line.t_us[at], turned_us),
        onset_us=life.onset_us[at],
        known_us=np.where(is_update, line.t_us[at], turned_us + bridge_us),
        state={},
        due_us=at,
    )


def _updated(part: _Part, life: _Life) -> Bools:
    """Mark frames that have something new to tell of what was active before and still is then."""
    line = part.line
    before = ~line.segments.is_head & line.segments.prior(life.active)
    over = life.late | (~part.holds & line.by_frame(life.gone_us + part.bridge_us))
    return np.asarray(part.updates) & before & ~over


def limits_at(limits: LiftParams, names: tuple[str, ...], at: Ints) -> dict[str, Any]:
    """Return some thresholds by name, as ``limit_at`` does."""
    return {name: limit_at(getattr(limits, name), at) for name in names}


def limit_at(threshold: Any, at: Ints) -> Any:
    """Return a threshold that may be a strip at some elements."""
    return threshold[at] if isinstance(threshold, np.ndarray) else threshold
