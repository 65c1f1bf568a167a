# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A forecast for a country
#
# You are the agronomist of a forecasting unit. On your desk lie two files, what the weather was and what was
# harvested, in 24 regions and some thirty years, and a map. It is the first of August 2023. By the end of
# this page you will have published a forecast of the season that is growing, with its bulletin; answered the
# minister's "why so low?"; and, a year later, found out how good you were.
#
# You need to know your crops. No machine learning is needed: what happens inside is
# [the other tutorial](linear_regression.md). It takes about an hour.
#
# **To follow along**, turn the file that this page is made of into a notebook, and open that in VS Code or
# Jupyter (`pip install jupyterlab`, `jupyter lab`); or type the lines that begin with `cropyield` in a terminal.
# In a clone after `make docs`, with `.venv` active:
#
# ```sh
# jupytext --to ipynb --output country.ipynb docs/tutorial/country.py
# ```

# %%
import html
import json
import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from flows.python import backtest_yields, forecast_yields

# %% [markdown]
# ## 1. The country
#
# It is simulated, so that you can follow along and so that somebody knows the truth. `cropyield synth` makes
# its map and its weather; the next cell grows three crops in it. Barley stands in the fields from October to
# May, maize from April to September, beans from July to October. **Skip the cell if you like**; your own
# files come ready-made.

# %% language="bash"
# cropyield synth land --regions 24 --years 30 --resolution monthly --seed 7

# %%
weather = pd.read_parquet("land/weather")
random = np.random.default_rng(1)


def over(first: int, last: int, measure: str) -> pd.Series:
    """A measure's mean from one month to another, by region and the year in which the last one lies."""
    crosses = first > last
    months = weather.assign(year=weather["year"] + (crosses & (weather["month"] >= first)))
    outside = (
        months["month"].between(last + 1, first - 1) if crosses else ~months["month"].between(first, last)
    )
    return months[~outside].groupby(["region", "year"])[measure].mean()


grown = {
    "barley": 4.5 + 0.012 * over(3, 5, "rainfall") + 0.10 * over(10, 2, "temperature"),
    "maize": 10.0 + 0.020 * over(6, 8, "rainfall") - 0.30 * over(7, 7, "temperature"),
    "beans": 2.2 + 0.006 * over(8, 9, "rainfall") - 0.03 * over(7, 10, "temperature"),
}
harvests = pd.concat(
    [values.rename("yield").reset_index().assign(crop=crop) for crop, values in grown.items()]
)
harvests["yield"] += 0.04 * (harvests["year"] - 2008) + random.normal(0, 0.25, len(harvests))
harvests = harvests[harvests["year"].between(1995, 2023)].round({"yield": 2}).assign(unit="t/ha")

# %% [markdown]
# On 1 August 2023 the barley is in, but its figures aren't; nobody has reported this year yet. And the files
# are as files are: someone has entered a yield twice, someone another one with a second value, someone a
# minus; someone has typed -999 for rain that wasn't measured, and one row doesn't say where it is from.

# %%
past = harvests[harvests["year"] < 2023].reset_index(drop=True)
twice = past.iloc[[40]]
otherwise = past.iloc[[900]].assign(**{"yield": 9.99})
past.loc[300, "yield"] *= -1
past.loc[500, "region"] = None
pd.concat([past, twice, otherwise]).to_parquet("yields.parquet", index=False)

measured = weather[(weather["year"] < 2023) | (weather["month"] <= 7)].reset_index(drop=True)
for region, year, month in (("R0003", 2018, 6), ("R0014", 2002, 1)):
    there = (measured["region"] == region) & (measured["year"] == year) & (measured["month"] == month)
    measured.loc[there, "rainfall"] = -999.0
measured.to_parquet("weather.parquet", index=False)

# %% [markdown]
# ## 2. Two files
#
# This is what a forecasting unit has. The weather is monthly here; days would do as well. The yields are one
# row for each region, harvest year and crop.

# %%
pd.read_parquet("weather.parquet").tail(3)

# %%
pd.read_parquet("yields.parquet").sample(3, random_state=3)

