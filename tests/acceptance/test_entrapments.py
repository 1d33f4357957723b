"""Scripted incidents from broker to desk: want this alarm between t1 and t2, and no other."""

from typing import Any

import aiohttp

from service.rig import Rig
from service.roles import Role
from service.times import to_us
from tests.acceptance.conftest import MakeRig, Open
from tests.acceptance.stories import (
    BETWEEN,
    BUTTON,
    LANDING,
    RAISED,
    RESCUE,
    WINDOWS,
    about_alarms,
    alarms,
    instant,
    lift,
    settle,
    wait_for,
)
from tests.acceptance.terminal import (
    EMPTY,
    OPEN,
    RIDES,
    SECOND_US,
    SHUT,
    STUCK,
    Terminal,
)
from tests.waiting import until

HOUR_US = 3600 * SECOND_US


async def escalation(rig: Rig, alarm_id: str | None) -> tuple[int, int]:
    """Return when the service dispatched an alarm and when it first raised its level [µs]."""
    row = await rig.pool.fetchrow(
        "SELECT a.raised_at, min(e.at) AS decided_at FROM alarms a"
        " JOIN alarm_events e ON e.alarm_id = a.id"
        " WHERE a.id = $1::uuid AND e.type = 'escalated' GROUP BY a.raised_at",
        alarm_id,
    )
    return to_us(row["raised_at"]), to_us(row["decided_at"])


