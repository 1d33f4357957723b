"""What sections are made of: the base section, shared field types, checks of URLs."""

from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

MIB: Final = 1024 * 1024


def us(duration_s: float) -> int:
    """Return a duration [s] in whole microseconds."""
    return round(duration_s * 1_000_000)


def split(value: Any) -> Any:
    """Read "a, b" as a list, as environment variables are written."""
    return [v.strip() for v in value.split(",") if v.strip()] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
Numbers = Annotated[
    tuple[Annotated[float, Field(ge=0, le=3600)], ...], NoDecode, BeforeValidator(split)
]
Seconds = Annotated[float, Field(gt=0, le=864_000)]
Count = Annotated[int, Field(ge=1, le=100_000_000)]


class Section(BaseModel):
    """One section: frozen, no unknown keys, no NaN, documented field by field."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


def check_url(url: str, schemes: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``url`` is absolute with one of ``schemes``; never quotes it."""
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(url)
        local = "postgresql" in schemes and "host=" in parts.query  # a Unix socket
        has_host = bool(parts.hostname) and parts.port != 0
        usable = parts.scheme in schemes and (has_host or local)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"must be a URL like {wanted}host:port")
