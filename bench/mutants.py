"""Mutation testing of the detectors: does any test notice that a rule was changed?

    python -m bench mutants [MODULE ...] [--jobs 2] [--sample 200] [--timeout 60]

Every comparison, boolean and arithmetic operator, number, truth value and every ``where``,
``minimum``, ``any`` in ``detectors/`` is changed, one at a time; then the tests of that module run
until one fails: the unit tests that name it or its findings, and the battery of its detectors (of
at most three, for what many share). What survives is listed with its line. Processes are forked
from one that has imported everything but the detectors; a mutant that runs for ever is killed by
its limit of processor time, which counts. On demand, never in CI: a module takes minutes.
"""

import argparse
import ast
import importlib
import importlib.abc
import importlib.util
import json
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "detectors"
BATTERY = "tests/contract/test_detector_battery.py"
QUICK = "oracle_on_random or ticks_run_ahead or any_split_into or is_due or snapshot or identity"
"""Of the battery: what compares with the oracle, and what must be invisible."""
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "--assert=plain")
OUTCOMES = {0: "survived", -signal.SIGKILL: "timeout", -signal.SIGXCPU: "timeout"}
"""By exit code of its tests; any other one killed it."""
SHARED_BY = 3
"""Detectors whose battery stands for a module that more of them use."""

SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.And: (ast.Or,), ast.Or: (ast.And,),
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,), ast.Add: (ast.Sub,), ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.Mult,),
    ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,),
}  # fmt: skip
NAMES = {
    "maximum": "minimum", "minimum": "maximum", "fmax": "fmin", "fmin": "fmax", "any": "all",
    "all": "any", "max": "min", "min": "max", "logical_and": "logical_or",
}  # fmt: skip
DECLARES = ("in_seconds", "plain", "choice", "Threshold")
"""Calls that declare ranges and sources of thresholds: no rule."""


# --- changing -----------------------------------------------------------------------------------


class Mutant(NamedTuple):
    """One change: the node's number in the walk of its module, and which of its changes."""

    module: str
    node: int
    variant: int
    line: int
    what: str


def mutants_of(module: str) -> list[Mutant]:
    """Return every change of a module."""
    tree = ast.parse((RULES / f"{module}.py").read_text("utf-8"))
    left_out = set(untouched(tree))
    return [
        Mutant(module, number, variant, getattr(node, "lineno", 0), what)
        for number, node in enumerate(ast.walk(tree))
        if node not in left_out
        for variant, (what, _) in enumerate(changes(node))
    ]


def changed(mutant: Mutant) -> ast.Module:
    """Return the module with that change."""
    tree = ast.parse((RULES / f"{mutant.module}.py").read_text("utf-8"))
    node = next(n for i, n in enumerate(ast.walk(tree)) if i == mutant.node)
    changes(node)[mutant.variant][1]()
    return ast.fix_missing_locations(tree)


def untouched(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what is no rule: annotations, documents, texts of errors, ranges of thresholds."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            parts += [node.returns, *node.decorator_list]
            parts += [a.annotation for a in (*node.args.args, *node.args.kwonlyargs)]
        elif isinstance(node, ast.AnnAssign):
            parts.append(node.annotation)
        elif isinstance(node, ast.ClassDef):
            parts += [*node.decorator_list, *node.bases]
        elif is_no_rule(node):
            parts.append(node)
        for part in parts:
            if part is not None:
                yield from ast.walk(part)


def is_no_rule(node: ast.AST) -> bool:
    """Tell errors, imports, declarations of thresholds, and names of types from the rest."""
    if isinstance(node, ast.Call):
        return called(node) in DECLARES
    if isinstance(node, ast.Assign):  # Ints = NDArray[np.int64]
        return isinstance(node.value, ast.Subscript) and "NDArray" in ast.unparse(node.value)
    return isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom)


