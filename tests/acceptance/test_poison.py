"""Bad input among good: everything is accounted for with its reason, and no neighbour pays for it.

Over a real broker and over HTTP, through the real service into a real database.
"""

import asyncio
import hashlib
import io
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence

import aiohttp
import pytest

from service.rig import Rig
from service.roles import Role
from service.soak import accounts
from service.soak.accounts import SentKey
from simulator.publishing.feed import SteadyLoad
from telemetry.topics import frames_topic
from tests.acceptance.commands import hoistway
from tests.acceptance.conftest import MakeRig
from tests.acceptance.poison import LARGEST, Poison, Poisoner
from tests.fakes.raw_mqtt import publish_all
from tests.waiting import until

SECOND_US = 1_000_000
REJECTED = "hoistway_frames_rejected_total"
BAD, POSTED, GOOD_PER_S, GOOD_S = 10_000, 300, 1_000, 10

Wire = tuple[str, bytes]


def start_of(rig: Rig) -> int:
    """Return a time for first frames: some seconds ago, whole ms [µs]."""
    return rig.clock.now_us() // 1000 * 1000 - (GOOD_S + 1) * SECOND_US


async def rejected_by_reason(rig: Rig) -> Counter[str]:
    """Return the rejected frames as the metrics tell them."""
    found = await rig.service.metrics()
    return +Counter(
        {k.split('"')[1]: round(v) for k, v in found.items() if k.startswith(REJECTED + "{")}
    )


async def letters_by_reason(rig: Rig) -> Counter[str]:
    """Return the rejected frames as the dead letters tell them."""
    rows = await rig.pool.fetch(
        "SELECT reason, sum(times)::int AS times FROM dead_letters WHERE class = 'frame'"
        " AND reason <> 'more_rejects' GROUP BY reason"
    )
    more = await rig.pool.fetch(
        "SELECT (detail->>'all')::int - (detail->>'kept')::int AS rest FROM dead_letters"
        " WHERE class = 'frame' AND reason = 'more_rejects'"
    )
    found = Counter({row["reason"]: row["times"] for row in rows})
    found["not_an_object"] += sum(row["rest"] for row in more)
    return +found


def frame(code: str, seq: int, at_us: int, **more: object) -> dict[str, object]:
    return {"elevator": code, "seq": seq, "time": at_us // 1000 + seq, "door": 1, **more}


async def send(rig: Rig, gateway: str, *payloads: object) -> None:
    """Publish as ``gateway`` and wait until everything is settled."""
    before = await accounts.ledger(rig.service)
    wire = [
        (frames_topic(gateway), json.dumps(payload, ensure_ascii=False).encode())
        for payload in payloads
    ]
    count = sum(len(p) if isinstance(p, list) else 1 for p in payloads)
    await publish_all(rig.settings.mqtt_url, wire)
    await accounts.settled(rig.service, before.received + count)


async def post(rig: Rig, token: str, payload: bytes) -> tuple[int, dict[str, object]]:
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": token}) as session,
        session.post(f"{rig.service.http_url}/v1/frames", data=io.BytesIO(payload)) as answer,
    ):
        return answer.status, await answer.json()


