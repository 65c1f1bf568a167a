"""`python -m tests.benchmarks.field`: skill on real data beside naive forecasts and scikit-learn.

Options: --only WORDS (trials whose name holds them). Prints the finished section for
tests/benchmarks/README.md; trials whose data this machine lacks are named and left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

import numpy as np
import pandas as pd

from data.contracts.vocabulary import LEVELS, NAIVE_BASELINES
from tests.benchmarks import measure
from tests.benchmarks.field.peers import PEERS
from tests.benchmarks.field.trials import DATA, TRIALS, Fold, Trial

OURS = "cropyield"
MODELS = (OURS, *PEERS)
_MEDIAN_FROM = 4  # crops of a trial

_PROTOCOL = """\
Every model predicts the same rows from the same training rows; cropyield by its own ingest and backtest, with
the defaults and squares of all features. `rolling origin` predicts each season from those before it, `one
holdout` some seasons by one model of those before them, `leave one season out` from all other seasons, later
ones included. Skill is 1 − MSE / MSE of the best naive forecast on the same rows (training mean, region mean,
last five seasons, region trend), larger is better; the best of a row is bold. Peers are scikit-learn's
`HistGradientBoostingRegressor` (its defaults) and `RidgeCV` on z-scores. *Departures* are cropyield's own,
of weather, squares and yields, from the lines of its last round (a gift: they were fitted in turn with its
linear weather); *raw* are the features as they are, the year, and the mean of the region's last five yields.
cropyield's defaults were chosen on these very data, predicted seasons in view; scikit-learn's were not."""

_NRMSE = """\
NRMSE is the root of the MSE over the predicted rows' mean yield, as CY-Bench gives it; in brackets stands the
median over seasons of each season's own. On its full set of US maize CY-Bench publishes such medians, 20.2 %
for the average yield and 22.0 % for RandomForest, leaving one season out; this is its sample."""


def main() -> None:
    """Run the trials and print the section."""
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks.field", description=__doc__)
    ask.add_argument("--only", default="", help="trials whose name holds these words")
    only = ask.parse_args().only
    scores, lost = [], []
    for trial in TRIALS:
        if only not in trial.name:
            continue
        if not trial.is_there:
            print(f"left out {trial.name}: {DATA / trial.folder} is absent", file=sys.stderr)
            continue
        print(trial.name, file=sys.stderr)
        entries = predictions(trial.folds())
        scores.append(scores_of(entries).assign(trial=trial.name, protocol=trial.protocol))
        lost += lost_seasons(trial, entries)
    print("## Field\n\n`python -m tests.benchmarks.field`\n")
    print(f"Real yields, {measure.about('torch', 'scikit-learn')}.\n{_PROTOCOL}\n")
    if scores:
        found = pd.concat(scores)
        print(skill_table(found))
        print(f"\n{_NRMSE}\n")
        print(nrmse_table(found[found["trial"].str.startswith("CY-Bench")]))
        print(f"\nSeasons lost by cropyield to the mean of the last five: {'; '.join(lost) or 'none'}.")


def predictions(folds: Iterable[Fold]) -> pd.DataFrame:
    """A row for each region, season and crop with a harvest: crop, year, actual, and each model's prediction.

    Besides whether the harvest lies in cropyield's intervals, `inside_80` and `inside_95` (NaN: no interval).
    """
    made = []
    for fold in folds:
        said, observed_NT = fold.said, np.isfinite(fold.rows.y_NT)
        # entries are by row, then by crop
        if not np.array_equal(said.actual_E, fold.rows.y_NT[observed_NT]):
            raise AssertionError("the peers' rows aren't those that cropyield predicted")
        columns = {
            "crop": np.array(said.crops)[said.crop_E], "year": said.year_E, "actual": said.actual_E,
            OURS: said.predicted_E,
        }  # fmt: skip
        columns |= dict(said.naive) | {name: peer(fold)[observed_NT] for name, peer in PEERS.items()}
        for level in LEVELS:
            low_E, high_E = said.interval(level)
            inside_E = (low_E <= said.actual_E) & (said.actual_E <= high_E)
            columns[f"inside_{level}"] = np.where(np.isnan(low_E), np.nan, inside_E)
        made.append(pd.DataFrame(columns))
    return pd.concat(made, ignore_index=True)


def scores_of(entries: pd.DataFrame) -> pd.DataFrame:
    """For each crop: rows, and skill, NRMSE and R² of each model, coverage of cropyield's intervals."""
    groups = entries.groupby("crop", sort=False)
    return pd.DataFrame([{"crop": crop} | _scores(group) for crop, group in groups])


