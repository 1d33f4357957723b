"""Where the time of a backtest goes, by stage, in seconds of this process's processor time."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum


class Stage(StrEnum):
    """Parts of the way of a frame."""

    SOURCE = "source"
    """Made, or read, digested, and through its network."""
    CONVERT = "convert"
    KEYS = "keys"
    DETECT = "order and detectors"


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(Stage, 0.0)

    @contextmanager
    def of(self, stage: Stage) -> Iterator[None]:
        """Count what happens inside."""
        began = time.process_time()
        try:
            yield
        finally:
            self.seconds[stage] += time.process_time() - began

    def add(self, other: Mapping[Stage, float]) -> None:
        """Add what another process counted."""
        for stage, seconds in other.items():
            self.seconds[stage] += seconds
