"""Which stored frames a command is asked for: ``--elevator``, ``--from`` and ``--until``."""

from service.commands.failures import SETTINGS, CommandError
from service.replay.stored import Choice
from service.times import MAX_US, MIN_US, read


def choice_of(codes: list[str] | None, from_: str, until: str) -> Choice:
    """Return what the options ask for; raises ``CommandError`` that names the wrong one."""
    choice = Choice(
        tuple(codes or ()),
        _instant("--from", from_) if from_ else MIN_US,
        _instant("--until", until) if until else MAX_US,
    )
    if choice.from_us >= choice.to_us:
        raise CommandError("--from must lie before --until", SETTINGS)
    return choice


def _instant(option: str, text: str) -> int:
    t_us = read(text)
    if t_us is None:
        raise CommandError(
            f"{option} is {text!r}: give RFC 3339 with offset, as 2026-11-22T08:15:30Z", SETTINGS
        )
    return t_us
