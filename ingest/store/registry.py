"""The registry: gateways, lifts, floor labels and clock runs, loaded whole and added to.

The process keeps a mirror of it (``ingest.fleet``); these functions only read and write rows.
Registering is idempotent: asked twice, or by two lanes at once, the same row comes back.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from ingest.store.connect import execute, fetch, micros, moment
from ingest.store.sql import queries

RUNS_KEPT: Final = 8
"""A frame is looked up under this many newest offsets of its stream (DESIGN section 5)."""


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A gateway; ``status`` is what it or its last will said last."""

    id: int
    name: str
    status: str | None
    status_us: int | None
    first_seen_us: int


@dataclass(frozen=True, slots=True)
class ElevatorRow:
    """A lift, escalator or walk; ``unit`` None = as the wire says; ``params`` its own settings."""

    id: int
    code: str
    sticker: str | None
    unit: int | None
    building: str | None
    address: str | None
    district: str | None
    maintainer: str | None
    use_unit: str | None
    insurer: str | None
    policy: str | None
    model: str | None
    rated_speed_mps: float | None
    params: Mapping[str, Any]
    confirmed: bool
    gateway_id: int | None
    gateway_registered: bool
    first_seen_us: int


@dataclass(frozen=True, slots=True)
class FloorLabel:
    """What the display of a lift shows for a key."""

    elevator_id: int
    key: int
    label: str


@dataclass(frozen=True, slots=True)
class ClockRun:
    """One run of a terminal's clock: event time = device time + ``offset_us``."""

    elevator_id: int
    gateway_id: int
    run: int
    first_device_time_us: int
    offset_us: int
    started_received_us: int


@dataclass(frozen=True, slots=True)
class NewElevator:
    """A lift that appeared on the wire."""

    code: str
    gateway_id: int | None
    unit: int | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that is registered; clock runs oldest first within their stream."""

    gateways: list[GatewayRow]
    elevators: list[ElevatorRow]
    floor_labels: list[FloorLabel]
    clock_runs: list[ClockRun]


async def load(conn: asyncpg.Connection) -> Registry:
    """Read the registry whole."""
    q = queries()
    gateways = await fetch(conn, "load gateways", q["load_gateways"])
    elevators = await fetch(conn, "load elevators", q["load_elevators"])
    labels = await fetch(conn, "load floor labels", q["load_floor_labels"])
    runs = await fetch(conn, "load clock runs", q["load_clock_runs"], RUNS_KEPT)
    return Registry(
        [_gateway(row) for row in gateways],
        [_elevator(row) for row in elevators],
        [FloorLabel(*row) for row in labels],
        [ClockRun(*row) for row in runs],
    )


async def register_gateways(
    conn: asyncpg.Connection, names: Sequence[str], now_us: int
) -> dict[str, GatewayRow]:
    """Make missing gateways and return all of these by name."""
    wanted = sorted(set(names))
    q = queries()
    await execute(conn, "register gateways", q["register_gateways"], wanted, moment(now_us))
    rows = await fetch(conn, "read gateways", q["gateways_by_name"], wanted)
    return {row["name"]: _gateway(row) for row in rows}


async def register_elevators(
    conn: asyncpg.Connection, new: Sequence[NewElevator], now_us: int
) -> dict[str, ElevatorRow]:
    """Make missing lifts, unconfirmed, bound by first use; return all of these by code."""
    wanted = sorted({lift.code: lift for lift in new}.values(), key=lambda lift: lift.code)
    codes = [lift.code for lift in wanted]
    q = queries()
    await execute(
        conn,
        "register elevators",
        q["register_elevators"],
        codes,
        [lift.unit for lift in wanted],
        [lift.gateway_id for lift in wanted],
        moment(now_us),
    )
    rows = await fetch(conn, "read elevators", q["elevators_by_code"], codes)
    return {row["code"]: _elevator(row) for row in rows}


async def bind_by_first_use(conn: asyncpg.Connection, bindings: Mapping[int, int]) -> None:
    """Bind lifts (elevator id -> gateway id); a binding made by a person stays as it is."""
    ids = sorted(bindings)
    gateways = [bindings[i] for i in ids]
    await execute(conn, "bind lifts", queries()["bind_by_first_use"], ids, gateways)


async def set_gateway_status(conn: asyncpg.Connection, name: str, status: str, at_us: int) -> bool:
    """Note a gateway's status; False if it is unknown or said something newer already."""
    query = queries()["set_gateway_status"]
    return await execute(conn, "gateway status", query, name, status, moment(at_us)) == 1


async def add_floor_labels(conn: asyncpg.Connection, labels: Sequence[FloorLabel]) -> None:
    """Add floor labels in the caller's transaction; known ones stay."""
    if not labels:
        return
    columns = (
        [label.elevator_id for label in labels],
        [label.key for label in labels],
        [label.label for label in labels],
    )
    await execute(conn, "add floor labels", queries()["add_floor_labels"], *columns)


async def add_clock_runs(conn: asyncpg.Connection, runs: Sequence[ClockRun]) -> None:
    """Add clock runs in the transaction of the frames that began them."""
    if not runs:
        return
    columns = (
        [run.elevator_id for run in runs],
        [run.gateway_id for run in runs],
        [run.run for run in runs],
        [run.first_device_time_us for run in runs],
        [run.offset_us for run in runs],
        [run.started_received_us for run in runs],
    )
    await execute(conn, "add clock runs", queries()["add_clock_runs"], *columns)
    forget = queries()["forget_clock_runs"]
    await execute(conn, "forget clock runs", forget, *columns[:3], RUNS_KEPT)


def _gateway(row: Any) -> GatewayRow:
    status_at = row["status_at"]
    return GatewayRow(
        id=row["id"],
        name=row["name"],
        status=row["status"],
        status_us=None if status_at is None else micros(status_at),
        first_seen_us=micros(row["first_seen"]),
    )


def _elevator(row: Any) -> ElevatorRow:
    values = dict(row)
    values["params"] = json.loads(values["params"])
    values["first_seen_us"] = micros(values.pop("first_seen"))
    return ElevatorRow(**values)
