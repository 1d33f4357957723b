"""The tables of the language as ``docs/scenarios.md`` shows them: made from the declarations."""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, Final

from simulator.faults.catalogue import (
    ENTRAPPING,
    ESCALATOR_CAUSES,
    ESCALATOR_LOOK_ALIKES,
    LOOK_ALIKES,
    MODES,
    OTHER_FAULTS,
    SENSOR_CAUSES,
    SIZE_UNITS,
)
from simulator.faults.causes import Cause
from simulator.scenarios.conditions import EachExpectation, Expectation, SeemsEntry, TruthEntry
from simulator.scenarios.fleet_table import (
    BUILDINGS,
    PRESENCES,
    TERMINALS,
    Exceptional,
    FleetTable,
)
from simulator.scenarios.keys import Key, keys_of, required
from simulator.scenarios.language import Drawn, Happening, Scenario
from simulator.scenarios.mass_table import EarthquakeEntry, PowerCutEntry
from simulator.scenarios.network_table import ClockEntry, NetworkTable, OutageEntry, RestartEntry
from simulator.scenarios.values import spoken
from telemetry.findings import FindingKind

TABLES: Final = {
    "the scenario": Scenario,
    "[fleet]": FleetTable,
    "[[fleet.but]]": Exceptional,
    "[[happens]]": Happening,
    "[drawn]": Drawn,
    "[[power_cut]]": PowerCutEntry,
    "[[earthquake]]": EarthquakeEntry,
    "[network]": NetworkTable,
    "[[network.outage]]": OutageEntry,
    "[[network.clock]]": ClockEntry,
    "[[network.restart]]": RestartEntry,
    "[[truth]]": TruthEntry,
    "[[seems]]": SeemsEntry,
    "[[expect]]": Expectation,
    "[[expect_each]]": EachExpectation,
}
"""Every table by its heading."""
_MADE_BY_TABLES: Final = (Cause.CLOCK_WRONG, Cause.GATEWAY_OFFLINE, Cause.ALARM_TEST)
_CAUSES: Final = (
    ("people trapped", (*ENTRAPPING, Cause.AREA_POWER_CUT)),
    ("other faults of lifts", OTHER_FAULTS),
    ("look-alikes of entrapments", LOOK_ALIKES),
    ("modes", MODES),
    ("sensors and terminals", tuple(c for c in SENSOR_CAUSES if c not in _MADE_BY_TABLES)),
    ("escalators and moving walks", ESCALATOR_CAUSES),
    ("look-alikes of their faults", ESCALATOR_LOOK_ALIKES),
    ("made by the network, in `[[network.clock]]`", (Cause.CLOCK_WRONG,)),
    ("made by the network, in `[[network.outage]]`", (Cause.GATEWAY_OFFLINE,)),
    ("made by terminals, at the interval of the fleet", (Cause.ALARM_TEST,)),
)


def described(table: type[Any]) -> list[str]:
    """Return the rows of a table in Markdown, head first: key, value, default, meaning."""
    defaults = {f.name: f.default for f in fields(table)}
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for field, key in keys_of(table).items():
        needed = field in required(table)
        default = "required" if needed else _default(field, key, defaults[field])
        rows.append(f"| `{key.name}` | {_escaped(key.form.looks)} | {default} | {key.means} |")
    return rows


def _escaped(text: str) -> str:
    return f"`{text}`" if any(c in text for c in "<{[") else text


def _default(field: str, key: Key, value: Any) -> str:
    if key.says:
        return key.says
    if value is None or value is MISSING or value in ((), ""):
        return "none"
    if isinstance(value, tuple):
        return " to ".join(f'"{one} min"' for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else _number(field, value)


def _number(field: str, value: int) -> str:
    """Return a number as it is written, by the unit in the name of its field."""
    if field.endswith("_us"):
        return f'"{spoken(value)}"'
    if field.endswith("_ppm"):
        return f'"{value / 10_000:g} %"'
    return f'"{value} %"' if field.endswith("_pct") else str(value)


def filled(document: str) -> str:
    """Return the document with its generated parts written anew, each between its two marks."""
    tables = "\n\n".join(
        "\n".join(
            [f"### `{name}`" if "[" in name else f"### {name.capitalize()}", "", *described(t)]
        )
        for name, t in TABLES.items()
    )
    causes = "\n".join(f"- {title}: {_names(members)}" for title, members in _CAUSES)
    findings = ", ".join(f"`{kind.slug}`" for kind in FindingKind)
    kinds = "\n".join(
        f"- `{word}`: {', '.join(f'`{one}`' for one in names)}"
        for word, names in (
            ("building", BUILDINGS),
            ("terminal", TERMINALS),
            ("presence", PRESENCES),
        )
    )
    for mark, content in (
        ("tables", tables), ("causes", causes), ("findings", findings), ("kinds", kinds),
    ):  # fmt: skip
        head, _, rest = document.partition(f"<!-- {mark} -->\n")
        tail = rest.partition(f"<!-- /{mark} -->\n")[2]
        document = f"{head}<!-- {mark} -->\n{content}\n<!-- /{mark} -->\n{tail}"
    return document


def _names(causes: Iterable[Cause]) -> str:
    sized = (f" ({SIZE_UNITS[c]})" if c in SIZE_UNITS else "" for c in causes)
    return ", ".join(f"`{c}`{size}" for c, size in zip(causes, sized, strict=True))
