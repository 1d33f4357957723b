"""The MQTT topic grammar of wire v1: build and parse.

Gateway names and elevator codes are percent-encoded, so any printable code is one topic level.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote

PREFIX: Final = "hoistway/v1"
FRAMES_FILTER: Final = f"{PREFIX}/+/frames"
STATUS_FILTER: Final = f"{PREFIX}/+/status"


class TopicKind(StrEnum):
    """What a topic carries."""

    FRAMES = "frames"
    STATUS = "status"
    RESCUE = "rescue"


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic. ``elevator`` is set for the rescue downlink only."""

    kind: TopicKind
    gateway: str
    elevator: str | None = None


def frames_topic(gateway: str) -> str:
    """Return the topic on which ``gateway`` publishes frames (QoS 1)."""
    return f"{PREFIX}/{encode(gateway)}/frames"


def status_topic(gateway: str) -> str:
    """Return the topic of the retained status and last will of ``gateway``."""
    return f"{PREFIX}/{encode(gateway)}/status"


def rescue_topic(gateway: str, elevator: str) -> str:
    """Return the retained downlink topic for the car display of ``elevator``."""
    return f"{PREFIX}/{encode(gateway)}/rescue/{encode(elevator)}"


def encode(name: str) -> str:
    """Percent-encode a gateway name or elevator code into one topic level."""
    return quote(name, safe="")


def parse(topic: str) -> Topic | None:
    """Read a topic; ``None`` if it is not one of wire v1."""
    match topic.split("/"):
        case ["hoistway", "v1", gateway, ("frames" | "status") as kind] if gateway:
            name = _decode(gateway)
            return Topic(TopicKind(kind), name) if name else None
        case ["hoistway", "v1", gateway, "rescue", elevator] if gateway and elevator:
            name, code = _decode(gateway), _decode(elevator)
            return Topic(TopicKind.RESCUE, name, code) if name and code else None
        case _:
            return None


def _decode(level: str) -> str | None:
    try:
        return unquote(level, errors="strict")
    except UnicodeDecodeError:
        return None
