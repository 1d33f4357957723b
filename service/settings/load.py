"""Build the tree from environment and TOML file, or stop with one line.

The environment goes before the file, the file before the defaults. A name that does not exist is an
error in both, with the nearest one that does: a misspelt setting that is silently ignored is found
out during an incident. Values of secrets are never quoted.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from service.settings.tree import Settings

PREFIX: Final = "HOISTWAY_"
CONFIG_VARIABLE: Final = "HOISTWAY_CONFIG"
NOT_SETTINGS: Final = frozenset(
    {
        CONFIG_VARIABLE,
        "HOISTWAY_STACK",
        "HOISTWAY_STACK_DIR",
        "HOISTWAY_DEBIAN_MIRROR",
        "HOISTWAY_SETUP_LOCKED",
        "HOISTWAY_DB_PASSWORD",
        "HOISTWAY_PASSWD_DIR",
        "HOISTWAY_MQTT_BIND",
        "HOISTWAY_HTTP_BIND",
    }
)
"""Variables with the prefix that belong to set-up: ``service.stack``, ``scripts``, compose.yaml."""


class SettingsError(Exception):
    """Settings that cannot be used; the text is one line: setting, what is wrong, remedy."""


def load(config: Path | None = None) -> Settings:
    """Return the settings; ``config`` goes before ``HOISTWAY_CONFIG``.

    Raises ``SettingsError``.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    path = config or (Path(named) if named else None)
    _check_variables(os.environ)
    if path is not None:
        _check_file(path)
    try:
        return _with_file(path)()
    except ValidationError as error:
        raise SettingsError(_one_line(error, path)) from None


def fields() -> Iterator[tuple[str, str, Any]]:
    """Give every setting as (section, field name, pydantic field info), in order."""
    for section, info in Settings.model_fields.items():
        assert isinstance(info.annotation, type)
        assert issubclass(info.annotation, BaseModel)
        for name, field in info.annotation.model_fields.items():
            yield section, name, field


def variable(section: str, name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{section}_{name}".upper()


def _with_file(path: Path | None) -> type[Settings]:
    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    return FromFile


def _check_variables(environ: Mapping[str, str]) -> None:
    valid = {variable(section, name) for section, name, _ in fields()} | NOT_SETTINGS
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name.upper() not in valid:
            raise SettingsError(f"{name} is no setting{_nearest(name.upper(), valid)}")


def _check_file(path: Path) -> None:
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"the settings file {path} cannot be read ({reason}); correct --config or"
            f" {CONFIG_VARIABLE}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is no TOML: {error}") from None
    names: dict[str, set[str]] = {}
    for section, name, _ in fields():
        names.setdefault(section, set()).add(name)
    for section, content in tree.items():
        if section not in names:
            raise SettingsError(f"[{section}] in {path} is no section{_nearest(section, names)}")
        if not isinstance(content, dict):
            raise SettingsError(f"{section} in {path} must be a section: [{section}]")
        for name in content:
            if name not in names[section]:
                near = _nearest(name, names[section])
                raise SettingsError(f"{name} in [{section}] of {path} is no setting{near}")


def _nearest(name: str, valid: Any) -> str:
    near = get_close_matches(name, sorted(valid), n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return "; `hoistway doctor --settings` lists them all"


def _one_line(error: ValidationError, path: Path | None) -> str:
    first, *others = error.errors(include_url=False, include_context=False)
    where = [str(part) for part in first["loc"]]
    section, name = [*where, "", ""][:2]
    message = first["msg"].removeprefix("Value error, ")
    line = message  # a check over several fields names them itself
    if name:
        known = {(s, n): f for s, n, f in fields()}[section, name]
        message = message[:1].lower() + message[1:]
        line = f"{_place(section, name, path)}: {message}; {_default(known)}"
    more = f" (and {len(others)} more)" if others else ""
    return " ".join((line + more).split())


def _place(section: str, name: str, path: Path | None) -> str:
    """Name the setting where its value came from."""
    in_environment = {n.upper() for n, value in os.environ.items() if value}
    if path is None or variable(section, name) in in_environment:
        return variable(section, name)
    return f"{name} in [{section}] of {path}"


def _default(field: Any) -> str:
    default = field.default
    if default is None or default == ():
        return "unset it for none"
    return f"unset it for the default {show(default)}"


def show(value: Any) -> str:
    """Spell a value as it is written in the environment; secrets stay hidden."""
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, tuple):
        return ",".join(show(v) for v in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "none" if value is None else str(value)
