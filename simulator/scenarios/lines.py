"""Where each key of a TOML text stands: path of the key to its line.

``tomllib`` tells values and forgets places, and an error about a scenario has to name a line. The
scanner reads places only; it relies on ``tomllib`` having accepted the text, so anything that it
does not know is part of a scalar. Paths are tuples of keys and positions:
``("happens", 0, "people")``.
"""

from bisect import bisect_right
from typing import Final

Path = tuple[str | int, ...]

_BLANK: Final = " \t\r\n"
_SCALAR_ENDS: Final = ",]}#\r\n"
_BARE_ENDS: Final = " \t.=]"


def lines_of(text: str) -> dict[Path, int]:
    """Return the line, from 1, of every key and array element of a valid TOML text.

    The path of a table has the line of its header, the empty path has line 1.
    """
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.lines


def line_of(lines: dict[Path, int], path: Path) -> int:
    """Return the line of ``path``, or of the nearest part of it that stands in the text."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


class _Scanner:
    """Reads a text once; ``lines`` is the result."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self._text = text
        self._at = 0
        self._breaks = [i for i, c in enumerate(text) if c == "\n"]
        self._elements: dict[Path, int] = {}

    def scan(self) -> None:
        """Read all statements: headers and key/value pairs."""
        table: Path = ()
        while self._skip():
            if self._taken("[["):
                table = self._header(repeated=True)
            elif self._taken("["):
                table = self._header(repeated=False)
            else:
                self._pair(table)

    def _header(self, *, repeated: bool) -> Path:
        line = self._line()
        keys = self._dotted()
        path = self._resolved(keys[:-1])
        for _ in range(2 if repeated else 1):
            self._taken("]")
        path = (*path, keys[-1])
        if repeated:
            number = self._elements.get(path, 0)
            self._elements[path] = number + 1
            self.lines.setdefault(path, line)
            path = (*path, number)
        self._note(path, line)
        return path

    def _resolved(self, keys: list[str]) -> Path:
        """Return the path of a table; arrays of tables stand for their last element."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._elements:
                path = (*path, self._elements[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = (*table, *self._dotted())
        self._note(path, line)
        self._taken("=")
        self._value(path)

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path)):
            self.lines.setdefault(path[:length], line)
        self.lines[path] = line

    def _dotted(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._spaces()
            keys.append(self._key())
            self._spaces()
            if not self._taken("."):
                return keys

    def _key(self) -> str:
        first = self._text[self._at]
        if first in "\"'":
            begin = self._at
            self._string()
            return self._text[begin + 1 : self._at - 1]
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] not in _BARE_ENDS:
            self._at += 1
        return self._text[begin : self._at]

    def _value(self, path: Path) -> None:
        self._skip()
        if self._taken("["):
            number = 0
            while self._skip() and not self._taken("]"):
                self._note((*path, number), self._line())
                self._value((*path, number))
                self._skip()
                self._taken(",")
                number += 1
        elif self._taken("{"):
            while self._skip() and not self._taken("}"):
                self._pair(path)
                self._skip()
                self._taken(",")
        elif self._text[self._at] in "\"'":
            self._string()
        else:
            while self._at < len(self._text) and self._text[self._at] not in _SCALAR_ENDS:
                self._at += 1

    def _string(self) -> None:
        quote = self._text[self._at]
        mark = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._at += len(mark)
        while not self._text.startswith(mark, self._at):
            self._at += 2 if quote == '"' and self._text[self._at] == "\\" else 1
        self._at += len(mark)
        while len(mark) == 3 and self._text.startswith(quote, self._at):
            self._at += 1  # up to two quotes may precede the closing mark

    def _skip(self) -> bool:
        """Skip blanks, line breaks and comments; tell whether anything follows."""
        while self._at < len(self._text):
            if self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif self._text[self._at] in _BLANK:
                self._at += 1
            else:
                return True
        return False

    def _spaces(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in " \t":
            self._at += 1

    def _taken(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _line(self) -> int:
        return bisect_right(self._breaks, self._at - 1) + 1
