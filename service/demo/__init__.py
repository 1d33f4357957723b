"""``hoistway demo``: the whole way on real parts, in about a minute, with one table at the end."""

from service.demo.command import main

__all__ = ["main"]