async def request(
    rig: Rig, method: str, path: str, role: Role, body: Any = None
) -> tuple[int, dict[str, Any]]:
    key = await rig.make_key(f"{role}-{rig.clock.now_us()}", role)
    headers = {"authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers, trust_env=False) as session,
        session.request(method, f"{rig.service.http_url}{path}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def test_both_classes_are_raised_accepted_by_the_api_and_released(
    rig: MakeRig, terminal: Open
) -> None:
    made = await rig(registrations=[lift("A"), lift("B")], accept_after_s=0.0)
    a, b = await terminal(made, "A"), await terminal(made, "B")
    t = made.clock.now_us() // 1000 * 1000 - 20 * SECOND_US
    await a.tell_each_second(t, t + 2 * SECOND_US, RIDES)
    await a.tell_each_second(t + 3 * SECOND_US, t + 7 * SECOND_US, STUCK)
    await b.tell_each_second(t, t + 2 * SECOND_US, RIDES)
    await b.tell_each_second(t + 3 * SECOND_US, t + 8 * SECOND_US, SHUT)
    raised = {m.data["elevator"]["code"]: m.data for m in await wait_for(made, RAISED, 2)}
    assert instant(raised["A"]["onset"]) == t + 3 * SECOND_US
    assert instant(raised["A"]["detected"]) == t + 6 * SECOND_US
    assert raised["A"]["kind"] == "entrapment_between_landings"
    assert instant(raised["B"]["onset"]) == t + 3 * SECOND_US
    assert instant(raised["B"]["detected"]) == t + 7 * SECOND_US
    assert raised["B"]["kind"] == "entrapment_at_landing"
    assert raised["A"]["elevator"]["floor"] == "7"
    assert {m.data["accepted_by"] for m in await wait_for(made, ".accepted", 2)} == {"desk"}
    for one in (a, b):
        await one.tell_each_second(t + 10 * SECOND_US, t + 12 * SECOND_US, OPEN)
    released = await wait_for(made, ".released", 2)
    assert {instant(m.data["ended"]) for m in released} == {t + 10 * SECOND_US}
    await settle(made, a, b)
    assert made.desk.acts_failed == []
    assert await alarms(made) == [
        ("A", BETWEEN, t + 3 * SECOND_US, "released"),
        ("B", LANDING, t + 3 * SECOND_US, "released"),
    ]


async def test_a_window_that_is_not_complete_raises_nothing(rig: MakeRig, terminal: Open) -> None:
    made = await rig(registrations=[lift("A"), lift("B")])
    a, b = await terminal(made, "A"), await terminal(made, "B")
    t = made.clock.now_us() // 1000 * 1000 - 20 * SECOND_US
    await a.tell_each_second(t, t + 1 * SECOND_US, RIDES)
    await a.tell_each_second(t + 2 * SECOND_US, t + 4 * SECOND_US, STUCK)  # 3 s wanted
    await a.tell_each_second(t + 5 * SECOND_US - 1000, t + 8 * SECOND_US, RIDES)
    await a.tell_each_second(t + 9 * SECOND_US, t + 12 * SECOND_US, OPEN)
    await b.tell_each_second(t, t + 12 * SECOND_US, EMPTY)
    await settle(made, a, b)
    assert await alarms(made) == []
    assert not about_alarms(made)


async def test_a_button_is_raised_at_once_in_inspection_too_and_only_a_person_ends_it(
    rig: MakeRig, terminal: Open
) -> None:
    made = await rig(registrations=[lift("A")], accept_as=None)
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000
    await a.tell(t - 8 * SECOND_US, EMPTY, mode=2)
    await a.tell(t - 7 * SECOND_US, SHUT, mode=2, button=True)
    [raised] = await wait_for(made, RAISED)
    assert raised.data["kind"] == "alarm_button"
    assert instant(raised.data["onset"]) == t - 7 * SECOND_US
    assert instant(raised.data["detected"]) == t - 7 * SECOND_US
    assert await made.desk.accept(str(raised.alarm_id))
    await wait_for(made, ".accepted")
    await a.tell(t - 6 * SECOND_US, SHUT, mode=2, button=False)
    await a.tell(t - 5 * SECOND_US, SHUT, mode=2, button=True)
    updated = await wait_for(made, ".updated")
    assert updated[-1].data["presses"] == 2
    assert instant(updated[-1].data["last_press"]) == t - 5 * SECOND_US
    await a.tell(t - 4 * SECOND_US, OPEN, mode=2, button=False)
    await settle(made, a)
    assert await alarms(made) == [("A", BUTTON, t - 7 * SECOND_US, "accepted")]
    assert await made.desk.release(str(raised.alarm_id))
    await wait_for(made, ".released")
    await settle(made, a)
    assert await alarms(made) == [("A", BUTTON, t - 7 * SECOND_US, "released")]


async def test_mains_cut_with_a_rescue_device_releases_itself(rig: MakeRig, terminal: Open) -> None:
    made = await rig(registrations=[lift("A")], accept_as=None)
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000 - 30 * SECOND_US
    await a.tell_each_second(t, t + 2 * SECOND_US, RIDES)
    await a.tell_each_second(t + 3 * SECOND_US, t + 5 * SECOND_US, STUCK, power="battery")
    [raised] = await wait_for(made, RAISED)
    assert instant(raised.data["onset"]) == t + 3 * SECOND_US
    assert instant(raised.data["detected"]) == t + 4 * SECOND_US, "the urgent window"
    creeping = {**RIDES, "speed": 0.3, "power": "battery"}
    await a.tell_each_second(t + 10 * SECOND_US, t + 14 * SECOND_US, creeping)
    await a.tell_each_second(t + 15 * SECOND_US, t + 18 * SECOND_US, OPEN, power="battery")
    [over] = await wait_for(made, ".released")
    assert over.data["state"] == "self_released"
    assert instant(over.data["ended"]) == t + 15 * SECOND_US
    assert over.data["duration_s"] == 12.0
    await settle(made, a)
    assert await alarms(made) == [("A", BETWEEN, t + 3 * SECOND_US, "self_released")]


async def test_a_press_between_landings_shortens_the_window_and_is_a_case_of_its_own(
    rig: MakeRig, terminal: Open
) -> None:
    made = await rig(registrations=[lift("A")], accept_as=None)
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000 - 20 * SECOND_US
    await a.tell_each_second(t, t + 2 * SECOND_US, RIDES)
    await a.tell(t + 3 * SECOND_US, STUCK)
    await a.tell(t + 3 * SECOND_US + 500_000, STUCK, button=True)
    await a.tell(t + 4 * SECOND_US, STUCK, button=True)
    raised = {m.data["kind"]: m.data for m in await wait_for(made, RAISED, 2)}
    assert instant(raised["alarm_button"]["detected"]) == t + 3 * SECOND_US + 500_000
    entrapment = raised["entrapment_between_landings"]
    assert instant(entrapment["onset"]) == t + 3 * SECOND_US
    assert instant(entrapment["detected"]) == t + 4 * SECOND_US, "the urgent window"
    await settle(made, a)
    assert [row[:3] for row in await alarms(made)] == [
        ("A", BETWEEN, t + 3 * SECOND_US),
        ("A", BUTTON, t + 3 * SECOND_US + 500_000),
    ]


async def test_a_district_in_the_dark_gives_a_case_for_each_occupied_lift(
    rig: MakeRig, terminal: Open
) -> None:
    codes = [f"D{i:03d}" for i in range(120)]
    made = await rig(registrations=[lift(code, gateway="gw-D000") for code in codes])
    first = await terminal(made, "D000")
    lifts = [first, *(Terminal(first.publisher, code, first.gateway) for code in codes[1:])]
    t = made.clock.now_us() // 1000 * 1000 - 20 * SECOND_US
    await first.send(*[one.frame(t, RIDES) for one in lifts[::2]])
    dark = {**STUCK, "power": "battery"}
    for second in (1, 2, 3):
        occupied = [one.frame(t + second * SECOND_US, dark) for one in lifts[::2]]
        empty = [
            one.frame(t + second * SECOND_US, {**EMPTY, "power": "battery"}) for one in lifts[1::2]
        ]
        await first.send(*occupied, *empty)
    await wait_for(made, ".accepted", 60)
    await settle(made, *lifts)
    assert [row[:3] for row in await alarms(made)] == [
        (code, BETWEEN, t + SECOND_US) for code in codes[::2]
    ]


async def test_late_frames_are_stored_flagged_and_change_nothing(
    rig: MakeRig, terminal: Open
) -> None:
    made = await rig(registrations=[lift("A")])
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000 - 100 * SECOND_US
    await a.tell(t, EMPTY)
    missing = [a.frame(t + second * SECOND_US, STUCK) for second in range(5, 15)]
    await a.tell(t + 20 * SECOND_US, EMPTY)

    async def waits(count: int) -> bool:
        return (await made.service.metrics())["hoistway_frames_waiting"] == count

    await until(lambda: waits(1))  # ten frames are missing: the next one waits for them
    await until(lambda: waits(0))  # at most 2 s, then it is stepped and they are late
    await a.send(*missing)
    await settle(made, a)
    assert await made.count("SELECT count(*) FROM frames WHERE late") == 10
    assert (await made.service.metrics())["hoistway_frames_late_total"] == 10
    assert await alarms(made) == []
    assert not about_alarms(made)


async def test_escalation_comes_in_time_although_the_service_was_killed(
    rig: MakeRig, terminal: Open
) -> None:
    made = await rig(
        registrations=[lift("A")],
        accept_as=None,
        environment={"HOISTWAY_DISPATCH_ESCALATE_AFTER_S": "6"},
    )
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000 - 10 * SECOND_US
    await a.tell_each_second(t, t + SECOND_US, RIDES)
    await a.tell_each_second(t + 2 * SECOND_US, t + 8 * SECOND_US, STUCK)
    [raised] = await wait_for(made, RAISED)
    await made.service.kill()
    await made.service.start()
    await made.service.wait_ready()
    ready_us = made.clock.now_us()
    escalated = (await wait_for(made, ".escalated"))[0]
    assert escalated.alarm_id == raised.alarm_id
    assert escalated.data["level"] == raised.data["level"] + 1
    raised_us, decided_us = await escalation(made, raised.alarm_id)
    due_us = raised_us + 6 * SECOND_US
    assert due_us <= decided_us < max(due_us, ready_us) + 6 * SECOND_US
    await settle(made, a)
    assert len(await alarms(made)) == 1
    assert len({m.webhook_id for m in made.desk.messages(RAISED)}) == 1


async def test_of_a_backlog_only_what_still_is_so_reaches_the_desk(
    rig: MakeRig, terminal: Open
) -> None:
    made = await rig(registrations=[lift("OVER"), lift("STILL")], accept_as=None)
    over, still = await terminal(made, "OVER"), await terminal(made, "STILL")
    t = made.clock.now_us() // 1000 * 1000 - HOUR_US
    for one in (over, still):
        await one.tell_each_second(t, t + 5 * SECOND_US, RIDES)
        await one.tell_each_second(t + 6 * SECOND_US, t + 600 * SECOND_US, STUCK)

    async def both_wait() -> bool:
        return await made.count("SELECT count(*) FROM alarms WHERE held") == 2

    await until(both_wait)
    assert not about_alarms(made)
    await over.tell_each_second(t + 601 * SECOND_US, t + 900 * SECOND_US, OPEN)
    now_us = made.clock.now_us() // 1000 * 1000
    await still.send(*[still.frame(now_us - s * SECOND_US, STUCK) for s in range(300, -1, -1)])
    [raised] = await wait_for(made, RAISED)
    assert raised.data["elevator"]["code"] == "STILL"
    assert instant(raised.data["onset"]) == t + 6 * SECOND_US
    await settle(made, over, still)
    rows = await made.pool.fetch(
        "SELECT e.code, a.past, a.held, a.ended_at IS NOT NULL AS ended FROM alarms a"
        " JOIN elevators e ON e.id = a.elevator_id WHERE a.kind = ANY($1) ORDER BY 1",
        RESCUE,
    )
    assert [tuple(r) for r in rows] == [
        ("OVER", True, False, True),
        ("STILL", False, False, False),
    ]
    assert len(about_alarms(made)) == 1


async def test_a_case_older_than_a_day_is_recorded_and_never_dispatched(
    rig: MakeRig, terminal: Open
) -> None:
    made = await rig(registrations=[lift("A")], accept_as=None)
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000 - 30 * HOUR_US
    await a.tell_each_second(t, t + 5 * SECOND_US, RIDES)
    await a.tell_each_second(t + 6 * SECOND_US, t + 20 * SECOND_US, STUCK)
    now_us = made.clock.now_us() // 1000 * 1000
    await a.send(*[a.frame(now_us - s * SECOND_US, STUCK) for s in range(30, -1, -1)])

    async def is_past() -> bool:
        return bool(await made.count("SELECT count(*) FROM alarms WHERE past"))

    await until(is_past, 25.0)
    await settle(made, a)
    assert [row[:3] for row in await alarms(made)] == [("A", BETWEEN, t + 6 * SECOND_US)]
    assert not about_alarms(made)


async def test_a_slow_clock_is_no_backlog(rig: MakeRig, terminal: Open) -> None:
    made = await rig(registrations=[lift("A")], accept_as=None)
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000 - 300 * SECOND_US
    await a.tell(t - SECOND_US, RIDES)
    await a.tell(t, STUCK)
    [raised] = await wait_for(made, RAISED)
    assert instant(raised.data["onset"]) == t
    assert instant(raised.data["detected"]) == t + 3 * SECOND_US
    assert 299 < raised.data["lag_s"] < 310
    await settle(made, a)
    assert await alarms(made) == [("A", BETWEEN, t, "raised")]


async def test_the_desk_accepts_by_its_reply(rig: MakeRig, terminal: Open) -> None:
    made = await rig(registrations=[lift("A")], accept_as="grid desk", accept_after_s=None)
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000 - 10 * SECOND_US
    await a.tell_each_second(t, t + SECOND_US, RIDES)
    await a.tell_each_second(t + 2 * SECOND_US, t + 8 * SECOND_US, STUCK)
    [accepted] = await wait_for(made, ".accepted")
    assert accepted.data["accepted_by"] == "grid desk"
    await settle(made, a)
    assert await alarms(made) == [("A", BETWEEN, t + 2 * SECOND_US, "accepted")]
    events = await made.pool.fetch("SELECT type, source FROM alarm_events ORDER BY n")
    assert "accepted" in [e["type"] for e in events]


async def test_the_registry_changed_over_http_counts_from_the_next_frame_and_after_a_kill(
    rig: MakeRig, terminal: Open
) -> None:
    long = {"between_landings_window_s": 600}
    made = await rig(registrations=[lift("A", params=long)], accept_as=None)
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000 - 30 * SECOND_US
    await a.tell_each_second(t, t + SECOND_US, RIDES)
    await a.tell_each_second(t + 2 * SECOND_US, t + 12 * SECOND_US, STUCK)
    await settle(made, a)
    assert await alarms(made) == []
    body = {"params": WINDOWS, "building": "Garden House 9", "gateway": "gw-A"}
    status, answer = await request(made, "PUT", "/v1/elevators/A", Role.ADMIN, body)
    assert status == 200, answer
    await a.tell(t + 14 * SECOND_US, STUCK)
    [raised] = await wait_for(made, RAISED)
    assert raised.data["elevator"]["building"] == "Garden House 9"
    assert instant(raised.data["onset"]) == t + 2 * SECOND_US
    await made.service.kill()  # batches from before the change are repeated after it
    await made.service.start()
    await made.service.wait_ready()
    await a.tell(t + 16 * SECOND_US, STUCK)
    await settle(made, a)
    assert [row[:3] for row in await alarms(made)] == [("A", BETWEEN, t + 2 * SECOND_US)]


async def test_a_window_is_completed_by_the_next_process_without_any_frame(
    rig: MakeRig, terminal: Open
) -> None:
    made = await rig(registrations=[lift("A")], accept_as=None)
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000
    await a.tell(t - 1 * SECOND_US, RIDES)
    await a.tell(t, STUCK)
    await settle(made, a)
    await made.service.kill()
    await made.service.start()
    [raised] = await wait_for(made, RAISED, timeout_s=20)
    assert instant(raised.data["onset"]) == t
    assert instant(raised.data["detected"]) == t + 3 * SECOND_US
    await settle(made, a)
    assert await alarms(made) == [("A", BETWEEN, t, "raised")]


async def test_an_unknown_lift_is_watched_like_any_other(rig: MakeRig, terminal: Open) -> None:
    windows = {f"HOISTWAY_DETECT_{name.upper()}": str(value) for name, value in WINDOWS.items()}
    made = await rig(accept_as=None, environment=windows)
    a = await terminal(made, "NEVER-SEEN")
    t = made.clock.now_us() // 1000 * 1000 - 10 * SECOND_US
    await a.tell_each_second(t, t + SECOND_US, RIDES)
    await a.tell_each_second(t + 2 * SECOND_US, t + 8 * SECOND_US, STUCK)
    [raised] = await wait_for(made, RAISED)
    assert raised.data["elevator"]["code"] == "NEVER-SEEN"
    assert raised.data["elevator"]["confirmed"] is False
    await settle(made, a)
    assert await alarms(made) == [("NEVER-SEEN", BETWEEN, t + 2 * SECOND_US, "raised")]
