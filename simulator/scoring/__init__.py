"""Alarms against the truth."""
