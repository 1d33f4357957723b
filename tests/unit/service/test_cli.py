"""The command line: quick help, exit codes, one line for every error."""

import os
import re
import subprocess
import sys

import pytest

from service.cli import run
from service.commands.failures import CommandError, explained
from service.database import DatabaseError
from service.settings import SettingsError
from service.stack import StackError

COMMANDS = (
    "demo", "serve", "migrate", "simulate", "replay", "score", "compare", "desk",
    "dead-letters", "keys", "shadow", "gaps", "doctor",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in list(os.environ):
        if name.startswith("HOISTWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


def said(capsys, *arguments: str) -> tuple[int, str, str]:
    code = run(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def one_line(text: str) -> str:
    assert re.fullmatch(r"hoistway: [^\n]+\n", text), text
    return text


def test_help_names_every_command(capsys):
    code, out, _ = said(capsys, "--help")
    assert code == 0
    assert all(f"  {command} " in out for command in COMMANDS)


def test_help_loads_nothing_heavy():
    heavy = "{'fastapi', 'asyncpg', 'numpy', 'aiohttp', 'alembic', 'pydantic'}"
    code = f"import sys, service.cli; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_help_cuts_no_sentence(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for group in ((), ("keys",), ("dead-letters",)):
        _, out, _ = said(capsys, *group, "--help")
        assert "..." not in out.partition("Commands:")[2]


def test_a_gateways_key_wants_the_gateways_name(capsys):
    code, _, err = said(capsys, "keys", "create", "--role", "gateway")
    assert code == 2
    assert "--name is needed" in one_line(err)


def test_version(capsys):
    code, out, _ = said(capsys, "--version")
    assert code == 0
    assert re.fullmatch(r"hoistway \S+\n", out)


def test_no_command_shows_help(capsys):
    code, out, err = said(capsys)
    assert code == 2
    assert "Usage" in out + err


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("serve", "--odd"), ("keys", "create", "--role", "king")]
)
def test_bad_usage_is_2(capsys, arguments):
    code, _, err = said(capsys, *arguments)
    assert code == 2
    assert "Error" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve",), ("migrate",), ("keys", "list"), ("keys", "revoke", "x"),
        ("keys", "create", "--role", "admin"), ("dead-letters", "list"),
        ("dead-letters", "show", "1"),
    ],
)  # fmt: skip
def test_without_a_database_every_command_names_the_setting(capsys, arguments):
    code, _, err = said(capsys, *arguments)
    assert code == 3
    assert "HOISTWAY_DATABASE_URL is not set" in one_line(err)


@pytest.mark.parametrize("arguments", [("serve",), ("keys", "list"), ("doctor",)])
def test_bad_settings_are_2_and_one_line(capsys, monkeypatch, arguments):
    monkeypatch.setenv("HOISTWAY_HTTP_PROT", "1")
    code, _, err = said(capsys, *arguments)
    assert code == 2
    assert "did you mean HOISTWAY_HTTP_PORT?" in one_line(err)


def test_config_is_taken_from_the_option(capsys, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("[http]\nport = 'x'")
    code, _, err = said(capsys, "--config", str(path), "doctor")
    assert code == 2
    assert f"port in [http] of {path}" in one_line(err)
    del os.environ["HOISTWAY_CONFIG"]


def test_serve_wants_a_broker(capsys, monkeypatch):
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", "postgresql://h/x")
    code, _, err = said(capsys, "serve")
    assert code == 2
    assert "HOISTWAY_MQTT_URL is not set" in one_line(err)


@pytest.mark.parametrize("command", [("keys", "list"), ("migrate",)])
def test_an_unreachable_database_is_3(capsys, monkeypatch, command):
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:1/x")
    code, _, err = said(capsys, *command)
    assert code == 3
    assert "geheim" not in one_line(err)


def test_replay_wants_a_key_and_a_service(capsys, monkeypatch):
    code, _, err = said(capsys, "dead-letters", "replay", "1")
    assert code == 2
    assert "HOISTWAY_API_KEY" in one_line(err)
    monkeypatch.setenv("HOISTWAY_API_KEY", "x")
    code, _, err = said(capsys, "dead-letters", "replay", "1", "--url", "http://127.0.0.1:1")
    assert code == 3
    assert "no service at http://127.0.0.1:1" in one_line(err)
    code, _, err = said(capsys, "dead-letters", "replay", "1", "--url", "file:///etc/passwd")
    assert code == 2
    assert "--url" in one_line(err)


def test_the_desk_wants_a_secret(capsys):
    code, _, err = said(capsys, "desk")
    assert code == 2
    assert "HOISTWAY_DISPATCH_SECRET is not set" in one_line(err)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--behaviour", "odd"), 2, "--behaviour must be ok, an HTTP status"),
        (("--behaviour", "slow:x"), 2, "--behaviour"),
        (("--host", "203.0.113.9"), 3, "--host and --port: 203.0.113.9:8090 cannot be had"),
        (("--accept-after", "1"), 2, "--accept-after needs --accept-as"),
        (("--accept-after", "1", "--accept-as", "x"), 2, "give --key or HOISTWAY_API_KEY"),
    ],
)
def test_the_desk_says_what_it_cannot_do(capsys, monkeypatch, arguments, code, words):
    monkeypatch.setenv("HOISTWAY_DISPATCH_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    got, _, err = said(capsys, "desk", "--for", "1", *arguments)
    assert got == code
    assert words in err.splitlines()[-1]


def test_settings_in_force_are_listed_without_secrets(capsys, monkeypatch):
    monkeypatch.setenv("HOISTWAY_MQTT_PASSWORD", "geheim")
    code, out, _ = said(capsys, "doctor", "--settings")
    assert code == 0
    assert "HOISTWAY_MQTT_PASSWORD=***\n" in out
    assert "HOISTWAY_HTTP_PORT=8080\n" in out


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr("service.settings.load", broken)
    with pytest.raises(ZeroDivisionError):
        run(["doctor"])


def test_known_errors_have_their_exit_codes():
    assert explained(SettingsError("x")).exit_code == 2
    assert explained(DatabaseError("x")).exit_code == 3
    assert explained(StackError("x")).exit_code == 3
    assert explained(CommandError("a\n b")).args == ("a b",)
    assert explained(BaseExceptionGroup("", [SettingsError("deep")])).exit_code == 2
    assert explained(ZeroDivisionError()) is None
