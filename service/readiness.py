"""Readiness: why the service cannot do its work right now, told as causes.

The parts set and clear causes on one ``Board``; ``/readyz``, the metrics and the announcer of
blindness read it. A fresh board is not ready: every part has to say that it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from ingest.source import SourceState
from service.clock import Clock


class Cause(StrEnum):
    """Why the service is not ready; also the metric label."""

    STARTING = "starting"
    """Parts are still being opened."""
    DATABASE = "database"
    """The database does not answer."""
    COMMIT = "commit"
    """A batch cannot be committed and is tried again; nothing is read meanwhile."""
    MIGRATIONS = "migrations"
    """The schema is not the one of this version."""
    BROKER = "broker"
    """Not connected to the broker, or it does not answer."""
    NOT_SUBSCRIBED = "not_subscribed"
    """Connected, but the subscription is not confirmed."""
    RECOVERY = "recovery"
    """State is being rebuilt from the database."""
    STANDBY = "standby"
    """Another process is the writer."""
    STOPPING = "stopping"
    """SIGTERM: the intake is closed, what was taken is being committed."""


TEXTS: Final = {
    Cause.STARTING: ("正在启动", "starting"),
    Cause.DATABASE: ("数据库不可用", "the database does not answer or refuses the commit"),
    Cause.COMMIT: ("无法提交数据", "a batch cannot be committed and is tried again"),
    Cause.MIGRATIONS: ("数据库结构版本不符", "another schema: run `hoistway migrate`"),
    Cause.BROKER: ("MQTT 代理不可用", "no connection to the MQTT broker"),
    Cause.NOT_SUBSCRIBED: ("尚未订阅", "the subscription at the broker is not confirmed"),
    Cause.RECOVERY: ("正在恢复状态", "state is being rebuilt from the database"),
    Cause.STANDBY: ("备用：另一进程正在写入", "standby: another process is the writer"),
    Cause.STOPPING: ("正在停止", "stopping"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """A cause that holds: since when [µs], and what exactly is wrong."""

    cause: Cause
    since_us: int
    detail: str


class Readiness(Protocol):
    """What ``/readyz`` needs."""

    def standing(self) -> tuple[Standing, ...]:
        """Return the causes that hold, oldest first; empty = ready."""
        ...


class Board:
    """The causes that hold now."""

    def __init__(self, clock: Clock, causes: Iterable[Cause] = (Cause.STARTING,)) -> None:
        self._clock = clock
        self._standing = {cause: Standing(cause, clock.now_us(), "") for cause in causes}

    def set(self, cause: Cause, detail: str = "") -> None:
        """Say that ``cause`` holds; its ``since`` stays that of the first time."""
        known = self._standing.get(cause)
        since_us = known.since_us if known else self._clock.now_us()
        self._standing[cause] = Standing(cause, since_us, " ".join(detail.split()))

    def clear(self, cause: Cause) -> None:
        """Say that ``cause`` is over."""
        self._standing.pop(cause, None)

    def put(self, cause: Cause, *, holds: bool, detail: str = "") -> None:
        """Set or clear ``cause``."""
        if holds:
            self.set(cause, detail)
        else:
            self.clear(cause)

    def standing(self) -> tuple[Standing, ...]:
        """Return the causes that hold, oldest first; empty = ready."""
        return tuple(sorted(self._standing.values(), key=lambda s: (s.since_us, s.cause)))

    def causes(self) -> frozenset[Cause]:
        """Return the causes that hold."""
        return frozenset(self._standing)


def show_source(board: Board, state: SourceState) -> None:
    """Put what a source's state means on the board; call it at least once a second."""
    lost = not state.connected or state.unresponsive
    board.put(Cause.BROKER, holds=lost, detail=state.problem or "")
    board.put(
        Cause.NOT_SUBSCRIBED,
        holds=state.connected and not state.subscribed,
        detail=state.problem or "",
    )
