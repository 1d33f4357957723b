"""Everything that can be wrong with broker, account, certificates and session, told in one line."""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from ingest.decode import decode
from ingest.mqtt_settings import MqttSettings
from ingest.mqtt_source import MqttSource, delete_session
from ingest.source import (
    BrokerUnreachableError,
    CertificateError,
    CredentialsError,
    NotConnectedError,
    SessionError,
    SettingError,
    SourceError,
    SubscriptionError,
)
from service.stack import Stack, open_stack
from service.stack.server import free_port
from tests.conftest import ROOT
from tests.contract.source_rigs import CLOCK, TOPIC, mqtt_rig, payloads, read_count
from tests.fakes.raw_mqtt import RawClient, packet, publish_packet, text
from tests.fakes.scripted_broker import SUBACK, ScriptedBroker
from tests.waiting import until

PAST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class TlsBroker:
    """A Mosquitto with one TLS listener for each way to be wrong."""

    stack: Stack
    files: Path
    right: int
    expired: int
    other_name: int
    wants_certificate: int

    def url(self, port: int) -> str:
        account = self.stack.mqtt_url.removeprefix("mqtt://").rpartition("@")[0]
        return f"mqtts://{account}@localhost:{port}"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    ca, stranger, files = trustme.CA(), trustme.CA(), tmp_path_factory.mktemp("tls")
    ca.cert_pem.write_to_path(str(files / "ca.pem"))
    stranger.cert_pem.write_to_path(str(files / "stranger.pem"))
    client = ca.issue_cert("gateway@example.org")
    client.cert_chain_pems[0].write_to_path(str(files / "client.pem"))
    client.private_key_pem.write_to_path(str(files / "client.key"))
    stranger.issue_cert("x@example.org").private_key_and_cert_chain_pem.write_to_path(
        str(files / "foreign.pem")
    )
    (files / "junk.pem").write_text("no certificate\n")
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        leaves = {
            "right": ca.issue_cert("localhost"),
            "expired": ca.issue_cert("localhost", not_before=PAST, not_after=PAST),
            "other_name": ca.issue_cert("elsewhere.example.org"),
            "wants_certificate": ca.issue_cert("localhost"),
        }
        ports = _listen(stack.mosquitto, leaves, ca)
        yield TlsBroker(stack, files, **ports)


def _listen(broker: Any, leaves: dict[str, trustme.LeafCert], ca: trustme.CA) -> dict[str, int]:
    """Add a TLS listener for each certificate and start the broker again."""
    lines, ports = [], {}
    for name, leaf in leaves.items():
        ports[name] = free_port()
        paths = {kind: broker.directory / f"{name}.{kind}" for kind in ("cert", "key", "ca")}
        leaf.cert_chain_pems[0].write_to_path(str(paths["cert"]))
        leaf.private_key_pem.write_to_path(str(paths["key"]))
        ca.cert_pem.write_to_path(str(paths["ca"]))
        seen = {}
        for kind, path in paths.items():
            broker.tools.give(path, broker.launch.account)
            seen[kind] = broker.tools.inside(path)
        lines += [f"listener {ports[name]} 127.0.0.1"]
        lines += [f"certfile {seen['cert']}", f"keyfile {seen['key']}"]
        if name == "wants_certificate":
            lines += [f"cafile {seen['ca']}", "require_certificate true"]
    configuration = broker.directory / "mosquitto.conf"
    configuration.write_text(configuration.read_text() + "\n".join(lines) + "\n")
    broker.stop()
    broker.start()
    return ports


def settings_for(url: str, **more: Any) -> MqttSettings:
    return MqttSettings(url=url, client_id="test-faults", start_timeout_s=0.0, **more)


async def fault_of(settings: MqttSettings) -> SourceError:
    """Start a source that cannot; return the fault, which must be one line."""
    with pytest.raises(SourceError) as caught:
        async with MqttSource(settings, CLOCK):
            pass
    assert "\n" not in str(caught.value)
    return caught.value


