"""``hoistway gaps``: stored frames and dead letters of the real database, joined."""

import asyncio
import hashlib
import json

import asyncpg
import msgspec
import pytest

from service.cli import run
from service.gaps import numbers_in
from service.times import to_datetime

CODE = "甲/3#1"
START_US = 1_780_000_000_000_000
SPAN = ("--from", str(START_US // 1000), "--until", str(START_US // 1000 + 86_400_000))


def at(second: int):
    return to_datetime(START_US + second * 1_000_000)


async def store(conn, lift: int, gateway: int, second: int, number: int) -> None:
    await conn.execute(
        "INSERT INTO frames (elevator_id, time, seq, batch, received_at, device_time, gateway_id,"
        " clock, late, quality) VALUES ($1, $2, $3, 1, $2, $2, $4, 0, false, 0)",
        lift, at(second), number, gateway,
    )  # fmt: skip


async def refuse(conn, second: int, raw: bytes, class_: str = "frame") -> None:
    await conn.execute(
        "INSERT INTO dead_letters (class, reason, topic, sha256, index, size, raw, received_at,"
        " last_at) VALUES ($1, 'bad_time', 'hoistway/v1/g/frames', $2, 0, $3, $4, $5, $5)",
        class_, hashlib.sha256(raw).digest(), len(raw), raw, at(second),
    )  # fmt: skip


@pytest.fixture
async def known(database_url, monkeypatch):
    """A lift that misses numbers, another one, and what was refused; gives connection and ids."""
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", database_url)
    conn = await asyncpg.connect(database_url)
    add = "INSERT INTO elevators (code) VALUES ($1) RETURNING id"
    lift, other = await conn.fetchval(add, CODE), await conn.fetchval(add, "other")
    gateway = await conn.fetchval("INSERT INTO gateways (name) VALUES ('g') RETURNING id")
    for second, number in enumerate((1, 2, 3, 7, 8)):
        await store(conn, lift, gateway, second, number)
    await store(conn, lift, gateway, 600, 40)
    await store(conn, lift, gateway, 601, 90_000)  # another numbering
    await store(conn, lift, gateway, 602, 0)
    await store(conn, lift, gateway, 603, 1)
    await store(conn, other, gateway, 3, 400)
    await store(conn, other, gateway, 4, 500)
    await refuse(conn, 3, json.dumps({"elevator": CODE, "seq": 5, "time": None}).encode())
    await refuse(conn, 3, msgspec.msgpack.encode([{"elevator": CODE, "seq": 6}]))
    await refuse(conn, 3, json.dumps({"elevator": "other", "seq": 4}).encode())
    await refuse(conn, 3, json.dumps({"elevator": CODE, "seq": 4}).encode(), "field")
    await refuse(conn, 3, b"\xff\x00 nothing")
    yield conn, lift, gateway
    await conn.close()


async def gaps(*arguments: str) -> int:
    """Run the command beside the loop of the test; it has a loop of its own."""
    return await asyncio.to_thread(run, ["gaps", *arguments])


async def test_each_gap_is_told_with_who_lost_it(known, capsys):
    del known
    assert await gaps(CODE, *SPAN, "--json") == 0
    way, silence = json.loads(capsys.readouterr().out)
    assert (way["first"], way["last"], way["lost_by"]) == (4, 6, {"us": 2, "terminal": 0, "way": 1})
    assert (silence["first"], silence["last"]) == (9, 39)
    assert silence["lost_by"] == {"us": 0, "terminal": 31, "way": 0}
    assert await gaps(CODE, *SPAN) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "missing 34: us 2, terminal 31, way 1"
    assert len(lines) == 3


async def test_what_came_late_is_not_missing(known, capsys):
    conn, lift, gateway = known
    await conn.execute("UPDATE frames SET time = $1 WHERE seq = 7", at(5))
    await conn.execute("UPDATE frames SET time = $1 WHERE seq = 8", at(6))
    await store(conn, lift, gateway, 3, 5)
    assert await gaps(CODE, *SPAN, "--json") == 0
    first, second, _ = json.loads(capsys.readouterr().out)
    assert [(g["first"], g["last"]) for g in (first, second)] == [(4, 4), (6, 6)]


async def test_an_unknown_lift_and_a_wrong_time_are_said(known, capsys):
    del known
    assert await gaps("nobody") == 1
    assert "there is no elevator nobody" in capsys.readouterr().err
    assert await gaps(CODE, "--from", "yesterday") == 2


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"null", b"[1, 2]", b'{"elevator": 3, "seq": 4}', b'{"elevator": "x", "seq": true}',
     b"\xc1", b'{"frames": 3}', b"[" * 100_000],
)  # fmt: skip
def test_what_cannot_be_read_has_no_numbers(payload):
    assert list(numbers_in(payload)) == []


def test_all_forms_of_a_payload_are_read():
    frames = [{"elevator": "x", "seq": 1}, {"elevator": "y", "seq": 2}]
    for whole in (frames, {"v": 1, "frames": frames}):
        for encode in (msgspec.json.encode, msgspec.msgpack.encode):
            assert list(numbers_in(encode(whole))) == [("x", 1), ("y", 2)]
