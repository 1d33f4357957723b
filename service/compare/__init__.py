"""``hoistway compare``: what other parameters or other detectors would have said.

``command`` reads the options, ``trial`` runs a backtest of both, ``live`` reads what the service
and its shadow have found.
"""

from service.compare.command import main

__all__ = ["main"]
