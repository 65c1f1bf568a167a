"""The outlook through the command: regions in, drivers, aggregates and chances out, as readers open them."""

import csv
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from data.contracts.columns import (
    AGGREGATE_COLUMNS,
    DRIVER_COLUMNS,
    ERROR_COLUMNS,
    FORECAST_COLUMNS,
    HISTORY_COLUMNS,
    WEIGHT_COLUMNS,
    Column,
    schema_of,
)
from data.contracts.wording import number
from data.settings.files import load_settings
from flows.cli.main import run
from tasks.job.job import open_job
from tasks.scoring import has_learned

Capture = pytest.CaptureFixture[str]
FORMULA = "=HYPERLINK(A1)"
KEY = ["region", "year", "crop", "as_of"]


def rewrite(folder: Path, change: Any) -> None:
    for file in sorted(folder.iterdir()):
        change(pd.read_parquet(file)).to_parquet(file)


def state_of(region: str) -> str:
    return "north" if region < "R0030" else "south"


@pytest.fixture(scope="module")
def season(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample in August 2023 with areas and states, trained, forecast; one region's name is a formula."""
    folder = tmp_path_factory.mktemp("outlook") / "sample"
    shutil.copytree(shipped / "sample", folder)
    first = pd.read_parquet(folder / "yields")["region"].dropna().astype(str).min()
    random = np.random.default_rng(0)

    def renamed(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(region=rows["region"].where(rows["region"] != first, FORMULA))

    def yields(rows: pd.DataFrame) -> pd.DataFrame:
        rows = renamed(rows[rows["year"] != 2023])
        return rows.assign(area=random.uniform(1, 9, len(rows)))

    rewrite(folder / "yields", yields)
    rewrite(folder / "weather", lambda rows: renamed(rows[~((rows["year"] == 2023) & (rows["month"] > 7))]))
    regions = sorted(set(pd.read_parquet(folder / "yields")["region"].dropna().astype(str)) - {""})
    features = [
        {"type": "Feature", "properties": {"region": name, "state": state_of(name)}, "geometry": None}
        for name in [*regions[1:], "nowhere"]
    ]
    (folder / "regions.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    more = ["--regions", str(folder / "regions.geojson"), "--set", 'aggregate.levels=["state"]']
    for command in (["train", *more, "--set", 'as_of=["06-30"]'], ["forecast", *more]):
        name, *options = command
        place = [str(folder / "settings.toml"), "--store", str(folder / "store"), "--json"]
        assert run([name, *place, *options]) == 0
    return folder


def run_of(season: Path) -> Path:
    store = season / "store"
    return store / "runs" / str(json.loads((store / "current.json").read_text())["run_id"])


def forecast_of(season: Path) -> Path:
    store = season / "store"
    return store / "forecasts" / str(json.loads((store / "forecast.json").read_text())["run_id"])


def test_baseline_and_contributions_add_up_in_every_row(season: Path) -> None:
    for place in (run_of(season), forecast_of(season)):
        said = pd.read_parquet(place / "predictions.parquet").query("split in ('test', 'forecast')")
        drivers = pd.read_parquet(place / "drivers.parquet")
        total = drivers.groupby(KEY)["contribution"].agg(math.fsum)
        said = said.set_index(KEY)
        assert set(total.index) == set(said.index)
        assert (said["baseline"] + total - said["predicted"]).abs().max() <= 1e-9


def test_forecast_aggregates_agree_with_pandas(season: Path) -> None:
    place = forecast_of(season)
    found = pd.read_parquet(place / "aggregates.parquet").query("year == 2023")
    said = pd.read_parquet(place / "predictions.parquet").query("year == 2023")
    yields = pd.read_parquet(season / "yields")
    yields = yields[(yields["yield"] >= 0) & yields["region"].notna()].sort_values("year")
    recent = yields.groupby(["region", "crop"])["area"].apply(lambda areas: areas.tail(5).mean())
    said = said.join(recent.rename("area"), on=["region", "crop"])
    assert set(found["weights"]) == {"harvested"}
    apples = said[said["crop"] == "apples"]
    whole = found[(found["level"] == "all") & (found["crop"] == "apples")].iloc[0]
    # the sample has rejected yields, whose areas this reckoning doesn't leave out
    assert whole["predicted"] == pytest.approx(
        np.average(apples["predicted"], weights=apples["area"]), rel=2e-3
    )
    assert whole["production"] == pytest.approx(whole["predicted"] * whole["area"])
    parts = found[(found["level"] == "state") & (found["crop"] == "apples")]
    assert set(parts["name"].dropna()) == {"north", "south"}
    assert parts["name"].isna().sum() == 1  # the region that the file lacks
    known = parts["area"] * parts["share"]
    assert np.average(parts["predicted"], weights=known) == pytest.approx(whole["predicted"], abs=1e-9)
    assert (whole["upper_80"] - whole["lower_80"]) < (apples["upper_80"] - apples["lower_80"]).mean()


def test_forecasts_say_chances_and_how_old_their_weather_is(season: Path) -> None:
    said = pd.read_parquet(forecast_of(season) / "predictions.parquet").query("year == 2023")
    yields = pd.read_parquet(season / "yields")
    assert said["chance_below_mean_5"].dropna().between(0, 1).all()
    assert said["percentile"].between(0, 100).all()
    assert set(said["as_of"]) == {"06-30"}
    # some of the sample's rows can't be used, one region's July among them
    assert set(said["weather_until"].astype(str)) == {"2023-06-30", "2023-07-31"}
    assert set(said["days_unused"]) == {0, 31}
    unused = (pd.to_datetime(said["weather_until"]) - pd.Timestamp("2023-06-30")).dt.days
    assert (unused == said["days_unused"]).all()
    assert set(said["lead_days"]) == {92}
    one = said[(said["region"] == FORMULA) & (said["crop"] == "apples")].iloc[0]
    own = yields[(yields["region"] == FORMULA) & (yields["crop"] == "apples")].set_index("year")["yield"]
    assert one["mean_5"] == pytest.approx(own.loc[2018:2022].mean())
    assert one["last"] == own[2022]
    gap = said["mean_5"] - said["predicted"]
    assert said["chance_below_mean_5"].corr(gap, method="spearman") > 0.5


def test_regions_are_an_input_like_the_others(season: Path) -> None:
    manifest = json.loads((run_of(season) / "manifest.json").read_text())
    (file,) = manifest["inputs"]["regions"]["files"]
    assert file["name"] == "regions.geojson"
    entry = manifest["ledger"]["regions"]["main"]
    assert entry["out_of_scope"] == {"region without weather and yields": 1}
    assert entry["without_data"]["names"] == ["nowhere"]
    assert FORMULA in entry["not_in_file"]["names"]
    assert entry["rows_in"] == entry["used"]["matched"] + 1


def test_a_region_that_the_file_lacks_is_told_by_every_command(season: Path, capsys: Capture) -> None:
    told = "not in the regions file (there without data: nowhere): left out of larger units"
    more = ["--store", str(season / "store"), "--regions", str(season / "regions.geojson")]
    more += ["--set", 'aggregate.levels=["state"]']
    assert run(["train", str(season / "settings.toml"), *more, "--set", 'as_of=["06-30"]']) == 0
    assert f"warning: {FORMULA}" in (said := capsys.readouterr().out)
    assert told in said
    rejected = json.loads((run_of(season) / "ledger.json").read_text())["weather"]["main"]["rejected"]
    assert re.search(
        rf"rejected: {sum(rejected.values()):,} of [0-9,]+ rows of weather \(.+\); see crop", said
    )
    assert "regions" not in re.findall(r"rejected: .* rows of (\w+)", said)
    assert run(["show", str(season / "store")]) == 0
    assert re.search(r"used +matched +\d", capsys.readouterr().out)
    (note,) = (note for note in json.loads((forecast_of(season) / "manifest.json").read_text())["notes"]
               if told in note)  # fmt: skip
    assert note.startswith(FORMULA)
    missing = (season / "store/bulletin.html").read_text().partition("<h2>What is missing</h2>")[2]
    assert told in missing


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("drivers", DRIVER_COLUMNS),
        ("aggregates", AGGREGATE_COLUMNS),
        ("weights", WEIGHT_COLUMNS),
        ("history", HISTORY_COLUMNS),
        ("predictions", FORECAST_COLUMNS),
        ("model/main/06-30/errors", ERROR_COLUMNS),
    ],
)
def test_tables_are_documented_and_open_everywhere(
    season: Path, name: str, columns: tuple[Column, ...]
) -> None:
    place = run_of(season) if "/" in name else forecast_of(season)
    file = place / f"{name}.parquet"
    schema = pq.read_schema(file)
    assert schema.remove_metadata().equals(schema_of(columns).remove_metadata(), check_metadata=True)
    for field in schema:
        assert field.metadata[b"meaning"]
    rows = pq.read_metadata(file).num_rows
    assert rows > 0
    by_pandas = pd.read_parquet(file)
    by_duckdb = duckdb.connect().execute(f"SELECT * FROM '{file}'").df()
    by_polars = pl.read_parquet(file)
    assert len(by_pandas) == len(by_duckdb) == len(by_polars) == rows
    assert list(by_pandas.columns) == list(by_duckdb.columns) == by_polars.columns == schema.names
    number = next(field.name for field in schema if str(field.type) == "double")
    total = by_pandas[number].sum()
    assert by_duckdb[number].sum() == pytest.approx(total)
    assert by_polars[number].sum() == pytest.approx(total)


def test_why_tells_a_sentence_its_drivers_and_the_nearest_seasons(season: Path, capsys: Capture) -> None:
    store = str(season / "store")
    capsys.readouterr()
    assert run(["show", store, "--why", FORMULA, "--crop", "apples", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["why"]
    assert found["sentence"].startswith(f"apples in {FORMULA}, 2023: ")
    assert (found["year"], found["as_of"], found["unit"]) == (2023, "06-30", "t/ha")
    sizes = [abs(term["contribution"]) for term in found["terms"]]
    assert sizes == sorted(sizes, reverse=True)
    total = math.fsum(term["contribution"] for term in found["terms"])
    assert found["baseline"] + total == pytest.approx(found["predicted"], abs=1e-9)
    yields = pd.read_parquet(season / "yields")
    own = yields[(yields["region"] == FORMULA) & (yields["crop"] == "apples")].set_index("year")["yield"]
    assert len(found["similar"]) == 3
    for each in found["similar"]:
        assert each["actual"] == own[each["year"]]
    assert run(["show", store, "--why", FORMULA]) == 0
    shown = capsys.readouterr().out
    assert "apples in" in shown
    assert "oranges in" in shown
    assert "seasons most like it" in shown
    # a table that adds up by eye: the baseline, what each feature adds under the name people give it, the sum
    apples = shown.partition("seasons most like it")[0].splitlines()
    assert apples[2].startswith("baseline  ")
    assert f"  {number(found['baseline'])}" in apples[2]
    assert apples[-1].startswith("forecast  ")
    assert apples[-1].endswith(f"  {number(found['predicted'])}")
    titles = {term["term"]: term["title"] for term in found["terms"]}
    assert titles["temperature_mean"] == "mean temperature"
    assert any(line.startswith("mean temperature  ") and " °C " in line for line in apples)
    assert " is usual (" in apples[0]
    # a run that is named: its last test season or what it forecast itself
    assert run(["show", store, run_of(season).name, "--why", FORMULA, "--crop", "apples", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["why"][0]["year"] == 2023
    assert run(["show", store, "--why", "R00l2"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert run(["show", store, "--why", "all"]) == 2
    assert "all is made of regions" in capsys.readouterr().err
    assert run(["show", store, "--why", FORMULA, "--crop", "rye"]) == 2
    assert "no crop 'rye'" in capsys.readouterr().err


def test_csv_has_every_row_and_no_formula(season: Path, tmp_path: Path, capsys: Capture) -> None:
    store = str(season / "store")
    of_forecast = ("forecasts", "drivers", "aggregates", "weights", "history")
    for table in (*of_forecast, "predictions", "evaluation", "dataset", "rejected"):
        file = tmp_path / f"{table}.csv"
        assert run(["export", store, "--csv", table, str(file)]) == 0
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.reader(opened))
        assert len({len(row) for row in rows}) == 1
        texts = [text for row in rows for text in row if text.startswith(("=", "+", "@", "-"))]
        assert all(float(text) < 0 for text in texts)
    frame = pd.read_csv(tmp_path / "forecasts.csv", dtype={"region": str})
    original = pd.read_parquet(forecast_of(season) / "predictions.parquet")
    assert len(frame) == len(original)
    assert set(frame["region"]) - set(original["region"]) == {f"'{FORMULA}"}
    assert (original["year"] < 2023).any()
    ahead = (original["year"] == 2023).to_numpy()
    again = np.concatenate([original["predicted"][ahead], original["predicted"][~ahead]])
    np.testing.assert_allclose(frame["predicted"], again, rtol=1e-15)
    history = pd.read_parquet(forecast_of(season) / "history.parquet")
    assert len(pd.read_csv(tmp_path / "history.csv")) == len(history)
    capsys.readouterr()
    assert run(["export", store, "--csv", "history", str(tmp_path / "not/there.csv")]) == 2
    assert f"there is no folder {tmp_path / 'not'}" in capsys.readouterr().err
    assert not (tmp_path / "not").exists()
    assert run(["export", store, "--csv", "nothing", str(tmp_path / "x.csv")]) == 2
    assert "there are predictions, forecasts" in capsys.readouterr().err
    assert run(["export", store]) == 2
    assert "either --onnx FILE or --csv TABLE FILE" in capsys.readouterr().err


def test_compare_splits_what_changed_into_parts_that_add_up(season: Path, capsys: Capture) -> None:
    store, first = str(season / "store"), forecast_of(season).name
    more = ["--regions", str(season / "regions.geojson"), "--set", 'aggregate.levels=["state"]']
    try:
        weather = season / "weather"
        kept = {file: file.read_bytes() for file in weather.iterdir()}

        def warmer(rows: pd.DataFrame) -> pd.DataFrame:
            june = (rows["year"] == 2023) & (rows["month"] == 6)
            return rows.assign(temperature=rows["temperature"].where(~june, rows["temperature"] + 1))

        rewrite(weather, warmer)
        assert run(["forecast", str(season / "settings.toml"), "--store", store, *more, "--json"]) == 0
        second = forecast_of(season).name
        assert second != first
        capsys.readouterr()
        assert run(["compare", store, first, second, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        regions = pd.DataFrame(found["regions"])
        assert set(regions["year"]) == {row["year"] for row in found["totals"]} == {2023}
        assert regions["difference"].abs().max() > 0
        parts = regions[["from_weather", "from_model", "from_yields"]].astype(float)
        assert (parts.sum(axis=1) - regions["difference"]).abs().max() <= 1e-9
        assert parts[["from_model", "from_yields"]].abs().to_numpy().max() <= 1e-9
        assert set(regions["weather_until"]) <= {"2023-06-30", "2023-07-31"}
        past = [pd.read_parquet(store + f"/forecasts/{name}/predictions.parquet") for name in (first, second)]
        assert found["alone"] == []
        pages = sorted(file.stem for file in (season / "store/bulletins").iterdir())[-2:]
        assert run(["compare", store, pages[0].lstrip("0"), pages[1], "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == found
        assert found["gaps"] == len(past[0].query("year < 2023")) == len(past[1].query("year < 2023")) > 0
        units = pd.DataFrame(found["aggregates"])
        assert set(units["level"]) == {"state", "all"}
        assert (units["after"] - units["before"] - units["from_weather"]).abs().max() <= 1e-9
        assert run(["compare", store, first, second]) == 0
        said = capsys.readouterr().out
        assert "new weather" in said
        assert f"not compared: {found['gaps']} forecasts for gaps of past seasons" in said
    finally:
        for file, content in kept.items():
            file.write_bytes(content)


def test_score_holds_what_was_issued_against_each_vintage_of_yields(
    season: Path, shipped: Path, tmp_path: Path, capsys: Capture
) -> None:
    store, yields = season / "store", tmp_path / "yields"
    issued = {
        int(file.stem): pd.read_parquet(file) for file in sorted((store / "record").glob("2*/*.parquet"))
    }
    entries = [json.loads(file.read_text()) for file in sorted((store / "log").glob("*.json"))]
    assert set(issued) == {each["number"] for each in entries if each["action"] == "forecast"}
    assert all((frame["year"] == 2023).all() for frame in issued.values())

    def score() -> Any:
        more = ["--yields", str(yields), "--regions", str(season / "regions.geojson")]
        command = ["score", str(season / "settings.toml"), "--store", str(store), *more, "--json"]
        capsys.readouterr()
        assert run([*command, "--set", 'aggregate.levels=["state"]']) == 0
        return json.loads(capsys.readouterr().out)

    harvest = pd.read_parquet(shipped / "sample/yields").query("year == 2023")
    first = harvest["region"].dropna().astype(str).min()
    harvest = harvest.assign(region=harvest["region"].where(harvest["region"] != first, FORMULA), area=3.0)
    shutil.copytree(season / "yields", yields)
    for factor in (1.0, 1.1):  # the first figures, then revised ones
        harvest.assign(**{"yield": harvest["yield"] * factor}).to_parquet(yields / "part-2023.parquet")
        result = score()
    assert (result["issued"], result["vintages"]) == (len(issued), 2)
    found = pd.read_parquet(store / "verification.parquet")
    assert found["vintage"].nunique() == 2
    key = ["vintage", "number", "level", "name", "year", "crop"]
    assert not found.duplicated(key).any()
    said = pd.concat([frame.assign(number=number) for number, frame in issued.items()])
    said = said[said["level"] == "region"]
    known = harvest.assign(name=harvest["region"], actual=harvest["yield"] * 1.1)[["name", "crop", "actual"]]
    scratch = said.merge(known.drop_duplicates(["name", "crop"], keep=False), on=["name", "crop"])
    newest = found[(found["vintage"] == result["vintage"]) & (found["level"] == "region")]
    both = newest.merge(scratch, on=["number", "name", "crop"], suffixes=("", "_scratch"))
    assert len(both) == len(scratch) > 0
    np.testing.assert_allclose(both["actual"], both["actual_scratch"])
    np.testing.assert_allclose(both["error"], both["predicted_scratch"] - both["actual_scratch"])
    inside = both["actual"].between(both["lower_80_scratch"], both["upper_80_scratch"])
    assert (inside == both["inside_80"]).all()
    apples = newest[newest["crop"] == "apples"]
    scores = json.loads((store / "verification.json").read_text())["vintages"][result["vintage"]]
    assert scores["region"]["apples"]["all"]["rmse"] == pytest.approx(np.sqrt((apples["error"] ** 2).mean()))
    assert set(scores) == {"region", "state", "all"}
    before = (store / "verification.parquet").read_bytes()
    of_settings = season / "settings.toml"
    own = {"store": str(store), "yields": str(season / "yields"), "regions": str(season / "regions.geojson")}
    assert has_learned(open_job(load_settings(str(of_settings), own)))
    assert not has_learned(open_job(load_settings(str(of_settings), own | {"yields": str(yields)})))
    harvest.assign(**{"yield": harvest["yield"] * 1000}).to_parquet(yields / "part-2023.parquet")
    capsys.readouterr()
    assert run(["score", str(of_settings), "--store", str(store), "--yields", str(yields)]) == 3
    assert "Nothing was scored: convert these rows" in capsys.readouterr().err
    assert (store / "verification.parquet").read_bytes() == before
    harvest.assign(**{"yield": harvest["yield"] * 1.1}).to_parquet(yields / "part-2023.parquet")
    score()
    assert (store / "verification.parquet").read_bytes() == before
