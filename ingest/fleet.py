"""The fleet as one process knows it: an in-memory mirror of the registry. Pure.

Decides which row of which lane a code is, which gateway may speak for a lift, which unit it is, and
which key a floor label has. It registers nothing itself: ``wanted`` says what is missing, the store
registers it, ``load`` takes it in; bindings and floor labels of a batch are proposed by ``resolve``
and become valid by ``adopt`` after the commit.

A lift is bound to one gateway: by the registry (only a person moves that) or by first use. A
first-use binding moves when its gateway has been silent for 60 s *while we listened*.

Invariants: rows of a lane are dense and never move; nobody's frames can use up more than the
limits: 1,000 unconfirmed lifts per gateway, 256 floor labels per lift.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.fleet_limits import DEFAULTS, FleetLimits
from ingest.fleet_records import (
    Arrivals,
    FleetReject,
    FleetRejectReason,
    LiftRecord,
    Resolved,
    Routed,
    Wanted,
)
from ingest.room import with_rows
from telemetry.batch import HEADER, FrameBatch
from telemetry.columns import COLUMN_NAMES, QUALITY_BIT, UNKNOWN, EscalatorMode, Unit
from telemetry.wire import Decoded
from telemetry.wire.schema import MAX_FLOOR_CHARACTERS

Array = NDArray[Any]

MAX_CODE_LENGTH: Final = 64
_UNBOUND: Final = -1
_NOBODY: Final = -1
_NO_LABELS: Final[Mapping[str, int]] = MappingProxyType({})
_NOT_YET: Final = -2
"""A label that has no key yet, while a batch's keys are looked up."""

__all__ = [
    "Arrivals", "Fleet", "FleetReject", "FleetRejectReason", "LiftRecord", "Resolved", "Routed",
    "Wanted", "is_usable_name",
]  # fmt: skip


def is_usable_name(name: str, max_length: int = MAX_CODE_LENGTH) -> bool:
    """Tell whether a code or name is 1 to ``max_length`` printable characters.

    ``str.isprintable`` refuses control characters, NUL, line breaks and lone surrogates, but takes
    the plain space, so a name of spaces only is refused here.
    """
    return 1 <= len(name) <= max_length and name.isprintable() and not name.isspace()


