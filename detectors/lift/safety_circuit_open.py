"""The safety circuit opened while the car ran (运行时安全回路断路, code 01).

Decides that a circuit opened during a run, behind closed doors, and is still open: the car stops,
and the finding lasts until the circuit is closed again. Doors that open at a landing open the
circuit of most lifts, and in inspection it is opened by hand: neither is a finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.lift.car_motion import apart, kept, known, motion
from detectors.parameters import US_PER_S, LiftParams, in_seconds
from detectors.segments import Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.columns import Mode
from telemetry.findings import FindingKind

CODE_SAFETY_CIRCUIT: Final = 1


@dataclass(frozen=True, slots=True)
class SafetyCircuitOpenParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    safety_circuit_window_us
        How long it must be open [µs].
    safety_circuit_bridge_us
        Absences shorter than this change nothing [µs].
    """

    safety_circuit_window_us: Any = field(
        default=1 * US_PER_S,
        metadata=in_seconds("safety_circuit_window_s", 0, 60, "practice: longer than a bounce"),
    )
    safety_circuit_bridge_us: Any = field(
        default=2 * US_PER_S,
        metadata=in_seconds("safety_circuit_bridge_s", 0, 600, "practice: longer than a bounce"),
    )


class SafetyCircuitOpenDetector(ConditionDetector):
    """The rule of a circuit that opens during a run."""

    name = "safety_circuit_open"
    kinds = (FindingKind.SAFETY_CIRCUIT_OPEN,)
    layout = (*WINDOW_FIELDS, Field("tripped", "?", False))  # opened during a run, open since
    params_type = SafetyCircuitOpenParams

    def judge(
        self, state: State, heard: Heard, params: SafetyCircuitOpenParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        seg, circuit = heard.segments, heard.held("safety_circuit")
        is_open, tripped = circuit == 0, np.zeros(len(seg), np.bool_)
        if is_open.any():
            runs = motion(heard).moves | (heard.held("car") == 1)
            # A circuit that opens ends the run, perhaps before the next frame.
            began = runs | (seg.rises(is_open) & seg.prior(runs))
            by_door = apart(heard) & (heard.held("zone") != 0)
            by_hand = heard.says("mode", Mode.INSPECTION)
            tripped = kept(seg, state["tripped"], is_open & began & ~by_door & ~by_hand, ~is_open)
        sensed = tri(tripped, ~known(circuit))
        code = heard.code(CODE_SAFETY_CIRCUIT)
        fault = merged(sensed, code)

        def evidence(at: Ints) -> Evidence:
            return Evidence(
                {
                    "sensed": sensed[at],
                    "code_01": code[at],
                    "circuit_open": tri(is_open[at], ~known(circuit[at])),
                },
                {
                    name: heard.held(name)[at]
                    for name in ("speed_mps", "height_m", "car", "door", "zone", "floor", "mode")
                },
                {"window_us": limit_at(params.safety_circuit_window_us, at)},
            )

        one = Judged(
            self.kinds[0],
            fault.holds,
            params.safety_circuit_window_us,
            params.safety_circuit_bridge_us,
            evidence,
            fault.confidence,
        )
        return (one,), {"tripped": tripped[seg.last_at]}
