"""Fleets, faults and networks described in files, with conditions to pass."""
