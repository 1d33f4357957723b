"""What the parts of the service stand on, and how each part is made of settings.

``service.app`` starts them, runs them and takes them down; here nothing runs and nothing is opened.
"""

import contextlib
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

import asyncpg
import uvicorn
from prometheus_client import CollectorRegistry

from alerting.store import AlarmStore
from ingest.fleet import Fleet
from ingest.mqtt_source import MqttSource
from ingest.store.connect import ConnectOptions
from service.cases import Cases
from service.clock import SystemClock
from service.core import LaneCore
from service.database import dsn
from service.dead_letters import DeadLetterStore
from service.http import Parts, make_app
from service.intake import Intake, IntakeTimes
from service.keys import KeyRing
from service.lane import Lane
from service.metrics import Metrics
from service.parameters import ParameterStore
from service.pipeline import Pipeline
from service.readiness import Board
from service.registrar import Registrar
from service.registry import Registry
from service.retention import Retention
from service.settings import Settings, narrow
from service.shadow.keeper import ShadowKeeper
from service.shadow.store import ShadowStore
from service.snapshots import Snapshots, SnapshotTimes
from service.writer import RetryTimes, Writer

KEEP_BATCHES_S: Final = 48 * 3600
"""Batch rows are kept for two days [s]: far longer than recovery looks back."""
REGISTRAR: Final = -1
"""Not a lane: the registrar's connection needs no lease."""


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handling: the service decides when to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class Foundation:
    """Settings, clock, metrics, board and fleet of one process, and the making of its parts."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.metrics = Metrics(CollectorRegistry(), version("hoistway"))
        self.board = Board(self.clock)
        self.database_url = dsn(settings.database)
        self.connect_options = ConnectOptions(
            connect_timeout_s=round(settings.database.connect_timeout_s)
        )
        self.fleet = Fleet(
            lanes=settings.ingest.lanes,
            listening_since_us=self.clock.now_us(),
            limits=narrow.fleet_limits(settings),
        )
        self.registrar = Registrar(self.fleet, self.make_writer(REGISTRAR), self.clock)
        self.lanes: list[Lane] = []

    def make_writer(self, lane: int) -> Writer:
        """Return the writer of a lane, not yet connected."""
        ingest = self.settings.ingest
        return Writer(
            lane,
            self.database_url,
            self.connect_options,
            RetryTimes(ingest.retry_min_s, ingest.retry_max_s),
            self.board,
            self.metrics,
            self.clock,
        )

    def make_lane(self, number: int, alarms: AlarmStore) -> Lane:
        """Return a lane without state."""
        params = narrow.assemble(self.settings)
        return Lane(
            number,
            lambda: LaneCore(params, {}),
            self.fleet,
            self.make_writer(number),
            alarms,
            self.metrics,
            self.clock,
        )

    def make_pipeline(self, source: MqttSource) -> Pipeline:
        """Return the pipeline over a source."""
        ingest = self.settings.ingest
        times = IntakeTimes(
            window_s=ingest.batch_window_ms / 1000,
            max_frames=ingest.batch_max_frames,
            tick_s=ingest.tick_interval_ms / 1000,
            slice_frames=ingest.decode_slice_frames,
        )
        intake = Intake(source, self.fleet, self.registrar, self.clock, self.metrics, times)
        return Pipeline(
            source,
            intake,
            self.lanes,
            self.fleet,
            self.registrar,
            self.clock,
            self.metrics,
        )

    def make_snapshots(self) -> Snapshots:
        """Return what writes the lanes' snapshots."""
        snapshot = self.settings.snapshot
        times = SnapshotTimes(snapshot.interval_s, snapshot.interval_frames, KEEP_BATCHES_S)
        return Snapshots(
            self.lanes, self.database_url, self.connect_options, self.clock, self.metrics, times
        )

    def make_retention(self, pool: asyncpg.Pool) -> Retention:
        """Return what forgets old rows."""
        return Retention(pool, self.clock, self.metrics, self.settings.retention)

    def make_http(
        self, pool: asyncpg.Pool, alarms: AlarmStore, pipeline: Pipeline, keeper: ShadowKeeper
    ) -> HttpServer:
        """Return the API's server, not yet listening."""
        http = self.settings.http
        parts = Parts(
            settings=http,
            body_max_bytes=self.settings.limits.payload_max_bytes,
            clock=self.clock,
            metrics=self.metrics,
            readiness=self.board,
            intake=pipeline,
            keys=KeyRing(pool, self.clock, http.key_cache_s),
            fleet=Registry(pool),
            alarms=Cases(pool, alarms),
            dead_letters=DeadLetterStore(pool),
            parameters=ParameterStore(pool),
            shadow=ShadowStore(pool, keeper.kept),
            version=version("hoistway"),
        )
        config = uvicorn.Config(
            make_app(parts), host=http.host, port=http.port,
            log_config=None, log_level="warning", access_log=False, lifespan="off",
        )  # fmt: skip
        return HttpServer(config)
