"""The database schema of Hoistway and how to bring a database to it.

``run.py`` is the door for programs (``hoistway migrate``, readiness, tests), ``versions/`` holds
the revisions as plain SQL, ``server.py`` asks the server what it can do, ``dump.py`` writes
``schema.sql``, the golden dump. This package imports nothing else of the project: a revision must
not change when the code does. That ``frames`` agrees with ``telemetry.columns`` is proven by a
test.
"""