# %% [markdown]
# The map says for each region its name, the state it belongs to, its harvested area, and its boundary:

# %%
regions = json.loads(Path("land/regions.geojson").read_text())
pd.DataFrame([feature["properties"] for feature in regions["features"]]).head(3)

# %% [markdown]
# Ask `cropyield` what it makes of the files. It writes settings that run, and says what it had to guess:

# %% language="bash"
# cropyield init weather.parquet yields.parquet --settings guessed.toml

# %% [markdown]
# It can't know that these crops grow at different times of the year. That is your part. Each season is a
# window of the calendar with its crops; `as_of` are the days on which you want to be able to say something
# before the season is over. `levels` names the column of the map that sums up regions to states.

# %%
settings = """
weather = "weather.parquet"
yields = "yields.parquet"
regions = "land/regions.geojson"
store = "store"
as_of = ["05-31", "06-30", "07-31"]

[season]                          # maize, and whatever else no other season names
start = "04-01"
end = "09-30"

[seasons.winter]                  # it belongs to the year in which it ends
start = "10-01"
end = "05-31"
crops = ["barley"]

[seasons.late]
start = "07-01"
end = "10-31"
crops = ["beans"]
as_of = ["07-31"]

[aggregate]
levels = ["state"]

[measures.temperature]
unit = "°C"
range = [-60, 60]                 # what lies outside is no measurement

[measures.rainfall]
unit = "mm"
range = [0, 2000]

[[features]]
measure = "temperature"
aggregate = "mean"
every = "month"

[[features]]
measure = "rainfall"
aggregate = "sum"
every = "month"

[split]
test_seasons = 5
"""
_ = Path("settings.toml").write_text(settings)

# %% [markdown]
# ## 3. What the weather has to do with it
#
# `train` learns from all harvests so far. What it learns isn't the yield itself but how far a season falls
# from the region's own trend, since it is trends that differ between regions and rise over the years, while
# weather makes the difference between one year and the next ([why](../explanation/trend.md)).

# %% language="bash"
# cropyield train settings.toml

# %% [markdown]
# Read the table first. The last five seasons were kept from the model; for each crop and each day there is
# its error on them beside that of the best naive forecast, such as the region's own trend. Skill says how
# much smaller the squared error is. It grows with the season: on 31 May most of the maize's summer is still
# to come.
#
# Then what became of your rows. Nothing is dropped silently:

# %%
run = json.loads(Path("store/current.json").read_text())["run_id"]
rejected = pd.read_parquet(f"store/runs/{run}/rejected.parquet")
rejected[["input", "row", "region", "date", "crop", "reason"]]

# %% [markdown]
# Of the yield that was entered twice alike one copy stays. Of the two that contradict each other neither
# does, for you alone can find out which is right. The two -999 cost their months' rows, and with them that
# region's season.
#
# The run's `report.html` has the rest: a map, the errors of each season, how each month's weather acts.

# %% tags=["check"]
reasons = rejected["reason"].value_counts().to_dict()
assert reasons.pop("too little of the season covered") == 5 + 7
assert reasons == {"outside the valid range": 3, "conflicting duplicate": 2, "duplicate": 1, "missing key": 1}

# %% [markdown]
# ## 4. The forecast, and its bulletin
#
# You have been at it since spring: a forecast at the end of May, one at the end of June, and today's. Each is
# made with the model for its day. (`flows.python` does what the command `cropyield forecast` does, and a loop
# is shorter than three lines.)

# %%
for day in ("2023-05-31", "2023-06-30", "2023-07-31"):
    forecast = forecast_yields("settings.toml", as_of=day)
    print(day, forecast.message)

# %% [markdown]
# What is published is a table for machines (`forecasts.parquet`), one for states and the country
# (`aggregates.parquet`), a map for QGIS, and a page for people, the bulletin. Open `store/bulletin.html` in a
# browser: it has the map, the season so far, what drives the forecast, the track record, every region's
# figures, and what is missing. It opens with these words:

# %%
bulletin = Path("store/bulletin.html").read_text()
for card in re.findall(r"<article.*?</article>", bulletin, re.DOTALL):
    print(" ".join(html.unescape(re.sub(r"<[^>]+>", " ", card)).split()))

