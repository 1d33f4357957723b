"""A score for people: tables on the terminal, the odd cases in words."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from service.times import rfc3339
from simulator.scoring.alarms import SeenAlarm
from simulator.scoring.differences import Differences, Pair, by_kind
from simulator.scoring.score import Estimate, Group, Score, Spread

LISTED: Final = 12
"""Cases of a sort that are spelt out; all are in the JSON."""
_EVIDENCE: Final = ("stopped", "in_zone", "inside", "button_pressed", "mains_off", "mode_allows")


def show(console: Console, score: Score, other: Score | None = None) -> None:
    """Print the tables of a score, beside those of a candidate if there is one."""
    console.print(_figures(score, other))
    console.print(_weighted(score, other))
    console.print(_delays(score, other))
    console.print(_terminals(score))
    origins = _origins(score)
    if origins.row_count:
        console.print(origins)
    if score.undetected:
        kinds = ", ".join(f"{kind.slug} {n}" for kind, n in score.undetected.items())
        console.print(f"No detector yet, hence not missed: {kinds}", highlight=False)


def show_differences(console: Console, found: Differences, *, full: bool = False) -> None:
    """Print where current rules and candidate differ; ``full``: with all evidence."""
    console.print(
        f"Current and candidate: {found.equal} alarms equal, {len(found)} different",
        highlight=False,
    )
    alone = partial(_alarm, full=full)
    both = partial(_pair, full=full)
    _list(console, "only current", [alone(a) for a in found.only_current])
    _list(console, "only candidate", [alone(a) for a in found.only_candidate])
    _list(console, "another class", [both(p) for p in found.other_class])
    _list(console, "another onset", [both(p) for p in found.other_onset])
    _list(console, "another time", [both(p) for p in found.other_time])
    _list(console, "another end", [both(p) for p in found.other_end])
    _list(console, "another confidence", [both(p) for p in found.other_confidence])


def show_kinds(console: Console, found: Differences) -> None:
    """Print the differences counted by kind."""
    table = Table(title="Alarms by kind")
    for name in ("kind", "current", "candidate", "only current", "only candidate", "changed"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    table.add_column("equal", justify="right")
    table.add_column("candidate later, s: median / most", justify="right")
    for kind, counts in by_kind(found).items():
        numbers = (
            counts.current, counts.candidate, counts.only_current, counts.only_candidate,
            counts.changed, counts.equal,
        )  # fmt: skip
        table.add_row(kind.slug, *map(str, numbers), _later(counts.delays_us))
    console.print(table)


def _later(delays_us: Sequence[int]) -> str:
    if not delays_us:
        return "–"
    ordered = sorted(delays_us)
    most = max(ordered, key=abs)
    return f"{ordered[len(ordered) // 2] / 1e6:+g} / {most / 1e6:+g}"


def _figures(score: Score, other: Score | None) -> Table:
    table = Table(title="As run, with 95 % intervals")
    for name in ("", "events", "found", "missed", "optional", "wrong", "double", "false"):
        table.add_column(name, justify="left" if not name else "right")
    for name in ("recall", "precision"):
        table.add_column(name, justify="right")
    for name, group, rival in _both(score, other):
        table.add_row(name, *_counts(group), *_shares(group))
        if rival is not None:
            table.add_row("  candidate", *_counts(rival), *_shares(rival), style="cyan")
    return table


def _weighted(score: Score, other: Score | None) -> Table:
    table = Table(title="Re-weighted to the rates of the field")
    table.add_column("")
    for name in ("recall", "precision", "false / lift-year", "as run: false / lift-year"):
        table.add_column(name, justify="right")
    for name, group, rival in _both(score, other):
        table.add_row(name, *_rates(group))
        if rival is not None:
            table.add_row("  candidate", *_rates(rival), style="cyan")
    return table


def _both(score: Score, other: Score | None) -> list[tuple[str, Group, Group | None]]:
    names = [*score.families, *(kind.slug for kind in score.kinds)]
    rows = []
    for name in names:
        group = score.group(name)
        assert group is not None
        rows.append((name, group, None if other is None else other.group(name)))
    return rows


def _counts(group: Group) -> list[str]:
    found = sum(not hit.optional for hit in group.hits)
    numbers = (
        group.required, found, len(group.missed),
        len(group.optional) + len(group.hits) - found,
        len(group.wrong_class), len(group.doubles), len(group.false),
    )  # fmt: skip
    return [str(n) for n in numbers]


def _shares(group: Group) -> list[str]:
    return [_percent(group.recall), _percent(group.precision)]


def _rates(group: Group) -> list[str]:
    return [
        _percent(group.recall_weighted),
        _percent(group.precision_weighted),
        _rate(group.false_per_lift_year_weighted),
        _rate(group.false_per_lift_year),
    ]


def _delays(score: Score, other: Score | None) -> Table:
    table = Table(title="Seconds later than true onset + window: median / 99 % / most")
    for name in ("", "rule satisfied", "known, with the network", "onset error"):
        table.add_column(name, justify="right" if name else "left")
    for name, group, rival in _both(score, other):
        table.add_row(name, *_times(group))
        if rival is not None:
            table.add_row("  candidate", *_times(rival), style="cyan")
    return table


def _times(group: Group) -> list[str]:
    return [_spread(group.delay), _spread(group.known_delay), _spread(group.onset_error)]


def _terminals(score: Score) -> Table:
    table = Table(title="By terminal type")
    for name in ("kind", "terminal"):
        table.add_column(name)
    for name in ("events", "found", "missed", "optional", "wrong", "double", "false"):
        table.add_column(name, justify="right")
    for name in ("recall", "delay"):
        table.add_column(name, justify="right")
    for (kind, model), group in score.terminals.items():
        if group.hits or group.missed or group.optional or group.false:
            numbers = [*_counts(group), _percent(group.recall), _spread(group.delay)]
            table.add_row(kind.slug, model, *numbers)
    return table


def _origins(score: Score) -> Table:
    table = Table(title="Where errors come from")
    for name in ("kind", "error", "origin", "cases"):
        table.add_column(name, justify="right" if name == "cases" else "left")
    for kind, group in score.kinds.items():
        for origin, count in group.missed_because().items():
            table.add_row(kind.slug, "missed", origin, str(count))
        for origin, count in group.blamed().items():
            table.add_row(kind.slug, "false", origin, str(count))
    return table


def _percent(figure: Estimate | None) -> str:
    if figure is None:
        return "–"
    low, high = figure.interval
    return f"{100 * figure.value:.2f} % ({100 * low:.2f}–{100 * high:.2f})"


def _rate(figure: Estimate | None) -> str:
    if figure is None:
        return "–"
    low, high = figure.interval
    return f"{figure.value:.3g} ({low:.3g}–{high:.3g})"


def _spread(times: Spread | None) -> str:
    return "–" if times is None else f"{times.p50_s:.2f} / {times.p99_s:.2f} / {times.max_s:.2f}"


def _list(console: Console, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print(f"{title}: {len(lines)}", style="bold", highlight=False)
    for line in lines[:LISTED]:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    if len(lines) > LISTED:
        console.print(f"  and {len(lines) - LISTED} more, in --json", highlight=False)


def _alarm(alarm: SeenAlarm, *, full: bool) -> str:
    onset = rfc3339(alarm.onset_us)
    told = _everything(alarm) if full else _evidence(alarm)
    return f"{alarm.code} {alarm.kind.slug} since {onset}{told}"


def _pair(pair: Pair, *, full: bool) -> str:
    mine, theirs = pair.current, pair.candidate
    parts = [f"{mine.code} {mine.kind.slug} since {rfc3339(mine.onset_us)}: candidate says"]
    if mine.kind is not theirs.kind:
        parts.append(theirs.kind.slug)
    if mine.onset_us != theirs.onset_us:
        parts.append(f"{(theirs.onset_us - mine.onset_us) / 1e6:+g} s")
    if pair.delay_us is not None:
        parts.append(f"raised {pair.delay_us / 1e6:+g} s")
    if mine.ended_us != theirs.ended_us:
        parts.append(_ends(mine.ended_us, theirs.ended_us))
    if mine.confidence != theirs.confidence and theirs.confidence is not None:
        parts.append(theirs.confidence.name.lower())
    return " ".join(parts) + (_everything(theirs) if full else _evidence(theirs))


def _ends(mine_us: int | None, theirs_us: int | None) -> str:
    if theirs_us is None:
        return "never ended"
    return "ended" if mine_us is None else f"ended {(theirs_us - mine_us) / 1e6:+g} s"


def _evidence(alarm: SeenAlarm) -> str:
    criteria: dict[str, Any] = alarm.evidence.get("criteria", {})
    told = [f"{name} {_word(criteria[name])}" for name in _EVIDENCE if name in criteria]
    return f" ({', '.join(told)})" if told else ""


def _everything(alarm: SeenAlarm) -> str:
    """Return confidence, rule, criteria, values and thresholds, on lines of their own."""
    criteria: dict[str, Any] = alarm.evidence.get("criteria", {})
    told = {k: v for k, v in alarm.evidence.get("values", {}).items() if v is not None}
    known = {"floor key" if k == "floor" else k: v for k, v in told.items()}
    confidence = "" if alarm.confidence is None else alarm.confidence.name.lower()
    judged = f"{alarm.rule}, parameters version {alarm.parameters}, {confidence}"
    lines = [
        f"{judged}: {', '.join(f'{k} {_word(v)}' for k, v in criteria.items())}",
        f"values: {_listed(known)}; thresholds: {_listed(alarm.thresholds)}",
    ]
    if suspect := alarm.evidence.get("suspect"):
        lines.insert(1, f"suspect: {', '.join(suspect)}")
    return "".join(f"\n      {line}" for line in lines)


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "none"


def _word(value: bool | None) -> str:
    return "unknown" if value is None else "yes" if value else "no"
