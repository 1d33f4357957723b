"""Settings: one tree, built once at the start of a command, passed down as narrow parts.

``tree`` joins the sections, which say what can be set and why each default is what it is; ``load``
reads environment and TOML file and turns everything wrong into one line that names the setting and
the remedy; ``narrow`` makes of it what each package declares that it needs; ``text`` shows the tree
to people. No other module of the service reads the environment. Named here are the tree and the
sections that a module is given by themselves.
"""

from service.settings.inner import RetentionSettings, ShadowSettings
from service.settings.load import SettingsError, load
from service.settings.outer import DatabaseSettings, MqttSettings
from service.settings.outward import HttpSettings, LogSettings
from service.settings.tree import Settings

__all__ = [
    "DatabaseSettings",
    "HttpSettings",
    "LogSettings",
    "MqttSettings",
    "RetentionSettings",
    "Settings",
    "SettingsError",
    "ShadowSettings",
    "load",
]
