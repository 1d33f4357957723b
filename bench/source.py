"""How fast the MQTT source receives, beside the broker's own rate to an empty receiver.

Twice each round for every receiver: *backlog*, it drains what the broker has queued, alone; *live*,
another process publishes the same messages at full speed meanwhile. The process' CPU time is the
receiver's. The empty receiver is a raw socket that counts packets and acknowledges; nothing can be
faster through this broker. Read the ratio, the machine is noisy:

    python -m bench.source [--messages 50000] [--rounds 3] [--window-ms 20]
"""

import argparse
import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiomqtt
import msgspec

from ingest.decode import decode, slices
from ingest.mqtt_packets import PublishSplitter, pubacks
from ingest.mqtt_settings import MqttSettings
from ingest.mqtt_source import MqttSource, delete_session
from service.clock import SystemClock
from service.stack import open_stack
from tests.fakes.raw_mqtt import RawClient, publish_all

ROOT = Path(__file__).resolve().parent.parent
CLOCK = SystemClock()
PUBACK_BYTES = 4
FRAME = {
    "elevator": "31103301102014075069", "seq": 4711, "time": 1_795_320_000_000, "mode": 1, "car": 0,
    "direction": 0, "zone": False, "floor": "12", "door": 2, "passenger": True, "speed": 0.0,
    "power": "mains", "button": False, "codes": ["04"],
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One receiver draining one backlog."""

    messages_per_s: float
    cpu_us: float


@dataclass(frozen=True)
class Plan:
    """What every receiver drains."""

    url: str
    messages: int
    window_s: float
    client_id: str

    def settings(self, protocol: str) -> MqttSettings:
        return MqttSettings(
            url=self.url,
            client_id=self.client_id,
            protocol=protocol,  # type: ignore[arg-type]
        )


def acknowledged(data: bytes) -> tuple[bytes, bytes]:
    """Return the PUBACKs of all whole QoS 1 PUBLISH packets in ``data``, and what is left of it."""
    acks, at, end = bytearray(), 0, len(data)
    while end - at >= 4:
        length, body = data[at + 1], at + 2
        if length > 127:
            length, body = (length & 127) | data[at + 2] << 7, at + 3
        if body + length > end:
            break
        number = body + 2 + (data[body] << 8 | data[body + 1])
        acks += b"\x40\x02" + data[number : number + 2]
        at = body + length
    return bytes(acks), data[at:]


async def empty_receiver(plan: Plan) -> None:
    client = await RawClient.connect(plan.url, plan.client_id, clean=False)
    count, rest = 0, b""
    while count < plan.messages:
        acks, rest = acknowledged(rest + await client.reader.read(65_536))
        count += len(acks) // PUBACK_BYTES
        client.writer.write(acks)
    await client.close()


async def our_source(plan: Plan, protocol: str = "3.1.1", *, decoding: bool = False) -> None:
    async with MqttSource(plan.settings(protocol), CLOCK) as source:
        count = 0
        while count < plan.messages:
            messages = await source.read(8_000, 1 << 30)
            if decoding:
                for part in slices(messages):
                    decode(part)
            source.ack(messages)
            count += len(messages)
            if plan.window_s:
                await asyncio.sleep(plan.window_s)


async def stock_aiomqtt(plan: Plan) -> None:
    """The library alone, acknowledging at once and therefore before anything is stored."""
    account, _, place = plan.url.removeprefix("mqtt://").rpartition("@")
    user, _, password = account.partition(":")
    host, _, port = place.partition(":")
    client = aiomqtt.Client(
        host, int(port), username=user, password=password,
        identifier=plan.client_id, clean_session=False,
    )  # fmt: skip
    async with client:
        count = 0
        async for _ in client.messages:
            count += 1
            if count == plan.messages:
                break


RECEIVERS: dict[str, Callable[[Plan], Awaitable[None]]] = {
    "empty receiver": empty_receiver,
    "source, MQTT 3.1.1": our_source,
    "source, MQTT 5": lambda plan: our_source(plan, "5"),
    "source + decode": lambda plan: our_source(plan, decoding=True),
    "stock aiomqtt": stock_aiomqtt,
}


async def measure(url: str, name: str, count: int, window_s: float, *, live: bool) -> Run:
    plan = Plan(url, count, window_s, f"bench-{uuid.uuid4().hex[:8]}")
    async with MqttSource(plan.settings("3.1.1"), CLOCK):
        pass  # makes the session
    publisher = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.source", "--publish", url, "--messages", str(count)
    )
    if not live:
        await publisher.wait()
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    await RECEIVERS[name](plan)
    took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    await publisher.wait()
    await delete_session(plan.settings("3.1.1"), CLOCK)
    return Run(count / took_s, cpu_s / count * 1e6)


async def publish(url: str, count: int) -> None:
    payload = msgspec.json.encode(FRAME)
    await publish_all(url, (("hoistway/v1/gw-0001/frames", payload) for _ in range(count)))


def splitter_us(count: int = 200_000) -> float:
    """Return the cost of the packet splitter and the PUBACKs alone [µs a message]."""
    payload = msgspec.json.encode(FRAME)
    body = b"\x00\x1ahoistway/v1/gw-0001/frames" + b"\x00\x01" + payload
    one = b"\x32" + bytes([len(body) & 127 | 128, len(body) >> 7]) + body
    piece = one * (65_536 // len(one))
    splitter = PublishSplitter(1, mqtt5=False, max_payload_bytes=1 << 20)
    done, started_s = 0, time.process_time()
    while done < count:
        messages, _ = splitter.feed(piece, 1)
        pubacks([m.token & 0xFFFF for m in messages])
        done += len(messages)
    return (time.process_time() - started_s) / done * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window-ms", type=float, default=0.0)
    parser.add_argument("--publish", metavar="URL", help="publish and do nothing else")
    told = parser.parse_args()
    if told.publish:
        await publish(told.publish, told.messages)
        return
    print(f"{told.messages} messages of one frame, window {told.window_ms:g} ms, median of rounds")
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        for live in (False, True):
            runs: dict[str, list[Run]] = {name: [] for name in RECEIVERS}
            for _ in range(told.rounds):
                for name, results in runs.items():
                    window_s = told.window_ms / 1_000
                    results.append(
                        await measure(stack.mqtt_url, name, told.messages, window_s, live=live)
                    )
            show("live" if live else "backlog", runs)
    print(f"{'splitter + PUBACK only':22}{'':12}{'':10}{splitter_us():13.2f}")


def show(title: str, runs: dict[str, list[Run]]) -> None:
    best = median(run.messages_per_s for run in runs["empty receiver"])
    print(f"{title:22}{'messages/s':>12}{'of empty':>10}{'CPU µs each':>13}")
    for name, each in runs.items():
        rate, cpu = median(r.messages_per_s for r in each), median(r.cpu_us for r in each)
        print(f"{name:22}{rate:12,.0f}{rate / best:10.0%}{cpu:13.1f}")


if __name__ == "__main__":
    asyncio.run(main())
