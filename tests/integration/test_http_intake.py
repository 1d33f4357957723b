"""``hoistway serve`` for a gateway without MQTT, and the way back from the dead letters."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx2
import msgspec
import pytest

from ingest.mqtt_settings import MqttSettings
from ingest.mqtt_source import delete_session
from service import keys
from service.child import ServiceProcess
from service.cli import run
from service.clock import SystemClock
from service.roles import Role


@dataclass
class Running:
    child: ServiceProcess
    tokens: dict[str, str]
    database_url: str

    def client(self, name: str) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self.child.http_url, headers={"X-API-Key": self.tokens[name]}, timeout=20
        )


@pytest.fixture
async def running(database_url: str, mqtt_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    client_id, tokens = f"test-{uuid.uuid4().hex[:8]}", {}
    conn = await asyncpg.connect(database_url)
    for name, role in (("gw-a", Role.GATEWAY), ("gw-b", Role.GATEWAY), ("boss", Role.ADMIN)):
        key = keys.make(name, role)
        await keys.create(conn, key, "test", 1)
        tokens[name] = key.token
    await conn.close()
    environment = {
        "HOISTWAY_DATABASE_URL": database_url,
        "HOISTWAY_MQTT_URL": mqtt_url,
        "HOISTWAY_MQTT_CLIENT_ID": client_id,
    }
    async with ServiceProcess(environment, tmp_path / "serve.log") as child:
        yield Running(child, tokens, database_url)
    await delete_session(MqttSettings(url=mqtt_url, client_id=client_id), SystemClock())


def frame(seq: int, **more) -> dict:
    now_ms = time.time_ns() // 1_000_000
    return {"elevator": "甲/1", "time": now_ms, "seq": seq, "floor": "B2", "door": 2, **more}


async def conserved(running: Running) -> dict[str, float]:
    """Return the metrics after checking the law of promise 3."""
    found = await running.child.metrics()
    rejected = sum(v for k, v in found.items() if k.startswith("hoistway_frames_rejected_total"))
    settled = (
        found["hoistway_frames_stored_total"]
        + found["hoistway_frames_duplicate_total"]
        + rejected
        + found["hoistway_frames_in_flight"]
    )
    assert found["hoistway_frames_received_total"] == settled
    return found


async def test_frames_posted_are_stored_when_the_answer_comes(running):
    first, second = frame(1), frame(2, speed="fast", unheard=1)
    async with running.client("gw-a") as http:
        many = await http.post("/v1/frames", content=json.dumps([first, 7, second, {"seq": 1}]))
        assert many.status_code == 200, many.text
        assert (many.json()["stored"], many.json()["duplicate"]) == (2, 0)
        rejected = {r["index"]: r["reason"] for r in many.json()["rejected"]}
        assert rejected == {1: "not_an_object", 3: "bad_elevator"}
        again = await http.post("/v1/frames", content=msgspec.msgpack.encode(first))
        assert again.json() == {"stored": 0, "duplicate": 1, "rejected": []}
        other = await http.post("/v1/frames", content=json.dumps({**first, "door": 4}))
        assert other.json()["rejected"] == [{"index": 0, "reason": "conflicting_frame"}]
        broken = await http.post("/v1/frames", content=b"{")
        assert broken.json()["rejected"] == [{"index": -1, "reason": "not_decodable"}]
        nothing = await http.post("/v1/frames", content=b"[]")
        assert nothing.json() == {"stored": 0, "duplicate": 0, "rejected": []}
    async with running.client("boss") as http:
        path = "/v1/elevators/%E7%94%B2%2F1"
        stored = (await http.get(f"{path}/frames")).json()["frames"]
        assert [f["seq"] for f in stored] == [1, 2]
        assert (stored[0]["floor"], stored[0]["gateway"]) == ("B2", "gw-a")
        assert stored[1]["quality"] == ["speed"]
        lift = (await http.get(path)).json()
        assert (lift["confirmed"], lift["gateway"]) == (False, "gw-a")
    found = await conserved(running)
    assert found["hoistway_frames_received_total"] == 7
    assert found['hoistway_fields_rejected_total{key="speed",reason="wrong_type"}'] == 1
    assert found["hoistway_unknown_keys_total"] == 1


async def test_a_foreign_frame_is_replayed_after_the_lift_was_bound_anew(
    running, monkeypatch, capsys
):
    async with running.client("gw-a") as http:
        await http.post("/v1/frames", content=json.dumps(frame(1)))
    async with running.client("gw-b") as http:
        foreign = await http.post("/v1/frames", content=json.dumps(frame(9)))
    assert foreign.json()["rejected"] == [{"index": 0, "reason": "foreign_gateway"}]
    async with running.client("boss") as http:
        (letter,) = (await http.get("/v1/dead-letters")).json()["dead_letters"]
        replay = f"/v1/dead-letters/{letter['id']}/replay"
        refused = await http.post(replay)
        assert refused.json()["rejected"] == [{"index": 0, "reason": "foreign_gateway"}]
        bound = await http.patch("/v1/elevators/%E7%94%B2%2F1", json={"gateway": "gw-b"})
        assert (bound.json()["gateway"], bound.json()["gateway_registered"]) == ("gw-b", True)
        taken = await http.post(replay)
        assert (taken.json()["stored"], taken.json()["rejected"]) == (1, [])
        shown = (await http.get(f"/v1/dead-letters/{letter['id']}")).json()
        assert shown["times"] == 2
        assert shown["replayed_at"] is not None
    found = await conserved(running)
    assert found["hoistway_frames_stored_total"] == 2
    # the command does the same: what was stored is now a duplicate
    code, said = await asyncio.to_thread(_replayed, running, letter["id"], monkeypatch, capsys)
    assert (code, said) == (0, "stored 0, duplicate 1, rejected 0\n")


def _replayed(running: Running, letter_id: int, monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setenv("HOISTWAY_API_URL", running.child.http_url)
    monkeypatch.setenv("HOISTWAY_API_KEY", running.tokens["boss"])
    monkeypatch.delenv("HOISTWAY_CONFIG", raising=False)
    code = run(["dead-letters", "replay", str(letter_id)])
    return code, capsys.readouterr().out
