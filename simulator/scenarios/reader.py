"""Scenario files: TOML to ``Scenario``, with the file and line of whatever is wrong.

The library is package data; its scenarios are known by name. Anything else is a path.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path as FilePath
from typing import Final

from simulator.scenarios.checks import check
from simulator.scenarios.errors import Problem, ScenarioError
from simulator.scenarios.keys import read_table
from simulator.scenarios.language import Scenario
from simulator.scenarios.lines import Path, line_of, lines_of
from simulator.scenarios.values import nearest

_PLACE: Final = re.compile(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)")
_LONGEST: Final = 4_000_000
"""A scenario file has at most so many bytes; one of ten thousand faults has a tenth."""


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario and where it stands.

    Parameters
    ----------
    scenario
        What it says.
    file
        Name for messages.
    lines
        Lines of its keys.
    text
        The whole file.
    """

    scenario: Scenario
    file: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    text: str = ""

    def line(self, path: Path) -> int:
        """Return the line of ``path``; 0 = it stands in no file."""
        return line_of(dict(self.lines), path) if self.lines else 0

    def changed(
        self, change: Callable[[Scenario], Scenario], found: Collection[str] | None = None
    ) -> "ScenarioFile":
        """Return it with a changed scenario, checked again. Raises ``ScenarioError``."""
        made = replace(self, scenario=change(self.scenario))
        made.check(found)
        return made

    def check(self, found: Collection[str] | None = None) -> None:
        """Raise ``ScenarioError`` for what cannot be; ``found`` are the kinds with a detector."""
        try:
            check(self.scenario, found)
        except Problem as problem:
            raise self.error(problem) from problem

    def error(self, problem: Problem) -> ScenarioError:
        """Return a problem with file and line."""
        return ScenarioError(self.file, self.line(problem.path), _sentence(problem))


def names() -> list[str]:
    """Return the names of the library's scenarios."""
    return sorted(one.name[:-5] for one in _library().iterdir() if one.name.endswith(".toml"))


def load(name: str, found: Collection[str] | None = None) -> ScenarioFile:
    """Read a scenario of the library by its name, or a file by its path.

    Parameters
    ----------
    name
        Name or path; what has a slash or ends with ``.toml`` is a path.
    found
        Kinds of findings that a detector finds, so that others cannot be expected as alarms;
        ``None`` = any may.

    Raises
    ------
    ScenarioError
        With file, line and remedy.
    """
    if "/" in name or name.endswith(".toml"):
        return read(_content(FilePath(name)), name, found)
    one = _library() / f"{name}.toml"
    if not one.is_file():
        hint = f"{nearest(name, names())}; hoistway simulate --list shows all"
        raise ScenarioError(name, 0, f"is no scenario of the library; {hint}")
    return read(one.read_text("utf-8"), f"{name}.toml", found)


def read(text: str, file: str, found: Collection[str] | None = None) -> ScenarioFile:
    """Read the text of a scenario. Raises ``ScenarioError``."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(error, file, text) from error
    lines = lines_of(text)
    try:
        scenario = read_table(Scenario, table, (), "the scenario")
    except Problem as problem:
        at = line_of(lines, problem.path)
        raise ScenarioError(file, at, _sentence(problem)) from problem
    made = ScenarioFile(scenario, file, lines, text)
    made.check(found)
    return made


def _library() -> Traversable:
    return files("simulator.scenarios") / "library"


def _content(path: FilePath) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ScenarioError(
            str(path), 0, f"{error.strerror}; name a file or one of --list"
        ) from error
    if len(content) > _LONGEST:
        raise ScenarioError(str(path), 0, f"has more than {_LONGEST} bytes: draw faults instead")
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ScenarioError(str(path), line, "is no UTF-8: save it as UTF-8 text") from error


def _syntax(error: tomllib.TOMLDecodeError, file: str, text: str) -> ScenarioError:
    place = _PLACE.search(str(error))
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    said = _PLACE.sub("", str(error))
    return ScenarioError(file, line, f"{said[:1].lower()}{said[1:]}: this is no valid TOML")


def _sentence(problem: Problem) -> str:
    """Return the problem with the key it is about."""
    key = next((str(p) for p in reversed(problem.path) if isinstance(p, str)), "the scenario")
    return f"{key} {problem.text}"
