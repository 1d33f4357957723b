"""Trouble that lasts: drawn one episode after another for each gateway or terminal, or scripted.

Episodes are drawn lazily up to an instant that only grows, each from (seed, entity, number), so
neither the steps nor who else is drawn changes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import between, exponential, words

NEVER_US: Final = 2**62
_SMEAR_BITS: Final = 12
"""``exponential`` has 2**12 values; gaps are smeared over the distance between them."""
_TIME_BITS: Final = 42
"""Enough ms for a century: what a key of (entity, time) needs below its entity."""

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How episodes are drawn.

    Parameters
    ----------
    stream
        ``Stream`` of the draws.
    gap_s
        Mean time from the end of one episode to the next [s].
    length_s
        Mean length [s]; 0 = they are instants.
    recovery
        An episode of length ``x`` is followed by at least ``x // recovery`` without another; 0 =
        none.
    """

    stream: int
    gap_s: int
    length_s: int = 0
    recovery: int = 0


@dataclass(frozen=True, slots=True)
class Episodes:
    """Episodes ``[from_us, to_us)`` of entities, columns of equal length, sorted by both.

    Parameters
    ----------
    entity
        Gateway or terminal.
    from_us, to_us
        When.
    value
        What the trouble needs to know, such as the offset of a clock.
    """

    entity: Column
    from_us: Column
    to_us: Column
    value: Column

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int, int]]) -> Self:
        """Build them from (entity, from, to, value)."""
        table = np.array(sorted(rows), "i8").reshape(-1, 4)
        return cls(*(table[:, i].copy() for i in range(4)))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.entity)

    def take(self, index: NDArray[Any]) -> Self:
        """Return some of them."""
        return type(self)(
            self.entity[index], self.from_us[index], self.to_us[index], self.value[index]
        )

    def joined(self, other: Self) -> Self:
        """Return these and others."""
        pairs = zip(
            (self.entity, self.from_us, self.to_us, self.value),
            (other.entity, other.from_us, other.to_us, other.value),
            strict=True,
        )
        both = type(self)(*(np.concatenate(pair) for pair in pairs))
        return both.take(np.lexsort((both.from_us, both.entity)))

    def find(self, entity: Column, t_us: Column) -> Column:
        """Return the position of the episode that holds at each (entity, time); -1 = none.

        Of several the one that began last counts.
        """
        keys = _key(self.entity, self.from_us)
        at = np.searchsorted(keys, _key(entity, t_us), side="right") - 1
        near = np.maximum(at, 0)
        inside = (at >= 0) & (self.entity[near] == entity)
        inside &= (t_us >= self.from_us[near]) & (t_us < self.to_us[near])
        return np.where(inside, near, -1)


def _key(entity: Column, t_us: Column) -> Column:
    return entity << _TIME_BITS | np.maximum(t_us, 0) // 1000


class Process:
    """A renewal process of episodes for many entities.

    Parameters
    ----------
    drawing
        How; ``None`` = never.
    seed
        Seed of the draws.
    entities
        Who, shape (n,).
    start_us
        First instant.
    """

    def __init__(self, drawing: Drawing | None, seed: int, entities: Column, start_us: int) -> None:
        self._drawing = drawing
        self._seed = seed
        self._entities = entities
        self._number = np.zeros(len(entities), "i8")
        self._free_us = np.full(len(entities), start_us)
        self._from_us = np.full(len(entities), NEVER_US)
        self._to_us = np.full(len(entities), NEVER_US)
        self._word = np.zeros(len(entities), "i8")
        if drawing is not None:
            self._draw(drawing, np.arange(len(entities)))

    def begun_before(self, t_us: int) -> Episodes:
        """Return the episodes that begin before ``t_us`` and were not returned yet.

        ``value`` is a random word of 32 bits.
        """
        found = Episodes.of(())
        while self._drawing is not None:
            rows = np.flatnonzero(self._from_us < t_us)
            if not rows.size:
                break
            columns = (self._entities, self._from_us, self._to_us, self._word)
            found = found.joined(Episodes(*(column[rows] for column in columns)))
            self._draw(self._drawing, rows)
        return found

    def _draw(self, drawing: Drawing, rows: Column) -> None:
        w = words(self._seed, drawing.stream, self._entities[rows], self._number[rows])
        self._number[rows] += 1
        gap_ms = exponential(w[0], drawing.gap_s) * 1000
        gap_ms += between(w[1], 0, max(drawing.gap_s * 1000 >> _SMEAR_BITS, 1))
        length_ms = np.maximum(exponential(w[2], drawing.length_s * 1000), 1)
        begins_us = self._free_us[rows] + gap_ms * 1000
        ends_us = begins_us + length_ms * 1000
        self._from_us[rows] = begins_us
        self._to_us[rows] = ends_us
        rest_us = (length_ms // drawing.recovery + 1) * 1000 if drawing.recovery else 0
        self._free_us[rows] = ends_us + rest_us
        self._word[rows] = w[3].astype("i8")
