"""The MQTT client library: is it the one this adapter was written for, and how is it set up.

``mqtt_connection`` reaches into paho-mqtt for what no public name gives: the socket's making and a
queue for raw packets. Those names are checked before the first use, so that another release of the
library is one clear line at start and not a lost message later.
"""

import importlib.metadata
import logging
import math
from typing import Final

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.mqtt_settings import Address, MqttSettings
from ingest.source import ClientLibraryError

VERSIONS: Final = {"aiomqtt": ("2.5",), "paho-mqtt": ("2.1", "2.2")}
"""Releases whose private names were looked at; pyproject.toml pins the same."""
PRIVATE_NAMES: Final = ("_create_socket", "_packet_queue", "_sock_close")
RECEIVE_MAXIMUM: Final = 65_535


def check_library() -> None:
    """Raise ``ClientLibraryError`` if the client library is not the one this was written for."""
    for package, known in VERSIONS.items():
        version = importlib.metadata.version(package)
        if not version.startswith(tuple(f"{release}." for release in known)):
            raise ClientLibraryError(
                f"{package} {version} is installed, the MQTT source needs {' or '.join(known)};"
                " install the versions of requirements.lock"
            )
    missing = [name for name in PRIVATE_NAMES if not hasattr(paho.Client, name)]
    if missing:
        raise ClientLibraryError(
            f"paho-mqtt has no {', '.join(missing)} any more; install the versions of"
            " requirements.lock"
        )


def make_client(settings: MqttSettings, where: Address, *, clean: bool) -> aiomqtt.Client:
    """Return a client that has not connected. ``clean``: without a session."""
    mqtt5, properties = settings.protocol == "5", None
    if mqtt5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0 if clean else settings.session_expiry_s
        properties.ReceiveMaximum = settings.window_messages or RECEIVE_MAXIMUM
    # Its sentences come without context; every loss is reported with its reason by us.
    quiet = logging.getLogger(f"{__name__}.paho")
    quiet.setLevel(logging.CRITICAL)
    return aiomqtt.Client(
        where.host,
        where.port,
        username=where.username,
        password=where.password,
        logger=quiet,
        identifier=settings.client_id,
        protocol=aiomqtt.ProtocolVersion.V5 if mqtt5 else aiomqtt.ProtocolVersion.V311,
        clean_session=None if mqtt5 else clean,
        clean_start=clean if mqtt5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
        keepalive=max(1, math.ceil(settings.keepalive_s)),
        timeout=settings.answer_timeout_s,
        properties=properties,
    )
