"""The checks that all acceptance tests rely on: they find what they are for."""

import asyncpg
import pytest

from service.rig import Rig
from service.soak import accounts
from service.soak.backtest import Backtest, backtest
from simulator.publishing.publish import Publisher, PublishSettings
from tests.acceptance.conftest import MakeRig, assert_conserved
from tests.acceptance.terminal import OPEN, RIDES, SECOND_US, STUCK, Terminal

WINDOWS = {"between_landings_window_s": 3}


@pytest.fixture
async def told(rig: MakeRig) -> tuple[Rig, Terminal]:
    """Return a rig after one entrapment and one broken payload, everything settled."""
    made = await rig(registrations=[("A", {"params": WINDOWS})], law=False)
    async with Publisher(PublishSettings(made.settings.mqtt_url, 1, made.client_id)) as publisher:
        a = Terminal(publisher, "A", "gw")
        t = made.clock.now_us() // 1000 * 1000 - 30 * SECOND_US
        await a.tell_each_second(t, t + 2 * SECOND_US, RIDES)
        await a.tell_each_second(t + 3 * SECOND_US, t + 9 * SECOND_US, STUCK)
        await a.tell_each_second(t + 10 * SECOND_US, t + 12 * SECOND_US, OPEN)
        await a.send({"no": "frame"})
        await publisher.flush(5.0)
    await accounts.settled(made.service, received=14)
    return made, a


async def derive(rig: Rig) -> Backtest:
    conn = await asyncpg.connect(rig.database_url)
    try:
        return await backtest(conn)
    finally:
        await conn.close()


async def test_nothing_is_found_where_nothing_is_wrong(told: tuple[Rig, Terminal]) -> None:
    rig, a = told
    await assert_conserved(rig)
    found = await accounts.ledger(rig.service)
    assert (found.received, found.stored, found.rejected) == (14, 13, 1)
    sent = {accounts.SentKey("A", at_us, seq) for at_us, seq in a.told}
    assert await accounts.key_faults(rig.pool, sent) == []
    derived = await derive(rig)
    assert derived.faults() == []
    assert len(derived.stored) == len(derived.derived) == 2


async def test_a_lost_frame_is_found_thrice(told: tuple[Rig, Terminal]) -> None:
    rig, a = told
    await rig.pool.execute("DELETE FROM frames WHERE seq = 4")
    sent = {accounts.SentKey("A", at_us, seq) for at_us, seq in a.told}
    [lost] = await accounts.key_faults(rig.pool, sent)
    assert lost.startswith("1 acknowledged frames are not stored")
    [miscounted] = await accounts.database_faults(rig.pool)
    assert "there are 12" in miscounted
    faults = (await derive(rig)).faults()  # it was the frame of the onset
    assert any("repeat to other transitions" in fault for fault in faults)
    assert any("yet not found by an uninterrupted run" in fault for fault in faults)


async def test_a_lost_dead_letter_is_found(told: tuple[Rig, Terminal]) -> None:
    rig, _ = told
    await rig.pool.execute("DELETE FROM dead_letters")
    [fault] = await accounts.database_faults(rig.pool)
    assert fault == "batch rows say 1 frames rejected, dead letters tell of 0"


async def test_a_second_row_of_a_frame_is_found(told: tuple[Rig, Terminal]) -> None:
    rig, _ = told
    await rig.pool.execute(
        "INSERT INTO frames (elevator_id, time, seq, batch, received_at, device_time,"
        " gateway_id, clock, late, quality)"
        " SELECT elevator_id, time + interval '1 ms', seq, batch, received_at, device_time,"
        " gateway_id, clock, late, quality FROM frames WHERE seq = 5"
    )
    faults = await accounts.database_faults(rig.pool)
    assert any("has 2 rows" in fault for fault in faults)


async def test_a_lost_transition_is_found(told: tuple[Rig, Terminal]) -> None:
    rig, _ = told
    await rig.pool.execute("DELETE FROM transitions WHERE change = 1")
    faults = (await derive(rig)).faults()
    assert any("found by an uninterrupted run, yet not stored" in fault for fault in faults)
    assert any("repeat to other transitions" in fault for fault in faults)


async def test_a_process_that_does_not_add_up_is_found(told: tuple[Rig, Terminal]) -> None:
    rig, _ = told
    await rig.pool.execute("UPDATE batches SET stored = stored - 1, received = received - 1")
    [fault] = await accounts.process_faults(rig.service, rig.pool)
    assert fault.startswith("the process says")


def test_the_sum_is_a_sum() -> None:
    assert accounts.Ledger(10, 6, 2, 1, 1).balances
    assert not accounts.Ledger(10, 6, 2, 1).balances
