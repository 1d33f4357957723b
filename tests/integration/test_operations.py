"""Commands and readiness against real parts: doctor, keys, dead letters, the loss of a database."""

import asyncio
import json
import os
import sys

import pytest
from pydantic import SecretStr

from ingest.mqtt_source import MqttSource
from migrations.run import head_revision
from service import broker_probe
from service.blindness import show_source_state
from service.cli import run
from service.clock import ManualClock, SystemClock
from service.database import open_pool, watch_database
from service.doctor import Grade, examine
from service.readiness import Board, Cause
from service.settings import DatabaseSettings, MqttSettings, Settings, load, narrow
from service.stack import open_stack
from tests.conftest import ROOT
from tests.waiting import until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SOON_S = 5.0
"""Readiness must show a loss within this."""


@pytest.fixture
def environ(monkeypatch):
    for name in list(os.environ):
        if name.startswith("HOISTWAY_"):
            monkeypatch.delenv(name)
    return monkeypatch.setenv


async def shows(board: Board, cause: Cause, *, holds: bool) -> None:
    await until(lambda: (cause in board.causes()) == holds, SOON_S)


@pytest.mark.parametrize("how", ["stop", "kill", "freeze"])
async def test_a_lost_database_shows_within_five_seconds(how):
    with open_stack(ROOT, own=True, services=frozenset({"postgres"})) as stack:
        board = Board(ManualClock(), {Cause.DATABASE})
        async with open_pool(DatabaseSettings(url=SecretStr(stack.database_url))) as pool:
            watching = asyncio.create_task(watch_database(board, pool, head_revision(), 0.5))
            await shows(board, Cause.DATABASE, holds=False)
            await shows(board, Cause.MIGRATIONS, holds=True)
            (wrong,) = board.standing()
            assert "no revision" in wrong.detail
            await asyncio.to_thread(getattr(stack.postgres, how))
            await shows(board, Cause.DATABASE, holds=True)
            back = stack.postgres.thaw if how == "freeze" else stack.postgres.start
            await asyncio.to_thread(back)
            await shows(board, Cause.DATABASE, holds=False)
            await asyncio.to_thread(stack.postgres.kill)
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching


@pytest.mark.parametrize("how", ["stop", "kill", "freeze"])
async def test_a_lost_broker_shows_within_five_seconds(how):
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        tree = Settings(mqtt=MqttSettings(url=SecretStr(stack.mqtt_url), client_id="readiness"))
        board = Board(ManualClock(), ())
        async with MqttSource(narrow.mqtt_source(tree), SystemClock()) as source:
            showing = asyncio.create_task(show_source_state(board, source))
            await shows(board, Cause.BROKER, holds=False)
            await asyncio.to_thread(getattr(stack.mosquitto, how))
            await shows(board, Cause.BROKER, holds=True)
            back = stack.mosquitto.thaw if how == "freeze" else stack.mosquitto.start
            await asyncio.to_thread(back)
            await until(lambda: not board.causes())
            showing.cancel()


async def test_closing_does_not_wait_for_a_silent_server():
    with open_stack(ROOT, own=True, services=frozenset({"postgres"})) as stack:
        async with asyncio.timeout(10):
            async with open_pool(DatabaseSettings(url=SecretStr(stack.database_url))) as pool:
                await pool.fetchval("SELECT 1")
                await asyncio.to_thread(stack.postgres.freeze)
                asking = asyncio.create_task(pool.fetchval("SELECT 1"))
                await asyncio.wait({asking}, timeout=0.1)
            await asyncio.wait({asking})
        assert asking.exception() is not None
        await asyncio.to_thread(stack.postgres.thaw)


async def test_the_schema_of_this_version_is_ready(database_url):
    board = Board(ManualClock(), {Cause.MIGRATIONS})
    async with open_pool(DatabaseSettings(url=SecretStr(database_url))) as pool:
        watching = asyncio.create_task(watch_database(board, pool, head_revision(), 0.05))
        await shows(board, Cause.MIGRATIONS, holds=False)
        await pool.execute("UPDATE alembic_version SET version_num = '0000'")
        await shows(board, Cause.MIGRATIONS, holds=True)
        watching.cancel()
    assert "0000" in board.standing()[0].detail


def tree(database_url: str, mqtt_url: str, environ, **more: str) -> Settings:
    environ("HOISTWAY_DATABASE_URL", database_url)
    environ("HOISTWAY_MQTT_URL", mqtt_url)
    environ("HOISTWAY_API_URL", "http://127.0.0.1:1")
    for name, value in more.items():
        environ(name, value)
    return load()


async def test_doctor_finds_all_well(database_url, mqtt_url, environ):
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        settings = tree(
            database_url, mqtt_url, environ,
            HOISTWAY_DISPATCH_URLS=f"http://127.0.0.1:{port}", HOISTWAY_DISPATCH_SECRET=SECRET,
        )  # fmt: skip
        checks = {check.name: check for check in await examine(settings)}
    for name in ("database", "timescale", "schema", "clock", "broker", "queue", "window",
                 "endpoint", "dispatch", "settings"):  # fmt: skip
        assert checks[name].grade is Grade.GOOD, checks[name]
    assert checks["service"].grade is checks["keys"].grade is Grade.WARNING
    assert "apache" in checks["timescale"].seen or "timescale" in checks["timescale"].seen


