"""Ten thousand bad payloads among good ones: nothing raises, everything is accounted for."""

import json
import math
import random
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import decode, join, slices
from ingest.source import MAX_RAW_BYTES, Message
from telemetry.columns import WIRE_KEYS
from tests.unit.ingest.test_decode import TOPIC, check_accounts

SEED = 20_261_122
NASTY: list[Any] = [
    None, True, -1, 2**63, 2**70, -(2**70), 1e308, -0.0, math.nan, math.inf, "", "\x00", "\ud800",
    "x" * 5_000, "电梯", [], {}, [[]], {"": {}}, [1] * 300, b"\xff\x00", "2026-11-22T08:15:60Z",
    "2026-13-41T99:99:99Z", "0000-00-00T00:00:00Z",
]  # fmt: skip


def good(seq: int) -> bytes:
    return msgspec.json.encode({"elevator": "lift", "time": 1_795_320_000_000 + seq, "seq": seq})


def mangled(rng: random.Random) -> bytes:
    """Return one bad, odd or huge payload."""
    return rng.choice(KINDS)(rng)


def _any_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 2, 7, 40, 400]))


def _truncated(rng: random.Random) -> bytes:
    whole = _encoded(rng, [_frame(rng) for _ in range(rng.randint(1, 4))])
    return whole[: rng.randint(0, max(0, len(whole) - 1))]


def _flipped(rng: random.Random) -> bytes:
    data = bytearray(_encoded(rng, [_frame(rng)]))
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _wrong_types(rng: random.Random) -> bytes:
    told = _frame(rng)
    for key in rng.sample(["elevator", "time", "seq", *WIRE_KEYS, "", "odd\x00key"], 6):
        told[key] = rng.choice(NASTY)
    return _encoded(rng, told if rng.random() < 0.5 else [told, _frame(rng)])


def _wrong_version(rng: random.Random) -> bytes:
    version = rng.choice([0, 2, -1, "1", None, True, 1.5, [], 10**30])
    return _encoded(rng, {"v": version, "frames": [_frame(rng)]})


def _nested(rng: random.Random) -> bytes:
    depth = rng.choice([10, 2_000, 100_000])
    return rng.choice([b"[", b'{"frames":', b"\x91", b"\x81\xa1a"]) * depth


def _huge(rng: random.Random) -> bytes:
    filler = "y" * rng.choice([100_000, MAX_RAW_BYTES])
    return _encoded(rng, {**_frame(rng), rng.choice(["floor", "elevator", "note"]): filler})


def _numbers(rng: random.Random) -> bytes:
    digits = b"9" * rng.choice([19, 400, 5_000])
    return b'{"elevator":"l","time":' + digits + b',"seq":' + digits + b"}"


def _prefixed(rng: random.Random) -> bytes:
    prefix = rng.choice(
        [b"\xef\xbb\xbf", b"\x00", b" \n", b")]}'", b"\xc1", b"\xdf\xff\xff\xff\xff"]
    )
    return prefix + _encoded(rng, _frame(rng))


KINDS: list[Callable[[random.Random], bytes]] = [
    _any_bytes, _truncated, _flipped, _wrong_types, _wrong_version, _numbers, _prefixed,
]  # fmt: skip


def _frame(rng: random.Random) -> dict[str, Any]:
    return {"elevator": "lift", "time": 1_795_320_000_000, "seq": rng.randrange(2**40), "door": 2}


def _encoded(rng: random.Random, value: Any) -> bytes:
    if rng.random() < 0.5:
        return json.dumps(value, default=repr).encode("utf-8", "surrogatepass")
    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, UnicodeEncodeError, msgspec.MsgspecError):
        return json.dumps(value, default=repr).encode("utf-8", "surrogatepass")


def test_ten_thousand_bad_payloads_are_all_accounted_for() -> None:
    rng = random.Random(SEED)
    bad = [mangled(rng) for _ in range(9_970)]
    bad += [_nested(rng) for _ in range(20)] + [_huge(rng) for _ in range(10)]
    payloads = [(payload, False) for payload in bad] + [(good(seq), True) for seq in range(2_000)]
    rng.shuffle(payloads)
    messages = [Message(TOPIC, payload, 1) for payload, _ in payloads]
    batch = join([decode(part) for part in slices(messages)])
    check_accounts(batch)
    stored = set(batch.decoded.columns["message"].tolist())
    accounted = stored | {r.message for r in batch.decoded.rejects}
    for position, (payload, is_good) in enumerate(payloads):
        assert not is_good or position in stored
        assert position in accounted or _holds_no_frames(payload)
    frames = [letter for letter in batch.letters if letter.cls == "frame"]
    assert len(frames) == batch.rejected
    assert all(letter.reason and len(letter.raw) <= MAX_RAW_BYTES for letter in batch.letters)
    for letter in batch.letters:
        json.dumps(dict(letter.detail)).encode()
        assert "\x00" not in letter.topic + letter.key + json.dumps(dict(letter.detail))


def _holds_no_frames(payload: bytes) -> bool:
    """Tell whether a payload is an empty array or envelope, alone of all without a count."""
    try:
        told = msgspec.json.decode(payload)
    except msgspec.MsgspecError:
        told = msgspec.msgpack.decode(payload)
    return told == [] or (isinstance(told, dict) and told.get("frames") == [])


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes(payloads: list[bytes]) -> None:
    batch = decode([Message(TOPIC, payload, 1) for payload in payloads])
    check_accounts(batch)
    held = set(batch.decoded.columns["message"].tolist())
    held |= {reject.message for reject in batch.decoded.rejects}
    assert all(i in held or _holds_no_frames(p) for i, p in enumerate(payloads))


@given(st.text(max_size=60), st.binary(max_size=60))
def test_any_topic(topic: str, payload: bytes) -> None:
    batch = decode([Message(topic, payload, 1), Message(f"hoistway/v1/{topic}/frames", payload, 1)])
    check_accounts(batch)
