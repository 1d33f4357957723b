"""The API over fakes: who may do what, what is answered, and in which words."""

import asyncio
import contextlib
import re

import httpx2
import pytest

from ingest.store.parameters import Scope
from service.commands.failures import CommandError
from service.http import SubmitResult
from service.http.app import ROUTERS, routes
from service.http.auth import GuardedRoute
from service.http.parts import Act, DeadLetter
from service.parameters import Wanted
from service.readiness import Cause
from service.roles import ALLOWED, OPEN, Role
from service.shadow.store import ShadowRefusedError
from tests.fakes.api import ALARM, CODE, Api
from tests.fakes.api import running as client

PATHS = {
    "healthz": ("GET", "/healthz"),
    "readyz": ("GET", "/readyz"),
    "metrics": ("GET", "/metrics"),
    "openapi": ("GET", "/openapi.json"),
    "post_frames": ("POST", "/v1/frames"),
    "list_alarms": ("GET", "/v1/alarms"),
    "get_alarm": ("GET", f"/v1/alarms/{ALARM}"),
    "accept_alarm": ("POST", f"/v1/alarms/{ALARM}/accept"),
    "release_alarm": ("POST", f"/v1/alarms/{ALARM}/release"),
    "false_alarm": ("POST", f"/v1/alarms/{ALARM}/false-alarm"),
    "list_elevators": ("GET", "/v1/elevators"),
    "get_elevator": ("GET", f"/v1/elevators/{CODE}"),
    "put_elevator": ("PUT", f"/v1/elevators/{CODE}"),
    "patch_elevator": ("PATCH", f"/v1/elevators/{CODE}"),
    "list_frames": ("GET", f"/v1/elevators/{CODE}/frames"),
    "get_elevator_parameters": ("GET", f"/v1/elevators/{CODE}/parameters"),
    "patch_elevator_parameters": ("PATCH", f"/v1/elevators/{CODE}/parameters"),
    "get_parameters": ("GET", "/v1/parameters"),
    "patch_parameters": ("PATCH", "/v1/parameters"),
    "get_model_parameters": ("GET", "/v1/parameters/models/KONE%2FE"),
    "patch_model_parameters": ("PATCH", "/v1/parameters/models/KONE%2FE"),
    "list_parameter_versions": ("GET", "/v1/parameters/versions"),
    "get_parameter_version": ("GET", "/v1/parameters/versions/3"),
    "get_shadow": ("GET", "/v1/shadow"),
    "put_shadow": ("PUT", "/v1/shadow"),
    "delete_shadow": ("DELETE", "/v1/shadow"),
    "list_shadow_runs": ("GET", "/v1/shadow/runs"),
    "list_shadow_transitions": ("GET", "/v1/shadow/transitions"),
    "list_shadow_differences": ("GET", "/v1/shadow/differences"),
    "list_gateways": ("GET", "/v1/gateways"),
    "list_dead_letters": ("GET", "/v1/dead-letters"),
    "get_dead_letter": ("GET", "/v1/dead-letters/7"),
    "replay_dead_letter": ("POST", "/v1/dead-letters/7/replay"),
}
GOOD = {"urgent_window_s": 5}
SETTING = {"params": {"at_landing_window_s": 20}, "reason": "slow doors"}
BODIES = {
    "put_elevator": {},
    "patch_elevator": {},
    "patch_elevator_parameters": SETTING,
    "patch_parameters": SETTING,
    "patch_model_parameters": SETTING,
    "put_shadow": {"parameters": {"between_landings_window_s": 25}},
}


def letter(**changes):
    given = {
        "id": 7, "of_frame": True, "reason": "foreign_gateway",
        "topic": "hoistway/v1/gw%2F1/frames",
        "raw": b"{}", "size": 2, "document": {"id": 7},
    }  # fmt: skip
    return DeadLetter(**{**given, **changes})


def api_with_letter() -> Api:
    api = Api()
    api.letters.letters[7] = letter()
    return api


async def ask(http: httpx2.AsyncClient, name: str) -> httpx2.Response:
    method, path = PATHS[name]
    return await http.request(method, path, json=BODIES.get(name))


def test_every_route_is_in_the_table_and_in_this_test():
    names = {route.name for route in routes()}
    assert names == set(PATHS) == set(ALLOWED) | OPEN
    assert len(Api().app.routes) == len(ROUTERS)  # nothing is served that no router holds


def test_every_route_of_the_application_is_guarded():
    assert all(isinstance(route, GuardedRoute) for route in routes())


