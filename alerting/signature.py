"""Standard Webhooks signatures: sign and verify, with two secrets while a secret is rotated.

``webhook-signature`` holds one ``v1,<base64>`` per secret, newest first, over
``<webhook-id>.<webhook-timestamp>.<body>`` with HMAC-SHA256. Pure: the time is a value.

Invariant: signature and body are made of the same bytes; whoever sends must send those bytes.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "whsec_"
MIN_KEY_BYTES: Final = 24
"""Standard Webhooks asks for 24 to 64 bytes."""
MAX_KEY_BYTES: Final = 64
TOLERANCE_S: Final = 300
"""How far a timestamp may be from the receiver's clock (Standard Webhooks: 5 min)."""


class BadSecretError(ValueError):
    """A dispatch secret that cannot be used; the text says what to do."""


class Verification(StrEnum):
    """What a receiver finds out about a request."""

    OK = "ok"
    MISSING_HEADER = "missing_header"
    BAD_TIMESTAMP = "bad_timestamp"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    NO_MATCH = "no_match"


@dataclass(frozen=True, slots=True)
class Signer:
    """Keys in use, the newest first; two while one replaces the other."""

    keys: tuple[bytes, ...]

    @classmethod
    def of(cls, secrets: Sequence[str]) -> "Signer":
        """Read ``whsec_…`` secrets."""
        if not secrets:
            raise BadSecretError("no dispatch secret is set: HOISTWAY_DISPATCH_SECRET=whsec_…")
        return cls(tuple(parse_secret(s) for s in secrets))

    def headers(self, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
        """Return the three Standard Webhooks headers of one attempt."""
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": " ".join(
                _signature(key, message_id, str(timestamp_s), body) for key in self.keys
            ),
        }

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Verification:
        """Tell whether a request was signed with one of the keys, within the tolerance."""
        message_id = headers.get("webhook-id")
        timestamp = headers.get("webhook-timestamp")
        signatures = headers.get("webhook-signature")
        if not message_id or not timestamp or not signatures:
            return Verification.MISSING_HEADER
        if not timestamp.isascii() or not timestamp.isdigit():
            return Verification.BAD_TIMESTAMP
        if int(timestamp) < now_s - TOLERANCE_S:
            return Verification.TOO_OLD
        if int(timestamp) > now_s + TOLERANCE_S:
            return Verification.TOO_NEW
        wanted = [_signature(key, message_id, timestamp, body) for key in self.keys]
        given = signatures.split()
        matches = [
            hmac.compare_digest(w.encode(), g.encode(errors="replace"))
            for w in wanted
            for g in given
        ]
        return Verification.OK if any(matches) else Verification.NO_MATCH


def parse_secret(secret: str) -> bytes:
    """Return the key of a ``whsec_`` secret; the error never shows the secret."""
    text = secret.strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSecretError(
            "HOISTWAY_DISPATCH_SECRET is not `whsec_` followed by base64"
        ) from error
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise BadSecretError(
            f"HOISTWAY_DISPATCH_SECRET holds {len(key)} bytes, it needs {MIN_KEY_BYTES} to"
            f" {MAX_KEY_BYTES}: make one with `openssl rand -base64 32` behind `whsec_`"
        )
    return key


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
