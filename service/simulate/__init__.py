"""``hoistway simulate``: a scenario, a fleet from options or a steady load, to a broker or a judge.

``command`` reads the options, ``plan`` makes a run of them, ``publishing`` sends it, ``judging``
puts it through the detectors and compares with what the scenario expects, ``telling`` writes
summaries, progress and truth. What is simulated is decided in ``simulator``.
"""

from service.simulate.command import main

__all__ = ["main"]
