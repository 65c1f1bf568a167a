"""Simulated worlds are what they say: the truth is exact, the files deterministic, the sizes as asked."""

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import SettingsError
from data.settings.files import load_settings
from data.synthetic.simulate import FEATURES, TrueCrop, World
from data.synthetic.write import synth, write_world
from tests.sample.inject_faults import SampleFaults

NOISELESS = World(
    crops=(
        TrueCrop("apples", 42.0, 0.35, (-1.3, 0.018, 0.12), 0.0, 0.1),
        TrueCrop("oranges", 36.0, 0.25, (0.9, 0.014, -0.15), 0.0, 0.1),
    )
)


def features_by_pandas(folder: Path) -> pd.DataFrame:
    """Season features of the written files, the plain way; monthly values weigh by their days."""
    weather = pd.read_parquet(folder / "weather")
    if "date" in weather:
        date = pd.to_datetime(weather["date"])
        weather = weather.assign(year=date.dt.year, month=date.dt.month, days=1.0)
    elif "month" in weather:
        starts = pd.to_datetime(weather[["year", "month"]].assign(day=1))
        weather = weather.assign(days=starts.dt.days_in_month.astype(float))
    else:
        weather = weather.assign(month=6, days=183.0)
    season = weather[weather["month"].between(4, 9)]
    season = season.assign(
        temperature=season["temperature"] * season["days"], humidity=season["humidity"] * season["days"]
    )
    sums = season.groupby(["region", "year"])[["temperature", "rainfall", "humidity", "days"]].sum()
    return pd.DataFrame(
        {
            "temperature_mean": sums["temperature"] / sums["days"],
            "rainfall_sum": sums["rainfall"],
            "humidity_mean": sums["humidity"] / sums["days"],
        }
    )


@pytest.mark.parametrize("resolution", ["daily", "monthly", "season"])
def test_yields_follow_the_truth_exactly(tmp_path: Path, resolution: str) -> None:
    truth = write_world(tmp_path, 5, 9, resolution, seed=3, world=NOISELESS)
    features = features_by_pandas(tmp_path)
    departures = features - features.groupby("region").transform("mean")
    yields = pd.read_parquet(tmp_path / "yields").set_index(["region", "year"])
    assert set(yields["unit"]) == {"t/ha"}
    for crop in NOISELESS.crops:
        observed = yields.loc[yields["crop"] == crop.name, "yield"]
        assert 0 < len(observed) < 45
        regional = {
            key: pd.Series(truth["regional"][key][crop.name], index=truth["regional"]["regions"])
            for key in ("levels", "trends")
        }
        region, year = (observed.index.get_level_values(name) for name in ("region", "year"))
        expected = (
            regional["levels"].loc[region].to_numpy()
            + regional["trends"].loc[region].to_numpy() * (year.to_numpy() - 2019)
            + departures.loc[observed.index, list(FEATURES)].to_numpy() @ np.array(crop.weights)
        )
        np.testing.assert_allclose(observed, expected, atol=5.1e-5)


def test_weights_are_recovered_within_their_standard_errors(tmp_path: Path) -> None:
    write_world(tmp_path, 80, 25, "season", seed=1)
    features = features_by_pandas(tmp_path)
    yields = pd.read_parquet(tmp_path / "yields").set_index(["region", "year"])
    for crop in World().crops:
        observed = yields.loc[yields["crop"] == crop.name, "yield"]
        codes = pd.Categorical(observed.index.get_level_values("region")).codes
        own = np.eye(80)[codes]
        year = observed.index.get_level_values("year").to_numpy() - 2011.0
        x = np.hstack([features.loc[observed.index].to_numpy(), own, own * year[:, None]])
        weights, squares, rank, _ = np.linalg.lstsq(x, observed.to_numpy())
        assert rank == x.shape[1]
        noise = float(np.sqrt(squares[0] / (len(x) - rank)))
        errors = noise * np.sqrt(np.diag(np.linalg.inv(x.T @ x)))[:3]
        assert noise == pytest.approx(crop.noise_sd, rel=0.05)
        assert np.all(np.abs(weights[:3] - crop.weights) < 4 * errors)


def test_neighbours_share_their_weather(tmp_path: Path) -> None:
    write_world(tmp_path, 40, 30, "season", seed=0)
    departures = features_by_pandas(tmp_path)["temperature_mean"].unstack("region")
    together = np.corrcoef(departures.to_numpy(), rowvar=False)
    assert np.diag(together, 1).mean() > 0.5
    assert np.diag(together, 1).mean() > np.diag(together, 30).mean() + 0.2


