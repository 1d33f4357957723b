"""The one table from causes to their courses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simulator.faults.causes import Cause
from simulator.world import controller_faults, door_faults, modes, power, ride_faults, wear
from simulator.world.course import Course

COURSES: Final[Mapping[Cause, Course]] = MappingProxyType(
    ride_faults.COURSES
    | door_faults.COURSES
    | controller_faults.COURSES
    | modes.COURSES
    | power.COURSES
    | wear.COURSES
)
"""What the world of lifts can do; sensors and escalators have their own."""