def called(node: ast.Call) -> str:
    """Return the last name of what is called."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def changes(node: ast.AST) -> list[tuple[str, Callable[[], None]]]:
    """Return what can be changed at a node: in words, and how."""
    found: list[tuple[str, Callable[[], None]]] = []

    def put(name: str, value: object, what: str) -> None:
        found.append((what, lambda: setattr(node, name, value)))

    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in SWAPS.get(type(node.ops[0]), ()):
            put("ops", [other()], f"{word(node.ops[0])} to {word(other())}")
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        for other in SWAPS.get(type(node.op), ()):
            put("op", other(), f"{word(node.op)} to {word(other())}")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        put("operand", ast.UnaryOp(ast.Not(), node.operand), "without not")
    elif isinstance(node, ast.UnaryOp):
        put("op", ast.UAdd(), f"without {word(node.op)}")
    elif isinstance(node, ast.Constant):
        for value in other_constants(node.value):
            put("value", value, f"{node.value!r} to {value!r}")
    return found + (changed_calls(node) if isinstance(node, ast.Call) else [])


def other_constants(value: object) -> list[object]:
    """Return what a constant may be instead."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, float):
        return [value * 2 if value else 1.0]
    return []


def changed_calls(node: ast.Call) -> list[tuple[str, Callable[[], None]]]:
    """Return changes of a call: exchanged answers, another reduction."""
    name, found = called(node), []
    if name == "where" and len(node.args) == 3:
        question, yes, no = node.args
        found.append(("answers of where exchanged", lambda: set_args(node, [question, no, yes])))
    if name in NAMES and isinstance(node.func, ast.Attribute):
        function = node.func
        found.append((f"{name} to {NAMES[name]}", lambda: setattr(function, "attr", NAMES[name])))
    return found


def set_args(node: ast.Call, args: list[ast.expr]) -> None:
    """Give a call other arguments."""
    node.args = args


def word(node: ast.AST) -> str:
    """Return an operator as it is written."""
    return {
        "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!=", "BitAnd": "&",
        "BitOr": "|", "Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "Invert": "~", "USub": "-",
        "FloorDiv": "//", "Mod": "%", "LShift": "<<", "RShift": ">>",
    }.get(type(node).__name__, type(node).__name__.lower())  # fmt: skip


class Loader(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Imports a changed module in place of the one on the disk."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name, self.tree = name, tree

    def find_spec(self, name, path=None, target=None):
        del path, target
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module) -> None:
        file = str(RULES / f"{self.name.rpartition('.')[2]}.py")
        module.__file__ = file
        exec(compile(self.tree, file, "exec"), module.__dict__)


# --- testing ------------------------------------------------------------------------------------


@dataclass
class Plan:
    """What tests a module: files, and the detectors whose battery runs."""

    module: str
    detectors: list[str]
    files: list[str] = field(default_factory=list)
    seconds: float = 0.0


def plans(modules: list[str]) -> list[Plan]:
    """Return how each module is tested."""
    uses = json.loads(asked(users_of_modules))
    found = []
    for module in modules:
        users = uses.get(module, {})
        shown = dict(list(users.items())[:SHARED_BY])
        words = [
            f"detectors.{module}",
            *shown,
            *(k.upper() for kinds in shown.values() for k in kinds),
        ]
        files = [
            str(path.relative_to(ROOT))
            for folder in ("tests/unit/detectors", "tests/contract")
            for path in sorted((ROOT / folder).glob("test_*.py"))
            if str(path.relative_to(ROOT)) != BATTERY
            and any(w in path.read_text("utf-8") for w in words)
        ]
        found.append(Plan(module, list(shown), [*files, BATTERY]))
    return found


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
    return json.dumps(uses)


def leans_on(module: str) -> list[str]:
    """Return the modules of detectors that a module imports, itself or by others."""
    known, left = [module], [module]
    while left:
        tree = ast.parse((RULES / f"{left.pop()}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("detectors."):
                name = str(node.module).rpartition(".")[2]
                if name not in known:
                    known.append(name)
                    left.append(name)
    return known


def run_tests(plan: Plan, files: list[str]) -> int:
    """Run tests of a plan in this process; return the exit code."""
    import pytest

    bank = importlib.import_module("detectors.bank")
    some = tuple(d for d in bank.BANK if d.name in plan.detectors)
    bank.BANK = some or bank.BANK[:1]
    paths = [str(ROOT / file) for file in files]
    return int(pytest.main([*PYTEST, "-k", f"not test_detector_battery or {QUICK}", *paths]))


def forked(work: Callable[[], int], limit_s: int = 3600) -> int:
    """Do work in a child without output, for so much processor time; return its process id."""
    child = os.fork()
    if child:
        return child
    code = 3
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 5))
        quiet = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(quiet, stream)
        code = work()
    except BaseException:  # noqa: BLE001  # whatever it was: the child ends here, and says so
        code = 3
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