class Fleet:
    """Mirror of the registry for all lanes of a process."""

    def __init__(
        self, lanes: int = 1, listening_since_us: int = 0, limits: FleetLimits = DEFAULTS
    ) -> None:
        self._lanes, self._limits = lanes, limits
        self._listening_since_us = listening_since_us
        self._gateway_ids: dict[str, int] = {}
        self._heard_us: dict[int, int] = {}
        self._slots: dict[str, int] = {}
        self._slot_of_id: dict[int, int] = {}
        self._records: list[LiftRecord] = []
        self._labels: list[dict[str, int] | None] = []
        self._row = np.empty(0, np.int32)
        self._lane = np.empty(0, np.int32)
        self._elevator_id = np.empty(0, np.int64)
        self._gateway = np.empty(0, np.int32)
        self._unit = np.empty(0, np.int8)
        self._ids_of_lane = [np.empty(0, np.int64) for _ in range(lanes)]
        self._unconfirmed: Counter[int] = Counter()

    def load(
        self,
        gateways: Iterable[tuple[int, str]] = (),
        lifts: Iterable[LiftRecord] = (),
        floors: Iterable[tuple[int, int, str]] = (),
    ) -> None:
        """Take in what the registry holds; known lifts are updated in place, rows never move."""
        for gateway_id, name in gateways:
            self._gateway_ids[name] = gateway_id
        records = list(lifts)
        new = [r for r in records if r.elevator_id not in self._slot_of_id]
        for record in records:
            slot = self._slot_of_id.get(record.elevator_id)
            if slot is not None:
                self._update(slot, record)
        self._append(new)
        for elevator_id, key, label in floors:
            self._add_label(self._slot_of_id[elevator_id], key, label)

    def listen_again(self, now_us: int) -> None:
        """Count silence of gateways from now: after start, reconnect and resume."""
        self._listening_since_us = now_us

    def hear(self, gateway_id: int, now_us: int) -> None:
        """Note that a gateway was heard (a frame, or its status)."""
        self._heard_us[gateway_id] = max(now_us, self._heard_us.get(gateway_id, now_us))

    def wanted(self, decoded: Decoded, gateways: Sequence[str]) -> Wanted:
        """Say what must be registered before ``route``; ``gateways`` are names per message."""
        new_gateways = [
            g for g in dict.fromkeys(gateways) if g not in self._gateway_ids and is_usable_name(g)
        ]
        lifts: dict[str, str] = {}
        if not all(map(self._slots.__contains__, decoded.elevators)):
            asked: Counter[str] = Counter()
            pairs = zip(decoded.elevators, decoded.columns["message"].tolist(), strict=True)
            for code, message in pairs:
                if code in self._slots or code in lifts or not is_usable_name(code):
                    continue
                gateway = gateways[int(message)]
                if is_usable_name(gateway) and self._room(gateway) > asked[gateway]:
                    asked[gateway] += 1
                    lifts[code] = gateway
        return Wanted(new_gateways, list(lifts.items()))

    def route(self, decoded: Decoded, gateway_ids: Array, received_us: Array) -> Routed:
        """Sort decoded frames by lane.

        ``gateway_ids`` (-1 = none) and ``received_us`` are arrays over messages.
        """
        n = len(decoded)
        slots = np.fromiter(map(self._slots.get, decoded.elevators, repeat(_NOBODY)), np.int64, n)
        message = decoded.columns["message"]
        gateway_id = np.asarray(gateway_ids, np.int32)[message]
        for heard, at_us in set(
            zip(np.asarray(gateway_ids).tolist(), np.asarray(received_us).tolist(), strict=True)
        ):
            self.hear(heard, at_us)
        taken = (slots >= 0) & (gateway_id >= 0)
        rejects = [
            FleetReject(i, self._why_not(decoded.elevators[i], int(gateway_id[i])))
            for i in np.flatnonzero(~taken).tolist()
        ]
        received = np.asarray(received_us, np.int64)[message]
        parts = []
        for lane, index in self._by_lane(slots, taken):
            frames = self._frames(decoded, slots, gateway_id, received, index)
            whole = len(index) == n
            floors = decoded.floors if whole else [decoded.floors[i] for i in index.tolist()]
            parts.append(Arrivals(lane, frames, floors, index, slots[index]))
        return Routed(parts, rejects)

    def resolve(self, arrivals: Arrivals) -> Resolved:
        """Apply binding, unit and floor keys of the registry to the frames of one lane."""
        frames, slots = arrivals.frames, arrivals.slots
        refused, bindings = self._bind(frames, slots)
        kept = np.ones(len(frames), np.bool_)
        kept[list(refused)] = False
        keys, labels, dropped = self._floor_keys(slots, arrivals.floors, kept)
        frames = self._with_unit(frames.replace(floor=keys), slots)
        if refused:
            frames = frames.take(kept)
        return Resolved(
            lane=arrivals.lane,
            frames=frames,
            index=arrivals.index[kept],
            rejects=[FleetReject(int(arrivals.index[i]), why) for i, why in refused.items()],
            bindings=[(self._records[slot].elevator_id, g) for slot, g in bindings.items()],
            floors=labels,
            floors_dropped=dropped,
        )

    def adopt(self, resolved: Resolved) -> None:
        """Make bindings and floor labels of a committed batch valid."""
        for elevator_id, gateway_id in resolved.bindings:
            slot = self._slot_of_id[elevator_id]
            self._count(slot, -1)
            self._gateway[slot] = gateway_id
            self._count(slot, 1)
        for elevator_id, key, label in resolved.floors:
            self._add_label(self._slot_of_id[elevator_id], key, label)

    def n_rows(self, lane: int = 0) -> int:
        """Return the number of rows of a lane."""
        return len(self._ids_of_lane[lane])

    def confirmed_and_not(self) -> tuple[int, int]:
        """Return how many lifts are confirmed in the registry, and how many are not."""
        unconfirmed = self._unconfirmed.total()
        return len(self._records) - unconfirmed, unconfirmed

    def elevator_ids(self, lane: int = 0) -> NDArray[np.int64]:
        """Return the registry keys of the rows of a lane, shape (n_rows,)."""
        ids = self._ids_of_lane[lane].view()
        ids.flags.writeable = False
        return ids

    def rows(self, elevator_ids: Iterable[int]) -> NDArray[np.int32]:
        """Return the rows, each in its own lane, of registry keys; ``KeyError`` if unknown."""
        return self._row[[self._slot_of_id[i] for i in elevator_ids]]

    def lane(self, elevator_id: int) -> int:
        """Return the lane of a lift."""
        return elevator_id % self._lanes

    def gateway_id(self, name: str) -> int:
        """Return the key of a gateway, -1 if it has none (yet)."""
        return self._gateway_ids.get(name, _UNBOUND)

    def bound_gateway_id(self, elevator_id: int) -> int | None:
        """Return the gateway that speaks for a lift, ``None`` before its first frame."""
        gateway_id = int(self._gateway[self._slot_of_id[elevator_id]])
        return None if gateway_id == _UNBOUND else gateway_id

    def elevator_id(self, code: str) -> int | None:
        """Return the registry key of a code."""
        slot = self._slots.get(code)
        return None if slot is None else self._records[slot].elevator_id

    def lift(self, elevator_id: int) -> LiftRecord:
        """Return the record of a lift as loaded last."""
        return self._records[self._slot_of_id[elevator_id]]

    def floor_label(self, elevator_id: int, key: int) -> str | None:
        """Return the displayed floor for a floor key, ``None`` = unknown."""
        labels = self._labels[self._slot_of_id[elevator_id]] or _NO_LABELS
        return next((label for label, k in labels.items() if k == key), None)

    def _append(self, records: list[LiftRecord]) -> None:
        if not records:
            return
        first = len(self._records)
        for slot, record in enumerate(records, first):
            self._records.append(record)
            self._labels.append(None)
            self._slots[record.code] = self._slot_of_id[record.elevator_id] = slot
        n = len(self._records)
        ids = np.array([r.elevator_id for r in records], np.int64)
        gateways = [_UNBOUND if r.gateway_id is None else r.gateway_id for r in records]
        lanes = ids % self._lanes
        self._elevator_id = with_rows(self._elevator_id, n, ids)
        self._lane = with_rows(self._lane, n, lanes)
        self._gateway = with_rows(self._gateway, n, gateways)
        self._unit = with_rows(self._unit, n, [r.unit for r in records])
        self._row = with_rows(self._row, n, 0)
        for lane in np.unique(lanes).tolist():
            mine, known = np.flatnonzero(lanes == lane), self.n_rows(lane)
            self._row[first + mine] = known + np.arange(len(mine))
            longer = with_rows(self._ids_of_lane[lane], known + len(mine), ids[mine])
            self._ids_of_lane[lane] = longer
        for slot in range(first, n):
            self._count(slot, 1)

    def _update(self, slot: int, record: LiftRecord) -> None:
        self._count(slot, -1)
        self._slots.pop(self._records[slot].code)
        self._slots[record.code] = slot
        self._records[slot] = record
        self._gateway[slot] = _UNBOUND if record.gateway_id is None else record.gateway_id
        self._unit[slot] = record.unit
        self._count(slot, 1)

    def _count(self, slot: int, by: int) -> None:
        if not self._records[slot].confirmed:
            self._unconfirmed[int(self._gateway[slot])] += by

    def _add_label(self, slot: int, key: int, label: str) -> None:
        labels = self._labels[slot]
        if labels is None:
            labels = self._labels[slot] = {}
        labels[label] = key

    def _room(self, gateway: str) -> int:
        """Return how many more unconfirmed lifts a gateway may have."""
        used = self._unconfirmed[self._gateway_ids[gateway]] if gateway in self._gateway_ids else 0
        return self._limits.unconfirmed_per_gateway - used

    def _why_not(self, code: str, gateway_id: int) -> FleetRejectReason:
        if gateway_id < 0:
            return FleetRejectReason.BAD_GATEWAY
        if not is_usable_name(code):
            return FleetRejectReason.BAD_ELEVATOR
        return FleetRejectReason.TOO_MANY_UNKNOWN

    def _by_lane(self, slots: Array, taken: Array) -> list[tuple[int, Array]]:
        index = np.flatnonzero(taken)
        if not len(index):
            return []
        if self._lanes == 1:
            return [(0, index)]
        lane = self._lane[slots[index]]
        return [(int(at), index[lane == at]) for at in np.unique(lane)]

    def _frames(
        self, decoded: Decoded, slots: Array, gateway_id: Array, received_us: Array, index: Array
    ) -> FrameBatch:
        n = len(index)
        at: Array | slice = slice(None) if n == len(decoded) else index
        given = decoded.columns
        slots = slots[at]
        columns: dict[str, Array] = {name: np.zeros(n, dtype) for name, dtype in HEADER.items()}
        columns["row"] = self._row[slots]
        columns["elevator_id"] = self._elevator_id[slots]
        columns["gateway_id"] = gateway_id[at]
        columns["received_us"] = received_us[at]
        columns["device_time_us"] = given["time_us"][at]
        columns["seq"], columns["quality"] = given["seq"][at], given["quality"][at]
        for name in COLUMN_NAMES:
            columns[name] = given[name][at] if name != "floor" else np.full(n, UNKNOWN, np.int16)
        return FrameBatch(columns)

    def _bind(
        self, frames: FrameBatch, slots: Array
    ) -> tuple[dict[int, FleetRejectReason], dict[int, int]]:
        """Return frames (by position) that are refused and why, and new bindings by slot."""
        refused: dict[int, FleetRejectReason] = {}
        bindings: dict[int, int] = {}
        taking: Counter[int] = Counter()
        foreign = np.flatnonzero(self._gateway[slots] != frames["gateway_id"])
        columns = (slots, frames["gateway_id"], frames["received_us"])
        for i, slot, gateway_id, received_us in zip(
            foreign.tolist(), *(c[foreign].tolist() for c in columns), strict=True
        ):
            bound = bindings.get(slot, int(self._gateway[slot]))
            if bound == gateway_id:
                continue
            reason = self._why_foreign(slot, bound, gateway_id, received_us, taking)
            if reason is not None:
                refused[i] = reason
                continue
            bindings[slot] = gateway_id
            taking[gateway_id] += not self._records[slot].confirmed
        return refused, bindings

    def _why_foreign(
        self, slot: int, bound: int, gateway_id: int, received_us: int, taking: Counter[int]
    ) -> FleetRejectReason | None:
        """Say why a gateway may not speak for a lift; ``None`` if the lift is bound to it now."""
        record = self._records[slot]
        if bound != _UNBOUND:
            heard_us = max(self._heard_us.get(bound, 0), self._listening_since_us)
            silent = received_us - heard_us >= self._limits.binding_moves_us
            if record.gateway_registered or not silent:
                return FleetRejectReason.FOREIGN_GATEWAY
        used = self._unconfirmed[gateway_id] + taking[gateway_id]
        if not record.confirmed and used >= self._limits.unconfirmed_per_gateway:
            return FleetRejectReason.TOO_MANY_UNKNOWN
        return None

    def _with_unit(self, frames: FrameBatch, slots: Array) -> FrameBatch:
        """Let the registered unit win; ``mode`` is read by it."""
        registered = self._unit[slots]
        overruled = (registered != UNKNOWN) & (registered != frames["unit"])
        if not overruled.any():
            return frames
        unit = np.where(overruled, registered, frames["unit"])
        impossible = overruled & (unit != Unit.LIFT) & (frames["mode"] > max(EscalatorMode))
        return frames.replace(
            unit=unit,
            mode=np.where(impossible, UNKNOWN, frames["mode"]).astype(np.int8),
            quality=frames["quality"] | (impossible.astype(np.int64) << QUALITY_BIT["mode"]),
        )

    def _floor_keys(
        self, slots: Array, floors: list[str | None], kept: Array
    ) -> tuple[Array, list[tuple[int, int, str]], int]:
        """Return floor keys (n,), new labels (elevator_id, key, label), the number dropped."""
        labels = self._labels
        places = slots.tolist()
        keys = np.array(
            [
                UNKNOWN if text is None else (labels[slot] or _NO_LABELS).get(text, _NOT_YET)
                for slot, text in zip(places, floors, strict=True)
            ],
            np.int16,
        )
        added: dict[int, dict[str, int]] = {}
        new: list[tuple[int, int, str]] = []
        dropped = 0
        for i in np.flatnonzero(keys == _NOT_YET).tolist():
            text = floors[i] or ""
            mine = added.setdefault(places[i], {})
            key = mine.get(text, UNKNOWN)
            n_known = len(labels[places[i]] or ()) + len(mine)
            if key == UNKNOWN and kept[i]:
                if n_known < self._limits.floor_labels and is_usable_name(
                    text, MAX_FLOOR_CHARACTERS
                ):
                    key = mine[text] = n_known
                    new.append((self._records[places[i]].elevator_id, key, text))
                else:
                    dropped += 1
            keys[i] = key
        return keys, new, dropped
