"""``python -m service.stack up | down | status | env``: the shared stack from the command line."""

import argparse
import signal
import sys
from pathlib import Path

from service.stack import shared
from service.stack.files import say
from service.stack.rootfs import StackError

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m service.stack", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status", "env"))
    command: str = parser.parse_args(arguments).command
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _COMMANDS[command]()
    except StackError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _up() -> int:
    path = shared.up(ROOT)
    print(path.read_text(encoding="utf-8"), end="")
    say(f"running; addresses are in {path.relative_to(ROOT)}; 'make stack-down' ends it")
    return 0


def _down() -> int:
    say("stopped" if shared.down(ROOT) else "was not running")
    return 0


def _status() -> int:
    running = shared.is_running(ROOT)
    print("running" if running else "not running")
    return 0 if running else 3


def _env() -> int:
    if not shared.is_running(ROOT):
        say("not running; start it with 'make stack'")
        return 3
    print(shared.env_file(ROOT).read_text(encoding="utf-8"), end="")
    return 0


_COMMANDS = {"up": _up, "down": _down, "status": _status, "env": _env}


if __name__ == "__main__":
    sys.exit(main())
