"""What is in force for a lift: lift > registered speed > model > fleet > settings > default."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bank import BANK
from ingest.store.parameters import ParameterChange, Scope
from service.parameters import KNOWN, Book, Known, ParametersRefusedError, Wanted, problem_of
from service.parameters.known import known_of
from service.parameters.store import check

KEYS = ("a_s", "b_s", "rated_speed_mps")
SPECS = {
    key: Known(key, None if key == "rated_speed_mps" else 30, 1, 100, key == "b_s", "practice", ())
    for key in KEYS
}
PARAMS = st.dictionaries(st.sampled_from(KEYS), st.integers(1, 100), max_size=3)
MODELS = st.sampled_from([None, "M", "N"])
LIFTS = range(1, 4)


def change(version: int, scope: Scope, params: dict, subject: str = "", **more) -> ParameterChange:
    lift = int(subject) if scope is Scope.LIFT else None
    after = {"params": params, **({"model": None, "rated_speed_mps": None} if lift else {}), **more}
    return ParameterChange(version, scope, subject, lift, {"params": {}}, after)


@st.composite
def histories(draw) -> list[ParameterChange]:
    made = []
    for version in range(1, draw(st.integers(0, 12)) + 1):
        scope = draw(st.sampled_from(Scope))
        params = draw(PARAMS)
        if scope is Scope.LIFT:
            lift = str(draw(st.sampled_from(LIFTS)))
            rated = draw(st.sampled_from([None, 1, 2]))
            made.append(change(version, scope, params, lift, model=draw(MODELS),
                               rated_speed_mps=rated))  # fmt: skip
        else:
            subject = draw(st.sampled_from(["M", "N"])) if scope is Scope.MODEL else ""
            made.append(change(version, scope, params, subject))
    return made


def expected(history: list[ParameterChange], lift: int) -> tuple[dict, int]:
    """Say the same slowly: the newest of each subject, one after the other."""
    newest = {(c.scope, c.subject): c for c in history}
    own = newest.get((Scope.LIFT, str(lift)))
    model = own.after["model"] if own else None
    layers = [newest.get((Scope.INSTALLATION, "")), newest.get((Scope.FLEET, ""))]
    layers.append(newest.get((Scope.MODEL, model)) if model else None)
    values = {}
    for layer in layers:
        values |= layer.after["params"] if layer else {}
    if own:
        rated = own.after["rated_speed_mps"]
        values |= {"rated_speed_mps": rated} if rated is not None else {}
        values |= own.after["params"]
    return values, max([c.version for c in (*layers, own) if c], default=0)


@given(history=histories(), cut=st.integers(0, 12))
def test_precedence_and_version_are_those_of_the_newest_of_each_scope(history, cut) -> None:
    book = Book(SPECS)
    book.take(history[:cut])
    book.take(history[cut:])
    for lift in LIFTS:
        values, version = expected(history, lift)
        assert book.overrides(lift) == values
        assert book.version_of(lift) == version
        explained = book.explained(lift)
        assert {k: o.value for k, o in explained.items() if o.comes_from != "default"} == values
        assert max((o.version for o in explained.values()), default=0) <= version
    assert book.version == len(history)
    together = {i: e.overrides for e in book.effective(list(LIFTS)) for i in e.elevator_ids}
    assert together == {lift: expected(history, lift)[0] for lift in LIFTS}


@given(history=histories(), version=st.integers(0, 12))
def test_the_state_at_a_version_is_the_newest_change_of_every_subject(history, version) -> None:
    step_by_step, at_once = Book(SPECS), Book(SPECS)
    upto = history[:version]
    step_by_step.take(upto)
    at_once.take({(c.scope, c.subject): c for c in upto}.values())
    for lift in LIFTS:
        assert step_by_step.overrides(lift) == at_once.overrides(lift)
        assert step_by_step.version_of(lift) == at_once.version_of(lift)


@given(history=histories())
def test_whom_a_change_concerns(history) -> None:
    book = Book(SPECS)
    for one in history:
        before = {lift: book.version_of(lift) for lift in LIFTS}
        touched = book.take([one])
        concerned = set(LIFTS) if touched.everybody else set(touched.elevator_ids)
        concerned |= set(book.of_models(touched.models))
        moved = {lift for lift in LIFTS if book.version_of(lift) != before[lift]}
        assert moved == concerned


def test_what_no_detector_takes_any_more_is_left_out_and_named() -> None:
    book = Book(SPECS)
    book.take([change(1, Scope.FLEET, {"gone_s": 3, "a_s": 1000, "b_s": 2})])
    assert book.overrides(1) == {"b_s": 2}
    assert set(book.ignored) == {"fleet gone_s", "fleet a_s"}
    book.take([change(2, Scope.FLEET, {"a_s": 10})])
    assert "fleet a_s" not in book.ignored
    book.take([change(3, Scope.LIFT, {}, "1", rated_speed_mps=1000)])
    assert book.overrides(1) == {"a_s": 10}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("a_s", 0.5, "lift X: a_s must lie between 1 and 100, not 0.5"),
        ("a_s", "30", "lift X: a_s must be a number"),
        ("a_s", True, "lift X: a_s must be a number"),
        ("b_s", 2.5, "lift X: b_s must be a whole number, not 2.5"),
        (
            "c_s",
            2,
            "lift X: c_s is no parameter; did you mean b_s? `hoistway parameters show --all`",
        ),
        ("odd", 2, "lift X: odd is no parameter; `hoistway parameters show --all` and"),
        ("c_s", None, "lift X: c_s is no parameter"),
    ],
)
def test_a_refusal_names_scope_key_and_range(key, value, says) -> None:
    with pytest.raises(ParametersRefusedError, match=r"lift X") as caught:
        check(Wanted(Scope.LIFT, "X", {"a_s": 5, key: value}), SPECS)
    assert says in str(caught.value)


def test_a_key_may_be_taken_back_whatever_its_range() -> None:
    check(Wanted(Scope.FLEET, "", {"a_s": None}), SPECS)


def test_detectors_that_share_a_key_share_its_default() -> None:
    for one in BANK:
        for key, spec in known_of([one]).items():
            assert spec.default == KNOWN[key].default, (one.name, key)
            assert spec.whole == KNOWN[key].whole, (one.name, key)


def test_every_default_of_the_bank_lies_in_its_range_and_has_a_source() -> None:
    for key, spec in KNOWN.items():
        assert spec.source, key
        assert spec.detectors, key
        assert spec.default is None or problem_of(key, spec.default) is None, key
