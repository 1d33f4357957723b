"""The backtest engine is the live path: same batches, same findings, whatever the steps.

Pure, yet it joins simulator, ingest and detectors, hence not among the unit tests.
"""

from dataclasses import replace

import numpy as np
import pytest

from detectors.bank import Bank
from ingest import assemble
from ingest.assemble import AssembleParams
from ingest.decode import decode
from ingest.fleet import Fleet as Registry
from ingest.fleet import LiftRecord
from ingest.source import Message
from service.backtest.engine import TICK_US, Engine
from service.backtest.memory import KeyMemory
from service.core import LaneCore
from simulator.batches import Batcher
from simulator.fleet import Fleet, FleetSpec
from simulator.frames import Frames
from simulator.network.wire import to_wire
from simulator.randomness import between, chance, words
from simulator.scenarios.presets import SHORT_WINDOWS, random_fleet
from telemetry.batch import FrameBatch
from telemetry.columns import COLUMN_NAMES, UNKNOWN
from telemetry.findings import Change, ClearReason
from telemetry.topics import frames_topic
from telemetry.transitions import Transition, in_order
from telemetry.wire import encode_json

START_US = 1_774_314_000_000_000
SECOND_US = 1_000_000
END_US = START_US + 150 * SECOND_US


def impatient(seed: int) -> Fleet:
    """Return a random fleet whose windows are so short that an outage completes them.

    Silence is no matter to it, else a tick would complete none of those at a landing.
    """
    fleet = random_fleet(seed, START_US)
    params = {**SHORT_WINDOWS, "unexplained_window_s": 2, "silent_after_s": 3600}
    return Fleet(replace(fleet.spec, params=params, rate_pct=600), seed)


def everything(fleet: Fleet, gateway: str) -> tuple[Frames, FrameBatch]:
    """Return frames with some impossible values, and what the wire and the registry make of them.

    The second goes through JSON, decoder and the registry's mirror.
    """
    frames = fleet.frames_until(END_US)
    speed, mode = frames["speed_mps"].copy(), frames["mode"].copy()
    speed[5::50], mode[7::90] = 31_000, 8
    frames = frames.replace(speed_mps=speed, mode=mode)
    messages = [
        Message(frames_topic(gateway), encode_json(wire), arrival_us)
        for wire, arrival_us in zip(
            to_wire(frames, fleet.codes, fleet.labels), frames["arrival_us"].tolist(), strict=True
        )
    ]
    batch = decode(messages)
    registry = Registry()
    records = [
        LiftRecord(i, row.code, unit=row.unit, gateway_id=0)
        for i, row in enumerate(fleet.registry())
    ]
    registry.load([(0, gateway)], records)
    gateway_ids = np.zeros(len(messages), "i4")
    routed = registry.route(batch.decoded, gateway_ids, batch.received_us)
    assert not routed.rejects
    return frames, registry.resolve(routed.parts[0]).frames


@pytest.mark.parametrize("seed", range(4))
def test_frames_become_what_wire_and_registry_make_of_them(seed):
    fleet = random_fleet(seed, START_US)
    frames, wanted = everything(fleet, "g")
    units = [row.unit for row in fleet.registry()]
    batch = Batcher(range(len(units)), units, [0] * len(units)).batch(frames)
    for name in wanted.columns:
        if name != "floor":
            np.testing.assert_array_equal(batch[name], wanted[name], err_msg=name)
            assert batch[name].dtype == wanted[name].dtype, name
    assert ((batch["floor"] == UNKNOWN) == (wanted["floor"] == UNKNOWN)).all()
    assert batch["quality"].any()
    assert set(COLUMN_NAMES) < set(batch.columns)


