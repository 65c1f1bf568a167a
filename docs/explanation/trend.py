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
# # Why departures from a trend
#
# Weather explains little of how yields *differ*. Maize in Iowa yields three times what it did in 1960, in the
# same climate: breeding, fertiliser and machines did that. And one region yields twice what its neighbour does,
# in the same season: soils did that. A model that is shown raw yields and raw weather has to explain both by
# weather, and finds nonsense: it was a little warmer lately and yields were higher, so warmth must be good.
#
# What weather does explain is why a season was better or worse than a region's *own usual*. So `cropyield`, like
# the forecasting units of ministries and agencies, models **departures**: of the yield from the region's own line
# over the years, explained by departures of the weather from the region's own climate.
#
# Here is a simulated region, where the truth is known: technology adds 0.08 t/ha a year, a millimetre of rain
# above the usual adds 0.01 t/ha, and rainfall itself happens to rise over the years.

# %%
import matplotlib.pyplot as plt
import numpy as np

draw = np.random.default_rng(4)
years = np.arange(1984, 2024)
rain = 300 + 1.5 * (years - 1984) + draw.normal(0, 40, len(years))
yields = 3 + 0.08 * (years - 1984) + 0.01 * (rain - rain.mean()) + draw.normal(0, 0.15, len(years))


def line(x, y):
    """Slope and intercept of the least-squares line."""
    return np.polyfit(x, y, 1)


def departures(values):
    """What is left of a series when its own line over the years is taken away."""
    slope, level = line(years, values)
    return values - (level + slope * years)


raw, _ = line(rain, yields)
departed, _ = line(departures(rain), departures(yields))
print(f"effect of a millimetre: true 0.0100, raw {raw:.4f}, from departures {departed:.4f}")

# %% caption="One region: yields with their line (left); what is left of them against what is left of rain (right)."
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
slope, level = line(years, yields)
left.plot(years, yields, "o-", linewidth=1, markersize=4)
left.plot(years, level + slope * years, "--")
left.set_xlabel("harvest year")
left.set_ylabel("yield (t/ha)")
right.plot(departures(rain), departures(yields), "o", markersize=4)
edges = np.array([-90, 90])
right.plot(edges, departed * edges, "--")
right.set_xlabel("departure of rain (mm)")
right.set_ylabel("departure of yield (t/ha)")
plt.show()

# %% tags=["check"]
assert abs(departed - 0.01) < 0.002
assert raw > 0.015

# %% [markdown]
# The raw values credit rain with what technology did, and nearly double its effect. The departures find the truth.
#
# ## What `baseline` chooses
#
# | `baseline` | a yield is | use it |
# | --- | --- | --- |
# | `"none"` | explained by raw weather alone | for the textbook, and for simulated data without regions |
# | `"mean"` | the region's mean, plus what weather departs | with few seasons, or where yields have no trend |
# | `"trend"` | the region's line over the years, plus what weather departs | otherwise: the default |
#
# Everything is fitted on training rows only. A region that the model hasn't seen takes the pooled line, and says
# so: `known_region` is false.
#
# ## Not one line, but the average of a few
#
# How fast should a line forget? One that follows the last years closely wins where yields jump, after a new variety
# or a war, and loses where they only wobble. No single answer is best, so the baseline is the average of a few
# lines, each a `[[trend]]` in the settings:
#
# - `half_life`: after so many seasons one counts half; `inf`: all alike.
# - `slope_half_life`: the same for the slope alone, by default as `half_life`. A level may have to forget quickly
#   that a slope can only be told from decades.
# - `shrinkage`: how much a region's slope is pulled to that of all, in units of the median region's information. 0
#   leaves it alone, `inf` gives every region the pooled slope. Regions with few seasons are pulled most.
#
# The average of lines is a line, so that coefficients keep their form. The default is (10, shrinkage 1), (5,
# shrinkage 1) and (3, slope half-life 20, shrinkage inf).
#
# ## How much it is worth
#
# On 323 climate divisions of the United States, maize and soybeans, monthly temperature and rainfall from April to
# September, tested on 2010–2022 (mean squared error, mean of both crops, exact least squares):
#
# | what is predicted | MSE |
# | --- | --- |
# | raw yields from raw weather | 2,037 |
# | … and the year as a feature | 537 |
# | without weather: the mean of the last five years | 544 |
# | without weather: each region's own trend | 346 |
# | **departures from each region's trend, from departures of the weather** | **293** |
#
# Weather alone is four times as bad as saying what the last five years were. Only on top of the trend does it earn
# its place.
