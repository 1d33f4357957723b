"""A score as plain values for JSON: every figure, every missed, false, doubled or odd case."""

from typing import Any

from simulator.scoring.alarms import SeenAlarm
from simulator.scoring.attribution import FalseAlarm
from simulator.scoring.differences import Differences, KindDifferences, Pair, by_kind
from simulator.scoring.matching import Hit
from simulator.scoring.score import Estimate, Group, Score, Spread
from simulator.truth import TruthEvent


def document(score: Score) -> dict[str, Any]:
    """Return the whole score."""
    return {
        "lift_years": round(score.lift_years, 6),
        "families": {name: _group(group) for name, group in score.families.items()},
        "kinds": {
            kind.slug: {
                **_group(group),
                "terminals": {
                    model: _group(own)
                    for (k, model), own in score.terminals.items()
                    if k is kind and (own.hits or own.missed or own.optional or own.false)
                },
                "cases": _cases(group),
            }
            for kind, group in score.kinds.items()
        },
        "look_alikes": {
            cause: {
                "came": count,
                "taken_for": {k.slug: n for k, n in score.taken_for(cause).items()},
            }
            for cause, count in score.look_alikes.items()
        },
        "no_detector": {kind.slug: count for kind, count in score.undetected.items()},
    }


def differences_document(found: Differences) -> dict[str, Any]:
    """Return how two sets of alarms differ, case by case."""
    return {
        "equal": found.equal,
        "only_current": [alarm_document(a) for a in found.only_current],
        "only_candidate": [alarm_document(a) for a in found.only_candidate],
        "other_class": [_pair(p) for p in found.other_class],
        "other_onset": [_pair(p) for p in found.other_onset],
        "other_time": [_pair(p) for p in found.other_time],
        "other_end": [_pair(p) for p in found.other_end],
        "other_confidence": [_pair(p) for p in found.other_confidence],
    }


def kinds_document(found: Differences) -> dict[str, Any]:
    """Return how two sets of alarms differ, counted by kind; delays in µs."""
    return {kind.slug: _kind(counts) for kind, counts in by_kind(found).items()}


def _kind(counts: KindDifferences) -> dict[str, Any]:
    delays_us = sorted(counts.delays_us)
    n = len(delays_us)
    return {
        "current": counts.current,
        "candidate": counts.candidate,
        "only_current": counts.only_current,
        "only_candidate": counts.only_candidate,
        "changed": counts.changed,
        "equal": counts.equal,
        "later_us": None
        if not n
        else {"min": delays_us[0], "median": delays_us[n // 2], "max": delays_us[-1]},
    }


def alarm_document(alarm: SeenAlarm) -> dict[str, Any]:
    """Return an alarm with its evidence; times in µs since 1970."""
    return {
        "elevator": alarm.code,
        "kind": alarm.kind.slug,
        "onset_us": alarm.onset_us,
        "detected_us": alarm.detected_us,
        "known_us": alarm.known_us,
        "window_us": alarm.window_us,
        "ended_us": alarm.ended_us,
        "clock_off_us": alarm.clock_off_us,
        "refuted": alarm.refuted,
        "confidence": None if alarm.confidence is None else alarm.confidence.name.lower(),
        "rule": alarm.rule,
        "parameters_version": alarm.parameters,
        "thresholds": dict(alarm.thresholds),
        "evidence": dict(alarm.evidence),
    }


def event_document(event: TruthEvent) -> dict[str, Any]:
    """Return a true event."""
    return {
        "elevator": event.code,
        "kind": event.kind.slug,
        "cause": event.cause,
        "onset_us": event.onset_us,
        "freeing_us": event.freeing_us,
        "end_us": event.end_us,
        "people": event.people,
        "terminal": event.terminal,
        "effects": list(event.effects),
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "events": group.required,
        "found": len(group.hits),
        "missed": len(group.missed),
        "optional_not_found": len(group.optional),
        "optional_found": sum(hit.optional for hit in group.hits),
        "wrong_class": len(group.wrong_class),
        "doubles": len(group.doubles),
        "false": len(group.false),
        "false_by_origin": group.blamed(),
        "recall": _estimate(group.recall),
        "recall_weighted": _estimate(group.recall_weighted),
        "missed_because": group.missed_because(),
        "precision": _estimate(group.precision),
        "precision_weighted": _estimate(group.precision_weighted),
        "false_per_lift_year": _estimate(group.false_per_lift_year),
        "false_per_lift_year_weighted": _estimate(group.false_per_lift_year_weighted),
        "delay": _spread(group.delay),
        "known_delay": _spread(group.known_delay),
        "onset_error": _spread(group.onset_error),
    }


def _cases(group: Group) -> dict[str, Any]:
    return {
        "missed": [
            {"because": group.lied.get(event, ""), **event_document(event)}
            for event in group.missed
        ],
        "false": [_false(one) for one in group.false],
        "doubles": [
            {"event": event_document(d.event), "alarm": alarm_document(d.alarm)}
            for d in group.doubles
        ],
        "wrong_class": [_hit(hit) for hit in group.wrong_class],
        "slow": [_hit(hit) for hit in group.slow],
    }


def _false(one: FalseAlarm) -> dict[str, Any]:
    blamed = {"origin": str(one.blame), "cause": one.cause, "beside": sorted(one.beside)}
    return blamed | alarm_document(one.alarm)


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "delay_us": hit.delay_us,
        "event": event_document(hit.event),
        "alarm": alarm_document(hit.alarm),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {"current": alarm_document(pair.current), "candidate": alarm_document(pair.candidate)}


def _estimate(figure: Estimate | None) -> dict[str, float] | None:
    if figure is None:
        return None
    low, high = figure.interval
    return {"value": round(figure.value, 6), "low": round(low, 6), "high": round(high, 6)}


def _spread(times: Spread | None) -> dict[str, float] | None:
    return None if times is None else times._asdict()
