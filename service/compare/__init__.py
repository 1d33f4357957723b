"""``hoistway compare``: what other parameters or other detectors would have said.

``command`` reads the options, ``trial`` runs a backtest of both, ``live`` reads what the service
and its shadow have found.
"""

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; errors are left to the caller."""
    from service.compare import command  # the service uses ``live`` without it

    return command.main(arguments)


__all__ = ["main"]
