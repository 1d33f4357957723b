"""Outages at the full lengths of the promises; exit code 0 only if nothing was lost.

    python -m bench.outage
    python -m bench.outage --only database-stopped desk-hangs --scale 0.2 --rate 2000

Database stopped 60 s, broker stopped 30 s, desk answering 500 for 60 s, desk hanging 60 s, commits
cut in the middle; blindness is announced after 15 s as by default. ``--all`` adds killed, frozen
and read-only servers. Uses services of its own, which it stops, kills and freezes.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from service.rig import Rig
from service.soak.commit_cutter import CommitCutter
from service.soak.crash import CrashSettings, rig_settings
from service.soak.outage import Outage, OutageRun, OutageSettings, through
from service.soak.traffic import TrafficSpec
from service.stack import Stack, open_stack

LASTS_S = {
    Outage.DATABASE_STOPPED: 60.0,
    Outage.BROKER_STOPPED: 30.0,
    Outage.DESK_500: 60.0,
    Outage.DESK_HANGS: 60.0,
    Outage.COMMIT_CUT: 10.0,
}
"""The promised ones; how long [s]. ``COMMIT_CUT`` lasts as long as its cuts take."""
OTHERS_S = 30.0


def main() -> int:
    given = _arguments()
    console = Console(width=170)
    failed = 0
    with (
        open_stack(Path.cwd(), own=True) as stack,
        tempfile.TemporaryDirectory(prefix="hoistway-outage-") as directory,
    ):
        for outage in given.outages:
            lasts_s = LASTS_S.get(outage, OTHERS_S) * given.scale
            traffic = TrafficSpec(
                lifts=given.lifts,
                load_lifts=max(given.rate // 2, 4),
                load_frames_per_s=given.rate,
                seed=given.seed,
                longest_s=round(lasts_s) + 120,
            )
            settings = OutageSettings((outage,), lasts_s, 15.0 * given.scale, traffic, 5.0)
            run = asyncio.run(endure(settings, stack, Path(directory)))
            console.print(table(run, lasts_s))
            for fault in run.report.faults:
                console.print(f"[red]FAILED[/red] {outage}: {fault}", highlight=False)
            failed += bool(run.report.faults)
    return 1 if failed else 0


async def endure(settings: OutageSettings, stack: Stack, directory: Path) -> OutageRun:
    target = urlsplit(stack.database_url)
    wanted = rig_settings(CrashSettings(traffic=settings.traffic))
    given = wanted.at(stack.database_url, stack.mqtt_url, directory)
    rig = Rig(given)
    async with CommitCutter(target.hostname or "", target.port or 5432) as cutter:
        try:
            await rig.prepare()
            # Only commits that are to be cut go through the proxy: it would cost speed.
            cuts = Outage.COMMIT_CUT in settings.outages
            url = through(rig.database_url, cutter.port) if cuts else rig.database_url
            rig.service.log_path.unlink(missing_ok=True)
            rig.service.environment = {
                **rig.service.environment,
                "HOISTWAY_DATABASE_URL": url,
                "HOISTWAY_ANNOUNCE_DEGRADED_AFTER_S": str(settings.degraded_after_s),
            }
            await rig.service.start()
            await rig.service.wait_ready()
            run = OutageRun(settings, rig, stack, cutter)
            await run.run()
        finally:
            await rig.__aexit__(None, None, None)
    return run


def table(run: OutageRun, lasts_s: float) -> Table:
    [course] = run.courses
    made = Table(title=f"{course.outage}, {lasts_s:g} s", show_header=False, title_justify="left")
    report, seen = run.report, run.watched
    errors_us = report.onset_errors_us or [0]
    for name, value in (
        ("/readyz 503 after", seconds(course.shown_after_s)),
        ("  causes", ", ".join(sorted(course.causes)) or "none: it stays ready"),
        ("degraded taken by the desk after", seconds(course.announced_after_s)),
        ("restored taken by the desk", "yes" if course.restored else "not announced"),
        ("/readyz 200 after the end", seconds(course.back_after_s)),
        ("frames acknowledged by the broker", report.acknowledged),
        ("  different / stored", f"{report.distinct} / {report.stored}"),
        ("  duplicate / rejected", f"{report.duplicate} / {report.rejected}"),
        ("true entrapments / missed", f"{report.entrapments} / {len(report.missed)}"),
        ("alarm rows", report.alarms),
        ("  false / double", f"{len(report.comparison.false)} / {len(report.comparison.double)}"),
        ("  largest error of an onset", f"{max(map(abs, errors_us)) / 1000:.0f} ms"),
        ("messages taken by the desk / again", f"{report.deliveries} / {report.redelivered}"),
        ("accounts looked at / unbalanced", f"{seen.samples} / {len(seen.unbalanced)}"),
        ("most frames in flight", seen.in_flight_max),
        ("memory before / at most", f"{seen.rss_first_mb:.0f} / {seen.rss_max_mb:.0f} MB"),
    ):  # fmt: skip
        made.add_row(name, str(value))
    return made


def seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = {o.name.lower().replace("_", "-"): o for o in Outage}
    parser.add_argument("--only", nargs="+", choices=list(names), help="these outages")
    parser.add_argument("--all", action="store_true", help="killed, frozen and read-only too")
    parser.add_argument("--scale", type=float, default=1.0, help="of all lengths")
    parser.add_argument("--lifts", type=int, default=24, help="lifts with trapped people")
    parser.add_argument("--rate", type=int, default=300, help="frames/s of the load beside them")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    wanted = [names[name] for name in given.only] if given.only else list(LASTS_S)
    given.outages = list(Outage) if given.all else wanted
    return given


if __name__ == "__main__":
    sys.exit(main())
