"""The script that does the same work says what cropyield says, on the sample and on US data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from data.contracts.vocabulary import LEVELS
from data.settings.files import load_settings
from tests.benchmarks.orchestration import plain
from tests.benchmarks.whole_job.cases import Case, small_cases
from tests.benchmarks.whole_job.peer.__main__ import run

_KEY = ["region", "year", "crop", "split"]
# each of three rounds of training may end 1e-8 above its optimum, 1e-4 of the RMSE away from its predictions
_APART = 3e-4


@pytest.mark.parametrize("name", ["sample", "US"])
def test_it_predicts_and_scores_what_cropyield_does(name: str, tmp_path: Path) -> None:
    case = _case(name, tmp_path)
    settings = load_settings(case.settings, {"store": str(tmp_path / "store")})
    made = tmp_path / "store" / "runs" / plain.train(settings)["run_id"]
    with threadpool_limits(1):
        run([case.kind, str(case.weather), str(case.yields), str(tmp_path / "peer")])
    ours, peers = (
        pd.read_parquet(place / "predictions.parquet").set_index(_KEY).sort_index()
        for place in (made, tmp_path / "peer")
    )
    pd.testing.assert_index_equal(ours.index, peers.index)
    np.testing.assert_array_equal(ours["known_region"], peers["known_region"])
    (found,) = json.loads((made / "metrics.json").read_bytes())["seasons"]["main"]["as_of"].values()
    told = json.loads((tmp_path / "peer" / "metrics.json").read_bytes())
    for split, of in found["splits"].items():
        for crop, scores in of["crops"].items():
            _same_scores(scores, told[split][crop])
    for crop, rows in ours.groupby("crop"):
        apart = peers.loc[rows.index, "predicted"] - rows["predicted"]
        rmse = found["splits"]["test"]["crops"][crop]["rmse"]
        assert np.sqrt((apart**2).groupby("split").mean()).max() <= _APART * rmse
    for fit, place in (("published", ""), ("evaluation", "evaluation")):  # both come from exact fits
        errors = pd.read_parquet(made / "model" / "main" / "09-30" / place / "errors.parquet")
        peers_errors = pd.read_parquet(tmp_path / "peer" / f"errors-{fit}.parquet")
        pd.testing.assert_frame_equal(peers_errors[errors.columns], errors, check_dtype=False, atol=1e-8)
    for level in LEVELS:
        half, peers_half = (rows[f"upper_{level}"] - rows["predicted"] for rows in (ours, peers))
        np.testing.assert_allclose(peers_half, half, rtol=1e-9)


def test_its_page_has_the_charts_of_the_report(tmp_path: Path) -> None:
    case = _case("sample", tmp_path)
    with threadpool_limits(1):
        run([case.kind, str(case.weather), str(case.yields), str(tmp_path)])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    data = json.loads(page.split('id="page-data">')[1].split("</script>")[0])
    charts = {
        f"{kind}-{crop}"
        for kind in ("cloud", "seasons", "plane", "history")
        for crop in ("apples", "oranges")
    }
    assert set(data["charts"]) == charts
    assert all(f'data-chart="{name}"' in page for name in charts)
    assert set(data["histories"]["history-apples"]) == set(
        pd.read_parquet(tmp_path / "dataset.parquet")["region"]
    )


def _case(name: str, folder: Path) -> Case:
    for case in small_cases(folder):
        if case.name == name:
            return case
    pytest.skip("the US data are absent")


def _same_scores(scores: dict[str, Any], told: dict[str, Any]) -> None:
    assert scores["rows"] == told["rows"]
    assert told["rmse"] == pytest.approx(scores["rmse"], rel=_APART)
    assert told["skill"] == pytest.approx(scores["skill"], abs=1e-3)
    assert told["coverage_80"] == pytest.approx(scores["coverage_80"], abs=2 / scores["rows"])
    for name, mse in scores["baselines"].items():
        assert told[f"mse_{name}"] == pytest.approx(mse, rel=1e-9)
    assert told["trend_interval_score_95"] == pytest.approx(scores["trend_interval_score_95"], rel=1e-9)
