"""With a Docker engine the project's compose file gives the services; a fake client stands in."""

import json
import os
import time
from pathlib import Path

import pytest

from service.stack import docker, mosquitto, open_stack, postgres
from service.stack.rootfs import StackError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a ``docker`` first in PATH that writes down what it was told."""
    log = tmp_path / "calls"
    log.touch()
    client = tmp_path / "bin/docker"
    client.parent.mkdir()
    client.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\n'
        'case "$*" in *" up -d"*) [ -z "$FAKE_UP_FAILS" ] || exit 1;;\n'
        '*" ps "*) echo broker;; esac\n'
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOISTWAY_STACK_DIR", str(tmp_path / "stack"))
    monkeypatch.setenv("HOISTWAY_STACK", "docker")
    monkeypatch.setattr(postgres, "is_accepting", lambda *_: True)
    monkeypatch.setattr(mosquitto, "is_accepting", lambda *_: True)
    return log


def test_both_services_come_from_a_project_that_is_taken_down(calls: Path, tmp_path: Path):
    with open_stack(ROOT, own=True) as stack:
        assert stack.origin == "docker"
        (place,) = (tmp_path / "stack/run").glob("hoistway-*")
        override = json.loads((place / "compose.json").read_text())
        assert override["services"]["db"]["ports"] == [f"127.0.0.1:{stack.postgres.port}:5432"]
        variables = (place / "compose.env").read_text()
        assert f"HOISTWAY_MQTT_BIND=127.0.0.1:{stack.mosquitto.port}\n" in variables
        stack.postgres.kill()
        stack.mosquitto.freeze()
        assert stack.mosquitto.add_user("g1", "pw").startswith("mqtt://g1:pw@127.0.0.1:")
        assert "g1:$7$" in (place / "secrets/passwd").read_text()
    told = calls.read_text()
    for expected in ("up -d --no-deps --no-build db", "kill db", "pause broker", "-s HUP broker"):
        assert expected in told
    assert told.count("down --volumes") == 1
    assert not place.exists()


def test_a_project_that_does_not_start_is_taken_down(
    calls: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("FAKE_UP_FAILS", "1")
    with pytest.raises(StackError, match="up -d"), open_stack(ROOT, own=True):
        pass
    assert "down --volumes" in calls.read_text()
    assert not list((tmp_path / "stack/run").glob("hoistway-*"))


def test_without_an_engine_docker_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    started_s = time.monotonic()
    assert not docker.engine_runs()
    assert time.monotonic() - started_s < docker.ENGINE_TIMEOUT_S
