"""Transitions: the only thing that leaves a detector.

A transition says that on one lift, at one event time, a finding was raised, changed or cleared, and
why. Within one (lift, finding family) raise and clear alternate; updates come between them.
Detectors produce ``Transitions`` (columns); the shell turns them into ``Transition`` records, which
are rare, so a Python object each is affordable.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from telemetry.columns import column_names
from telemetry.findings import Change, ClearReason, Confidence, FindingKind

FIXED = {
    "row": "i4",  # dense row of the lift
    "t_us": "i8",  # event time of the transition
    "onset_us": "i8",  # event time at which the condition began; frozen when raised
    "kind": "i1",  # FindingKind under which it was raised: the identity of the alarm
    "kind_now": "i1",  # FindingKind as it is now (another class of the same family)
    "change": "i1",  # Change
    "reason": "i1",  # ClearReason
    "confidence": "i1",  # Confidence
    "last_seen_us": "i8",  # time of the newest frame known then; nothing is known after it
    "nth": "i4",  # frames of this lift in the batch up to it; tells what came first at one instant
    "known_us": "i8",  # when it could be known: t_us, or later for an end that is dated back
    "parameters": "i4",  # version of the parameters that judged; 0 = defaults
    "suspect": "i8",  # columns that it rests on and that are not to be trusted, bit i = column i
}


@dataclass(frozen=True, slots=True)
class Transitions:
    """Transitions of one detector as columns of equal length ``k``, sorted by (t_us, row).

    Parameters
    ----------
    rule, version
        Name and version of the rule that produced them.
    columns
        One array of shape (k,) for each name in ``FIXED``.
    criteria
        Named criteria, arrays of int8: 1 held, 0 did not hold, -1 unknown.
    values
        Values used, with units in their names; float32/64 or integers, NaN or -1 = unknown.
    thresholds
        Thresholds applied to that lift, with units in their names.
    """

    rule: str
    version: str
    columns: Mapping[str, NDArray[Any]]
    criteria: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    values: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    thresholds: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of transitions, ``k``."""
        return len(self.columns["t_us"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a fixed column, shape (k,)."""
        return self.columns[name]

    @classmethod
    def none(cls, rule: str, version: str) -> Self:
        """Return no transitions."""
        return cls(rule, version, {name: np.empty(0, dtype) for name, dtype in FIXED.items()})

    def at_rows(self, rows: NDArray[Any], parameters: NDArray[Any]) -> Self:
        """Return them with every ``row`` replaced by ``rows[row]`` (compact to dense).

        ``parameters``: version of the parameters of each dense row.
        """
        row = rows[self.columns["row"]].astype("i4")
        columns = {**self.columns, "row": row, "parameters": parameters[row].astype("i4")}
        return type(self)(
            self.rule, self.version, columns, self.criteria, self.values, self.thresholds
        )

    def records(self, elevator_ids: NDArray[Any]) -> list["Transition"]:
        """Return them as records; ``elevator_ids`` maps dense rows to registry keys."""
        c = {name: values.tolist() for name, values in self.columns.items()}
        lifts = elevator_ids[self.columns["row"]].tolist()
        criteria = _rows(self.criteria, _tri, len(self))
        values = _rows(self.values, _scalars, len(self))
        thresholds = _rows(self.thresholds, _scalars, len(self))
        return [
            Transition(
                elevator_id=lifts[i],
                t_us=c["t_us"][i],
                onset_us=c["onset_us"][i],
                kind=_KINDS[c["kind"][i]],
                kind_now=_KINDS[c["kind_now"][i]],
                change=_CHANGES[c["change"][i]],
                reason=_REASONS[c["reason"][i]],
                confidence=_CONFIDENCES[c["confidence"][i]],
                last_seen_us=c["last_seen_us"][i],
                rule=self.rule,
                version=self.version,
                criteria=criteria[i],
                values=values[i],
                thresholds=thresholds[i],
                parameters=c["parameters"][i],
                suspect=column_names(c["suspect"][i]),
            )
            for i in range(len(self))
        ]


@dataclass(frozen=True, slots=True)
class Transition:
    """One transition of one lift, with plain Python values; ``None`` in evidence = unknown.

    ``values["floor"]`` is the key of a label, and the label itself where people read it.
    """

    elevator_id: int
    t_us: int
    onset_us: int
    kind: FindingKind
    kind_now: FindingKind
    change: Change
    reason: ClearReason
    confidence: Confidence
    last_seen_us: int
    rule: str
    version: str
    criteria: Mapping[str, bool | None]
    values: Mapping[str, float | int | str | None]
    thresholds: Mapping[str, float | int | None]
    parameters: int = 0
    suspect: tuple[str, ...] = ()

    def evidence(self) -> dict[str, Any]:
        """Return the evidence as it is stored and sent (JSON types only)."""
        return {
            "criteria": dict(self.criteria),
            "values": dict(self.values),
            "unknown": sorted(k for k, v in self.values.items() if v is None),
            "suspect": sorted(self.suspect),
            "confidence": self.confidence.name.lower(),
            "last_seen_us": self.last_seen_us,
        }


def in_order(blocks: Iterable[Transitions], elevator_ids: NDArray[Any]) -> list[Transition]:
    """Return the records of all detectors by (time, lift), the order in which they count.

    The sort is stable: a detector emits the transitions of one lift in the order in which they
    happened, and a press and its release may carry the same millisecond.
    """
    records = [r for block in blocks for r in block.records(elevator_ids)]
    records.sort(key=lambda r: (r.t_us, r.elevator_id))
    return records


_KINDS: Final = {int(kind): kind for kind in FindingKind}
_CHANGES: Final = {int(change): change for change in Change}
_REASONS: Final = {int(reason): reason for reason in ClearReason}
_CONFIDENCES: Final = {int(confidence): confidence for confidence in Confidence}


def _rows(
    columns: Mapping[str, NDArray[Any]], plain: Callable[[NDArray[Any]], list[Any]], k: int
) -> list[dict[str, Any]]:
    """Return columns as one dict per element; by columns, since a blackout is 60,000 at once."""
    if not columns:
        return [{} for _ in range(k)]
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*map(plain, columns.values()), strict=True)
    ]


def _tri(values: NDArray[Any]) -> list[bool | None]:
    return [None if value < 0 else value > 0 for value in values.tolist()]


def _scalars(values: NDArray[Any]) -> list[float | int | None]:
    if np.issubdtype(values.dtype, np.floating):
        return [None if isnan(value) else round(value, 6) for value in values.tolist()]
    return [None if value == -1 else int(value) for value in values.tolist()]
