"""The API over fakes: shadows that are set, refused and read."""

import pytest

from service.commands.failures import CommandError
from service.shadow.store import ShadowRefusedError
from tests.fakes.api import CODE, Api
from tests.fakes.api import running as client


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
        ({"params": {"urgent_window_s": 5}}, "params"),
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
    assert all(key in answer.json()["detail"] for key in ("odd_s", "urgent_window_s must lie"))


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
