"""Which errors end a command with one line, and with which exit code.

Only kinds that were foreseen are explained; anything else is a fault of ours, with traceback.
Error types are looked up by module name, so that nothing is imported just to be compared with.
"""

import sys
from typing import Any, Final

SETTINGS: Final = 2
UNAVAILABLE: Final = 3

KNOWN: Final = (
    ("service.settings", "SettingsError", SETTINGS),
    ("service.keys", "KeyNameError", 1),
    ("service.parameters.store", "ParametersRefusedError", SETTINGS),
    ("service.clock", "ClockSetBackError", 1),
    ("service.database", "DatabaseError", UNAVAILABLE),
    ("migrations.server", "MigrationError", UNAVAILABLE),
    ("ingest.source", "SettingError", SETTINGS),
    ("ingest.source", "SourceError", UNAVAILABLE),
    ("ingest.store.errors", "StoreError", UNAVAILABLE),
    ("alerting.errors", "StoreUnavailableError", UNAVAILABLE),
    ("service.stack", "StackError", UNAVAILABLE),
    ("simulator.recordings.layout", "RecordingError", SETTINGS),
    ("simulator.scenarios.errors", "ScenarioError", SETTINGS),
)
"""Module, error, exit code; the first that fits counts."""


class CommandError(Exception):
    """A command cannot go on: one line, and its exit code."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(" ".join(text.split()))
        self.exit_code = exit_code


def explained(error: BaseException) -> CommandError | None:
    """Return the failure that ``error`` stands for; None if it was not foreseen."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return explained(error.exceptions[0])
    for module, name, exit_code in KNOWN:
        kind: Any = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return CommandError(str(error), exit_code)
    return None
