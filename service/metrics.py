"""Metrics: every name in one place, in the registry that is passed in.

Names are ``hoistway_<noun>_<unit>``; labels come from enums (or from the table of wire keys), and
every series exists at zero from the start, so that an alert on a rate needs no first event.
All counters live as long as the process. The law of promise 3 can be read from them at any instant:
``received = stored + duplicate + rejected + in flight``, in frames: the pipeline changes both sides
between two awaits, and ``/metrics`` is written on the same event loop.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from itertools import product
from typing import Any, Final, Protocol, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alerting.changes import Outcome
from alerting.dispatcher import DispatchCounts
from alerting.retry import AttemptResult, Step
from ingest.source import FrameSource, SourceCounters
from service.readiness import Cause
from telemetry.columns import WIRE_KEYS
from telemetry.findings import Change, FindingKind
from telemetry.wire import RejectReason

FIELD_REASONS: Final = (RejectReason.WRONG_TYPE, RejectReason.OUT_OF_RANGE)
LATENCY_S: Final = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1),
    *(0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Buckets of latencies [s]: fine around the promised 100 ms."""
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
"""Buckets of batch sizes [frames]."""


class Dispatching(Protocol):
    """What is shown of a dispatcher."""

    counts: DispatchCounts

    @property
    def in_flight(self) -> Mapping[str, int]:
        """Attempts under way by endpoint."""
        ...


Labels = dict[str, Iterable[str]]
Kind = TypeVar("Kind", Counter, Gauge, Histogram)


class Forgotten(StrEnum):
    """Tables out of which old rows are taken."""

    SHADOW_TRANSITIONS = "shadow_transitions"
    DELIVERY_ATTEMPTS = "delivery_attempts"


class Rejected(StrEnum):
    """Why a frame became a dead letter: reasons of the decoder and of what comes after it."""

    NOT_DECODABLE = RejectReason.NOT_DECODABLE
    BAD_VERSION = RejectReason.BAD_VERSION
    TOO_MANY_FRAMES = RejectReason.TOO_MANY_FRAMES
    NOT_AN_OBJECT = RejectReason.NOT_AN_OBJECT
    BAD_ELEVATOR = RejectReason.BAD_ELEVATOR
    BAD_TIME = RejectReason.BAD_TIME
    BAD_SEQ = RejectReason.BAD_SEQ
    TOO_LARGE = "too_large"
    """The payload is larger than the limit."""
    BAD_TOPIC = "bad_topic"
    """A topic that is none of wire v1."""
    CONFLICTING_FRAME = "conflicting_frame"
    """Same key, other content."""
    BAD_GATEWAY = "bad_gateway"
    """The gateway's name in the topic is not 1 to 64 printable characters."""
    FOREIGN_GATEWAY = "foreign_gateway"
    """The lift is bound to another gateway."""
    TOO_MANY_UNKNOWN = "too_many_unknown"
    """The gateway has introduced too many unknown lifts."""
    UNSTORABLE = "unstorable"
    """The database refuses the content."""


class Queue(StrEnum):
    """Queues that have a bound."""

    SOURCE_MESSAGES = "source_messages"
    SUBMITTED = "submitted"
    LANE_BATCHES = "lane_batches"
    DELIVERIES_IN_FLIGHT = "deliveries_in_flight"


class RetryCause(StrEnum):
    """Why a batch was not committed at its first attempt."""

    COMMIT = "commit"
    UNKNOWN_OUTCOME = "unknown_outcome"
    CONTENT = "content"


