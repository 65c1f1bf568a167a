"""Metrics against scikit-learn's and hand-made figures; tables against their contracts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from data.contracts.columns import EVALUATION, PREDICTION_COLUMNS, schema_of
from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import LEVELS, NAIVE_BASELINES
from tasks.evaluate.calibration import Calibration
from tasks.evaluate.conformal import NO_WIDTHS, Widths, WidthsByLead
from tasks.evaluate.hindcast import Hindcast, from_arrow, hindcast, join, to_arrow
from tasks.evaluate.metrics import Scored, evaluate
from tasks.evaluate.naive import naive_predictions
from tasks.evaluate.predictions import predictions_of
from tasks.evaluate.scores import entries_of, score, skill_intervals
from tests.forecasters import Given, random_table

WIDTHS = {(80, "corn"): 4.0, (95, "corn"): 6.0, (80, "rye"): 3.0}
# the same in every region, whether it was seen or not
EVERYWHERE = WidthsByLead(0, {1: Widths((), ("corn", "rye"), np.empty((0, 2)), WIDTHS, WIDTHS)})
VALID = dict.fromkeys(("corn", "rye", "oats"), (-np.inf, np.inf))
CALIBRATION = Calibration(
    {"corn": 20, "rye": 6}, EVERYWHERE, EVERYWHERE, {(95, "rye"): "rye: too few"}, VALID
)
NO_INTERVALS = Calibration({}, NO_WIDTHS, NO_WIDTHS, {}, VALID)


def _model(table: SeasonTable, seed: int = 9) -> Given:
    noise_NT = np.random.default_rng(seed).normal(size=(len(table), 2))
    predicted_NT = np.nan_to_num(table.y_NT[:, [1, 0]], nan=10.0) + noise_NT  # crops in another order
    return Given(("rye", "corn"), ("t/ha", None), predicted_NT)


def _evaluated(table: SeasonTable | None = None) -> tuple[SeasonTable, Given, Hindcast]:
    table = random_table() if table is None else table
    model = _model(table)
    return table, model, evaluate(model, table, CALIBRATION, "12-31")


def test_scores_equal_scikit_learn_s() -> None:
    table, model, evaluated = _evaluated()
    found = Scored(evaluated).metrics({"evaluation": 1e-5, "published": None})
    assert found["excess"] == {"evaluation": 1e-5, "published": None}
    assert set(found["splits"]) == {"train", "test"}
    train = table.of_split("train")
    for split, scores in found["splits"].items():
        in_split_N = table.split_N == split
        rows = table.take(in_split_N)
        naive = naive_predictions(train, train, rows)
        assert scores["rows"] == len(rows)
        assert set(scores["crops"]) == {"corn", "rye"}
        sse = sst = 0.0
        for crop, ours in scores["crops"].items():
            column = table.crops.index(crop)
            observed_N = np.isfinite(rows.y_NT[:, column])
            actual = rows.y_NT[observed_N, column]
            predicted = model.predicted[in_split_N][observed_N, model.crops.index(crop)]
            assert ours["rows"] == observed_N.sum()
            assert ours["mse"] == pytest.approx(peer.mean_squared_error(actual, predicted))
            assert ours["rmse"] == pytest.approx(peer.root_mean_squared_error(actual, predicted))
            assert ours["mae"] == pytest.approx(peer.mean_absolute_error(actual, predicted))
            assert ours["r2"] == pytest.approx(peer.r2_score(actual, predicted))
            assert ours["bias"] == pytest.approx(np.mean(predicted - actual))
            baselines = {
                name: peer.mean_squared_error(actual, y_NT[observed_N, column])
                for name, y_NT in naive.items()
            }
            assert ours["baselines"] == pytest.approx(baselines)
            assert ours["skill"] == pytest.approx(1 - ours["mse"] / min(baselines.values()))
            sse += float(np.sum((predicted - actual) ** 2))
            sst += float(np.sum((actual - actual.mean()) ** 2))
        pooled, of_crops = scores["pooled"], scores["crops"].values()
        for key in ("mse", "mae", "bias", "coverage_80", "width_80"):
            assert pooled[key] == pytest.approx(np.mean([ours[key] for ours in of_crops]))
        assert pooled["rmse"] == pytest.approx(pooled["mse"] ** 0.5)
        assert pooled["r2"] == pytest.approx(1 - sse / sst)
        best = min(np.mean([ours["baselines"][name] for ours in of_crops]) for name in NAIVE_BASELINES)
        assert pooled["skill"] == pytest.approx(1 - pooled["mse"] / best)
        assert (pooled["coverage_95"], pooled["rows"]) == (None, len(rows))


def test_intervals_are_scored() -> None:
    _, _, evaluated = _evaluated()
    test = evaluated.harvested("test")
    corn = test.take(test.crop_E == test.crops.index("corn"))
    ours = Scored(evaluated).metrics({})["splits"]["test"]["crops"]["corn"]
    for prefix, predicted in (("", corn.predicted_E), ("trend_", corn.naive["region_trend"])):
        for level in LEVELS:
            half, alpha = WIDTHS[level, "corn"], 1 - level / 100
            lower, upper, y = predicted - half, predicted + half, corn.actual_E
            outside = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
            assert ours[f"{prefix}coverage_{level}"] == np.mean((lower <= y) & (y <= upper))
            assert ours[f"{prefix}width_{level}"] == pytest.approx(2 * half)
            winkler = np.mean(upper - lower + 2 / alpha * outside)
            assert ours[f"{prefix}interval_score_{level}"] == pytest.approx(winkler)


def test_numbers_that_can_t_be_had_are_null() -> None:
    table = random_table(seasons=1, first_test=2000)
    evaluated = evaluate(_model(table), table, NO_INTERVALS, "12-31")
    found = Scored(evaluated).metrics({"evaluation": float("nan")})
    assert "NaN" not in json.dumps(found, allow_nan=False)
    corn = found["splits"]["test"]["crops"]["corn"]
    assert corn["baselines"] == dict.fromkeys(NAIVE_BASELINES)
    assert (corn["skill"], corn["skill_interval_95"], corn["coverage_80"]) == (None, None, None)
    assert corn["mse"] > 0


def test_constant_yields_leave_nothing_to_explain() -> None:
    table = random_table()
    table.y_NT[:, 0] = 0.1
    corn = Scored(evaluate(_model(table), table, NO_INTERVALS, "12-31")).metrics({})["splits"]["test"][
        "crops"
    ]["corn"]
    assert corn["mse"] > 0
    assert corn["baselines"] == dict.fromkeys(NAIVE_BASELINES, 0.0)
    assert (corn["r2"], corn["skill"]) == (None, None)


def test_splits_without_rows_and_rows_to_forecast_are_absent() -> None:
    table = random_table(first_test=9999)
    split_N = np.where(table.year_N == 2011, "forecast", "train")
    table = replace(table, split_N=split_N)
    table.y_NT[table.year_N == 2011] = np.nan
    evaluated = evaluate(_model(table.of_split("train")), table, CALIBRATION, "12-31")
    assert (evaluated.split_E == "train").all()
    assert set(Scored(evaluated).metrics({})["splits"]) == {"train"}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 1e6), st.floats(-1e6, 1e6))
def test_scores_follow_the_unit(seed: int, scale: float, shift: float) -> None:
    table = random_table(seed)
    moved = replace(table, y_NT=table.y_NT * scale + shift)
    model = _model(table)
    other = replace(model, predicted=model.predicted * scale + shift)
    one, two = (
        Scored(evaluate(each, rows, NO_INTERVALS, "12-31")).metrics({})["splits"]["test"]["crops"]["corn"]
        for each, rows in ((model, table), (other, moved))
    )
    # a shift of a million swallows digits of departures of a thousandth
    tolerance = 1e-6 * max(1.0, abs(shift) / scale * 1e-6)
    assert two["mse"] == pytest.approx(one["mse"] * scale**2, rel=tolerance)
    assert two["skill"] == pytest.approx(one["skill"], rel=tolerance, abs=tolerance)
    assert two["r2"] == pytest.approx(one["r2"], rel=tolerance, abs=tolerance)


def test_skill_interval_resamples_whole_seasons() -> None:
    _, _, evaluated = _evaluated(random_table(seasons=30))
    test = evaluated.harvested("test")
    found = skill_intervals(entries_of(test))
    pooled = found[None]
    skill = Scored(evaluated).metrics({})["splits"]["test"]["pooled"]["skill"]
    assert pooled[0] < skill < pooled[1]
    assert all(np.isfinite(ends).all() for ends in found.values())
    np.testing.assert_array_equal(skill_intervals(entries_of(test))[None], pooled)
    # every row twice is no more seasons than before
    twice = join([test, test])
    np.testing.assert_allclose(skill_intervals(entries_of(twice))["corn"], found["corn"])
    one = test.take(test.year_E == test.year_E.max())
    assert np.isnan(skill_intervals(entries_of(one))[None]).all()


def test_skill_interval_of_equal_seasons_is_a_point() -> None:
    _, _, evaluated = _evaluated()
    season = evaluated.harvested("test")
    season = season.take(season.year_E == 2010)
    alike = join([replace(season, year_E=season.year_E + ago) for ago in range(6)])
    skill = score(entries_of(alike), ["split"])[1]["skill"].item()
    np.testing.assert_allclose(skill_intervals(entries_of(alike))[None], [skill, skill])


def test_evaluation_table_keeps_its_contract_and_agrees_with_the_metrics() -> None:
    _, _, evaluated = _evaluated()
    early = replace(evaluated, as_of="07-31")
    table = pa.concat_tables([Scored(early).table(), Scored(evaluated).table()])
    assert table.schema.equals(schema_of(EVALUATION), check_metadata=True)
    table.validate(full=True)
    rows = table.to_pylist()
    keys = [tuple(row[key] for key in ("as_of", "split", "crop", "region", "year")) for row in rows]
    assert len(set(keys)) == len(keys)
    by_key: dict[Any, Any] = dict(zip(keys, rows, strict=True))
    found = Scored(evaluated).metrics({})["splits"]
    for split, scores in found.items():
        for crop, ours in {None: scores["pooled"], **scores["crops"]}.items():
            row = by_key["12-31", split, crop, None, None]
            for key in ("rows", "mse", "skill", "r2", "coverage_95", "width_80", "interval_score_80"):
                assert row[key] == ours[key]
            assert row["mse_region_trend"] == ours["baselines"]["region_trend"]
    test = evaluated.harvested("test")
    assert by_key["07-31", "test", None, "Ærø", None]["rows"] == 4
    season = test.take((test.year_E == 2009) & (test.crop_E == test.crops.index("corn")))
    expected = np.mean((season.predicted_E - season.actual_E) ** 2)
    assert by_key["12-31", "test", "corn", None, 2009]["mse"] == pytest.approx(expected)
    assert sum(key[3] is not None for key in keys if key[1:3] == ("test", "corn")) == 2 * 5


def test_a_region_without_rye_has_no_score_for_rye() -> None:
    table = random_table()
    table.y_NT[table.region_N == 0, 1] = np.nan
    _, _, evaluated = _evaluated(table)
    found = Scored(evaluated).table().to_pylist()
    crops = {row["crop"] for row in found if row["region"] == table.region_names[0]}
    assert crops == {None, "corn"}


def test_predictions_keep_their_contract() -> None:
    table = random_table()
    table.y_NT[table.year_N == 2011] = np.nan
    table = replace(table, split_N=np.where(table.year_N == 2011, "forecast", table.split_N))
    model = _model(table)
    found = predictions_of([hindcast(model, table, CALIBRATION, "12-31")], "0123456789abcdef")
    metadata = {"unit:rye": "t/ha"}
    assert found.schema.equals(schema_of(PREDICTION_COLUMNS, metadata), check_metadata=True)
    found.validate(full=True)
    frame = found.to_pandas()
    keys = ["region", "year", "crop", "as_of"]
    assert frame[keys].equals(frame[keys].sort_values(keys, ignore_index=True))
    assert len(frame) == np.isfinite(table.y_NT[:, :2]).sum() + 2 * (table.year_N == 2011).sum()
    assert frame.actual.isna().equals(frame.split == "forecast")
    assert set(frame.run_id) == {"0123456789abcdef"}
    corn, rye = (frame[frame.crop == crop] for crop in ("corn", "rye"))
    assert corn.unit.isna().all()
    assert set(rye.unit) == {"t/ha"}
    np.testing.assert_allclose(corn.upper_95 - corn.predicted, 6.0)
    np.testing.assert_allclose(rye.predicted - rye.lower_80, 3.0)
    assert rye.lower_95.isna().all()
    assert frame.known_region.equals(frame.region != table.region_names[0])
    np.testing.assert_allclose(frame.baseline, frame.predicted - 1)
    one = frame[(frame.region == "Ærø") & (frame.year == 2003) & (frame.crop == "corn")].iloc[0]
    at = np.flatnonzero((table.region_N == table.region_names.index("Ærø")) & (table.year_N == 2003))[0]
    assert (one.predicted, one.actual) == (model.predicted[at, 1], table.y_NT[at, 0])


def test_predictions_of_past_and_forecast_are_put_together() -> None:
    table = random_table()
    past = hindcast(_model(table), table, CALIBRATION, "12-31")
    ahead = table.take(table.year_N == 2011)
    ahead = replace(ahead, year_N=ahead.year_N + 1, y_NT=np.full_like(ahead.y_NT, np.nan))
    forecast = hindcast(_model(ahead), ahead, CALIBRATION, "12-31", split="forecast")
    both = predictions_of([past, forecast], "a" * 16)
    assert both.num_rows == len(past) + 2 * len(ahead)
    assert both.schema.equals(predictions_of([past], "a" * 16).schema, check_metadata=True)
    assert both["region"].to_pylist() == sorted(both["region"].to_pylist())
    assert set(both.filter(pc.equal(both["split"], "forecast"))["actual"].to_pylist()) == {None}


def test_hindcasts_go_to_arrow_and_back() -> None:
    _, _, evaluated = _evaluated()
    again = from_arrow(to_arrow(evaluated))
    assert Scored(again).metrics({}) == Scored(evaluated).metrics({})
    assert Scored(again).table().equals(Scored(evaluated).table())
    empty = from_arrow(to_arrow(evaluated.take(slice(0))))
    assert len(empty) == 0
    assert Scored(join([empty, again])).metrics({}) == Scored(evaluated).metrics({})


def test_hindcasts_of_several_cut_offs_aren_t_one() -> None:
    _, _, evaluated = _evaluated()
    with pytest.raises(ValueError, match="07-31"):
        join([evaluated, replace(evaluated, as_of="07-31")])


def test_predictions_without_any_row() -> None:
    nothing = random_table().take(slice(0))
    nobody = Given(("corn",), ("t/ha",), np.zeros((0, 1)))
    found = predictions_of([hindcast(nobody, nothing, CALIBRATION, "12-31")], "a")
    assert isinstance(found, pa.Table)
    assert found.num_rows == 0
