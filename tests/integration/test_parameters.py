"""Parameters in the real database: versions, all or nothing, audit, API and command."""

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from ingest.store import parameters as stored
from ingest.store.parameters import Scope
from service.cli import run
from service.parameters import ParametersRefusedError, ParameterStore, Wanted, record_installation
from service.registry import Registry

NOW_US = 1_780_000_000_000_000
LIFT = "甲/3#1"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=8) as opened:
        await Registry(opened).register(
            LIFT, {"model": "KONE", "rated_speed_mps": 1.3}, "me", NOW_US, whole=True
        )
        yield opened


async def change(pool: asyncpg.Pool, scope: Scope, subject: str, params: dict, **more):
    wanted = Wanted(scope, subject, params, "because")
    return await ParameterStore(pool).change(wanted, "me", NOW_US, **more)


async def value(pool: asyncpg.Pool, key: str = "at_landing_window_s") -> tuple:
    found = await ParameterStore(pool).effective(LIFT)
    assert found is not None
    return found["parameters"][key]["value"], found["parameters"][key]["from"], found["version"]


async def test_lift_goes_before_model_before_fleet_before_default(pool) -> None:
    assert await value(pool) == (60, "default", 1)  # 1: the registration
    await change(pool, Scope.FLEET, "", {"at_landing_window_s": 50})
    assert await value(pool) == (50, "fleet", 2)
    await change(pool, Scope.MODEL, "KONE", {"at_landing_window_s": 40})
    assert await value(pool) == (40, "model", 3)
    await change(pool, Scope.MODEL, "OTIS", {"at_landing_window_s": 41})
    assert await value(pool) == (40, "model", 3)
    await change(pool, Scope.LIFT, LIFT, {"at_landing_window_s": 30})
    assert await value(pool) == (30, "lift", 5)
    assert (await Registry(pool).elevator(LIFT))["params"] == {"at_landing_window_s": 30}
    await change(pool, Scope.LIFT, LIFT, {"at_landing_window_s": None})
    await Registry(pool).register(LIFT, {"model": "OTIS"}, "me", NOW_US, whole=False)
    assert await value(pool) == (41, "model", 7)
    await change(pool, Scope.MODEL, "OTIS", {"at_landing_window_s": None})
    assert await value(pool) == (50, "fleet", 8)


async def test_one_wrong_key_and_nothing_changes(pool) -> None:
    before = await pool.fetchval("SELECT count(*) FROM audit_log")
    for scope, subject in ((Scope.FLEET, ""), (Scope.MODEL, "KONE"), (Scope.LIFT, LIFT)):
        with pytest.raises(ParametersRefusedError, match=rf"{scope.value}.*urgent_window_s.*3600"):
            await change(pool, scope, subject, {"at_landing_window_s": 30, "urgent_window_s": 1e9})
    assert await value(pool) == (60, "default", 1)
    assert await pool.fetchval("SELECT count(*) FROM parameter_versions") == 1
    assert await pool.fetchval("SELECT count(*) FROM audit_log") == before
    assert await change(pool, Scope.LIFT, "nobody", {"at_landing_window_s": 30}) is None


async def test_a_dry_run_says_what_would_be_and_changes_nothing(pool) -> None:
    for scope, subject in ((Scope.FLEET, ""), (Scope.MODEL, "KONE"), (Scope.LIFT, LIFT)):
        dry = await change(pool, scope, subject, {"at_landing_window_s": 30}, dry_run=True)
        assert (dry.version, dry.lifts) == (None, 1)
        assert dry.changed == {"at_landing_window_s": [None, 30]}
    assert await value(pool) == (60, "default", 1)
    done = await change(pool, Scope.FLEET, "", {"at_landing_window_s": 30})
    assert done.version == 2
    assert (await change(pool, Scope.FLEET, "", {"at_landing_window_s": 30})).version is None


