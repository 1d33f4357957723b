"""Frames kept in files: our own recordings, ride logs, sensor traces."""
