"""How mutation testing tries a changed module: in a fork, cheapest and likeliest test first.

A child is forked from a process that has imported everything but the detectors and the tests, puts
the changed module in place of the one on the disk, imports, and judges in stages until something
fails: the battery's comparisons with the oracle; the unit tests that import the module, then those
that name its detectors or their findings; the rest of the battery on a few seeds. Battery functions
are called as they are, without pytest. Stories hear the module's detectors alone; those that want
others as well, and so fail without any change, are left out. For a module that more than
``SHARED_BY`` detectors use, that many of them stand for all; what these do not notice is shown to
the oracles of the others, on a few seeds, and at last to all stories, heard by the whole bank.
"""

import ast
import importlib
import inspect
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from types import ModuleType

from bench._mutations import ROOT, RULES, Loader, Mutant, changed, dotted, file_of

BATTERY = "tests.contract.test_detector_battery"
CONTRACT = "tests.contract.test_detector_contract"
EVIDENCE = "tests.contract.test_detector_evidence"
PYTEST = (
    *("-q", "--assert=plain", "--noconftest"),
    *("-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
)
"""Hypothesis has been used by then, which its plugin would warn of; stories take no fixtures."""

SHARED_BY = 4
"""Detectors whose battery stands for a module that more of them use."""

FEW = range(2)
"""Seeds of what seldom notices anything."""

TEST_FOLDERS = ("tests/unit/detectors", "tests/contract")
"""Where tests of detectors are; but for the first, they count if they import the module."""

AGAINST_ORACLE = (
    "test_equals_its_oracle_on_random_fleets",
    "test_equals_its_oracle_when_ticks_run_ahead_of_late_frames",
)
DEFAULTS = ("test_defaults_are_those_of_its_oracle",)
INVISIBLE = (
    "test_any_split_into_batches_gives_the_same_transitions",
    "test_permuted_lifts_permute_the_transitions",
    "test_frames_that_tell_nothing_change_nothing",
    "test_raise_and_clear_alternate",
    "test_snapshot_and_restore_mid_stream_are_invisible",
    "test_repeated_frames_change_nothing",
    "test_values_told_again_or_left_out_are_the_same",
    "test_lifts_do_not_influence_each_other",
    "test_with_ticks_that_no_frame_undercuts_is_without",
    "test_frames_with_a_stream_time_are_the_frames_and_then_the_tick",
    "test_a_lift_is_due_exactly_when_a_tick_would_tell_something",
    "test_transitions_are_complete_sorted_and_of_their_kinds",
    "test_inputs_and_the_bank_stay_unchanged",
    "test_the_empty_batch_is_the_identity",
    "test_growing_the_fleet_mid_stream_is_invisible",
)
TOLD = ("test_evidence_is_what_was_told_by_then",)
SEARCHED = ("test_equals_its_oracle_on_small_streams",)
"""Tests by Hypothesis, which draws its own examples."""

SURVIVED, ORACLE, STORY, BATTERY_REST, BROKEN, LEFT_OPEN = 0, 10, 11, 12, 13, 14
OUTCOMES = {
    SURVIVED: "survived",
    ORACLE: "oracle",
    STORY: "story",
    BATTERY_REST: "battery",
    LEFT_OPEN: "open",
    -signal.SIGKILL: "timeout",
    -signal.SIGXCPU: "timeout",
}
"""By exit code; any other one is a module that cannot be imported, or a child that died."""


@dataclass(frozen=True)
class Plan:
    """What judges a module: detectors whose battery runs, files that import it, other stories."""

    module: str
    detectors: tuple[str, ...]
    others: tuple[str, ...]
    own: tuple[str, ...]
    files: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def plans(modules: list[str]) -> list[Plan]:
    """Return how each module is judged."""
    uses = json.loads(asked(users_of_modules))
    found = []
    for module in modules:
        users = list(uses.get(module, {}))
        shown, others = tuple(users[:SHARED_BY]), tuple(users[SHARED_BY:])
        kinds = [kind.upper() for slug in shown for kind in uses[module][slug]]
        own = naming((f"{dotted(module)} ", f"{dotted(module)}\n"), TEST_FOLDERS)
        stories = naming((*shown, *kinds) if not others else ("test_",), TEST_FOLDERS[:1])
        found.append(Plan(module, shown, others, own, tuple(f for f in stories if f not in own)))
    return found


def naming(words: tuple[str, ...], folders: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files of tests that hold any of some words; the battery is none of them."""
    return tuple(
        str(path.relative_to(ROOT))
        for folder in folders
        for path in sorted((ROOT / folder).glob("test_*.py"))
        if not any(called.endswith(f".{path.stem}") for called in (BATTERY, CONTRACT, EVIDENCE))
        and any(word in path.read_text("utf-8") for word in words)
    )


def users_of_modules() -> str:
    """Return, per module, the detectors that lean on it and their kinds; own ones first."""
    from detectors.bank import BANK

    uses: dict[str, dict[str, list[str]]] = {}
    for own in (True, False):
        for detector in BANK:
            home = type(detector).__module__.rpartition(".")[2]
            for module in [home] if own else leans_on(home):
                kinds = [kind.slug for kind in detector.kinds]
                uses.setdefault(module, {}).setdefault(detector.name, kinds)
    everybody = {d.name: [kind.slug for kind in d.kinds] for d in BANK}
    below = {module: everybody for module in leans_on("bank") if module not in uses}
    return json.dumps({**uses, **below})


def leans_on(module: str) -> list[str]:
    """Return the modules of detectors that a module imports, itself or by others."""
    known, left = [module], [module]
    while left:
        tree = ast.parse(file_of(left.pop()).read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("detectors."):
                name = str(node.module).rpartition(".")[2]
                grouped = (
                    [alias.name for alias in node.names] if (RULES / name).is_dir() else [name]
                )
                new = [one for one in grouped if one not in known]
                known += new
                left += new
    return known


# --- judging ------------------------------------------------------------------------------------


class Stages(Enum):
    """Which stages judge: the likeliest to notice, what is left after these, or both."""

    QUICK = "quick"
    REST = "rest"
    ALL = "all"


def judged(plan: Plan, mutant: Mutant | None, stages: Stages) -> int:
    """Judge a module as it is, or changed; the exit code says what noticed the change."""
    if mutant is not None:
        sys.meta_path.insert(0, Loader(dotted(mutant.module), changed(mutant)))
    try:
        battery, contract = importlib.import_module(BATTERY), importlib.import_module(CONTRACT)
    except Exception:  # noqa: BLE001  # a changed module may fail in any way: that is noticed
        return BROKEN
    detectors = [d for d in battery.BANK if d.name in plan.detectors]
    if stages is not Stages.REST:
        if fails(contract, DEFAULTS, detectors, (None,)):
            return ORACLE
        if fails(battery, AGAINST_ORACLE, detectors, FEW):
            return ORACLE
    if stages is Stages.QUICK:
        return LEFT_OPEN
    return judged_by_rest(plan, battery, contract, detectors)


def judged_by_rest(plan: Plan, battery: ModuleType, contract: ModuleType, detectors: list) -> int:
    """Judge what the quick stages did not notice."""
    if failing_stories(plan, plan.own, detectors, "-x"):
        return STORY
    if fails(importlib.import_module(EVIDENCE), TOLD, detectors, (None,)):
        return BATTERY_REST
    if fails(battery, AGAINST_ORACLE, detectors, () if plan.others else battery.SEEDS[len(FEW) :]):
        return ORACLE
    if fails(battery, SEARCHED, detectors, (None,)):
        return ORACLE
    if not plan.others and failing_stories(plan, plan.files, detectors, "-x"):
        return STORY
    if fails(battery, INVISIBLE, detectors, FEW) or (plan.others and fails_plainly(contract)):
        return BATTERY_REST
    others = [d for d in battery.BANK if d.name in plan.others]
    if fails(battery, AGAINST_ORACLE, others, FEW):
        return ORACLE
    return STORY if plan.others and failing_stories(plan, plan.files, [], "-x") else SURVIVED


def fails_plainly(contract: ModuleType) -> bool:
    """Tell whether a test of the contract fails that is about no detector in particular."""
    try:
        for name, test in vars(contract).items():
            if name.startswith("test_") and "detector" not in inspect.signature(test).parameters:
                for given in given_to(test):
                    test(**given)
    except Exception:  # noqa: BLE001  # any exception means that the change was noticed
        return True
    return False


def given_to(test: Callable[..., None]) -> list[dict[str, object]]:
    """Return the arguments that a test is called with: none, or of each value of its only one."""
    marks = [m for m in getattr(test, "pytestmark", ()) if m.name == "parametrize"]
    return [{m.args[0]: value} for m in marks for value in m.args[1]] or [{}]


def fails(battery: ModuleType, names: tuple[str, ...], detectors: list, seeds: object) -> bool:
    """Tell whether any of these tests fails for any of the detectors."""
    try:
        for seed in seeds:
            for name in names:
                for detector in detectors:
                    given = {} if seed is None else {"seed": seed}
                    getattr(battery, name)(detector=detector, **given)
    except Exception:  # noqa: BLE001  # any exception means that the change was noticed
        return True
    return False


class Noted:
    """A plugin of pytest that leaves out some stories and notes which of the others fail."""

    def __init__(self, left_out: tuple[str, ...]) -> None:
        self.left_out, self.failed = left_out, []

    def pytest_collection_modifyitems(self, items) -> None:
        items[:] = [item for item in items if item.nodeid not in self.left_out]

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def failing_stories(plan: Plan, files: tuple[str, ...], detectors: list, *more: str) -> list[str]:
    """Run some test files of a plan; return those tests that fail."""
    import pytest

    if not files:
        return []
    if not plan.others:
        hear_alone(detectors)
    noted = Noted(plan.left_out)
    pytest.main([*PYTEST, *more, *(str(ROOT / file) for file in files)], [noted])
    return noted.failed


def hear_alone(detectors: list) -> None:
    """Let stories be heard by some detectors alone; what is set for others is left out."""
    from detectors.bank import Bank
    from detectors.parameters import thresholds

    known = {key for detector in detectors for key in thresholds(detector.params_type)}

    def bank(n_rows: int, overrides: dict, heard_by: tuple) -> Bank:
        kept = {row: {k: v for k, v in o.items() if k in known} for row, o in overrides.items()}
        return Bank(n_rows, kept, heard_by)

    story = importlib.import_module("tests.unit.detectors.story")
    story.LISTENING, story.Bank = tuple(detectors), bank


def fit(plan: Plan) -> Plan:
    """Leave out of a plan the stories that fail without any change; heard by all, none does."""
    if plan.others:
        return plan

    def failing() -> str:
        battery = importlib.import_module(BATTERY)
        detectors = [d for d in battery.BANK if d.name in plan.detectors]
        return json.dumps(failing_stories(plan, plan.own + plan.files, detectors))

    return replace(plan, left_out=tuple(json.loads(asked(failing))))


# --- processes ----------------------------------------------------------------------------------


def forked(work: Callable[[], int], limit_s: int = 3600) -> int:
    """Do work in a child without output, for so much processor time; return its process id."""
    child = os.fork()
    if child:
        return child
    code = BROKEN
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 5))
        quiet = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(quiet, stream)
        code = work()
    except BaseException:  # noqa: BLE001  # whatever it was: the child ends here, and says so
        code = BROKEN
    finally:
        os._exit(code)


def asked(work: Callable[[], str]) -> str:
    """Return what a child says, which may import what this process must not."""
    reads, writes = os.pipe()
    child = forked(lambda: os.write(writes, work().encode()) * 0)
    os.close(writes)
    with os.fdopen(reads, encoding="utf-8") as said:
        text = said.read()
    os.waitpid(child, 0)
    if not text:
        raise SystemExit("the detectors cannot be imported")
    return text


def outcome_of(plan: Plan, mutant: Mutant | None, limit_s: int, stages: Stages = Stages.ALL) -> str:
    """Return what became of a mutant: ``survived``, or what noticed it."""
    child = forked(lambda: judged(plan, mutant, stages), limit_s)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return OUTCOMES.get(code, "broken")


def warm() -> None:
    """Import what all children need, and nothing of the detectors."""
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    for name in ("numpy", "pytest", "hypothesis.strategies", "_pytest.assertion.rewrite"):
        importlib.import_module(name)
    for name in ("telemetry.batch", "telemetry.transitions", "telemetry.findings"):
        importlib.import_module(name)
    if any(name == "detectors" or name.startswith("detectors.") for name in sys.modules):
        raise SystemExit("the detectors were imported too early")
