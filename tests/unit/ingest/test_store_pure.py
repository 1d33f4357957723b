"""The parts of the store that need no database: errors, named queries, packing, cleaning, times."""

import json
import math
from datetime import UTC, datetime

import asyncpg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ingest.store import errors, snapshots
from ingest.store.connect import MAX_TIME_US, MIN_TIME_US, affected, micros, moment
from ingest.store.dead_letters import clean, json_safe
from ingest.store.sql import queries


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.NumericValueOutOfRangeError("x"), errors.ContentError),
        (asyncpg.NotNullViolationError("x"), errors.ContentError),
        (asyncpg.ProgramLimitExceededError("x"), errors.ContentError),
        (asyncpg.DiskFullError("x"), errors.Unavailable),
        (asyncpg.UndefinedTableError("x"), errors.Unavailable),
        (asyncpg.DeadlockDetectedError("x"), errors.Unavailable),
        (asyncpg.ConnectionDoesNotExistError("x"), errors.Unavailable),
        (asyncpg.InterfaceError("x"), errors.Unavailable),
        (ConnectionResetError(), errors.Unavailable),
        (TimeoutError(), errors.Unavailable),
    ],
)
def test_only_classes_22_23_and_54_are_about_content(
    error: Exception, kind: type[errors.StoreError]
) -> None:
    with pytest.raises(errors.StoreError) as caught, errors.store_errors("write"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error
    assert caught.value.retryable is (kind is errors.Unavailable)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError(), errors.CommitUnknown),
        (TimeoutError(), errors.CommitUnknown),
        (asyncpg.ConnectionDoesNotExistError("x"), errors.CommitUnknown),
        (asyncpg.AdminShutdownError("x"), errors.CommitUnknown),
        (asyncpg.InterfaceError("x"), errors.CommitUnknown),
        (asyncpg.SerializationError("x"), errors.Unavailable),
        (asyncpg.ForeignKeyViolationError("x"), errors.ContentError),
    ],
)
def test_a_commit_without_an_answer_is_unknown_not_failed(
    error: Exception, kind: type[errors.StoreError]
) -> None:
    with pytest.raises(errors.StoreError) as caught, errors.commit_errors():
        raise error
    assert type(caught.value) is kind


def test_errors_of_ours_pass_the_door_unchanged() -> None:
    ours = errors.EpochLost("gone")
    with pytest.raises(errors.EpochLost) as caught, errors.store_errors("write"):
        raise ours
    assert caught.value is ours


def test_queries_have_text_and_a_description() -> None:
    assert len(queries()) > 30
    for name, text in queries().items():
        assert text, name
        assert not text.startswith("--")


@given(st.integers(MIN_TIME_US, MAX_TIME_US))
def test_times_keep_their_microseconds(time_us: int) -> None:
    assert micros(moment(time_us)) == time_us


def test_times_are_utc_and_bounded() -> None:
    assert moment(0) == datetime(1970, 1, 1, tzinfo=UTC)
    with pytest.raises(errors.ContentError):
        moment(MAX_TIME_US + 1)


@pytest.mark.parametrize(("status", "count"), [("INSERT 0 5", 5), ("UPDATE 0", 0), ("BEGIN", 0)])
def test_row_counts_come_from_the_command_status(status: str, count: int) -> None:
    assert affected(status) == count


ARRAYS = st.sampled_from(["?", "i1", "i2", "i4", "i8", "u4", "f4", "f8", ">i4"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=2, min_side=0))
)


@given(st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4))
def test_packed_arrays_come_back_as_they_were(arrays: dict[str, np.ndarray]) -> None:
    back = snapshots.unpack(snapshots.pack(arrays))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype.newbyteorder("<")
        assert back[name].flags.writeable
        np.testing.assert_array_equal(back[name], array)


def test_objects_are_not_packed() -> None:
    with pytest.raises(TypeError, match="not plain"):
        snapshots.pack({"a": np.array([object()])})


@given(st.binary(max_size=60))
def test_damaged_pieces_raise_only_value_errors(noise: bytes) -> None:
    good = snapshots.pack({"a": np.arange(3)})
    for data in (noise, good[: len(noise)], good + noise + b"x"):
        try:
            snapshots.unpack(data)
        except (ValueError, TypeError):
            continue
        assert data == good or data == snapshots.pack(snapshots.unpack(data))


def test_cleaned_text_has_nothing_that_postgres_refuses() -> None:
    assert clean("a\0b\ud800c", 99) == "a\ufffdb?c"
    assert len(clean("电" * 5000, 1024).encode()) <= 1024


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON_LIKE)
def test_details_become_json_that_jsonb_takes(value: object) -> None:
    text = json.dumps(json_safe(value), allow_nan=False)
    assert "\\u0000" not in text
    assert "\\ud8" not in text or json.loads(text) is not None


def test_details_that_are_too_much_are_described() -> None:
    nested: object = 1
    for _ in range(100):
        nested = [nested]
    assert "nested too deeply" in json.dumps(json_safe(nested))
    assert json_safe(10**5000) == "integer of 16610 bits"
    assert json_safe(math.inf) == "inf"
