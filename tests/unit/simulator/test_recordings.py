"""Recordings: what was put in comes out, up to the cut if there is one, and never garbage."""

import builtins
import dataclasses
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.frames import MISSING, NAMES, Digest, Frames
from simulator.recordings import layout
from simulator.recordings.layout import RecordingError, RecordingInfo
from simulator.recordings.recorded import RecordedSource
from simulator.recordings.recorder import Recorded, Recorder
from simulator.recordings.tape import TapeSource, plain_lift
from simulator.truth import LookAlike, TruthEvent
from telemetry.columns import COLUMNS
from telemetry.findings import FindingKind

START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
_WIDEST = {"flag": 2, "enum": 8, "count_flag": 1001, "floor": 256, "real": 2_000_001}


def frames_of(n: int, seed: int = 1, *, lifts: int = 7) -> Frames:
    """Return frames that tell everything there is, with holes, copies, delays and wrong clocks."""
    rng = np.random.default_rng(seed)
    time_us = START_US + np.sort(rng.integers(0, HOUR_US // 1000, n)) * 1000
    told = {}
    for column in COLUMNS[:-3]:  # the last three are never told
        values = rng.integers(0, _WIDEST.get(column.kind, 2**32), n)
        told[column.name] = np.where(rng.random(n) < 0.3, MISSING, values)
    told["height_m"] = -told["height_m"]
    told["height_m"][told["height_m"] == -MISSING] = MISSING
    frames = Frames.make(
        n,
        lift=rng.integers(0, lifts, n),
        time_us=time_us,
        device_time_us=np.where(rng.random(n) < 0.1, time_us % HOUR_US, time_us),
        seq=rng.integers(0, 2**62, n),
        arrival_us=time_us + np.where(rng.random(n) < 0.2, rng.integers(0, HOUR_US, n), 0),
        **told,
    )
    order = np.lexsort((frames["seq"], frames["lift"], frames["arrival_us"]))
    return frames.take(order)


def event(n: int, **changed) -> TruthEvent:
    made = TruthEvent(
        lift=n % 7, code=f"L{n % 7}", kind=FindingKind.ENTRAPMENT_AT_LANDING, cause="door_lock",
        onset_us=START_US + n * SECOND_US, people=2, presses=(START_US + n, START_US + n + 1),
        terminal="coupled", effects=("door", "car"),
    )  # fmt: skip
    return dataclasses.replace(made, **changed)


class Living(TapeSource):
    """A source whose truth grows and changes while it gives its frames."""

    def __init__(self, n: int = 1_000, **kind) -> None:
        lifts = 7
        rows = [plain_lift(f"L{i}", f"gw-{i // 4}", "coupled") for i in range(lifts)]
        rows[0] = dataclasses.replace(rows[0], params={"between_hold_s": 20}, rated_speed_mps=1.75)
        self.all = frames_of(n, **kind)
        super().__init__(self.all, rows, [("B1", "1", "13A", "顶")] * lifts)
        self._now_us = START_US

    @property
    def start_us(self) -> int:
        return START_US

    def arrived_until(self, t_us: int) -> Frames:
        self._now_us = max(self._now_us, t_us)
        return super().arrived_until(t_us)

    def truth(self) -> list[TruthEvent]:
        ends_us = START_US + HOUR_US // 2
        over = self._now_us > ends_us
        begun = int((self._now_us - START_US) // (60 * SECOND_US))
        events = [event(n, end_us=ends_us if over else None) for n in range(begun)]
        return [*events, *events[:1]]  # two that nothing tells apart

    def look_alikes(self) -> list[LookAlike]:
        over = self._now_us > START_US + HOUR_US
        return [LookAlike(3, "L3", "cleaner", START_US, START_US + HOUR_US if over else None)]


def record(path: Path, source: Living, step_us: int = 60 * SECOND_US, **kind) -> Path:
    info = RecordingInfo(source.start_us, 5, "a-day", "lifts = 7\n")
    with Recorder(path, source, info) as recorder:
        drawn, t_us = Recorded(source, recorder), source.start_us
        while t_us < source.end_us:
            t_us += step_us
            drawn.arrived_until(t_us)
        recorder.complete(t_us, **kind)
    return path


def read_all(source: RecordedSource, step_us: int = HOUR_US) -> Frames:
    parts, t_us = [], source.start_us
    while t_us < source.end_us:
        t_us = min(t_us + step_us, source.end_us)
        part = source.arrived_until(t_us)
        assert (part["arrival_us"] < t_us).all()
        parts.append(part)
    return Frames.concat(parts)


def assert_equal(got: Frames, want: Frames) -> None:
    for name in NAMES:
        assert np.array_equal(got[name], want[name]), name


def test_everything_comes_back(tmp_path):
    source = Living()
    digest = Digest()
    digest.update(source.all)
    path = record(tmp_path / "day.arrows", source, sha256=digest.hexdigest())
    back = RecordedSource(path)
    assert not back.truncated
    assert back.info == RecordingInfo(START_US, 5, "a-day", "lifts = 7\n")
    assert back.start_us == START_US
    assert back.end_us >= source.end_us
    assert back.registry() == source.registry()
    assert back.labels == source.labels
    assert_equal(read_all(back), source.all)
    assert back.truth() == sorted(source.truth(), key=lambda e: e.onset_us)
    assert back.look_alikes() == source.look_alikes()
    again = Digest()
    again.update(read_all(RecordedSource(path)))
    assert again.hexdigest() == back.sha256
    assert not path.with_name("day.arrows.part").exists()


@pytest.mark.parametrize("step_us", [7 * SECOND_US, 61 * SECOND_US, 10 * HOUR_US])
def test_how_time_is_cut_changes_no_frame(tmp_path, monkeypatch, step_us):
    monkeypatch.setattr("simulator.recordings.recorder.BATCH_FRAMES", 10)
    source = Living()
    path = record(tmp_path / "cut.arrows", source, step_us)
    assert_equal(read_all(RecordedSource(path), 1009 * SECOND_US), source.all)
    batches = [b for b in pa.ipc.open_stream(path.read_bytes()) if b.column("truth").null_count]
    assert max(b.column("truth").null_count for b in batches) == 10
    whole = record(tmp_path / "whole.arrows", Living(), HOUR_US)
    frames = [b.column("truth").null_count for b in pa.ipc.open_stream(whole.read_bytes())]
    assert [b.column("truth").null_count for b in batches] == [n for n in frames if n]


def test_any_arrow_reader_gets_frames_and_truth(tmp_path):
    source = Living(500)
    table = pa.ipc.open_stream(record(tmp_path / "a.arrows", source).read_bytes()).read_all()
    told = table.filter(pa.compute.is_null(table["truth"]))
    assert table.num_rows > told.num_rows == 500
    assert sorted(told["time_us"].to_pylist()) == sorted(source.all["time_us"].tolist())
    assert told["lift"].to_pylist() != source.all["lift"].tolist()  # by unit within a batch
    assert told["door"].null_count == (source.all["door"] == MISSING).sum()
    assert told["speed_mps"].type == pa.int32()
    assert table.schema.field("speed_mps").metadata[b"unit"] == b"1/1000 m/s"


class Whole(bytes):
    """A recording; too long to be printed."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    """Return a recording of several batches."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.recordings.recorder.BATCH_SPAN_US", 2**62)
        patch.setattr("simulator.recordings.recorder.BATCH_FRAMES", 100)
        return Whole(record(folder / "whole.arrows", Living(600), HOUR_US).read_bytes())


def try_to_read(path: Path, content: bytes) -> tuple[RecordedSource, Frames] | None:
    """Return what a file of this content gives; None = it was refused in one line."""
    path.write_bytes(content)
    try:
        source = RecordedSource(path)
        return source, read_all(source)
    except RecordingError as error:
        said = str(error)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert "; " in said
    return None


@given(part=st.floats(0, 1))
@settings(max_examples=100)
def test_every_cut_reads_up_to_a_whole_batch_and_says_so(tmp_path_factory, whole, part):
    want = Living(600)
    path = tmp_path_factory.mktemp("cut") / "cut.arrows"
    end = b"\xff\xff\xff\xff\0\0\0\0"  # of the stream; the recording ended before it
    read = try_to_read(path, whole[: round(part * (len(whole) - len(end) - 1))])
    if read is not None:
        source, frames = read
        assert source.truncated
        assert len(frames) % 100 == 0
        assert source.end_us == frames["arrival_us"][-1] + 1
        assert_equal(frames, want.all.take(slice(0, len(frames))))
        assert all(e.people == 2 for e in source.truth())


def test_a_cut_between_batches_is_told_from_an_end(tmp_path, whole):
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(whole))
    ends, at = [], 0
    for message in reader:
        at += message.serialize(alignment=8).size
        ends.append(at)
    for at in ends[1:-1]:
        read = try_to_read(tmp_path / "cut.arrows", whole[:at])
        assert read is not None
        assert read[0].truncated
        assert read[0].cut_at == at


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=100)
def test_a_flipped_bit_is_found_or_harms_nothing(tmp_path_factory, whole, where, bit):
    broken = bytearray(whole)
    broken[int(where * len(whole))] ^= 1 << bit
    read = try_to_read(tmp_path_factory.mktemp("flip") / "flip.arrows", bytes(broken))
    if read is not None:
        want = Living(600).all
        assert_equal(read[1], want.take(slice(0, len(read[1]))))
        assert read[0].truncated or len(read[1]) == len(want)


