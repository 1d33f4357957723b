"""Progress of a backtest on standard error: in place on a terminal, else a line per tenth."""

import sys

import typer

from service.backtest.workers import Progress


class Meter:
    """Shows how far a backtest is, how fast, and how many times faster than time.

    Parameters
    ----------
    span_us
        Time that the source covers [µs].
    """

    def __init__(self, span_us: int) -> None:
        self._span_us = span_us
        self._tenth = 0
        self.times_real = 0.0
        """Time covered per time elapsed, so far."""

    def __call__(self, progress: Progress) -> None:
        """Show how far it is."""
        elapsed_s = max(progress.elapsed_s, 1e-9)
        rate = progress.frames / elapsed_s
        left_s = elapsed_s * (1 - progress.done) / max(progress.done, 1e-9)
        self.times_real = progress.done * self._span_us / 1e6 / elapsed_s
        text = (
            f"{100 * progress.done:5.1f} %, {progress.frames:,} frames,"
            f" {rate:,.0f}/s, {self.times_real:,.0f} x real time, {left_s:.0f} s left"
        )
        if sys.stderr.isatty():
            typer.echo(f"\r{text}  ", nl=progress.done >= 1, err=True)
        elif int(10 * progress.done) > self._tenth:
            self._tenth = int(10 * progress.done)
            typer.echo(text, err=True)
