"""``hoistway serve``: builds the parts, runs them in one TaskGroup, takes them down in order.

The order of a start: HTTP (so that ``/readyz`` can say why not), the schema check, the writer's
lease (standby until then), the dispatcher, recovery, the source, the pipeline. The order of an end:
no more intake, what was taken is committed and acknowledged, a last snapshot, deliveries under way,
and a last line that says what was left. A part that dies ends the process; it is started again from
outside, and recovery makes that invisible.
"""

import asyncio
import contextlib
import signal
from contextlib import AsyncExitStack
from typing import Final

import asyncpg
import structlog

from alerting.announce import Announcer
from alerting.client import HttpClient
from alerting.dispatcher import Dispatcher
from alerting.signature import Signer
from alerting.store import AlarmStore, Outbox
from ingest.mqtt_source import MqttSource
from ingest.store import registry
from ingest.store.errors import DRIVER_ERRORS, CommitUnknown
from migrations.run import head_revision
from service.blindness import Blindness, measure_loop_lag, show_source_state, show_standing
from service.clock import ClockSetBackError
from service.clock_watch import watch_clock
from service.collector import settle
from service.database import DatabaseError, open_pool, revision, schema_problem, watch_database
from service.foundation import Foundation
from service.logs import tell_unhandled
from service.parameters import record_installation
from service.pipeline import Pipeline
from service.readiness import Cause
from service.recovery import Recovery
from service.registrar import load_fleet
from service.registry_watch import watch_registry
from service.relaning import forget_lanes
from service.settings import Settings, narrow
from service.shadow.keeper import ShadowKeeper
from service.snapshots import Snapshots
from service.waiting import done_before, end_by

log = structlog.get_logger()
HOPELESS: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""At the start waiting helps against neither a refused account nor a wrong name."""
GOODBYE_S: Final = 1.0
"""Of the time for draining so much is kept for the last line and the lease [s]."""


async def serve(settings: Settings) -> int:
    """Run the service until SIGTERM or SIGINT, or until the clock is wrong; return the exit code.

    Raises the one error that ended it, unwrapped from task groups, for the command line to explain.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_unhandled)
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopping.set)
    try:
        async with AsyncExitStack() as stack:
            service = _Service(settings, stack)
            await service.run(stopping)
    except ExceptionGroup as group:
        raise _leaf(group) from group
    if service.clock_error is not None:
        raise service.clock_error
    return 0


def _leaf(group: ExceptionGroup) -> Exception:
    first = group.exceptions[0]
    return _leaf(first) if isinstance(first, ExceptionGroup) else first


