"""Random fleets and channels: what lifts emit in truth, and what a bad channel makes of it.

A fleet is a list of ``Sent`` as a perfect channel would deliver it; each function makes it worse in
one way that DESIGN section 5 says must not matter.
"""

from dataclasses import dataclass

import numpy as np

from tests.oracles.assemble_world import SECOND, T0_US, Sent

LATENCY_US = 40_000
YEAR_US = 365 * 86_400 * SECOND


@dataclass
class Kind:
    """Which troubles a random fleet has."""

    restarts: bool = True
    slow_clocks: bool = True
    false_clocks: bool = False
    first_seq: int | None = None


def fleet(rng, n_rows, kind=None):
    """Frames of all lifts as a perfect channel delivers them, in order of arrival."""
    kind = kind or Kind()
    sent = [s for row in range(n_rows) for s in _lift(rng, row, kind)]
    return sorted(sent, key=lambda s: s.arrival_us)


def _lift(rng, row, kind):
    error_us = 0
    if kind.slow_clocks and rng.random() < 0.3:
        error_us = int(rng.integers(-7200, 55)) * SECOND
    if kind.false_clocks and rng.random() < 0.7:
        error_us = int(rng.choice([-T0_US, 3600 * SECOND, -2 * YEAR_US]))
    seq = int(rng.integers(1, 500)) if kind.first_seq is None else kind.first_seq
    true_us = T0_US + int(rng.integers(0, SECOND)) + row
    sent = []
    for mark in range(int(rng.integers(15, 45))):
        true_us += int(rng.choice([300_000, 500_000, SECOND, 5 * SECOND]) + rng.integers(0, 900))
        if kind.restarts and mark > 5 and rng.random() < 0.04:
            seq = int(rng.integers(0, 2))
            true_us += int(rng.integers(4 * SECOND, 30 * SECOND))  # it takes longer than the window
        device_us = true_us + error_us
        sent.append(Sent(true_us + LATENCY_US, row, seq, device_us // 1000 * 1000, mark))
        seq += 1
    return sent


def shuffled(rng, sent, share=0.15):
    """Delay some frames by less than the reorder window, but never the first of a stream."""
    first = {}
    for s in sent:
        first.setdefault(s.row, s.mark)
    return _by_arrival(
        s._replace(arrival_us=s.arrival_us + int(rng.integers(0, 2 * SECOND - 1)))
        if rng.random() < share and s.seq > 1 and s.mark != first[s.row]
        else s
        for s in sent
    )


def doubled(rng, sent, share=0.1):
    """Send some frames again, at once or up to a minute later."""
    again = [
        s._replace(arrival_us=s.arrival_us + int(rng.choice([0, 1000, 60 * SECOND])))
        for s in sent
        if rng.random() < share
    ]
    return _by_arrival([*sent, *again])


def with_losses(rng, sent, most=6):
    """Lose up to ``most`` frames of each lift (fewer than switch holding off)."""
    lost = set()
    for row in {s.row for s in sent}:
        marks = [s.mark for s in sent if s.row == row]
        lost |= {(row, int(m)) for m in rng.choice(marks, most, replace=False)}
    return [s for s in sent if (s.row, s.mark) not in lost]


def after_outage(rng, sent):
    """Hold everything back over a span and deliver it at the end of it, quickly, in order."""
    times = [s.arrival_us for s in sent]
    begin = int(rng.integers(times[0], times[-1]))
    end = begin + int(rng.integers(5 * SECOND, 600 * SECOND))
    held, kept = [], []
    for s in sent:
        (held if begin <= s.arrival_us < end else kept).append(s)
    held = [s._replace(arrival_us=end + 200 * i) for i, s in enumerate(held)]
    shift = 200 * len(held)
    kept = [
        s if s.arrival_us < begin else s._replace(arrival_us=s.arrival_us + shift) for s in kept
    ]
    return _by_arrival([*kept, *held])


def _by_arrival(sent):
    return sorted(sent, key=lambda s: s.arrival_us)


def generators(seed, fleets):
    """Yield a generator of random numbers per fleet."""
    for number in range(fleets):
        yield np.random.default_rng([seed, number])
