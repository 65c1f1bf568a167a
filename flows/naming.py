"""Names of flow runs: which crops and seasons they are about, from the start."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from prefect.runtime import flow_run

from data.contracts.wording import in_short
from data.settings.files import located
from data.settings.schema import Settings
from data.settings.seasons import named_crops
from data.store.backends.open import open_store
from data.store.current import require_current
from data.store.log import read_state
from tasks.yields.glance import glance

ALL_CROPS = "all crops"


def training_name() -> str:
    """Crops and harvest years of the yields: `apples, oranges 1994–2023`."""
    crops, first, last = _yields(_settings())
    return f"{crops} {first}–{last}"


def forecast_name() -> str:
    """Crops of the current model and the first season that it hasn't learned: `apples, oranges from 2024`."""
    settings = _settings()
    with suppress(Exception):  # whatever is wrong, the flow itself says it best
        store = open_store(settings.store)
        manifest = require_current(store, read_state(store)).manifest
        chosen = [crop for crop in manifest["crops"] if crop in named_crops(settings) or not settings.crops]
        return f"{in_short(chosen)} from {int(manifest['seasons'][1]) + 1}"
    return f"{in_short(named_crops(settings)) or ALL_CROPS} ahead"


def backtest_name() -> str:
    """Crops and the seasons to predict: `apples, oranges, 10 seasons up to 2023`."""
    crops, _, last = _yields(_settings())
    return f"{crops}, {flow_run.parameters['seasons']} seasons up to {last}"


def scoring_name() -> str:
    """Crops and harvest years whose yields are known: `forecasts of apples, oranges up to 2023`."""
    crops, _, last = _yields(_settings())
    return f"forecasts of {crops} up to {last}"


def _settings() -> Settings:
    return located(Settings.model_validate(flow_run.parameters["settings"]), Path())


def _yields(settings: Settings) -> tuple[str, str, str]:
    """Crops, first and last season: of the yields, or as far as the settings say where they can't be read."""
    with suppress(Exception):  # whatever is wrong, the flow itself says it best
        crops, first, last = glance(settings)
        return in_short(crops), str(first), str(last)
    begin, end = settings.first_season or "first", settings.last_season or "last"
    return in_short(named_crops(settings)) or ALL_CROPS, str(begin), f"{end} season"