@pytest.mark.parametrize("resolution", ["daily", "monthly", "season"])
def test_same_arguments_same_bytes(tmp_path: Path, resolution: str) -> None:
    for name, seed in (("a", 0), ("b", 0), ("other", 1)):
        write_world(tmp_path / name, 9, 3, resolution, seed, boundaries=True)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 3 + 3 + 3  # blocks of three regions, weather and yields; map, settings, truth
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    part = "weather/part-0000.parquet"
    assert (tmp_path / "a" / part).read_bytes() != (tmp_path / "other" / part).read_bytes()


def test_daily_files_are_laid_out_as_archives_are(tmp_path: Path) -> None:
    written = synth(tmp_path, 7, 5, "daily", 0)
    files = sorted((tmp_path / "weather").iterdir())
    tables = [pq.read_table(file) for file in files]
    assert len(files) == 4
    assert tables[0].schema.field("region").type == pa.string()
    assert tables[0].schema.field("date").type == pa.date32()
    whole = pa.concat_tables(tables).to_pandas()
    assert written["rows"]["weather"] == len(whole) == 7 * (6 * 365 + 1)  # five harvests, a season under way
    assert pd.read_parquet(tmp_path / "yields")["year"].unique().tolist() == [2018, 2019, 2020, 2021, 2022]
    assert whole[["region", "date"]].equals(whole[["region", "date"]].sort_values(["region", "date"]))
    assert whole["temperature"].between(-40, 45).all()
    assert whole["rainfall"].between(0, 300).all()
    assert 0.4 < (whole["rainfall"] == 0).mean() < 0.8
    assert whole["humidity"].between(5, 100).all()
    settings = load_settings(written["settings"])
    assert Path(settings.weather) == tmp_path / "weather"
    assert settings.split.test_seasons == 1
    assert settings.aggregate.levels == ("state",)


def test_boundaries_tile_a_country_of_states(tmp_path: Path) -> None:
    write_world(tmp_path, 300, 2, "season", seed=5, boundaries=True)
    settings = load_settings(tmp_path / "settings.toml")
    collection = json.loads(Path(str(settings.regions)).read_text())
    rows = pd.DataFrame([each["properties"] for each in collection["features"]])
    assert rows["region"].tolist() == sorted(pd.read_parquet(tmp_path / "yields")["region"].unique())
    assert rows["name"].is_unique
    assert 10 < rows["state"].nunique() < 40
    assert rows["area"].between(10, 1000).all()
    rings = [np.array(each["geometry"]["coordinates"][0]) for each in collection["features"]]
    # every side that two regions share is the same two points, walked the other way; no area is lost
    sides = Counter((tuple(a), tuple(b)) for ring in rings for a, b in itertools.pairwise(ring.tolist()))
    assert max(sides.values()) == 1
    shared = sum((b, a) in sides for a, b in sides)
    assert shared > 0.85 * len(sides)
    signed = [float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2 for x, y in (ring.T for ring in rings)]
    assert min(signed) > 0.5 * 0.4**2
    assert sum(signed) == pytest.approx(300 * 0.4**2, rel=0.02)
    # regions next to each other in the world touch on the map
    points = [set(map(tuple, ring.tolist())) for ring in rings]
    assert all(a & b for a, b in itertools.pairwise(points))


def test_files_hold_a_bounded_number_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.synthetic.write._ROWS_PER_FILE", 1000)
    monkeypatch.setattr("data.synthetic.write._ROWS_PER_GROUP", 300)
    write_world(tmp_path, 50, 10, "monthly")
    footers = [pq.ParquetFile(file).metadata for file in (tmp_path / "weather").iterdir()]
    assert sum(footer.num_rows for footer in footers) == 50 * 120
    assert max(footer.num_rows for footer in footers) <= 1000
    assert max(footer.row_group(0).num_rows for footer in footers) == 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regions": 0}, "0 regions"),
        ({"years": 0}, "0 years"),
        ({"seed": -1}, "seed -1"),
        ({"resolution": "hourly"}, "'hourly': choose one of daily, monthly, season"),
        ({"resolution": "daily", "faults": SampleFaults()}, "monthly"),
    ],
)
def test_impossible_worlds_are_refused(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        write_world(tmp_path, **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_world_is_never_mixed_into_another(tmp_path: Path) -> None:
    write_world(tmp_path, 2, 2)
    with pytest.raises(SettingsError, match="already holds files"):
        write_world(tmp_path, 2, 2)
