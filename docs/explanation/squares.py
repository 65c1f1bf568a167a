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
# # Squares: too much of a good thing
#
# A linear model says: ten millimetres more are worth the same, whether a region is parched or under water. Mark a
# feature with `square = true` and its square comes along. The model stays linear in what it *learns*, so that
# training, the exact optimum and the certificate stay what they are; but what it has learnt about rain is now a
# parabola with a best amount.
#
# Three simulated regions with the same crop. Its yield falls off on either side of 500 mm; one region is dry,
# one just right, one wet.

# %%
import matplotlib.pyplot as plt
import numpy as np

draw = np.random.default_rng(1)
usual = np.array([300.0, 500.0, 700.0])  # mm a season
rain = usual[:, None] + draw.normal(0, 80, (3, 40))
yields = 8 - 2e-5 * (rain - 500) ** 2 + draw.normal(0, 0.2, rain.shape)


def departed(values):
    """Departures from each region's own mean, all regions in one column."""
    return (values - values.mean(axis=1, keepdims=True)).ravel()


linear = departed(rain)[:, None]
centre = rain.mean()
with_square = np.column_stack([departed(rain), departed((rain - centre) ** 2)])


def fit(features):
    """Least squares on departures: the weights, and the share of variance explained."""
    weights = np.linalg.lstsq(features, departed(yields), rcond=None)[0]
    missed = departed(yields) - features @ weights
    return weights, 1 - missed.var() / departed(yields).var()


(slope,), explained_by_line = fit(linear)
(first, second), explained_by_parabola = fit(with_square)
print(f"explained: rain {explained_by_line:.0%}, rain and its square {explained_by_parabola:.0%}")
print(f"best amount: {centre - first / (2 * second):.0f} mm, true 500 mm")

# %% caption="Yields of a dry, a good and a wet region over rain; what the line and what the parabola say in each."
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for at, name in enumerate(["dry", "good", "wet"]):
    axes.plot(rain[at], yields[at], "o", markersize=4, alpha=0.6, label=f"{name} region")
    x = np.linspace(rain[at].min(), rain[at].max(), 50)
    level, mean = yields[at].mean(), rain[at].mean()
    axes.plot(x, level + slope * (x - mean), "--", color="grey")
    bent = (x - centre) ** 2 - ((rain[at] - centre) ** 2).mean()
    axes.plot(x, level + first * (x - mean) + second * bent, color="black")
axes.set_xlabel("rain (mm)")
axes.set_ylabel("yield (t/ha)")
axes.legend()
plt.show()

# %% tags=["check"]
assert explained_by_line < 0.1 < 0.5 < explained_by_parabola
assert abs(centre - first / (2 * second) - 500) < 15

# %% [markdown]
# The line (dashed) finds nothing: what rain gives to the dry region it takes from the wet one. The parabola (black)
# explains most.
#
# Note how it is made. The square is taken of the raw value, about the mean of all training rows, and *then* departed
# from the region's own mean like any feature. So a dry season harms a dry region and helps a wet one, with two
# weights for all: the effect of a millimetre depends on the climate that it falls into.
#
# - The centre differs from fit to fit, so that the square is no column of `dataset.parquet`; `model.json` holds it.
# - `coefficients.parquet` has both powers, expanded to the raw value and its square, in raw units.
# - In the drivers of a forecast a feature and its square are one term.
#
# ## What it is worth
#
# Skill against the best naive baseline, rolling origin, 323 US climate divisions, one change at a time from one line
# (10, 1), one round, no ridge:
#
# | | maize | soybeans | winter wheat |
# | --- | --- | --- | --- |
# | without squares | 0.253 | 0.319 | 0.043 |
# | with squares | 0.289 | 0.354 | 0.086 |
#
# It costs one weight a feature. With few seasons leave it out, or let the ridge hold it.
