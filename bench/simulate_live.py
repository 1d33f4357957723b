"""A whole fleet live to a broker: achieved rate, lag, processor time, beside the broker's own rate.

    make bench ARGS="simulate_live --lifts 56000 --for 60"

The fleet lives at nine in the morning of its own time, behind DEFAULT_NETWORK, one frame a message
(or --per-message), and publishes in real time over two connections; another process receives
everything with QoS 1, as a service would. Then the same messages are sent once more, ready made and
as fast as the broker takes them: its own receive rate, through the same publisher, in the same run.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from bench.source import PUBACK_BYTES, acknowledged
from service.clock import SystemClock
from service.stack import open_stack
from simulator.fleet import Fleet, FleetSpec
from simulator.network.messages import Message
from simulator.network.spec import DEFAULT_NETWORK
from simulator.publishing.ahead import AHEAD_US, Ahead
from simulator.publishing.feed import FleetFeed
from simulator.publishing.live import Progress, run_live
from simulator.publishing.publish import Observer, Publisher, PublishSettings
from tests.fakes.raw_mqtt import RawClient

ROOT = Path(__file__).resolve().parent.parent
CLOCK = SystemClock()
SECOND_US = 1_000_000
HOUR_S = 3600
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


async def receive(url: str) -> None:
    """Take everything and acknowledge it; say how much at the end of the input."""
    client = await RawClient.connect(url, f"bench-{uuid.uuid4().hex[:8]}")
    await client.subscribe("hoistway/v1/+/frames")
    print("ready", flush=True)
    count, rest = 0, b""
    while True:
        data = rest + await client.reader.read(1 << 18)
        if data == rest:
            break
        acks, rest = acknowledged(data)
        count += len(acks) // PUBACK_BYTES
        client.writer.write(acks)
        print(count, flush=True)


@contextlib.asynccontextmanager
async def receiver(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.simulate_live", "--receive", url,
        stdout=asyncio.subprocess.PIPE, limit=1 << 26, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout
    await process.stdout.readline()
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def received(process: asyncio.subprocess.Process, n: int) -> None:
    """Wait until the receiver has had ``n`` messages."""
    assert process.stdout
    while int(await process.stdout.readline() or n) < n:
        pass


def cpu_s(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def show(progress: Progress) -> None:
    print(
        f"  {progress.elapsed_us / 1e6:5.1f} s: {progress.frames:,} frames, "
        f"{progress.frames_per_s:,.0f}/s, lag {progress.lag_us / 1e6:.3f} s",
        file=sys.stderr,
    )


def grown_fleet(lifts: int, per_message: int, ahead_s: int = 120) -> FleetFeed:
    """Build a fleet at nine in the morning and let it find its traffic before the run."""
    start_us = CLOCK.now_us() // 1000 * 1000 - ahead_s * SECOND_US
    hour = start_us // SECOND_US // HOUR_S % 24
    spec = FleetSpec(start_us, lifts, utc_offset_hours=(9 - hour) % 24)
    linger_us = SECOND_US if per_message > 1 else 0
    network = replace(DEFAULT_NETWORK, frames_per_message=per_message, linger_us=linger_us)
    feed = FleetFeed(Fleet(spec, 1), network, 1)
    for second in range(ahead_s):
        feed.source.arrived_until(start_us + (second + 1) * SECOND_US)
    return feed


async def live(url: str, lifts: int, for_s: int, per_message: int) -> list[Message]:
    began_cpu_s = time.process_time()
    feed = grown_fleet(lifts, per_message)
    print(f"{lifts:,} lifts built and grown in {time.process_time() - began_cpu_s:.0f} CPU s")
    gc.collect()
    gc.freeze()
    kept: list[Message] = []
    lags_us: list[int] = []
    settings = PublishSettings(url, 2, f"bench-{uuid.uuid4().hex[:8]}")
    async with receiver(url) as process, Publisher(settings, Observer(kept.extend)) as publisher:
        start_us = CLOCK.now_us() // 1000 * 1000
        feed.source.arrived_until(start_us)
        start_us = CLOCK.now_us() // 1000 * 1000
        feed.messages_until(start_us)
        cpu0_s, wall0_s = time.process_time(), time.perf_counter()
        before = feed.frames
        end_us = start_us + for_s * SECOND_US
        last = await run_live(
            Ahead(feed, end_us, AHEAD_US), publisher, CLOCK,
            start_us=start_us, end_us=end_us,
            on_progress=lambda p: (lags_us.append(p.lag_us), show(p))[0],
        )  # fmt: skip
        assert await publisher.flush(30)
        took_s, used_s = time.perf_counter() - wall0_s, time.process_time() - cpu0_s
        await received(process, publisher.report.messages)
        assert process.pid
        frames = publisher.report.frames
        theirs_us = cpu_s(process.pid) / frames * 1e6
        print(
            f"live: {frames / took_s:,.0f} frames/s over {len(feed.gateways):,} gateways, "
            f"{frames:,} frames sent ({feed.frames - before:,} made), lag at worst "
            f"{last.worst_lag_us / 1e6:.3f} s, {used_s / frames * 1e6:.1f} us CPU a frame "
            f"({used_s / took_s:.0%} of a core), receiver {theirs_us:.1f} us"
        )
    return kept


async def fastest(url: str, messages: list[Message]) -> float:
    """Return the rate at which the broker receives ready-made messages [messages/s]."""
    settings = PublishSettings(url, 2, f"bench-{uuid.uuid4().hex[:8]}")
    async with receiver(url) as process, Publisher(settings) as publisher:
        began_s, cpu0_s = time.perf_counter(), time.process_time()
        for at in range(0, len(messages), 10_000):
            await publisher.publish(messages[at : at + 10_000])
        assert await publisher.flush(60)
        took_s, used_s = time.perf_counter() - began_s, time.process_time() - cpu0_s
        await received(process, len(messages))
    print(
        f"broker: {len(messages) / took_s:,.0f} ready-made messages/s taken and handed on, "
        f"{used_s / len(messages) * 1e6:.1f} us CPU of the publisher a message"
    )
    return len(messages) / took_s


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, default=56_000)
    parser.add_argument("--for", dest="for_s", type=int, default=30)
    parser.add_argument("--per-message", type=int, default=1, help="gathered for up to 1 s")
    parser.add_argument("--receive", metavar="URL", help="receive and do nothing else")
    told = parser.parse_args()
    if told.receive:
        await receive(told.receive)
        return
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        messages = await live(stack.mqtt_url, told.lifts, told.for_s, told.per_message)
        rate = await fastest(stack.mqtt_url, messages)
        print(f"live rate / broker's own rate = {len(messages) / told.for_s / rate:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
