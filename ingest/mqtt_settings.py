"""Settings of the MQTT source, and what follows from them: address, account, TLS context.

Decides what is a usable setting and says in one line which is not. Opens no socket. Passwords never
appear in a message.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from ingest.source import CertificateError, SettingError

URL: Final = "HOISTWAY_MQTT_URL"
CLIENT_ID: Final = "HOISTWAY_MQTT_CLIENT_ID"
USERNAME: Final = "HOISTWAY_MQTT_USERNAME"
PASSWORD: Final = "HOISTWAY_MQTT_PASSWORD"  # noqa: S105 (a setting's name, no secret)
CA_FILE: Final = "HOISTWAY_MQTT_CA_FILE"
CERT_FILE: Final = "HOISTWAY_MQTT_CERT_FILE"
KEY_FILE: Final = "HOISTWAY_MQTT_KEY_FILE"
PROTOCOL: Final = "HOISTWAY_MQTT_PROTOCOL"

PLAIN_PORT: Final = 1883
TLS_PORT: Final = 8883


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Settings of the MQTT source; every one has a reason for its default.

    Parameters
    ----------
    url
        ``mqtt://[user[:password]@]host[:1883]`` or ``mqtts://…[:8883]``; percent-encoded account.
    client_id
        Name of the broker's session. Fixed, so that what was not acknowledged comes back to the
        next process. Exactly one process may use it at a time.
    username, password
        Used if the URL names no account; ``None`` = connect without.
    ca_file
        PEM of the authorities that may sign the broker's certificate; ``None`` = the system's.
    cert_file, key_file
        PEM of our own certificate and key; ``None`` = none. A key inside ``cert_file`` will do.
    protocol
        ``3.1.1`` costs less per message; ``5`` tells the reason when the broker hangs up.
    keepalive_s
        A broker that says nothing for so long is given up [s]. 15: a busy Mosquitto stalls some
        seconds while it saves its store, and a needless reconnect delivers everything twice.
    unresponsive_s
        A broker that is silent for so long is shown as unresponsive [s]; readiness must fail
        within 5 s.
    connect_timeout_s, answer_timeout_s
        Longest wait for TCP and TLS, and for an answer to CONNECT, SUBSCRIBE and PUBLISH [s].
    start_timeout_s
        How long an unreachable broker is retried at start before it is an error [s]; ``None`` =
        for ever. 10: machines that start together differ by seconds; a wrong address shows soon.
    backoff_min_s, backoff_max_s
        Bounds of the waits between attempts to reconnect [s], each shortened by up to half.
    session_expiry_s
        How long the broker keeps the session while we are away (MQTT 5; with 3.1.1 the broker's
        own setting decides) [s]. 14 days, as the shipped broker configuration.
    buffer_messages, buffer_bytes
        Unread messages [1] and bytes [B] at which the socket is no longer read; it is read again
        below half. Two of the largest batches (10,000), 16 MiB.
    max_payload_bytes
        Of larger payloads the head, size and digest are kept [B]; the broker's limit is the same.
    window_messages
        How many unacknowledged messages the broker sends at most; ``None`` = found out, starting
        from 65,535 (MQTT 5 announces it; with 3.1.1 it is the broker's ``max_inflight_messages``).
    settle_s
        Connected and resumed for so long before "caught up" can be true [s] (DESIGN section 5).
    """

    url: str
    client_id: str = "hoistway"
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    keepalive_s: float = 15.0
    unresponsive_s: float = 4.0
    connect_timeout_s: float = 5.0
    answer_timeout_s: float = 10.0
    start_timeout_s: float | None = 10.0
    backoff_min_s: float = 0.2
    backoff_max_s: float = 10.0
    session_expiry_s: int = 14 * 86_400
    buffer_messages: int = 20_000
    buffer_bytes: int = 16 * 1024 * 1024
    max_payload_bytes: int = 1024 * 1024
    window_messages: int | None = None
    settle_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and as whom to connect. ``shown`` is the URL without the password."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None
    shown: str


def address(settings: MqttSettings) -> Address:
    """Read the URL and the account; raise ``SettingError``."""
    try:
        parts = urlsplit(settings.url)
        port = parts.port
    except ValueError as error:
        raise SettingError(f"{URL} is no URL: {error}; {_WANTED}") from error
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise SettingError(f"{URL} is not usable: {_WANTED}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise SettingError(f"{URL} must end after the port: {_WANTED}")
    if not 0 < len(settings.client_id.encode()) <= 65_535 or "\x00" in settings.client_id:
        raise SettingError(f"{CLIENT_ID} is empty or not usable; the default is hoistway")
    username, password = _account(settings, parts)
    tls = parts.scheme == "mqtts"
    port = port or (TLS_PORT if tls else PLAIN_PORT)
    host = parts.hostname
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    return Address(host, port, tls, username, password, shown)


_WANTED: Final = "want mqtt://user:password@host:1883 or mqtts://user:password@host:8883"


def _account(settings: MqttSettings, parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.username is None:
        username, password = settings.username, settings.password
    else:
        username = unquote(parts.username)
        password = settings.password if parts.password is None else unquote(parts.password)
    if password is not None and not username:
        raise SettingError(f"a password needs a user: set it in {URL} or {USERNAME}")
    return username, password


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Build the TLS context; raise ``SettingError`` or ``CertificateError``. Reads files."""
    context = _trust(settings.ca_file)
    if settings.cert_file is None:
        if settings.key_file is not None:
            raise SettingError(f"{KEY_FILE} is set without {CERT_FILE}")
        return context
    try:
        # A key that wants a passphrase must fail, not ask at the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_passphrase)
    except ssl.SSLError as error:
        raise CertificateError(
            f"{CERT_FILE} and {KEY_FILE} do not give a certificate and its key in PEM"
            f" ({_tls_words(error)}): {settings.cert_file}, {settings.key_file}"
        ) from error
    except (OSError, ValueError) as error:
        raise SettingError(f"{CERT_FILE} or {KEY_FILE} cannot be read: {error}") from error
    return context


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except ssl.SSLError as error:
        raise CertificateError(
            f"{CA_FILE} holds no certificate in PEM ({_tls_words(error)}): {ca_file}"
        ) from error
    except OSError as error:
        raise SettingError(f"{CA_FILE} cannot be read: {error}") from error


def _no_passphrase() -> str:
    raise ValueError("the key is encrypted; a key without passphrase is needed")


def _tls_words(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).lower().replace("_", " ")
