"""A change of parameters is invisible to recovery, whenever the process dies.

Random versions for settings, fleet, models and lifts are taken over between random batches and
ticks, as the pipeline does it; snapshots fall anywhere, also between a change and the batch that
records it. What is rebuilt from the stored batches comes to the stored transitions.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from ingest import assemble
from ingest.assemble import AssembleParams
from ingest.store.parameters import ParameterChange, Scope
from service.core import LaneCore
from service.parameters import KNOWN, LaneParameters
from service.recovery import repeat_parameters
from telemetry.batch import FrameBatch
from tests.unit.service.test_core import SECOND_US, stream

LIFTS = 4
MODELS = ("KONE", "OTIS")
WINDOWS = ("between_landings_window_s", "at_landing_window_s", "urgent_window_s")
OFTEN = (*WINDOWS, "interruption_s", "class_hold_s", "release_hold_s")


def changes_of(seed: int, count: int = 12) -> list[ParameterChange]:
    """Return versions, one change each."""
    draw = np.random.default_rng(seed)
    state: dict[tuple[Scope, str], dict] = {}
    made = []
    for version in range(1, count + 1):
        scope = Scope(str(draw.choice([s.value for s in Scope])))
        lift = int(draw.integers(1, LIFTS + 1))
        subject = {Scope.MODEL: str(draw.choice(MODELS)), Scope.LIFT: f"lift {lift}"}.get(scope, "")
        before = state.get((scope, subject), {"params": {}})
        params = dict(before["params"])
        for key in {*draw.choice(OFTEN, 2), str(draw.choice(sorted(KNOWN)))}:
            spec = KNOWN[key]
            default = 1.0 if spec.default is None else spec.default
            low, high = (1, 8) if key in WINDOWS else (spec.low, spec.high)
            value = float(np.clip(default * draw.uniform(0.1, 1.5), low, high))
            params[key] = round(value) if spec.whole else value
            if draw.random() < 0.2:
                del params[key]
        after: dict = {"params": params}
        if scope is Scope.LIFT:
            after |= {"model": str(draw.choice(MODELS)), "rated_speed_mps": 1.75}
        state[scope, subject] = after
        elevator_id = lift if scope is Scope.LIFT else None
        made.append(ParameterChange(version, scope, subject, elevator_id, before, after))
    return made


@dataclass
class Row:
    frames: FrameBatch
    now_us: int
    caught_up: bool
    version: int
    transitions: list


@dataclass
class Life:
    """A process: what it stored, and its newest snapshot."""

    changes: list[ParameterChange]
    rows: list[Row] = field(default_factory=list)
    snapshot: tuple[int, dict] = (0, {})

    def __post_init__(self) -> None:
        self.core = LaneCore(AssembleParams(), {})
        self.parameters = LaneParameters(0)
        self.core.grow(np.arange(1, LIFTS + 1), assemble.NOTHING_STORED)
        self.parameters.start(self.core)

    def advance(self, frames: FrameBatch, now_us: int, *, caught_up: bool) -> None:
        advanced = self.core.advance(frames, now_us, caught_up=caught_up)
        self.core.adopt(advanced)
        if len(frames) or advanced.transitions or self.parameters.marked:
            version = self.parameters.version
            row = Row(frames, now_us, caught_up, version, advanced.transitions)
            self.rows.append(row)
            self.parameters.opened()

    def take(self, until: int, now_us: int, *, snapshot: bool) -> None:
        version = self.parameters.version
        later = [c for c in self.changes if version < c.version <= until]
        self.parameters.take(self.core, later)
        if snapshot:
            self.take_snapshot()
        if self.parameters.marked:
            self.advance(FrameBatch.empty(), now_us, caught_up=False)

    def take_snapshot(self) -> None:
        self.core.mark_dirty()
        self.snapshot = len(self.rows), self.core.take_snapshot(LIFTS)

    def at(self, version: int) -> list[ParameterChange]:
        newest = {(c.scope, c.subject): c for c in self.changes if c.version <= version}
        return list(newest.values())

    def recovered(self) -> "Life":
        """Return the next process, having compared what it derives."""
        again = Life(self.changes, list(self.rows))
        batch, pieces = self.snapshot
        for arrays in pieces.values():
            rest = {k: v for k, v in arrays.items() if k != "elevator_ids"}
            again.core.restore_piece(arrays["elevator_ids"] - 1, rest)
        version = self.rows[batch - 1].version if batch else 0
        again.parameters.start(again.core, self.at(version))
        later = [c for c in self.changes if c.version > version]
        for row in self.rows[batch:]:
            repeat_parameters(again.parameters, again.core, later, row.version)
            again.core.absorb(row.frames)
            advanced = again.core.advance(row.frames, row.now_us, caught_up=row.caught_up)
            again.core.adopt(advanced)
            again.parameters.opened()
            assert advanced.transitions == row.transitions
        again.snapshot = self.snapshot
        return again


@pytest.mark.parametrize("seed", range(30))
def test_a_change_and_a_kill_at_any_instant_never_differ(seed: int) -> None:
    draw = np.random.default_rng(seed + 100)
    frames = stream(seed, LIFTS)
    life = Life(changes_of(seed))
    cuts = np.sort(draw.integers(0, len(frames), 60)).tolist()
    now_us, newest = 0, 0
    for start, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        part = frames.take(slice(start, end))
        arrived = part["received_us"] if len(part) else frames["received_us"][end : end + 1]
        now_us = max(now_us, int(arrived.max(initial=now_us)))
        if draw.random() < 0.25 and newest < len(life.changes):
            newest += int(draw.integers(1, 3))
            life.take(newest, now_us, snapshot=bool(draw.random() < 0.3))
        life.advance(part, now_us, caught_up=bool(draw.random() < 0.8))
        now_us += int(draw.integers(0, SECOND_US // 2)) if draw.random() < 0.3 else 0
        if draw.random() < 0.5:
            life.advance(FrameBatch.empty(), now_us, caught_up=True)
        if draw.random() < 0.2:
            life.take_snapshot()
        if draw.random() < 0.3:
            before, life = life, life.recovered()
            life.take(newest, now_us, snapshot=False)
            assert life.parameters.version == min(newest, len(life.changes))
            same = life.core.bank.snapshot(range(LIFTS)), before.core.bank.snapshot(range(LIFTS))
            assert same[0].keys() == same[1].keys()
    assert life.parameters.version > 0
    assert any(row.transitions for row in life.rows)
    judged = {t.parameters for row in life.rows for t in row.transitions}
    assert judged
    assert max(judged) <= life.parameters.version


def test_what_is_under_way_is_judged_by_the_new_window_at_once() -> None:
    change = ParameterChange(
        1, Scope.FLEET, "", None, {"params": {}}, {"params": {"between_landings_window_s": 5}}
    )
    life = Life([change])
    t = 1_763_798_400_000_000
    frame = FrameBatch.make(
        1, row=0, elevator_id=1, gateway_id=1, seq=1, time_us=t, device_time_us=t, received_us=t,
        car=0, zone=0, door=2, passenger=1, speed_mps=0.0,
    )  # fmt: skip
    life.advance(frame, t, caught_up=True)
    life.advance(FrameBatch.empty(), t + 12 * SECOND_US, caught_up=True)
    assert len(life.rows) == 1  # 30 s by default
    life.take(1, t + 12 * SECOND_US, snapshot=False)
    life.advance(FrameBatch.empty(), t + 13 * SECOND_US, caught_up=True)
    first, opening, raising = life.rows
    assert (first.version, opening.version, opening.transitions) == (0, 1, [])
    (raised,) = raising.transitions
    assert raised.t_us == t + 5 * SECOND_US
    assert raised.parameters == 1


def test_a_version_that_concerns_no_lift_of_the_lane_needs_no_batch() -> None:
    params = {"params": {"at_landing_window_s": 5}}
    strange = ParameterChange(1, Scope.LIFT, "other", 99, {"params": {}}, {**params, "model": None})
    life = Life([strange, ParameterChange(2, Scope.MODEL, "X", None, {"params": {}}, params)])
    life.take(2, 0, snapshot=False)
    assert life.parameters.version == 2
    assert life.rows == []
