"""The one door for driver errors: what went wrong becomes a type that says what to do about it.

``ContentError``: the data is at fault (SQLSTATE classes 22, 23, 54); the same data will fail again.
``Unavailable``: anything else; keep the batch and try again, without end. ``CommitUnknown``: COMMIT
was sent and no answer came; ask for the batch id first. ``EpochLost``: another process writes this
lane now; stop. The driver's error stays as ``__cause__``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

import asyncpg

CONTENT_CLASSES: Final = ("22", "23", "54")
"""Data exception, integrity constraint violation, program limit exceeded."""

UNSURE_CLASSES: Final = ("08", "57", "58", "XX")
"""In answer to COMMIT these do not say that it failed: connection, operator, system, internal."""

_FRAMES_KEY: Final = "frames_pkey"

DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What the driver and the network raise; ``TimeoutError`` is an ``OSError``."""


class StoreError(Exception):
    """The store could not do it; ``retryable`` says whether the same may work later."""

    retryable: ClassVar[bool] = True

    def __init__(self, text: str, sqlstate: str | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class Unavailable(StoreError):  # noqa: N818 - reads as the state of the store that it is
    """Not about the data: keep everything and try again."""


class ContentError(StoreError):
    """About the data: the same rows will fail again, so find the one at fault."""

    retryable = False


class KeyStoredAlready(ContentError):  # noqa: N818 - says what is the case
    """A frame that was said to be new is in the table: look its key up and write it as doubtful."""


class CommitUnknown(StoreError):  # noqa: N818 - the name of the outcome
    """COMMIT was sent, its outcome is not known: ask whether the batch exists before doing more."""


class EpochLost(StoreError):  # noqa: N818 - says what is the case
    """Another writer has taken the lane over; nothing of this transaction may be committed."""

    retryable = False


@contextmanager
def store_errors(doing: str) -> Iterator[None]:
    """Translate driver errors that come out of the block; ``doing`` starts the sentence."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translated(doing, error) from error


@contextmanager
def commit_errors() -> Iterator[None]:
    """Translate what comes out of a COMMIT, where silence is not failure."""
    try:
        yield
    except DRIVER_ERRORS as error:
        state = sqlstate_of(error)
        if state is None or state.startswith(UNSURE_CLASSES):
            raise CommitUnknown(f"commit: {one_line(error)}", state) from error
        raise translated("commit", error) from error


def translated(doing: str, error: BaseException) -> StoreError:
    """Return the store's error for a driver's error."""
    state = sqlstate_of(error)
    text = f"{doing}: {one_line(error)}"
    if state is None or not state.startswith(CONTENT_CLASSES):
        return Unavailable(text, state)
    constraint = getattr(error, "constraint_name", None) or ""
    if state == "23505" and constraint.endswith(_FRAMES_KEY):
        return KeyStoredAlready(text, state)
    return ContentError(text, state)


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE if the error has one."""
    return getattr(error, "sqlstate", None)


def one_line(error: BaseException) -> str:
    """Return the error's text on one line, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
