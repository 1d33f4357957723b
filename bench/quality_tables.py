"""The tables of docs/detection-quality.md, from what ``hoistway score --json`` wrote.

    hoistway score city-weekday --json > city.json
    python -m bench quality_tables city.json

By kind; by kind and terminal type; and what every look-alike was taken for. Percent with 95 %
intervals; false alarms a lift-year at the field's own rates; delays in seconds.
"""

import json
import sys
from pathlib import Path
from typing import Any

ORIGINS = 4
"""Causes that a cell names, most frequent first."""
BACKGROUND = "background"


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def percent(estimate: dict[str, float] | None) -> str:
    """Return a share with its interval."""
    if estimate is None:
        return "–"
    value, low, high = (f"{100 * estimate[name]:.3g}" for name in ("value", "low", "high"))
    return f"{value} ({low}–{high})"


def rate(estimate: dict[str, float] | None) -> str:
    """Return a rate with its interval."""
    if estimate is None:
        return "–"
    value, low, high = (f"{estimate[name]:.2g}" for name in ("value", "low", "high"))
    return f"{value} ({low}–{high})" if estimate["value"] else f"0 (–{high})"


def causes(counts: dict[str, int]) -> str:
    """Return the most frequent causes."""
    most = sorted(counts.items(), key=lambda item: -item[1])[:ORIGINS]
    names = ((name.rpartition(":")[2], n) for name, n in most)
    told = (
        f"{'ordinary life' if name == BACKGROUND else name.replace('_', ' ')} {n}"
        for name, n in names
    )
    return ", ".join(told) or "–"


def by_kind(kinds: dict[str, Any]) -> None:
    print(row("kind", "events", "found", "recall", "false", "precision", "false / lift-year",
              "delay p50 / p99", "missed because of", "false because of"))  # fmt: skip
    print(row("---", *["--:"] * 2, "---", "--:", *["---"] * 5))
    for name, one in kinds.items():
        if not one["events"] and not one["false"]:
            continue
        delay = one["delay"]
        later = f"{delay['p50_s']:.1f} / {delay['p99_s']:.1f}" if delay else "–"
        print(row(
            f"`{name}`", one["events"], one["found"], percent(one["recall"]), one["false"],
            percent(one["precision"]), rate(one["false_per_lift_year_weighted"]), later,
            causes(one["missed_because"]), causes(one["false_by_origin"]),
        ))  # fmt: skip


def by_terminal(kinds: dict[str, Any]) -> None:
    models = sorted({model for one in kinds.values() for model in one["terminals"]})
    print(row("kind", *(f"{model}: found of events, false, hidden" for model in models)))
    print(row(*["---"] * (1 + len(models))))
    for name, one in kinds.items():
        cells = [terminal(one["terminals"].get(model)) for model in models]
        if set(cells) != {"–"}:
            print(row(f"`{name}`", *cells))


def terminal(one: dict[str, Any] | None) -> str:
    """Return what a kind is worth on a terminal type; hidden = what its sensors cannot tell."""
    if one is None:
        return "–"
    found = one["events"] - one["missed"]
    told = f"{found} of {one['events']}, {one['false']} false"
    return told + (f", {one['optional_not_found']} hidden" if one["optional_not_found"] else "")


def look_alikes(of_causes: dict[str, Any]) -> None:
    print(row("look-alike", "came", "taken for"))
    print(row("---", "--:", "---"))
    for name, one in of_causes.items():
        taken = ", ".join(f"`{kind}` {n}" for kind, n in one["taken_for"].items()) or "nothing"
        print(row(name.replace("_", " "), one["came"], taken))


def main() -> None:
    if len(sys.argv) != 2:  # the file alone
        sys.exit("usage: python -m bench quality_tables SCORE.json")
    written = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    score = written["score"]
    print(f"{score['lift_years']:.2f} lift-years; {written['summary']}\n")
    for name, one in score["families"].items():
        print(f"{name}: {one['found']} of {one['events']} events, {one['false']} false; recall "
              f"{percent(one['recall'])}, re-weighted {percent(one['recall_weighted'])}; precision "
              f"re-weighted {percent(one['precision_weighted'])}; false a lift-year "
              f"{rate(one['false_per_lift_year_weighted'])}")  # fmt: skip
    print()
    for table, of in ((by_kind, "kinds"), (by_terminal, "kinds"), (look_alikes, "look_alikes")):
        table(score[of])
        print()


if __name__ == "__main__":
    main()
