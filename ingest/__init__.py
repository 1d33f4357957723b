"""Ingest: the frame source, decode, assemble, the registry mirror, the writer."""