async def works(settings: MqttSettings) -> None:
    async with MqttSource(settings, CLOCK) as source:
        await source.publish(TOPIC, b"[]" * 100_000)
        (message,) = await read_count(source, 1)
        assert len(message.payload) == 200_000
        source.ack([message])
    await delete_session(settings, CLOCK)


# TLS


async def test_tls_with_the_right_authority(tls: TlsBroker) -> None:
    await works(settings_for(tls.url(tls.right), ca_file=tls.files / "ca.pem"))


async def test_tls_carries_many_messages_in_order(tls: TlsBroker) -> None:
    settings = settings_for(tls.url(tls.right), ca_file=tls.files / "ca.pem")
    async with MqttSource(replace(settings, buffer_messages=100), CLOCK) as source:
        client = await RawClient.connect(tls.stack.mqtt_url, "")
        await client.publish((TOPIC, b"%d" % i + b" " * 900) for i in range(3_000))
        await client.close()
        got = await read_count(source, 1_500, ack=True)
        source.pause()
        source.resume()
        got += await read_count(source, 1_500, ack=True)
        assert [int(p) for p in payloads(got)] == list(range(3_000))
        assert source.counters.losses == 0
    await delete_session(settings, CLOCK)


async def test_client_certificate_with_key(tls: TlsBroker) -> None:
    await works(
        settings_for(
            tls.url(tls.wants_certificate),
            ca_file=tls.files / "ca.pem",
            cert_file=tls.files / "client.pem",
            key_file=tls.files / "client.key",
        )
    )


@pytest.mark.parametrize(
    ("listener", "files", "kind", "told"),
    [
        ("expired", {"ca_file": "ca.pem"}, CertificateError, "has expired; renew it"),
        ("right", {"ca_file": "stranger.pem"}, CertificateError, "set HOISTWAY_MQTT_CA_FILE"),
        ("right", {}, CertificateError, "set HOISTWAY_MQTT_CA_FILE"),
        ("other_name", {"ca_file": "ca.pem"}, CertificateError, "host in HOISTWAY_MQTT_URL"),
        ("wants_certificate", {"ca_file": "ca.pem"}, CertificateError, "HOISTWAY_MQTT_CERT_FILE"),
        (
            "wants_certificate",
            {"ca_file": "ca.pem", "cert_file": "foreign.pem"},
            CertificateError,
            "HOISTWAY_MQTT_CERT_FILE",
        ),
        ("right", {"ca_file": "junk.pem"}, CertificateError, "HOISTWAY_MQTT_CA_FILE"),
        ("right", {"ca_file": "none.pem"}, SettingError, "HOISTWAY_MQTT_CA_FILE"),
        (
            "right",
            {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "junk.pem"},
            CertificateError,
            "HOISTWAY_MQTT_KEY_FILE",
        ),
        (
            "right",
            {"ca_file": "ca.pem", "cert_file": "none.pem"},
            SettingError,
            "HOISTWAY_MQTT_CERT_FILE",
        ),
        ("right", {"key_file": "client.key"}, SettingError, "without HOISTWAY_MQTT_CERT_FILE"),
    ],
)
async def test_wrong_certificates(
    tls: TlsBroker, listener: str, files: dict[str, str], kind: type, told: str
) -> None:
    named = {key: tls.files / name for key, name in files.items()}
    fault = await fault_of(settings_for(tls.url(getattr(tls, listener)), **named))
    assert type(fault) is kind
    assert told in str(fault)


async def test_plain_url_to_a_tls_port_and_tls_url_to_a_plain_port(tls: TlsBroker) -> None:
    plain = await fault_of(settings_for(tls.url(tls.right).replace("mqtts:", "mqtt:")))
    assert type(plain) is BrokerUnreachableError
    assert "TLS" in str(plain)
    port = int(tls.stack.mqtt_url.rpartition(":")[2])
    secure = await fault_of(settings_for(tls.url(port)))
    assert type(secure) is BrokerUnreachableError
    assert "HOISTWAY_MQTT_URL" in str(secure)


