"""Kills the service at random instants under load and proves that nobody can tell from the result.

What is killed is the real program, with SIGKILL; broker, database and desk live on. Blows fall at
plainly random instants and on purpose where it hurts: in hold windows, about commits, when an alarm
has just been committed or is just being delivered, during recovery, and while it stops in order.
Everything drawn comes from one seed; the exact instants are the machine's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import asyncpg
import numpy as np

from service.child import ChildFailedError, ServiceProcess
from service.rig import Rig
from service.soak import accounts
from service.soak.backtest import backtest
from service.soak.crash_plan import (
    SHARES,
    Blow,
    CrashReport,
    CrashSettings,
    Kill,
    rig_settings,
)
from service.soak.traffic import NEEDED_US, Traffic
from service.times import to_us
from simulator.scoring import SeenAlarm, match
from telemetry.findings import FINDINGS, FindingClass, FindingKind

__all__ = ["Blow", "CrashReport", "CrashRun", "CrashSettings", "rig_settings"]

SECOND_US: Final = 1_000_000
RAISED: Final = "hoistway.alarm.raised"
SENT: Final = (FindingClass.RESCUE, FindingClass.SAFETY)
"""Classes of findings whose alarms are sent by default."""
PATIENCE_S: Final = 2.5
"""A blow that waits for something falls after this long at the latest."""
READY_S: Final = 60.0
POLL_S: Final = 0.003
ONSET_TOLERANCE_US: Final = SECOND_US
"""An onset is the time of a frame; terminals tell one a second, and at every change."""


class CrashRun:
    """One run on a rig whose service is up and made by ``rig_settings``."""

    def __init__(self, settings: CrashSettings, rig: Rig) -> None:
        self.settings = settings
        self.rig = rig
        self.report = CrashReport()
        self._rng = np.random.default_rng(settings.traffic.seed)
        self._traffic = Traffic(settings.traffic, rig.clock.now_us())

    @property
    def _service(self) -> ServiceProcess:
        return self.rig.service

    async def run(self) -> CrashReport:
        """Publish, kill, restart, settle, compare. Faults are in the report, never raised."""
        stop = asyncio.Event()
        rig, began_us = self.rig, self.rig.clock.now_us()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self._traffic.run(rig.settings.mqtt_url, rig.client_id, rig.clock, stop)
            )
            try:
                await self._kill_often()
                await asyncio.sleep(self.settings.tail_s)
            finally:
                stop.set()
        self.report.seconds = (rig.clock.now_us() - began_us) / 1e6
        await self._compare()
        return self.report

    # --- blows ----------------------------------------------------------------------------------

    async def _kill_often(self) -> None:
        waits: dict[Blow, Callable[[], Awaitable[None]]] = {
            Blow.AT_RANDOM: self._some_time,
            Blow.IN_WINDOW: self._window,
            Blow.AT_COMMIT: self._commit,
            Blow.AT_ALARM: self._alarm,
            Blow.AT_DELIVERY: self._delivery,
            Blow.IN_RECOVERY: self._recovery,
            Blow.WHILE_STOPPING: self._stopping,
        }
        began_us = self.rig.clock.now_us()
        for blow in self._draw():
            epoch = await self._epoch()
            if self.report.kills:
                await self._service.start()
            if blow is not Blow.IN_RECOVERY:
                await self._service.wait_ready(READY_S)
            elif self.report.kills:
                await self._until(lambda known=epoch: self._is_epoch_after(known), READY_S)
            await waits[blow]()
            await self._service.kill()
            at_s = (self.rig.clock.now_us() - began_us) / 1e6
            self.report.kills.append(Kill(blow, at_s, blow is not Blow.IN_RECOVERY))
        await self._service.start()
        await self._service.wait_ready(READY_S)

    def _draw(self) -> list[Blow]:
        """Return the blows in random order; each sort comes up as its share says."""
        kills = self.settings.kills
        drawn = [blow for blow, share in SHARES.items() for _ in range(round(share * kills))]
        drawn += [Blow.AT_RANDOM] * (kills - len(drawn))
        order = self._rng.permutation(len(drawn))[:kills]
        return [drawn[i] for i in order]

    async def _some_time(self) -> None:
        await asyncio.sleep(float(self._rng.uniform(0, self.settings.longest_life_s)))

    async def _window(self) -> None:
        """Wait until somebody was trapped so recently that the window is open."""

        async def is_open() -> bool:
            now_us = self.rig.clock.now_us()
            newest = max((e.onset_us for e in self._traffic.truth()), default=0)
            return 0 <= now_us - newest < 2 * SECOND_US

        await self._until(is_open)
        await asyncio.sleep(float(self._rng.uniform(0, 0.5)))

    async def _commit(self) -> None:
        """Wait for the next commit, and then for less than a batch."""
        seen = await self._number("SELECT coalesce(max(id), 0) FROM batches")

        async def committed() -> bool:
            return await self._number("SELECT coalesce(max(id), 0) FROM batches") > seen

        await self._until(committed)
        await asyncio.sleep(float(self._rng.uniform(0, 0.03)))

    async def _alarm(self) -> None:
        seen = await self._number("SELECT count(*) FROM alarms")

        async def is_new() -> bool:
            return await self._number("SELECT count(*) FROM alarms") > seen

        await self._until(is_new)

    async def _delivery(self) -> None:
        desk, seen = self.rig.desk, len(self.rig.desk.received)
        try:
            await desk.wait_for(lambda desk: len(desk.received) > seen, PATIENCE_S)
        except TimeoutError:
            return  # nothing was sent in that time: the blow falls anyhow

    async def _recovery(self) -> None:
        await asyncio.sleep(float(self._rng.uniform(0, 0.1)))

    async def _stopping(self) -> None:
        """Ask it to stop, and do not wait until it has."""
        await self._some_time()
        self._service.terminate()
        await asyncio.sleep(float(self._rng.uniform(0, 0.5)))

    async def _until(
        self, condition: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S
    ) -> None:
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    if await condition():
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return  # the blow falls anyhow

    async def _epoch(self) -> int:
        return await self._number("SELECT coalesce(max(epoch), 0) FROM writer")

    async def _is_epoch_after(self, known: int) -> bool:
        return await self._epoch() > known

    async def _number(self, query: str) -> int:
        return int(await self.rig.count(query))

    # --- comparison -----------------------------------------------------------------------------

    async def _compare(self) -> None:
        report, pool = self.report, self.rig.pool
        sent = self._traffic.acknowledged
        await accounts.all_stored(pool, sent)
        await self._nothing_pending()
        report.faults += await accounts.process_faults(self._service, pool)
        report.faults += await self._stop()
        report.faults += await accounts.key_faults(pool, sent)
        report.faults += await accounts.database_faults(pool, self.settings.lanes)
        report.faults += accounts.log_faults(self._service.log_path)
        sums = await accounts.written(pool)
        report.published, report.broken = self._traffic.published, self._traffic.broken
        report.acknowledged, report.distinct = len(sent), len(set(sent))
        report.stored = await self._number("SELECT count(*) FROM frames")
        report.duplicate, report.rejected = sums.duplicate, sums.rejected
        report.dead_letters = await self._number("SELECT count(*) FROM dead_letters")
        if report.dead_letters != report.broken:
            report.faults.append(
                f"{report.broken} broken payloads became {report.dead_letters} dead letters"
            )
        await self._compare_alarms()
        report.faults += await self._delivery_faults()
        conn = await asyncpg.connect(self.rig.database_url)
        try:
            for lane in range(self.settings.lanes):
                found = await backtest(conn, lane, self.settings.lanes)
                report.faults += found.faults()
                report.backtests.append(found)
        finally:
            await conn.close()

    async def _nothing_pending(self) -> None:
        async def delivered() -> bool:
            return not await self._number(
                "SELECT count(*) FROM deliveries WHERE state = 'pending'"
                " AND next_attempt_at IS NOT NULL"
            )

        await self._until(delivered, READY_S)

    async def _stop(self) -> list[str]:
        try:
            code = await self._service.stop()
        except (TimeoutError, ChildFailedError) as error:
            return [f"the service did not stop: {error!r}"]
        return [f"the service stopped with exit code {code}"] if code else []

    async def _compare_alarms(self) -> None:
        rows = await self.rig.pool.fetch(
            "SELECT a.id, e.code, a.kind, a.onset, a.presses, a.detected, f.device_time"
            " FROM alarms a"
            " JOIN elevators e ON e.id = a.elevator_id"
            " LEFT JOIN frames f ON f.elevator_id = a.elevator_id AND f.time = a.onset"
        )
        rows = [row for row in rows if FINDINGS[FindingKind(row["kind"])].life_safety]
        report, traffic = self.report, self._traffic
        lift_of = {code: lift for lift, code in enumerate(traffic.fleet.codes)}
        seen, presses = [], {}
        for row in rows:
            if row["device_time"] is None:
                report.faults.append(f"the onset of alarm {row['id']} is no frame's time")
                continue
            told_us = to_us(row["device_time"])
            onset_us = traffic.true_time_us(lift_of.get(row["code"], -1), told_us)
            presses[str(row["id"])] = row["presses"]
            seen.append(SeenAlarm(str(row["id"]), row["code"], FindingKind(row["kind"]), onset_us))
        truth, now_us, told_us = traffic.truth(), traffic.fleet.now_us, traffic.told_us()
        report.alarms = len(rows)
        report.entrapments = sum(e.kind is not FindingKind.ALARM_BUTTON for e in truth)
        found = match(seen, truth, needed_us=NEEDED_US, until_us=now_us)
        # Riders whom the end of the traffic caught in a closed car seem trapped for ever after.
        detected_us = {str(row["id"]): to_us(row["detected"]) for row in rows}
        false = [
            a
            for a in found.false
            if detected_us[a.alarm_id] <= told_us.get(lift_of.get(a.code, -1), now_us)
        ]
        found = report.comparison = replace(found, false=tuple(false))
        for hit in found.hits:
            told = sum(p <= told_us.get(hit.event.lift, 0) for p in hit.event.presses)
            if hit.event.presses and presses[hit.alarm.alarm_id] != told:
                report.faults.append(f"{presses[hit.alarm.alarm_id]} of {told} presses: {hit}")
        report.onset_errors_us = [hit.onset_error_us for hit in found.hits]
        report.missed = [e for e in found.missed if e.onset_us <= told_us.get(e.lift, 0)]
        report.faults += [f"missed: {event}" for event in report.missed]
        report.faults += [f"false: {alarm}" for alarm in found.false]
        report.faults += [f"double: {alarm}" for alarm in found.double]
        report.faults += [f"wrong class: {hit}" for hit in found.wrong_class]
        report.faults += [
            f"onset {hit.onset_error_us} µs off: {hit}"
            for hit in found.hits
            if abs(hit.onset_error_us) > ONSET_TOLERANCE_US
        ]

    async def _delivery_faults(self) -> list[str]:
        """Compare what the desk got with the outbox and the alarms."""
        taken = [m for m in self.rig.desk.received if m.status == 200 and m.alarm_id is not None]
        ids: dict[str, set[str]] = {}
        for message in taken:
            if message.type == RAISED:
                ids.setdefault(str(message.alarm_id), set()).add(message.webhook_id)
        self.report.deliveries = len(taken)
        self.report.redelivered = sum(m.repeated for m in taken)
        wanted = await self.rig.pool.fetch(
            "SELECT id::text, kind FROM alarms WHERE NOT past AND NOT held"
        )
        sent = {kind for kind, finding in FINDINGS.items() if finding.finding_class in SENT}
        alarms = {row["id"] for row in wanted if FindingKind(row["kind"]) in sent}
        faults = [f"alarm {a} never reached the desk" for a in alarms - ids.keys()]
        faults += [f"the desk got an alarm without a row: {a}" for a in ids.keys() - alarms]
        faults += [f"alarm {a} came under {len(i)} ids" for a, i in ids.items() if len(i) > 1]
        rows = await self.rig.pool.fetch(
            "SELECT message_id, type, state, last_error FROM deliveries WHERE state <> 'delivered'"
        )
        faults += [f"not delivered: {dict(row)}" for row in rows]
        faults += _disorder([(str(m.alarm_id), m.data["sequence"], m.repeated) for m in taken])
        return faults


def _disorder(messages: Sequence[tuple[str, int, bool]]) -> list[str]:
    """Name messages of one alarm that were first taken out of order; repetitions do not count."""
    newest: dict[str, int] = {}
    faults = []
    for alarm_id, sequence, repeated in messages:
        if repeated:
            continue
        if sequence != newest.get(alarm_id, 0) + 1:
            faults.append(f"alarm {alarm_id}: {sequence} came after {newest.get(alarm_id, 0)}")
        newest[alarm_id] = sequence
    return faults
