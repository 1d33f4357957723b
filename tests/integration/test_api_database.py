"""The API over the real database: keys, registry, frames, alarms, dead letters."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import httpx2
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from alerting.store import AlarmStore, StoreSettings
from service import keys
from service.cases import Cases
from service.clock import ManualClock
from service.database import open_pool
from service.dead_letters import DeadLetterStore
from service.http import Parts, make_app
from service.metrics import Metrics
from service.parameters import ParameterStore
from service.readiness import Board
from service.registry import Registry
from service.roles import Role
from service.settings import DatabaseSettings, HttpSettings
from service.shadow.store import ShadowStore
from service.times import to_datetime
from telemetry.columns import CODE_BIT, QUALITY_BIT
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition
from tests.fakes.api import FakeIntake, client_of

NOW_US = 1_780_000_000_000_000
CODE = "甲/3#1"
PATH = "/v1/elevators/%E7%94%B2%2F3%231"


@dataclass
class Service:
    pool: asyncpg.Pool
    clock: ManualClock
    intake: FakeIntake
    app: object
    tokens: dict[Role, str]

    def client(self, role: Role) -> httpx2.AsyncClient:
        return client_of(self.app, self.tokens[role])

    async def scalar(self, query: str, *args):
        return await self.pool.fetchval(query, *args)


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    clock, intake = ManualClock(NOW_US), FakeIntake()
    async with open_pool(DatabaseSettings(url=SecretStr(database_url))) as pool:
        tokens = {}
        async with pool.acquire() as conn:
            for role in Role:
                key = keys.make(f"a {role}", role)
                await keys.create(conn, key, "test", NOW_US)
                tokens[role] = key.token
        http = HttpSettings()
        app = make_app(
            Parts(
                settings=http,
                body_max_bytes=1 << 20,
                clock=clock,
                metrics=Metrics(CollectorRegistry(), "test"),
                readiness=Board(clock, ()),
                intake=intake,
                keys=keys.KeyRing(pool, clock, http.key_cache_s),
                fleet=Registry(pool),
                alarms=Cases(pool, AlarmStore(StoreSettings(endpoints=("http://desk",)), pool)),
                dead_letters=DeadLetterStore(pool),
                parameters=ParameterStore(pool),
                shadow=ShadowStore(pool, lambda: None),
                version="test",
            )
        )
        yield Service(pool, clock, intake, app, tokens)


async def elevator(service: Service, code: str = CODE) -> int:
    return await service.scalar("INSERT INTO elevators (code) VALUES ($1) RETURNING id", code)


async def test_keys_are_stored_as_digests_and_revoked_within_the_cache(service):
    token = service.tokens[Role.ENGINEER]
    stored = await service.pool.fetch("SELECT * FROM api_keys")
    assert all(token not in str(dict(row)) for row in stored)
    secret = token.rsplit("_", 1)[1]
    assert all(secret.encode() not in row["hash"] for row in stored)
    async with service.client(Role.ENGINEER) as http:
        assert (await http.get("/v1/gateways")).status_code == 200
        used = await service.scalar("SELECT last_used_at FROM api_keys WHERE name = 'a engineer'")
        assert used == to_datetime(NOW_US)
        async with service.pool.acquire() as conn:
            assert await keys.revoke(conn, "a engineer", "test", NOW_US)
            assert not await keys.revoke(conn, "a engineer", "test", NOW_US)
        service.clock.advance(5)
        assert (await http.get("/v1/gateways")).status_code == 401
    actions = await service.pool.fetch("SELECT action, subject FROM audit_log ORDER BY id DESC")
    assert tuple(actions[0]) == ("key_revoked", "a engineer")


async def test_a_name_is_given_again_only_after_revocation(service):
    async with service.pool.acquire() as conn:
        with pytest.raises(keys.KeyNameError, match="in force"):
            await keys.create(conn, keys.make("a admin", Role.ADMIN), "test", NOW_US)
        await keys.revoke(conn, "a admin", "test", NOW_US)
        again = keys.make("a admin", Role.GATEWAY)
        await keys.create(conn, again, "test", NOW_US)
        ring = keys.KeyRing(service.pool, service.clock, 5)
        assert await ring.verify(service.tokens[Role.ADMIN]) is None
        caller = await ring.verify(again.token)
        assert (caller.name, caller.role) == ("a admin", Role.GATEWAY)
        (row,) = [k for k in await keys.listed(conn) if k["name"] == "a admin"]
    assert (row["role"], row["revoked_at"]) == ("gateway", None)
    assert "hash" not in row


@pytest.mark.parametrize("change", [
    lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: t + "x", lambda t: "x" + t,
    lambda t: t.replace("hwk_", "hwk_" + "0"), lambda t: t.upper(), lambda t: "hwk__", lambda t: "",
    lambda t: "hwk_" + "0" * 32 + "_" + t.rsplit("_", 1)[1], lambda t: "\ud800",
])  # fmt: skip
async def test_nearly_a_key_is_none(service, change):
    ring = keys.KeyRing(service.pool, service.clock, 5)
    good = service.tokens[Role.ADMIN]
    assert await ring.verify(good) is not None
    assert await ring.verify(change(good)) is None


async def test_a_lift_is_registered_amended_and_audited(service):
    body = {"sticker": "123456", "unit": "escalator", "building": "甲楼", "rated_speed_mps": 1.75,
            "params": {"at_landing_window_s": 20, "urgent_window_s": 5}, "gateway": "gw/1",
            }  # fmt: skip
    async with service.client(Role.ADMIN) as http:
        made = (await http.put(PATH, json=body)).json()
        assert made["code"] == CODE
        assert (made["confirmed"], made["gateway"]) == (True, "gw/1")
        assert (made["unit"], made["rated_speed_mps"]) == ("escalator", 1.75)
        assert made["gateway_registered"] is True
        assert made["last_frame"] is None
        changes = {"building": None, "params": {"urgent_window_s": None}, "gateway": None}
        amended = (await http.patch(PATH, json=changes)).json()
        assert amended["building"] is None
        assert amended["sticker"] == "123456"
        assert amended["params"] == {"at_landing_window_s": 20}
        assert (amended["gateway"], amended["gateway_registered"]) == ("gw/1", False)
        await http.patch(PATH, json={"sticker": "123456"})  # as it is: nothing to audit
        replaced = (await http.put(PATH, json={"model": "X"})).json()
        assert (replaced["sticker"], replaced["params"]) == (None, {})
        gateways = (await http.get("/v1/gateways")).json()["gateways"]
        assert [(g["name"], g["elevators"]) for g in gateways] == [("gw/1", 1)]
    rows = await service.pool.fetch(
        "SELECT actor, data FROM audit_log WHERE action = 'elevator_changed' ORDER BY id"
    )
    assert [row["actor"] for row in rows] == ["a admin"] * 3
    assert json.loads(rows[1]["data"])["building"] == ["甲楼", None]
    assert service.intake.reloaded == [made["id"]] * 4


async def test_lifts_are_listed_by_filter_and_page(service):
    for n in range(5):
        await elevator(service, f"lift {n}")
    await service.pool.execute("UPDATE elevators SET confirmed = true WHERE code = 'lift 3'")
    async with service.client(Role.DISPATCHER) as http:
        seen, after = [], 0
        while after is not None:
            page = (await http.get("/v1/elevators", params={"limit": 2, "after": after})).json()
            seen += [lift["code"] for lift in page["elevators"]]
            after = page["next"]
        confirmed = (await http.get("/v1/elevators", params={"confirmed": "true"})).json()
    assert seen == [f"lift {n}" for n in range(5)]
    assert [lift["code"] for lift in confirmed["elevators"]] == ["lift 3"]


async def store_frame(service: Service, elevator_id: int, n: int, **columns) -> None:
    names = ["elevator_id", "time", "seq", "batch", "received_at", "device_time", "gateway_id",
             "clock", "late", "quality", *columns]  # fmt: skip
    time = to_datetime(NOW_US + n * 1000)
    given = [elevator_id, time, n, 1, time, time, 1, 0, False,
             1 << QUALITY_BIT["load"], *columns.values()]  # fmt: skip
    places = ", ".join(f"${i + 1}" for i in range(len(names)))
    await service.pool.execute(f"INSERT INTO frames ({', '.join(names)}) VALUES ({places})", *given)


async def test_frames_come_back_in_the_words_of_the_wire(service):
    lift = await elevator(service)
    await service.pool.execute("INSERT INTO gateways (id, name) VALUES (1, 'gw')")
    await service.pool.execute("INSERT INTO floor_labels VALUES ($1, 0, '13A')", lift)
    await store_frame(service, lift, 0, floor=0, door=2, zone=0, passenger=1, power=1, car=1,
                      speed_mps=1.3, codes=1 << CODE_BIT[4] | 1 << CODE_BIT[41], mode=1, unit=0,
                      )  # fmt: skip
    for n in range(1, 5):
        await store_frame(service, lift, n)
    span = {"from": str(NOW_US // 1000), "to": str(NOW_US // 1000 + 60_000)}
    async with service.client(Role.ENGINEER) as http:
        first = (await http.get(f"{PATH}/frames", params={**span, "limit": 3})).json()
        rest = (await http.get(f"{PATH}/frames", params={**span, "after": first["next"]})).json()
        none = (await http.get(f"{PATH}/frames", params={"from": "0", "to": "1"})).json()
        one = (await http.get(PATH)).json()
    frame = first["frames"][0]
    assert (frame["floor"], frame["codes"], frame["speed"]) == ("13A", ["04", "41"], 1.3)
    assert (frame["zone"], frame["door"], frame["power"], frame["unit"]) == (
        False, 2, "battery", "lift",
    )  # fmt: skip
    assert (frame["passenger"], frame["mode"], frame["load"]) == (1, 1, None)
    assert (frame["gateway"], frame["clock"], frame["late"]) == ("gw", "device", False)
    assert frame["quality"] == ["load"]
    assert [f["seq"] for f in first["frames"] + rest["frames"]] == list(range(5))
    assert rest["next"] is None
    assert none == {"frames": [], "next": None}
    assert one["last_frame"] == rest["frames"][-1]["time"]


async def raised(service: Service, kind: FindingKind, lift: int, onset_us: int) -> None:
    transition = Transition(
        elevator_id=lift, t_us=onset_us + 1_000_000, onset_us=onset_us, kind=kind, kind_now=kind,
        change=Change.RAISED, reason=ClearReason.NONE, confidence=Confidence.CERTAIN,
        last_seen_us=onset_us, rule="test", version="1", criteria={}, values={}, thresholds={},
    )  # fmt: skip
    store = AlarmStore(StoreSettings(endpoints=("http://desk",)))
    async with service.pool.acquire() as conn, conn.transaction():
        await store.apply(conn, [transition], {}, onset_us + 1_000_000)


async def test_alarms_are_listed_taken_and_released(service):
    onset_us = NOW_US - 60_000_000
    for n in range(3):
        lift = await elevator(service, f"lift {n}")
        await raised(service, FindingKind.ENTRAPMENT_AT_LANDING, lift, onset_us + n)
    await raised(service, FindingKind.ALARM_BUTTON, lift, onset_us)
    async with service.client(Role.DISPATCHER) as http:
        seen, after = [], {}
        while after is not None:
            page = (await http.get("/v1/alarms", params={"limit": 3, **after})).json()
            seen += page["alarms"]
            after = {"after": page["next"]} if page["next"] else None
        assert len({alarm["alarm_id"] for alarm in seen}) == len(seen) == 4
        assert [a["onset"] for a in seen] == sorted((a["onset"] for a in seen), reverse=True)
        buttons = (await http.get("/v1/alarms?kind=alarm_button&state=open")).json()["alarms"]
        assert [a["elevator"]["code"] for a in buttons] == ["lift 2"]
        ours = (await http.get("/v1/alarms?elevator=lift%200&state=raised")).json()["alarms"]
        path = f"/v1/alarms/{ours[0]['alarm_id']}"
        accepted = (await http.post(f"{path}/accept", json={"note": "on the way"})).json()
        again = (await http.post(f"{path}/accept")).json()
        assert accepted["accepted_by"] == again["accepted_by"] == "a dispatcher"
        await http.post(f"{path}/release")
        assert (await http.post(f"{path}/release")).status_code == 200
        refused = await http.post(f"{path}/false-alarm")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        whole = (await http.get(path)).json()
        kinds = [event["type"] for event in whole["timeline"]]
        assert kinds == ["raised", "accepted", "released"]
        assert whole["timeline"][1]["actor"] == "a dispatcher"
        assert whole["timeline"][1]["data"]["note"] == "on the way"
        assert whole["deliveries"][0]["endpoint"] == "http://desk"
        unknown = "/v1/alarms/00000000-0000-4000-8000-000000000000"
        assert (await http.get(unknown)).status_code == 404
        assert (await http.post(f"{unknown}/accept")).status_code == 404
        past = (await http.get("/v1/alarms?state=past")).json()
        late = (await http.get(f"/v1/alarms?since={(onset_us + 2_000) // 1000}")).json()
        assert past["alarms"] == late["alarms"] == []


async def dead_letter(service: Service, raw: bytes, reason: str, class_: str = "frame") -> int:
    return await service.scalar(
        "INSERT INTO dead_letters (class, reason, topic, sha256, index, size, raw, received_at,"
        " last_at) VALUES ($1, $2, 'hoistway/v1/gw%2F1/frames', $3, 0, $4, $5, $6, $6)"
        " RETURNING id",
        class_, reason, hashlib.sha256(raw).digest(), len(raw), raw, to_datetime(NOW_US),
    )  # fmt: skip


async def test_dead_letters_are_listed_shown_and_replayed(service):
    first = await dead_letter(service, b'{"elevator":"x"}', "foreign_gateway")
    second = await dead_letter(service, b"\xff\x00", "not_decodable")
    third = await dead_letter(service, b"9", "out_of_range", "field")
    async with service.client(Role.ADMIN) as http:
        page = (await http.get("/v1/dead-letters?limit=2")).json()
        rest = (await http.get(f"/v1/dead-letters?before={page['next']}")).json()
        ids = [letter["id"] for letter in page["dead_letters"] + rest["dead_letters"]]
        assert ids == [third, second, first]
        only = (await http.get("/v1/dead-letters?reason=not_decodable")).json()["dead_letters"]
        assert [letter["id"] for letter in only] == [second]
        fields = (await http.get("/v1/dead-letters?class=field")).json()["dead_letters"]
        assert [letter["id"] for letter in fields] == [third]
        shown = (await http.get(f"/v1/dead-letters/{second}")).json()
        assert (shown["text"], shown["base64"]) == (None, "/wA=")
        assert (await http.post(f"/v1/dead-letters/{third}/replay")).status_code == 409
        assert (await http.post(f"/v1/dead-letters/{first}/replay")).status_code == 200
        assert (await http.get(f"/v1/dead-letters/{first}")).json()["replayed_at"] is not None
        assert (await http.get("/v1/dead-letters/999")).status_code == 404
    assert service.intake.submitted == [("gw/1", b'{"elevator":"x"}')]


async def test_without_a_schema_the_api_is_503(stack):
    clock = ManualClock(NOW_US)
    settings = DatabaseSettings(url=SecretStr(stack.database_url.rsplit("/", 1)[0] + "/postgres"))
    async with open_pool(settings) as pool:
        ring = keys.KeyRing(pool, clock, 5)
        with pytest.raises(asyncpg.UndefinedTableError):
            await ring.verify(keys.make("x", Role.ADMIN).token)


ODD = (
    "", "0", "-1", "1", "x", "\x00", "9" * 18, "9" * 40, "-" + "9" * 17, "nan", "true", "%",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00", "1.1",
    "253402300799999", "-62135596800000", "1.9223372036854775807", "-1.-1", "甲" * 300, "a" * 3000,
)  # fmt: skip
QUERIES = {
    "/v1/alarms": ("state", "kind", "elevator", "since", "after", "limit"),
    "/v1/elevators": ("confirmed", "gateway", "sticker", "after", "limit"),
    f"{PATH}/frames": ("from", "to", "after", "limit"),
    "/v1/gateways": ("after", "limit"),
    "/v1/dead-letters": ("reason", "class", "topic", "since", "before", "limit"),
}


@pytest.mark.parametrize("path", QUERIES)
async def test_no_query_is_a_fault_of_ours(service, path):
    await elevator(service)
    async with service.client(Role.ADMIN) as http:
        for name in QUERIES[path]:
            for value in ODD:
                answer = await http.get(path, params={name: value})
                assert answer.status_code in (200, 422), (name, value, answer.text)


@pytest.mark.parametrize(
    "field", ["sticker", "model", "gateway", "rated_speed_mps", "params", "unit"]
)
async def test_no_registration_is_a_fault_of_ours(service, field):
    values = [*ODD, 0, -1, 1e308, 10**400, True, None, [], {}, {"at_landing_window_s": 1e-9},
              {"at_landing_window_s": "\ud800"}, "\ud800", "a\u0085b"]  # fmt: skip
    async with service.client(Role.ADMIN) as http:
        for value in values:
            content = json.dumps({field: value})
            headers = {"content-type": "application/json"}
            answer = await http.put(PATH, content=content, headers=headers)
            assert answer.status_code in (200, 422), (value, answer.text)
