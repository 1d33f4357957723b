"""The services that Hoistway needs, found or made: TimescaleDB and Mosquitto.

Demo, tests and people (``make stack``) get them from here; the service itself never does, it is
given addresses. Start reading at `service.stack.session`. Standard library only, so that it works
before ``.venv`` exists.
"""

from service.stack.mosquitto import Mosquitto
from service.stack.rootfs import StackError
from service.stack.server import Server
from service.stack.session import Stack, from_environment, make_stack, open_stack

__all__ = [
    "Mosquitto",
    "Server",
    "Stack",
    "StackError",
    "from_environment",
    "make_stack",
    "open_stack",
]
