"""The API over fakes: what is answered about frames, alarms, lifts and letters, in which words."""

import asyncio
import contextlib
import re

import pytest

from service.http import SubmitResult
from service.http.parts import Act
from service.readiness import Cause
from tests.fakes.api import ALARM, CODE, Api, api_with_letter, letter
from tests.fakes.api import running as client


async def test_posted_frames_are_answered_after_the_commit():
    api = Api()
    api.intake.result = SubmitResult(2, 1, [(3, "bad_time")])
    async with client(api, "gateway") as http:
        answer = await http.post("/v1/frames", content=b"[...]")
    assert answer.json() == {
        "stored": 2,
        "duplicate": 1,
        "rejected": [{"index": 3, "reason": "bad_time"}],
    }
    assert api.intake.submitted == [("a gateway", b"[...]")]


async def test_a_pause_is_503_with_retry_after():
    api = Api(retry_after_s=9)
    api.intake.paused = "no database"
    async with client(api, "gateway") as http:
        answer = await http.post("/v1/frames", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (503, "paused")
    assert answer.headers["retry-after"] == "9"
    assert "no database" in answer.json()["detail"]


async def test_a_commit_that_takes_too_long_is_503():
    api = Api(submit_timeout_s=0.01)

    async def never(gateway, payload):
        await asyncio.Event().wait()

    api.intake.submit = never
    async with client(api, "gateway") as http:
        answer = await http.post("/v1/frames", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (503, "paused")


async def test_a_hanging_part_does_not_hold_the_caller():
    api = Api(request_timeout_s=0.05)
    go_on = asyncio.Event()

    async def deaf(code):  # like a driver that waits for a server's answer to its cancellation
        while not go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go_on.wait()

    api.fleet.elevator = deaf
    async with client(api, "admin") as http:
        answer = await http.get(f"/v1/elevators/{CODE}")
        assert (answer.status_code, answer.json()["code"]) == (503, "database")
        assert answer.headers["retry-after"]
        (abandoned,) = api.app.state.parts.abandoned
        go_on.set()
        await asyncio.wait({abandoned})
    assert not api.app.state.parts.abandoned


async def chunks(size: int):
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("path", ["/v1/frames", f"/v1/elevators/{CODE}"])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_large_body_is_413_whether_or_not_its_length_is_declared(path, declared):
    role, method = ("gateway", "POST") if path == "/v1/frames" else ("admin", "PUT")
    content = b"x" * 2000 if declared else chunks(2000)
    api = Api()
    async with client(api, role) as http:
        answer = await http.request(method, path, content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not api.intake.submitted


async def test_a_body_of_exactly_the_limit_is_taken():
    async with client(Api(), "gateway") as http:
        assert (await http.post("/v1/frames", content=b"x" * 1024)).status_code == 200


@pytest.mark.parametrize("act", list(Act))
async def test_who_acts_is_the_key(act):
    api = Api()
    async with client(api, "dispatcher") as http:
        plain = await http.post(f"/v1/alarms/{ALARM}/{act}")
        noted = await http.post(f"/v1/alarms/{ALARM}/{act}", json={"note": "门已开"})
    assert plain.status_code == noted.status_code == 200
    assert api.alarms.acts == [
        (ALARM, act, "a dispatcher", None),
        (ALARM, act, "a dispatcher", "门已开"),
    ]


@pytest.mark.parametrize("body", [{"who": "me"}, {"note": "a\x00b"}, {"note": 1}, [1]])
async def test_a_note_is_all_that_a_body_can_add(body):
    api = Api()
    async with client(api, "dispatcher") as http:
        answer = await http.post(f"/v1/alarms/{ALARM}/accept", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert not api.alarms.acts


async def test_what_the_state_forbids_is_409():
    api = Api()
    api.alarms.refusal = "the alarm is over: cancelled"
    async with client(api, "dispatcher") as http:
        answer = await http.post(f"/v1/alarms/{ALARM}/release")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "cancelled" in answer.json()["text"]["en"]


async def test_alarm_filters_and_cursor():
    api = Api()
    async with client(api, "dispatcher") as http:
        first = await http.get(
            "/v1/alarms",
            params={"state": "open", "kind": "alarm_button", "elevator": CODE, "limit": 1,
                    "since": "2026-11-22T08:00:00+08:00"},
        )  # fmt: skip
        assert re.fullmatch(rf"\d+\.{ALARM}", first.json()["next"])
        again = await http.get("/v1/alarms", params={"after": first.json()["next"], "limit": 2})
    assert again.json()["next"] is None
    wanted, second = api.alarms.wanted
    assert (wanted.is_open, wanted.kind, wanted.elevator) == (True, "alarm_button", CODE)
    assert wanted.since.isoformat() == "2026-11-22T00:00:00+00:00"
    assert second.after[1] == ALARM


@pytest.mark.parametrize(
    "query",
    [
        "state=odd", "kind=odd", "since=yesterday", "since=2026-11-22T08:00:00", "after=x",
        "after=1.x", "limit=0", "limit=x", "elevator=%00", "since=99999999999999999999",
    ],
)  # fmt: skip
async def test_bad_queries_are_422_with_the_name(query):
    async with client(Api(), "dispatcher") as http:
        answer = await http.get(f"/v1/alarms?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["detail"]


async def test_codes_are_percent_encoded_in_paths():
    api = Api()
    api.fleet.lifts["甲/1 #?"] = {"id": 5}
    async with client(api, "admin") as http:
        one = await http.get("/v1/elevators/%E7%94%B2%2F1%20%23%3F")
        frames = await http.get("/v1/elevators/%E7%94%B2%2F1%20%23%3F/frames")
        none = await http.get("/v1/elevators/%E7%94%B2/1")
    assert one.json() == {"id": 5}
    assert frames.status_code == 200
    assert none.status_code == 404


@pytest.mark.parametrize("code", ["%FF", "a%00b", "x" * 65, "%0A", "%20"])
async def test_what_can_be_no_code_is_not_found(code):
    async with client(Api(), "admin") as http:
        assert (await http.get(f"/v1/elevators/{code}")).status_code == 404
        assert (await http.put(f"/v1/elevators/{code}", json={})).status_code == 404


async def test_registering_makes_the_pipeline_read_again():
    api = Api()
    async with client(api, "admin") as http:
        body = {"sticker": "123456", "unit": "lift", "gateway": "gw-1", "confirmed": True,
                "params": {"at_landing_window_s": 20}}  # fmt: skip
        answer = await http.put("/v1/elevators/new", json=body)
        assert answer.status_code == 200, answer.text
        await http.patch("/v1/elevators/new", json={"params": {"at_landing_window_s": None}})
    (_, whole, actor, is_whole), (_, part, _, is_whole_too) = api.fleet.registered
    assert (actor, is_whole, is_whole_too) == ("a admin", True, False)
    assert whole["sticker"] == "123456"
    assert whole["insurer"] is None
    assert part == {"params": {"at_landing_window_s": None}}
    assert api.intake.reloaded == [2, 2]


@pytest.mark.parametrize(
    "body",
    [
        {"stiker": "1"}, {"unit": "boat"}, {"rated_speed_mps": -1}, {"confirmed": None},
        {"params": {"at_landing_window_s": 1e9}}, {"params": {"odd_s": 1}}, {"building": "a\x00"},
        {"params": {"at_landing_window_s": "x"}},
    ],
)  # fmt: skip
async def test_a_bad_registration_changes_nothing(body):
    api = Api()
    async with client(api, "admin") as http:
        answer = await http.patch(f"/v1/elevators/{CODE}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert next(iter(body)) in answer.json()["detail"]
    assert not api.fleet.registered
    assert not api.intake.reloaded


async def test_the_reason_of_a_registration_is_no_field_of_the_registry():
    api = Api()
    async with client(api, "admin") as http:
        await http.patch(f"/v1/elevators/{CODE}", json={"reason": "why", "sticker": "1"})
    assert api.fleet.registered == [(CODE, {"sticker": "1"}, "a admin", False)]


async def test_patching_an_unknown_lift_is_not_found():
    async with client(Api(), "admin") as http:
        answer = await http.patch("/v1/elevators/none", json={})
    assert answer.status_code == 404
    assert "PUT" in answer.json()["detail"]


async def test_frames_default_to_the_last_hour_and_bound_the_page():
    api = Api(frames_max=50)
    async with client(api, "engineer") as http:
        await http.get(f"/v1/elevators/{CODE}/frames")
        await http.get(
            f"/v1/elevators/{CODE}/frames",
            params={"from": "1000", "to": "2000", "limit": 99, "after": "1500000.7"},
        )
    (_, since_us, until_us, after, limit), given = api.fleet.asked
    assert until_us - since_us == 3_600_000_000
    assert (after, limit) == ((since_us, -1), 50)
    assert given == (1, 1_000_000, 2_000_000, (1_500_000, 7), 50)


async def test_a_dead_letter_is_replayed_as_the_gateway_that_sent_it():
    api = api_with_letter()
    async with client(api, "admin") as http:
        answer = await http.post("/v1/dead-letters/7/replay")
    assert answer.json() == {"stored": 1, "duplicate": 0, "rejected": []}
    assert api.intake.submitted == [("gw/1", b"{}")]
    assert api.letters.replayed == [(7, "a admin")]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"of_frame": False}, "field"),
        ({"topic": "odd"}, "gateway"),
        ({"topic": "hoistway/v1/gw/status"}, "gateway"),
        ({"size": 3}, "head"),
    ],
)
async def test_what_cannot_be_replayed_says_why(changes, word):
    api = Api()
    api.letters.letters[7] = letter(**changes)
    async with client(api, "admin") as http:
        answer = await http.post("/v1/dead-letters/7/replay")
    assert answer.status_code == 409
    assert word in answer.json()["detail"]
    assert not api.intake.submitted


async def test_ready_tells_causes():
    api = Api()
    async with client(api) as http:
        assert (await http.get("/readyz")).json() == {"ready": True, "causes": []}
        api.board.set(Cause.BROKER, "no broker at h:1883\nreally")
        api.clock.advance(3)
        api.board.set(Cause.MIGRATIONS)
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        first, second = answer.json()["causes"]
        assert (first["cause"], first["detail"]) == ("broker", "no broker at h:1883 really")
        assert second["cause"] == "migrations"
        assert first["text"]["zh"]
        shown = (await http.get("/metrics")).text
        assert 'hoistway_service_not_ready{cause="broker"} 1.0' in shown
        assert "hoistway_service_ready 0.0" in shown
        api.board.clear(Cause.BROKER)
        api.board.clear(Cause.MIGRATIONS)
        assert (await http.get("/readyz")).status_code == 200
        assert "hoistway_service_ready 1.0" in (await http.get("/metrics")).text


async def test_errors_are_problems_in_two_languages():
    api = Api()
    async with client(api, "gateway") as http:
        for path in ("/nothing", "/v1/frames/x"):
            assert (await http.get(path)).json()["code"] == "not_found"
        assert (await http.get("/v1/frames")).json()["code"] == "method_not_allowed"
        api.intake.fault = OSError("connection reset")
        lost = await http.post("/v1/frames", content=b"{}")
        assert (lost.status_code, lost.json()["code"]) == (503, "database")
        assert lost.headers["retry-after"]
        api.intake.fault = ZeroDivisionError("a secret")
        ours = await http.post("/v1/frames", content=b"{}")
        assert (ours.status_code, ours.json()["code"]) == (500, "internal")
        assert "secret" not in ours.text
    assert ours.headers["content-type"] == "application/problem+json"
    assert set(ours.json()["text"]) == {"zh", "en"}


async def test_requests_are_measured_by_class_of_status():
    api = Api()
    async with client(api) as http:
        await http.get("/healthz")
        await http.get("/v1/alarms")
        text = (await http.get("/metrics")).text
    assert 'hoistway_http_request_seconds_count{status="2xx"} 1.0' in text
    assert 'hoistway_http_request_seconds_count{status="4xx"} 1.0' in text
