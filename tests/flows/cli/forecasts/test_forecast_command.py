"""`cropyield forecast` through the embedded server: the sample with its last season under way."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client

from data.contracts.columns import FORECAST_COLUMNS, schema_of
from data.contracts.wording import MEANS_OF_REGIONS, number
from flows.cli.main import run
from tests.flows.cli.forecasts.under_way import Capture, copy_of, forecast, rewrite

STRANGER = "'; DROP TABLE x; --<script>alert(1)</script>"


def test_a_season_under_way_is_forecast_and_published_as_a_whole(under_way: Path, capsys: Capture) -> None:
    result = forecast(under_way, capsys)
    store = under_way / "store"
    current = json.loads((store / "current.json").read_text())
    pointer = json.loads((store / "forecast.json").read_text())
    assert (pointer["run_id"], pointer["model_run_id"]) == (result["run_id"], current["run_id"])
    folder = store / "forecasts" / result["run_id"]
    assert (store / "forecasts.parquet").read_bytes() == (folder / "predictions.parquet").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {file.name for file in folder.iterdir()} - {"manifest.json"}
    assert files == set(manifest["files"])
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == facts["sha256"]
    assert (manifest["kind"], manifest["model_run_id"], manifest["as_of"]) == (
        "forecast",
        current["run_id"],
        None,
    )
    for name in ("weather", "yields"):
        assert len(manifest["inputs"][name]["files"]) == 4

    table = pq.read_table(store / "forecasts.parquet")
    assert table.schema.equals(
        schema_of(FORECAST_COLUMNS, {"unit:apples": "t/ha", "unit:oranges": "t/ha"}), True
    )
    frame = table.to_pandas()
    assert frame["actual"].isna().all()
    assert set(frame["split"]) == {"forecast"}
    assert set(frame["run_id"]) == {current["run_id"]}
    running = frame[frame["year"] == 2023]
    assert set(running["as_of"]) == {"06-30"}
    assert len(running) == 120
    assert set(frame[frame["year"] < 2023]["as_of"]) == {"09-30"}
    assert (frame["lower_80"] < frame["predicted"]).all()

    # the ledger accounts for each row of weather
    ledger = json.loads((folder / "ledger.json").read_text())
    assert ledger == manifest["ledger"]
    entry = ledger["weather"]["main"]
    rows = sum(pq.read_metadata(file).num_rows for file in (under_way / "weather").iterdir())
    kinds = ("used", "rejected", "out_of_scope")
    assert entry["rows_in"] == rows == sum(sum(entry[kind].values()) for kind in kinds)
    assert len(pq.read_table(folder / "rejected.parquet")) == sum(entry["rejected"].values())

    # the run's own predictions hold the same forecasts: the published weights made both
    ahead = pd.read_parquet(store / "predictions.parquet").query("split == 'forecast'")
    keys = ["region", "year", "crop", "as_of"]
    both = frame.merge(ahead, on=keys, suffixes=("", "_run"))
    assert len(both) == len(frame)
    for name in ("predicted", "lower_80", "upper_95", "baseline", "known_region"):
        assert both[name].equals(both[f"{name}_run"])

    # means over regions, as people see them
    apples = next(row for row in result["seasons"] if (row["year"], row["crop"]) == (2023, "apples"))
    mine = running[running["crop"] == "apples"]
    assert (apples["regions"], apples["unseen_regions"], apples["unit"]) == (60, 0, "t/ha")
    assert apples["predicted"] == pytest.approx(mine["predicted"].mean())
    assert apples["upper_80"] == pytest.approx(mine["upper_80"].mean())
    with get_client(sync_client=True) as client:
        shown = [each.data for each in client.read_artifacts(limit=200) if each.key == "forecast"]
    assert any(number(apples["predicted"]) in str(text) and MEANS_OF_REGIONS in str(text) for text in shown)


def test_the_intervals_are_the_published_fit_s_own(under_way: Path, capsys: Capture) -> None:
    forecast(under_way, capsys)
    store = under_way / "store"
    frame = pd.read_parquet(store / "forecasts.parquet").query("year == 2023")
    place = store / "runs" / frame["run_id"].iloc[0]
    facts = json.loads((place / "model/main/06-30/model.json").read_text())["record"]["intervals"]
    evaluated = json.loads((place / "metrics.json").read_text())["seasons"]["main"]["as_of"]["06-30"][
        "intervals"
    ]
    widths = facts["widths"]["by_lead"]["1"]  # the season after the last one trained on
    scales = dict(zip(widths["crops"], widths["scale"], strict=True))
    for crop, rows in frame.groupby("crop"):
        for level in (80, 95):
            half = (rows[f"upper_{level}"] - rows[f"lower_{level}"]) / 2
            scale = dict(zip(widths["regions"], scales[crop], strict=True))
            factor = widths["factor"][str(level)][crop]
            np.testing.assert_allclose(half, rows["region"].map(scale) * factor)
        assert facts["seasons"][crop] > evaluated["seasons"][crop] or facts["seasons"][crop] == 25


def test_nothing_after_the_day_leaks_into_the_forecast(
    under_way: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Rows after the day are garbage: the same forecast to the byte, though of other inputs."""
    folder = copy_of(under_way, tmp_path)
    day = ("--as-of", "2023-06-30")
    clean = forecast(folder, capsys, *day)

    def spoil(rows: pd.DataFrame, _: Path) -> pd.DataFrame:
        later = (rows["year"] == 2023) & (rows["month"] > 6)
        assert later.any()
        for measure in ("temperature", "rainfall", "humidity"):
            rows.loc[later, measure] = np.resize([-1e9, 1e9, np.nan], int(later.sum()))
        return rows

    rewrite(folder / "weather", spoil)
    spoilt = forecast(folder, capsys, *day)
    assert spoilt["run_id"] != clean["run_id"]
    places = [folder / "store/forecasts" / each["run_id"] for each in (clean, spoilt)]
    for name in ("predictions.parquet", "ledger.json", "rejected.parquet"):
        assert places[0].joinpath(name).read_bytes() == places[1].joinpath(name).read_bytes(), name
    assert json.loads((places[0] / "ledger.json").read_text())["weather"]["main"]["out_of_scope"][
        "after the as-of day"
    ]
    # the inputs of before again: the forecast of before becomes the newest, nothing is computed
    shutil.rmtree(folder / "weather")
    shutil.copytree(under_way / "weather", folder / "weather")
    back = forecast(folder, capsys, *day)
    assert (back["run_id"], back["message"][:11]) == (clean["run_id"], "nothing new")
    assert json.loads((folder / "store/forecast.json").read_text())["run_id"] == clean["run_id"]


