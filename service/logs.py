"""Logs: structlog to standard error, a line per event, as text for people or JSON for machines.

Events are static snake_case words in the past tense; data goes into fields, per batch and never per
frame. ERROR means that data or an alarm is at risk. What libraries log through the standard library
takes the same way. Secrets are not logged: settings hold them as ``SecretStr``.
"""

import asyncio
import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from service.clock import Clock
from service.settings import LogSettings
from service.times import rfc3339


def configure(settings: LogSettings, clock: Clock) -> None:
    """Set up logging for the process; calling it again replaces what was there."""
    shared = _shared(clock)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_level(settings)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderer(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_level(settings))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)


def tell_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what the event loop could give to nobody, but for connects that were given up.

    asyncpg leaves a future behind when a connect is cancelled in its first exchange, as happens
    when the service is stopped; nothing is wrong then, and it must not come after the last line.
    """
    error = context.get("exception")
    given_up = isinstance(error, ConnectionError) and "unexpected connection_lost()" in str(error)
    if not given_up:
        loop.default_exception_handler(context)


def _level(settings: LogSettings) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]


def _shared(clock: Clock) -> list[Processor]:
    def stamp(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["time"] = rfc3339(clock.now_us())
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
        structlog.processors.format_exc_info,
    ]


def _renderer(settings: LogSettings) -> list[Processor]:
    wants_console = settings.format == "console"
    if wants_console or (settings.format == "auto" and sys.stderr.isatty()):
        colors = sys.stderr.isatty()
        return [structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time")]
    return [structlog.processors.JSONRenderer(default=str, ensure_ascii=False)]
