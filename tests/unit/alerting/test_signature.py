"""Standard Webhooks signatures, checked by the reference library."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from alerting.signature import BadSecretError, Signer, Verification, parse_secret

OLD = "whsec_" + base64.b64encode(b"old key, twenty-four byte").decode()
NEW = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())


@given(body=st.text(), message_id=st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True))
def test_reference_library_verifies_what_we_sign(body: str, message_id: str) -> None:
    raw = json.dumps({"text": body}).encode()
    headers = Signer.of([NEW]).headers(message_id, now_s(), raw)
    assert Webhook(NEW).verify(raw, headers) == {"text": body}


def test_we_verify_what_the_reference_library_signs() -> None:
    at = datetime.now(UTC)
    body = '{"a": "困人"}'
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(NEW).sign("m1", at, body),
    }
    assert Signer.of([NEW]).verify(headers, body.encode(), now_s()) is Verification.OK


@pytest.mark.parametrize("receiver", [OLD, NEW])
def test_during_rotation_receivers_with_either_secret_verify(receiver: str) -> None:
    headers = Signer.of([NEW, OLD]).headers("m1", now_s(), b"{}")
    assert len(headers["webhook-signature"].split()) == 2
    assert Webhook(receiver).verify(b"{}", headers) == {}


@pytest.mark.parametrize(
    ("change", "body", "now", "verdict"),
    [
        ({}, b"{}", 1_000, Verification.OK),
        ({}, b"{ }", 1_000, Verification.NO_MATCH),
        ({"webhook-id": "m2"}, b"{}", 1_000, Verification.NO_MATCH),
        ({"webhook-timestamp": "1001"}, b"{}", 1_000, Verification.NO_MATCH),
        ({"webhook-timestamp": "soon"}, b"{}", 1_000, Verification.BAD_TIMESTAMP),
        ({"webhook-signature": "v1,äö"}, b"{}", 1_000, Verification.NO_MATCH),
        ({"webhook-signature": ""}, b"{}", 1_000, Verification.MISSING_HEADER),
        ({}, b"{}", 1_301, Verification.TOO_OLD),
        ({}, b"{}", 699, Verification.TOO_NEW),
    ],
)
def test_verdicts(change: dict[str, str], body: bytes, now: int, verdict: Verification) -> None:
    signer = Signer.of([NEW])
    headers = {**signer.headers("m1", 1_000, b"{}"), **change}
    assert signer.verify(headers, body, now) is verdict


def test_other_secret_does_not_verify() -> None:
    headers = Signer.of([NEW]).headers("m1", 1_000, b"{}")
    assert Signer.of([OLD]).verify(headers, b"{}", 1_000) is Verification.NO_MATCH


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_%%%", "whsec_c2hvcnQ=", "", "whsec_" + "A" * 100]
)
def test_bad_secret_names_the_setting_and_never_shows_the_secret(secret: str) -> None:
    with pytest.raises(BadSecretError, match="HOISTWAY_DISPATCH_SECRET") as caught:
        parse_secret(secret)
    assert not secret.removeprefix("whsec_") or secret not in str(caught.value)


def test_no_secret_at_all_names_the_setting() -> None:
    with pytest.raises(BadSecretError, match="HOISTWAY_DISPATCH_SECRET"):
        Signer.of([])
