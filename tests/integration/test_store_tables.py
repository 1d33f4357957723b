"""Registry, dead letters, transitions and snapshots in real tables."""

import dataclasses
import json
import random
from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest

from ingest.dead_letters import DeadLetter
from ingest.store import connect, dead_letters, registry, snapshots, transitions, writer_lock
from ingest.store.errors import EpochLost
from ingest.store.registry import ClockRun, FloorLabel, NewElevator
from ingest.store.snapshots import Head, Snapshot, Unreadable
from ingest.store.writer_lock import Lease
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition

NOW_US = 1_795_000_000_123_456


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await connect.open_connection(database_url)
    yield opened
    await opened.close()


async def test_registering_twice_gives_the_same_rows(conn: asyncpg.Connection) -> None:
    gateways = await registry.register_gateways(conn, ["gw-1", "gw-2", "gw-1"], NOW_US)
    again = await registry.register_gateways(conn, ["gw-2"], NOW_US + 1)
    assert again["gw-2"] == gateways["gw-2"]
    gateway_id = gateways["gw-1"].id
    new = [NewElevator("电梯-1", gateway_id), NewElevator("b", gateway_id, 1)]
    lifts = await registry.register_elevators(conn, new, NOW_US)
    assert await registry.register_elevators(conn, new, NOW_US + 9) == lifts
    lift = lifts["电梯-1"]
    assert (lift.confirmed, lift.gateway_id, lift.gateway_registered) == (False, gateway_id, False)
    assert (lift.first_seen_us, lift.unit, lift.params) == (NOW_US, None, {})
    loaded = await registry.load(conn)
    assert loaded.elevators == sorted(lifts.values(), key=lambda row: row.id)
    assert [gateway.name for gateway in loaded.gateways] == ["gw-1", "gw-2"]


async def test_a_persons_binding_outlasts_first_use(conn: asyncpg.Connection) -> None:
    gateways = await registry.register_gateways(conn, ["a", "b"], NOW_US)
    a, b = gateways["a"].id, gateways["b"].id
    lifts = await registry.register_elevators(conn, [NewElevator("x", a)], NOW_US)
    lift = lifts["x"].id
    await registry.bind_by_first_use(conn, {lift: b})
    assert (await registry.load(conn)).elevators[0].gateway_id == b
    await conn.execute("UPDATE elevators SET gateway_id = $1, gateway_registered = true", a)
    await registry.bind_by_first_use(conn, {lift: b})
    loaded = (await registry.load(conn)).elevators[0]
    assert (loaded.gateway_id, loaded.gateway_registered) == (a, True)


async def test_an_older_status_does_not_replace_a_newer_one(conn: asyncpg.Connection) -> None:
    await registry.register_gateways(conn, ["a"], NOW_US)
    assert await registry.set_gateway_status(conn, "a", "online", NOW_US)
    assert not await registry.set_gateway_status(conn, "a", "offline", NOW_US - 1)
    assert not await registry.set_gateway_status(conn, "nobody", "online", NOW_US)
    (row,) = (await registry.load(conn)).gateways
    assert (row.status, row.status_us) == ("online", NOW_US)


async def test_floor_labels_and_the_last_eight_clock_runs_come_back(
    conn: asyncpg.Connection,
) -> None:
    gateways = await registry.register_gateways(conn, ["a"], NOW_US)
    gateway = gateways["a"].id
    lifts = await registry.register_elevators(conn, [NewElevator("x", gateway)], NOW_US)
    lift = lifts["x"].id
    labels = [FloorLabel(lift, 0, "B2"), FloorLabel(lift, 1, "十二")]
    runs = [ClockRun(lift, gateway, n, -5 * n, 10**15 + n, NOW_US) for n in range(12)]
    async with connect.transaction(conn):
        await registry.add_floor_labels(conn, labels)
        await registry.add_floor_labels(conn, labels)
        await registry.add_floor_labels(conn, [])
        await registry.add_clock_runs(conn, runs)
        await registry.add_clock_runs(conn, runs[-1:])
    loaded = await registry.load(conn)
    assert loaded.floor_labels == labels
    assert loaded.clock_runs == runs[4:]
    assert await conn.fetchval("SELECT count(*) FROM clock_runs") == 8  # a table, not a diary


