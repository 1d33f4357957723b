"""What is wrong with a scenario file: one line with file, line and remedy."""

from simulator.scenarios.lines import Path


class ScenarioError(ValueError):
    """A scenario that cannot be run. The text names file, line and remedy."""

    def __init__(self, file: str, line: int, text: str) -> None:
        super().__init__(f"{file}:{line}: {text}" if line else f"{file}: {text}")
        self.file = file
        self.line = line


class Problem(Exception):  # noqa: N818 - it becomes a ScenarioError where file and lines are known
    """A value at ``path`` that means nothing. The text says what it is and what it should be."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self.path = path
        self.text = text
