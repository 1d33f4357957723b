"""``Network``: frames as terminals make them in, frames as they reach the broker out.

In order: terminals that start anew (``seq``), wrong clocks (``device_time_us``), gathering by
``linger_us``, lost connections, then the way: latency and jitter, messages that are overtaken, and
copies. Everything is drawn from (seed, lift or gateway, time made), so how a fleet was cut into
calls changes nothing. Every frame arrives exactly once, and its copies, if any, later or at once;
what a gateway flushes arrives in its order.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.frames import Frames
from simulator.network.spec import NetworkSpec
from simulator.network.trouble import Clocks, Connections, Numbering
from simulator.randomness import Stream, between, chance, words

_COPY_INDEX: Final = 2**40
"""Draws about the copy of a message are those of its number plus this."""
_LONGEST_HELD_US: Final = 310_000_000
"""A terminal's buffer sends nothing later than this after it was made, its flush included."""
_LIFT_BITS: Final = 21
_LONGEST_US: Final = 2**42
"""Arrivals within so long can be sorted by one integer: arrival above ``_LIFT_BITS`` of lift."""

Column = NDArray[np.int64]


class Network:
    """The network of one fleet.

    Parameters
    ----------
    spec
        What it does.
    seed
        Seed of its draws.
    gateway_of
        Index of the gateway of each unit, shape (n_units,).
    start_us
        First instant of the fleet.
    """

    def __init__(
        self, spec: NetworkSpec, seed: int, gateway_of: NDArray[Any], start_us: int
    ) -> None:
        self.spec = spec
        self._seed = seed
        self._gateway_of = np.asarray(gateway_of, "i8")
        self._until_us = start_us
        n_units, n_gateways = len(gateway_of), int(self._gateway_of.max(initial=0)) + 1
        self.connections = Connections(spec, seed, n_gateways, start_us)
        self.clocks = Clocks(spec, seed, n_units, start_us)
        self._numbering = Numbering(spec, seed, self._gateway_of, n_gateways, start_us)
        self._pending = Frames.empty()

    @property
    def pending(self) -> int:
        """Frames that are still under way, copies included."""
        return len(self._pending)

    def arrivals(self, frames: Frames, until_us: int) -> Frames:
        """Take the frames made since the last call; return what arrives before ``until_us``.

        Parameters
        ----------
        frames
            In time order, all made before ``until_us``.
        until_us
            Exclusive; grows from call to call.

        Returns
        -------
        Frames
            By (arrival_us, lift, seq).
        """
        self._numbering.extend(until_us)
        self.clocks.extend(self._until_us, until_us)
        # what is gathered leaves up to linger_us after it was made
        # and what a terminal's buffer held up to MOST_HELD_US
        latest_us = until_us + max(self.spec.linger_us, _LONGEST_HELD_US)
        self.connections.extend(self._until_us, latest_us)
        self._until_us = max(self._until_us, until_us)
        under_way = Frames.concat([self._pending, *self._sent(frames)])
        here = under_way["arrival_us"] < until_us
        if here.all():
            self._pending = Frames.empty()
            return _by_arrival(under_way)
        self._pending = under_way.take(~here)
        return _by_arrival(under_way, np.flatnonzero(here))

    def rest(self) -> Frames:
        """Return what is still under way, as if its time had come."""
        rest, self._pending = self._pending, Frames.empty()
        return _by_arrival(rest)

    def _sent(self, frames: Frames) -> list[Frames]:
        """Return frames with their arrival, and the copies."""
        if not len(frames):
            return []
        lift, time_us = frames["lift"], frames["time_us"]
        frames = frames.replace(
            seq=self._numbering.numbered(lift, time_us, frames["seq"]),
            device_time_us=self.clocks.told(lift, time_us, frames["device_time_us"]),
        )
        linger_us = self.spec.linger_us
        made_us = (time_us // linger_us + 1) * linger_us if linger_us else time_us
        gateway, held = self._gateway_of[lift], frames["arrival_us"] > time_us
        sent_us = np.where(held, frames["arrival_us"], made_us) if held.any() else made_us
        queued, through_us = self.connections.queued(gateway, sent_us)
        through = sent_us
        if queued.size:
            through = sent_us.copy()
            through[queued] = through_us
        in_order = np.union1d(queued, np.flatnonzero(held)) if held.any() else queued
        who = gateway if self.spec.frames_per_message > 1 else lift
        arrival_us, copied, again_us = self._travelled(who, made_us, through, in_order)
        parts = [frames.replace(arrival_us=arrival_us)]
        if copied.size:
            parts.append(frames.take(copied).replace(arrival_us=again_us))
        return parts

    def _travelled(
        self, who: Column, made_us: Column, through_us: Column, in_order: Column
    ) -> tuple[Column, Column, Column]:
        """Return arrivals; which frames (positions) are sent twice, and when the copies arrive."""
        spec = self.spec
        arrival_us = through_us + spec.latency_us if spec.latency_us else through_us
        nobody = np.empty(0, "i8")
        if not (spec.jitter_us or spec.duplicate_ppm or spec.reorder_ppm):
            return arrival_us, nobody, nobody
        drawn = words(self._seed, Stream.CHANNEL, who, made_us // 1000)
        later_us = between(drawn[3], 0, spec.jitter_us)
        late = np.flatnonzero(chance(drawn[0], spec.reorder_ppm))
        later_us[late] += between(drawn[2][late], 1, spec.reorder_us - 1)
        later_us[in_order] = 0
        arrival_us = arrival_us + later_us
        copied = np.flatnonzero(chance(drawn[1], spec.duplicate_ppm))
        again = words(
            self._seed, Stream.CHANNEL, who[copied], made_us[copied] // 1000 + _COPY_INDEX
        )
        return arrival_us, copied, arrival_us[copied] + between(again[0], 0, spec.reorder_us - 1)


def _by_arrival(frames: Frames, rows: Column | None = None) -> Frames:
    """Return the frames (at ``rows``) by (arrival_us, lift, seq).

    Frames that are so already cost a look; the columns are gathered once.
    """
    names = ("arrival_us", "lift", "seq")
    arrival_us, lift, seq = (frames[n] if rows is None else frames[n][rows] for n in names)
    order = _order(arrival_us, lift, seq)
    if order is None:
        return frames if rows is None else frames.take(rows)
    return frames.take(order if rows is None else rows[order])


def _order(arrival_us: Column, lift: Column, seq: Column) -> Column | None:
    """Return the positions by (arrival_us, lift, seq); ``None`` = they are in order."""
    if len(lift) < 2:
        return None
    base_us = int(arrival_us.min())
    if int(arrival_us.max()) - base_us >= _LONGEST_US or int(lift.max()) >> _LIFT_BITS:
        return np.lexsort((seq, lift, arrival_us))
    key = (arrival_us - base_us) << _LIFT_BITS | lift
    if np.all(key[1:] > key[:-1]):
        return None
    order = np.argsort(key)
    key = key[order]
    equal = np.flatnonzero(key[1:] == key[:-1])
    if equal.size:
        # argsort is not stable: equal ones are put right by seq
        rows = np.union1d(equal, equal + 1)
        some = order[rows]
        order[rows] = some[np.lexsort((seq[some], key[rows]))]
    return order
