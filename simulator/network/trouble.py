"""Trouble of gateways and terminals over time: connections, clocks, sequence numbers.

Each part takes frames in the order in which they were made and changes one thing about them. What
is scripted for a gateway or terminal replaces what would be drawn for it.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.frames import NO_TIME_US
from simulator.network.episodes import NEVER_US, Drawing, Episodes, Process
from simulator.network.spec import DAY_US, HOUR_US, SECOND_US, NetworkSpec, Outage
from simulator.randomness import Stream, between, chance, words

YEAR_S: Final = 365 * 86_400

Column = NDArray[np.int64]


def _unscripted(n: int, scripted: Iterable[int]) -> Column:
    free = np.ones(n, np.bool_)
    free[list(scripted)] = False
    return np.flatnonzero(free)


def _flags(n: int, episodes: Episodes) -> NDArray[np.bool_]:
    flags = np.zeros(n, np.bool_)
    flags[episodes.entity] = True
    return flags


class Connections:
    """Gateways that lose their connection, buffer, and send in order when it is back.

    A backlog is sent ``flush_speedup`` times faster than it was recorded, and what is made
    meanwhile queues behind it: until the gateway has caught up, a message made at ``t`` arrives at
    ``to + (t - from) / flush_speedup``.

    ``begun`` collects all outages that began so far, for the truth.
    """

    def __init__(self, spec: NetworkSpec, seed: int, n_gateways: int, start_us: int) -> None:
        self._speedup = spec.flush_speedup
        self._n = n_gateways
        self._scripted = _merged(spec.outages, spec.flush_speedup)
        self._active = self._with_recovery(self._scripted)
        self.begun = Episodes.of(())
        self._flags = _flags(n_gateways, self._active)
        per_1000_days = spec.outages_per_gateway_1000_days
        drawing = None
        if per_1000_days:
            drawing = Drawing(
                Stream.OFFLINE,
                1000 * DAY_US // SECOND_US // per_1000_days,
                spec.outage_mean_us // SECOND_US,
                spec.flush_speedup - 1,
            )
        free = _unscripted(n_gateways, (o.gateway for o in spec.outages))
        self._process = Process(drawing, seed, free, start_us)

    def _with_recovery(self, outages: Episodes) -> Episodes:
        """Stretch outages until the backlog is gone; ``value`` keeps when the line is back."""
        length_us = outages.to_us - outages.from_us
        caught_up_us = outages.to_us + -(-length_us // (self._speedup - 1))
        return Episodes(outages.entity, outages.from_us, caught_up_us, outages.to_us)

    def extend(self, now_us: int, until_us: int) -> None:
        """Draw what begins before ``until_us``; forget what nothing after ``now_us`` can meet."""
        new = self._process.begun_before(until_us)
        since = self._scripted.from_us < until_us
        self.begun = self.begun.joined(new).joined(self._scripted.take(since))
        self._scripted = self._scripted.take(~since)
        over = self._active.to_us <= now_us
        if len(new) or over.any():
            self._active = self._active.take(~over).joined(self._with_recovery(new))
            self._flags = _flags(self._n, self._active)

    def queued(self, gateway: Column, sent_us: Column) -> tuple[Column, Column]:
        """Return which messages wait (positions), and when each of those gets through."""
        near = np.flatnonzero(self._flags[gateway])
        if not near.size:
            return near, near
        found = self._active.find(gateway[near], sent_us[near])
        near, found = near[found >= 0], found[found >= 0]
        since_us = sent_us[near] - self._active.from_us[found]
        return near, self._active.value[found] + since_us // self._speedup


def _merged(outages: Iterable[Outage], speedup: int) -> Episodes:
    """Join scripted outages of a gateway if one begins before the other's backlog is gone."""
    rows: list[tuple[int, int, int, int]] = []
    for outage in sorted(outages, key=lambda o: (o.gateway, o.from_us)):
        from_us, to_us = outage.from_us, outage.to_us
        if rows and rows[-1][0] == outage.gateway:
            _, first_us, back_us, _ = rows[-1]
            if from_us < back_us + -(-(back_us - first_us) // (speedup - 1)):
                rows.pop()
                from_us, to_us = first_us, max(back_us, to_us)
        rows.append((outage.gateway, from_us, to_us, 0))
    return Episodes.of(rows)


class Clocks:
    """Terminals whose clock is off: by a constant, from 1970, or by hours for a while.

    ``begun`` collects all episodes that began so far, for the truth; constant seconds are none.
    """

    def __init__(self, spec: NetworkSpec, seed: int, n_lifts: int, start_us: int) -> None:
        self._n = n_lifts
        self._hours = spec.clock_step_hours
        scripted = Episodes.of(
            [
                (c.lift, c.from_us, NEVER_US if c.to_us is None else c.to_us, c.offset_us)
                for c in spec.clocks
            ]
        )
        self._active = scripted
        self._flags = _flags(n_lifts, scripted)
        self._scripted = scripted
        self.begun = Episodes.of(())
        free = _unscripted(n_lifts, (c.lift for c in spec.clocks))
        self._skew_us = _skews(spec, seed, n_lifts, free)
        losses, steps = spec.clock_losses_per_lift_1000_years, spec.clock_steps_per_lift_1000_years
        self._losses = Process(
            _per_1000_years(Stream.CLOCK_LOSS, losses, spec.clock_loss_mean_us),
            seed, free, start_us,
        )  # fmt: skip
        self._steps = Process(
            _per_1000_years(Stream.CLOCK_STEP, steps, spec.clock_step_mean_us),
            seed, free, start_us,
        )  # fmt: skip

    def extend(self, now_us: int, until_us: int) -> None:
        """Draw what begins before ``until_us``; forget what ended before ``now_us``."""
        lost, stepped = self._losses.begun_before(until_us), self._steps.begun_before(until_us)
        new = _counting_from_1970(lost).joined(self._by_hours(stepped))
        since = self._scripted.from_us < until_us
        self.begun = self.begun.joined(new).joined(self._scripted.take(since))
        self._scripted = self._scripted.take(~since)
        over = self._active.to_us <= now_us
        if len(new) or over.any():
            self._active = self._active.take(~over).joined(new)
            self._flags = _flags(self._n, self._active)

    def _by_hours(self, steps: Episodes) -> Episodes:
        word = steps.value.astype("u8")
        low, high = self._hours
        hours = between(word, low, high)
        sign = 1 - 2 * (steps.value & 1)
        return Episodes(steps.entity, steps.from_us, steps.to_us, sign * hours * HOUR_US)

    def told(self, lift: Column, time_us: Column, device_time_us: Column) -> Column:
        """Return the time that each terminal tells."""
        refused = device_time_us == NO_TIME_US
        if self._skew_us is not None:
            device_time_us = device_time_us + self._skew_us[lift]
        near = np.flatnonzero(self._flags[lift])
        if near.size:
            found = self._active.find(lift[near], time_us[near])
            near, found = near[found >= 0], found[found >= 0]
            device_time_us = device_time_us.copy()
            device_time_us[near] = time_us[near] + self._active.value[found]
        return np.where(refused, NO_TIME_US, device_time_us) if refused.any() else device_time_us


def _per_1000_years(stream: Stream, rate: int, mean_us: int) -> Drawing | None:
    return Drawing(stream, 1000 * YEAR_S // rate, mean_us // SECOND_US) if rate else None


def _counting_from_1970(losses: Episodes) -> Episodes:
    return Episodes(losses.entity, losses.from_us, losses.to_us, -losses.from_us)


def _skews(spec: NetworkSpec, seed: int, n_lifts: int, free: Column) -> Column | None:
    if not (spec.skewed_ppm and spec.skew_us):
        return None
    drawn = words(seed, Stream.CLOCK_SKEW, free, 0)
    most_ms = spec.skew_us // 1000
    skew_us = np.zeros(n_lifts, "i8")
    skew_us[free] = between(drawn[1], -most_ms, most_ms) * 1000
    skew_us[free[~chance(drawn[0], spec.skewed_ppm)]] = 0
    return skew_us


class Numbering:
    """Terminals that start anew and count their frames from the beginning again.

    A drawn restart is one of a gateway: all its lifts start anew.
    """

    def __init__(
        self, spec: NetworkSpec, seed: int, gateway_of: NDArray[Any], n_gateways: int, start_us: int
    ) -> None:
        self._gateway_of = gateway_of
        self._planned = sorted((r.at_us, r.lift, r.first_seq) for r in spec.restarts)
        self._begun: list[tuple[int, int, int]] = []
        self._shift = np.zeros(len(gateway_of), "i8")
        per_1000_days = spec.restarts_per_gateway_1000_days
        drawing = None
        if per_1000_days:
            mean_s = 1000 * DAY_US // SECOND_US // per_1000_days
            drawing = Drawing(Stream.GATEWAY_RESTART, mean_s)
        scripted = {int(gateway_of[r.lift]) for r in spec.restarts}
        free = _unscripted(n_gateways, scripted)
        self._process = Process(drawing, seed, free, start_us)

    def extend(self, until_us: int) -> None:
        """Draw what happens before ``until_us``."""
        new = self._process.begun_before(until_us)
        for gateway, at_us in zip(new.entity.tolist(), new.from_us.tolist(), strict=True):
            lifts = np.flatnonzero(self._gateway_of == gateway).tolist()
            self._begun += [(at_us, lift, 0) for lift in lifts]
        while self._planned and self._planned[0][0] < until_us:
            self._begun.append(self._planned.pop(0))
        self._begun.sort()

    def numbered(self, lift: Column, time_us: Column, seq: Column) -> Column:
        """Return the sequence numbers of frames in time order."""
        told = seq + self._shift[lift] if self._shift.any() else seq
        if not self._begun:
            return told
        concerned = np.zeros(len(self._shift), np.bool_)
        concerned[[begun[1] for begun in self._begun]] = True
        near = np.flatnonzero(concerned[lift])
        told = told.copy()
        waiting: list[tuple[int, int, int]] = []
        for at_us, one, first_seq in self._begun:
            mine = near[(lift[near] == one) & (time_us[near] >= at_us)]
            if mine.size:
                self._shift[one] = first_seq - seq[mine[0]]
                told[mine] = seq[mine] + self._shift[one]
            else:
                waiting.append((at_us, one, first_seq))
        self._begun = waiting
        return told
