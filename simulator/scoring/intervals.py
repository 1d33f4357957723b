"""How far a figure can be trusted: exact intervals for proportions and rates.

- ``proportion``: Clopper and Pearson, Biometrika 26 (1934) 404, from quantiles of the beta
  distribution.
- ``poisson``: Garwood, Biometrika 28 (1936) 437, from quantiles of the gamma distribution.
- ``weighted_poisson``: Fay and Feuer, Statistics in Medicine 16 (1997) 791, for a sum of Poisson
  counts with weights. With equal weights it is Garwood's. It is conservative, and unlike the delta
  method it does not call a count of zero certain.

Quantiles are found by bisection over the incomplete beta and gamma functions (Abramowitz and
Stegun, 26.5.8 and 6.5.29 to 6.5.31), to about 1e-10.
"""

from collections.abc import Callable, Iterable
from math import exp, inf, lgamma, log
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
_STEPS: Final = 400
_TINY: Final = 1e-300
_PRECISION: Final = 1e-15


class Interval(NamedTuple):
    """Bounds of a figure, both inclusive."""

    low: float
    high: float


def proportion(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a proportion of which ``hits`` of ``n`` were seen."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else beta_quantile(tail, hits, n - hits + 1)
    high = 1.0 if hits == n else beta_quantile(1 - tail, hits + 1, n - hits)
    return Interval(low, high)


def poisson(count: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of the mean of a Poisson count."""
    return weighted_poisson([1.0] * count, 1.0, confidence)


def weighted_poisson(
    weights: Iterable[float], heaviest: float, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of the mean of a weighted sum of Poisson counts.

    Parameters
    ----------
    weights
        Weight of each event seen.
    heaviest
        Largest weight that an event could have had, seen or not.
    confidence
        Two-sided.
    """
    seen = list(weights)
    total, variance = sum(seen), sum(w * w for w in seen)
    tail = (1 - confidence) / 2
    low = 0.0
    if seen:
        low = variance / total * gamma_quantile(tail, total**2 / variance)
    total, variance = total + heaviest, variance + heaviest**2
    high = variance / total * gamma_quantile(1 - tail, total**2 / variance)
    return Interval(low, high)


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return x such that a beta variable is below it with probability ``p``."""
    return _bisect(lambda x: incomplete_beta(a, b, x), p, 0.0, 1.0)


def gamma_quantile(p: float, shape: float) -> float:
    """Return x such that a gamma variable of scale 1 is below it with probability ``p``."""
    high = shape + 1
    while incomplete_gamma(shape, high) < p:
        high *= 2
    return _bisect(lambda x: incomplete_gamma(shape, x), p, 0.0, high)


def _bisect(rising: Callable[[float], float], p: float, low: float, high: float) -> float:
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if rising(middle) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if not 0 < x < 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges fast
        return 1.0 - incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)) / a

    def term(k: int) -> tuple[float, float]:
        m, odd = divmod(k, 2)
        if k == 0:
            return 1.0, 1.0
        if odd:
            return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), 1.0
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), 1.0

    return front * _fraction(term)


def incomplete_gamma(shape: float, x: float) -> float:
    """Return the regularised lower incomplete gamma function P(shape, x)."""
    if x <= 0:
        return 0.0
    if x == inf:
        return 1.0
    front = exp(shape * log(x) - x - lgamma(shape))
    if x < shape + 1:
        term = total = 1 / shape
        for k in range(1, _STEPS * 100):
            term *= x / (shape + k)
            total += term
            if term < total * _PRECISION:
                break
        return front * total

    def fraction(k: int) -> tuple[float, float]:
        return (1.0 if k == 0 else -k * (k - shape)), x - shape + 1 + 2 * k

    return 1.0 - front * _fraction(fraction)


def _fraction(term: Callable[[int], tuple[float, float]]) -> float:
    """Return a0/(b0 + a1/(b1 + a2/(b2 + ...))) by Lentz's method; ``term(k)`` is (ak, bk)."""
    value, c, d = _TINY, _TINY, 0.0
    for k in range(_STEPS * 100):
        a, b = term(k)
        d = b + a * d
        d = 1 / (d if abs(d) > _TINY else _TINY)
        c = b + a / c
        c = c if abs(c) > _TINY else _TINY
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value
