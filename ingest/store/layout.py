"""How a frame lies in the table: SQL columns in order, and where each comes from in memory.

Derived from ``telemetry.batch.HEADER`` and ``telemetry.columns.COLUMNS``, never listed again.
``row`` is not stored: it is a place in one process's arrays. ``batch`` comes from the
transaction.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from telemetry.batch import dtype_of
from telemetry.columns import COLUMNS, Column

PG_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01 UTC, where PostgreSQL's timestamps begin, in µs since 1970."""

WIDTH: Final = MappingProxyType(
    {
        "smallint": ">i2",
        "int": ">i4",
        "bigint": ">i8",
        "real": ">f4",
        "timestamptz": ">i8",
        "boolean": ">i1",
    }
)
"""Binary form of each SQL type that ``frames`` uses (big-endian, as COPY wants it)."""


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """One column of ``frames``.

    ``source`` is its name in ``FrameBatch``; ``column`` is set if it can be unknown (NULL).
    """

    name: str
    sql: str
    source: str
    column: Column | None = None

    @property
    def binary(self) -> str:
        """NumPy dtype of the value in binary COPY."""
        return WIDTH[self.sql]

    @property
    def is_time(self) -> bool:
        """Whether the value counts µs, from another epoch in memory than in SQL."""
        return self.sql == "timestamptz"


HEADER_COLUMNS: Final = (
    StoredColumn("elevator_id", "bigint", "elevator_id"),
    StoredColumn("time", "timestamptz", "time_us"),
    StoredColumn("seq", "bigint", "seq"),
    StoredColumn("batch", "bigint", "batch"),
    StoredColumn("received_at", "timestamptz", "received_us"),
    StoredColumn("device_time", "timestamptz", "device_time_us"),
    StoredColumn("gateway_id", "int", "gateway_id"),
    StoredColumn("clock", "smallint", "clock"),
    StoredColumn("late", "boolean", "late"),
    StoredColumn("quality", "bigint", "quality"),
)
"""Columns that are never NULL."""

VALUE_COLUMNS: Final = tuple(StoredColumn(c.name, c.sql, c.name, c) for c in COLUMNS)
"""Columns that are NULL where nothing was told."""

STORED: Final = (*HEADER_COLUMNS, *VALUE_COLUMNS)
"""All columns of ``frames`` in the order of the table."""


def select_list(alias: str) -> str:
    """Return the SQL that reads every stored column, NULL as the unknown of its column."""
    parts = []
    for stored in STORED:
        name = f"{alias}.{stored.name}"
        if stored.column is None:
            parts.append(name)
        elif stored.sql == "real":
            parts.append(f"coalesce({name}, 'NaN'::real)")
        else:
            parts.append(f"coalesce({name}, ({stored.column.unknown})::{stored.sql})")
    return ", ".join(parts)


def memory_dtype(stored: StoredColumn) -> str:
    """Return the dtype in memory; ``batch`` is no column of ``FrameBatch``."""
    return "i8" if stored.source == "batch" else dtype_of(stored.source).str