def test_a_region_never_seen_takes_the_pooled_baseline(
    under_way: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = copy_of(under_way, tmp_path)

    def settle(rows: pd.DataFrame, _: Path) -> pd.DataFrame:
        newcomer = rows[(rows["region"] == "R0001") & (rows["year"] == 2023)].assign(region=STRANGER)
        return pd.concat([rows, newcomer])

    rewrite(folder / "weather", settle)
    result = forecast(folder, capsys)
    assert "regions new to the model, predicted from the pooled baseline: 1" in result["notes"]
    frame = pd.read_parquet(folder / "store/forecasts.parquet").query("year == 2023")
    stranger = frame[frame["region"] == STRANGER]
    assert list(stranger["known_region"]) == [False, False]
    assert frame[frame["region"] != STRANGER]["known_region"].all()
    assert [row["unseen_regions"] for row in result["seasons"] if row["year"] == 2023] == [1, 1]
    # by hand: the coefficients of the region that is null
    place = folder / "store/runs" / result["model_run_id"] / "model/main/06-30"
    pooled = pd.read_parquet(place / "coefficients.parquet").query("region.isna() and crop == 'apples'")
    line = pooled.set_index("term")["coefficient"]
    season = pd.read_parquet(folder / "weather").query("region == 'R0001' and year == 2023")
    season = season[season["month"].between(4, 6)].drop_duplicates()
    days = season["month"].map({4: 30, 5: 31, 6: 30})
    x = {
        "intercept": 1.0,
        "year": 2023,
        "temperature_mean": np.average(season["temperature"], weights=days),
        "rainfall_sum": season["rainfall"].sum(),
        "humidity_mean": np.average(season["humidity"], weights=days),
    }
    assert set(line.index) == set(x)
    apples = stranger[stranger["crop"] == "apples"]["predicted"].item()
    assert apples == pytest.approx(sum(line[term] * value for term, value in x.items()), rel=1e-9)


def test_people_read_a_short_table(under_way: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert run(["forecast", str(under_way / "settings.toml"), "--store", str(under_way / "store")]) == 0
    said = capsys.readouterr().out
    for word in ("2023", "06-30", "apples", "t/ha", "baseline", "forecasts.parquet"):
        assert word in said
    assert "a region's 80 %" in said  # not the range of the country, which is another one
    assert MEANS_OF_REGIONS in said


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--set", "store=elsewhere"], 2, "`cropyield train`"),
        (["--set", "features.1.aggregate=mean"], 2, "rainfall_mean is new; rainfall_sum is missing"),
        (["--set", "season.end=10-31"], 2, "season.end"),
        (["--set", 'crops=["quinces"]'], 2, "none of quinces"),
        (["--as-of", "2023-05-31"], 2, 'as_of = ["05-31", "06-30"]'),
        (["--as-of", "31.07.2023"], 2, "YYYY-MM-DD"),
        (["--as-of", "2023-02-30"], 2, "2023-02-30"),
        (["--weather", "nowhere"], 3, "nowhere"),
    ],
)
def test_refusals(
    more: list[str], code: int, said: str, under_way: Path, tmp_path: Path, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    store = under_way / "store"
    before = (
        {file.name for file in (store / "forecasts").iterdir()} if (store / "forecasts").exists() else set()
    )
    command = ["forecast", str(under_way / "settings.toml"), *more]
    command += [] if "store=elsewhere" in more else ["--store", str(store)]
    capsys.readouterr()
    assert run(command) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown
    after = (
        {file.name for file in (store / "forecasts").iterdir()} if (store / "forecasts").exists() else set()
    )
    assert before == after


def test_before_any_data_there_is_nothing_to_forecast(under_way: Path, capsys: Capture) -> None:
    assert forecast(under_way, capsys, "--as-of", "1900-01-01")["message"].startswith("nothing to forecast")
