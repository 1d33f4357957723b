"""A backtest judges as live did: versions of parameters count where they counted.

Parameters of a model, of the fleet and of a lift are changed while the real service watches; the
stored frames, taken through the detectors again, give what the service said, version included.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ingest.store.parameters import Scope
from service.parameters import ParameterStore, Wanted
from service.rig import Rig
from simulator.publishing.publish import Publisher, PublishSettings
from telemetry.findings import Change, FindingKind
from tests.acceptance.commands import hoistway
from tests.acceptance.conftest import MakeRig
from tests.acceptance.terminal import OPEN, RIDES, SECOND_US, STUCK, Terminal
from tests.waiting import until

WINDOW = "between_landings_window_s"
MODELS = {"A": "KONE", "B": "OTIS", "C": "KONE", "D": "OTIS"}


async def put_in_force(made: Rig, scope: Scope, subject: str, value: float | None) -> int:
    """Set a window as another process would, and wait for the batch that records it."""
    wanted = Wanted(scope, subject, {WINDOW: value}, "a test")
    done = await ParameterStore(made.pool).change(wanted, "test", made.clock.now_us())
    assert done is not None
    assert done.version is not None

    async def recorded() -> bool:
        return await made.count("SELECT max(parameters) FROM batches") == done.version

    await until(recorded)
    return done.version


async def tell(
    made: Rig, lifts: list[Terminal], from_us: int, to_us: int, words: Mapping[str, Any]
) -> None:
    """Send frames of all lifts and wait until they are stored."""
    for lift in lifts:
        await lift.tell_each_second(from_us, to_us, words)
    told = sum(len(lift.told) for lift in lifts)

    async def stored() -> bool:
        return await made.count("SELECT count(*) FROM frames") >= told

    await until(stored)


async def lived(made: Rig) -> set[int]:
    """Let four lifts be stuck under changing parameters; return the versions."""
    settings = PublishSettings(made.settings.mqtt_url, 1, f"{made.client_id}-t")
    t_us = made.clock.now_us() // SECOND_US * SECOND_US - 60 * SECOND_US
    at = [t_us + n * SECOND_US for n in range(60)]
    async with Publisher(settings) as publisher:
        lifts = [Terminal(publisher, code, "gw") for code in MODELS]
        versions = {await put_in_force(made, Scope.FLEET, "", 600)}
        await tell(made, lifts, at[0], at[1], RIDES)
        await tell(made, lifts, at[2], at[12], STUCK)
        versions.add(await put_in_force(made, Scope.MODEL, "KONE", 9))
        await tell(made, lifts, at[13], at[18], STUCK)
        versions.add(await put_in_force(made, Scope.LIFT, "D", 20))
        await tell(made, lifts, at[19], at[25], STUCK)
        versions.add(await put_in_force(made, Scope.FLEET, "", 22))
        await tell(made, lifts, at[26], at[28], STUCK)
        await tell(made, lifts, at[29], at[32], OPEN)
        versions.add(await put_in_force(made, Scope.MODEL, "KONE", None))
        await tell(made, lifts, at[33], at[34], OPEN)
    return versions


async def said_live(made: Rig) -> list[tuple]:
    rows = await made.pool.fetch(
        "SELECT e.code, t.* FROM transitions t JOIN elevators e ON e.id = t.elevator_id"
    )
    return sorted(
        (
            row["code"], round(row["time"].timestamp() * 1e6), FindingKind(row["kind"]).slug,
            Change(row["change"]).name.lower(), row["parameters"], row["thresholds"],
            row["evidence"],
        )
        for row in rows
    )  # fmt: skip


def said_again(lines: str) -> list[tuple]:
    def us(text: str) -> int:
        from service.times import read

        found = read(text)
        assert found is not None
        return found

    told = [json.loads(line) for line in lines.splitlines()]
    return sorted(
        (
            t["elevator"], us(t["time"]), t["kind"], t["change"], t["rule"]["parameters_version"],
            t["rule"]["thresholds"], t["evidence"],
        )
        for t in told
    )  # fmt: skip


@pytest.mark.parametrize("lanes", [1, 3])
async def test_stored_frames_are_judged_by_the_versions_of_their_time(rig: MakeRig, lanes: int):
    fields = {"confirmed": True, "gateway": "gw", "params": {}}
    registrations = [(code, {**fields, "model": model}) for code, model in MODELS.items()]
    made = await rig(
        registrations=registrations,
        accept_as=None,
        environment={"HOISTWAY_INGEST_LANES": str(lanes)},
    )
    versions = await lived(made)
    environment = {"HOISTWAY_DATABASE_URL": made.database_url}
    arguments = ("replay", "--database", "--to", "detectors", "--json")
    ended = await asyncio.to_thread(hoistway, environment, *arguments)
    assert ended.returncode == 0, ended.stderr
    live = [(*t[:5], json.loads(t[5]), json.loads(t[6])) for t in await said_live(made)]
    assert said_again(ended.stdout) == live
    raised = {
        (code, version)
        for code, _, kind, change, version, *_ in live
        if (kind, change) == ("entrapment_between_landings", "raised")
    }
    first = max(versions) - 4
    assert raised == {("A", first + 1), ("B", first + 3), ("C", first + 1), ("D", first + 2)}
