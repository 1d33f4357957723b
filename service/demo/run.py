"""The demo's run: a live fleet, a desk that accepts, rescuers that free, and the comparison."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from service.demo.report import Outcome
from service.desk import Received
from service.rig import Rig, RigSettings
from service.times import to_us
from simulator.fleet import Fleet
from simulator.network.messages import FrameKey, Message
from simulator.network.spec import NetworkSpec
from simulator.publishing.feed import FleetFeed
from simulator.publishing.live import Progress, run_live
from simulator.publishing.publish import Observer, Publisher, PublishSettings
from simulator.scenarios.presets import NEEDED_US, Demo, demo_script
from simulator.scoring import SeenAlarm, match
from telemetry.findings import FINDINGS, FindingKind

SECOND_US: Final = 1_000_000
RESCUE_AFTER_US: Final = 1 * SECOND_US
"""A rescuer frees the people so long after the desk accepted (in life: minutes)."""
FRAMES: Final = "hoistway_frames_"
ENDLESS_S: Final = 24 * 3600
SCRIPT_S: Final = 60
"""The script's entrapments are over by then [s]."""
NETWORK: Final = NetworkSpec(duplicate_ppm=10_000, reorder_ppm=2_000, broken_ppm=3_000)
"""A network as in the field, a little worse: 1 % duplicates, reordering, 0.3 % broken payloads."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How big, which seed, how long [s] (None: until interrupted)."""

    lifts: int = 200
    seed: int = 1
    for_s: float | None = None


@dataclass(slots=True)
class _Sent:
    """When each lift's frames left, for latencies: event time and send time [µs], in order."""

    frames: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    broken: int = 0

    def note(self, messages: Sequence[Message], now_us: int) -> None:
        """Remember what was just sent."""
        for message in messages:
            if not message.keys:
                self.broken += 1
            for key in message.keys:
                self._note_frame(key, now_us)

    def _note_frame(self, key: FrameKey, now_us: int) -> None:
        self.frames.setdefault(key.lift, []).append((key.device_time_us, now_us))

    def when(self, lift: int, from_us: int) -> int | None:
        """Return when the first frame of ``lift`` with event time >= ``from_us`` was sent."""
        sent = [at for event, at in self.frames.get(lift, ()) if event >= from_us]
        return min(sent) if sent else None


@dataclass(slots=True)
class _Running:
    """The demo while it runs."""

    rig: Rig
    demo: Demo
    sent: _Sent
    publisher: Publisher
    console: Console

    async def live(self, feed: FleetFeed, start_us: int, end_us: int) -> None:
        """Let the fleet publish in real time."""
        await run_live(
            feed, self.publisher, self.rig.clock, start_us=start_us, end_us=end_us,
            on_progress=_progress(self.console, self.rig, self.demo),
        )  # fmt: skip

    async def show_table_after(self, seconds: float) -> None:
        """Print the table once the script is over, while the fleet lives on."""
        await asyncio.sleep(seconds)
        outcome = await self.outcome(settle=False)
        self.console.print(outcome.table())
        self.console.print("The fleet lives on; Ctrl-C ends it.  机群继续运行，按 Ctrl-C 结束")

    async def outcome(self, *, settle: bool) -> Outcome:
        """Compare what the service has with the truth, once it has settled what was sent."""
        published = self.publisher.report.frames
        expected = published + self.sent.broken if settle else 0
        counts = await _settled(self.rig, expected)
        return await _outcome(self.rig, self.demo, self.sent, published, counts)


async def run(
    settings: DemoSettings,
    database_url: str,
    mqtt_url: str,
    directory: Path,
    console: Console,
    ended: asyncio.Event,
) -> Outcome:
    """Run the demo until its time is up or ``ended`` is set."""
    fleet = demo_script(settings.lifts, settings.seed, 0).fleet
    console.print(f"registering {len(fleet.codes)} units …  正在登记电梯")
    registrations = _registrations(fleet)
    async with Rig(
        RigSettings(database_url, mqtt_url, directory, registrations=registrations)
    ) as rig:
        start_us = rig.clock.now_us() // 1000 * 1000
        end_us = start_us + round((settings.for_s or ENDLESS_S) * SECOND_US)
        demo = demo_script(settings.lifts, settings.seed, start_us)
        _announce(console, demo, settings)
        sent = _Sent()
        observer = Observer(sent=lambda messages: sent.note(messages, rig.clock.now_us()))
        feed = FleetFeed(demo.fleet, NETWORK, settings.seed)
        async with Publisher(
            PublishSettings(mqtt_url, client_id=f"{rig.client_id}-sim"), observer
        ) as publisher:
            running = _Running(rig, demo, sent, publisher, console)
            tasks = [
                asyncio.create_task(running.live(feed, start_us, end_us)),
                asyncio.create_task(ended.wait()),
            ]
            if settings.for_s is None:
                tasks.append(asyncio.create_task(running.show_table_after(SCRIPT_S)))
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result
            await publisher.publish(feed.rest())
            await publisher.flush(10.0)
        for failure in rig.desk.acts_failed:
            console.print(f"[red]desk:[/red] {failure}")
        return await running.outcome(settle=True)


