"""The tree of settings: what can be set, its unit, its default and why.

Every field's docstring says what it means and why the default is what it is; ``None`` is
explained where it is allowed. The environment variable of a field is
``HOISTWAY_<SECTION>_<FIELD>``, its place in the TOML file ``[section] field``. Units are in the
names. The tree is frozen.
"""

from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings.inner import (
    ClockSettings,
    DetectSettings,
    HistorySettings,
    IngestSettings,
    LimitSettings,
    OrderSettings,
    RegistrySettings,
    RetentionSettings,
    ShadowSettings,
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
    shadow: ShadowSettings = ShadowSettings()
    retention: RetentionSettings = RetentionSettings()
    detect: DetectSettings = DetectSettings()
    dispatch: DispatchSettings = DispatchSettings()
    announce: AnnounceSettings = AnnounceSettings()
    http: HttpSettings = HttpSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
