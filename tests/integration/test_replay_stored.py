"""Stored frames as a source: every frame once, by arrival, however the table is cut."""

import asyncio

import asyncpg
import numpy as np
import pytest

from ingest.store import frames as store
from service.replay import stored
from service.replay.stored import Choice, open_stored
from service.settings import DatabaseSettings
from simulator.batches import Batcher
from simulator.frames import MISSING, Frames
from telemetry.batch import FrameBatch
from telemetry.columns import COLUMNS

START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
N = 3_000


def stored_frames() -> FrameBatch:
    """Return an hour of three lifts: some clocks ahead of arrival, some frames an hour late."""
    rng = np.random.default_rng(3)
    time_us = START_US + np.sort(rng.integers(0, 3_600_000, N)) * 1000
    late_us = np.select(
        [rng.random(N) < 0.05, rng.random(N) < 0.05],
        [rng.integers(0, 3_600 * SECOND_US, N), -rng.integers(0, 60 * SECOND_US, N)],
        rng.integers(0, 3 * SECOND_US, N),
    )
    return FrameBatch.make(
        N,
        elevator_id=rng.integers(1, 4, N),
        time_us=time_us,
        device_time_us=time_us,
        received_us=time_us + late_us,
        seq=np.arange(N),
        gateway_id=1,
        door=rng.integers(-1, 7, N),
        floor=rng.integers(0, 3, N),
        quality=np.where(rng.random(N) < 0.1, rng.integers(1, 1 << len(COLUMNS), N), 0),
        height_m=np.where(rng.random(N) < 0.5, np.nan, rng.integers(-5_000, 90_000, N) / 1000),
    )


@pytest.fixture
def settings(database_url) -> DatabaseSettings:
    async def fill() -> None:
        conn = await asyncpg.connect(database_url)
        try:
            await conn.execute("INSERT INTO gateways (name) VALUES ('gw')")
            await conn.execute(
                "INSERT INTO elevators (code, gateway_id, params) VALUES "
                "('A', 1, '{\"at_landing_window_s\": 5}'), ('B', NULL, '{}'), ('C', 1, '{}'), "
                "('IDLE', 1, '{}')"
            )
            await conn.execute("INSERT INTO floor_labels VALUES (1, 0, 'B1'), (1, 2, '2')")
            async with conn.transaction():
                await store.write(conn, stored_frames(), 1)
        finally:
            await conn.close()

    asyncio.run(fill())
    return DatabaseSettings.model_validate({"url": database_url})


def read(source: stored.StoredSource, step_us: int) -> Frames:
    parts, t_us = [], source.start_us
    while t_us < source.end_us:
        t_us = min(t_us + step_us, source.end_us)
        part = source.arrived_until(t_us)
        assert (part["arrival_us"] < t_us).all()
        parts.append(part)
    return Frames.concat(parts)


@pytest.mark.parametrize("step_s", [7, 100_000])
@pytest.mark.parametrize("slice_frames", [20, 100_000])
def test_every_frame_comes_once_by_arrival(settings, monkeypatch, slice_frames, step_s):
    monkeypatch.setattr(stored, "SLICE_FRAMES", slice_frames)
    with open_stored(settings, Choice()) as source:
        got = read(source, step_s * SECOND_US)
        rows, labels = source.registry(), source.labels
    assert (np.diff(got["arrival_us"]) >= 0).all()
    want = stored_frames()
    order = np.lexsort((want["seq"], want["elevator_id"], want["received_us"]))
    want = want.take(order)
    assert np.array_equal(got["seq"], want["seq"])
    assert np.array_equal(got["lift"], want["elevator_id"] - 1)
    assert np.array_equal(got["time_us"], want["time_us"])
    door = want["door"].astype("i8")
    assert np.array_equal(got["door"], np.where(door < 0, MISSING, door))
    height = np.rint(want["height_m"].astype("f8") * 1000)
    assert np.array_equal(got["height_m"], np.where(np.isnan(height), MISSING, height))
    again = Batcher(range(3), [row.unit for row in rows], [0] * 3).batch(got)
    assert np.array_equal(again["quality"], want["quality"])  # detectors hear what was refused
    assert [row.code for row in rows] == ["A", "B", "C"]
    assert [row.gateway for row in rows] == ["gw", "replay", "gw"]
    assert rows[0].params == {"at_landing_window_s": 5}
    assert labels[0] == ("B1", "1", "2")


def test_lifts_and_span_are_chosen(settings):
    from_us, to_us = START_US + 600 * SECOND_US, START_US + 900 * SECOND_US
    with open_stored(settings, Choice(("C", "A"), from_us, to_us)) as source:
        got = read(source, 60 * SECOND_US)
        assert [row.code for row in source.registry()] == ["A", "C"]
    want = stored_frames()
    chosen = (want["time_us"] >= from_us) & (want["time_us"] < to_us) & (want["elevator_id"] != 2)
    assert sorted(got["seq"].tolist()) == want["seq"][chosen].tolist()