def letter(index: int = 0, **changes: object) -> DeadLetter:
    plain = DeadLetter(
        cls="frame",
        reason="bad_time",
        topic="hoistway/v1/g/frames",
        sha256=b"\1" * 32,
        index=index,
        key="",
        size=3,
        raw=b"\0\xff{",
        detail={"why": "\0 \ud800", "number": float("nan")},
        received_us=NOW_US,
    )
    return dataclasses.replace(plain, **changes)


async def kept_letters(conn: asyncpg.Connection) -> list[asyncpg.Record]:
    return await conn.fetch("SELECT * FROM dead_letters ORDER BY class DESC, index")


async def test_the_same_letter_again_only_counts(conn: asyncpg.Connection) -> None:
    later = letter(received_us=NOW_US + 5)
    async with connect.transaction(conn):
        await dead_letters.write(
            conn, [letter(), later, letter(1), letter(cls="field", key="mode")]
        )
    await dead_letters.write(conn, [later])
    await dead_letters.write(conn, [])
    rows = await kept_letters(conn)
    assert [(row["class"], row["reason"], row["index"], row["times"]) for row in rows] == [
        ("frame", "bad_time", 0, 3),
        ("frame", "bad_time", 1, 1),
        ("field", "bad_time", 0, 1),
    ]
    first = rows[0]
    seen_us = [connect.micros(first[name]) for name in ("received_at", "last_at")]
    assert seen_us == [NOW_US, NOW_US + 5]
    assert (first["raw"], first["size"]) == (b"\0\xff{", 3)
    assert json.loads(first["detail"]) == {"why": "\ufffd ?", "number": "nan"}


async def test_large_payloads_keep_their_beginning_and_long_topics_fit(
    conn: asyncpg.Connection,
) -> None:
    whole = letter(0, raw=b"x" * (1 << 20), size=1 << 20)
    large = letter(1, raw=b"y" * ((1 << 20) + 1), size=(1 << 20) + 1, topic="t\0" * 40_000)
    await dead_letters.write(conn, [whole, large])
    kept = await kept_letters(conn)
    sizes = [(len(row["raw"]), row["size"]) for row in kept]
    assert sizes == [(1 << 20, 1 << 20), (64 << 10, (1 << 20) + 1)]


def hostile_text(rng: random.Random, length: int) -> str:
    alphabet = [
        "\0",
        "\ud800",
        "\udfff",
        "\uffff",
        "\x1f",
        '"',
        "\\",
        "\U0010ffff",
        "电",
        "%s",
        "'",
    ]
    return "".join(rng.choice([*alphabet, chr(rng.randrange(1, 0x11000))]) for _ in range(length))


