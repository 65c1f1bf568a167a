"""Faults of every kind for a simulated monthly world, and what must become of every row.

Nothing here looks at the rows as ingest does: each fault is put where no other touches it, and
writes down the fate of the rows that it strikes and of those that fall with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.columns import CROP, REGION, SEASON_YEAR
from data.contracts.vocabulary import WEATHER, YIELDS, OutOfScope, Reason, SplitName
from data.synthetic.simulate import MEASURES, MONTH, SEASON_MONTHS, YIELD, Block

TOO_FEW, NOT_SELECTED = "quinces", "medlars"
_FATE, _FILE = "fate", "file"
_KEY = [REGION.name, SEASON_YEAR.name]
_NAN, _INF, _SENTINEL = float("nan"), float("inf"), 9999.9


@dataclass(frozen=True)
class SampleFaults:
    """Every kind of fault that real files have, a few dozen of them, in a monthly world."""

    crops: Sequence[str] = (TOO_FEW,)

    def inject(self, blocks: list[Block], test_from: int, seed: int) -> tuple[list[Block], dict[str, Any]]:
        """The blocks with faults, and the exact ledger that ingest and split must arrive at.

        The ledger is {input: {"rows_in", "used": {split: n}, "rejected": {reason: n}, "out_of_scope":
        {reason: n}}} for the settings that `data.synthetic.write` makes of such a world, seasons from
        `test_from` on being test. Needs some 60 region-seasons with both crops.
        """
        dirt = _Dirt(blocks, np.random.default_rng([seed, 2]))
        dirt.spoil_weather()
        dirt.spoil_yields()
        dirt.settle()
        faulty = [
            replace(
                block,
                weather=_as_table(dirt.weather, number, block.weather),
                yields=_as_table(dirt.yields, number, block.yields),
            )
            for number, block in enumerate(blocks)
        ]
        return faulty, {WEATHER: _count(dirt.weather, test_from), YIELDS: _count(dirt.yields, test_from)}


class _Dirt:
    """Both inputs as frames with each row's file and fate (empty: used)."""

    def __init__(self, blocks: list[Block], rng: np.random.Generator) -> None:
        self.weather = _as_frame([block.weather for block in blocks])
        self.yields = _as_frame([block.yields for block in blocks])
        self.files = len(blocks)
        self.yields[CROP.name] = self.yields[CROP.name].astype(object)
        observed = self.yields.groupby(_KEY)[CROP.name].nunique()
        whole = observed[observed == observed.max()].reset_index()[_KEY]
        self.places = iter(list(whole.sample(frac=1, random_state=rng).itertuples(index=False, name=None)))
        self.first, self.last = int(whole[SEASON_YEAR.name].min()), int(whole[SEASON_YEAR.name].max())

    def spoil_weather(self) -> None:
        for measure in MEASURES:
            self._replace(measure, _NAN, Reason.MISSING_VALUE, null=True)
        for measure, value in (
            ("temperature", _NAN), ("rainfall", _NAN), ("humidity", _INF), ("temperature", -_INF),
        ):  # fmt: skip
            self._replace(measure, value, Reason.NOT_A_NUMBER)
        for measure, value in (
            ("temperature", _SENTINEL), ("rainfall", _SENTINEL), ("humidity", _SENTINEL),
            ("rainfall", -99.9), ("humidity", 130.0), ("temperature", -73.2),
        ):  # fmt: skip
            self._replace(measure, value, Reason.OUT_OF_RANGE)
        for elsewhere in (False, False, False, True, True, True):
            self._repeat_weather(elsewhere, change=0.0)
        for elsewhere in (False, False, True, True):
            self._repeat_weather(elsewhere, change=1.7)
        for column in (REGION.name, REGION.name, SEASON_YEAR.name, MONTH):
            row = self._month_of(self._place())
            self._append(WEATHER, {**row, column: None, _FATE: Reason.MISSING_KEY})
        for _ in range(3):  # two of six months short
            place = self._place()
            rows = self._season_of(place)
            self.weather = self.weather.drop(index=rows[2:4])
            self._drop_season(place, OutOfScope.NO_WEATHER)
        for _ in range(4):  # weather alone, and below yields alone
            self.yields = self.yields.drop(index=self._yields_of(self._place()))
        for _ in range(3):
            self.weather = self.weather.drop(index=self._season_of(self._place()))
        for year, fate in (
            (self.first - 1, OutOfScope.BEFORE_FIRST), (self.last + 1, OutOfScope.AFTER_LAST),
        ):  # fmt: skip
            place = self._place()
            for at in self._season_of(place):
                self._append(WEATHER, {**self.weather.loc[at], SEASON_YEAR.name: year, _FATE: fate})
            for at in self._yields_of(place):
                self._append(YIELDS, {**self.yields.loc[at], SEASON_YEAR.name: year, _FATE: fate})
        winter = self.weather.index[self.weather[MONTH] == 12]
        # faults outside the season are nobody's business
        self.weather.loc[winter[5], "temperature"] = None
        self.weather.loc[winter[50], "rainfall"] = _SENTINEL

    def spoil_yields(self) -> None:
        faults: tuple[tuple[float | None, Reason], ...] = (
            (None, Reason.MISSING_VALUE), (None, Reason.MISSING_VALUE), (None, Reason.MISSING_VALUE),
            (_NAN, Reason.NOT_A_NUMBER), (_INF, Reason.NOT_A_NUMBER),
            (-4.2, Reason.OUT_OF_RANGE), (-_SENTINEL, Reason.OUT_OF_RANGE),
        )  # fmt: skip
        for value, fault in faults:
            at = self._yields_of(self._place())[0]
            self.yields.loc[at, _FATE] = fault
            self.yields.at[at, YIELD] = value
        for elsewhere in (False, False, True, True):
            row = self.yields.loc[self._yields_of(self._place())[1]]
            self._append(YIELDS, {**row, _FATE: Reason.DUPLICATE}, elsewhere)
        for elsewhere in (False, True):
            at = self._yields_of(self._place())[1]
            self.yields.loc[at, _FATE] = Reason.CONFLICT
            row = self.yields.loc[at]
            self._append(YIELDS, {**row, YIELD: row[YIELD] + 3.0}, elsewhere)
        for column in (*_KEY, CROP.name):
            row = self.yields.loc[self._yields_of(self._place())[0]]
            self._append(YIELDS, {**row, column: None, _FATE: Reason.MISSING_KEY})
        strangers: tuple[tuple[str, int, Reason | OutOfScope], ...] = (
            (TOO_FEW, 3, Reason.FEW_ROWS),
            (NOT_SELECTED, 4, OutOfScope.CROP_NOT_SELECTED),
        )
        for crop, count, fate in strangers:
            for _ in range(count):
                row = self.yields.loc[self._yields_of(self._place())[0]]
                self._append(YIELDS, {**row, CROP.name: crop, YIELD: row[YIELD] / 2, _FATE: fate})

    def settle(self) -> None:
        """The fates that no single fault decides."""
        outside = ~self.weather[MONTH].isin(SEASON_MONTHS) & self.weather[MONTH].notna()
        self.weather.loc[outside, _FATE] = OutOfScope.OUTSIDE_SEASON
        used = self.yields.loc[self.yields[_FATE].isin(["", Reason.FEW_ROWS]), _KEY]
        with_yield = pd.MultiIndex.from_frame(used.astype(object))
        # a region-season that lost its yields to thin weather did have them
        had = pd.MultiIndex.from_frame(
            self.yields.loc[self.yields[_FATE] == OutOfScope.NO_WEATHER, _KEY].astype(object)
        )
        weather_key = pd.MultiIndex.from_frame(self.weather[_KEY].astype(object))
        nowhere = ~weather_key.isin(with_yield) & ~weather_key.isin(had)
        self.weather.loc[(self.weather[_FATE] == "") & nowhere, _FATE] = OutOfScope.NO_YIELD
        alive = pd.MultiIndex.from_frame(self.weather.loc[self.weather[_FATE] == "", _KEY].astype(object))
        here = pd.MultiIndex.from_frame(self.yields[_KEY].astype(object)).isin(alive)
        self.yields.loc[(self.yields[_FATE] == "") & ~here, _FATE] = OutOfScope.NO_WEATHER

    def _replace(self, measure: str, value: float, fate: Reason, null: bool = False) -> None:
        """One month of a season becomes unusable, and with it the season: 5 of 6 months are too few."""
        place = self._place()
        at = self._season_of(place)[3]
        self.weather.at[at, measure] = None if null else value
        self.weather.loc[at, _FATE] = fate
        self._drop_season(place, OutOfScope.NO_WEATHER)

    def _repeat_weather(self, elsewhere: bool, change: float) -> None:
        place = self._place()
        at = self._season_of(place)[1]
        row = self.weather.loc[at]
        if change:
            self.weather.loc[at, _FATE] = Reason.CONFLICT
        fate = Reason.CONFLICT if change else Reason.DUPLICATE
        self._append(
            WEATHER, {**row, "temperature": round(row["temperature"] + change, 1), _FATE: fate}, elsewhere
        )
        if change:
            self._drop_season(place, OutOfScope.NO_WEATHER)

    def _drop_season(self, place: tuple[str, int], fate: OutOfScope) -> None:
        rows = self._season_of(place)
        rest = rows[self.weather.loc[rows, _FATE] == ""]
        self.weather.loc[rest, _FATE] = Reason.LOW_COVERAGE
        self.yields.loc[self._yields_of(place), _FATE] = fate

    def _append(self, name: str, row: dict[str, Any], elsewhere: bool = False) -> None:
        frame = self.weather if name == WEATHER else self.yields
        row[_FILE] = (row[_FILE] + elsewhere) % self.files
        frame.loc[int(frame.index.max()) + 1] = pd.Series(row)

    def _place(self) -> tuple[str, int]:
        return next(self.places)

    def _season_of(self, place: tuple[str, int]) -> pd.Index[int]:
        rows = self.weather
        here = (rows[REGION.name] == place[0]) & (rows[SEASON_YEAR.name] == place[1])
        return rows.index[here & rows[MONTH].isin(SEASON_MONTHS)]

    def _month_of(self, place: tuple[str, int]) -> dict[str, Any]:
        return dict(self.weather.loc[self._season_of(place)[2]])

    def _yields_of(self, place: tuple[str, int]) -> pd.Index[int]:
        return self.yields.index[
            (self.yields[REGION.name] == place[0]) & (self.yields[SEASON_YEAR.name] == place[1])
        ]


