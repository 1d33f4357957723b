"""Settings: one tree, built once at the start of a command, passed down as narrow parts.

``tree`` joins the sections, which say what can be set and why each default is what it is; ``load``
reads environment and TOML file and turns everything wrong into one line that names the setting and
the remedy; ``text`` shows the tree to people. No other module of the service reads the environment.
"""

from service.settings.fields import us
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
from service.settings.load import SettingsError, load
from service.settings.outer import DatabaseSettings, MqttSettings
from service.settings.outward import (
    AnnounceSettings,
    ApiSettings,
    DispatchSettings,
    HttpSettings,
    LogSettings,
)
from service.settings.tree import Settings

__all__ = [
    "AnnounceSettings",
    "ApiSettings",
    "ClockSettings",
    "DatabaseSettings",
    "DetectSettings",
    "DispatchSettings",
    "HistorySettings",
    "HttpSettings",
    "IngestSettings",
    "LimitSettings",
    "LogSettings",
    "MqttSettings",
    "OrderSettings",
    "RegistrySettings",
    "Settings",
    "SettingsError",
    "SnapshotSettings",
    "load",
    "us",
]