def _scores(group: pd.DataFrame) -> dict[str, object]:
    names = [*NAIVE_BASELINES, *MODELS]
    square = group[names].sub(group["actual"], axis=0).pow(2)
    mse, by_season = square.mean(), square.groupby(group["year"]).mean()
    best = min(NAIVE_BASELINES, key=lambda name: float(mse[name]))
    level, levels = group["actual"].mean(), group["actual"].groupby(group["year"]).mean()
    found: dict[str, object] = {"rows": len(group), "best": best, "level": level}
    for name in names:
        found |= {
            f"skill {name}": 1 - mse[name] / mse[best],
            f"nrmse {name}": np.sqrt(mse[name]) / level,
            f"median {name}": (np.sqrt(by_season[name]) / levels).median(),
            f"r2 {name}": 1 - mse[name] / group["actual"].var(ddof=0),
        }
    return found | {f"coverage {at}": group[f"inside_{at}"].mean() for at in LEVELS}


def lost_seasons(trial: Trial, entries: pd.DataFrame) -> list[str]:
    """A phrase for each crop with seasons in which the last five seasons' mean was nearer."""
    if trial.protocol == "leave one season out":
        return []
    names = [OURS, "last_five_seasons"]
    square = entries[names].sub(entries["actual"], axis=0).pow(2)
    mse = square.groupby([entries["crop"], entries["year"]]).mean()
    worse = mse[mse[OURS] > mse["last_five_seasons"]].reset_index()
    few = entries["crop"].nunique() < _MEDIAN_FROM
    of = f" of {len(trial.seasons)}"
    return [
        f"{trial.name}, {crop} {len(years)}{of}" + (f" ({', '.join(map(str, years))})" if few else "")
        for crop, years in worse.groupby("crop")["year"]
    ]


def skill_table(found: pd.DataFrame) -> str:
    """The scoreboard: skill of each model, a row for each trial and crop."""
    headings = ["trial", "protocol", "crop", "rows", "best naive", *MODELS, "80 %, 95 % intervals cover"]
    rows = []
    for trial, of_crops in found.groupby("trial", sort=False):
        rows += [_row(each) for each in _records(of_crops)]
        if len(of_crops) >= _MEDIAN_FROM:
            middle = {name: float(of_crops[f"skill {name}"].median()) for name in MODELS}
            name = f"median of {len(of_crops)} crops"
            protocol, count = str(of_crops["protocol"].iloc[0]), f"{of_crops['rows'].sum():,}"
            rows.append([str(trial), protocol, name, count, "–", *_shown(middle), "–"])
    return measure.table(headings, rows)


def _shown(skill: dict[str, float]) -> list[str]:
    best = max(skill.values())
    return [f"**{value:.3f}**" if value == best else f"{value:.3f}" for value in skill.values()]


def _row(each: dict[str, object]) -> list[str]:
    shown = _shown({name: float(str(each[f"skill {name}"])) for name in MODELS})
    coverage = [float(str(each[f"coverage {level}"])) for level in LEVELS]
    known = each["protocol"] != "leave one season out" and np.isfinite(coverage[0])
    covers = ", ".join(f"{value:.0%}" if np.isfinite(value) else "–" for value in coverage)
    return [
        str(each["trial"]), str(each["protocol"]), str(each["crop"]), f"{each['rows']:,}",
        NAIVE_BASELINES[str(each["best"])], *shown, covers if known else "–",
    ]  # fmt: skip


def nrmse_table(found: pd.DataFrame) -> str:
    """NRMSE and R² of each model and naive forecast, a row for each of them and a column for each trial."""
    names = {name: name for name in MODELS} | dict(NAIVE_BASELINES)
    trials = _records(found)
    rows = [
        [said, *(f"{each[f'nrmse {name}']:.1%} ({each[f'median {name}']:.1%}), R² {each[f'r2 {name}']:.2f}"
                 for each in trials)]
        for name, said in names.items()
    ]  # fmt: skip
    return measure.table(["model", *(str(each["trial"]) for each in trials)], rows)


def _records(found: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in each.items()} for each in found.to_dict("records")]


if __name__ == "__main__":
    main()
