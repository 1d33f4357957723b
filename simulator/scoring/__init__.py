"""Alarms against the truth: what was found, missed, doubled, false, late, and how sure that is.

Pure: ``alarms`` reduces transitions to alarms, ``matching`` pairs alarms and true events,
``attribution`` says where false alarms come from, ``intervals`` how far a figure can be trusted,
``score`` joins them, ``differences`` compares two sets of alarms. Reads no clock and no detector:
windows and detected kinds are the caller's.
"""

from simulator.scoring.alarms import Seen, SeenAlarm, alarms_of
from simulator.scoring.matching import Comparison, Hit, match

__all__ = ["Comparison", "Hit", "Seen", "SeenAlarm", "alarms_of", "match"]