def test_a_run_that_dies_leaves_what_was_written(tmp_path):
    source = Living()
    path = tmp_path / "died.arrows"
    info = RecordingInfo(START_US)
    with Recorder(path, source, info) as recorder:
        recorder.add(source.arrived_until(START_US + HOUR_US // 2))
    assert not path.exists()
    left = RecordedSource(path.with_name("died.arrows.part"))
    assert left.truncated
    got = read_all(left)
    assert_equal(got, source.all.take(slice(0, len(got))))
    assert len(left.truth()) > 20
    with pytest.raises(RecordingError, match=r"did not end left died\.arrows\.part: give that"):
        RecordedSource(path)


def write_stream(path: Path, schema: pa.Schema) -> Path:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([], schema=schema))
    return path


def test_what_is_no_recording_is_one_line(tmp_path, whole):
    schema = pa.ipc.open_stream(whole).schema
    told = schema.metadata
    foreign = pa.schema([pa.field("a", pa.int8())])
    cases = {
        "is an Arrow stream of something else": foreign,
        "has format version 9": schema.with_metadata({**told, layout.VERSION_KEY: b"9"}),
        "metadata are damaged": schema.with_metadata({**told, layout.UNITS_KEY: b"[{}]"}),
        "column warmth (int8) is not known": schema.append(pa.field("warmth", pa.int8())),
        "has no column seq": schema.remove(schema.get_field_index("seq")),
        "before the first frame": schema,
    }
    for says, made in cases.items():
        with pytest.raises(RecordingError, match=re.escape(says)):
            RecordedSource(write_stream(tmp_path / "a.arrows", made))
    contents = {
        "is empty": b"",
        "is no recording": b"start_ms,end_ms,direction\n",
        "within the list of its units": whole[:1000],
        "is an Arrow file and no recording": b"ARROW1\0\0" + whole,
    }
    for says, content in contents.items():
        (tmp_path / "b.arrows").write_bytes(content)
        with pytest.raises(RecordingError, match=says):
            RecordedSource(tmp_path / "b.arrows")
    with pytest.raises(RecordingError, match=r"none\.arrows: No such file"):
        RecordedSource(tmp_path / "none.arrows")
    with pytest.raises(RecordingError, match="Is a directory"):
        RecordedSource(tmp_path)


def test_what_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(RecordingError, match="cannot be written: No such file"):
        Recorder(tmp_path / "no" / "a.arrows", Living(10), RecordingInfo(START_US))
    with Recorder(tmp_path / "a.arrows", Living(10), RecordingInfo(START_US)) as recorder:
        recorder.add(Frames.make(1, lift=0, time_us=START_US, seq=0, door=300))
        with pytest.raises(RecordingError, match="door 300, which int8 cannot hold"):
            recorder.complete(START_US)


def test_frames_out_of_order_are_a_mistake_of_the_caller(tmp_path):
    swapped = Frames.make(2, lift=0, time_us=[START_US + 1, START_US], seq=[1, 2])
    with (
        Recorder(tmp_path / "a.arrows", Living(10), RecordingInfo(START_US)) as recorder,
        pytest.raises(ValueError, match="in the order"),
    ):
        recorder.add(swapped)


def test_without_pyarrow_the_remedy_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RecordingError, match=r"pip install 'hoistway\[simulation\]'"):
        RecordedSource(tmp_path / "a.arrows")
