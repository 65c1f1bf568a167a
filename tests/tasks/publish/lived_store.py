"""The simulated life of a store: seasons of weekly forecasts, yields that come late, prunes, kills.

Run by test_life.py in a process of its own, since it forks children that are killed: python lived_store.py
FOLDER [--weeks-between N] [--kills N]. Everything but Prefect and bulletins is real: files arrive, tasks
compute, the store is written. What was said on each day is kept beside the store, in `diary`. Prints a tally
as JSON.

From 2016 on: on 1 March the yields of the year before come in, which is scored and trained on; a forecast a
week from 21 May to 6 August; on 15 September last year's yields are revised, which is scored; a prune on the
first of each month.
"""

import argparse
import contextlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from data.settings.files import parse_settings
from data.settings.schema import Settings
from data.store import manifests
from data.store.backends.local import LocalStore
from data.store.log import read_state
from data.store.manifests import FORECASTS
from data.store.pruning import prune
from data.store.record import RECORD
from tasks import forecasting, ingesting, training
from tasks.assemble.regions import read_regions
from tasks.outlook.outlook import harvests_of
from tasks.publish.score import score
from tasks.steps import step_folder
from tasks.yields.ingest import Yields
from tests.torture import job
from tests.torture.steps import KILLED, Steps

FIRST, YEARS = 1996, range(2016, 2021)
REGIONS = [f"r{at}" for at in range(6)]
STATES = {region: "north" if at < 4 else "south" for at, region in enumerate(REGIONS)}
KEPT, AGE_S = 2, 3600.0
# of 2018 one region's yield never comes, which leaves too little of the south
LOST = ("r5", 2018)


