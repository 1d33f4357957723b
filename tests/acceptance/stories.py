"""What stories of trapped people share: lifts with short windows, and what came of them.

Event times lie some seconds back where a story would otherwise take its windows' time; that is what
a lagging gateway looks like, and below 120 s of lag nothing waits.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.desk import Desk, Received
from service.rig import Rig
from service.soak import accounts
from service.times import to_us
from telemetry.findings import FindingKind
from tests.acceptance.terminal import Terminal
from tests.waiting import until

RAISED = "hoistway.alarm.raised"
BETWEEN = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
LANDING = FindingKind.ENTRAPMENT_AT_LANDING
BUTTON = FindingKind.ALARM_BUTTON
RESCUE = [int(kind) for kind in (BETWEEN, LANDING, BUTTON)]
WINDOWS = {
    "between_landings_window_s": 3,
    "at_landing_window_s": 4,
    "urgent_window_s": 1,
}


def lift(code: str, **more: Any) -> tuple[str, Mapping[str, Any]]:
    fields = {"params": WINDOWS, "confirmed": True, "gateway": f"gw-{code}", **more}
    return code, fields


async def wait_for(rig: Rig, kind: str, count: int = 1, timeout_s: float = 15.0) -> list[Received]:
    """Wait until the desk has taken ``count`` messages whose type ends like that."""

    def there(desk: Desk) -> bool:
        return len(desk.messages(kind)) >= count

    try:
        await rig.desk.wait_for(there, timeout_s)
    except TimeoutError:
        words = rig.service.last_words(10)
        got = [m.type for m in rig.desk.received]
        raise AssertionError(f"no {count} x {kind}, but {got}\n{words}") from None
    return list(rig.desk.messages(kind))


def about_alarms(rig: Rig) -> list[Received]:
    return [m for m in rig.desk.received if m.type.startswith("hoistway.alarm.")]


async def settle(rig: Rig, *terminals: Terminal) -> None:
    """Wait until every frame told is stored and no delivery is due."""

    async def done() -> bool:
        for one in terminals:
            stored = await rig.count(
                "SELECT count(*) FROM frames f JOIN elevators e ON e.id = f.elevator_id"
                " WHERE e.code = $1",
                one.code,
            )
            if stored < len(set(one.told)):
                return False
        return not await rig.count("SELECT count(*) FROM deliveries WHERE state = 'pending'")

    await until(done)
    await accounts.settled(rig.service)


async def alarms(rig: Rig) -> list[tuple[str, FindingKind, int, str]]:
    """Return the alarm rows of rescue: lift, kind, onset, state."""
    rows = await rig.pool.fetch(
        "SELECT e.code, a.kind, a.onset, a.state FROM alarms a"
        " JOIN elevators e ON e.id = a.elevator_id WHERE a.kind = ANY($1)"
        " ORDER BY a.onset, e.code",
        RESCUE,
    )
    return [(r["code"], FindingKind(r["kind"]), to_us(r["onset"]), r["state"]) for r in rows]


def instant(text: Any) -> int:
    return to_us(datetime.fromisoformat(str(text)))
