"""Names of flow runs: which crops and seasons they are about, from the start."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path

from prefect.runtime import flow_run

from data.contracts.wording import in_short
from data.escapes import one_line
from data.settings.files import located
from data.settings.schema import Settings
from data.settings.seasons import named_crops
from data.store.backends.open import open_store
from data.store.current import require_current
from data.store.log import read_state
from tasks.yields.glance import glance

_ALL = "all crops"


def training_name() -> str:
    """Crops and harvest years of the yields: `apples, oranges 1994–2023`."""
    crops, first, last = crops_and_years(_settings())
    return f"{crops} {first}–{last}"


def forecast_name() -> str:
    """Crops of the current model and the first season that it hasn't learned: `apples, oranges from 2024`.

    Where weather is to count up to a day only, that day: `apples, oranges as of 2022-07-31`.
    """
    return crops_ahead(_settings(), flow_run.parameters.get("as_of"))


def backtest_name() -> str:
    """Crops and the seasons to predict: `apples, oranges: 10 seasons up to 2023`."""
    crops, _, last = crops_and_years(_settings())
    return f"{crops}: {flow_run.parameters['seasons']} seasons up to {last}"


def scoring_name() -> str:
    """Crops and the last harvest that is known: `forecasts of apples, oranges up to 2023`."""
    crops, _, last = crops_and_years(_settings())
    return f"forecasts of {crops} up to {last}"


def crops_and_years(settings: Settings) -> tuple[str, str, str]:
    """Crops, first and last harvest year: of the yields, or as far as the settings say where these fail."""
    with suppress(Exception):  # what is wrong the flow itself says best
        crops, first, last = glance(settings)
        return one_line(in_short(crops)), str(first), str(last)
    begin, end = settings.first_season or "first", settings.last_season or "last season"
    return one_line(in_short(named_crops(settings))) or _ALL, str(begin), str(end)


def crops_ahead(settings: Settings, as_of: date | str | None = None) -> str:
    """Crops of the current model that the settings select; the season after its last, or the day asked."""
    named = named_crops(settings)
    day = f"as of {as_of}" if as_of else None
    with suppress(Exception):  # what is wrong the flow itself says best
        store = open_store(settings.store)
        manifest = require_current(store, read_state(store)).manifest
        chosen = [crop for crop in manifest["crops"] if not settings.crops or crop in named]
        last = int(manifest["seasons"][1])
        return f"{one_line(in_short(chosen))} {day or f'from {last + 1}'}"
    return f"{one_line(in_short(named)) or _ALL} {day or 'ahead'}"


def _settings() -> Settings:
    return located(Settings.model_validate(flow_run.parameters["settings"]), Path())