class Metrics:
    """All metrics of one process."""

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        disable_created_metrics()
        self.registry = registry
        self._conservation()
        self._content()
        self._pipeline()
        self._alerting()
        self._shadow()
        self._retention()
        self._service(version)

    def _conservation(self) -> None:
        self.received = self._counter("frames_received", "Frames received, usable or not.")
        self.stored = self._counter("frames_stored", "Frames stored (committed).")
        self.duplicate = self._counter("frames_duplicate", "Frames that were already stored.")
        self.rejected = self._counter(
            "frames_rejected", "Frames that became dead letters.", {"reason": Rejected}
        )
        self.in_flight = self._gauge("frames_in_flight", "Frames received, not yet settled.")

    def _content(self) -> None:
        self.late = self._counter("frames_late", "Stored frames behind their lift's head.")
        self.waiting = self._gauge("frames_waiting", "Stored frames that wait for a missing seq.")
        self.fields_rejected = self._counter(
            "fields_rejected",
            "Fields that became unknown in stored frames.",
            {"key": WIRE_KEYS, "reason": FIELD_REASONS},
        )
        self.unknown_keys = self._counter("unknown_keys", "Keys that this version does not know.")
        self.floors_refused = self._counter(
            "floor_labels_refused", "Floor labels above the limit of their lift; stored as NULL."
        )
        self.elevators = self._gauge(
            "elevators", "Lifts in the registry.", {"state": ("confirmed", "unconfirmed")}
        )

    def _pipeline(self) -> None:
        self.batches = self._counter("batches_committed", "Transactions committed.")
        self.batch_frames = self._histogram("batch_frames", "Frames in a batch.", SIZES)
        self.batch_retries = self._counter(
            "batch_retries", "Batches tried again.", {"cause": RetryCause}
        )
        self.commit_s = self._histogram("batch_commit_seconds", "From BEGIN to commit.")
        self.detect_s = self._histogram("batch_detect_seconds", "Order stage and detectors.")
        self.stored_s = self._histogram("frame_stored_seconds", "From arrival to commit.")
        self.detector_failures = self._counter(
            "detector_failures", "Lifts that kept their old state because a detector failed."
        )
        self.transitions = self._counter(
            "transitions",
            "Transitions of findings.",
            {"kind": [k.slug for k in FindingKind], "change": [c.name.lower() for c in Change]},
        )
        self.snapshot_s = self._histogram("snapshot_seconds", "Writing a snapshot.")
        self.snapshot_pause_s = self._histogram(
            "snapshot_pause_seconds", "Copying a piece of a snapshot, while the pipeline waits."
        )
        self.snapshot_at_s = self._gauge(
            "snapshot_timestamp_seconds", "When the newest snapshot was taken, since epoch."
        )
        self.queue = self._gauge("queue_length", "Entries in a queue now.", {"queue": Queue})
        self.queue_bound = self._gauge("queue_bound", "Bound of a queue.", {"queue": Queue})

    def _alerting(self) -> None:
        kinds = [k.slug for k in FindingKind]
        self.alarm_decisions = self._counter(
            "alarm_decisions", "What was decided about alarms.", {"outcome": Outcome}
        )
        self.alarms_open = self._gauge("alarms_open", "Alarms not ended.", {"kind": kinds})
        self.deliveries_pending = self._gauge("deliveries_pending", "Messages not yet delivered.")

    def _shadow(self) -> None:
        self.shadow_running = self._gauge("shadow_running", "1 while a shadow process runs.")
        self.shadow_version = self._gauge("shadow_version", "Shadow run in force; 0 = none.")
        self.shadow_behind_s = self._gauge(
            "shadow_behind_seconds", "How far the shadow is behind the live batches."
        )
        self.shadow_frames = self._counter("shadow_frames", "Frames that the shadow took.")
        self.shadow_step_s = self._counter(
            "shadow_step_seconds", "Time that the shadow's rules took, in its own process."
        )
        self.shadow_failures = self._counter(
            "shadow_detector_failures", "Lifts on which a detector of the shadow failed."
        )
        self.shadow_ends = self._counter(
            "shadow_ends", "Shadow processes that ended by themselves."
        )

    def _retention(self) -> None:
        tables: Labels = {"table": Forgotten}
        self.forgotten = self._counter(
            "retention_rows", "Rows that were forgotten because of their age.", tables
        )
        self.forget_s = self._histogram(
            "retention_delete_seconds", "One small delete of old rows.", labels=tables
        )
        self.forget_failures = self._counter(
            "retention_failures", "Deletes of old rows that failed and are tried again.", tables
        )

    def _service(self, version: str) -> None:
        self.degraded = self._gauge("service_degraded", "1 while blindness is announced.")
        self.ready = self._gauge("service_ready", "1 while /readyz answers 200.")
        self.not_ready = self._gauge(
            "service_not_ready", "1 while this cause keeps it from being ready.", {"cause": Cause}
        )
        self.loop_lag_s = self._histogram("loop_lag_seconds", "How late the event loop woke.")
        self.http_s = self._histogram(
            "http_request_seconds",
            "Requests to the API, by class of status.",
            labels={"status": ("2xx", "3xx", "4xx", "5xx")},
        )
        info = Gauge("hoistway_build_info", "Version.", ["version"], registry=self.registry)
        info.labels(version=version).set(1)

    def bind_queue(self, queue: Queue, bound: float, length: Callable[[], float]) -> None:
        """Show a queue: its bound, and its length as told at each scrape."""
        self.queue_bound.labels(queue=queue).set(bound)
        self.queue.labels(queue=queue).set_function(length)

    def bind_source(self, source: FrameSource, bound_messages: int = 0) -> None:
        """Show a source's state, counters and queue, read at each scrape."""
        self.bind_queue(
            Queue.SOURCE_MESSAGES, bound_messages, lambda: source.state.waiting_messages
        )
        self.registry.register(_SourceCollector(source))

    def bind_dispatcher(self, dispatcher: Dispatching, bound: int = 0) -> None:
        """Show what a dispatcher did, and its attempts under way, read at each scrape."""
        self.bind_queue(
            Queue.DELIVERIES_IN_FLIGHT, bound, lambda: sum(dispatcher.in_flight.values())
        )
        self.registry.register(_DispatchCollector(dispatcher))

    def refresh_ready(self, causes: Iterable[Cause]) -> None:
        """Show readiness as ``/readyz`` tells it."""
        now = frozenset(causes)
        self.ready.set(not now)
        for cause in Cause:
            self.not_ready.labels(cause=cause).set(cause in now)

    def _counter(self, name: str, text: str, labels: Labels | None = None) -> Counter:
        made = Counter(f"hoistway_{name}", text, list(labels or ()), registry=self.registry)
        return _at_zero(made, labels)

    def _gauge(self, name: str, text: str, labels: Labels | None = None) -> Gauge:
        made = Gauge(f"hoistway_{name}", text, list(labels or ()), registry=self.registry)
        return _at_zero(made, labels)

    def _histogram(
        self,
        name: str,
        text: str,
        buckets: tuple[float, ...] = LATENCY_S,
        labels: Labels | None = None,
    ) -> Histogram:
        made = Histogram(
            f"hoistway_{name}", text, list(labels or ()), registry=self.registry, buckets=buckets
        )
        return _at_zero(made, labels)


