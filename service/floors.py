"""Which floors transitions saw. Pure.

Frames and transitions hold a floor as a key into the labels of its lift; people read the label,
which is what the car displays. What the labels are, the fleet's mirror knows.
"""

from collections.abc import Iterable

from telemetry.transitions import Transition


def seen(transitions: Iterable[Transition]) -> dict[int, list[int]]:
    """Return by lift the floor keys that its transitions saw, each once, the newest last."""
    found: dict[int, dict[int, None]] = {}
    for t in transitions:
        key = t.values.get("floor")
        if key is not None:
            keys = found.setdefault(t.elevator_id, {})
            keys.pop(int(key), None)
            keys[int(key)] = None
    return {elevator_id: list(keys) for elevator_id, keys in found.items()}
