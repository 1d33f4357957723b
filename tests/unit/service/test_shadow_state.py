"""In which state a shadow is, by its place and by what its keeper knows."""

from typing import Any

import pytest

from service.shadow.state import Kept, State, state_of

RUN = {"cleared_at": None, "cleared_by": None}
LANE = {"behind_s": 2.0, "detector_failures": 0, "last_failure": None}
BEHIND = {**LANE, "behind_s": 31.0}
FAILING = {**LANE, "detector_failures": 2, "last_failure": "overspeed on lift 3"}
WAITS = Kept(running=False, failure="ended with code 1: no memory", again_in_s=9.6)


@pytest.mark.parametrize(
    ("run", "lanes", "kept", "state", "why"),
    [
        (None, [], None, State.NONE, "no shadow is set"),
        ({"cleared_at": "then", "cleared_by": "me"}, [LANE], Kept(), State.CLEARED, "by me"),
        (RUN, [LANE], Kept(enabled=False), State.OFF, "HOISTWAY_SHADOW_ENABLED"),
        (RUN, [LANE], WAITS, State.FAILED, "ended with code 1: no memory; started again in 10 s"),
        (RUN, [LANE], Kept(running=False), State.STARTING, "being started"),
        (RUN, [], Kept(), State.STARTING, "two hours"),
        (RUN, [], None, State.STARTING, "two hours"),
        (RUN, [LANE, BEHIND], Kept(), State.BEHIND, "31 s behind"),
        (RUN, [BEHIND], None, State.BEHIND, "31 s behind"),
        (RUN, [LANE, FAILING], Kept(), State.RUNNING, "failed 2 times, last: overspeed on lift 3"),
        (RUN, [LANE], Kept(), State.RUNNING, ""),
        (RUN, [LANE], None, State.CAUGHT_UP, ""),
        (RUN, [LANE], Kept(failure="ended with code 1"), State.RUNNING, ""),
    ],
)
def test_state(run: Any, lanes: Any, kept: Kept | None, state: State, why: str) -> None:
    found = state_of(run, lanes, kept)
    assert found[0] is state
    assert why in found[1]
    assert bool(found[1]) == bool(why)