# %% [markdown]
# The same of the country as a table:

# %%
units = pd.read_parquet("store/aggregates.parquet")
country = units[(units["level"] == "all") & (units["year"] == 2023)]
shown = ["as_of", "predicted", "lower_80", "upper_80", "baseline", "mean_5", "chance_below_mean_5"]
country.set_index("crop")[shown].round(2)

# %% [markdown]
# Read a line aloud: the country's maize is expected at `predicted` tonnes a hectare, between `lower_80` and
# `upper_80` in four years out of five; the trend alone would say `baseline`, the last five years had
# `mean_5`, and the chance to stay below those is `chance_below_mean_5`. The interval is the country's own,
# from past errors of the country's forecasts. It is much narrower than those of regions, whose errors partly
# cancel; and that is why you must not add up the regions' bounds.
#
# The map of the maize's departures from its trend, from the same file that QGIS would open:

# %% caption="Maize 2023 as of 31 July: forecast minus trend, t/ha."
shapes = json.loads(Path(forecast.places["forecast"], "forecast.geojson").read_text())["features"]
said = forecast.predictions().query("crop == 'maize' and year == 2023").set_index("region")
departure = said["predicted"] - said["baseline"]
bound = departure.abs().max()
for shape in shapes:
    ring = np.array(shape["geometry"]["coordinates"][0])
    value = departure.get(shape["properties"]["region"], np.nan)
    plt.fill(*ring.T, color=plt.cm.BrBG(0.5 + value / bound / 2), ec="white")
plt.axis("equal")
plt.axis("off")
scale = plt.cm.ScalarMappable(plt.Normalize(-bound, bound), "BrBG")
plt.colorbar(scale, ax=plt.gca(), label="t/ha", shrink=0.7)
plt.show()

# %% [markdown]
# ## 5. "Why so low?"
#
# The country's maize looks like a record. But the minister's home region is the brownest of the map, and the
# phone rings.

# %%
lowest = departure.idxmin()
os.environ["REGION"] = lowest  # for the next cell
lowest

# %% language="bash"
# cropyield show store --why $REGION --crop maize

# %% [markdown]
# There is the answer in a sentence, with its parts: each month's weather, what is usual there, and how many
# tonnes a hectare the difference costs or brings. With the baseline the parts add up to the forecast, to the
# last digit. Below are the past seasons most like this one, and what was harvested then: the kind of argument
# that a minister can use.

# %% [markdown]
# ## 6. How good are we?
#
# Before you are believed you will be asked. A backtest forecasts each of the last seasons as it would have
# been forecast then, knowing nothing of what came after:

# %%
backtest = backtest_yields("settings.toml", seasons=5)
skill = backtest.metrics().query("split == 'test'").dropna(subset="crop")
skill.set_index(["crop", "as_of"])[["rows", "rmse", "skill", "coverage_80"]].round(2)

# %% [markdown]
# `coverage_80` should be near 0.8: that many harvests fell into their 80 % intervals. `rmse` is the usual
# error in t/ha, `skill` how much smaller the squared error is than that of the best naive forecast: nothing or
# less means that the weather known by then doesn't help. A model that is clearly worse than the naive ones
# isn't published: `train` ends with code 4 and says why.
#
# ## 7. The record
#
# Each forecast that you have issued is kept as it was issued, one small file with its number, and nothing
# ever changes it, not even pruning:

# %%
record = pd.concat(
    [
        pd.read_parquet(file).assign(issue=file.stem)
        for file in sorted(Path("store/record").glob("2*/*.parquet"))
    ]
)
maize = record.query("level == 'all' and crop == 'maize'")
maize[["issue", "as_of", "lead_days", "predicted", "lower_80", "upper_80"]].round(2)

# %% [markdown]
# So the story of the season can be told: what you said, when, and how sure you were. `cropyield compare store
# OLD NEW` says why the second differs from the first: by new weather, by a new model or by revised yields. It takes
# the forecasts' ids or their first digits, which `cropyield forecast` prints and each bulletin has at its foot,
# or the bulletins' numbers.
#
# ## 8. The next year
#
# Summer 2024. The statistical office has the harvest of 2023, and you append it to your file.

