"""What changed between two forecasts: parts that add up, each where its cause lies."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.contracts.season_table import SeasonTable
from tasks.model.model import Model
from tasks.outlook.aggregates import Ground, parts_of, weights_table
from tasks.outlook.comparison import PARTS, Told, compare, compare_units
from tasks.outlook.drivers import drivers_of
from tasks.outlook.weights import weigh
from tasks.train.fit import fit_exact
from tests.tasks.worlds import settings, world

TABLE = world(rows=200, crops=2)
NEXT = TABLE.take(TABLE.year_N == 2009)
FEATURES = [{"measure": name, "aggregate": "mean", "name": name, "square": True} for name in TABLE.features]


def model(as_of: str = "07-31", shift: float = 0.0, features: int = 3) -> Model:
    table = replace(
        TABLE, y_NT=TABLE.y_NT + shift * (TABLE.year_N - 1990)[:, None],
        features=TABLE.features[:features], x_NF=TABLE.x_NF[:, :features],
    )  # fmt: skip
    return fit_exact(table, settings(features=FEATURES), as_of)


def told(by: Model, rows: SeasonTable) -> Told:
    at, crop = np.divmod(np.arange(len(rows) * len(by.crops)), len(by.crops))
    frame = pd.DataFrame(
        {
            "region": np.array(rows.region_names)[rows.region_N[at]], "year": rows.year_N[at],
            "crop": np.array(by.crops)[crop], "as_of": by.as_of, "unit": "t/ha",
            "predicted": by.predict(rows)[at, crop], "baseline": by.baseline_of(rows)[at, crop],
        }
    )  # fmt: skip
    return Told.latest(frame, drivers_of(by, rows).to_pandas(), ("06-30", "07-31"))


def warmer(rows: SeasonTable) -> SeasonTable:
    return replace(rows, x_NF=rows.x_NF + 0.5)


def adds_up(found: pd.DataFrame) -> None:
    assert found["difference"].abs().max() > 0
    assert (found["after"] - found["before"] - found["difference"]).abs().max() <= 1e-12
    assert (found[list(PARTS)].sum(axis=1) - found["difference"]).abs().max() <= 1e-9


def test_new_weather_under_one_model_is_new_weather() -> None:
    one = model()
    found = compare(told(one, NEXT), told(one, warmer(NEXT)), lambda _: one, same_yields=True)
    adds_up(found)
    assert found[["from_model", "from_yields"]].abs().to_numpy().max() <= 1e-9
    assert len(found) == 2 * len(NEXT)


def test_a_later_cutoff_is_new_weather() -> None:
    early, late = model("06-30", features=2), model()
    rows = replace(NEXT, features=NEXT.features[:2], x_NF=NEXT.x_NF[:, :2])
    found = compare(told(early, rows), told(late, NEXT), lambda _: late, same_yields=True)
    adds_up(found)
    assert found[["from_model", "from_yields"]].abs().to_numpy().max() <= 1e-9
    assert set(found["as_of_before"]) == {"06-30"}
    assert set(found["as_of"]) == {"07-31"}


def test_revised_yields_move_the_baseline() -> None:
    old, new = model(), model(shift=0.3)
    found = compare(told(old, NEXT), told(new, NEXT), lambda _: old, same_yields=False)
    adds_up(found)
    assert found["from_weather"].abs().max() <= 1e-9
    # every yield is 0.3 a year higher
    assert found["from_yields"].to_numpy() == pytest.approx(0.3 * 19, abs=0.5)
    assert found["from_model"].abs().max() < 0.5
    settled = compare(told(old, NEXT), told(new, NEXT), lambda _: old, same_yields=True)
    assert (settled["from_yields"] == 0).all()
    adds_up(settled)


def test_larger_units_add_up_too() -> None:
    old, new = model(), model(shift=0.3)
    found = compare(told(old, NEXT), told(new, warmer(NEXT)), lambda _: old, same_yields=False)
    harvests = told(old, TABLE).predictions.rename(columns={"predicted": "yield"})
    harvests = harvests.assign(area=np.random.default_rng(0).uniform(1, 9, len(harvests)))
    weights = weigh(harvests, None, 2009)
    ground = Ground(parts_of((), None, weights.regions), weights, harvests, 0.8, {})
    units = compare_units(found, weights_table(ground, [2009]).to_pandas())
    adds_up(units)
    (one,) = units[units["crop"] == "c0"].to_dict("records")
    assert (one["level"], one["name"]) == ("all", "all")
    joined = found[found["crop"] == "c0"].merge(harvests[["region", "year", "crop", "area"]])
    assert one["from_weather"] == pytest.approx(np.average(joined["from_weather"], weights=joined["area"]))