def mixed(good: Sequence[Wire], bad: Iterable[Poison], seed: int) -> list[Wire]:
    """Put the bad ones anywhere among the good ones; each keeps its order."""
    slots = [False] * len(good) + [True] * BAD
    random.Random(seed).shuffle(slots)
    goods, bads = iter(good), iter(bad)
    wire = []
    for is_bad in slots:
        if is_bad:
            poison = next(bads)
            wire.append((poison.topic, poison.payload))
        else:
            wire.append(next(goods))
    return wire


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_ten_thousand_bad_payloads_cost_no_good_frame(rig: MakeRig) -> None:
    made = await rig()
    pid, start_us = made.service.pid, start_of(made)
    load = SteadyLoad(100, GOOD_PER_S, start_us)
    good = load.messages_until(start_us + GOOD_S * SECOND_US)
    bad = list(Poisoner(load.gateways, start_us, seed=11).draw(BAD))
    keys = [
        SentKey(load.codes[key.lift], key.device_time_us, key.seq)
        for message in good
        for key in message.keys
    ]
    keys += [key for poison in bad for key in poison.stored]
    expected = sum((Counter(poison.rejected) for poison in bad), Counter[str]())

    wire = mixed([(m.topic, m.payload) for m in good], bad, seed=12)
    await publish_all(made.settings.mqtt_url, wire)
    token = await made.make_key("gw-http", Role.GATEWAY)
    posted = await _post_poison(made, token, start_us, keys, expected)

    found = await accounts.settled(made.service, len(keys) + expected.total(), 60)
    print(f"{len(good)} good messages and {BAD} bad ones over MQTT, {posted} over HTTP: {found},"
          f" {dict(expected)}")  # fmt: skip
    assert found.stored == len(keys) > 10_000
    assert found.rejected == expected.total() > BAD * 0.7
    assert found.duplicate == 0
    assert not await accounts.key_faults(made.pool, keys)
    assert await rejected_by_reason(made) == expected
    assert await letters_by_reason(made) == expected
    flaws = await made.count("SELECT sum(times)::int FROM dead_letters WHERE class = 'field'")
    assert flaws >= sum(poison.flawed for poison in bad)
    # every rejected payload is kept: found by its digest, whole
    digests = {row["sha256"] for row in await made.pool.fetch("SELECT sha256 FROM dead_letters")}
    assert {hashlib.sha256(p.payload).digest() for p in bad if p.rejected} <= digests
    whole = await made.count("SELECT count(*) FROM dead_letters WHERE length(raw) < size")
    assert whole == 0
    assert made.service.pid == pid
    assert made.service.process is not None
    assert made.service.process.returncode is None


async def _post_poison(
    rig: Rig, token: str, start_us: int, keys: list[SentKey], expected: Counter[str]
) -> int:
    """POST bad payloads; every answer names each reason. What is expected is added."""
    posted = 0
    for poison in Poisoner(["gw-http"], start_us, seed=13).draw(POSTED):
        if "/gw-http/" not in poison.topic:
            continue
        posted += 1
        status, told = await post(rig, token, poison.payload)
        assert status == 200, told
        assert told["stored"] == len(poison.stored), poison.payload[:200]
        reasons = Counter(r["reason"] for r in told["rejected"])  # type: ignore[attr-defined]
        assert reasons == poison.rejected, poison.payload[:200]
        keys += poison.stored
        expected.update(poison.rejected)
    assert (await post(rig, token, b"[" + b" " * LARGEST))[0] == 413
    return posted


@pytest.mark.parametrize("sqlstate", ["22003", "23514"])
async def test_what_the_database_refuses_costs_no_neighbour(rig: MakeRig, sqlstate: str) -> None:
    made = await rig()
    start_us = start_of(made)
    await send(made, "gw-a", [frame("ILL", 1, start_us), frame("WELL", 1, start_us)])
    ill = await made.count("SELECT id FROM elevators WHERE code = 'ILL'")
    await made.pool.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NEW.elevator_id = {ill} AND NEW.seq % 3 = 0 THEN"
        f" RAISE EXCEPTION 'not these' USING ERRCODE = '{sqlstate}'; END IF; RETURN NEW; END $$"
    )
    await made.pool.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON frames FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    payloads = [[frame(c, n, start_us) for c in ("ILL", "WELL")] for n in range(2, 62)]
    await send(made, "gw-a", *payloads)
    assert await rejected_by_reason(made) == {"unstorable": 20}
    seqs = await made.pool.fetch(
        "SELECT code, array_agg(seq ORDER BY seq) AS seqs FROM frames JOIN elevators e"
        " ON e.id = elevator_id GROUP BY code"
    )
    stored = {row["code"]: row["seqs"] for row in seqs}
    assert stored["WELL"] == list(range(1, 62))
    assert stored["ILL"] == [n for n in range(1, 62) if n % 3]
    letters = await made.pool.fetch("SELECT raw, detail FROM dead_letters")
    assert {json.loads(row["raw"])["seq"] for row in letters} == set(range(3, 62, 3))
    assert all("not these" in row["detail"] for row in letters)


async def test_a_gateway_may_introduce_only_so_many_lifts(rig: MakeRig) -> None:
    made = await rig()
    start_us = start_of(made)
    await send(made, "gw-a", *[[frame(f"N{n}", 1, start_us)] for n in range(1_007)])
    await send(made, "gw-b", frame("OTHER", 1, start_us))  # another gateway's room is its own
    await send(made, "gw-a", [frame("N5", 2, start_us), frame("N9999", 1, start_us)])
    assert await rejected_by_reason(made) == {"too_many_unknown": 8}
    assert await letters_by_reason(made) == {"too_many_unknown": 8}
    assert await made.count("SELECT count(*) FROM elevators") == 1_001
    assert await made.count("SELECT count(*) FROM frames") == 1_002