def hostile_value(rng: random.Random, depth: int = 0) -> object:
    plain = [
        lambda: hostile_text(rng, rng.randrange(50)),
        lambda: rng.randrange(-(1 << rng.randrange(1, 4000)), 1 << 4000),
        lambda: rng.choice([float("inf"), float("nan"), -0.0, 1e308, 5e-324]),
        lambda: rng.randbytes(20),
        lambda: None,
        lambda: object,
    ]
    if depth > 30 or rng.random() < 0.3:
        return rng.choice(plain)()
    if rng.random() < 0.5:
        return [hostile_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {hostile_text(rng, 700): hostile_value(rng, depth + 1) for _ in range(rng.randrange(3))}


async def test_no_content_keeps_a_letter_from_being_kept(conn: asyncpg.Connection) -> None:
    rng = random.Random(20261122)
    letters = [
        letter(
            n,
            reason=hostile_text(rng, 300),
            topic=hostile_text(rng, 3000),
            key=hostile_text(rng, 3000),
            cls="field",
            raw=rng.randbytes(rng.randrange(100)),
            detail={"value": hostile_value(rng), hostile_text(rng, 9): hostile_value(rng)},
        )
        for n in range(400)
    ]
    await dead_letters.write(conn, letters)
    assert len(await kept_letters(conn)) == 400


def transition(n: int) -> Transition:
    return Transition(
        elevator_id=1,
        t_us=NOW_US + n,
        onset_us=NOW_US - 7,
        kind=FindingKind.ENTRAPMENT_AT_LANDING,
        kind_now=FindingKind.ENTRAPMENT_BETWEEN_LANDINGS,
        change=Change.CLEARED,
        reason=ClearReason.LATE_EVIDENCE,
        confidence=Confidence.POSSIBLE,
        last_seen_us=NOW_US - 1,
        rule="entrapment",
        version="1",
        criteria={"stopped": True, "inside": None, "button": False},
        values={"speed_mps": 0.123457, "people": None, "runs": 2**53},
        thresholds={"hold_s": 30.0, "off": None},
        parameters=7 * n,
        suspect=("zone", "door", "speed_mps") if n else (),
    )


async def test_transitions_come_back_as_they_were(conn: asyncpg.Connection) -> None:
    await registry.register_elevators(conn, [NewElevator("x", None)], NOW_US)
    async with connect.transaction(conn):
        await transitions.write(conn, 0, 5, [transition(1), transition(0)])
        await transitions.write(conn, 0, 6, [])
        await transitions.write(conn, 0, 7, [transition(2)])
    assert await transitions.of_batches(conn, 0, 5, 7) == {
        5: [transition(1), transition(0)],
        7: [transition(2)],
    }
    assert await transitions.of_batches(conn, 1, 5, 7) == {}


@pytest.fixture
async def lease(conn: asyncpg.Connection) -> Lease:
    return await writer_lock.acquire(conn, 0, lambda: None)


def arrays(fill: int, lifts: int) -> dict[str, np.ndarray]:
    return {"onset_us": np.full(lifts, fill, "i8"), "open": np.zeros((lifts, 2), "?")}


async def test_a_snapshot_comes_back_with_only_changed_pieces_written(
    conn: asyncpg.Connection, lease: Lease
) -> None:
    assert await snapshots.read(conn, 0, "v1") is None
    both = {0: arrays(1, 4096), 1: arrays(2, 100)}
    await snapshots.write(conn, lease, Head(10, NOW_US, 4196, "v1"), both)
    await snapshots.write(conn, lease, Head(20, NOW_US + 1, 4200, "v1"), {1: arrays(3, 104)})
    read = await snapshots.read(conn, 0, "v1")
    assert isinstance(read, Snapshot)
    assert read.head == Head(20, NOW_US + 1, 4200, "v1")
    assert sorted(read.pieces) == [0, 1]
    np.testing.assert_array_equal(read.pieces[0]["onset_us"], np.full(4096, 1))
    np.testing.assert_array_equal(read.pieces[1]["onset_us"], np.full(104, 3))
    assert read.pieces[1]["open"].shape == (104, 2)
    assert await snapshots.read(conn, 1, "v1") is None
    await snapshots.drop(conn, 0)
    assert await snapshots.read(conn, 0, "v1") is None


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("UPDATE detector_snapshots SET data = set_byte(data, 60, 77)", "checksum"),
        ("UPDATE detector_snapshots SET layout = 'v0'", "layout v0, this program reads v1"),
        (
            "UPDATE detector_snapshots SET layout = 'v1;doors/2(since_us:<i8)'",
            "layout doors/2, this program reads nothing else",
        ),
        ("DELETE FROM detector_snapshots", "missing"),
        ("UPDATE snapshots SET lifts = 5000", "missing"),
    ],
)
async def test_an_unreadable_snapshot_says_why(
    conn: asyncpg.Connection, lease: Lease, damage: str, reason: str
) -> None:
    await snapshots.write(conn, lease, Head(10, NOW_US, 9, "v1"), {0: arrays(1, 9)})
    await conn.execute(damage)
    read = await snapshots.read(conn, 0, "v1")
    assert isinstance(read, Unreadable)
    assert reason in read.reason
    assert read.batch == 10


async def test_a_snapshot_of_an_ended_epoch_is_not_written(
    conn: asyncpg.Connection, lease: Lease
) -> None:
    await conn.execute("UPDATE writer SET epoch = epoch + 1")
    with pytest.raises(EpochLost):
        await snapshots.write(conn, lease, Head(1, NOW_US, 0, "v1"), {})
    assert await snapshots.read(conn, 0, "v1") is None


async def test_a_half_written_snapshot_does_not_exist(
    conn: asyncpg.Connection, lease: Lease
) -> None:
    await snapshots.write(conn, lease, Head(10, NOW_US, 9, "v1"), {0: arrays(1, 9)})
    bad = {0: arrays(2, 9), 1: {"a": np.array([object()])}}
    with pytest.raises(TypeError):
        await snapshots.write(conn, lease, Head(20, NOW_US, 5000, "v1"), bad)
    read = await snapshots.read(conn, 0, "v1")
    assert isinstance(read, Snapshot)
    assert read.head.batch == 10
