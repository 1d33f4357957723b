"""The vocabulary that every other package speaks: frames, topics, findings, transitions. Pure."""
