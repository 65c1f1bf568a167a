"""A store that is lived in for five seasons keeps what was said each day, and verifies it as pandas does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.store.backends.local import LocalStore
from data.store.log import read_state
from data.store.manifests import digest
from data.store.record import RECORD, record_name
from tests.tasks.publish.lived_store import KEPT, LOST, STATES, YEARS

ROOT = Path(__file__).resolve().parents[3]
KILLS = int(os.environ.get("CROPYIELD_KILLS", "2"))  # more of them in make torture, and a forecast a week
WEEKS_BETWEEN = 1 if KILLS > 2 else 3
ISSUED = len(YEARS) * len(range(0, 10, WEEKS_BETWEEN))
NAMES = ["level", "name"]
KEY = ["vintage", *NAMES, "season", "year", "crop", "number"]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a life, and the tally of it."""
    if not hasattr(os, "fork"):
        pytest.skip("forks children to be killed")
    folder = tmp_path_factory.mktemp("life")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("lived_store.py")), str(folder),
         "--kills", str(KILLS), "--weeks-between", str(WEEKS_BETWEEN)],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_bytes()) for file in sorted((folder / "store/log").glob("*.json"))]


def test_every_forecast_has_one_file_with_the_bytes_of_its_day(life: tuple[Path, dict[str, Any]]) -> None:
    folder, tally = life
    assert tally["kills"] == KILLS
    issued = {entry["number"]: entry for entry in entries(folder) if entry["action"] == "forecast"}
    assert len(issued) == ISSUED
    wanted = {record_name(number, entry["at"]) for number, entry in issued.items()}
    files = {
        file.relative_to(folder / "store").as_posix(): file.read_bytes()
        for file in (folder / "store/record").rglob("*.parquet")
    }
    assert {name for name in files if not name.startswith(("record/yields/", "record/weights/"))} == wanted
    # areas come in once a year
    assert len([name for name in files if name.startswith("record/weights/")]) == len(YEARS)
    for number, entry in issued.items():
        content = files[record_name(number, entry["at"])]
        assert content == (folder / f"diary/{number:08d}-{RECORD}").read_bytes()
        assert digest(content) == entry["record"]
    # what it is a record of was pruned long ago, every month
    store = LocalStore(folder / "store")
    assert len(store.folders("forecasts")) == len(store.folders("runs")) == KEPT
    assert sum(len(entry.get("removed", ())) for entry in entries(folder)) >= len(issued) - KEPT
    assert read_state(store).number == len(entries(folder))


def said(folder: Path) -> pd.DataFrame:
    """What each forecast said, from the files that it published on its day, beside its entry's number."""
    parts = []
    for entry in entries(folder):
        if entry["action"] != "forecast":
            continue
        start = f"diary/{entry['number']:08d}-"
        regional = pd.read_parquet(folder / f"{start}predictions.parquet").rename(columns={"region": "name"})
        larger = pd.read_parquet(folder / f"{start}aggregates.parquet")
        both = pd.concat([regional.assign(level="region"), larger.dropna(subset="predicted")])
        parts.append(both.assign(number=entry["number"], issued=entry["at"][:10]))
    frame = pd.concat(parts, ignore_index=True)
    ends = pd.to_datetime(frame["year"].astype(str) + "-07-31")
    cutoffs = pd.to_datetime(frame["year"].astype(str) + "-" + frame["as_of"])
    frame = frame.assign(lead_days=(ends - cutoffs).dt.days)
    # a region whose yield never came is forecast for that season ever after, which is no season to come
    return frame[frame["year"] == frame["issued"].str[:4].astype(int)]


def actuals(harvest: pd.DataFrame) -> pd.DataFrame:
    """Yields of regions, of states and of all, by areas; of a unit with too few known nothing.

    The areas are those that forecasts of the season knew: the mean of the last five before it.
    """
    wide = harvest.pivot(index="year", columns="region", values="yield")
    area = harvest.pivot(index="year", columns="region", values="area")
    for region in STATES:
        recent = area[region].dropna().rolling(5, min_periods=1).mean()
        area[region] = recent.reindex(area.index).ffill().shift(1)
    units = {("state", state): [r for r in STATES if STATES[r] == state] for state in ("north", "south")}
    parts = [harvest[["region", "year", "yield"]].rename(columns={"region": "name"}).assign(level="region")]
    for (level, name), members in {**units, ("all", "all"): list(STATES)}.items():
        known = area[members].where(wide[members].notna())
        enough = known.sum(axis=1) / area[members].sum(axis=1) >= 0.8
        mean = (wide[members] * known).sum(axis=1) / known.sum(axis=1)
        parts.append(mean[enough].rename("yield").reset_index().assign(level=level, name=name))
    return pd.concat(parts, ignore_index=True).rename(columns={"yield": "actual"})


