"""Counter-based randomness: every draw is a pure function of (seed, stream, entity, index).

Philox4x32-10 (Salmon et al., SC11), vectorised over entities. There is no generator with a state,
so neither batch size nor speed nor the order in which lifts are looked at can change a draw.
Draws are integers: ranges by multiply-and-shift, distributions by inverse tables whose entries come
from ``decimal`` (correctly rounded), so they are equal on every machine.
"""

from decimal import Decimal, localcontext
from enum import IntEnum
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MULTIPLIERS: Final = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)
_MASK: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)
_ROUNDS: Final = 10
_AT_ONCE: Final = 8_192
_TABLE_BITS: Final = 12
_NORMAL_BITS: Final = 10
_FIXED_POINT_BITS: Final = 20

Words = NDArray[np.uint64]
"""32-bit random words, held in uint64 so that products do not wrap."""


class Stream(IntEnum):
    """What a draw is for. Draws of different streams are independent. Numbers never change."""

    BUILDING = 1
    LIFT = 2
    ARRIVAL = 3
    DOOR = 4
    FAULT = 5
    FAULT_DETAIL = 6
    SENSOR = 7
    ESCALATOR = 8
    CHANNEL = 16
    CHANNEL_MESSAGE = 17
    OFFLINE = 18
    CLOCK_SKEW = 19
    CLOCK_LOSS = 20
    CLOCK_STEP = 21
    GATEWAY_RESTART = 22
    SCENARIO = 32
    GEOGRAPHY = 40
    MASS = 41
    RESCUE = 42
    ESCALATOR_FAULT = 43
    SENSOR_FAULT = 70
    SENSOR_TRIP = 71
    SENSOR_DOOR = 72
    BAROMETER = 73
    ALARM_TEST = 74
    LOSS = 75


def words(
    seed: int, stream: int, entity: ArrayLike, index: ArrayLike
) -> tuple[Words, Words, Words, Words]:
    """Return four random words for each (entity, index).

    Parameters
    ----------
    seed
        0 ... 2**64 - 1.
    stream
        ``Stream``, or any 32-bit number.
    entity
        Building, lift, gateway: 0 ... 2**32 - 1, broadcast against ``index``.
    index
        Number of the draw: 0 ... 2**63 - 1.

    Returns
    -------
    tuple of four uint64 arrays
        Values 0 ... 2**32 - 1, of the broadcast shape.
    """
    counter, which = np.broadcast_arrays(np.asarray(index, "u8"), np.asarray(entity, "u8"))
    return philox(
        (counter & _MASK, counter >> _32, which & _MASK, np.full_like(which, stream)),
        (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF),
    )


def philox(
    counter: tuple[Words, Words, Words, Words], key: tuple[int, int]
) -> tuple[Words, Words, Words, Words]:
    """Apply Philox4x32-10 to counters of four words each."""
    shape = counter[0].shape
    drawn = tuple(np.array(word, "u8").reshape(-1) for word in counter)
    for begin in range(0, drawn[0].size, _AT_ONCE):
        c0, c1, c2, c3 = (word[begin : begin + _AT_ONCE] for word in drawn)
        _philox_in_place(c0, c1, c2, c3, key)
    c0, c1, c2, c3 = (word.reshape(shape) for word in drawn)
    return c0, c1, c2, c3


def _philox_in_place(c0: Words, c1: Words, c2: Words, c3: Words, key: tuple[int, int]) -> None:
    """Change words in place: what fits into the processor's cache takes a third of the time."""
    k0, k1 = key
    product0, product1 = np.empty_like(c0), np.empty_like(c0)
    for _ in range(_ROUNDS):
        np.multiply(c0, _MULTIPLIERS[0], out=product0)
        np.multiply(c2, _MULTIPLIERS[1], out=product1)
        np.right_shift(product1, _32, out=c0)
        c0 ^= c1
        c0 ^= np.uint64(k0)
        np.right_shift(product0, _32, out=c2)
        c2 ^= c3
        c2 ^= np.uint64(k1)
        np.bitwise_and(product1, _MASK, out=c1)
        np.bitwise_and(product0, _MASK, out=c3)
        k0 = (k0 + _WEYL[0]) & 0xFFFFFFFF
        k1 = (k1 + _WEYL[1]) & 0xFFFFFFFF


def between(word: Words, low: ArrayLike, high: ArrayLike) -> NDArray[np.int64]:
    """Return integers in ``[low, high]``, both inclusive; the range is at most 2**31 wide."""
    low, high = np.asarray(low, "i8"), np.asarray(high, "i8")
    span = (high - low + 1).astype("u8")
    return low + ((word * span) >> _32).astype("i8")


def chance(word: Words, ppm: ArrayLike) -> NDArray[np.bool_]:
    """Return true with a probability of ``ppm`` parts per million."""
    return ((word * np.uint64(1_000_000)) >> _32).astype("i8") < np.asarray(ppm)


