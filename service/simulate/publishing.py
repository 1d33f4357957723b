"""Sends a run to the broker, or only makes its messages."""

import gc
from typing import Any, Final

from service.clock import SystemClock
from service.commands.failures import SETTINGS, UNAVAILABLE, CommandError
from service.settings import MqttSettings, Settings, load
from service.simulate.feeds import ScenarioFeed
from service.simulate.plan import Run
from service.simulate.telling import Ticker, hint, show
from simulator.publishing.ahead import AHEAD_US, Ahead
from simulator.publishing.live import FAST_STEP_US, longest_lag_us, run_live
from simulator.publishing.publish import Publisher, PublishError, PublishSettings

FLUSH_S: Final = 30.0
"""How long the last acknowledgements are waited for."""
MARGIN_S: Final = 60
"""Of the live horizon, above the lag of the run: messages may be late."""


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


async def published(run: Run, connections: int, name: str = "simulator") -> dict[str, Any]:
    """Send everything and wait for the acknowledgements; ``name`` ends the client id."""
    all_settings = load()
    settings = _publish_settings(all_settings.mqtt, connections, name)
    _warn_of_horizon(run, all_settings)
    clock = SystemClock()
    feed = run.feed
    if run.speed is not None:
        feed = Ahead(feed, run.end_us, round(AHEAD_US * max(run.speed, 1)))
    # what is built lives as long as the process: the collector need not look at it again
    gc.freeze()
    try:
        async with Publisher(settings) as publisher:
            if run.announce:
                await publisher.announce(run.feed.gateways, "online", run.start_us)
            last = await run_live(
                feed, publisher, clock, start_us=run.start_us, end_us=run.end_us,
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


def _warn_of_horizon(run: Run, settings: Settings) -> None:
    """Say what a run that catches up with the clock needs of the service."""
    lag_s = -(-longest_lag_us(run.end_us - run.start_us, run.speed) // 1_000_000)
    history = settings.history
    if not isinstance(run.feed, ScenarioFeed) or lag_s <= history.hold_lag_s:
        return
    wanted = f"HOISTWAY_HISTORY_HOLD_LAG_S={lag_s + MARGIN_S}"
    if lag_s > history.dispatch_max_age_h * 3600:
        wanted += f" HOISTWAY_HISTORY_DISPATCH_MAX_AGE_H={lag_s // 3600 + 1}"
    hint(
        f"this run lags up to {lag_s} s behind the clock; a service takes its alarms for news only "
        f"if started with {wanted}"
    )


def _publish_settings(mqtt: MqttSettings, connections: int, name: str) -> PublishSettings:
    if mqtt.url is None:
        raise CommandError(
            "HOISTWAY_MQTT_URL is not set; set it to mqtt://user:password@host:port", SETTINGS
        )
    return PublishSettings(
        url=mqtt.url.get_secret_value(),
        connections=connections,
        client_id=f"{mqtt.client_id}-{name}",
        connect_timeout_s=mqtt.connect_timeout_s,
        ca_file=mqtt.ca_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
        username=mqtt.username,
        password=None if mqtt.password is None else mqtt.password.get_secret_value(),
    )
