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
# # Intervals: the season is the unit
#
# "8.2 t/ha, 80 % between 7.1 and 9.3" promises that eight of ten such statements come true. How wide must the
# interval be? The model's own arithmetic doesn't know: it would have to believe that the world is linear with
# normal errors. `cropyield` asks the record instead: how wrong have forecasts like this one been?
#
# **Errors that are errors.** The last 25 training seasons (`split.calibration_seasons`) are each predicted by a
# model that knows only the seasons before. These misses are the kind that the next forecast will have; those of
# rows that trained are far too small.
#
# **Relative to the region.** A dry region is harder to predict than an irrigated one. Each error is divided by the
# usual size of errors in its region, taken from its *other* seasons and pulled towards the middle of all regions,
# so that one that was seen rarely isn't taken at its word.
#
# **The season as the unit.** Suppose 500 regions and 20 seasons: 10,000 errors. Are these 10,000 pieces of
# evidence? A drought makes 500 errors at once. There are 20, one for each season, and an interval that ignores it
# is too narrow in just the year when it matters. Look at a world in which each season has a common miss:

# %%
import matplotlib.pyplot as plt
import numpy as np

draw = np.random.default_rng(0)
worlds, seasons, regions = 2000, 20, 100
common = draw.normal(0, 1, (worlds, seasons + 1, 1))
errors = np.abs(common + draw.normal(0, 0.5, (worlds, seasons + 1, regions)))
past, next_season = errors[:, :-1], errors[:, -1]

# rows as the unit: the 80 % quantile of all past errors
by_rows = np.quantile(past.reshape(worlds, -1), 0.8, axis=1)
# seasons as the unit: every season weighs alike, and the worst one seen stands for the one to come
heavy = np.concatenate([past, past[np.arange(worlds), past.mean(axis=2).argmax(axis=1)][:, None]], axis=1)
by_seasons = np.quantile(heavy.reshape(worlds, -1), 0.8, axis=1)

for name, width in {"rows": by_rows, "seasons": by_seasons}.items():
    inside = (next_season <= width[:, None]).mean(axis=1)
    print(
        f"{name:8s} inside on average {inside.mean():.1%}, fewer than half inside in {(inside < 0.5).mean():.1%}"
    )

# %% caption="In a season with a common miss, most regions fall outside together: shares inside an 80 % interval, by season."
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.hist((next_season <= by_seasons[:, None]).mean(axis=1), bins=25)
axes.set_xlabel("share of regions inside their 80 % interval in one season")
axes.set_ylabel("simulated seasons")
plt.show()

# %% tags=["check"]
covered = (next_season <= by_seasons[:, None]).mean()
assert 0.79 < covered < 0.84
assert (next_season <= by_rows[:, None]).mean() < covered

# %% [markdown]
# The promise is kept over *seasons*: eight of ten on average over the years, though not eight of ten regions in
# each year. That is what a reader of one season's map has to know.
#
# This is *split conformal prediction* with the season as the unit of exchange (Vovk, Gammerman and Shafer 2005).
# The season to come might be worse than all seen ones; the worst one seen counts a second time in its place. So
# 80 % needs at least 4 seasons and 95 % at least 19. With fewer the columns are null, and a sentence says why: an
# interval from three seasons would be a guess in a lab coat.
#
# **Chances come from the same errors.** The chance of a yield below the mean of five years is the share of past
# seasons' errors that would bring it there, with the season to come as one more that counts half. Nine seasons of
# nine make 95 % and not certainty. An interval reaches as far up as down; a chance asks only one side, so a mean
# well inside the range can still be likely to be missed where the large errors all went the other way.
#
# ## What is reported
#
# - **Coverage** on the test seasons and in backtests, beside what was promised.
# - **Mean width**, and the **interval score** (Gneiting and Raftery 2007), which is small for intervals that are
#   narrow *and* cover, beside that of intervals made the same way around the trend alone.
# - A season further ahead has wider intervals, calibrated on errors made that far ahead.
# - A region that the model hasn't seen has widths from errors made without knowing the region.
#
# Ends never leave the crop's valid range further than the prediction does: a trend that is drawn on to decades before a
# region's first yield can lead below zero, and is not bent there. On 323 US climate divisions, each season of 2013–2022
# predicted from those before it with all of its weather, 80 % intervals covered 79 % of corn yields and 82 % of soybean
# yields (2,221 and 1,957 of them; as in the README and the benchmarks).
