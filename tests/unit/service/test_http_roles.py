"""The API over fakes: every route is known, and open only to those whom it is meant for."""

import httpx2
import pytest

from service.http.app import ROUTERS, routes
from service.http.auth import GuardedRoute
from service.roles import ALLOWED, OPEN, Role
from tests.fakes.api import ALARM, CODE, Api, api_with_letter
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


def test_a_route_that_nobody_decided_about_stops_the_start(monkeypatch):
    monkeypatch.setattr("service.http.app.OPEN", OPEN - {"healthz"})
    api = Api.__new__(Api)
    with pytest.raises(LookupError, match="healthz"):
        Api.__init__(api)
