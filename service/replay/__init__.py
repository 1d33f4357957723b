"""``hoistway replay``: frames of a file or of the hypertable, to a broker or into the detectors.

``command`` reads the options, ``files`` opens recordings, ride logs and traces, ``stored`` reads
the hypertable, ``sending`` publishes, ``finding`` puts the frames through the detectors.
"""

from service.replay.command import main

__all__ = ["main"]
