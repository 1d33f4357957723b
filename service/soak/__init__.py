"""Soak: the real service under load and blows, and the proof that nothing was lost or doubled.

``accounts`` holds the service to ``received = stored + duplicate + rejected + in flight``, by its
metrics and by the database; ``backtest`` derives what one uninterrupted run would have found;
``traffic`` makes a fleet with trapped people, bad payloads and wrong clocks; ``crash`` kills the
service at random instants and compares. Acceptance tests and ``bench/`` share all of it.
"""
