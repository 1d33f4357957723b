"""Deterministic fleets: physics, people, faults with their truth, and the network between.

The judge of everything else here: it shares the vocabulary of ``telemetry`` and nothing more.
Phases of a world are described in ``world``; ``fleet`` is the door for demo, tests and CLI.
"""