def _as_frame(tables: list[pa.Table]) -> pd.DataFrame:
    frames = [table.to_pandas().assign(**{_FILE: number}) for number, table in enumerate(tables)]
    # objects keep null and NaN apart
    whole: pd.DataFrame = pd.concat(frames, ignore_index=True).astype(object)
    return whole.assign(**{_FATE: ""})


def _as_table(frame: pd.DataFrame, number: int, like: pa.Table) -> pa.Table:
    rows = frame[frame[_FILE] == number].sort_index()
    plain = {
        field.name: field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        for field in like.schema
    }
    return pa.table(
        {
            name: pa.array([_python(value) for value in rows[name]], kind, from_pandas=False)
            for name, kind in plain.items()
        }
    )


def _python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _count(frame: pd.DataFrame, test_from: int) -> dict[str, Any]:
    used = frame.loc[frame[_FATE] == "", SEASON_YEAR.name]
    splits = Counter(str(SplitName.TEST if year >= test_from else SplitName.TRAIN) for year in used)
    fates = Counter(str(fate) for fate in frame[_FATE])
    return {
        "rows_in": len(frame),
        "used": dict(sorted(splits.items(), reverse=True)),
        "rejected": {str(reason): fates[reason] for reason in Reason if fates[reason]},
        "out_of_scope": {str(reason): fates[reason] for reason in OutOfScope if fates[reason]},
    }
