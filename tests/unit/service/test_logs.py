"""Logs: JSON for machines, libraries take the same way, the time comes from the clock."""

import json
import logging

import pytest
import structlog

from service.clock import ManualClock
from service.logs import configure, tell_unhandled
from service.settings import LogSettings


@pytest.fixture(autouse=True)
def _restore():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_events_and_libraries_become_json(capsys):
    configure(LogSettings(format="json"), ManualClock(1_000_000))
    structlog.get_logger("hoistway.test").info("batch_committed", frames=3, floor="十二")
    logging.getLogger("uvicorn.error").warning("from a library %s", 7)
    ours, theirs = lines(capsys)
    assert ours == {
        "event": "batch_committed", "frames": 3, "floor": "十二", "level": "info",
        "logger": "hoistway.test", "time": "1970-01-01T00:00:01.000Z",
    }  # fmt: skip
    assert (theirs["event"], theirs["level"]) == ("from a library 7", "warning")


def test_levels_are_kept_and_errors_carry_their_traceback(capsys):
    configure(LogSettings(level="warning", format="json"), ManualClock())
    log = structlog.get_logger()
    log.info("not_written")
    log.error("batch_failed", exc_info=ValueError("deep"))
    (only,) = lines(capsys)
    assert only["event"] == "batch_failed"
    assert "ValueError: deep" in only["exception"]


def test_console_is_for_people(capsys):
    configure(LogSettings(format="console"), ManualClock())
    structlog.get_logger().info("service_started", port=1)
    text = capsys.readouterr().err
    assert "service_started" in text
    assert "port" in text


def test_only_abandoned_connects_are_left_unsaid():
    said = []

    class Loop:
        def default_exception_handler(self, context):
            said.append(context["exception"])

    lost = ConnectionError("unexpected connection_lost() call")
    for error in (lost, ConnectionError("reset"), ValueError("unexpected connection_lost() call")):
        tell_unhandled(Loop(), {"message": "never retrieved", "exception": error})
    assert [type(e) for e in said] == [ConnectionError, ValueError]
    assert str(said[0]) == "reset"
