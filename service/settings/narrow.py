"""The narrow parts: what each package declares that it needs, made of the tree.

Every package has its own frozen parameters and knows nothing of settings; here, and only here, they
meet. Seconds become µs on the way.
"""

from dataclasses import fields
from typing import Any

from pydantic import SecretStr

from alerting.announce import AnnounceSettings
from alerting.changes import LifecycleParams
from alerting.dispatcher import DispatchSettings
from alerting.retry import RetryParams
from alerting.store import StoreSettings
from ingest.assemble.params import AssembleParams
from ingest.fleet_limits import FleetLimits
from ingest.mqtt_settings import MqttSettings
from service.settings.fields import us
from service.settings.load import SettingsError
from service.settings.tree import Settings
from telemetry.findings import FindingClass

HOUR_S = 3600
DAY_S = 86_400


def mqtt_source(settings: Settings) -> MqttSettings:
    """Return what the MQTT source needs; raises ``SettingsError`` when no broker is named."""
    if settings.mqtt.url is None:
        raise SettingsError(
            "HOISTWAY_MQTT_URL is not set; set it to mqtt://user:password@host:port"
        )
    given: dict[str, Any] = {
        name: _plain(getattr(settings.mqtt, name)) for name in type(settings.mqtt).model_fields
    }
    given["max_payload_bytes"] = settings.limits.payload_max_bytes
    given["settle_s"] = settings.history.caught_up_after_s
    return MqttSettings(**{f.name: given[f.name] for f in fields(MqttSettings)})


def assemble(settings: Settings) -> AssembleParams:
    """Return the time rules."""
    return AssembleParams(
        believed_past_us=us(settings.limits.event_age_max_days * DAY_S),
        believed_future_us=us(settings.limits.event_ahead_max_s),
        reorder_window_us=us(settings.order.reorder_window_s),
        offsets_kept=settings.clock.runs_remembered,
        gaps_until_unreliable=settings.order.unreliable_after_gaps,
        gapless_frames=settings.order.reliable_after_frames,
        held_lag_us=us(settings.history.hold_lag_s),
        shrink_us=us(settings.history.lag_shrink_s),
        shrink_within_us=us(settings.history.lag_window_s),
    )


def fleet_limits(settings: Settings) -> FleetLimits:
    """Return the bounds on what gateways can bring into the registry."""
    return FleetLimits(
        unconfirmed_per_gateway=settings.limits.unconfirmed_per_gateway_max,
        floor_labels=settings.limits.floor_labels_per_elevator_max,
        binding_moves_us=us(settings.registry.binding_moves_after_s),
    )


def lifecycle(settings: Settings) -> LifecycleParams:
    """Return the limits of an alarm's life."""
    return LifecycleParams(
        accept_us=us(settings.dispatch.escalate_after_s),
        max_age_us=us(settings.history.dispatch_max_age_h * HOUR_S),
        sent_too=frozenset(map(FindingClass, settings.dispatch.findings)) - {FindingClass.RESCUE},
    )


def retry(settings: Settings) -> RetryParams:
    """Return how delivery is repeated."""
    return RetryParams(
        delays_s=settings.dispatch.retry_delays_s,
        jitter=settings.dispatch.retry_jitter_pct / 100,
        attempt_us=us(settings.dispatch.attempt_timeout_s),
        failover_us=us(settings.dispatch.failover_after_s),
        give_up_us=us(settings.dispatch.retry_until_h * HOUR_S),
    )


def alarm_store(settings: Settings) -> StoreSettings:
    """Return what the alarm store needs."""
    return StoreSettings(
        endpoints=settings.dispatch.urls,
        failover_us=us(settings.dispatch.failover_after_s),
        lifecycle=lifecycle(settings),
    )


def dispatcher(settings: Settings) -> DispatchSettings:
    """Return how the dispatcher works."""
    return DispatchSettings(
        endpoints=settings.dispatch.urls,
        retry=retry(settings),
        in_flight=settings.dispatch.in_flight_per_endpoint,
        poll_s=settings.dispatch.poll_interval_s,
    )


def announcer(settings: Settings) -> AnnounceSettings:
    """Return when the service announces itself."""
    return AnnounceSettings(
        endpoints=settings.dispatch.urls,
        instance=settings.announce.instance,
        after_us=us(settings.announce.degraded_after_s),
        alive_us=us(settings.announce.alive_interval_s),
        retry=retry(settings),
    )


def parameters(settings: Settings) -> dict[str, float]:
    """Return the fleet-wide detector parameters by the key that a lift may override."""
    return {name: getattr(settings.detect, name) for name in type(settings.detect).model_fields}


def changed_parameters(settings: Settings) -> dict[str, float]:
    """Return those of ``parameters`` that are set to something else than their default."""
    built_in = parameters(Settings.model_construct())
    return {key: v for key, v in parameters(settings).items() if v != built_in[key]}


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
