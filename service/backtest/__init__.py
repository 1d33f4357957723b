"""Backtest: frames of any source through the code of the service, without broker or database.

``engine`` puts frames through key stage, order stage and detectors as the lanes do; ``slices`` and
``workers`` divide a fleet over processes. What the findings are worth is for ``simulator.scoring``.
"""
