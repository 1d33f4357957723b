"""Kills the service at random instants under load; exit code 0 only if nobody can tell.

    python -m bench.crash --kills 100 --lifts 60 --rate 2000 --seed 7

Finds or makes broker and database as ``hoistway demo`` does.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from service.rig import Rig
from service.soak.crash import CrashReport, CrashRun, CrashSettings, rig_settings
from service.soak.traffic import TrafficSpec
from service.stack import open_stack


def main() -> int:
    settings, log_path = _settings()
    with (
        open_stack(Path.cwd()) as stack,
        tempfile.TemporaryDirectory(prefix="hoistway-crash-") as directory,
    ):
        given = rig_settings(settings).at(stack.database_url, stack.mqtt_url, Path(directory))

        async def run() -> CrashReport:
            async with Rig(given) as rig:
                try:
                    return await CrashRun(settings, rig).run()
                finally:
                    if log_path:
                        log_path.write_text(rig.service.log_path.read_text("utf-8"), "utf-8")

        report = asyncio.run(run())
    console = Console(width=160)
    console.print(table(report))
    for fault in report.faults:
        console.print(f"[red]FAILED[/red] {fault}", highlight=False)
    return 1 if report.faults else 0


def table(report: CrashReport) -> Table:
    made = Table(title="crash run", show_header=False, title_justify="left")
    errors_ms = np.abs(report.onset_errors_us or [0]) / 1000
    found, tests = report.comparison, report.backtests
    for name, value in (
        ("seconds under load", f"{report.seconds:.1f}"),
        ("kills", len(report.kills)),
        *((f"  {blow}", count) for blow, count in sorted(report.blows().items())),
        ("frames published, copies included", report.published),
        ("  acknowledged by the broker", report.acknowledged),
        ("  different ones", report.distinct),
        ("  stored", report.stored),
        ("  duplicates, redeliveries included", report.duplicate),
        ("broken payloads sent / dead letters", f"{report.broken} / {report.dead_letters}"),
        ("true entrapments", report.entrapments),
        ("true events found", len(found.hits)),
        ("  not needed (too short), not found", len(found.optional)),
        ("  missed", len(report.missed)),
        ("alarm rows", report.alarms),
        ("  false / double", f"{len(found.false)} / {len(found.double)}"),
        ("  largest error of an onset", f"{errors_ms.max():.0f} ms"),
        ("messages taken by the desk", report.deliveries),
        ("  of them again, same webhook-id", report.redelivered),
        ("batches repeated from scratch", sum(b.batches for b in tests)),
        ("  with other transitions than stored", sum(len(b.differing_batches) for b in tests)),
        ("transitions stored / uninterrupted",
         f"{sum(len(b.stored) for b in tests)} / {sum(len(b.derived) for b in tests)}"),
        ("late frames", sum(b.late for b in tests)),
    ):  # fmt: skip
        made.add_row(name, str(value))
    return made


def _settings() -> tuple[CrashSettings, Path | None]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--lifts", type=int, default=24, help="lifts with trapped people")
    parser.add_argument("--rate", type=int, default=300, help="frames/s of the load beside them")
    parser.add_argument("--load-lifts", type=int, default=0, help="default: half the rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=1, help="writers of the service")
    parser.add_argument("--log", type=Path, help="keep the log of the service here")
    given = parser.parse_args()
    traffic = TrafficSpec(
        lifts=given.lifts,
        load_lifts=given.load_lifts or max(given.rate // 2, 4),
        load_frames_per_s=given.rate,
        seed=given.seed,
        longest_s=120 + given.kills * 10,
    )
    return CrashSettings(kills=given.kills, traffic=traffic, lanes=given.lanes), given.log


if __name__ == "__main__":
    sys.exit(main())