@pytest.mark.parametrize("role", [None, "nobody", *Role])
@pytest.mark.parametrize("name", PATHS)
async def test_roles(name, role):
    async with client(api_with_letter(), role) as http:
        answer = await ask(http, name)
    if name in OPEN or (role in set(Role) and role in ALLOWED[name]):
        assert answer.status_code == 200, answer.text
    elif role in set(Role):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert role in answer.json()["detail"]
    else:
        assert answer.status_code == 401
        assert answer.json()["code"] == ("no_key" if role is None else "unknown_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_is_asked_for_before_the_body_is_looked_at():
    async with client(Api()) as http:
        answer = await http.put(PATHS["put_elevator"][1], content=b"{broken")
    assert answer.status_code == 401


@pytest.mark.parametrize("header", [{"Authorization": "Bearer admin"}, {"X-API-Key": "admin"}])
async def test_both_headers_carry_a_key(header):
    async with client(Api()) as http:
        assert (await http.get("/v1/gateways", headers=header)).status_code == 200


@pytest.mark.parametrize("header", ["Bearer ", "Basic admin", "admin"])
async def test_other_authorization_is_no_key(header):
    async with client(Api()) as http:
        answer = await http.get("/v1/gateways", headers={"Authorization": header})
    assert answer.json()["code"] == "no_key"


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
        answer = await http.get(PATHS["get_elevator"][1])
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


def test_a_route_that_nobody_decided_about_stops_the_start(monkeypatch):
    monkeypatch.setattr("service.http.app.OPEN", OPEN - {"healthz"})
    api = Api.__new__(Api)
    with pytest.raises(LookupError, match="healthz"):
        Api.__init__(api)


@pytest.mark.parametrize(
    ("path", "scope", "subject"),
    [
        ("/v1/parameters", Scope.FLEET, ""),
        ("/v1/parameters/models/KONE%2FE", Scope.MODEL, "KONE/E"),
        (f"/v1/elevators/{CODE}/parameters", Scope.LIFT, CODE),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_parameters_are_set_for_fleet_model_or_lift(path, scope, subject, dry_run):
    api = Api()
    async with client(api, "admin") as http:
        answer = await http.patch(path, json=SETTING, params={"dry_run": dry_run})
    wanted = Wanted(scope, subject, {"at_landing_window_s": 20}, "slow doors")
    assert api.parameters.wanted == [(wanted, "a admin", dry_run)]
    assert answer.json()["version"] == (None if dry_run else 7)
    assert (answer.json()["scope"], answer.json()["subject"]) == (scope.value, subject)
    assert api.intake.reloaded == ([] if dry_run else [0])


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"at_landing_window_s": 1e9}, "fleet: at_landing_window_s must lie between 0.1 and 3600"),
        ({"odd_s": 1}, "fleet: odd_s is no parameter; `hoistway parameters show --all` and"),
        ({"presence_stuck_openings": 2.5}, "presence_stuck_openings must be a whole number"),
        ({"odd_s": None}, "odd_s is no parameter"),
    ],
)
async def test_a_wrong_parameter_refuses_all_and_names_scope_key_and_range(params, says):
    api = Api()
    async with client(api, "admin") as http:
        answer = await http.patch("/v1/parameters", json={"params": {**params, **GOOD}})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"
    assert says in answer.json()["detail"]
    assert says in answer.json()["errors"][0]["what"]
    assert not api.parameters.wanted
    assert not api.intake.reloaded


@pytest.mark.parametrize("body", [{}, {"params": {}}, {"params": GOOD, "odd": 1}, {"params": 1}])
async def test_a_body_that_sets_nothing_is_refused(body):
    async with client(Api(), "admin") as http:
        assert (await http.patch("/v1/parameters", json=body)).status_code == 422


async def test_versions_are_paged():
    api = Api()
    async with client(api, "engineer") as http:
        first = await http.get(
            "/v1/parameters/versions", params={"scope": "model", "subject": "X", "limit": 1}
        )
        again = await http.get(
            "/v1/parameters/versions", params={"before": first.json()["next"], "limit": 5}
        )
        odd = await http.get("/v1/parameters/versions", params={"scope": "odd"})
        none = await http.get("/v1/parameters/versions/8")
    assert first.json() == {"versions": [{"version": 7}], "next": 7}
    assert again.json() == {"versions": [{"version": 6}], "next": None}
    assert api.parameters.asked[0][2] == {"scope": "model", "subject": "X"}
    assert (odd.status_code, none.status_code) == (422, 404)


async def test_the_reason_of_a_registration_is_no_field_of_the_registry():
    api = Api()
    async with client(api, "admin") as http:
        await http.patch(PATHS["patch_elevator"][1], json={"reason": "why", "sticker": "1"})
    assert api.fleet.registered == [(CODE, {"sticker": "1"}, "a admin", False)]


