"""What keeps the service from starting is said in one line that names the setting or the remedy."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import pytest
import trustme
from rich.console import Console

from alerting.signature import Verification
from service.child import ServiceProcess, free_port
from service.desk_screen import line
from service.rig import Rig
from service.soak import accounts
from service.stack import Stack
from tests.acceptance.commands import hoistway, last_line
from tests.acceptance.conftest import MakeRig
from tests.conftest import database_at
from tests.waiting import until

SETTINGS, UNAVAILABLE = 2, 3


async def refused(environment: dict[str, str], code: int) -> str:
    """Start the service, which must end with ``code``; return its last line."""
    settings = {"HOISTWAY_HTTP_PORT": str(free_port()), **environment}
    ended = await asyncio.to_thread(hoistway, settings, "serve")
    assert ended.returncode == code, ended.stderr
    return last_line(ended)


@pytest.fixture
def usable(database_url: str, mqtt_url: str) -> dict[str, str]:
    """Return settings with which it would start."""
    return {
        "HOISTWAY_DATABASE_URL": database_url,
        "HOISTWAY_MQTT_URL": mqtt_url,
        "HOISTWAY_MQTT_CLIENT_ID": "startup-errors",
        "HOISTWAY_MQTT_START_TIMEOUT_S": "0.5",
    }


def with_account(url: str, account: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{account}@{parts.hostname}:{parts.port}"))


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("HOISTWAY_HTTP_PORT", "eighty", "HOISTWAY_HTTP_PORT"),
        ("HOISTWAY_DATABASE_URL", "mysql://h/x", "postgresql://"),
        ("HOISTWAY_DISPATCH_URLS", "https://desk", "HOISTWAY_DISPATCH_SECRET"),
        ("HOISTWAY_MQTT_CA_FILE", "/nowhere.pem", "does not exist"),
        ("HOISTWAY_INGEST_BATCH_WINDOW", "20", "HOISTWAY_INGEST_BATCH_WINDOW_MS"),
    ],
)
async def test_a_bad_setting_is_named(
    usable: dict[str, str], name: str, value: str, remedy: str
) -> None:
    said = await refused({**usable, name: value}, SETTINGS)
    assert name in said
    assert remedy in said


async def test_an_unreachable_broker_is_named(usable: dict[str, str]) -> None:
    port = free_port()
    said = await refused({**usable, "HOISTWAY_MQTT_URL": f"mqtt://127.0.0.1:{port}"}, UNAVAILABLE)
    assert "HOISTWAY_MQTT_URL" in said
    assert str(port) in said


async def test_a_wrong_broker_password_is_named_and_not_shown(
    usable: dict[str, str], mqtt_url: str
) -> None:
    wrong = with_account(mqtt_url, "hoistway:geheim")
    said = await refused({**usable, "HOISTWAY_MQTT_URL": wrong}, UNAVAILABLE)
    assert "HOISTWAY_MQTT" in said
    assert "password" in said
    assert "geheim" not in said


async def test_a_database_without_schema_names_the_command(
    usable: dict[str, str], stack: Stack
) -> None:
    empty = database_at(stack.database_url, "postgres")
    said = await refused({**usable, "HOISTWAY_DATABASE_URL": empty}, UNAVAILABLE)
    assert "hoistway migrate" in said


@pytest.mark.parametrize(
    ("account", "name", "words"),
    [("hoistway:geheim", None, "password"), (None, "no_such_database", "no such database")],
)
async def test_a_database_that_refuses_is_named(
    usable: dict[str, str], account: str | None, name: str | None, words: str
) -> None:
    url = usable["HOISTWAY_DATABASE_URL"]
    url = with_account(url, account) + urlsplit(url).path if account else url
    url = database_at(url, name) if name else url
    said = await refused({**usable, "HOISTWAY_DATABASE_URL": url}, UNAVAILABLE)
    assert "HOISTWAY_DATABASE_URL" in said
    assert words in said
    assert "geheim" not in said


async def test_a_port_in_use_is_named(usable: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await refused({**usable, "HOISTWAY_HTTP_PORT": str(port)}, UNAVAILABLE)
    assert "HOISTWAY_HTTP_PORT" in said
    assert str(port) in said


@pytest.fixture
async def expired_broker(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Return the settings for a TLS server whose certificate is of last year."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", not_after=datetime(2025, 1, 1, tzinfo=UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = await asyncio.start_server(lambda _, w: w.close(), "localhost", 0, ssl=context)
    async with server:
        yield {
            "HOISTWAY_MQTT_URL": f"mqtts://localhost:{server.sockets[0].getsockname()[1]}",
            "HOISTWAY_MQTT_CA_FILE": str(tmp_path / "ca.pem"),
        }


async def test_an_expired_certificate_is_called_so(
    usable: dict[str, str], expired_broker: dict[str, str]
) -> None:
    said = await refused({**usable, **expired_broker}, UNAVAILABLE)
    assert "certificate has expired; renew it on the broker" in said


async def test_a_wrong_signature_is_shown_at_the_desk_and_in_the_log(rig: MakeRig) -> None:
    other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = await rig(environment={"HOISTWAY_DISPATCH_SECRET": other})
    await made.desk.wait_for(lambda desk: bool(desk.received))
    first = made.desk.received[0]
    assert first.status == 401
    assert first.verification is not Verification.OK
    console = Console(width=200, file=(shown := _Text()))
    console.print(line(first))
    assert "refused" in shown.text
    assert "wrong signature: HOISTWAY_DISPATCH_SECRET" in shown.text
    [said] = await logged(made.service, "announcement_failed")
    assert said["status"] == 401
    assert "HOISTWAY_DISPATCH_SECRET" in said["remedy"]


async def logged(service: ServiceProcess, event: str) -> list[dict[str, Any]]:
    """Wait until the log holds such lines; return them."""

    def lines() -> list[dict[str, Any]]:
        told = [json.loads(text) for text in service.last_words(100).splitlines()]
        return [line for line in told if line["event"] == event]

    return await until(lines, 10)


class _Text:
    """A file that keeps what is written."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


