"""Sends a run to the broker, or only makes its messages."""

from typing import Any, Final

from service.clock import SystemClock
from service.commands.failures import SETTINGS, UNAVAILABLE, CommandError
from service.settings import MqttSettings, load
from service.simulate.feeds import ScenarioFeed
from service.simulate.plan import Run
from service.simulate.telling import Ticker, show
from simulator.publishing.live import FAST_STEP_US, run_live
from simulator.publishing.publish import Publisher, PublishError, PublishSettings

FLUSH_S: Final = 30.0
"""How long the last acknowledgements are waited for."""


def made(run: Run) -> dict[str, Any]:
    """Make everything and publish nothing."""
    clock = SystemClock()
    ticker = Ticker(run.start_us, run.end_us)
    began_us, messages, octets = clock.now_us(), 0, 0
    t_us = run.start_us
    while t_us < run.end_us:
        t_us = min(t_us + FAST_STEP_US, run.end_us)
        some = run.feed.messages_until(t_us)
        messages += len(some)
        octets += sum(len(m.payload) for m in some)
        ticker.at(t_us, run.feed.frames)
    elapsed_s = max(clock.now_us() - began_us, 1) / 1e6
    frames = run.feed.frames
    return {
        "frames": frames,
        "messages": messages,
        "bytes": octets,
        "elapsed_s": round(elapsed_s, 3),
        "frames_per_s": round(frames / elapsed_s),
    }


async def published(run: Run, connections: int) -> dict[str, Any]:
    """Send everything and wait for the acknowledgements."""
    settings = _publish_settings(load().mqtt, connections)
    clock = SystemClock()
    try:
        async with Publisher(settings) as publisher:
            if run.announce:
                await publisher.announce(run.feed.gateways, "online", run.start_us)
            last = await run_live(
                run.feed, publisher, clock, start_us=run.start_us, end_us=run.end_us,
                speed=run.speed, on_progress=show,
            )  # fmt: skip
            if isinstance(run.feed, ScenarioFeed):
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