def _at_zero(metric: Kind, labels: Labels | None) -> Kind:
    """Create every series that ``labels`` allow."""
    for values in product(*(labels or {}).values()):
        if values:
            metric.labels(*values)
    return metric


class _DispatchCollector(Collector):
    """Reads a dispatcher at scrape time; every label exists from the start."""

    def __init__(self, dispatcher: Dispatching) -> None:
        self._dispatcher = dispatcher

    def describe(self) -> Iterable[Metric]:
        """Name nothing, as the source's collector."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give attempts by result, what followed them, and the rest."""
        counts = self._dispatcher.counts
        name, text = "hoistway_delivery_attempts", "Attempts to deliver."
        attempts = CounterMetricFamily(name, text, labels=["result"])
        for result in AttemptResult:
            attempts.add_metric([result], counts.attempts[result])
        yield attempts
        name, text = "hoistway_delivery_decisions", "What followed attempts to deliver."
        steps = CounterMetricFamily(name, text, labels=["step"])
        for step in Step:
            steps.add_metric([step], counts.steps[step])
        yield steps
        for name in ("escalated", "handed_on", "accepted_by_reply", "store_failures"):
            full = f"hoistway_dispatch_{name}"
            yield CounterMetricFamily(full, "Of the dispatcher.", value=getattr(counts, name))


class _SourceCollector(Collector):
    """Reads a source at scrape time: its state as gauges, its totals as counters."""

    STATES: Final = (
        *("connected", "subscribed", "paused", "caught_up", "unresponsive", "window_full"),
        *("waiting_messages", "waiting_bytes", "unacked"),
    )

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    def describe(self) -> Iterable[Metric]:
        """Name nothing: the registry need not ask the source before it is open."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give state and totals."""
        state: Any = self._source.state
        for name in self.STATES:
            value = float(getattr(state, name))
            yield GaugeMetricFamily(f"hoistway_source_{name}", "State of the source.", value=value)
        counters = self._source.counters
        for field in fields(SourceCounters):
            value = float(getattr(counters, field.name))
            name = f"hoistway_source_{field.name}"
            yield CounterMetricFamily(name, "Total of the source.", value=value)
