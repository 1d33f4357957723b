"""The API over fakes: thresholds that are set, refused and listed."""

import pytest

from ingest.store.parameters import Scope
from service.parameters import Wanted
from tests.fakes.api import CODE, Api
from tests.fakes.api import running as client

GOOD = {"urgent_window_s": 5}
SETTING = {"params": {"at_landing_window_s": 20}, "reason": "slow doors"}


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
        ({"rated_speed_mps": 2}, "rated_speed_mps is a fact of one lift: set it for a lift"),
        ({"top_height_m": 60}, "top_height_m is a fact of one lift: set it for a lift"),
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


async def test_a_fact_that_was_set_for_all_can_be_taken_back():
    api = Api()
    async with client(api, "admin") as http:
        answer = await http.patch("/v1/parameters", json={"params": {"rated_speed_mps": None}})
        of_model = {"params": {"rated_speed_mps": 0.5}}
        named = await http.patch("/v1/parameters/models/KONE", json=of_model)
    assert (answer.status_code, named.status_code) == (200, 200)


async def test_every_wrong_parameter_is_named():
    wrong = {"odd_s": 1, "urgent_window_s": -1, "at_landing_window_s": 20}
    async with client(Api(), "admin") as http:
        answer = await http.patch("/v1/parameters", json={"params": wrong})
    assert len(answer.json()["errors"]) == 2
    assert all(key in answer.json()["detail"] for key in ("odd_s", "urgent_window_s must lie"))


@pytest.mark.parametrize("value", [True, False, "20", [20]])
@pytest.mark.parametrize(
    ("method", "path", "around"),
    [
        ("PATCH", "/v1/parameters", "params"),
        ("PATCH", "/v1/parameters/models/KONE", "params"),
        ("PATCH", f"/v1/elevators/{CODE}/parameters", "params"),
        ("PATCH", f"/v1/elevators/{CODE}", "params"),
        ("PUT", f"/v1/elevators/{CODE}", "params"),
        ("PUT", "/v1/shadow", "parameters"),
    ],
)
async def test_what_is_no_number_is_no_threshold(method, path, around, value):
    """``true`` would be a window of one second, and raise an alarm at every stop."""
    api = Api()
    async with client(api, "admin") as http:
        answer = await http.request(method, path, json={around: {"at_landing_window_s": value}})
    assert answer.status_code == 422
    assert "at_landing_window_s" in answer.json()["detail"]
    assert not api.parameters.wanted
    assert not api.shadow.put_


@pytest.mark.parametrize("value", [True, "1.75"])
async def test_what_is_no_number_is_no_rated_speed(value):
    async with client(Api(), "admin") as http:
        answer = await http.put(f"/v1/elevators/{CODE}", json={"rated_speed_mps": value})
    assert answer.status_code == 422


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
