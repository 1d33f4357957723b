"""The library of the MQTT source: another release is refused, not guessed at."""

import pytest

from ingest import mqtt_library
from ingest.mqtt_settings import MqttSettings
from ingest.mqtt_source import MqttSource
from ingest.source import (
    ClientLibraryError,
)
from tests.contract.source_rigs import CLOCK


def test_other_release_of_the_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_library.importlib.metadata, "version", lambda _: "3.0.0")
    with pytest.raises(ClientLibraryError, match=r"requirements\.lock"):
        MqttSource(MqttSettings(url="mqtt://localhost"), CLOCK)


def test_missing_private_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_library, "PRIVATE_NAMES", ("_packet_queue", "_gone"))
    with pytest.raises(ClientLibraryError, match="_gone"):
        MqttSource(MqttSettings(url="mqtt://localhost"), CLOCK)
