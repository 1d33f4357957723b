"""The HTTP API: what it answers, to whom, and in which words. Decides nothing about alarms."""

from service.http.app import make_app
from service.http.parts import IntakePausedError, Parts, SubmitResult

__all__ = ["IntakePausedError", "Parts", "SubmitResult", "make_app"]