def troubled(frames: Frames, seed: int, *, gaps: bool) -> Frames:
    """Return frames as a network delivers them: later, twice, out of order, after an outage."""
    w = words(seed, 900, frames["lift"], frames["time_us"] // 1000)
    v = words(seed, 901, frames["lift"], frames["time_us"] // 1000)
    delay_us = between(w[0], 0, 200_000) + np.where(
        chance(w[1], 50_000), between(w[2], 0, 1_500_000), 0
    )
    arrival_us = frames["time_us"] + delay_us
    if gaps:
        period_us = 25 * SECOND_US + seed * 300_000  # cut off for all but ten seconds of it
        since_us = arrival_us // period_us * period_us + 10 * SECOND_US
        cut_off = (frames["lift"] % 2 == 0) & (arrival_us >= since_us)
        flushed_us = since_us - 10 * SECOND_US + period_us + (arrival_us - since_us) // 100
        arrival_us = np.where(cut_off, flushed_us, arrival_us)
    frames = frames.replace(arrival_us=arrival_us)
    copies = frames.take(chance(w[3], 50_000))
    later_us = between(v[0], 0, 1_500_000)[: len(copies)]
    copies = copies.replace(arrival_us=copies["arrival_us"] + later_us)
    joined = Frames.concat([frames, copies])
    return joined.take(np.lexsort((joined["seq"], joined["lift"], joined["arrival_us"])))


def engine_found(fleet: Fleet, frames: Frames, step_us: int) -> list[Transition]:
    engine = Engine(fleet.registry(), range(len(fleet.codes)))
    arrival_us = frames["arrival_us"]
    for until_us in range(START_US + step_us, END_US + 60 * SECOND_US, step_us):
        now = (arrival_us >= until_us - step_us) & (arrival_us < until_us)
        engine.take(frames.take(now), until_us)
    assert not engine.failures
    assert engine.frames == len(frames)
    assert all(f.known_us >= f.transition.t_us for f in engine.found)
    return [f.transition for f in engine.found]


def live_found(fleet: Fleet, frames: Frames) -> list[Transition]:
    """Do as the lanes do: a batch and a tick, ten times a second."""
    rows = fleet.registry()
    batcher = Batcher(range(len(rows)), [r.unit for r in rows], [0] * len(rows))
    core, memory = LaneCore(AssembleParams(), {}), KeyMemory(10**15)
    core.grow(np.arange(len(rows)), assemble.NOTHING_STORED)
    for i, row in enumerate(rows):
        core.set_parameters(i, row.params)
    found: list[Transition] = []
    arrival_us = frames["arrival_us"]
    for until_us in range(START_US + TICK_US, END_US + 45 * SECOND_US, TICK_US):
        now = (arrival_us >= until_us - TICK_US) & (arrival_us < until_us)
        plan = assemble.plan(core.order, batcher.batch(frames.take(now)))
        settled = assemble.settle(core.order, plan, memory.find(plan))
        memory.keep(settled.frames, until_us)
        for batch, keys in ((settled.frames, settled), (FrameBatch.empty(), None)):
            advanced = core.advance(batch, until_us, caught_up=True)
            core.adopt(advanced, keys)
            found += advanced.transitions
    return found


def essence(transitions: list[Transition]) -> list[tuple[object, ...]]:
    kept = [t for t in transitions if t.change is not Change.UPDATED and t.t_us < END_US]
    return sorted((t.elevator_id, t.t_us, t.kind, t.change, t.onset_us, t.reason) for t in kept)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("gaps", [False, True])
def test_large_steps_find_what_ten_ticks_a_second_find(seed, gaps):
    fleet = impatient(seed)
    frames = troubled(fleet.frames_until(END_US), seed, gaps=gaps)
    wanted = essence(live_found(fleet, frames))
    assert essence(engine_found(fleet, frames, 30 * SECOND_US)) == wanted
    assert essence(engine_found(fleet, frames, 7 * SECOND_US)) == wanted


def test_outages_make_ticks_raise_what_late_frames_refute():
    """Otherwise the test above would prove nothing about ticks."""
    refuted = 0
    for seed in range(10):
        fleet = impatient(seed)
        frames = troubled(fleet.frames_until(END_US), seed, gaps=True)
        found = engine_found(fleet, frames, 30 * SECOND_US)
        refuted += sum(t.reason is ClearReason.LATE_EVIDENCE for t in found)
    assert refuted >= 2


@pytest.mark.parametrize("seed", range(8))
def test_duplicates_and_reordering_change_no_finding(seed):
    fleet = random_fleet(seed, START_US)
    frames = fleet.frames_until(END_US)
    bank = Bank(len(fleet.codes), {i: r.params for i, r in enumerate(fleet.registry())})
    batcher = Batcher(range(len(fleet.codes)), fleet.units, fleet.gateway_of.tolist())
    batch = batcher.batch(frames)
    batch = batch.replace(time_us=batch["device_time_us"])
    direct = in_order(bank.step(batch).transitions, np.arange(len(fleet.codes)))
    clean = engine_found(fleet, frames, 30 * SECOND_US)
    assert essence(clean) == essence(direct)
    assert essence(engine_found(fleet, troubled(frames, seed, gaps=False), 30 * SECOND_US)) == (
        essence(clean)
    )


def test_a_share_of_a_fleet_keeps_its_numbers():
    spec = FleetSpec(START_US + 9 * 3600 * SECOND_US, 40, rate_pct=300)
    fleet = Fleet(spec, 1)
    frames = fleet.frames_until(spec.start_us + 60 * SECOND_US)
    lifts = fleet.plan.share(1, 2)
    own = frames.take((frames["lift"] >= lifts.start) & (frames["lift"] < lifts.stop))
    engine = Engine(fleet.registry(), lifts)
    engine.take(own, spec.start_us + 60 * SECOND_US)
    assert engine.frames == len(own)
    assert {f.transition.elevator_id for f in engine.found} <= set(lifts)