def pick(word: Words, weights: ArrayLike) -> NDArray[np.int64]:
    """Return indices into ``weights`` (non-negative integers, shape (m,) or (n, m))."""
    edges = np.cumsum(np.asarray(weights, "i8"), axis=-1)
    drawn = ((word * edges[..., -1].astype("u8")) >> _32).astype("i8")
    return (drawn[..., np.newaxis] >= edges).sum(axis=-1)


def exponential(word: Words, mean: ArrayLike) -> NDArray[np.int64]:
    """Return exponentially distributed integers with the given ``mean`` (below 2**40)."""
    table = _exponential_table()
    drawn = table[(word >> np.uint64(32 - _TABLE_BITS)).astype("i8")]
    return (np.asarray(mean, "i8") * drawn) >> _FIXED_POINT_BITS


def lognormal(word: Words, median: int, sigma_pct: int) -> NDArray[np.int64]:
    """Return lognormal integers: ``median`` (below 2**38) times exp(``sigma_pct`` / 100 x normal).

    The normal is cut off at its outermost of 2**10 equal steps of probability, 3.3 sigma.
    """
    table = _lognormal_table(sigma_pct)
    drawn = table[(word >> np.uint64(32 - _NORMAL_BITS)).astype("i8")]
    return (np.asarray(median, "i8") * drawn) >> _FIXED_POINT_BITS


def normal(bits: NDArray[Any], deviation: ArrayLike) -> NDArray[np.int64]:
    """Return normally distributed integers around 0, cut off at 3.2 standard deviations.

    Parameters
    ----------
    bits
        10 random bits, 0 ... 1023.
    deviation
        Standard deviation, below 2**30.
    """
    return (_normal_table()[bits] * np.asarray(deviation, "i8") + 512) >> 10


def geometric(word: Words, mean: int, per: int = 1) -> NDArray[np.int64]:
    """Return 1, 2, 3 ... with the given mean, ``mean / per`` >= 1, cut off at 64."""
    survival = _geometric_table(mean, per)
    return 1 + len(survival) - np.searchsorted(survival, word, side="right")


@cache
def _geometric_table(mean: int, per: int) -> NDArray[np.uint64]:
    """Return P(X > k) = (1 - per/mean)^k for k = 63 ... 1, in whole 2**-32."""
    one = 1 << 32
    return np.array([one * (mean - per) ** k // mean**k for k in range(63, 0, -1)], "u8")


@cache
def _normal_table() -> NDArray[np.int64]:
    """Return 1,024 quantiles of a normal distribution, times 2**10.

    They are those of the sum of 48 dice with 16 sides each: exact integers, and nearer to the
    normal distribution than anything here can tell.
    """
    ways = [1]
    for _ in range(48):
        ways = [sum(ways[max(total - 15, 0) : total + 1]) for total in range(len(ways) + 15)]
    total, above = 16**48, np.cumsum(np.array(ways, object))
    sums = [int(np.searchsorted(above, (2 * i + 1) * total // 2048)) for i in range(1024)]
    with localcontext() as context:
        context.prec = 28
        deviation = (Decimal(48 * 255) / 12).sqrt()
        return np.array([int(Decimal(s - 360) * 1024 / deviation) for s in sums], "i8")


@cache
def _exponential_table() -> NDArray[np.int64]:
    """Return -ln(u) at the middles of 2**12 equal steps, times 2**20."""
    n = 1 << _TABLE_BITS
    with localcontext() as context:
        context.prec = 28
        scale = Decimal(1 << _FIXED_POINT_BITS)
        steps = [(Decimal(2 * i + 1) / Decimal(2 * n)).ln() for i in range(n)]
        return np.array([int((-s * scale).to_integral_value()) for s in steps], "i8")


@cache
def _lognormal_table(sigma_pct: int) -> NDArray[np.int64]:
    """Return exp(sigma z) at the normal quantiles of 2**10 equal steps, times 2**20."""
    with localcontext() as context:
        context.prec = 28
        scale = Decimal(1 << _FIXED_POINT_BITS)
        sigma = Decimal(sigma_pct) / 100
        upper = _upper_normal_quantiles(1 << (_NORMAL_BITS - 1))
        steps = [-z for z in reversed(upper)] + upper
        return np.array([int(((sigma * z).exp() * scale).to_integral_value()) for z in steps], "i8")


def _upper_normal_quantiles(n: int) -> list[Decimal]:
    """Return the quantiles at the middles of ``n`` equal steps above the median, ascending."""
    root = (2 * Decimal("3.141592653589793238462643383279503")).sqrt()
    quantiles, z = [], Decimal(0)
    for i in range(n):
        wanted = Decimal(2 * i + 1) / Decimal(4 * n)  # of probability above the median
        for _ in range(50):
            density = (-z * z / 2).exp() / root
            step = (wanted - density * _normal_series(z)) / density
            z += step
            if abs(step) < Decimal("1e-20"):
                break
        quantiles.append(z)
    return quantiles


def _normal_series(z: Decimal) -> Decimal:
    """Return z + z^3/3 + z^5/15 + ...: probability between 0 and z over the density at z."""
    term = total = z
    k = 1
    while abs(term) > Decimal("1e-24"):
        k += 2
        term = term * z * z / k
        total += term
    return total
