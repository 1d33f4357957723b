"""Everything that ingest keeps in PostgreSQL, as functions over an asyncpg connection.

``frames.py`` writes and reads the hypertable (bytes made in ``copy_binary.py`` after
``layout.py``), ``batches.py``, ``transitions.py``, ``dead_letters.py``, ``registry.py`` and
``snapshots.py`` own one group of tables each, ``writer_lock.py`` sees to one writer per lane,
``recovery.py`` reads back what came after a snapshot. ``connect.py`` opens connections and
transactions.

Invariants: the caller owns the transaction; every driver error leaves through ``errors.py``; SQL
stands in ``queries.sql`` under a name; nothing here reads a clock.
"""
