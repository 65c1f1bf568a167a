"""Runs of schema 1, which knew one season only, in the layout of today."""

from __future__ import annotations

from typing import Any

from data.contracts.vocabulary import MAIN


def metrics_by_season(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    """metrics.json, its cut-offs under the season that they are of."""
    if metrics is None or "seasons" in metrics:
        return metrics
    return {**metrics, "seasons": {MAIN: {"as_of": metrics["as_of"]}}}


def ledger_by_season(ledger: dict[str, Any] | None) -> dict[str, Any] | None:
    """ledger.json, each input's entry under the season that it is of."""
    if ledger is None:
        return None
    return {name: {MAIN: entry} if "rows_in" in entry else entry for name, entry in ledger.items()}
