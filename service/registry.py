"""The registry as the API shows and changes it, and the stored frames of a lift.

Reads rows, gives JSON documents. Frames come back in the words of the wire: wire keys, floors as
labels, codes as texts, ``null`` for unknown, and ``quality`` naming the keys that were unusable.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

import asyncpg
import msgspec

from service.http.parts import Document
from service.parameters import record_lift
from service.parameters.store import merged, shortest
from service.sql import statements
from service.times import MAX_US, MIN_US, rfc3339, to_datetime, to_us
from telemetry.batch import ClockQuality
from telemetry.columns import COLUMNS, Column, Unit, code_texts, quality_keys

TEXTS: Final = (
    *("sticker", "unit", "building", "address", "district", "maintainer", "use_unit"),
    *("insurer", "policy", "model", "rated_speed_mps"),
)
"""Plain columns of the registry, in the order of ``update_elevator``."""


class Registry:
    """Elevators, gateways and frames in the database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def list_elevators(
        self,
        after: int,
        limit: int,
        *,
        confirmed: bool | None = None,
        gateway: str | None = None,
        sticker: str | None = None,
    ) -> list[Document]:
        """Return a page of lifts by id."""
        rows = await self._pool.fetch(
            statements()["list_elevators"], after, confirmed, gateway, sticker, limit
        )
        return [_elevator(row) for row in rows]

    async def elevator(self, code: str) -> Document | None:
        """Return one lift with the time of its newest frame."""
        row = await self._pool.fetchrow(statements()["elevator"], code)
        if row is None:
            return None
        last = await self._pool.fetchrow(statements()["last_frame"], row["id"])
        newest = {
            "last_frame": rfc3339(to_us(last["time"])) if last else None,
            "last_received": rfc3339(to_us(last["received_at"])) if last else None,
        }
        return {**_elevator(row), **newest}

    async def register(
        self,
        code: str,
        changes: Mapping[str, Any],
        actor: str,
        now_us: int,
        *,
        whole: bool,
        reason: str = "",
    ) -> int | None:
        """Change what the registry says and audit it; return the lift's id, None = no such lift.

        A ``whole`` registration creates the lift if need be and replaces its parameters. What it
        changes about parameters, model and rated speed is a version, with ``reason``.
        ``gateway`` among the changes binds the lift to it as registered; None there gives the
        binding back to first use. Nothing is written, and nothing audited, if nothing changes.
        """
        now = to_datetime(now_us)
        async with self._pool.acquire() as conn, conn.transaction():
            if whole:
                await conn.execute(statements()["add_elevator"], code, now)
            row = await conn.fetchrow(statements()["lock_elevator"], code)
            if row is None:
                return None
            before = _registered(row)
            after = _merged(before, changes, whole=whole)
            if after != before:
                await _update(conn, row["id"], before, after, now)
                data = {k: [before[k], after[k]] for k in after if after[k] != before[k]}
                version = await record_lift(
                    cast("asyncpg.Connection", conn),
                    (row["id"], code),
                    (before, after),
                    (now_us, actor, reason),
                )
                data |= {} if version is None else {"parameters_version": [None, version]}
                await conn.execute(
                    statements()["audit"], now, actor, "elevator_changed", code, json.dumps(data)
                )
                await conn.execute(statements()["registry_changed"], str(row["id"]))
            return row["id"]

    async def frames(
        self, elevator_id: int, since_us: int, until_us: int, after: tuple[int, int], limit: int
    ) -> bytes:
        """Return a page of frames as a JSON object, ``next`` being the cursor of the next page."""
        since, until = _moment(since_us), _moment(until_us)
        rows = await self._pool.fetch(
            *(statements()["frames"], elevator_id, since, until),
            *(_moment(after[0]), after[1], limit),
        )
        # Ten thousand frames take a tenth of a second: not on the loop that takes frames in.
        return await asyncio.to_thread(_frames_json, rows, limit)

    async def list_gateways(self, after: int, limit: int) -> list[Document]:
        """Return a page of gateways by id."""
        return [dict(plain(r)) for r in await self._pool.fetch(
            statements()["list_gateways"], after, limit)]  # fmt: skip


def plain(row: Mapping[str, Any]) -> Document:
    """Return a row with its times as RFC 3339."""
    return {k: rfc3339(to_us(v)) if isinstance(v, datetime) else v for k, v in row.items()}


def _elevator(row: Mapping[str, Any]) -> Document:
    document = plain(row)
    unit = document["unit"]
    document["unit"] = None if unit is None else Unit(unit).name.lower()
    document["params"] = json.loads(row["params"])
    document["rated_speed_mps"] = shortest(row["rated_speed_mps"])
    document.pop("gateway_id")
    return document


def _registered(row: Mapping[str, Any]) -> Document:
    """Return what a person can change, as it stands."""
    return {
        **{name: row[name] for name in TEXTS},
        "rated_speed_mps": shortest(row["rated_speed_mps"]),
        "params": json.loads(row["params"]),
        "confirmed": row["confirmed"],
        "gateway": row["gateway"] if row["gateway_registered"] else None,
        "gateway_id": row["gateway_id"],
    }


def _merged(before: Document, changes: Mapping[str, Any], *, whole: bool) -> Document:
    params = merged({} if whole else before["params"], changes.get("params", {}))
    return {**before, **changes, "params": params}


async def _update(
    conn: Any, elevator_id: int, before: Document, after: Document, now: datetime
) -> None:
    gateway_id = before["gateway_id"]
    if after["gateway"] is not None and after["gateway"] != before["gateway"]:
        gateway_id = await conn.fetchval(statements()["add_gateway"], after["gateway"], now)
    await conn.execute(
        *(statements()["update_elevator"], elevator_id, *(after[name] for name in TEXTS)),
        *(json.dumps(after["params"]), after["confirmed"]),
        *(gateway_id, after["gateway"] is not None),
    )


def _moment(t_us: int) -> datetime:
    return to_datetime(min(max(t_us, MIN_US), MAX_US))


def _frames_json(rows: Sequence[Mapping[str, Any]], limit: int) -> bytes:
    following = None
    if len(rows) == limit:
        last = rows[-1]
        following = f"{to_us(last['time'])}.{last['seq']}"
    return msgspec.json.encode({"frames": [_frame(row) for row in rows], "next": following})


def _frame(row: Mapping[str, Any]) -> Document:
    return {
        "time": rfc3339(to_us(row["time"])),
        "seq": row["seq"],
        "received": rfc3339(to_us(row["received_at"])),
        "device_time": rfc3339(to_us(row["device_time"])),
        "clock": ClockQuality(row["clock"]).name.lower(),
        "gateway": row["gateway"],
        "late": row["late"],
        "quality": quality_keys(row["quality"]),
        **{column.key: _value(column, row) for column in COLUMNS},
    }


def _value(column: Column, row: Mapping[str, Any]) -> Any:
    value = row["floor_label"] if column.kind == "floor" else row[column.name]
    if value is None:
        return None
    match column.kind:
        case "flag":
            return bool(value)
        case "codes":
            return code_texts(value)
        case "real":
            return shortest(value)
        case _:
            return column.words[value] if column.words else value
