"""Runs of schema 1 in the layout of today."""

from __future__ import annotations

from flows.cli.older_runs import ledger_by_season, metrics_by_season


def test_one_season_gets_its_name() -> None:
    metrics = {"schema": 1, "as_of": {"09-30": {"splits": {}}}}
    assert metrics_by_season(metrics) == metrics | {"seasons": {"main": {"as_of": metrics["as_of"]}}}
    entry = {"rows_in": 3, "used": {"train": 3}, "rejected": {}, "out_of_scope": {}}
    assert ledger_by_season({"weather": entry}) == {"weather": {"main": entry}}


def test_what_is_of_today_stays() -> None:
    metrics = {"schema": 2, "seasons": {"rabi": {"as_of": {}}}}
    assert metrics_by_season(metrics) is metrics
    ledger = {"weather": {"rabi": {"rows_in": 3}}}
    assert ledger_by_season(ledger) == ledger
    assert metrics_by_season(None) is None
    assert ledger_by_season(None) is None