async def test_a_shadow_is_put_and_ended_in_the_name_of_the_key():
    api = Api()
    rules = {"parameters": {"between_landings_window_s": 25}, "candidate": ""}
    async with client(api, "admin") as http:
        put = await http.put("/v1/shadow", json=rules)
        ended = await http.delete("/v1/shadow")
        api.shadow.version = None
        again = await http.delete("/v1/shadow")
    assert (put.status_code, put.json()["state"]) == (200, "starting")
    assert api.shadow.put_ == [({"between_landings_window_s": 25}, "", "a admin")]
    assert api.shadow.cleared == ["a admin"] * 2
    assert (ended.status_code, again.status_code) == (200, 404)
    assert "PUT /v1/shadow sets one" in again.json()["detail"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "shadow: nothing is other than live"),
        ({"parameters": {"odd_s": 1}}, "shadow: odd_s is no parameter; `hoistway"),
        ({"parameters": {"urgent_window_s": 1e9}}, "urgent_window_s must lie between 0.1 and 3600"),
        ({"parameters": {"presence_stuck_openings": 2.5}}, "must be a whole number, not 2.5"),
        ({"candidate": "new"}, "'new': registered candidates:"),
        ({"candidate": "detectors.bank:BANK"}, "registered candidates:"),
        ({"parameters": 1}, "parameters"),
        ({"params": GOOD}, "params"),
    ],
)
async def test_a_wrong_shadow_refuses_all_and_names_what_is_wrong(body, says):
    api = Api()
    async with client(api, "admin") as http:
        answer = await http.put("/v1/shadow", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert says in answer.json()["detail"]
    assert not api.shadow.put_


async def test_every_wrong_key_of_a_shadow_is_named():
    async with client(Api(), "admin") as http:
        wrong = {"odd_s": 1, "urgent_window_s": -1, "at_landing_window_s": 20}
        answer = await http.put("/v1/shadow", json={"parameters": wrong})
    assert len(answer.json()["errors"]) == 2


async def test_what_a_shadow_said_is_paged():
    api = Api()
    span = {"from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z", "elevator": CODE}
    async with client(api, "engineer") as http:
        path = "/v1/shadow/transitions"
        first = (await http.get(path, params={**span, "limit": 2, "kind": "alarm_button"})).json()
        rest = (await http.get(path, params={**span, "limit": 2, "after": first["next"]})).json()
    which, after = api.shadow.asked[0]
    assert (which.version, which.elevator, which.kind, after) == (3, CODE, 3, None)
    assert which.to_us - which.from_us == 86_400_000_000
    assert [t["n"] for t in first["transitions"] + rest["transitions"]] == [0, 1, 2]
    assert rest["next"] is None


async def test_differences_are_paged():
    api = Api()
    async with client(api, "engineer") as http:
        path = "/v1/shadow/differences"
        first = (await http.get(path, params={"limit": 2, "version": 2})).json()
        rest = (await http.get(path, params={"limit": 2, "after": first["next"]})).json()
    assert (first["version"], len(first["differences"]), first["next"]) == (2, 2, "1.1.a.b")
    assert (len(rest["differences"]), rest["next"]) == (1, None)
    which, _ = api.shadow.asked[0]
    assert which.to_us - which.from_us == 86_400_000_000


async def test_runs_are_paged():
    async with client(Api(), "engineer") as http:
        first = (await http.get("/v1/shadow/runs", params={"limit": 2})).json()
        rest = (await http.get("/v1/shadow/runs", params={"before": first["next"]})).json()
    assert [run["version"] for run in first["runs"] + rest["runs"]] == [3, 2, 1]


@pytest.mark.parametrize("path", ["/v1/shadow/transitions", "/v1/shadow/differences"])
@pytest.mark.parametrize(
    ("params", "status", "says"),
    [
        ({"from": "2026-11-23T00:00:00Z", "to": "2026-11-22T00:00:00Z"}, 422, "from must lie"),
        ({"from": "yesterday"}, 422, "from must be RFC 3339"),
        ({"elevator": "nobody"}, 422, "elevator: no lift has this code"),
        ({"version": 4}, 404, "no run has this version"),
        ({"after": "odd"}, 422, "after is no cursor"),
        ({"limit": 0}, 422, "limit"),
    ],
)
async def test_wrong_questions_about_a_shadow_are_named(path, params, status, says):
    async with client(Api(), "engineer") as http:
        answer = await http.get(path, params=params)
    assert answer.status_code == status
    assert says in answer.json()["detail"]


async def test_without_a_shadow_there_is_nothing_to_list():
    api = Api()
    api.shadow.version = None
    async with client(api, "engineer") as http:
        shown = await http.get("/v1/shadow")
        listed = await http.get("/v1/shadow/transitions")
    assert (shown.status_code, listed.status_code) == (200, 404)
    assert "no shadow is set" in listed.json()["detail"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [(ShadowRefusedError(["too much"]), 422), (CommandError("shadow 3 has not begun"), 409)],
)
async def test_differences_that_cannot_be_told_say_why(fault, status):
    api = Api()
    api.shadow.fault = fault
    async with client(api, "engineer") as http:
        answer = await http.get("/v1/shadow/differences")
    assert answer.status_code == status
    assert str(fault) in answer.json()["detail"]


async def test_the_description_holds_examples_of_a_shadow():
    async with client(Api()) as http:
        told = (await http.get("/openapi.json")).json()
    assert told["components"]["schemas"]["Rules"]["examples"]
    shown = told["paths"]["/v1/shadow"]["get"]["responses"]["200"]["content"]
    assert shown["application/json"]["example"]["state"] == "running"