# %%
yields = pd.read_parquet("yields.parquet")
pd.concat([yields, harvests[harvests["year"] == 2023]]).to_parquet("yields.parquet", index=False)

# %% language="bash"
# cropyield score settings.toml

# %% [markdown]
# This is your own track record, and it is no simulation of the past but what you have really said. Each line
# is a crop, in regions, states or the country, and how long before the season's end it was said. Beside your
# error (`RMSE`) stand those of two simple forecasts that you could have made on the same day: the mean of the
# last five years, and the trend. `Brier` is the error of the chance, between 0 and 1: somebody who always
# says one half has 0.25. `in 80 %` is how many harvests fell into their interval.
#
# Look at the regions first, where there are many: the maize's error shrinks with every month, and by the end of
# July it is half of what the simple forecasts had. The country's maize was a tenth of a tonne off in a year in
# which the mean of five years was off by seven tenths; its barley would have been better told by the trend
# alone. Don't make much of either: it is one number.
#
# And look at the states' maize in May: one in six lay in its 80 % interval. Has the interval failed? A season's
# errors are alike everywhere, so when one state is off most are; in other years all are inside. What holds in
# four cases of five holds over seasons, not over places ([Intervals](../explanation/intervals.md)). One year
# proves little, which is why the record is kept.

# %%
verified = pd.read_parquet("store/verification.parquet")
of_maize = verified.query("level == 'region' and crop == 'maize'")
errors = of_maize.groupby("as_of")[["error", "error_mean_5", "error_baseline"]]
errors.agg(lambda error: (error**2).mean() ** 0.5).round(2)

# %% caption="The country's maize: what was said on three days, with 80 % intervals, and what was harvested."
truth = verified.query("level == 'all' and crop == 'maize'").sort_values("as_of")
plt.errorbar(
    truth["as_of"],
    truth["predicted"],
    yerr=[truth["predicted"] - truth["lower_80"], truth["upper_80"] - truth["predicted"]],
    fmt="o",
    capsize=4,
)
plt.axhline(truth["actual"].iloc[0], color="k", ls="--", label="harvested")
plt.ylabel("t/ha")
plt.legend()
plt.show()

# %% tags=["check"]
assert len(truth) == 3
inside = truth["actual"].between(truth["lower_95"], truth["upper_95"])
assert inside.any() or truth["lower_95"].isna().all()
root = errors.agg(lambda error: (error**2).mean() ** 0.5)
assert root["error"].is_monotonic_decreasing
assert departure[lowest] < -1
assert truth["error"].abs().min() < 0.2
assert truth["error_mean_5"].abs().min() > 0.5
assert verified.query("level == 'state' and crop == 'maize' and as_of == '05-31'")["inside_80"].sum() <= 2
assert root.loc["07-31", "error"] < 0.65 * root.loc["07-31", ["error_mean_5", "error_baseline"]].min()

# %% [markdown]
# Figures get revised. Should the office correct 2023 next year, `cropyield score` will hold the same forecasts
# against the corrected figures, and keep both: each version of the yields is a vintage of its own.
#
# Train again with the new season, and the circle begins anew. [`prefect.yaml`](../how-to/schedules.md) does it
# by the clock. Should the gate refuse the new model (code 4) since the current one does better by more than
# 2 % (`gate.against_current`), look at both in `cropyield show`. One odd season can do that; if nothing but the
# new harvest has changed, `cropyield train settings.toml --accept "harvest of 2023"` publishes it, with your reason.
#
# ## Where to go on
#
# - Your own files: [Use your own data](../how-to/your-data.md).
# - [Several seasons](../how-to/seasons.md), [areas, larger units and maps](../how-to/areas-maps.md).
# - What the interval promises: [Intervals](../explanation/intervals.md). Why the last seasons and not random
#   rows test a model: [Never a random split](../explanation/split.md).
# - What the model can't do: [Limits](../explanation/limits.md).
