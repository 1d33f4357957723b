"""``hoistway desk``: shows what a ``Desk`` receives, in Chinese and English, and takes key presses.

Keys: ``a`` accept the oldest open case, ``r`` release it, ``f`` false alarm, ``o`` answer well,
``5`` answer 500, ``h`` hang, ``s`` answer slowly, ``q`` quit. Without a terminal it prints lines
and runs until it is stopped.
"""

import asyncio
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from alerting.signature import Verification
from service.desk import Desk, DeskSettings, Received
from service.times import rfc3339

KEYS: Final = "a accept  r release  f false alarm  |  o ok  5 fail  h hang  s slow  |  q quit"

_BEHAVIOUR: Final = {"o": "ok", "5": "500", "h": "hang", "s": "slow:3"}

_STYLE: Final = {
    "raised": "bold red",
    "escalated": "bold white on red",
    "updated": "yellow",
    "accepted": "cyan",
    "released": "green",
    "cancelled": "magenta",
    "ended": "green",
    "degraded": "bold white on magenta",
    "restored": "green",
    "alive": "dim",
}

_CLOCKS: Final = "compare the clocks of this machine and the service's"
_FOREIGN: Final = "not sent by Hoistway, or changed on the way"
_REMEDIES: Final = {
    Verification.NO_MATCH: "wrong signature: HOISTWAY_DISPATCH_SECRET must be the service's",
    Verification.TOO_OLD: _CLOCKS,
    Verification.TOO_NEW: _CLOCKS,
    Verification.MISSING_HEADER: _FOREIGN,
    Verification.BAD_TIMESTAMP: _FOREIGN,
}


async def run_desk(
    settings: DeskSettings, behaviour: str = "ok", for_s: float | None = None
) -> None:
    """Run a desk on this terminal until ``q``, cancellation, or for ``for_s`` seconds."""
    console = Console(highlight=False)
    desk = Desk(settings, on_message=lambda m: console.print(line(m)))
    async with desk:
        desk.behave(behaviour)
        console.print(f"desk listens on {desk.url}")
        console.print(_how_it_accepts(settings))
        done = asyncio.Event()
        with _keys(lambda key: _press(key, desk, console, done)) as interactive:
            if interactive:
                console.print(KEYS, style="dim")
            try:
                async with asyncio.timeout(for_s):
                    await done.wait()
            except TimeoutError:
                console.print(f"stopped after {for_s} s", style="dim")
    console.print(summary(desk))


def line(message: Received) -> Text:
    """Return one message as lines for a person."""
    kind = message.type.rpartition(".")[2] or "?"
    data = message.data
    text = Text(f"{rfc3339(message.at_us)} ", style="dim")
    text.append(f"{kind:<10}", style=_STYLE.get(kind, "bold"))
    if message.verification is not Verification.OK:
        text.append(f" refused: {message.verification.value}", style="bold red")
        text.append(f" ({_REMEDIES[message.verification]})")
        return text
    answer = "no answer" if message.status is None else str(message.status)
    again = " again" if message.repeated else ""
    number = f" #{data['sequence']}" if "sequence" in data else ""
    text.append(f"{number} [{answer}{again}] ", style="dim")
    texts: Any = data.get("text") or {}
    text.append(f"\n    {texts.get('zh', '')}\n    {texts.get('en', '')}")
    if message.alarm_id:
        text.append(f"\n    {message.alarm_id}", style="dim")
    return text


def summary(desk: Desk) -> str:
    """Return one line about what the desk saw."""
    taken = len(desk.messages())
    refused = sum(m.verification is not Verification.OK for m in desk.received)
    text = (
        f"{len(desk.received)} requests, {taken} messages taken, {refused} with a bad signature,"
        f" {len(desk.alarms)} alarms, {len(desk.open_alarms())} open"
    )
    if desk.acts_failed:
        text += f", {len(desk.acts_failed)} acts failed: {desk.acts_failed[-1]}"
    return text


def _how_it_accepts(settings: DeskSettings) -> str:
    if settings.accept_as is None:
        return "takes no case by itself"
    if settings.accept_after_s is None:
        return f"takes every case at once, as {settings.accept_as!r}, by its reply"
    return f"takes every case after {settings.accept_after_s:g} s, by the API"


def _press(key: str, desk: Desk, console: Console, done: asyncio.Event) -> None:
    if key == "q":
        done.set()
    elif key in _BEHAVIOUR:
        desk.behave(_BEHAVIOUR[key])
        console.print(f"now answers: {_BEHAVIOUR[key]}", style="dim")
    elif key in "arf":
        act = {"a": desk.accept, "r": desk.release, "f": desk.false_alarm}[key]
        cases = [a for a in desk.open_alarms() if key != "a" or a.get("accepted") is None]
        if not cases:
            console.print("no such case", style="dim")
            return
        task = asyncio.get_running_loop().create_task(act(str(cases[0]["alarm_id"])))
        task.add_done_callback(lambda _: _say_failures(desk, console))


def _say_failures(desk: Desk, console: Console) -> None:
    while desk.acts_failed:
        console.print(desk.acts_failed.pop(), style="red")


@contextmanager
def _keys(on_key: Any) -> Iterator[bool]:
    """Read single key presses, if there is a terminal; always give it back as it was."""
    if not sys.stdin.isatty():
        yield False
        return
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, lambda: on_key(sys.stdin.read(1)))
    try:
        yield True
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
