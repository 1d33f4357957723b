"""From the socket to the commit: intake, limits, time, snapshots, detectors."""

from typing import Annotated

from pydantic import Field

from service.settings.fields import MIB, Count, Seconds, Section


class IngestSettings(Section):
    """From the socket to the commit."""

    lanes: Annotated[int, Field(ge=1, le=64)] = 1
    """Writers beside each other, each with its connection and its share of the lifts. One carries
    100,000 frames/s on two cores; a second pays with more cores. Change it after a stop in order;
    after a crash the start is refused, because windows under way would be lost."""
    batch_window_ms: Annotated[int, Field(ge=0, le=1000)] = 20
    """How long a batch collects [ms]. 20: p50 32 ms and p99 38 ms at 2,000 frames/s as measured;
    longer windows cost latency, shorter ones commits."""
    batch_max_frames: Annotated[int, Field(ge=1, le=200_000)] = 8_000
    """A batch is closed at this size [frames]. The measured knee lies between 5,000 and 10,000."""
    decode_slice_frames: Count = 1_000
    """Decoded at a time before the event loop gets its turn [frames]; more blocks it noticeably."""
    tick_interval_ms: Annotated[int, Field(ge=10, le=10_000)] = 100
    """How often windows are completed without frames [ms]. Adds at most itself to the latency of a
    silent lift's alarm; a tick that yields nothing writes nothing."""
    retry_min_s: Seconds = 0.2
    """First wait before a batch is tried again [s], doubled each time."""
    retry_max_s: Seconds = 5
    """Longest wait before a batch is tried again [s]; bounds how late an outage's end shows."""
    drain_timeout_s: Seconds = 10
    """Time for flush, commit and acknowledgement after SIGTERM [s]. Container engines kill after
    10 s; what is left is still with the broker."""


class LimitSettings(Section):
    """Bounds on what gateways can send (promise 11)."""

    payload_max_bytes: Annotated[int, Field(ge=1024, le=256 * MIB)] = MIB
    """Largest payload that is decoded or kept whole [B]. The broker's message_size_limit too."""
    unconfirmed_per_gateway_max: Count = 1_000
    """Unknown lifts that one gateway may introduce [lifts]; above, too_many_unknown. A gateway
    serves tens of lifts, so a thousand is a mistake or an attack."""
    floor_labels_per_elevator_max: Annotated[int, Field(ge=1, le=256)] = 256
    """Different floor labels of one lift; more become NULL and are counted. The key is one byte."""
    event_age_max_days: Annotated[int, Field(ge=1, le=3650)] = 400
    """Oldest device time that is believed [d]: a year of buffering and some."""
    event_ahead_max_s: Seconds = 60
    """Furthest ahead of arrival that a device time is believed [s]; also the jump that opens
    a new clock run. Far above drift, far below 1970."""


class ClockSettings(Section):
    """Terminals whose clock cannot be believed."""

    runs_remembered: Annotated[int, Field(ge=1, le=64)] = 8
    """Clock offsets under which a frame is looked up before a new run begins. Covers eight restarts
    of a terminal within the broker's memory."""


class OrderSettings(Section):
    """Frames that overtake each other."""

    reorder_window_s: Annotated[float, Field(ge=0, le=60)] = 2
    """Longest wait for a missing seq, in arrival time [s]. Also how far ticks stay behind. Two
    seconds cover radio retries; in-order frames never wait."""
    unreliable_after_gaps: Count = 8
    """Gaps in a row that nothing filled, after which a lift's frames no longer wait."""
    reliable_after_frames: Count = 256
    """Frames without a gap after which earlier gaps are forgotten and frames wait again."""