async def test_doctor_names_what_is_missing(stack, environ):
    empty = stack.database_url.rsplit("/", 1)[0] + "/postgres"
    settings = tree(
        empty, "mqtt://127.0.0.1:1", environ,
        HOISTWAY_DISPATCH_URLS="http://127.0.0.1:1", HOISTWAY_DISPATCH_SECRET=SECRET,
    )  # fmt: skip
    checks = {check.name: check for check in await examine(settings)}
    for name in ("schema", "timescale", "broker", "endpoint"):
        assert checks[name].grade is Grade.FAILED, checks[name]
        assert checks[name].remedy
    assert "hoistway migrate" in checks["schema"].remedy


async def test_doctor_sees_a_wrong_password_at_the_broker(database_url, mqtt_url, environ):
    host = mqtt_url.rsplit("@", 1)[1]
    settings = tree(database_url, f"mqtt://hoistway:geheim@{host}", environ)
    (broker,) = [check for check in await examine(settings) if check.name == "broker"]
    assert broker.grade is Grade.FAILED
    assert "HOISTWAY_MQTT_URL" in broker.line()
    assert "geheim" not in broker.line()


async def test_doctor_sees_a_short_queue_and_a_narrow_window():
    tight = {"max_queued_messages": "100", "max_inflight_messages": "20"}
    with open_stack(
        ROOT, own=True, services=frozenset({"mosquitto"}), mosquitto_settings=tight
    ) as stack:
        source = narrow.mqtt_source(Settings(mqtt=MqttSettings(url=SecretStr(stack.mqtt_url))))
        found = await broker_probe.examine(source, "test")
    assert found.session_kept
    assert found.window == 20
    assert 100 <= found.queued <= 140
    assert found.version is not None
    assert "mosquitto" in found.version


def test_commands_over_a_real_database(database_url, environ, capsys):
    environ("HOISTWAY_DATABASE_URL", database_url)
    assert run(["keys", "create", "--role", "gateway", "--name", "gw-1"]) == 0
    made = capsys.readouterr()
    assert made.out.startswith("hwk_")
    assert made.out.count("\n") == 1
    assert run(["keys", "create", "--role", "gateway", "--name", "gw-1"]) == 1
    assert "in force" in capsys.readouterr().err
    assert run(["keys", "list", "--json"]) == 0
    (key,) = json.loads(capsys.readouterr().out)
    assert (key["name"], key["role"]) == ("gw-1", "gateway")
    assert run(["keys", "revoke", "gw-1"]) == 0
    assert run(["keys", "revoke", "gw-1"]) == 1
    capsys.readouterr()
    assert run(["dead-letters", "list"]) == 0
    assert capsys.readouterr().out == "no dead letters\n"
    assert run(["dead-letters", "show", "1"]) == 1
    assert run(["migrate"]) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("hoistway:", "nobody:"), "refuses the user or password"),
        (lambda url: url + "_none", "no such database"),
        (lambda url: url.rsplit("/", 1)[0] + "/postgres", "has no schema; run `hoistway migrate`"),
    ],
)
def test_a_wrong_database_is_one_line(stack, environ, capsys, change, words):
    environ("HOISTWAY_DATABASE_URL", change(stack.database_url))
    assert run(["keys", "list"]) == 3
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


async def last_words(**environ: str) -> tuple[int, str]:
    """Run ``hoistway serve`` until it gives up; return its exit code and last line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "serve", cwd=ROOT,
        env={**os.environ, "HOISTWAY_HTTP_PORT": "0", **environ},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    return process.returncode or 0, err.decode().splitlines()[-1]


async def test_serve_without_a_schema_says_what_to_run(stack, mqtt_url):
    empty = stack.database_url.rsplit("/", 1)[0] + "/postgres"
    code, line = await last_words(HOISTWAY_DATABASE_URL=empty, HOISTWAY_MQTT_URL=mqtt_url)
    assert (code, line.startswith("hoistway: ")) == (3, True), line
    assert "hoistway migrate" in line


async def test_serve_without_a_broker_names_the_setting(database_url):
    code, line = await last_words(
        HOISTWAY_DATABASE_URL=database_url, HOISTWAY_MQTT_URL="mqtt://127.0.0.1:1",
        HOISTWAY_MQTT_START_TIMEOUT_S="1",
    )  # fmt: skip
    assert (code, line.startswith("hoistway: ")) == (3, True), line
    assert "HOISTWAY_MQTT_URL" in line


async def test_serve_with_a_wrong_database_password_says_so(stack, mqtt_url):
    user, _, rest = stack.database_url.removeprefix("postgresql://").partition(":")
    wrong = f"postgresql://{user}:geheim@{rest.partition('@')[2]}"
    code, line = await last_words(HOISTWAY_DATABASE_URL=wrong, HOISTWAY_MQTT_URL=mqtt_url)
    assert (code, line.startswith("hoistway: ")) == (3, True), line
    assert "HOISTWAY_DATABASE_URL" in line
    assert "geheim" not in line


async def test_serve_on_a_taken_port_names_the_setting(database_url, mqtt_url):
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with taken:
        code, line = await last_words(
            HOISTWAY_DATABASE_URL=database_url, HOISTWAY_MQTT_URL=mqtt_url,
            HOISTWAY_HTTP_PORT=str(taken.sockets[0].getsockname()[1]),
            HOISTWAY_MQTT_CLIENT_ID="taken-port",
        )  # fmt: skip
    assert (code, line.startswith("hoistway: ")) == (3, True), line
    assert "HOISTWAY_HTTP_PORT" in line
