"""Wire v1: frames to bytes and back. Encode and decode stand side by side.

``decode`` never raises: whatever cannot be read becomes a counted reject with its reason. Strict,
typed decoding is tried first for the whole payload; only after a failure is each frame, and in it
each field, read on its own (``lenient``).
"""

from telemetry.wire.decode import decode, decode_many, element
from telemetry.wire.decoded import Decoded, FieldReject, Reject, RejectReason
from telemetry.wire.encode import WireFrame, encode_json, encode_msgpack

__all__ = [
    "Decoded",
    "FieldReject",
    "Reject",
    "RejectReason",
    "WireFrame",
    "decode",
    "decode_many",
    "element",
    "encode_json",
    "encode_msgpack",
]
