"""The tree of settings: what can be set, its unit, its default and why.

Every field's docstring says what it means and why the default is what it is; ``None`` is
explained where it is allowed. The environment variable of a field is
``HOISTWAY_<SECTION>_<FIELD>``, its place in the TOML file ``[section] field``. Units are in the
names. The tree is frozen.
"""

from dataclasses import fields as fields_of
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.mqtt_settings import MqttSettings as MqttSourceSettings
from service.settings.inner import (
    ClockSettings,
    DetectSettings,
    HistorySettings,
    IngestSettings,
    LimitSettings,
    OrderSettings,
    RegistrySettings,
    SnapshotSettings,
)
from service.settings.outer import DatabaseSettings, MqttSettings
from service.settings.outward import (
    AnnounceSettings,
    ApiSettings,
    DispatchSettings,
    HttpSettings,
    LogSettings,
)


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix="HOISTWAY_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_parse_none_str="none",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    database: DatabaseSettings = DatabaseSettings()
    mqtt: MqttSettings = MqttSettings()
    ingest: IngestSettings = IngestSettings()
    limits: LimitSettings = LimitSettings()
    clock: ClockSettings = ClockSettings()
    order: OrderSettings = OrderSettings()
    history: HistorySettings = HistorySettings()
    registry: RegistrySettings = RegistrySettings()
    snapshot: SnapshotSettings = SnapshotSettings()
    detect: DetectSettings = DetectSettings()
    dispatch: DispatchSettings = DispatchSettings()
    announce: AnnounceSettings = AnnounceSettings()
    http: HttpSettings = HttpSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()

    def mqtt_source(self) -> MqttSourceSettings:
        """Return what the MQTT source needs; raises ``LookupError`` when no broker is named."""
        if self.mqtt.url is None:
            raise LookupError("HOISTWAY_MQTT_URL")
        given: dict[str, Any] = {
            name: _plain(getattr(self.mqtt, name)) for name in type(self.mqtt).model_fields
        }
        given["max_payload_bytes"] = self.limits.payload_max_bytes
        given["settle_s"] = self.history.caught_up_after_s
        return MqttSourceSettings(**{f.name: given[f.name] for f in fields_of(MqttSourceSettings)})


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
