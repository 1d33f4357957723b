"""Alarms: from findings to a person who takes the case.

Pure: ``alarm``, ``changes``, ``history``, ``lifecycle``, ``decisions``, ``message``,
``signature``, ``retry``. They take time as a value and open nothing. ``store`` keeps alarms,
timeline and outbox in the database, ``dispatcher`` sends what the outbox holds until it is taken,
``announce`` says when the service itself is blind, ``client`` is the only place with an HTTP
client.
"""