async def test_floor_labels_above_the_limit_become_unknown_and_are_counted(rig: MakeRig) -> None:
    made = await rig()
    start_us = start_of(made)
    frames = [frame("L", n, start_us, floor=f"F{n}") for n in range(1, 261)]
    await send(made, "gw-a", *frames)
    await send(made, "gw-a", frame("L", 261, start_us, floor="F1"))
    assert await made.count("SELECT count(*) FROM floor_labels") == 256
    assert await made.count("SELECT count(*) FROM frames WHERE floor IS NULL") == 4
    assert (await made.service.metrics())["hoistway_floor_labels_refused_total"] == 4
    assert await rejected_by_reason(made) == {}


async def test_the_log_calls_a_lift_by_its_code(rig: MakeRig) -> None:
    made = await rig()
    start_us = start_of(made)
    await send(made, "gw-a", [frame("甲-3", 1 + 2 * n, start_us) for n in range(9)])

    def told() -> list[str]:
        lines = made.service.last_words().splitlines()
        return [line for line in lines if '"seq_unreliable"' in line]

    (line,) = await until(told)  # its frames are stepped without those between, after 2 s
    assert json.loads(line)["elevator"] == "甲-3"


async def test_same_key_with_other_content_is_kept_with_both(rig: MakeRig) -> None:
    made = await rig()
    start_us = start_of(made)
    first, second = frame("L", 1, start_us), frame("L", 2, start_us)
    await send(made, "gw-a", [first, second, {**second, "door": 3}])  # inside one batch
    await send(made, "gw-a", {**first, "door": 3}, first)  # against the table
    assert await rejected_by_reason(made) == {"conflicting_frame": 2}
    assert (await accounts.ledger(made.service)).duplicate == 1
    letters = await made.pool.fetch("SELECT raw, detail FROM dead_letters")
    for row in letters:
        assert json.loads(row["raw"])["door"] == 3
        assert json.loads(row["detail"])["stored"]["door"] == 1
    assert await made.count("SELECT count(*) FROM frames WHERE door = 1") == 2


async def test_a_foreign_frame_comes_back_by_the_command_line(rig: MakeRig) -> None:
    made = await rig()
    start_us = start_of(made)
    await send(made, "gw-a", frame("L", 1, start_us))
    await send(made, "gw-b", [frame("L", 7, start_us, note="其他网关"), frame("M", 1, start_us)])
    assert await rejected_by_reason(made) == {"foreign_gateway": 1}
    assert await made.count("SELECT count(*) FROM frames") == 2
    database = {"HOISTWAY_DATABASE_URL": made.database_url}
    (letter,) = await listed(database, "foreign_gateway")
    number = str(letter["id"])
    shown = await asyncio.to_thread(hoistway, database, "dead-letters", "show", number)
    assert "foreign_gateway" in shown.stdout
    assert "其他网关" in shown.stdout
    admin = await made.make_key("boss", Role.ADMIN)
    how = {"HOISTWAY_API_URL": made.service.http_url, "HOISTWAY_API_KEY": admin}
    replay = ("dead-letters", "replay", number)
    refused = await asyncio.to_thread(hoistway, how, *replay)
    assert refused.stdout == "stored 0, duplicate 0, rejected foreign_gateway\n"
    assert refused.returncode == 1
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": admin}) as session,
        session.patch(
            f"{made.service.http_url}/v1/elevators/L", json={"gateway": "gw-b"}
        ) as answer,
    ):
        assert answer.status == 200, await answer.text()
    taken = await asyncio.to_thread(hoistway, how, *replay)
    assert (taken.returncode, taken.stdout) == (0, "stored 1, duplicate 0, rejected 0\n")
    assert await made.count("SELECT count(*) FROM frames WHERE seq = 7") == 1
    replayed = {m["id"]: m["replayed_at"] for m in await listed(database, "foreign_gateway")}
    assert replayed[letter["id"]] is not None


async def listed(environment: dict[str, str], reason: str) -> list[dict[str, object]]:
    arguments = ("dead-letters", "list", "--reason", reason, "--json")
    ended = await asyncio.to_thread(hoistway, environment, *arguments)
    return [json.loads(line) for line in ended.stdout.splitlines()]
