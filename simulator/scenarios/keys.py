"""Tables of the scenario language as frozen dataclasses: keys, readers, units, defaults, meaning.

A field is a key when its annotation holds a ``Key``; ``read_table`` fills a table. Unknown and
missing keys, and values that a reader refuses, become ``Problem``. ``docs/scenarios.md`` is checked
against these declarations.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, TypeVar, get_type_hints

from simulator.scenarios.errors import Problem
from simulator.scenarios.lines import Path
from simulator.scenarios.values import Form, nearest, shown

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table.

    Parameters
    ----------
    name
        As it stands in TOML.
    form
        Of its value.
    means
        What it decides.
    says
        Its default where the value of the field does not say it.
    """

    name: str
    form: Form
    means: str
    says: str = ""


@cache
def keys_of(table: type[Any]) -> Mapping[str, Key]:
    """Return the keys of a table by the name of their field, in order."""
    hints = get_type_hints(table, include_extras=True)
    metadata = {f.name: getattr(hints[f.name], "__metadata__", ()) for f in fields(table)}
    return {name: held[0] for name, held in metadata.items() if held}


@cache
def required(table: type[Any]) -> frozenset[str]:
    """Return the fields of a table that have no default."""
    bare = (f.name for f in fields(table) if f.default is MISSING and f.default_factory is MISSING)
    return frozenset(bare)


def read_table(table: type[T], value: Any, path: Path, where: str) -> T:
    """Read a TOML table into ``table``, whose field ``path`` is set to ``path``.

    Raises ``Problem``. ``where`` names the table for a reader, as ``[fleet]``.
    """
    if not isinstance(value, dict):
        raise Problem(path, f"is {shown(value)}: write a table {where}")
    declared = keys_of(table)
    known = [one.name for one in declared.values()]
    for name in value:
        if name not in known:
            raise Problem((*path, name), f"is no key of {where}: {nearest(name, known)}")
    given: dict[str, Any] = {"path": path}
    for field, one in declared.items():
        if one.name in value:
            given[field] = one.form(value[one.name], (*path, one.name))
        elif field in required(table):
            raise Problem(
                path, f"of {where} has no {one.name}: write {one.name} = {one.form.looks}"
            )
    return table(**given)


def table_of(table: type[Any], where: str) -> Form:
    """Return the form of one table."""
    return Form(f"table {where}", lambda value, path: read_table(table, value, path, where))


def tables_of(table: type[Any], where: str) -> Form:
    """Return the form of an array of tables."""

    def read(value: Any, path: Path) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Problem(path, f"is {shown(value)}: write it as {where}")
        return tuple(read_table(table, one, (*path, i), where) for i, one in enumerate(value))

    return Form(f"tables {where}", read)