def tested(plan: Plan, mutant: Mutant | None, files: list[str]) -> int:
    """Run the tests of a module as it is, or changed."""
    if mutant is not None:
        sys.meta_path.insert(0, Loader(f"detectors.{mutant.module}", changed(mutant)))
    return run_tests(plan, files)


def prove(plan: Plan) -> None:
    """Leave out of a plan the files that fail without any change: they want the whole bank."""
    kept = []
    for file in plan.files:
        before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        child = forked(lambda f=file: tested(plan, None, [f]))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            kept.append(file)
            plan.seconds += resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s
    plan.files = kept


def outcomes(plan: Plan, chosen: list[Mutant], jobs: int, timeout_s: int) -> dict[Mutant, str]:
    """Return of each mutant: ``killed``, ``timeout`` or ``survived``."""
    left, running, found = list(reversed(chosen)), {}, {}
    limit_s = max(timeout_s, round(4 * plan.seconds))
    while left or running:
        while left and len(running) < jobs:
            mutant = left.pop()
            child = forked(lambda m=mutant: tested(plan, m, plan.files), limit_s)
            running[child] = mutant
        child, status = os.waitpid(-1, 0)
        code = os.waitstatus_to_exitcode(status)
        found[running.pop(child)] = OUTCOMES.get(code, "killed")
    return found


# --- telling ------------------------------------------------------------------------------------


def main() -> None:
    modules = sorted(p.stem for p in RULES.glob("*.py") if p.stem != "__init__")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of detectors/; default all")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--sample", type=int, default=0, help="at most so many of each module")
    parser.add_argument("--timeout", type=int, default=60, help="processor seconds of a mutant")
    given = parser.parse_args()
    unknown = set(given.modules) - set(modules)
    if unknown:
        parser.error(f"no module {', '.join(sorted(unknown))}; there are {', '.join(modules)}")
    warm()
    survivors: list[Mutant] = []
    total = [0, 0]
    print(
        f"{'module':24s} {'mutants':>8s} {'killed':>7s} {'timeout':>8s} {'survived':>9s} {'':>7s}"
    )
    for plan in plans(given.modules or modules):
        prove(plan)
        if not plan.files:
            raise SystemExit(f"{plan.module}: no test passes even unchanged")
        everything = mutants_of(plan.module)
        chosen = everything
        if given.sample and len(everything) > given.sample:
            drawn = random.Random(1).sample(range(len(everything)), given.sample)
            chosen = [everything[i] for i in sorted(drawn)]
        found = outcomes(plan, chosen, given.jobs, given.timeout)
        survived = [m for m in chosen if found[m] == "survived"]
        survivors += survived
        killed = len(chosen) - len(survived)
        total = [total[0] + len(chosen), total[1] + killed]
        late = sum(how == "timeout" for how in found.values())
        of_all = "" if len(chosen) == len(everything) else f" of {len(everything)}"
        print(
            f"{plan.module:24s} {len(chosen):8d} {killed - late:7d} {late:8d} {len(survived):9d}"
            f" {share(killed, len(chosen)):>7s}{of_all}",
            flush=True,
        )
    print(f"{'all':24s} {total[0]:8d} {'':26s} {share(total[1], total[0]):>7s}")
    for mutant in survivors:
        source = (RULES / f"{mutant.module}.py").read_text("utf-8").splitlines()[mutant.line - 1]
        print(
            f"survived: detectors/{mutant.module}.py:{mutant.line}: {mutant.what}: {source.strip()}"
        )


def share(part: int, whole: int) -> str:
    """Return a share in percent."""
    return f"{part / whole:.1%}" if whole else "-"


def warm() -> None:
    """Import what all children need, and nothing of the detectors."""
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    for name in ("numpy", "pytest", "hypothesis", "_pytest.assertion.rewrite"):
        importlib.import_module(name)
    for name in ("telemetry.batch", "telemetry.transitions", "telemetry.findings"):
        importlib.import_module(name)
    if any(name == "detectors" or name.startswith("detectors.") for name in sys.modules):
        raise SystemExit("the detectors were imported too early")


if __name__ == "__main__":
    main()