async def test_versions_say_who_when_why_what_and_are_audited(pool) -> None:
    await change(pool, Scope.FLEET, "", {"at_landing_window_s": 50})
    await change(pool, Scope.LIFT, LIFT, {"urgent_window_s": 5})
    third, second, first = await ParameterStore(pool).versions(100, 10)
    assert (second["version"], second["by"], second["reason"]) == (2, "me", "because")
    assert second["at"] == "2026-05-28T20:26:40.000Z"
    (changed,) = second["changes"]
    assert changed["changed"] == {"at_landing_window_s": [None, 50]}
    assert third["changes"][0]["changed"] == {"urgent_window_s": [None, 5]}
    assert first["changes"][0]["changed"] == {
        "registry.model": [None, "KONE"], "registry.rated_speed_mps": [None, 1.3],
    }  # fmt: skip
    only = await ParameterStore(pool).versions(100, 10, scope="lift", subject=LIFT)
    assert [v["version"] for v in only] == [3, 1]
    assert await ParameterStore(pool).version(4) is None
    audit = await pool.fetch("SELECT actor, subject, data FROM audit_log WHERE action = $1"
                             " ORDER BY id", "parameters_changed")  # fmt: skip
    assert [(row["actor"], row["subject"]) for row in audit] == [
        ("me", "fleet"), ("me", f"lift {LIFT}"),
    ]  # fmt: skip
    assert json.loads(audit[0]["data"])["version"] == 2


async def test_versions_written_at_once_have_numbers_without_gaps(pool) -> None:
    keys = ("at_landing_window_s", "urgent_window_s", "between_landings_window_s")
    await asyncio.gather(
        *(change(pool, Scope.MODEL, f"m{n}", {keys[n % 3]: n + 1}) for n in range(20))
    )
    numbers = [r["id"] for r in await pool.fetch("SELECT id FROM parameter_versions ORDER BY id")]
    assert numbers == list(range(1, 22))
    async with pool.acquire() as conn:
        assert len(await stored.after_version(conn, 11)) == 10
        at = await stored.at_version(conn, 11)
        assert max(c.version for c in at) == 11


async def test_settings_are_a_version_when_they_are_new(pool) -> None:
    async with pool.acquire() as conn:
        assert await record_installation(conn, {}, NOW_US) is None
        assert await record_installation(conn, {"at_landing_window_s": 20}, NOW_US) == 2
        assert await record_installation(conn, {"at_landing_window_s": 20}, NOW_US) is None
    assert await value(pool) == (20, "installation", 2)
    await change(pool, Scope.FLEET, "", {"at_landing_window_s": 25})
    assert await value(pool) == (25, "fleet", 3)
    overview = await ParameterStore(pool).overview()
    assert overview["installation"] == {"at_landing_window_s": 20}
    assert overview["fleet"] == {"at_landing_window_s": 25}
    assert overview["version"] == 3


@pytest.mark.parametrize("table", ["parameter_versions", "parameter_changes"])
@pytest.mark.parametrize(
    "verb", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET actor = ''"]
)
async def test_versions_cannot_be_changed(pool, table, verb) -> None:
    if "actor" in verb and table == "parameter_changes":
        verb = "UPDATE {} SET scope = 'fleet'"
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await pool.execute(verb.format(table))


def test_the_command_sets_shows_and_lists(database_url, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", database_url)

    def hoistway(*words: str) -> tuple[int, str]:
        code = run(["parameters", *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    assert hoistway("history") == (0, "no versions: everything has its default\n")
    code, said = hoistway("set", "--fleet", "at_landing_window_s=50", "--reason", "parked cars")
    assert (code, said) == (0, "at_landing_window_s: - -> 50\nfleet: version 1, 0 lifts\n")
    code, said = hoistway("set", "--fleet", "at_landing_window_s=default", "--dry-run")
    assert said == "at_landing_window_s: 50 -> -\ndry run: fleet would change, 0 lifts\n"
    code, said = hoistway("set", "--fleet", "at_landing_window_s=0")
    assert code == 2
    assert "fleet: at_landing_window_s must lie between 0.1 and 3600, not 0" in said
    code, said = hoistway("set", "at_landing_window_s=5")
    assert (code, "--fleet, --model NAME, --lift CODE" in said) == (2, True)
    code, said = hoistway("set", "--lift", "X", "at_landing_window_s=5")
    assert (code, "no lift has the code 'X'" in said) == (1, True)
    code, said = hoistway("set", "--model", "KONE", "urgent_window_s=5")
    assert (code, "model KONE: version 2" in said) == (0, True)
    assert "no lift is registered as model 'KONE' yet" in said
    code, said = hoistway("history")
    assert "cli: parked cars" in said
    assert "fleet: at_landing_window_s - -> 50" in said
    code, said = hoistway("show")
    assert "model KONE:" in said
    code, said = hoistway("show", "--all")
    assert "practice" in said
    code, said = hoistway("show", "--model", "KONE", "--json")
    assert json.loads(said)["params"] == {"urgent_window_s": 5}
