"""The protocol of a forecaster: predictions of region-seasons and their intervals."""

from __future__ import annotations

from typing import Protocol

from data.contracts.season_table import Flags, Floats, SeasonTable


class Forecaster(Protocol):
    """What a hindcast needs of a fitted model; T are its own crops, in its own order."""

    @property
    def crops(self) -> tuple[str, ...]: ...
    @property
    def crop_units(self) -> tuple[str | None, ...]: ...
    def predict(self, table: SeasonTable) -> Floats: ...
    def baseline_of(self, table: SeasonTable) -> Floats: ...
    def known(self, table: SeasonTable) -> Flags: ...