class Clock(datetime):
    """The time in this life: midday of the day that is lived, a second later each time somebody looks."""

    at = datetime(2016, 1, 1, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        cls.at += timedelta(seconds=1)
        return cls.fromtimestamp(cls.at.timestamp(), tz)


class DiesAfterEntry(Steps):
    """Dies so many steps after a new entry of the log is there."""

    def __init__(self, store: LocalStore, steps: int) -> None:
        super().__init__()
        self.log, self.left = store.root / "log", steps
        self.before = self.entries()

    def entries(self) -> int:
        return len(list(self.log.glob("????????.json")))

    def step(self, name: str) -> None:
        if self.entries() > self.before:
            if self.left == 0:
                os._exit(KILLED)
            self.left -= 1
        super().step(name)


class Life:
    """A store, the files it is fed with, and the diary of what was said and known on each day."""

    def __init__(self, root: Path, kills: int) -> None:
        self.root, self.store = root, LocalStore(root / "store")
        self.diary = root / "diary"
        self.random = np.random.default_rng(3)
        self.turns, self.killed = ["forecast", "prune"] * (kills // 2), 0
        self.vintages: list[str] = []
        for folder in ("weather", "yields", "diary"):
            (root / folder).mkdir()
        self.weather, self.harvest = world()
        frames = [{"region": region, "state": state, "area": 1.0} for region, state in STATES.items()]
        pd.DataFrame(frames).to_parquet(root / "regions.parquet")
        self.settings = settings_of(root)
        for year in range(FIRST, YEARS.start):
            self.write_weather(year)

    def live(self, weeks_between: int) -> None:
        """All days on which something happens, in order."""
        days: list[tuple[date, Callable[[date], None]]] = []
        for year in (*YEARS, YEARS.stop):
            days += [(date(year, 3, 1), self.yields_come_in), (date(year, 9, 15), self.yields_are_revised)]
            days += [(date(year, month, 1), self.prune) for month in range(1, 13)]
            if year in YEARS:
                weeks = pd.date_range(f"{year}-05-21", f"{year}-08-06", freq=f"{7 * weeks_between}D")
                days += [(each.date(), self.forecast) for each in weeks]
        for day, happens in sorted(days, key=lambda each: each[0]):
            Clock.at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            happens(day)

    def forecast(self, day: date) -> None:
        """The week's forecast; the weather of the season is there up to the day before."""
        until = pd.Timestamp(day) - pd.Timedelta(days=1)
        self.write_weather(day.year, until)
        of = forecasting.identify_forecast.fn(self.settings)
        made = forecasting.forecast.fn(of, ingesting.ingest_weather.fn(of), ingesting.ingest_yields.fn(of))
        before = read_state(self.store).number
        self.act(lambda: forecasting._publish(of, made), "forecast")
        after = read_state(self.store)
        assert after.number == before + 1
        assert after.forecast is not None
        place = self.root / f"store/{FORECASTS}/{after.forecast.run_id}"
        for name in (RECORD, "predictions.parquet", "aggregates.parquet"):
            shutil.copyfile(place / name, self.diary / f"{after.number:08d}-{name}")
        assert after.at.startswith(day.isoformat())

    def yields_come_in(self, day: date) -> None:
        """The first figures of last year's harvest, which the model then learns from."""
        self.write_yields(dict.fromkeys(range(FIRST, day.year - 1), 0) | {day.year - 1: 0.05})
        self.write_weather(day.year - 1)
        self.score()
        job.train(self.settings, lambda _: None)

    def yields_are_revised(self, day: date) -> None:
        """Last year's final figures."""
        self.write_yields(dict.fromkeys(range(FIRST, day.year), 0))
        self.score()
        if day.year == YEARS.stop:
            self.score()  # nothing is new

    def prune(self, _: date) -> None:
        """The month's prune, whatever it finds."""
        self.act(lambda: prune(self.store, KEPT, AGE_S), "prune")

    def score(self) -> None:
        of = training.identify.fn(self.settings, kind="score")
        known = Yields.load(step_folder(of, ingesting.ingest_yields.fn(of)))
        harvests = harvests_of(known, ["rye"])
        found = score(self.store, harvests, read_regions(self.settings), self.settings)
        if found["vintage"] not in self.vintages:
            shutil.copyfile(
                self.root / "yields/rye.parquet", self.diary / f"yields-{found['vintage']}.parquet"
            )
            self.vintages.append(found["vintage"])
        assert found["vintages"] == len(self.vintages)

    def act(self, does: Callable[[], Any], what: str) -> None:
        """Do it here or, where its turn has come, in a child that is killed after its entry of the log.

        The first time at the first step after it, then one step later each time; nobody repeats it.
        """
        if self.turns[:1] != [what] or read_state(self.store).forecast is None:
            does()
            return
        child = os.fork()
        if not child:
            DiesAfterEntry(self.store, self.killed // 2).install()
            with contextlib.suppress(BaseException):
                does()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, KILLED)
        if status == KILLED:
            self.killed += 1
            del self.turns[0]

    def write_weather(self, year: int, until: pd.Timestamp | None = None) -> None:
        """A year's weather, as much as there is of it by a day."""
        rows = self.weather[self.weather["date"].dt.year == year]
        rows = rows if until is None else rows[rows["date"] <= until]
        rows.to_parquet(self.root / f"weather/{year}.parquet")

    def write_yields(self, off: dict[int, float]) -> None:
        """The yields of some years, first figures by so much off."""
        rows = self.harvest[self.harvest["year"].isin(list(off))].copy()
        rows["yield"] = (rows["yield"] * (1 + rows["year"].map(off))).round(4)
        rows.to_parquet(self.root / "yields/rye.parquet")


def world() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Daily rain and warmth of May to July, and the rye that follows from them, with areas."""
    random = np.random.default_rng(5)
    days = pd.date_range(f"{FIRST}-01-01", f"{YEARS.stop - 1}-12-31", freq="D")
    days = days[(days.month >= 5) & (days.month <= 7)]
    weather = pd.MultiIndex.from_product([REGIONS, days], names=["region", "date"]).to_frame(index=False)
    weather["year"] = weather["date"].dt.year
    wet = random.normal(0, 0.3, (len(REGIONS), YEARS.stop - FIRST))
    shift = wet[weather["region"].map(REGIONS.index), weather["year"] - FIRST]
    weather["rainfall"] = (random.gamma(0.5, 6, len(weather)) * np.exp(shift)).round(1)
    weather["temperature"] = random.normal(15, 5, len(weather)).round(1)
    sums = weather.groupby(["region", "year"])["rainfall"].sum().rename("rain").reset_index()
    noise = random.normal(0, 0.2, len(sums))
    sums["yield"] = 3 + 0.03 * (sums["year"] - FIRST) + 0.006 * (sums["rain"] - 270) + noise
    sums["area"] = random.uniform(1, 9, len(sums)).round(2)
    lost = (sums["region"] == LOST[0]) & (sums["year"] == LOST[1])
    harvest = sums[~lost].assign(crop="rye", unit="t/ha").drop(columns="rain")
    return weather.drop(columns="year"), harvest


def settings_of(root: Path) -> Settings:
    places = {name: str(root / name) for name in ("weather", "yields", "store")}
    return parse_settings(
        places
        | {
            "regions": str(root / "regions.parquet"),
            "season": {"start": "05-01", "end": "07-31"},
            "as_of_every": 31,
            "aggregate": {"levels": ["state"]},
            "features": [
                {"measure": "rainfall", "aggregate": "sum"},
                {"measure": "temperature", "aggregate": "mean"},
            ],
            "split": {"test_seasons": 3},
            "gate": {"excess": 1.0, "against_baseline": 1e9, "against_current": 1e9},
        },
        "life",
    )


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("folder", type=Path)
    words.add_argument("--weeks-between", type=int, default=1)
    words.add_argument("--kills", type=int, default=2)
    asked = words.parse_args()
    vars(manifests)["datetime"] = Clock
    job.without_server()
    vars(forecasting)["complete_bulletins"] = lambda *_: None  # pages are much work, and tested elsewhere
    life = Life(asked.folder, asked.kills)
    life.live(asked.weeks_between)
    print(json.dumps({"kills": life.killed, "vintages": life.vintages}))


if __name__ == "__main__":
    main()