def _registrations(fleet: Fleet) -> list[tuple[str, dict[str, Any]]]:
    names = ("sticker", "unit", "building", "address", "district", "maintainer", "use_unit",
             "insurer", "policy", "model", "rated_speed_mps", "gateway", "params")  # fmt: skip
    return [
        (row.code, {name: getattr(row, name) for name in names} | {"confirmed": True})
        for row in fleet.registry()
    ]


def _announce(console: Console, demo: Demo, settings: DemoSettings) -> None:
    windows = demo.fleet.spec.params
    text = ", ".join(f"{name} = {value}" for name, value in windows.items())
    console.print(f"[bold]{settings.lifts} lifts are live.[/bold]  {settings.lifts} 台电梯已上线")
    console.print(f"The demo's lifts carry shorter hold windows as per-lift parameters: {text}; "
                  "the defaults are 30 s, 60 s and 10 s.")  # fmt: skip
    console.print(f"{len(demo.trapped)} entrapments will happen within half a minute.")


def _progress(console: Console, rig: Rig, demo: Demo) -> Callable[[Progress], None]:
    """Return a callback that shows the run and sends rescuers to accepted cases."""
    shown: set[str] = set()
    freed: set[str] = set()

    def on_progress(progress: Progress) -> None:
        for message in rig.desk.messages():
            if message.webhook_id not in shown:
                shown.add(message.webhook_id)
                _show(console, message)
            if message.type == "hoistway.alarm.accepted" and message.alarm_id not in freed:
                freed.add(str(message.alarm_id))
                code = message.data["elevator"]["code"]
                demo.fleet.release(code, progress.event_us + RESCUE_AFTER_US)
        if progress.elapsed_us // SECOND_US % 10 == 0:
            console.print(f"  {progress.elapsed_us // SECOND_US} s: {progress.frames} frames "
                          f"published, lag {progress.lag_us // 1000} ms")  # fmt: skip

    return on_progress


def _show(console: Console, message: Received) -> None:
    if message.type.startswith("hoistway.alarm."):
        step = message.type.removeprefix("hoistway.alarm.")
        text = message.data["text"]
        console.print(f"  desk: [bold]{step}[/bold] {text['en']}  {text['zh']}")


async def _settled(rig: Rig, received: int) -> dict[str, int]:
    """Wait until the service has settled everything; return its counts."""
    counts: dict[str, int] = {}
    for _ in range(100):
        metrics = await rig.service.metrics()
        counts = {
            name: round(sum(v for k, v in metrics.items() if k.startswith(FRAMES + name)))
            for name in ("received_total", "stored_total", "duplicate_total", "rejected_total",
                         "in_flight")
        }  # fmt: skip
        if counts["received_total"] >= received and counts["in_flight"] == 0:
            break
        await asyncio.sleep(0.1)
    return counts


async def _outcome(
    rig: Rig, demo: Demo, sent: _Sent, published: int, counts: dict[str, int]
) -> Outcome:
    """Compare what the service has with the truth."""
    rows = await rig.pool.fetch(
        "SELECT a.id, e.code, a.kind, a.onset, a.accepted_at, a.state FROM alarms a"
        " JOIN elevators e ON e.id = a.elevator_id"
    )
    alarms = [
        SeenAlarm(str(r["id"]), r["code"], FindingKind(r["kind"]), to_us(r["onset"]))
        for r in rows
        if FINDINGS[FindingKind(r["kind"])].life_safety
    ]
    truth = [event for event in demo.fleet.truth() if event.life_safety]
    now_us = demo.fleet.now_us
    comparison = match(alarms, truth, needed_us=NEEDED_US, until_us=now_us)
    raised = {m.alarm_id: m for m in rig.desk.messages("hoistway.alarm.raised")}
    latencies = []
    for hit in comparison.hits:
        message = raised.get(hit.alarm.alarm_id)
        if message is None:
            continue
        deciding_us = sent.when(hit.event.lift, _detected_us(message))
        if deciding_us is not None:
            latencies.append((message.at_us - deciding_us) / 1000)
    return Outcome(
        comparison=comparison,
        truth=truth,
        dispatched=frozenset(str(i) for i in raised),
        accepted=frozenset(str(r["id"]) for r in rows if r["accepted_at"] is not None),
        released=frozenset(
            str(r["id"]) for r in rows if r["state"] in ("released", "self_released")
        ),
        published=published,
        broken=sent.broken,
        stored=counts["stored_total"],
        duplicate=counts["duplicate_total"],
        rejected=counts["rejected_total"],
        latencies_ms=latencies,
    )


def _detected_us(message: Received) -> int:
    """Return the event time at which the window was complete: what the deciding frame reached."""
    return to_us(datetime.fromisoformat(str(message.data["detected"])))
