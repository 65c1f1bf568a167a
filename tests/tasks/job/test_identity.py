"""The id of a run follows from its content, wherever it lies and however its settings are ordered."""

from __future__ import annotations

from data.settings.schema import Settings
from tasks.job.identity import run_id, run_settings


def test_run_id_follows_content_not_place() -> None:
    def settings(**change: object) -> Settings:
        base = {
            "weather": "w",
            "yields": "y",
            "store": "s",
            "features": [{"measure": "t", "aggregate": "mean"}],
        }
        return Settings.model_validate(base | change)

    inputs = {"weather": [{"name": "a.parquet", "sha256": "1"}], "yields": []}
    base = run_id(settings(), inputs)
    assert len(base) == 16
    assert run_id(settings(weather="elsewhere", store="t", runner="dask", gate={"excess": 1}), inputs) == base
    assert run_id(settings(public_url="https://yields.example"), inputs) == base
    assert run_settings(settings(public_url="https://yields.example")) == run_settings(settings())
    assert run_id(settings(training={"device": "cpu"}), inputs) == run_id(settings(), inputs)
    assert run_id(settings(training={"seed": 1}), inputs) != base
    assert run_id(settings(), {"weather": [{"name": "a.parquet", "sha256": "2"}], "yields": []}) != base
    assert run_id(settings(), inputs, "backtest") != base


def test_the_order_of_tables_in_the_settings_leaves_no_trace() -> None:
    base = {"weather": "w", "yields": "y", "store": "s", "features": [{"measure": "t", "aggregate": "mean"}]}
    tables: dict[str, dict[str, object]] = {
        "measures": {"t": {"unit": "K"}, "rain": {"unit": "mm"}},
        "crop_units": {"b": "t/ha", "a": "t/ha"},
        "weather_columns": {"t": "tas", "region": "id"},
        "yield_columns": {"year": "harvest", "crop": "c"},
    }
    turned = {name: dict(reversed(table.items())) for name, table in tables.items()}
    one, other = (Settings.model_validate(base | each) for each in (tables, turned))
    assert run_id(one, {}) == run_id(other, {})
    assert run_settings(one) == run_settings(other)
