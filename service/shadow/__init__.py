"""Shadow mode: other rules beside the live ones, on the same batches, without a voice.

The shadow is a process of its own that follows the committed batches in the database, as recovery
does: nothing that it does, fails to do or does slowly can reach the live path, and what it says is
exactly what recovery would derive with its rules. ``runs`` says what is to run, ``follower`` runs
it, ``keeper`` is the live service's part: it starts and ends that process and shows its figures.
"""
