"""The services that Hoistway needs, found or made: TimescaleDB and Mosquitto.

Demo, tests and people (``make stack``) get them from here; the service itself never does, it is
given addresses. Start reading at `service.stack.session`. Standard library only, so that it works
before ``.venv`` exists.
"""

from service.stack.rootfs import StackError
from service.stack.session import (
    BrokerControls,
    Controls,
    Stack,
    from_environment,
    make_stack,
    open_stack,
)

__all__ = [
    "BrokerControls",
    "Controls",
    "Stack",
    "StackError",
    "from_environment",
    "make_stack",
    "open_stack",
]
