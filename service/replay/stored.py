"""Frames of the hypertable as a source: any lifts, any span of event time, in order of arrival.

The table is read by slices of event time, whose length follows the number of frames in them, each
in a statement of its own: a replay in real time holds neither locks nor old rows. What is stored
meanwhile arrives after the end that was found at the beginning, so it changes nothing. No frame is
stored with an event time more than 60 s after its arrival, so once a slice is read, all that
arrived ``MARGIN_US`` before its end is there. In memory are a slice or two, and the frames that
arrived so late that their turn has not come.

What differs from what terminals sent: a value that could not be used is not told (that it was
refused goes along, and detectors hear of it; a broker does not), reals are rounded to thousandths,
and all frames of a lift go by the gateway that it belongs to now.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import numpy as np
from anyio.from_thread import BlockingPortal, start_blocking_portal
from numpy.typing import NDArray

from ingest.store import frames as store
from ingest.store import registry
from ingest.store.registry import ElevatorRow
from service.backtest.judging import Versions
from service.commands.failures import SETTINGS, CommandError
from service.database import visit
from service.parameters import history
from service.parameters.history import History
from service.settings import DatabaseSettings
from service.times import MAX_US, MIN_US, rfc3339
from simulator.frames import MISSING, REFUSED, Frames
from simulator.recordings.tape import arrival_order
from simulator.source import RegistryRow
from simulator.truth import LookAlike, TruthEvent
from telemetry.batch import FrameBatch
from telemetry.columns import COLUMNS, Unit

MARGIN_US: Final = 120_000_000
"""A stored event time is at most 60 s after its arrival (``ingest.assemble``)."""
FIRST_SLICE_US: Final = 60_000_000
SLICE_FRAMES: Final = 100_000
"""Slices aim at this many frames, some 20 MB."""
LONGEST_SLICE_US: Final = 86_400_000_000
LONGEST_STATEMENT_S: Final = 3600.0
NO_GATEWAY: Final = "replay"
"""Gateway of a lift that belongs to none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which frames.

    Parameters
    ----------
    codes
        Lifts; empty = all.
    from_us, to_us
        Event time, ``[from_us, to_us)``.
    """

    codes: Sequence[str] = ()
    from_us: int = MIN_US
    to_us: int = MAX_US


@dataclass(frozen=True, slots=True)
class Span:
    """What the table holds of the choice: lifts, and where times begin and end [µs].

    ``history``: the parameters that judged it.
    """

    lifts: list[ElevatorRow]
    gateways: dict[int, str]
    labels: dict[int, dict[int, str]]
    units: dict[int, int]
    first_us: int
    last_us: int
    first_arrival_us: int
    last_arrival_us: int
    history: History = field(default_factory=History)


@contextmanager
def open_stored(settings: DatabaseSettings, choice: Choice) -> Iterator["StoredSource"]:
    """Open the hypertable. Raises ``CommandError`` for unknown lifts and an empty span."""
    with _connected(settings) as (portal, conn):
        yield StoredSource(portal, conn, portal.call(_look, conn, choice))


def look(settings: DatabaseSettings, choice: Choice) -> Span:
    """Find out what the table holds. Raises ``CommandError`` as ``open_stored`` does."""
    with _connected(settings) as (portal, conn):
        return portal.call(_look, conn, choice)


@contextmanager
def open_span(settings: DatabaseSettings, span: Span) -> Iterator["StoredSource"]:
    """Open what ``look`` found, or a part of it."""
    with _connected(settings) as (portal, conn):
        yield StoredSource(portal, conn, span)


@contextmanager
def _connected(
    settings: DatabaseSettings,
) -> Iterator[tuple[BlockingPortal, asyncpg.Connection]]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(visit(settings, LONGEST_STATEMENT_S)) as conn,
    ):
        yield portal, conn


class StoredSource:
    """A span of the hypertable; made by ``open_stored``."""

    def __init__(self, portal: BlockingPortal, conn: asyncpg.Connection, span: Span) -> None:
        self._portal = portal
        self._conn = conn
        self._span = span
        self._ids = np.array([row.id for row in span.lifts], "i8")
        self._read_to_us = span.first_us
        self._slice_us = FIRST_SLICE_US
        self._waiting = Frames.empty()

    @property
    def start_us(self) -> int:
        """Return the arrival of the first frame [µs]."""
        return self._span.first_arrival_us

    @property
    def end_us(self) -> int:
        """Return the instant before which the last frame arrived [µs]."""
        return self._span.last_arrival_us + 1

    @property
    def labels(self) -> Sequence[Sequence[str]]:
        """Return the floor labels of each lift."""
        return [_labels(self._span.labels.get(row.id, {})) for row in self._span.lifts]

    @property
    def versions(self) -> Versions:
        """Return the parameters that judged it live."""
        return Versions(self._span.history, self._ids.tolist())

    def registry(self) -> list[RegistryRow]:
        """Return the lifts that have frames."""
        return [_registered(row, self._span) for row in self._span.lifts]

    def arrived_until(self, t_us: int) -> Frames:
        """Return the frames that arrived before ``t_us`` and were not returned yet; reads."""
        parts = [self._waiting]
        while self._read_to_us <= min(self._span.last_us, t_us + MARGIN_US):
            parts.append(self._read())
        held = Frames.concat(parts)
        if len(parts) > 1:
            held = held.take(arrival_order(held))
        end = int(np.searchsorted(held["arrival_us"], t_us))
        self._waiting = held.take(slice(end, None))
        return held.take(slice(0, end))

    def truth(self) -> list[TruthEvent]:
        """Return nothing: of stored frames no truth is known."""
        return []

    def look_alikes(self) -> list[LookAlike]:
        """Return nothing."""
        return []

    def _read(self) -> Frames:
        low_us, high_us = self._read_to_us, self._read_to_us + self._slice_us
        high_us = min(high_us, self._span.last_us + 1)
        span_us = (low_us, high_us)
        found = self._portal.call(store.read_span, self._conn, self._ids.tolist(), span_us)
        self._read_to_us = high_us
        if 2 * len(found) < SLICE_FRAMES:
            self._slice_us = min(2 * self._slice_us, LONGEST_SLICE_US)
        elif len(found) > 2 * SLICE_FRAMES:
            self._slice_us = max(self._slice_us // 2, 1000)
        return _told(found, self._ids)


async def _look(conn: asyncpg.Connection, choice: Choice) -> Span:
    """Find out what there is. Raises ``CommandError``."""
    found = await registry.load(conn)
    wanted = set(choice.codes)
    if unknown := sorted(wanted - {row.code for row in found.elevators}):
        raise CommandError(
            f"--elevator: {', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not in the "
            "registry; GET /v1/elevators lists all",
            SETTINGS,
        )
    ids = [row.id for row in found.elevators if not wanted or row.code in wanted]
    spans = await store.spans(conn, ids, (choice.from_us, choice.to_us))
    if not spans:
        raise CommandError(_nothing(choice), SETTINGS)
    labels: dict[int, dict[int, str]] = {}
    for label in found.floor_labels:
        labels.setdefault(label.elevator_id, {})[label.key] = label.label
    arrivals_us = (
        min(span.first_arrival_us for span in spans.values()),
        max(span.last_arrival_us for span in spans.values()),
    )
    return Span(
        lifts=[row for row in found.elevators if row.id in spans],
        gateways={row.id: row.name for row in found.gateways},
        labels=labels,
        units={i: span.unit for i, span in spans.items()},
        first_us=min(span.first_us for span in spans.values()),
        last_us=max(span.last_us for span in spans.values()),
        first_arrival_us=arrivals_us[0],
        last_arrival_us=arrivals_us[1],
        history=await history.read(conn, *arrivals_us),
    )


def _nothing(choice: Choice) -> str:
    of = f" of {', '.join(choice.codes)}" if choice.codes else ""
    since = f" from {rfc3339(choice.from_us)}" if choice.from_us > MIN_US else ""
    until = f" before {rfc3339(choice.to_us)}" if choice.to_us < MAX_US else ""
    return f"the table holds no frames{of}{since}{until}; choose another span with --from and --to"


def _registered(row: ElevatorRow, span: Span) -> RegistryRow:
    gateway = None if row.gateway_id is None else span.gateways.get(row.gateway_id)
    unit = span.units.get(row.id, Unit.LIFT) if row.unit is None else row.unit
    return RegistryRow(
        code=row.code, sticker=row.sticker or "", unit=int(unit), building=row.building or "",
        address=row.address or "", district=row.district or "", maintainer=row.maintainer or "",
        use_unit=row.use_unit or "", insurer=row.insurer or "", policy=row.policy or "",
        model=row.model or "", rated_speed_mps=row.rated_speed_mps,
        gateway=gateway or NO_GATEWAY, params=row.params,
    )  # fmt: skip


def _labels(known: dict[int, str]) -> tuple[str, ...]:
    return tuple(known.get(key, str(key)) for key in range(max(known, default=-1) + 1))


def _told(found: FrameBatch, ids: NDArray[np.int64]) -> Frames:
    """Return stored frames as terminals told them."""
    columns: dict[str, NDArray[Any]] = {
        "lift": np.searchsorted(ids, found["elevator_id"]),
        "time_us": found["time_us"],
        "device_time_us": found["device_time_us"],
        "seq": found["seq"],
        "arrival_us": found["received_us"],
        REFUSED: found["quality"],
    }
    for column in COLUMNS:
        values = found[column.name]
        known = column.is_known(values)
        if known.any():
            wide = values.astype("f8") * 1000 if column.kind == "real" else values
            told = np.rint(np.where(known, wide, 0)).astype("i8")
            columns[column.name] = np.where(known, told, MISSING)
    return Frames(columns)
