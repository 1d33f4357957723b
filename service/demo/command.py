"""The demo's command: finds or makes the services, runs a fleet, prints a table, cleans up."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from service.demo.run import DemoSettings, run
from service.stack import open_stack

CONSOLE = Console(stderr=True, highlight=False)


def main(argv: Sequence[str]) -> int:
    """Run the demo; exit code 0 only if nothing was missed, doubled or false."""
    settings, as_json = _read(argv)
    try:
        return _run(settings, as_json=as_json)
    except KeyboardInterrupt:
        return 130


def _run(settings: DemoSettings, *, as_json: bool) -> int:
    CONSOLE.print("looking for TimescaleDB and Mosquitto …  正在准备数据库和消息服务器")
    with (
        open_stack(Path.cwd()) as stack,
        tempfile.TemporaryDirectory(prefix="hoistway-demo-") as directory,
    ):
        CONSOLE.print(f"using {stack.origin}")
        ended = asyncio.Event()

        async def demo() -> int:
            loop = asyncio.get_running_loop()
            for sign in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(sign, ended.set)
            outcome = await run(
                settings, stack.database_url, stack.mqtt_url, Path(directory), CONSOLE, ended
            )
            faults = outcome.faults()
            if as_json:
                figures = {
                    "true_entrapments": len(outcome.entrapments),
                    "raised": len(outcome.found),
                    "false": len(outcome.comparison.false),
                    "latencies_ms": list(outcome.latencies_ms),
                    "published": outcome.published,
                    "stored": outcome.stored,
                    "duplicate": outcome.duplicate,
                    "rejected": outcome.rejected,
                    "faults": faults,
                }
                print(json.dumps(figures))  # noqa: T201 - asked for on standard output
            else:
                Console().print(outcome.table())
            for fault in faults:
                CONSOLE.print(f"[red]FAILED[/red] {fault}")
            return 1 if faults else 0

        return asyncio.run(demo())


def _read(argv: Sequence[str]) -> tuple[DemoSettings, bool]:
    parser = argparse.ArgumentParser(
        prog="hoistway demo",
        description="Lifts publish over a real broker, frames land in a real hypertable, trapped "
        "people are found, and signed alarms are accepted at a desk. Ends by itself after --for "
        "seconds, or on Ctrl-C; exit code 0 only if nothing was missed, doubled or false.",
    )
    ends = "end so long after the fleet went live (default: on Ctrl-C)"
    parser.add_argument("--for", dest="for_s", type=float, metavar="SECONDS", help=ends)
    parser.add_argument("--lifts", type=int, default=200, help="lifts of the fleet (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the fleet (default 1)")
    parser.add_argument("--json", action="store_true", help="figures as JSON on standard output")
    given = parser.parse_args(list(argv))
    if given.for_s is not None and given.for_s < 60:
        parser.error("--for needs at least 60 s: the script's entrapments take that long")
    if given.lifts < 10:
        parser.error("--lifts needs at least 10: each scripted event has a lift of its own")
    return DemoSettings(given.lifts, given.seed, given.for_s), given.json


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