# Address and account


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:1883",
        "http://x",
        "mqtt://",
        "mqtt://h:99999",
        "mqtt://h/topic",
        "mqtt://:p@h",
    ],
)
async def test_unusable_url(url: str) -> None:
    fault = await fault_of(settings_for(url))
    assert type(fault) is SettingError
    assert "HOISTWAY_MQTT_URL" in str(fault)


@pytest.mark.parametrize(
    "url",
    [f"mqtt://127.0.0.1:{free_port()}", "mqtt://nowhere.invalid"],
    ids=["no server", "no such name"],  # the same on every worker
)
async def test_nobody_there(url: str) -> None:
    fault = await fault_of(settings_for(url))
    assert type(fault) is BrokerUnreachableError
    assert "HOISTWAY_MQTT_URL" in str(fault)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("account", ["hoistway:wrong@", "nobody:x@", ""])
async def test_refused_account(tls: TlsBroker, account: str, protocol: Any) -> None:
    place = tls.stack.mqtt_url.rpartition("@")[2]
    fault = await fault_of(settings_for(f"mqtt://{account}{place}", protocol=protocol))
    assert type(fault) is CredentialsError
    assert "HOISTWAY_MQTT_URL" in str(fault)
    assert "wrong" not in str(fault)


async def test_account_from_settings_with_awkward_characters(tls: TlsBroker) -> None:
    assert tls.stack.mosquitto is not None
    await asyncio.to_thread(tls.stack.mosquitto.add_user, "odd", "p@:/ %41ß")
    place = tls.stack.mqtt_url.rpartition("@")[2]
    inside = settings_for(f"mqtt://odd:p%40%3A%2F%20%2541%C3%9F@{place}")
    beside = settings_for(f"mqtt://{place}", username="odd", password="p@:/ %41ß")
    for settings in (inside, beside):
        async with MqttSource(settings, CLOCK) as source:
            assert source.state.subscribed
        await delete_session(settings, CLOCK)


async def test_account_that_is_refused_later_is_a_state(tls: TlsBroker) -> None:
    async with mqtt_rig(tls.stack.mqtt_url) as rig:
        assert tls.stack.mosquitto is not None
        url = await asyncio.to_thread(tls.stack.mosquitto.add_user, "late", "first")
        account = url.removeprefix("mqtt://").rpartition("@")[0]
        late = replace(rig.settings, url=f"mqtt://{account}@127.0.0.1:{rig.proxy.port}")
        async with MqttSource(late, CLOCK) as source:
            await asyncio.to_thread(tls.stack.mosquitto.add_user, "late", "second")
            rig.proxy.cut()
            await until(lambda: "refuses the account late" in str(source.state.problem))
            assert not source.state.connected
            await asyncio.to_thread(tls.stack.mosquitto.add_user, "late", "first")
            await until(lambda: source.state.subscribed)


# What only a scripted broker does


