"""Promise 9, by type: nothing groups, throttles, mutes or delays an entrapment or a press."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import lifecycle
from alerting.alarm import Elevator, MessageType
from alerting.announce import AnnounceSettings
from alerting.changes import LifecycleParams
from alerting.dispatcher import DispatchSettings
from alerting.history import Context
from alerting.message import TextParams
from alerting.retry import RetryParams
from alerting.store import StoreSettings
from telemetry.findings import FINDINGS, Confidence, FindingKind
from tests.fakes.alerting_values import RAISED, T0, S, transition

LIFE_SAFETY = [f.kind for f in FINDINGS.values() if f.life_safety]
FORBIDDEN = (
    "group",
    "throttle",
    "shelv",
    "shelf",
    "mute",
    "silence",
    "suppress",
    "cooldown",
    "debounce",
)


def test_entrapments_and_the_button_are_life_safety() -> None:
    assert set(LIFE_SAFETY) == {
        FindingKind.ENTRAPMENT_BETWEEN_LANDINGS,
        FindingKind.ENTRAPMENT_AT_LANDING,
        FindingKind.ALARM_BUTTON,
    }


@pytest.mark.parametrize("kind", LIFE_SAFETY)
@given(
    lag_s=st.one_of(st.none(), st.integers(0, 80_000)),
    age_s=st.integers(0, 86_399),
    confidence=st.sampled_from(Confidence),
    confirmed=st.booleans(),
)
def test_every_raise_of_a_lift_that_is_not_holding_is_told_in_the_same_fold(
    kind: FindingKind, lag_s: int | None, age_s: int, confidence: Confidence, confirmed: bool
) -> None:
    t = transition(RAISED, 0, kind=kind, confidence=confidence)
    context = {7: Context(lag_us=None if lag_s is None else lag_s * S)}
    lifts = {7: Elevator(id=7, code="L", confirmed=confirmed)}
    now_us = T0 + age_s * S
    changes = lifecycle.fold([], [t], lifts, context, now_us)
    (message,) = changes.messages
    assert message.type is MessageType.RAISED
    assert message.at_us == now_us


@pytest.mark.parametrize("kind", LIFE_SAFETY)
def test_a_district_without_power_is_one_message_a_lift(kind: FindingKind) -> None:
    n = 5_000
    lifts = {i: Elevator(id=i, code=f"L{i}") for i in range(n)}
    raises = [transition(RAISED, 0, kind=kind, lift=i) for i in range(n)]
    changes = lifecycle.fold([], raises, lifts, {}, T0)
    assert len({m.id for m in changes.messages}) == n
    assert {m.alarm.elevator_id for m in changes.messages} == set(range(n))


def test_no_setting_could_group_throttle_or_mute() -> None:
    settings = (
        LifecycleParams,
        RetryParams,
        StoreSettings,
        DispatchSettings,
        AnnounceSettings,
        TextParams,
    )
    names = [f.name for s in settings for f in dataclasses.fields(s)]
    assert not [n for n in names if any(word in n for word in FORBIDDEN)]
