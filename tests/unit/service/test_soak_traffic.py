"""What the traffic of soaks counts."""

from service.soak.traffic import broken_in
from simulator.network.messages import FrameKey, Message

KEY = FrameKey("A", 1, 2)


def test_broken_payloads_that_are_alike_are_one_dead_letter():
    """Two that were cut after the same few bytes cannot be told apart, and are stored once."""
    sent = [
        Message("a", b"{", 1, ()),
        Message("a", b"{", 2, ()),
        Message("b", b"{", 2, ()),
        Message("a", b'{"e', 3, ()),
        Message("a", b"{}", 4, (KEY,)),
    ]
    assert broken_in(sent) == {("a", b"{"), ("b", b"{"), ("a", b'{"e')}
