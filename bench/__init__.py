"""Benchmarks: ratios inside one run, printed; never asserted."""
