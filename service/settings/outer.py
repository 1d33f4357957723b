"""The services that are used: database and broker."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from service.settings.fields import MIB, Count, Seconds, Section, check_url


class DatabaseSettings(Section):
    """PostgreSQL with TimescaleDB."""

    url: SecretStr | None = None
    """Where the database is, ``postgresql://user:password@host:port/name``. None: commands that
    need one stop and say so; there is no default because writing into the wrong one is worse."""
    pool_size: Annotated[int, Field(ge=4, le=1000)] = 8
    """Connections for API and dispatcher beside the one of each lane. Two are held (notifications,
    readiness), the dispatcher needs two more; small beside PostgreSQL's 100."""
    connect_timeout_s: Seconds = 5
    """Longest wait for a connection [s]. As long as readiness may take to notice a lost one."""
    statement_timeout_s: Seconds = 10
    """Longest statement of the API [s], so that a wide query cannot hold a connection for long.
    Ingest has none: it retries without end."""

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_url(url.get_secret_value(), ("postgresql", "postgres"))
        return url

    def dsn(self) -> str:
        """Return the URL with its password; raises ``LookupError`` when it is not set."""
        if self.url is None:
            raise LookupError("HOISTWAY_DATABASE_URL")
        return self.url.get_secret_value()


class MqttSettings(Section):
    """The broker and the session in it."""

    url: SecretStr | None = None
    """Where the broker is, ``mqtt://[user:password@]host[:1883]`` or ``mqtts://…[:8883]``. None:
    commands that need a broker stop and say so."""
    client_id: Annotated[str, Field(min_length=1, max_length=128)] = "hoistway"
    """Name of the broker's session. The session keeps what arrives while the service is away, so
    the name must stay the same over restarts and be used by one installation only."""
    username: str | None = None
    """User at the broker, used if the URL names none. None: connect without an account."""
    password: SecretStr | None = None
    """Password at the broker, used if the URL holds none. None: none."""
    ca_file: Path | None = None
    """Certificates that may sign the broker's [PEM], for mqtts. None: those of the system."""
    cert_file: Path | None = None
    """Our certificate [PEM], for mqtts with client certificates. None: none is shown."""
    key_file: Path | None = None
    """Private key of cert_file [PEM], without passphrase. None: it stands in cert_file, if any."""
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    """Version of MQTT. 3.1.1 costs less per message and every broker has it; 5 tells the reason
    when the broker refuses or hangs up."""
    keepalive_s: Annotated[float, Field(ge=2, le=3600)] = 15
    """A broker that says nothing for so long is given up [s]. A busy Mosquitto stalls some seconds
    while it saves its store, and a needless reconnect delivers everything twice."""
    unresponsive_s: Annotated[float, Field(ge=0.5, le=3600)] = 4
    """A broker that is silent for so long is shown as unresponsive [s]; readiness must fail within
    5 s."""
    connect_timeout_s: Seconds = 5
    """Longest wait for TCP and TLS [s]."""
    answer_timeout_s: Seconds = 10
    """Longest wait for an answer to CONNECT, SUBSCRIBE and PUBLISH [s]; a broker under a backlog
    takes seconds."""
    start_timeout_s: Seconds | None = 10
    """How long an unreachable broker is retried at start before it is an error [s]. Machines that
    start together differ by seconds; a wrong address shows soon. None: for ever."""
    backoff_min_s: Seconds = 0.2
    """Shortest wait before connecting again [s]; doubled each time, with jitter."""
    backoff_max_s: Seconds = 10
    """Longest wait before connecting again [s]; bounds how much an outage is prolonged."""
    session_expiry_s: Annotated[int, Field(ge=60, le=4_294_967_295)] = 1_209_600
    """How long the broker keeps the session while we are away [s], MQTT 5 only; with 3.1.1 the
    broker's own setting decides. 14 days, as the shipped broker configuration."""
    buffer_messages: Count = 20_000
    """Unread messages at which the socket is no longer read [messages]; it is read again below
    half. Two of the largest batches. Nothing is ever discarded: the broker waits."""
    buffer_bytes: Annotated[int, Field(ge=MIB, le=4096 * MIB)] = 16 * MIB
    """The same bound in bytes [B], for large messages; keeps the process under 200 MB."""
    window_messages: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """How many unacknowledged messages the broker sends at most [messages]. None: found out,
    starting from 65,535."""

    @field_validator("url")
    @classmethod
    def _is_mqtt(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_url(url.get_secret_value(), ("mqtt", "mqtts"))
        return url

    @field_validator("ca_file", "cert_file", "key_file")
    @classmethod
    def _exists(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"names a file that does not exist ({path})")
        return path

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("HOISTWAY_MQTT_KEY_FILE is set without HOISTWAY_MQTT_CERT_FILE")
        plain = self.url is not None and self.url.get_secret_value().startswith("mqtt://")
        if plain and (self.ca_file or self.cert_file):
            raise ValueError("HOISTWAY_MQTT_URL must be mqtts://… when TLS files are given")
        return self