async def test_an_unknown_key_is_refused_with_the_remedy(rig: MakeRig) -> None:
    made = await rig()
    async with aiohttp.ClientSession(headers={"X-API-Key": "hw_unknown"}) as session:
        for path in ("/v1/alarms", "/v1/elevators"):
            async with session.get(f"{made.service.http_url}{path}") as answer:
                told = await answer.json()
                assert answer.status == 401
                assert "hoistway keys" in told["detail"]
    how = {"HOISTWAY_API_URL": made.service.http_url, "HOISTWAY_API_KEY": "hw_unknown"}
    ended = await asyncio.to_thread(hoistway, how, "dead-letters", "replay", "1")
    assert ended.returncode == UNAVAILABLE
    assert "401" in last_line(ended)


def beside(rig: Rig, **environment: str) -> ServiceProcess:
    """Return a second service with the settings of the rig's, and these."""
    return ServiceProcess(
        {**rig.service.environment, **environment},
        rig.service.log_path.with_name("second.log"),
    )


async def causes(service: ServiceProcess) -> dict[str, Any]:
    """Return what ``/readyz`` names, with the details."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{service.http_url}/readyz") as answer,
        ):
            told = await answer.json()
    except aiohttp.ClientError:
        return {"silent": ""}
    return {cause["cause"]: cause["detail"] for cause in told["causes"]}


async def test_a_second_service_stands_by_and_takes_over(rig: MakeRig) -> None:
    made = await rig()
    second = beside(made)
    await second.start()
    try:

        async def stands_by() -> bool:
            return "standby" in await causes(second)

        await until(stands_by)
        assert not await causes(made.service)  # the first goes on
        assert await made.service.stop() == 0
        await second.wait_ready(10)
        assert (await accounts.ledger(second)).balances
    finally:
        await second.kill()


async def test_two_services_under_one_client_id_are_told_apart(
    rig: MakeRig, database_url: str
) -> None:
    made = await rig()
    second = beside(made, HOISTWAY_DATABASE_URL=database_url)
    await second.start()
    try:

        async def clash() -> dict[str, Any] | None:
            found = {**await causes(second), **await causes(made.service)}
            return found if "client id" in str(found) else None

        found = await until(clash, 30)
        assert made.client_id in str(found)
        assert "HOISTWAY_MQTT_CLIENT_ID" in str(found)
    finally:
        await second.kill()
    await made.service.wait_ready(30)
