"""Metrics: every series from the start, names from one pattern, sources read at scrape time."""

import re
from pathlib import Path
from types import MappingProxyType

from prometheus_client import CollectorRegistry, generate_latest

from alerting.changes import Outcome
from alerting.dispatcher import DispatchCounts
from alerting.retry import AttemptResult
from ingest.dead_letters import FrameReason
from ingest.fleet import FleetRejectReason
from ingest.source import SourceCounters, SourceState
from service.metrics import Metrics, Queue, Rejected
from service.readiness import Cause
from telemetry.findings import FindingKind
from telemetry.wire import RejectReason

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


class Source:
    def __init__(self) -> None:
        self.state = SourceState(
            connected=True, since_us=1, subscribed=True, paused=False, caught_up=False,
            unresponsive=False, waiting_messages=3, waiting_bytes=4, unacked=5, window_full=False,
            window_messages=None, session_present=True, taken_over=False, problem=None,
        )  # fmt: skip
        self.counters = SourceCounters(received_messages=7)


class Dispatcher:
    counts = DispatchCounts()
    in_flight = MappingProxyType({"http://one": 2, "http://two": 1})


def shown(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_every_series_exists_at_zero():
    text = shown(Metrics(CollectorRegistry(), "1"))
    for reason in Rejected:
        assert f'hoistway_frames_rejected_total{{reason="{reason}"}} 0.0' in text
    for kind in FindingKind:
        assert f'hoistway_transitions_total{{change="raised",kind="{kind.slug}"}} 0.0' in text
    for outcome in Outcome:
        assert f'hoistway_alarm_decisions_total{{outcome="{outcome}"}} 0.0' in text
    for cause in Cause:
        assert f'hoistway_service_not_ready{{cause="{cause}"}} 0.0' in text
    for queue in Queue:
        assert f'hoistway_queue_bound{{queue="{queue}"}} 0.0' in text
    assert 'hoistway_fields_rejected_total{key="speed",reason="out_of_range"} 0.0' in text
    assert 'hoistway_build_info{version="1"} 1.0' in text
    assert "_created" not in text


def test_reasons_of_the_decoder_are_reasons_here():
    of_fields = {RejectReason.WRONG_TYPE, RejectReason.OUT_OF_RANGE}
    outside = {FrameReason.BAD_STATUS, FrameReason.MORE_REJECTS}
    wanted = {*set(RejectReason) - of_fields, *set(FrameReason) - outside, *FleetRejectReason}
    assert {str(r) for r in wanted} <= set(Rejected)


def test_the_documentation_names_every_metric():
    metrics, source = Metrics(CollectorRegistry(), "1"), Source()
    text = OPERATIONS.read_text("utf-8")
    for family in metrics.registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        assert f"| `{family.name}{suffix}` |" in text, family.name
    metrics.bind_source(source)
    for family in metrics.registry.collect():
        assert family.name.removeprefix("hoistway_source_") in text, family.name


def test_the_documentation_says_what_to_do_about_every_reason_and_cause():
    text = OPERATIONS.read_text("utf-8")
    assert all(f"`{word}`" in text for word in (*Rejected, *Cause))


def test_names_follow_one_pattern():
    for line in shown(Metrics(CollectorRegistry(), "1")).splitlines():
        name = line.split()[2] if line.startswith("#") else line
        assert re.match(r"hoistway_[a-z_]+", name), line


def test_the_source_is_read_when_asked():
    metrics, source = Metrics(CollectorRegistry(), "1"), Source()
    metrics.bind_source(source, 20_000)
    source.counters.received_messages += 1
    text = shown(metrics)
    assert "hoistway_source_received_messages_total 8.0" in text
    assert "hoistway_source_connected 1.0" in text
    assert "hoistway_source_caught_up 0.0" in text
    assert "hoistway_source_unacked 5.0" in text
    assert 'hoistway_queue_length{queue="source_messages"} 3.0' in text


def test_the_dispatcher_is_read_when_asked():
    metrics, dispatcher = Metrics(CollectorRegistry(), "1"), Dispatcher()
    metrics.bind_dispatcher(dispatcher, 64)
    dispatcher.counts.attempts[AttemptResult.REFUSED] += 2
    text = shown(metrics)
    assert 'hoistway_delivery_attempts_total{result="refused"} 2.0' in text
    assert 'hoistway_queue_length{queue="deliveries_in_flight"} 3.0' in text
    assert 'hoistway_queue_bound{queue="deliveries_in_flight"} 64.0' in text
    assert 'hoistway_delivery_attempts_total{result="timed_out"} 0.0' in text
    assert 'hoistway_delivery_decisions_total{step="give_up"} 0.0' in text


def test_queues_show_bound_and_length():
    metrics, entries = Metrics(CollectorRegistry(), "1"), [1, 2]
    metrics.bind_queue(Queue.SUBMITTED, 10, lambda: len(entries))
    entries.append(3)
    text = shown(metrics)
    assert 'hoistway_queue_length{queue="submitted"} 3.0' in text
    assert 'hoistway_queue_bound{queue="submitted"} 10.0' in text


def test_two_processes_in_one_do_not_meet():
    one, two = (Metrics(CollectorRegistry(), "1") for _ in range(2))
    one.received.inc(5)
    assert "hoistway_frames_received_total 0.0" in shown(two)