@pytest.mark.parametrize(
    ("connack", "kind", "told"),
    [
        (b"\x20\x02\x00\x01", SettingError, "set HOISTWAY_MQTT_PROTOCOL to 5"),
        (b"\x20\x02\x00\x02", SettingError, "HOISTWAY_MQTT_CLIENT_ID"),
        (b"\x20\x02\x00\x03", BrokerUnreachableError, "refuses to serve now"),
        (b"\x20\x02\x00\x04", CredentialsError, "HOISTWAY_MQTT_URL"),
        (b"\x20\x02\x00\x05", CredentialsError, "HOISTWAY_MQTT_URL"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", BrokerUnreachableError, "no MQTT broker"),
    ],
)
async def test_refused_connection(connack: bytes, kind: type, told: str) -> None:
    async with ScriptedBroker(connack) as broker:
        fault = await fault_of(settings_for(broker.url))
        assert type(fault) is kind
        assert told in str(fault)


@pytest.mark.parametrize(
    ("properties", "told"),
    [(b"\x11\x00\x00\x00\x00", "session expiry"), (b"\x24\x00", "does not offer QoS 1")],
)
async def test_session_that_is_not_granted(properties: bytes, told: str) -> None:
    connack = packet(0x20, b"\x00\x00" + bytes([len(properties)]) + properties)
    async with ScriptedBroker(connack) as broker:
        fault = await fault_of(settings_for(broker.url, protocol="5"))
        assert type(fault) is SessionError
        assert told in str(fault)


@pytest.mark.parametrize("codes", [b"\x80\x01", b"\x01\x80", b"\x00\x01"])
async def test_refused_subscription(codes: bytes) -> None:
    async with ScriptedBroker(suback=SUBACK[:4] + codes) as broker:
        fault = await fault_of(settings_for(broker.url))
        assert type(fault) is SubscriptionError
        assert "HOISTWAY_MQTT_URL" in str(fault)


async def test_silent_broker_is_told_after_the_answer_timeout() -> None:
    for broken in (ScriptedBroker(connack=b""), ScriptedBroker(suback=b"\x90")):
        async with broken as broker:
            fault = await fault_of(settings_for(broker.url, answer_timeout_s=0.3))
            assert type(fault) is BrokerUnreachableError


@pytest.mark.parametrize(
    ("piece", "told"),
    [
        (packet(0x34, text(TOPIC) + b"\x00\x01x"), "QoS 2"),
        (b"\x30\xff\xff\xff\xff\x01", "length"),
        (packet(0x32, b"\x00\x50abc"), "shorter"),
        (packet(0xF0, b""), "protocol"),
        (packet(0x90, b""), "protocol"),
        (packet(0x40, b"\x01"), "protocol"),
        (packet(0xD0, b"surplus"), "protocol"),
        (packet(0x20, b""), "protocol"),
        (packet(0x62, b"\x00"), "protocol"),
    ],
)
async def test_breach_of_protocol_ends_the_connection_not_the_source(
    piece: bytes, told: str
) -> None:
    async with ScriptedBroker(then=[publish_packet(TOPIC, b"good", 1), piece]) as broker:
        settings = settings_for(broker.url, backoff_min_s=0.01, backoff_max_s=0.02)
        async with MqttSource(settings, CLOCK) as source:
            assert payloads(await read_count(source, 1)) == [b"good"]
            await until(lambda: source.counters.losses >= 2 and told in str(source.state.problem))
            assert payloads(await read_count(source, 1)) == [b"good"]


async def test_oversized_message_keeps_head_and_digest_and_is_acknowledged() -> None:
    payload = bytes(range(256)) * 20_000
    whole = publish_packet(TOPIC, payload, 7)
    pieces = [whole[:3], whole[3:70_000], whole[70_000:], publish_packet(TOPIC, b"next", 8)]
    async with (
        ScriptedBroker(then=pieces) as broker,
        MqttSource(settings_for(broker.url), CLOCK) as source,
    ):
        large, following = await read_count(source, 2)
        assert large.oversize is not None
        assert large.oversize.size == len(payload)
        assert large.oversize.sha256 == hashlib.sha256(payload).digest()
        assert large.payload == payload[:65_536]
        assert following.payload == b"next"
        (letter,) = decode([large]).letters
        assert (letter.reason, letter.size) == ("too_large", len(payload))
        source.ack([large, following])
        await until(lambda: broker.received.endswith(b"\x40\x02\x00\x07\x40\x02\x00\x08"))


async def test_message_above_the_brokers_limit_never_comes(tls: TlsBroker) -> None:
    async with mqtt_rig(tls.stack.mqtt_url) as rig, rig.source() as source:
        client = await RawClient.connect(rig.url, "")
        client.writer.write(publish_packet(TOPIC, b"x" * (1024 * 1024 + 1), 1))
        await client.writer.drain()
        await client.reader.read(1)
        client.writer.close()
        await rig.publish([b"x" * 1024 * 1024])
        (message,) = await read_count(source, 1)
        assert (len(message.payload), message.oversize) == (1024 * 1024, None)


async def test_closed_source_says_so() -> None:
    async with ScriptedBroker() as broker:
        source = MqttSource(settings_for(broker.url), CLOCK)
        async with source:
            pass
        with pytest.raises(NotConnectedError, match="closed"):
            await source.read(1, 1)
        assert broker.received.endswith(b"\xe0\x00")
