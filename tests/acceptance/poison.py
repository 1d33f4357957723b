"""Ten thousand bad payloads, seeded, each with what must become of it.

Every payload says how many frames of it are stored and which reasons the others get, written from
the wire's description and not computed by the decoder. No two payloads are equal.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from service.soak.accounts import SentKey
from telemetry.topics import frames_topic

LARGEST = 1 << 20
"""What the broker takes, in bytes."""
NOT_DECODABLE, BAD_VERSION, NOT_AN_OBJECT = "not_decodable", "bad_version", "not_an_object"
BAD_ELEVATOR, BAD_TIME, BAD_SEQ, BAD_TOPIC = "bad_elevator", "bad_time", "bad_seq", "bad_topic"


@dataclass(frozen=True, slots=True)
class Poison:
    """One payload and its fate."""

    topic: str
    payload: bytes
    rejected: Mapping[str, int] = field(default_factory=dict)
    stored: Sequence[SentKey] = ()
    flawed: int = 0
    """Fields that become unknown in frames that are stored."""


class Poisoner:
    """Draws poison for these gateways; frames in it that are good are of lifts of its own."""

    def __init__(self, gateways: Sequence[str], start_us: int, seed: int) -> None:
        self._gateways = gateways
        self._start_us = start_us
        self._random = random.Random(seed)
        self._seqs: Counter[str] = Counter()
        self._made = 0

    def draw(self, count: int) -> Iterator[Poison]:
        """Give ``count`` bad payloads of all kinds; every thousandth is huge."""
        for n in range(count):
            self._made += 1
            huge = n % 1000 == 999
            make = self._random.choice(_HUGE if huge else _SMALL)
            yield make(self, self._random.choice(self._gateways))

    # --- parts ----------------------------------------------------------------------------------

    def frame(self, gateway: str) -> dict[str, Any]:
        """Return a good frame of the gateway's own lift."""
        code = f"P-{gateway}"
        self._seqs[code] += 1
        time_ms = self._start_us // 1000 + self._seqs[code]
        return {"elevator": code, "seq": self._seqs[code], "time": time_ms, "mode": 1, "zone": True,
                "door": 1, "passenger": False, "car": False}  # fmt: skip

    def key_of(self, frame: Mapping[str, Any]) -> SentKey:
        """Return the key under which a good frame is stored."""
        return SentKey(frame["elevator"], frame["time"] * 1000, frame["seq"])

    def encoded(self, tree: Any) -> bytes:
        """Return JSON or MessagePack."""
        if self._random.random() < 0.5:
            return msgspec.msgpack.encode(tree)
        return json.dumps(tree).encode()

    def marked(self, frame: Mapping[str, Any], **wrong: Any) -> dict[str, Any]:
        """Return a frame that no other payload holds, with something wrong."""
        return {**frame, "note": self._made, **wrong}

    # --- kinds ----------------------------------------------------------------------------------

    def random_bytes(self, gateway: str) -> Poison:
        first = self._random.choice((b"{", b"[", b"\xc1", b'"', b"\xff\xd8"))
        content = first + self._random.randbytes(self._random.randint(16, 400))
        return Poison(frames_topic(gateway), content, {NOT_DECODABLE: 1})

    def malformed(self, gateway: str) -> Poison:
        text = json.dumps(self.marked({"elevator": "x", "seq": 1, "time": 1}))
        breaks: tuple[Callable[[str], str], ...] = (
            lambda t: t + "}",
            lambda t: t.replace(":", "=", 1),
            lambda t: t.replace('"', "'"),
            lambda t: t[:-1] + ",}",
            lambda t: t.replace("{", "{{", 1),
            lambda t: t + t,
            lambda t: "[" + t,
            lambda t: t.replace('"x"', '"\\ud8"'),
            lambda t: "\ufeff" + t,
        )
        return Poison(
            frames_topic(gateway), self._random.choice(breaks)(text).encode(), {NOT_DECODABLE: 1}
        )

    def truncated(self, gateway: str) -> Poison:
        whole = self.encoded([self.marked(self.frame("nobody")) for _ in range(3)])
        cut = whole[: self._random.randint(1, len(whole) - 1)]
        return Poison(frames_topic(gateway), cut + b"", {NOT_DECODABLE: 1})

    def bad_key_field(self, gateway: str) -> Poison:
        name = self._random.choice(("elevator", "time", "seq"))
        values, reason = _BAD_VALUES[name]
        frame = {"elevator": "x", "seq": 1, "time": 1_790_000_000_000}
        wrong = self.marked(frame, **{name: self._random.choice(values)})
        if self._random.random() < 0.2:
            del wrong[name]
        return Poison(frames_topic(gateway), self.encoded(wrong), {reason: 1})

    def wrong_version(self, gateway: str) -> Poison:
        version = self._random.choice((0, 2, 99, -1, "1", None, 1.5, []))
        tree = {"v": version, "frames": [self.frame("nobody")], "note": self._made}
        return Poison(frames_topic(gateway), self.encoded(tree), {BAD_VERSION: 1})

    def no_object(self, gateway: str) -> Poison:
        scrap = [self._made, "text", None, True, [], 1.5, "\x00"]
        self._random.shuffle(scrap)
        return Poison(frames_topic(gateway), self.encoded(scrap), {NOT_AN_OBJECT: len(scrap)})

    def bad_among_good(self, gateway: str) -> Poison:
        good = [self.frame(gateway) for _ in range(2)]
        bad = self.marked({"elevator": "x", "seq": "one", "time": 1_790_000_000_000})
        content = self.encoded([good[0], bad, good[1]])
        stored = [self.key_of(frame) for frame in good]
        return Poison(frames_topic(gateway), content, {BAD_SEQ: 1}, stored)

    def bad_fields(self, gateway: str) -> Poison:
        name, value = self._random.choice(
            (
                ("speed", "fast"), ("speed", 1e300), ("mode", 1000), ("door", -5), ("door", {}),
                ("zone", "perhaps"), ("floor", ["1"]), ("passenger", 99_999),
                ("power", "steam"), ("codes", "04"), ("load", [1]), ("button", 7),
            )
        )  # fmt: skip
        frame = self.frame(gateway)
        content = self.encoded({**frame, name: value})
        return Poison(frames_topic(gateway), content, stored=[self.key_of(frame)], flawed=1)

    def nul_in_floor(self, gateway: str) -> Poison:
        frame = self.frame(gateway)
        content = self.encoded({**frame, "floor": f"{self._made}\x00"})
        return Poison(frames_topic(gateway), content, stored=[self.key_of(frame)])

    def bad_topic(self, gateway: str) -> Poison:
        name = self._random.choice(("%00", "a%00b", "%ff", "%0a", "x" * 129))
        content = self.encoded(self.marked(self.frame("nobody")))
        return Poison(f"hoistway/v1/{name}/frames", content, {BAD_TOPIC: 1})

    # --- huge -----------------------------------------------------------------------------------

    def huge_text(self, gateway: str) -> Poison:
        frame = self.marked({"elevator": "", "seq": 1, "time": 1})
        frame["elevator"] = "x" * (LARGEST - len(json.dumps(frame)))
        return Poison(frames_topic(gateway), json.dumps(frame).encode(), {BAD_ELEVATOR: 1})

    def huge_noise(self, gateway: str) -> Poison:
        return Poison(
            frames_topic(gateway), b"{" + self._random.randbytes(LARGEST - 1), {NOT_DECODABLE: 1}
        )

    def deep(self, gateway: str) -> Poison:
        opened = b'{"elevator":' * self._random.randint(70_000, 80_000)
        return Poison(frames_topic(gateway), opened, {NOT_DECODABLE: 1})

    def many_bad(self, gateway: str) -> Poison:
        count = self._random.randint(2_000, 4_000)
        return Poison(
            frames_topic(gateway), self.encoded([self._made] * count), {NOT_AN_OBJECT: count}
        )

    def huge_unknown_key(self, gateway: str) -> Poison:
        frame = self.frame(gateway)
        content = json.dumps({**frame, "k" * 900_000: self._made}).encode()
        return Poison(frames_topic(gateway), content, stored=[self.key_of(frame)])


_BAD_VALUES: Mapping[str, tuple[Sequence[Any], str]] = {
    "elevator": ((5, [], None, {}, True, "", "x" * 65, "a\x00b", "\n", 1.5), BAD_ELEVATOR),
    "time": (("yesterday", "2026-11-22T08:15:30", None, [], {}, "", 1.5, "\x00"), BAD_TIME),
    "seq": ((-1, 2**63, 1.5, "7", None, [], {}, "\x00"), BAD_SEQ),
}
_SMALL = (
    Poisoner.random_bytes,
    Poisoner.malformed,
    Poisoner.truncated,
    Poisoner.bad_key_field,
    Poisoner.wrong_version,
    Poisoner.no_object,
    Poisoner.bad_among_good,
    Poisoner.bad_fields,
    Poisoner.nul_in_floor,
    Poisoner.bad_topic,
)
_HUGE = (
    Poisoner.huge_text,
    Poisoner.huge_noise,
    Poisoner.deep,
    Poisoner.many_bad,
    Poisoner.huge_unknown_key,
)
