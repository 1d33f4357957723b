"""The spine at speed: frames received, detected and stored by the real service, and its latency.

    make bench ARGS=spine        or        .venv/bin/python -m bench spine [--frames N] [--lifts N]

Throughput is measured by draining a backlog: frames wait in the broker's session, then the service
starts and takes them, so that no publisher shares the two cores. It is printed beside the raw COPY
rate of the same rows into the same hypertable, in the same run: the ratio is what to compare, since
absolute numbers are this machine's. Latency is measured live, at a steady 2,000 frames/s, from
publishing the frame that completes a window to the request at the desk.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.store import frames as store_frames
from ingest.store.connect import open_connection, transaction
from service.demo.report import percentile
from service.rig import Rig, RigSettings
from service.stack import open_stack
from service.times import to_us
from simulator.network.messages import Message
from simulator.publishing.feed import SteadyLoad
from simulator.publishing.publish import Publisher, PublishSettings
from telemetry.batch import FrameBatch
from telemetry.topics import frames_topic

SECOND_US = 1_000_000
TUNED = {name: value for name, value in os.environ.items() if name.startswith("HOISTWAY_INGEST_")}
"""Settings to try out, e.g. HOISTWAY_INGEST_BATCH_WINDOW_MS=5."""


@dataclass(frozen=True, slots=True)
class Drained:
    """One drain: frames, seconds, and memory of the service at its end [MB]."""

    frames: int
    seconds: float
    memory_mb: float
    cpu_s: float
    copy_s: float

    @property
    def rate(self) -> float:
        return self.frames / self.seconds


async def drain(rig: Rig, frames: int, lifts: int, per_message: int, start_cpu_s: float) -> Drained:
    """Let ``frames`` wait in the broker, start the service, and time it until all are stored."""
    rate = max(lifts // 5, 1)
    span_us = frames * SECOND_US // rate
    start_us = rig.clock.now_us() - span_us
    load = SteadyLoad(lifts, rate, start_us, per_message)
    async with Publisher(
        PublishSettings(rig.settings.mqtt_url, client_id=f"{rig.client_id}-pub")
    ) as publisher:
        for step in range(1, 41):
            await publisher.publish(load.messages_until(start_us + span_us * step // 40))
        if not await publisher.flush(120):
            raise SystemExit("the broker did not take the backlog")
    await rig.service.start()
    await rig.service.wait_ready(60)
    await until_stored(rig, load.frames)
    ended_us = rig.clock.now_us()
    memory_mb = resident_mb(rig.service.pid)
    cpu_s = processor_s(rig.service.pid) - start_cpu_s
    counted = await rig.count("SELECT count(*) FROM frames")
    if counted != load.frames:
        raise SystemExit(f"{counted} rows for {load.frames} frames")
    # From the first byte that arrived to the last commit, by one clock: the start is not counted.
    began = await rig.count("SELECT min(received_at) FROM frames")
    seconds = (ended_us - to_us(began)) / 1e6
    await rig.service.stop()
    return Drained(load.frames, seconds, memory_mb, cpu_s, await raw_copy(rig))


async def until_stored(rig: Rig, frames: int) -> None:
    """Wait until the service has stored so many frames."""
    stored = 0.0
    while stored < frames:
        await asyncio.sleep(0.05)
        stored = (await rig.service.metrics())["hoistway_frames_stored_total"]


async def raw_copy(rig: Rig) -> float:
    """Return how long the bare binary COPY of the same rows takes, in batches of 8,000 [s]."""
    conn = await open_connection(rig.database_url)
    stored = await store_frames.read_batches(conn, (0, 2**62), (0, 2 * 10**15))
    rows = stored.frames
    await conn.execute("TRUNCATE frames")
    loop = asyncio.get_running_loop()
    began = loop.time()
    for start in range(0, len(rows), 8_000):
        part: FrameBatch = rows.take(slice(start, start + 8_000))
        async with transaction(conn):
            await store_frames.write(conn, part, 1, part["late"] & False)
    seconds = loop.time() - began
    await conn.execute("TRUNCATE frames")
    await conn.close()
    return seconds


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process [MB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmRSS")


async def latency(rig: Rig, rate: int, lifts: int, seconds: int, presses: int) -> list[float]:
    """Press alarm buttons amid a steady load; return publish-to-desk times [ms]."""
    await rig.service.start()
    await rig.service.wait_ready(60)
    start_us = rig.clock.now_us() + SECOND_US
    load = SteadyLoad(lifts, rate, start_us)
    sent: dict[str, int] = {}
    times: list[float] = []
    async with Publisher(
        PublishSettings(rig.settings.mqtt_url, client_id=f"{rig.client_id}-live")
    ) as publisher:
        for step in range(seconds * 50):
            until_us = start_us + step * 20_000
            await asyncio.sleep(max(0, (until_us - rig.clock.now_us()) / 1e6))
            messages = load.messages_until(until_us)
            if step > 150 and step % max(1, seconds * 50 // presses) == 0:
                code = f"PRESS{step:06d}"
                time_ms = rig.clock.now_us() // 1000
                payload = b'{"elevator":"%b","seq":1,"time":%d,"button":true}' % (
                    code.encode(), time_ms
                )  # fmt: skip
                sent[code] = rig.clock.now_us()
                messages.append(Message(frames_topic("press"), payload, until_us, ()))
            await publisher.publish(messages)
        await publisher.flush(10)
    await rig.desk.wait_for(lambda desk: len(desk.messages("raised")) >= len(sent), 20)
    print(stages(await rig.service.metrics()))
    for message in rig.desk.messages("raised"):
        code = message.data["elevator"]["code"]
        times.append((message.at_us - sent[code]) / 1000)
    await rig.service.stop()
    return times


def stages(metrics: dict[str, float]) -> str:
    """Return the mean time of the stages inside the service [ms]."""
    told = []
    for label, name in (
        ("arrival to commit", "frame_stored"),
        ("detect", "batch_detect"),
        ("BEGIN to commit", "batch_commit"),
        ("loop lag", "loop_lag"),
    ):
        total = metrics[f"hoistway_{name}_seconds_sum"]
        count = max(1.0, metrics[f"hoistway_{name}_seconds_count"])
        told.append(f"{label} {1000 * total / count:.1f}")
    return "means inside the service [ms]: " + ", ".join(told)


async def run(frames: int, lifts: int, which: Sequence[str]) -> None:
    with open_stack(Path.cwd(), own=True) as stack, tempfile.TemporaryDirectory() as directory:
        settings = RigSettings(
            stack.database_url, stack.mqtt_url, Path(directory), environment=TUNED
        )
        for per_message in (1, 50):
            if str(per_message) not in which:
                continue
            rig = Rig(settings)
            try:
                await rig.prepare()
                # The session must exist before anything is published for it.
                await rig.service.start()
                await rig.service.wait_ready(60)
                start_cpu_s = processor_s(rig.service.pid)
                await rig.service.stop()
                done = await drain(rig, frames, lifts, per_message, start_cpu_s)
            finally:
                await rig.__aexit__(None, None, None)
            print(
                f"{per_message:3d} frames a message: {done.rate:9,.0f} frames/s stored,"
                f" {done.rate / per_message:9,.0f} messages/s;"
                f" raw COPY of the same rows"
                f" {done.frames / done.copy_s:,.0f} rows/s;"
                f" ratio {done.copy_s / done.seconds:.2f};"
                f" service {1e6 * done.cpu_s / done.frames:.1f} µs of processor a frame,"
                f" memory {done.memory_mb:.0f} MB with {lifts:,} lifts"
            )
        if "latency" in which:
            rig = Rig(settings)
            try:
                await rig.prepare()
                times = await latency(rig, 2_000, 1_000, 30, 200)
            finally:
                await rig.__aexit__(None, None, None)
            print(
                f"publish to desk at 2,000 frames/s, {len(times)} alarms:"
                f" p50 {percentile(times, 50):.0f} ms, p99 {percentile(times, 99):.0f} ms,"
                f" max {max(times):.0f} ms"
            )


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench spine", description=__doc__)
    parser.add_argument("--frames", type=int, default=300_000)
    parser.add_argument("--lifts", type=int, default=10_000)
    parser.add_argument("--only", default="1,50,latency", help="1, 50, latency")
    given = parser.parse_args(list(argv))
    asyncio.run(run(given.frames, given.lifts, given.only.split(",")))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
