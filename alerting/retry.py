"""When to send again, when to hand on, when to give up, and what a reply means. Pure.

A failed attempt is repeated at once (a kept connection may just have been closed), then after 1, 2,
5, 10, 20, 30 s and then every 30 s with jitter, counted from the attempt's start, so a hanging
endpoint is not asked more rarely than a failing one. That goes on until 24 h after the alarm's end.
Jitter is drawn from message and attempt, so a restart repeats it and a test can name it.

Times are µs since epoch. What is stored and sent is decided elsewhere.
"""

import json
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

S_US: Final = 1_000_000


class AttemptResult(StrEnum):
    """How an attempt ended; also the metric label."""

    RECEIVED = "received"
    REDIRECTED = "redirected"
    """3xx: never followed, a signed alarm goes where the settings say."""
    REFUSED = "refused"
    """4xx."""
    FAILED = "failed"
    """5xx, or anything else that is no HTTP success."""
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    """No connection, a broken one, or TLS that did not agree."""


class Step(StrEnum):
    """What follows an attempt; also the metric label."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True)
class RetryParams:
    """Limits of delivery, settings of the service (defaults: DESIGN section 8).

    ``delays_s``: from the start of attempt n to the start of attempt n + 1; the last one repeats,
    with ``jitter`` (share of the delay, either way). ``attempt_us``: one attempt's time.
    ``failover_us``: without a 2xx for so long the next URL gets the message too. ``give_up_us``:
    after the alarm's end.
    """

    delays_s: tuple[float, ...] = (0, 1, 2, 5, 10, 20, 30)
    jitter: float = 0.1
    attempt_us: int = 5 * S_US
    failover_us: int = 15 * S_US
    give_up_us: int = 24 * 3600 * S_US


DEFAULTS: Final = RetryParams()


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows, and when: ``next_us`` is set for ``RETRY`` only."""

    step: Step
    next_us: int | None = None


def classify(status: int | None, error: str | None) -> AttemptResult:
    """Name the result of an attempt from its HTTP status, or from its error if there is none."""
    if status is None:
        return AttemptResult.TIMED_OUT if error == "timeout" else AttemptResult.UNREACHABLE
    if 200 <= status < 300:
        return AttemptResult.RECEIVED
    if 300 <= status < 400:
        return AttemptResult.REDIRECTED
    return AttemptResult.REFUSED if 400 <= status < 500 else AttemptResult.FAILED


def delay_us(attempt: int, key: str, params: RetryParams = DEFAULTS) -> int:
    """Return the time from the start of attempt number ``attempt`` (from 1) to the next one's."""
    if attempt <= len(params.delays_s):
        return round(params.delays_s[attempt - 1] * S_US)
    last_us = params.delays_s[-1] * S_US
    draw = zlib.crc32(f"{key}/{attempt}".encode()) / 0xFFFFFFFF  # in [0, 1]
    return round(last_us * (1 + params.jitter * (2 * draw - 1)))


def decide(
    result: AttemptResult,
    attempt: int,
    started_us: int,
    now_us: int,
    over_us: int | None,
    key: str,
    params: RetryParams = DEFAULTS,
) -> Decision:
    """Say what follows attempt number ``attempt`` (from 1).

    ``over_us`` is the later of the alarm's end and the making of the message, None while it is
    open.
    """
    if result is AttemptResult.RECEIVED:
        return Decision(Step.DELIVERED)
    if over_us is not None and now_us >= over_us + params.give_up_us:
        return Decision(Step.GIVE_UP)
    return Decision(Step.RETRY, max(now_us, started_us + delay_us(attempt, key, params)))


def accepted_by(body: bytes) -> str | None:
    """Read ``{"accepted_by": "…"}`` from a 2xx reply; None if it says nothing of the kind."""
    if not body or len(body) > 65_536:
        return None
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):  # also undecodable bytes: a reply may be anything
        return None
    name = reply.get("accepted_by") if isinstance(reply, dict) else None
    if not isinstance(name, str):
        return None
    name = "".join(c for c in name if c.isprintable()).strip()[:200]
    return name or None
