"""The record of forecasts and its verification, each figure reckoned from scratch."""

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.contracts.columns import AGGREGATE_COLUMNS, FORECAST_COLUMNS, RECORD_COLUMNS, schema_of
from data.settings.schema import Season
from tasks.outlook.aggregates import Ground, parts_of
from tasks.outlook.record import Issue, record_of, summarise_verification, verify_record
from tasks.outlook.weights import weigh

REGIONS = ("a", "b", "c")
SEASON = Season(start="04-01", end="09-30")


def forecast(
    predicted: dict[str, float], as_of: str = "07-31", year: int = 2021
) -> tuple[pa.Table, pa.Table]:
    said = pd.DataFrame({"region": list(predicted), "predicted": list(predicted.values())})
    said = said.assign(
        year=year, crop="rye", season="main", as_of=as_of, unit="t/ha", baseline=3.0, split="forecast",
        known_region=True,
        run_id="m", lower_80=said["predicted"] - 1, upper_80=said["predicted"] + 1, mean_5=3.5, last=3.0,
        chance_below_mean_5=0.25, percentile=50.0, weather_until=date(2021, 7, 31),
    )  # fmt: skip
    whole = said.groupby(["year", "crop", "as_of", "unit", "split", "run_id"], as_index=False)[
        ["predicted", "baseline", "lower_80", "upper_80", "mean_5", "chance_below_mean_5"]
    ].mean()
    whole = whole.assign(
        level="all", name="all", season="main", weights="equal", share=1.0, regions=len(said)
    )

    def table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
        frame = frame.reindex(columns=schema.names)
        loose = pa.schema([field.with_nullable(True) for field in schema])
        return pa.Table.from_pandas(frame, loose, preserve_index=False)

    return table(said, schema_of(FORECAST_COLUMNS)), table(whole, schema_of(AGGREGATE_COLUMNS))


def ground(yields: dict[str, float], year: int = 2021) -> Ground:
    rows = [(region, at, "rye", 3.0) for region in REGIONS for at in range(2010, 2021)]
    rows += [(region, year, "rye", value) for region, value in yields.items()]
    harvests = pd.DataFrame(rows, columns=["region", "year", "crop", "yield"]).assign(area=np.nan)
    weights = weigh(harvests, None, year)
    history = harvests[["region", "year", "crop", "yield"]]
    return Ground(parts_of((), None, weights.regions), weights, history, 0.8, {"rye": (0.0, np.inf)})


def issue(number: int, day: str, *said: object, **more: str) -> Issue:
    record = record_of(*forecast(*said, **more), 2020, SEASON)  # type: ignore[arg-type]
    return Issue(number, day, record.to_pandas())


def test_the_record_holds_seasons_to_come_of_regions_and_larger_units() -> None:
    record = record_of(*forecast({"b": 2.0, "a": 4.0}), 2020, SEASON)
    assert record.schema.equals(schema_of(RECORD_COLUMNS), check_metadata=True)
    frame = record.to_pandas()
    assert frame[["level", "name"]].to_numpy().tolist() == [["all", "all"], ["region", "a"], ["region", "b"]]
    assert frame["predicted"].tolist() == [3.0, 4.0, 2.0]
    assert set(frame["lead_days"]) == {61}
    assert len(record_of(*forecast({"a": 1.0}), 2021, SEASON)) == 0


def test_each_error_is_that_of_what_was_said() -> None:
    issues = [
        issue(3, "2021-07-01", {"a": 4.0, "b": 2.0, "c": 3.0}, as_of="06-30"),
        issue(7, "2021-08-01", {"a": 4.5, "b": 2.5, "c": 5.0}),
    ]
    table = verify_record(issues, ground({"a": 4.0, "b": 3.0, "c": 3.0}))
    frame = table.to_pandas().set_index(["level", "name", "number"])
    assert len(frame) == 8
    late = frame.loc["region", "c", 7]
    assert (late["actual"], late["error"], late["revision"]) == (3.0, 2.0, 2.0)
    assert (late["error_mean_5"], late["error_baseline"]) == (0.5, 0.0)
    assert not late["inside_80"]
    assert late["interval_score_80"] == pytest.approx(2 + 10 * 1.0)
    assert late["brier"] == pytest.approx(0.75**2)
    assert pd.isna(late["inside_95"])
    early = frame.loc["region", "a", 3]
    assert early["inside_80"]
    assert early["brier"] == pytest.approx(0.25**2)
    assert pd.isna(early["revision"])
    whole = frame.loc["all", "all", 7]
    assert whole["actual"] == pytest.approx(10 / 3)
    assert whole["error"] == pytest.approx(4.0 - 10 / 3)
    scores = summarise_verification(table)["region"]["rye"]
    assert set(scores["lead_days"]) == {"61", "92"}
    assert scores["lead_days"]["61"]["rmse"] == pytest.approx(np.sqrt((0.5**2 + 0.5**2 + 2**2) / 3))
    assert set(scores["names"]) == {"a", "b", "c"}
    assert scores["names"]["c"]["rmse"] == pytest.approx(np.sqrt((0 + 2**2) / 2))
    assert (scores["names"]["c"]["rows"], scores["names"]["c"]["seasons"]) == (2, 1)
    assert scores["names"]["a"]["mean_5"]["bias"] == pytest.approx(-0.5)
    assert set(summarise_verification(table)["all"]["rye"]["names"]) == {"all"}
    assert scores["lead_days"]["92"]["coverage_80"] == 1.0
    assert scores["all"]["baseline"]["bias"] == pytest.approx(-1 / 3)
    assert scores["all"]["coverage_95"] is None
    assert scores["lead_days"]["61"]["revision"] == pytest.approx(np.sqrt((0.25 + 0.25 + 4) / 3))


def test_what_is_not_harvested_is_not_scored() -> None:
    issues = [issue(1, "2021-07-01", {"a": 4.0, "b": 2.0, "c": 3.0})]
    frame = verify_record(issues, ground({"a": 4.0})).to_pandas()
    # a third of the weight is too little for the whole
    assert frame[["level", "name"]].to_numpy().tolist() == [["region", "a"]]
    assert len(verify_record([], ground({"a": 4.0}))) == 0
