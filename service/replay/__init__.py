"""``hoistway replay``: frames of a file or of the hypertable, to a broker or into the detectors.

``command`` reads the options, ``files`` opens recordings, ride logs and traces, ``stored`` reads
the hypertable, ``sending`` publishes, ``finding`` puts the frames through the detectors.
"""

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; errors are left to the caller."""
    from service.replay import command  # the service uses ``stored`` without it

    return command.main(arguments)


__all__ = ["main"]
