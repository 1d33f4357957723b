"""The changes that mutation testing makes to a module of the detectors.

One change at a time: every comparison, boolean and arithmetic operator, number, truth value and
every ``where``, ``minimum``, ``any``. Annotations, documents, texts of errors and the ranges of
thresholds are no rule and stay as they are.
"""

import ast
import importlib.abc
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "detectors"

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


class Mutant(NamedTuple):
    """One change: the node's number in the walk of its module, and which of its changes."""

    module: str
    node: int
    variant: int
    line: int
    what: str


def file_of(module: str) -> Path:
    """Return the file of a module of the detectors, whichever group it is in."""
    (found,) = RULES.rglob(f"{module}.py")
    return found


def dotted(module: str) -> str:
    """Return the name by which it is imported."""
    return ".".join(file_of(module).relative_to(ROOT).with_suffix("").parts)


def mutants_of(module: str) -> list[Mutant]:
    """Return every change of a module."""
    tree = ast.parse(file_of(module).read_text("utf-8"))
    left_out = set(untouched(tree))
    return [
        Mutant(module, number, variant, getattr(node, "lineno", 0), what)
        for number, node in enumerate(ast.walk(tree))
        if node not in left_out
        for variant, (what, _) in enumerate(changes(node))
    ]


def changed(mutant: Mutant) -> ast.Module:
    """Return the module with that change."""
    tree = ast.parse(file_of(mutant.module).read_text("utf-8"))
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
    elif isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not | ast.Invert):  # twice is never
            put("operand", ast.UnaryOp(node.op, node.operand), f"without {word(node.op)}")
        else:
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
        "BitOr": "|", "Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "Invert": "~",
        "Not": "not", "USub": "-", "FloorDiv": "//", "Mod": "%", "LShift": "<<", "RShift": ">>",
    }.get(type(node).__name__, type(node).__name__.lower())  # fmt: skip


class Loader(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Imports a changed module in place of the one on the disk."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name, self.tree = name, tree

    def find_spec(self, name, path=None, target=None):
        del path, target
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module) -> None:
        file = str(file_of(self.name.rpartition(".")[2]))
        module.__file__ = file
        exec(compile(self.tree, file, "exec"), module.__dict__)
