"""When to send again, when to give up, and what a reply means (DESIGN section 8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.retry import (
    DEFAULTS,
    S_US,
    AttemptResult,
    Decision,
    RetryParams,
    Step,
    accepted_by,
    classify,
    decide,
    delay_us,
)

DAY_US = 24 * 3600 * S_US


@pytest.mark.parametrize(
    ("status", "error", "result"),
    [
        (200, None, AttemptResult.RECEIVED),
        (204, None, AttemptResult.RECEIVED),
        (299, None, AttemptResult.RECEIVED),
        (301, None, AttemptResult.REDIRECTED),
        (307, None, AttemptResult.REDIRECTED),
        (400, None, AttemptResult.REFUSED),
        (410, None, AttemptResult.REFUSED),
        (429, None, AttemptResult.REFUSED),
        (500, None, AttemptResult.FAILED),
        (503, None, AttemptResult.FAILED),
        (100, None, AttemptResult.FAILED),
        (None, "timeout", AttemptResult.TIMED_OUT),
        (None, "ConnectionRefusedError", AttemptResult.UNREACHABLE),
    ],
)
def test_anything_but_2xx_is_a_failure(
    status: int | None, error: str | None, result: AttemptResult
) -> None:
    assert classify(status, error) is result
    step = decide(result, 1, 0, 0, None, "m").step
    assert step is (Step.DELIVERED if result is AttemptResult.RECEIVED else Step.RETRY)


def test_retries_at_0_1_2_5_10_20_30_and_then_about_every_30_s() -> None:
    assert [delay_us(n, "m") / S_US for n in range(1, 8)] == [0, 1, 2, 5, 10, 20, 30]
    later = [delay_us(n, "m") / S_US for n in range(8, 200)]
    assert all(27 <= s <= 33 for s in later)
    assert len(set(later)) > 100, "with jitter"


def test_jitter_is_the_same_after_a_restart_and_differs_between_messages() -> None:
    assert delay_us(9, "m") == delay_us(9, "m")
    assert len({delay_us(9, f"m{i}") for i in range(50)}) > 40


def test_the_delay_counts_from_the_attempts_start() -> None:
    hung = decide(AttemptResult.TIMED_OUT, 4, 100 * S_US, 105 * S_US, None, "m")
    assert hung == Decision(Step.RETRY, 105 * S_US)
    quick = decide(AttemptResult.FAILED, 4, 100 * S_US, 100 * S_US + 7, None, "m")
    assert quick == Decision(Step.RETRY, 105 * S_US)


@given(attempt=st.integers(1, 10_000), start=st.integers(0, 2**60), took=st.integers(0, 5 * S_US))
def test_next_attempt_is_never_in_the_past_nor_far_away(
    attempt: int, start: int, took: int
) -> None:
    decision = decide(AttemptResult.FAILED, attempt, start, start + took, None, "m")
    assert decision.next_us is not None
    assert start + took <= decision.next_us <= start + 33 * S_US


@pytest.mark.parametrize(
    ("over_us", "now_us", "step"),
    [
        (None, 10**18, Step.RETRY),  # an open alarm is tried for ever
        (0, DAY_US - 1, Step.RETRY),
        (0, DAY_US, Step.GIVE_UP),
    ],
)
def test_giving_up_24_h_after_the_end(over_us: int | None, now_us: int, step: Step) -> None:
    assert decide(AttemptResult.FAILED, 99, now_us, now_us, over_us, "m").step is step


def test_a_2xx_after_24_h_still_counts() -> None:
    assert decide(AttemptResult.RECEIVED, 9, 0, 2 * DAY_US, 0, "m").step is Step.DELIVERED


def test_other_delays_are_settings() -> None:
    params = RetryParams(delays_s=(0.5, 4), jitter=0)
    assert [delay_us(n, "m", params) / S_US for n in (1, 2, 3, 9)] == [0.5, 4, 4, 4]
    assert DEFAULTS.attempt_us == 5 * S_US
    assert DEFAULTS.failover_us == 15 * S_US


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"accepted_by": "desk 3"}', "desk 3"),
        ('{"accepted_by": " 李 "}'.encode(), "李"),
        (b'{"accepted_by": "a\\u0000b"}', "ab"),
        (b'{"accepted_by": ""}', None),
        (b'{"accepted_by": 3}', None),
        (b'{"accepted_by": null}', None),
        (b'["accepted_by"]', None),
        (b"OK", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b'{"accepted_by": "' + b"x" * 500 + b'"}', "x" * 200),
        (b'{"accepted_by": "x", "pad": "' + b"x" * 70_000 + b'"}', None),
        (b"[" * 60_000, None),
    ],
)
def test_acceptance_in_a_reply(body: bytes, name: str | None) -> None:
    assert accepted_by(body) == name
