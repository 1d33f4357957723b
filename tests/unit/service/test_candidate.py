"""Files of parameters that are tried out: what is wrong with one is said at once, and all of it."""

import pytest

from service.backtest.candidate import CandidateError, read_params


def test_a_file_of_parameters_is_read(tmp_path):
    path = tmp_path / "new.toml"
    path.write_text("between_landings_window_s = 25\n")
    assert read_params(path) == {"between_landings_window_s": 25}


def test_every_wrong_key_of_a_file_is_named(tmp_path):
    path = tmp_path / "new.toml"
    path.write_text("odd_s = 1\nurgent_window_s = -1\nat_landing_window_s = true\n")
    with pytest.raises(CandidateError) as refused:
        read_params(path)
    for says in ("new.toml: ", "odd_s is no parameter", "urgent_window_s must lie between"):
        assert says in str(refused.value)
    assert "at_landing_window_s must be a number" in str(refused.value)
