"""Missing sequence numbers, counted by pages, along a strip.

Decides which frames do not follow the one before, whether numbers are missing there or a numbering
begins, and how many are missing so far in a page of numbers and in the one before. It knows no
finding (``sequence_gaps``).

Invariant: pages are told from the numbers themselves, so a lift whose numbers are complete has
nothing to count.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.segments import Bools, Ints, Segments

PAGE_BITS: Final = 10
"""A page has 1,024 numbers: 17 minutes of a lift that runs, eight hours of one that stands."""
MOST_PER_S: Final = 10
"""No terminal numbers more frames a second than this (DOMAIN section 2: 0.5 to 5 s apart, and one
more at each change); a larger step is another numbering."""
MOST: Final = 65_535
_LOW: Final = 0xFFFF_FFFF
_S: Final = 1_000_000


class Steps(NamedTuple):
    """Frames that do not follow the one before, in the order of the strip, shape (k,).

    Parameters
    ----------
    at
        Their elements.
    seq, prior
        Their numbers, and those of the frames before.
    begins
        A numbering begins: the first of all, a lower number, or more than can have been counted.
    missing
        Numbers missing before it, at most ``MOST``.
    after_us
        The time since anything was told [µs].
    time_s
        When they came, whole seconds.
    """

    at: Ints
    seq: Ints
    prior: Ints
    begins: Bools
    missing: Ints
    after_us: Ints
    time_s: Ints


class Counted(NamedTuple):
    """Along the strip: the newest gap or beginning, and what is missing in its page.

    Parameters
    ----------
    gap_seq
        Number after it.
    missing, silent, before
        Missing in its page, of these in a silence, and in the page before.
    gap_s
        When it came, whole seconds.
    opens
        Elements at which the first gap of a page is met.
    """

    gap_seq: Ints
    missing: Ints
    silent: Ints
    before: Ints
    gap_s: Ints
    opens: Bools

    def after(self, at: Ints) -> dict[str, NDArray[Any]]:
        """Return the fields of the state at the last elements of the rows."""
        return {
            "gap_seq": (self.gap_seq[at] & _LOW).astype("u4"),
            "missing": self.missing[at].astype("u2"),
            "silent": self.silent[at].astype("u2"),
            "before": self.before[at].astype("u2"),
            "gap_s": self.gap_s[at].astype("u4"),
        }


def steps(seg: Segments, seq: Ints, t_us: Ints, seen_us: Ints) -> Steps:
    """Find the frames that do not follow; ``seq`` 0 along the strip = no number yet."""
    prior = seg.prior(seq)
    ahead = seq - prior
    at = np.flatnonzero((ahead < 0) | (ahead > 1))
    after_us = t_us[at] - seen_us[seg.before[at]]
    missing = ahead[at] - 1
    jumps = missing > (after_us // _S + 1) * MOST_PER_S
    begins = (prior[at] == 0) | (missing < 0) | jumps
    missing = np.where(begins, 0, np.minimum(missing, MOST))
    return Steps(at, seq[at], prior[at], begins, missing, after_us, t_us[at] // _S)


def counted(
    state: Mapping[str, NDArray[Any]] | NDArray[Any],
    seg: Segments,
    found: Steps,
    silent: Bools,
    calm_us: Ints | int,
) -> Counted:
    """Count by pages.

    Parameters
    ----------
    state
        The fields of ``Counted.after``, and ``seq``, shape (m,).
    seg
        The strip.
    found
        What does not follow in it.
    silent
        Steps that lie in a silence, shape (k,).
    calm_us
        Steps that lie further apart are not counted together, shape (k,) or one for all [µs].
    """
    row, page = seg.row[found.at], found.seq >> PAGE_BITS
    was = {name: state[name][row].astype(np.int64) for name in _COUNTS}
    since = (was["seq"] - was["gap_seq"]) & _LOW
    first = np.ones(len(row), np.bool_)
    first[1:] = row[1:] != row[:-1]
    page_before = _one_earlier(page, first, (was["seq"] - since) >> PAGE_BITS)
    apart = (found.time_s - _one_earlier(found.time_s, first, was["gap_s"])) * _S > calm_us
    starts = found.begins | apart | (page != page_before)
    goes_on = first & ~starts
    missing = _running(found.missing, first | starts, goes_on, was["missing"])
    quiet = _running(np.where(silent, found.missing, 0), first | starts, goes_on, was["silent"])
    turned = ~found.begins & ~apart & (page == page_before + 1)
    before = np.where(turned, _one_earlier(missing, first, was["missing"]), 0)
    before = np.where(goes_on, was["before"], before)
    index = np.arange(len(row))
    before = before[np.maximum.accumulate(np.where(first | starts, index, 0))]
    opens = np.zeros(len(seg), np.bool_)
    opens[found.at[(missing == found.missing) & ~found.begins]] = True
    counts = {"missing": missing, "silent": quiet, "before": before}
    values = {n: np.minimum(c, MOST) for n, c in counts.items()}
    laid = _laid_out(state, seg, found, {**values, "gap_s": found.time_s})
    return Counted(**laid, opens=opens)


_COUNTS: Final = ("seq", "gap_seq", "missing", "silent", "before", "gap_s")


def _one_earlier(values: Ints, first: Bools, carried: Ints) -> Ints:
    """Return the value of the step before in the row; for a first one what was carried in."""
    earlier = np.empty_like(values)
    earlier[1:] = values[:-1]
    return np.where(first, carried, earlier)


def _running(values: Ints, starts: Bools, goes_on: Bools, carried: Ints) -> Ints:
    """Return sums since the last start; some go on from what was carried in."""
    values = values + np.where(goes_on, carried, 0)
    through = np.cumsum(values)
    start = np.maximum.accumulate(np.where(starts, np.arange(len(values)), 0))
    return through - (through - values)[start]


def _laid_out(
    state: Mapping[str, NDArray[Any]] | NDArray[Any],
    seg: Segments,
    found: Steps,
    counts: dict[str, Ints],
) -> dict[str, Ints]:
    """Hold what was counted at the steps along the strip; before the first what was carried in."""
    marks = np.zeros(len(seg), np.bool_)
    marks[found.at] = True
    last = seg.last(marks)
    seq = state["seq"].astype(np.int64)
    since = (seq - state["gap_seq"].astype(np.int64)) & _LOW
    carried = {"gap_seq": seq - since, **{n: state[n] for n in counts}}
    laid = {}
    for name, values in {"gap_seq": found.seq, **counts}.items():
        strip = np.zeros(len(seg), np.int64)
        strip[seg.head_at] = carried[name]
        strip[found.at] = values
        laid[name] = strip[last]
    return laid