class HistorySettings(Section):
    """What is news and what is past."""

    caught_up_after_s: Annotated[float, Field(ge=0, le=600)] = 2
    """Connected and reading for this long before the source can count as caught up [s]."""
    lag_shrink_s: Seconds = 5
    """A lag that shrank by more than this within lag_window_s means catching up [s]."""
    lag_window_s: Seconds = 10
    """Span over which the lag is compared, and silence after which catching up ends [s]."""
    hold_lag_s: Seconds = 120
    """The live horizon: while catching up, alarms of lifts lagging more than this wait [s]. A
    rescue is not decided on a state that is two minutes old. Raise it for simulated runs at
    N x speed."""
    dispatch_max_age_h: Annotated[float, Field(gt=0, le=720)] = 24
    """Onsets older than this are recorded as past and never dispatched [h]."""


class RegistrySettings(Section):
    """Which gateway speaks for a lift."""

    binding_moves_after_s: Seconds = 60
    """A binding by first use moves when its gateway has been silent for this long [s]. Two
    heartbeats; a registered binding only moves by a person."""


class SnapshotSettings(Section):
    """Snapshots of the state in memory, for recovery."""

    interval_s: Seconds = 10
    """Time between snapshots [s]; recovery replays at most about this much."""
    interval_frames: Count = 500_000
    """Frames between snapshots under load [frames]; about five seconds at the rated load."""


class ShadowSettings(Section):
    """Other rules beside the live ones (``hoistway shadow set``)."""

    enabled: bool = True
    """Whether this process runs the shadow that is set in the database. False: it never does, as on
    a machine whose cores are needed."""
    poll_interval_s: Seconds = 1
    """How often the shadow looks for new batches [s]. It warns nobody, so a second is soon enough
    and asks little of the database."""
    restart_max_s: Seconds = 300
    """Longest wait before a shadow that ended by itself is started again [s], doubled each time."""


class RetentionSettings(Section):
    """How long the service keeps what it would otherwise pile up for ever."""

    shadow_days: Annotated[float, Field(ge=1, le=36_500)] | None = 90
    """Findings of shadows are kept for this long after their event time [d]; a trial of other rules
    is judged within weeks. None: for ever."""
    delivery_attempts_days: Annotated[float, Field(ge=1096, le=36_500)] | None = 1100
    """Attempts to deliver are kept for this long, and as long after the end of their alarm [d];
    those of an open case always. Never less than three years, the limitation period, since they
    are evidence. None: for ever."""


class DetectSettings(Section):
    """Fleet-wide thresholds of detectors; what is registered for a lift goes before these."""

    between_landings_window_s: Annotated[float, Field(ge=0.1, le=3600)] = 30
    """Stopped outside the door zone with somebody inside, before an alarm [s] (practice: 10-60)."""
    at_landing_window_s: Annotated[float, Field(ge=0.1, le=3600)] = 60
    """Stopped at a landing behind closed doors with somebody inside [s]; longer, because a rider in
    a parked car looks the same."""
    urgent_window_s: Annotated[float, Field(ge=0.1, le=3600)] = 10
    """Either window when the button is pressed or mains is off with a person inside [s]."""
    doubtful_stop_windows: Annotated[int, Field(ge=1, le=100)] = 3
    """Windows that a car must stand which says it runs but does not move [windows]."""
    moving_speed_mps: Annotated[float, Field(ge=0.001, le=5)] = 0.05
    """From this speed on the car moves [m/s]; below lies sensor noise."""
    release_hold_s: Annotated[float, Field(ge=0, le=60)] = 1
    """How long doors must stand open in the zone to count as a release [s]; a flapping contact is
    none."""
    interruption_s: Annotated[float, Field(ge=0, le=600)] = 10
    """Longest interruption of a condition that does not restart its window [s]; a door drive gives
    up an attempt sooner."""
    class_hold_s: Annotated[float, Field(ge=0, le=600)] = 10
    """Shortest time between changes of class of an entrapment [s]: at most six updates a minute."""
    presence_stuck_openings: Annotated[int, Field(ge=1, le=200)] = 20
    """Door openings without any change after which a presence sensor counts as stuck; somebody uses
    one opening in twenty."""