def scratch(folder: Path, vintages: list[str]) -> pd.DataFrame:
    """The verification as one reckons it by hand, from what was said and each file of yields as it came."""
    everything = said(folder).sort_values("number")
    everything["revision"] = everything.groupby([*NAMES, "year", "crop"])["predicted"].diff()
    parts = []
    for vintage in vintages:
        known = actuals(pd.read_parquet(folder / f"diary/yields-{vintage}.parquet"))
        parts.append(
            everything.drop(columns="actual").merge(known, on=[*NAMES, "year"]).assign(vintage=vintage)
        )
    frame = pd.concat(parts, ignore_index=True)
    frame["error"] = frame["predicted"] - frame["actual"]
    frame["error_mean_5"] = frame["mean_5"] - frame["actual"]
    frame["error_baseline"] = frame["baseline"] - frame["actual"]
    for level, alpha in ((80, 0.2), (95, 0.05)):
        low, high, actual = frame[f"lower_{level}"], frame[f"upper_{level}"], frame["actual"]
        beyond = (low - actual).clip(lower=0) + (actual - high).clip(lower=0)
        frame[f"interval_score_{level}"] = high - low + 2 / alpha * beyond
        frame[f"inside_{level}"] = (low <= actual) & (actual <= high)
    happened = (frame["actual"] < frame["mean_5"]).astype(float)
    frame["brier"] = (frame["chance_below_mean_5"] - happened) ** 2
    return frame.sort_values(KEY, ignore_index=True)


def test_the_verification_is_that_reckoned_from_scratch(life: tuple[Path, dict[str, Any]]) -> None:
    folder, tally = life
    vintages = tally["vintages"]
    assert len(vintages) == len(set(vintages)) == 2 * (len(YEARS) + 1)
    assert len(list((folder / "store/record/yields").iterdir())) == len(vintages)
    found = pd.read_parquet(folder / "store/verification.parquet")
    assert not found.duplicated(KEY).any()
    found = found.sort_values(KEY, ignore_index=True)
    wanted = scratch(folder, vintages)
    assert len(found) == len(wanted) > 500
    assert found[KEY].astype(object).equals(wanted[KEY].astype(object))
    assert found["issued"].tolist() == wanted["issued"].tolist()
    assert found["as_of"].tolist() == wanted["as_of"].tolist()
    for column in found.select_dtypes("number"):
        np.testing.assert_allclose(found[column], wanted[column], atol=1e-9, err_msg=str(column))
    for level in (80, 95):
        known = found[f"inside_{level}"].notna()
        assert known.equals(wanted[f"lower_{level}"].notna())
        assert (found[f"inside_{level}"][known].astype(bool) == wanted[f"inside_{level}"][known]).all()
    # a yield that never came is verified by nobody, and is too much of the south
    for unit, name, there in (("region", LOST[0], False), ("state", "south", False), ("all", "all", True)):
        rows = found[(found["level"] == unit) & (found["name"] == name) & (found["year"] == LOST[1])]
        assert bool(len(rows)) == there


def test_the_summary_says_the_same_by_crop_level_region_and_lead(life: tuple[Path, dict[str, Any]]) -> None:
    folder, tally = life
    vintages = tally["vintages"]
    summary = json.loads((folder / "store/verification.json").read_bytes())
    assert summary["issued"] == ISSUED
    assert set(summary["vintages"]) == set(vintages)
    rows = scratch(folder, vintages[-1:])
    by = summary["vintages"][vintages[-1]]
    assert set(by) == {"region", "state", "all"}
    for level, crops in by.items():
        of = rows[rows["level"] == level]
        assert set(crops) == {"rye"}
        parts = {"all": crops["rye"]["all"]}
        assert set(crops["rye"]["names"]) == set(of["name"])
        assert set(crops["rye"]["lead_days"]) == set(of["lead_days"].astype(str))
        parts |= {f"name {key}": scores for key, scores in crops["rye"]["names"].items()}
        parts |= {f"lead {key}": scores for key, scores in crops["rye"]["lead_days"].items()}
        for which, scores in parts.items():
            kind, _, key = which.partition(" ")
            mine = of[of["name"] == key] if kind == "name" else of
            mine = of[of["lead_days"] == int(key)] if kind == "lead" else mine
            assert (scores["rows"], scores["seasons"]) == (len(mine), mine["year"].nunique())
            assert scores["rmse"] == pytest.approx(np.sqrt((mine["error"] ** 2).mean()))
            assert scores["bias"] == pytest.approx(mine["error"].mean())
            assert scores["mean_5"]["rmse"] == pytest.approx(np.sqrt((mine["error_mean_5"] ** 2).mean()))
            assert scores["baseline"]["mae"] == pytest.approx(mine["error_baseline"].abs().mean())
            assert scores["brier"] == pytest.approx(mine["brier"].mean())
            assert scores["interval_score_80"] == pytest.approx(mine["interval_score_80"].mean())
            assert scores["coverage_80"] == pytest.approx(mine["inside_80"].mean())
            revision = np.sqrt((mine["revision"] ** 2).mean())
            assert scores["revision"] == (pytest.approx(revision) if np.isfinite(revision) else None)
