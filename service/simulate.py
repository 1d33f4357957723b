"""``hoistway simulate``: a simulated fleet, a steady load or a ride log, published to the broker.

Joins the clock, the settings and the terminal with ``simulator``; what is simulated is decided
there. Progress goes to standard error, the summary to standard output (one line, or JSON). Exit
code 0 only if the broker acknowledged everything.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from service.clock import SystemClock
from service.commands.failures import SETTINGS, UNAVAILABLE, CommandError
from service.settings import MqttSettings, load
from simulator.faults.draw import Rates
from simulator.fleet import Fleet, FleetSpec
from simulator.network.spec import NOISY_NETWORK, NetworkSpec
from simulator.publishing.feed import Feed, FleetFeed, SteadyLoad, TapeFeed
from simulator.publishing.live import FAST_STEP_US, Progress, run_live, start_of_run
from simulator.publishing.publish import Publisher, PublishError, PublishSettings
from simulator.recordings.rides import RideLogError, frames_of, read_rides
from simulator.scenarios.presets import city

SECOND_US: Final = 1_000_000
FLUSH_S: Final = 30.0
"""How long the last acknowledgements are waited for."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be sent, and how fast. ``speed`` None = as fast as possible."""

    feed: Feed
    start_us: int
    end_us: int
    speed: float | None
    announce: bool


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; errors are left to the caller."""
    result = app(list(arguments), prog_name="hoistway simulate", standalone_mode=False)
    return int(result or 0)


@app.command()
def simulate(  # noqa: PLR0913, PLR0917 - a command's options
    lifts: Annotated[int, typer.Option(min=1, help="Lifts of the fleet.")] = 200,
    escalators: Annotated[int, typer.Option(min=0, help="Escalators beside them.")] = 0,
    for_s: Annotated[float, typer.Option("--for", min=1, help="Length in event time [s].")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal frames.")] = 1,
    speed: Annotated[
        str, typer.Option(help="1 = real time, N times as fast, or max. Rides default to max.")
    ] = "",
    traffic: Annotated[int, typer.Option(min=0, help="Passengers, % of the usual.")] = 100,
    faults: Annotated[
        int,
        typer.Option(min=0, help="Draw faults and look-alikes at this multiple of field rates."),
    ] = 0,
    noise: Annotated[
        bool, typer.Option(help="Duplicates, reordering and broken payloads as in the field.")
    ] = False,
    rate: Annotated[
        int, typer.Option(min=0, help="Instead of a world: a steady load of so many frames/s.")
    ] = 0,
    per_message: Annotated[int, typer.Option(min=1, help="Frames in one message.")] = 1,
    rides: Annotated[
        Path | None,
        typer.Option(help="Instead of a world: a ride log (start_ms,end_ms,direction)."),
    ] = None,
    code: Annotated[str, typer.Option(help="Registration code of the lift of the log.")] = "RIDES",
    connections: Annotated[int, typer.Option(min=1, max=64, help="To the broker.")] = 2,
    count: Annotated[
        bool, typer.Option("--dry-run", help="Publish nothing: make the frames and count them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON.")] = False,
    truth: Annotated[
        Path | None, typer.Option(help="Write the true events here, one JSON object a line.")
    ] = None,
) -> int:
    """Let a simulated fleet publish to the broker of HOISTWAY_MQTT_URL."""
    pace = _speed(speed or ("max" if rides else "1"))
    duration_us = round(for_s * SECOND_US)
    start_us, end_us = _span(duration_us, pace)
    if rides is not None:
        tape = _tape(rides, code)
        run = Run(tape, tape.start_us, tape.end_us, pace, announce=True)
    elif rate:
        run = Run(_load(lifts, rate, start_us, per_message), start_us, end_us, pace, announce=False)
    else:
        spec = FleetSpec(start_us, lifts, escalators=escalators, rate_pct=traffic)
        fleet = city(spec, seed, duration_us, Rates(), faults)
        feed = FleetFeed(fleet, _network(per_message, noise=noise), seed)
        run = Run(feed, start_us, end_us, pace, announce=True)
    summary = _made(run) if count else asyncio.run(_published(run, connections))
    summary |= _of_fleet(run.feed, truth)
    typer.echo(json.dumps(summary) if as_json else _line(summary))
    return 0 if summary.get("unacknowledged", 0) == 0 else 1


def _span(duration_us: int, pace: float | None) -> tuple[int, int]:
    """Return the event times of a run that never passes the clock."""
    now_us = SystemClock().now_us()
    start_us = start_of_run(now_us - (duration_us if pace is None else 0), duration_us, pace or 1)
    return start_us, start_us + duration_us


def _network(per_message: int, *, noise: bool) -> NetworkSpec:
    return replace(
        NOISY_NETWORK if noise else NetworkSpec(),
        frames_per_message=per_message,
        linger_us=SECOND_US if per_message > 1 else 0,
    )


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1e6:
        raise CommandError(f"--speed is {text!r}: give a number above 0, or max", SETTINGS)
    return speed


def _tape(path: Path, code: str) -> TapeFeed:
    try:
        frames, labels = frames_of(read_rides(path))
    except RideLogError as error:
        raise CommandError(str(error), SETTINGS) from error
    return TapeFeed(frames, code, labels, "rides")


def _load(lifts: int, rate: int, start_us: int, per_message: int) -> SteadyLoad:
    try:
        return SteadyLoad(lifts, rate, start_us, per_message)
    except ValueError as error:
        raise CommandError(f"--rate: {error}", SETTINGS) from error


def _made(run: Run) -> dict[str, Any]:
    """Make everything and publish nothing."""
    clock = SystemClock()
    began_us, messages, octets = clock.now_us(), 0, 0
    t_us = run.start_us
    while t_us < run.end_us:
        t_us = min(t_us + FAST_STEP_US, run.end_us)
        made = run.feed.messages_until(t_us)
        messages += len(made)
        octets += sum(len(m.payload) for m in made)
    elapsed_s = max(clock.now_us() - began_us, 1) / 1e6
    frames = run.feed.frames
    return {
        "frames": frames,
        "messages": messages,
        "bytes": octets,
        "elapsed_s": round(elapsed_s, 3),
        "frames_per_s": round(frames / elapsed_s),
    }


async def _published(run: Run, connections: int) -> dict[str, Any]:
    settings = _publish_settings(load().mqtt, connections)
    clock = SystemClock()
    try:
        async with Publisher(settings) as publisher:
            if run.announce:
                await publisher.announce(run.feed.gateways, "online", run.start_us)
            last = await run_live(
                run.feed, publisher, clock, start_us=run.start_us, end_us=run.end_us,
                speed=run.speed, on_progress=_show,
            )  # fmt: skip
            if isinstance(run.feed, FleetFeed):
                await publisher.publish(run.feed.rest())
            if run.announce:
                await publisher.announce(run.feed.gateways, "offline", run.end_us)
            await publisher.flush(FLUSH_S)
            report = publisher.report
    except PublishError as error:
        raise CommandError(str(error), UNAVAILABLE) from error
    return {
        "frames": run.feed.frames,
        "published_frames": report.frames,
        "messages": report.messages,
        "acknowledged_messages": report.acknowledged_messages,
        "acknowledged_frames": report.acknowledged_frames,
        "unacknowledged": report.unacknowledged_messages,
        "reconnects": report.reconnects,
        "resent": report.resent,
        "elapsed_s": round(last.elapsed_us / 1e6, 3),
        "frames_per_s": round(last.frames_per_s),
        "worst_lag_s": round(last.worst_lag_us / 1e6, 3),
    }


def _publish_settings(mqtt: MqttSettings, connections: int) -> PublishSettings:
    if mqtt.url is None:
        raise CommandError(
            "HOISTWAY_MQTT_URL is not set; set it to mqtt://user:password@host:port", SETTINGS
        )
    return PublishSettings(
        url=mqtt.url.get_secret_value(),
        connections=connections,
        client_id=f"{mqtt.client_id}-simulator",
        connect_timeout_s=mqtt.connect_timeout_s,
        ca_file=mqtt.ca_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
        username=mqtt.username,
        password=None if mqtt.password is None else mqtt.password.get_secret_value(),
    )


def _show(progress: Progress) -> None:
    typer.echo(
        f"{progress.frames} frames, {progress.frames_per_s:.0f}/s, "
        f"{progress.messages - progress.acknowledged} messages unacknowledged, "
        f"lag {progress.lag_us / 1e6:.2f} s",
        err=True,
    )


def _of_fleet(feed: Feed, path: Path | None) -> dict[str, Any]:
    """Return what only a world has: digest, people, truth; write the truth if wanted."""
    fleet: Fleet | None = feed.fleet if isinstance(feed, FleetFeed) else None
    if fleet is None:
        return {}
    events = fleet.truth()
    if path is not None:
        lines = [json.dumps({**asdict(e), "kind": e.kind.slug}) + "\n" for e in events]
        try:
            path.write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"--truth: {path}: {error.strerror}", SETTINGS) from error
    return {"true_events": len(events), "sha256": fleet.digest.hexdigest(), **fleet.people()}


def _line(summary: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in summary.items())