class _Service(Foundation):
    """Starts, works, stops."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        super().__init__(settings)
        self.stack = stack
        self.clock_error: ClockSetBackError | None = None
        """Why it stopped by itself."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Start, work, stop."""
        pool = await self.stack.enter_async_context(open_pool(self.settings.database))
        alarms = AlarmStore(narrow.alarm_store(self.settings), pool)
        self.lanes = [
            self.make_lane(number, alarms) for number in range(self.settings.ingest.lanes)
        ]
        async with asyncio.TaskGroup() as tasks:
            source = MqttSource(narrow.mqtt_source(self.settings), self.clock)
            snapshots = self.make_snapshots()
            pipeline = self.make_pipeline(source)
            keeper = ShadowKeeper(pool, self.metrics, self.settings.shadow)
            server = self.make_http(pool, alarms, pipeline, keeper)
            serving = tasks.create_task(server.serve(), name="http")
            watching = [
                tasks.create_task(measure_loop_lag(self.metrics), name="loop-lag"),
                tasks.create_task(self._watch_database(pool), name="database"),
                tasks.create_task(self._watch_clock(stopping), name="clock"),
            ]
            working = tasks.create_task(
                self._work(source, pipeline, snapshots, pool, alarms, keeper, stopping),
                name="work",
            )
            await asyncio.wait([working, serving], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise SystemExit(3)  # uvicorn has said which address it cannot have
            server.should_exit = True
            for task in watching:
                task.cancel()

    async def _work(
        self,
        source: MqttSource,
        pipeline: Pipeline,
        snapshots: Snapshots,
        pool: asyncpg.Pool,
        alarms: AlarmStore,
        keeper: ShadowKeeper,
        stopping: asyncio.Event,
    ) -> None:
        """Do the service's work from lease to last line; returns after a stop."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            stop = tasks.create_task(stopping.wait(), name="signal")
            announcing = await self._announcer(stack, tasks)
            if not await done_before(stop, self._start(pool, alarms)):
                announcing.cancel()
                await self._leave_early()
                return
            dispatcher = await self._dispatcher(stack, pool, alarms)
            dispatching = tasks.create_task(self._dispatch(dispatcher), name="dispatcher")
            showing = tasks.create_task(
                show_standing(self.metrics, Outbox(alarms, pool), pool, self.fleet, self.lanes),
                name="show-standing",
            )
            if not await done_before(stop, self._take_up(stack, source, alarms)):
                for task in (announcing, showing, dispatching):
                    task.cancel()
                await self._leave_early()
                return
            self.metrics.bind_source(source)
            retention = self.make_retention(pool)
            beside = [
                tasks.create_task(show_source_state(self.board, source), name="show-source"),
                tasks.create_task(self._watch_registry(pipeline), name="registry"),
                tasks.create_task(keeper.run(), name="shadow"),
                tasks.create_task(retention.run(), name="retention"),
            ]
            running = tasks.create_task(pipeline.run(), name="pipeline")
            snapshotting = tasks.create_task(snapshots.run(), name="snapshots")
            settle()
            self.board.clear(Cause.STARTING)
            log.info(
                "serving",
                http_port=self.settings.http.port,
                lifts=sum(lane.core.n_lifts for lane in self.lanes),
            )
            await stop
            loop = asyncio.get_running_loop()
            end_s = loop.time() + self.settings.ingest.drain_timeout_s
            loop.call_at(end_s, pool.terminate)  # lets go who still asks a silent database then
            log.info("stopping", in_flight=pipeline.in_flight)
            self.board.set(Cause.STOPPING)
            snapshotting.cancel()
            pipeline.stop()
            drained = await self._drain(running, end_s - GOODBYE_S)
            if drained:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(end_s - GOODBYE_S):
                        await snapshots.write()
            dispatcher.stop()
            for task in (*beside, showing, announcing):
                task.cancel()
            await end_by(dispatching, end_s - GOODBYE_S)
            await self._give_leases_back()
            await self._say_goodbye(pipeline, source, alarms, pool, drained=drained)

    async def _take_up(self, stack: AsyncExitStack, source: MqttSource, alarms: AlarmStore) -> None:
        """Rebuild the state, then begin to receive."""
        await self._recover(alarms)
        await stack.enter_async_context(source)

    async def _give_leases_back(self) -> None:
        await asyncio.gather(*(lane.writer.close() for lane in self.lanes))

    async def _leave_early(self) -> None:
        await self._give_leases_back()
        log.info("stopped", before="the start was finished")

    async def _drain(self, running: asyncio.Task[None], end_s: float) -> bool:
        """Wait until what was taken is committed and acknowledged, or the time is up."""
        drained = await end_by(running, end_s)
        if not drained:
            log.error("drain_timed_out", will="come again from the broker")
        await asyncio.sleep(0)  # the acknowledgements of the last batch leave the buffer
        return drained

    async def _say_goodbye(
        self,
        pipeline: Pipeline,
        source: MqttSource,
        alarms: AlarmStore,
        pool: asyncpg.Pool,
        *,
        drained: bool,
    ) -> None:
        pending: int | None = None
        try:
            async with asyncio.timeout(GOODBYE_S / 2):
                backlog = await Outbox(alarms, pool).backlog()
            pending = sum(count for count, _ in backlog.values())
        except Exception as error:  # noqa: BLE001 - the last line must come out, whatever is gone
            log.warning("backlog_unknown", error=str(error) or type(error).__name__)
        state = source.state
        log.info("stopped", drained=drained, frames_in_flight=pipeline.in_flight,
                 messages_unacknowledged=state.unacked,
                 deliveries_pending=pending)  # fmt: skip

    async def _start(self, pool: asyncpg.Pool, alarms: AlarmStore) -> None:
        """Check the schema and take the lanes."""
        del alarms
        await self._check_schema(pool)
        for lane in self.lanes:
            await lane.writer.take_over()

    async def _check_schema(self, pool: asyncpg.Pool) -> None:
        """Stop with one line if the schema is not ours; wait for a database that is late."""
        while True:
            try:
                wrong = schema_problem(await revision(pool), head_revision())
            except DRIVER_ERRORS as error:
                if isinstance(error, HOPELESS):
                    raise
                log.warning("database_unreachable", error=str(error), will="try again")
                await asyncio.sleep(self.settings.ingest.retry_max_s)
                continue
            if wrong:
                raise DatabaseError(f"{wrong}; run `hoistway migrate`")
            return

    async def _recover(self, alarms: AlarmStore) -> None:
        self.board.set(Cause.RECOVERY)
        await self._note_settings()
        found = await self.lanes[0].writer.attempt(registry.load)
        load_fleet(self.fleet, found)
        recovery = Recovery(self.fleet, alarms, len(self.lanes), self.clock)
        for lane in self.lanes:
            await recovery.run(lane, found.clock_runs)
        if recovery.lanes_before is not None or recovery.behind_us:
            # From the first batch on, what was written with other lanes, or by a clock that was
            # ahead, is no longer the state.
            await self.make_snapshots().write()
        if recovery.lanes_before is not None:
            old, new = recovery.lanes_before, len(self.lanes)
            await self.lanes[0].writer.attempt(lambda conn: forget_lanes(conn, new, old))
        self.board.clear(Cause.RECOVERY)

    async def _note_settings(self) -> None:
        """Make the detectors' settings of this start a version, if they are new."""
        params = narrow.changed_parameters(self.settings)
        while True:
            now_us = self.clock.now_us()
            try:
                version = await self.lanes[0].writer.attempt(
                    lambda conn, now_us=now_us: record_installation(conn, params, now_us)
                )
            except CommitUnknown:
                continue  # written or not: the next attempt finds out
            if version is not None:
                log.info("settings_changed_parameters", version=version)
            return

    async def _watch_registry(self, pipeline: Pipeline) -> None:
        await watch_registry(
            self.database_url,
            self.connect_options,
            pipeline.note_changed,
            lambda: [i for lane in self.lanes for i in lane.core.elevator_ids.tolist()],
            self.settings.ingest.retry_max_s,
        )

    async def _watch_database(self, pool: asyncpg.Pool) -> None:
        interval_s = self.settings.http.probe_interval_s
        await watch_database(self.board, pool, head_revision(), interval_s=interval_s)

    async def _watch_clock(self, stopping: asyncio.Event) -> None:
        self.clock_error = await watch_clock(self.clock)
        stopping.set()

    async def _announcer(
        self, stack: AsyncExitStack, tasks: asyncio.TaskGroup
    ) -> asyncio.Task[None]:
        settings = self.settings
        blindness = Blindness(self.board)
        if not settings.dispatch.urls:
            return tasks.create_task(asyncio.sleep(0), name="announcer")
        client = await stack.enter_async_context(HttpClient(settings.dispatch.attempt_timeout_s))
        announcer = Announcer(
            client,
            Signer.of(settings.dispatch.secrets()),
            self.clock,
            blindness.causes,
            narrow.announcer(settings),
        )
        return tasks.create_task(blindness.announce(self.metrics, announcer), name="announcer")

    async def _dispatcher(
        self, stack: AsyncExitStack, pool: asyncpg.Pool, alarms: AlarmStore
    ) -> Dispatcher:
        settings = self.settings.dispatch
        client = await stack.enter_async_context(HttpClient(settings.attempt_timeout_s))
        secrets = settings.secrets()
        return Dispatcher(
            Outbox(alarms, pool),
            alarms,
            client,
            Signer.of(secrets) if secrets else Signer(()),
            self.clock,
            narrow.dispatcher(self.settings),
        )

    async def _dispatch(self, dispatcher: Dispatcher) -> None:
        if not self.settings.dispatch.urls:
            log.error("alarms_not_dispatched", because="HOISTWAY_DISPATCH_URLS is not set")
            return
        dispatch = self.settings.dispatch
        bound = dispatch.in_flight_per_endpoint * len(dispatch.urls)
        self.metrics.bind_dispatcher(dispatcher, bound)
        await dispatcher.run()
