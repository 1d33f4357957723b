"""What the service tells others: alarms, announcements, the API, logs."""

import base64
import binascii
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from service.settings.fields import Numbers, Seconds, Section, Texts, check_url, split
from telemetry.findings import FindingClass


class DispatchSettings(Section):
    """Where alarms go, and how insistently."""

    urls: Texts = ()
    """Endpoints for alarms, comma separated; the first is the primary. Empty: alarms are recorded
    and shown by the API but sent nowhere; doctor reports that as a failure."""
    secret: SecretStr | None = None
    """Signing secret ``whsec_<base64>``, or two, comma separated, during rotation (the new one
    first). None: allowed only without urls."""
    findings: Texts = (FindingClass.RESCUE.value, FindingClass.SAFETY.value)
    """Classes of findings whose alarms are sent: rescue, safety, service, health, warning. Others
    are raised, stored, listed by API and metrics, never sent and never escalated: a rescue desk
    is no maintenance office. Rescue cannot be left out."""
    in_flight_per_endpoint: Annotated[int, Field(ge=1, le=1000)] = 32
    """Requests at a time to one endpoint, so that a hanging one cannot take all connections."""
    attempt_timeout_s: Seconds = 5
    """Longest attempt [s]. A dispatch centre answers in milliseconds or not at all."""
    retry_delays_s: Numbers = (0, 1, 2, 5, 10, 20, 30)
    """From the start of one attempt to the start of the next [s]; the last one repeats, jittered.
    The first is 0: a kept connection may just have been closed."""
    retry_jitter_pct: Annotated[float, Field(ge=0, le=100)] = 10
    """Spread of the later attempts [%], so that many alarms do not knock in step."""
    retry_until_h: Annotated[float, Field(gt=0, le=720)] = 24
    """Attempts end this long after the alarm's end, and given_up is recorded [h]."""
    failover_after_s: Seconds = 15
    """Without a 2xx from the primary for this long, the next endpoint gets the message too [s]."""
    escalate_after_s: Seconds = 180
    """Without acceptance by a person for this long, level + 1 and all endpoints [s]. The three
    minutes of the rescue rules."""
    poll_interval_s: Seconds = 0.5
    """How often the outbox is looked at without a notification [s]; NOTIFY is only the fast way."""

    @field_validator("urls")
    @classmethod
    def _are_http(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            check_url(url, ("http", "https"))
        if len(set(urls)) != len(urls):
            raise ValueError("names an endpoint twice")
        return urls

    @field_validator("findings")
    @classmethod
    def _has_rescue(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [c.value for c in FindingClass]
        if wrong := [name for name in names if name not in known]:
            raise ValueError(f"holds {wrong[0][:40]!r}, which is none of {', '.join(known)}")
        if FindingClass.RESCUE.value not in names:
            raise ValueError("must hold rescue: entrapments and alarm buttons are always sent")
        return names

    @field_validator("retry_delays_s")
    @classmethod
    def _repeats(cls, delays_s: tuple[float, ...]) -> tuple[float, ...]:
        if not delays_s or delays_s[-1] < 1:
            raise ValueError("must end with the delay that repeats, at least 1 s")
        return delays_s

    @field_validator("secret")
    @classmethod
    def _is_signing(cls, secret: SecretStr | None) -> SecretStr | None:
        parts = split(secret.get_secret_value()) if secret else []
        if len(parts) > 2 or not all(map(_is_signing_secret, parts)):
            raise ValueError("must be one or two of whsec_<base64 of 24 to 64 bytes>")
        return secret

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.urls and not self.secrets():
            raise ValueError(
                "HOISTWAY_DISPATCH_SECRET is not set, but HOISTWAY_DISPATCH_URLS is: alarms are"
                " never sent unsigned; set it to whsec_<base64 of 24 to 64 random bytes>"
            )
        return self

    def secrets(self) -> tuple[str, ...]:
        """Return the signing secrets, the one in force first."""
        return tuple(split(self.secret.get_secret_value())) if self.secret else ()


class AnnounceSettings(Section):
    """Messages about the service itself."""

    instance: Annotated[str, Field(min_length=1, max_length=200)] = "hoistway"
    """Name under which this service announces itself; tells several services of one desk apart."""
    degraded_after_s: Seconds = 15
    """Unable to commit, or without a broker, for this long is announced as blindness [s]."""
    alive_interval_s: Seconds = 60
    """Distance of hoistway.service.alive [s]; a receiver that misses two should act."""


class HttpSettings(Section):
    """The API's server."""

    host: str = "127.0.0.1"
    """Address to listen on. This machine only by default; the container image sets 0.0.0.0. TLS is
    left to the proxy in front."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port to listen on; 0 takes a free one."""
    page_max: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Largest page of a list [rows]; a screen shows fewer, a script asks again."""
    frames_max: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Largest page of frames [frames]; about five megabytes of JSON."""
    submit_timeout_s: Seconds = 15
    """Longest wait for the commit of posted frames [s], then 503; the frames may still be stored,
    and sending them again is harmless."""
    request_timeout_s: Seconds = 20
    """Longest request [s], then 503. Above the statement's bound and the commit's: it is for a
    database that hangs."""
    retry_after_s: Annotated[int, Field(ge=1, le=3600)] = 5
    """What Retry-After says in a 503 [s]."""
    key_cache_s: Annotated[float, Field(ge=0, le=300)] = 5
    """How long a verified key is believed without asking the database [s]; a revoked key works for
    at most this long."""
    probe_interval_s: Seconds = 1
    """How often readiness asks the database [s]; a loss must show within 5 s."""


class ApiSettings(Section):
    """For commands that talk to a running service (``dead-letters replay``, ``desk``)."""

    url: str | None = None
    """Where the service answers. None: http://127.0.0.1:<http.port>."""
    key: SecretStr | None = None
    """API key: role admin for ``dead-letters replay``, dispatcher for ``desk``. None: the command
    asks for --key, and the desk accepts by its reply only."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None:
            check_url(url, ("http", "https"))
        return url


class LogSettings(Section):
    """Logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written. Info is a line per state change, never per frame."""
    format: Literal["auto", "console", "json"] = "auto"
    """auto: console on a terminal, JSON lines elsewhere."""


def _is_signing_secret(text: str) -> bool:
    if not text.startswith("whsec_"):
        return False
    try:
        return 24 <= len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) <= 64
    except (binascii.Error, ValueError):
        return False
