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
# # Linear regression and gradient descent from scratch
#
# Five regions grow apples and oranges. For each we know a season's temperature, rainfall and humidity, and
# what was harvested. How much would a sixth region harvest, whose weather we know and whose harvest we
# don't?
#
# You will answer that three times: by hand, with nothing but multiplication and a derivative; with the
# tools that PyTorch brings for it; and with `cropyield`, which does the same job for thousands of regions.
# The three answers agree to the fourth decimal, and you will know why.
#
# You need Python and a little school algebra, no machine learning. It takes about an hour.
#
# **To follow along**, turn the file that this page is made of into a notebook, and open that in VS Code or
# Jupyter (`pip install jupyterlab`, `jupyter lab`); in a clone after `make docs`, with `.venv` active:
#
# ```sh
# jupytext --to ipynb --output linear_regression.ipynb docs/tutorial/linear_regression.py
# ```

# %%
import json
import shutil
from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

# %% [markdown]
# ## 1. The table
#
# The table comes with `cropyield`, as two Parquet files: what the weather was, and what was harvested. We
# copy its folder to where we work. Three seasons of five regions make fifteen rows; we begin with the five
# rows of the first season.

# %%
shutil.copytree(str(files("data") / "tutorial"), "tutorial")
weather = pd.read_parquet("tutorial/weather.parquet")
yields = pd.read_parquet("tutorial/yields.parquet")
table = weather.merge(yields, on=["region", "year"])
first = table[table["year"] == 2001]
first

# %% [markdown]
# Temperature is in degrees Fahrenheit, rainfall in millimetres, humidity in per cent; both yields are in
# tons per hectare. What we know beforehand, the weather, are the **features** (or inputs); what we want to
# know, the yields, are the **targets**.
#
# PyTorch computes with tensors: here a table of 5 rows by 3 features, and one of 5 rows by 2 targets.

# %%
FEATURES = ["temperature", "rainfall", "humidity"]
TARGETS = ["apples", "oranges"]

inputs = torch.tensor(first[FEATURES].to_numpy(dtype="float32"))
targets = torch.tensor(first[TARGETS].to_numpy(dtype="float32"))
inputs.shape, targets.shape

# %% [markdown]
# ## 2. A model by hand
#
# The simplest guess is that each yield is a weighted sum of the three measures plus a constant:
#
# $$ \text{apples} = w_{11} \, \text{temperature} + w_{12} \, \text{rainfall} + w_{13} \, \text{humidity} + b_1 $$
#
# $$ \text{oranges} = w_{21} \, \text{temperature} + w_{22} \, \text{rainfall} + w_{23} \, \text{humidity} + b_2 $$
#
# The six **weights** say by how many tons a yield changes when a measure goes up by one: $w_{12}$ is in
# tons per hectare *per millimetre*. The two **biases** are what would be left if all measures were zero. To
# learn means to find these eight numbers.
#
# We begin with numbers drawn at random. Yours would differ, so that we take those printed in a well-known
# textbook exercise: then every number on this page can be checked against it.

# %%
w = torch.tensor([[-0.2910, -0.3450, 0.0305], [-0.6528, 0.7386, -0.5153]], requires_grad=True)
b = torch.tensor([-0.9161, -0.7779], requires_grad=True)
printed_start = torch.cat([w.detach(), b.detach()[:, None]], dim=1)  # for section 6


def model(x):
    """Yields (rows × 2) of features (rows × 3)."""
    return x @ w.T + b


predictions = model(inputs)

# %% [markdown]
# `x @ w.T` is the weighted sum of every row for both crops at once, a product of matrices. Here is what the
# model says, beside what was harvested:


# %%
def beside(predictions, targets):
    """A table of predictions beside targets, in t/ha."""
    both = torch.cat([predictions, targets], dim=1).detach().double().numpy()
    columns = pd.MultiIndex.from_product([["predicted", "harvested"], TARGETS])
    return pd.DataFrame(both, columns=columns).round(1)


beside(predictions, targets)

# %% [markdown]
# Negative harvests: random weights know nothing. We need a number that says *how* wrong they are, so that
# we can make it smaller.
#
# ## 3. How wrong? The mean squared error
#
# Take the difference of each prediction to its target, square it so that misses on either side count alike,
# and average over all rows and both crops:
#
# $$ L = \frac{1}{N \, T} \sum_{n=1}^{N} \sum_{t=1}^{T} \left( \hat{y}_{nt} - y_{nt} \right)^2 $$
#
# with $N$ = 5 rows, $T$ = 2 targets, $\hat{y}$ what is predicted and $y$ what was harvested. It is called
# the **mean squared error**, MSE, and serves as our **loss**: the one number that learning makes small.


# %%
def mse(predictions, targets):
    """Mean squared error over all rows and targets, in (t/ha)²."""
    difference = predictions - targets
    return (difference * difference).mean()


loss = mse(predictions, targets)
print(f"MSE {loss.item():,.2f} (t/ha)², its root {loss.item() ** 0.5:.1f} t/ha")

# %% tags=["check"]
# The textbook prints 15813.8125; its start is printed with four decimals, hence the last digits.
assert abs(loss.item() / 15813.8125 - 1) < 1e-4

# %% [markdown]
# Squares of tons are hard to picture. The **root** of the MSE (RMSE) is in tons per hectare again: these
# weights are typically off by 126 t/ha, in a table whose largest yield is 133. Squares have a price: one
# miss of 10 t/ha counts as much as a hundred of 1 t/ha.
#
# ## 4. Which way is down? The gradient
#
# For each of the eight numbers we ask: if I raise it a little, does the loss grow or shrink, and how fast?
# That slope is the derivative of the loss with respect to the number, and the eight slopes together are the
# **gradient**. PyTorch finds it by itself: it has noted every operation since the weights, and `backward()`
# goes through them in reverse.

# %%
loss.backward()
w.grad, b.grad

# %% [markdown]
# No magic: the derivative of a square is twice what was squared, times the derivative of that. So for the
# weight of feature $f$ in target $t$
#
# $$ \frac{\partial L}{\partial w_{tf}} = \frac{2}{N T} \sum_{n=1}^{N} \left( \hat{y}_{nt} - y_{nt} \right) x_{nf} $$
#
# $$ \frac{\partial L}{\partial b_t} = \frac{2}{N T} \sum_{n=1}^{N} \left( \hat{y}_{nt} - y_{nt} \right) $$
#
# In words: the average miss, weighed by the feature it came with. That is two lines, and they agree with
# `backward()`:

# %%
with torch.no_grad():
    difference = predictions - targets
    w_slopes = 2 / difference.numel() * difference.T @ inputs
    b_slopes = 2 / difference.numel() * difference.sum(dim=0)

pd.DataFrame(
    {
        "by autograd": torch.cat([w.grad, b.grad[:, None]], dim=1).flatten(),
        "by the formula": torch.cat([w_slopes, b_slopes[:, None]], dim=1).flatten(),
    },
    index=pd.MultiIndex.from_product([TARGETS, [*FEATURES, "bias"]]),
).map("{:,.2f}".format)

# %% tags=["check"]
assert torch.allclose(w.grad, w_slopes, rtol=1e-5)
assert torch.allclose(b.grad, b_slopes, rtol=1e-5)

# %% [markdown]
# All slopes are negative, which says "raise me": the predictions are far too low. And they are large where
# the feature is large, a hundred times those of the biases. Keep that in mind; it will bite us in section 6.
#
# ### The loss is a parabola in each weight
#
# Let us look at one weight alone, that of rainfall for apples, with the other seven numbers held where they
# are. The prediction is a straight line in the weight and the loss is its square, so that the loss is a
# parabola. Its tangent at the present value has the slope that we have just computed.

# %% caption="The loss against one weight, a parabola; its tangent at the start has the gradient's slope."
start, slope = w[0, 1].item(), w.grad[0, 1].item()


def loss_at(value):
    """The loss with another weight of rainfall for apples."""
    changed = w.detach().clone()
    changed[0, 1] = value
    return mse(inputs @ changed.T + b, targets).item()


values = np.linspace(-1.5, 3.8, 100)
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(values, [loss_at(value) for value in values], label="loss")
near = np.linspace(start - 0.8, start + 1.1, 2)
tangent = loss.item() + slope * (near - start)
axes.plot(near, tangent, "--", label=f"tangent, slope {slope:,.0f}")
axes.plot([start], [loss.item()], "o", color="black")
axes.text(start + 0.2, loss.item() + 1500, "here we are")
axes.set_xlabel("weight of rainfall for apples (t/ha per mm)")
axes.set_ylabel("mean squared error ((t/ha)²)")
axes.set_ylim(0)
axes.legend()
plt.show()

# %% [markdown]
# Two things can be seen. The slope is negative, so that the weight has to grow: we go *against* the
# gradient. And near the bottom the parabola flattens: the slope gets smaller by itself as we come closer.
#
# ## 5. Gradient descent
#
# Move every number a small step against its slope:
#
# $$ w \leftarrow w - \eta \, \frac{\partial L}{\partial w}, \quad b \leftarrow b - \eta \, \frac{\partial L}{\partial b} $$
#
# The factor $\eta$ is the **learning rate**. Slopes here are around 10,000 and weights around 1, so that it
# has to be tiny; we take 0.00001. Then compute the loss anew:


# %%
def step(rate):
    """One step of gradient descent on `w` and `b`; the loss after it."""
    mse(model(inputs), targets).backward()
    with torch.no_grad():
        w.sub_(rate * w.grad)
        b.sub_(rate * b.grad)
    w.grad.zero_()  # backward() adds to what is there
    b.grad.zero_()
    return mse(model(inputs), targets).item()


w.grad.zero_()
b.grad.zero_()
losses = [loss.item()]
losses.append(step(1e-5))
losses.append(step(1e-5))
print("\n".join(f"after {n} steps: {value:10,.2f}" for n, value in enumerate(losses)))

# %% [markdown]
# Each step takes away a third. A hundred more:

# %%
for _ in range(100):
    losses.append(step(1e-5))
print(f"after {len(losses) - 1} steps: {losses[-1]:,.2f}")
print(f"its root: {losses[-1] ** 0.5:.1f} t/ha")
beside(model(inputs), targets)

# %% tags=["check"]
for n, published in {1: 10762.5488, 2: 7357.4829, 102: 130.3513}.items():
    assert abs(losses[n] / published - 1) < 1e-4, n

# %% [markdown]
# That is learning, all of it: predict, measure, find the slopes, take a step, again. From 126 t/ha off to
# 11 t/ha.
#
# ## 6. How large a step?
#
# If steps make the loss smaller, why not larger steps? Let us try some rates from the same start.


# %%
def descend(rate, steps):
    """Losses of gradient descent from the published start, by the formula."""
    # a column of ones, whose weight is the bias
    x = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1).double()
    y = targets.double()
    weights = printed_start.double()
    found = []
    for _ in range(steps + 1):
        miss = x @ weights.T - y
        found.append((miss * miss).mean().item())
        weights -= rate * 2 / miss.numel() * miss.T @ x
    return found


RATES = [1e-6, 1e-5, 1e-4, 1.2e-4, 2e-4]
paths = {rate: descend(rate, 100) for rate in RATES}
by_rate = pd.DataFrame({f"rate {rate:g}": path for rate, path in paths.items()})
by_rate.loc[[0, 1, 2, 10, 100]].rename_axis("steps").map(
    lambda loss: f"{loss:,.0f}" if loss < 1e9 else f"{loss:.0e}"
)

# %% caption="The loss over a hundred steps: too small a rate crawls, too large a one leaps out."
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for rate, path in paths.items():
    axes.plot(path, label=f"rate {rate:g}")
axes.set_yscale("log")
axes.set_ylim(5, 1e6)
axes.set_xlabel("steps")
axes.set_ylabel("mean squared error ((t/ha)²)")
axes.legend()
plt.show()
# %% [markdown]
# A rate of 0.000001 learns, slowly. 0.0001 is better than the textbook's. A little more, 0.00012, and the
# loss *grows*: each step leaps so far across the valley that it lands higher on the other side than it
# started. At 0.0002 it is beyond all bounds within a hundred steps.
#
# The border isn't a matter of luck. How bent the parabola is in each direction says how far one may step:
# the bend is the second derivative of the loss, here the same matrix for both crops,
#
# $$ H = \frac{2}{N T} X^{\mathsf T} X $$
#
# ($X$ the features with a column of ones for the bias), and gradient descent is stable as long as $\eta < 2
# / \lambda_{\max}$, with $\lambda_{\max}$ the largest eigenvalue of $H$: the bend in the most bent
# direction.

# %%
x = np.column_stack([inputs.numpy().astype(float), np.ones(5)])
bends = np.linalg.eigvalsh(2 / (5 * 2) * x.T @ x)
print("bends:", ", ".join(f"{bend:,.4g}" for bend in bends))
print(f"largest stable rate: {2 / bends[-1]:.6f}")
print(f"most bent over least bent: {bends[-1] / bends[0]:,.0f}")

# %% tags=["check"]
assert 1e-4 < 2 / bends[-1] < 1.2e-4
assert paths[1e-4][100] < paths[1e-5][100] < paths[1e-6][100] < paths[1e-6][0]
assert paths[1.2e-4][100] > paths[1.2e-4][0]
assert paths[2e-4][100] > 1e80

# %% [markdown]
# There is the bite. Rainfall goes to 134 and the bias has a feature that is always 1, so that the valley is
# two million times as steep across as along. The rate must suit the steep direction; along the flat one it
# then takes millions of steps. This is why gradient descent on raw features never quite arrives. Section 9
# mends it.
#
# ## 7. The same with PyTorch's tools
#
# PyTorch has a part for everything that we wrote by hand. Now on all fifteen rows.
#
# - `TensorDataset` pairs inputs with targets.
# - `DataLoader` hands them out in **mini-batches**, here of five rows, shuffled anew for each pass. A step
#   on five rows costs a third of a step on fifteen and goes in nearly the same direction. One pass through
#   all rows is an **epoch**. With mini-batches, gradient descent is called *stochastic*: SGD.
# - `nn.Linear(3, 2)` is our model: weights, biases and the product, started at random.
# - `F.mse_loss` is our loss.
# - `torch.optim.SGD` takes the step.

# %%
all_inputs = torch.tensor(table[FEATURES].to_numpy(dtype="float32"))
all_targets = torch.tensor(table[TARGETS].to_numpy(dtype="float32"))

dataset = TensorDataset(all_inputs, all_targets)
torch.manual_seed(0)  # the same start and shuffles each time
batches = DataLoader(dataset, batch_size=5, shuffle=True)
next(iter(batches))


# %%
def fit(epochs, linear, batches, optimizer, every=10):
    """Train `linear`; print and return the loss over all rows after each epoch."""
    history = []
    for epoch in range(1, epochs + 1):
        for x, y in batches:
            loss = F.mse_loss(linear(x), y)  # how wrong
            loss.backward()  # which way is down
            optimizer.step()  # a step
            optimizer.zero_grad()  # forget the slopes
        with torch.no_grad():
            whole = batches.dataset.tensors
            history.append(F.mse_loss(linear(whole[0]), whole[1]).item())
        if every and epoch % every == 0:
            print(f"epoch {epoch:3d}, loss {history[-1]:8.2f}")
    return history


linear = nn.Linear(3, 2)
history = fit(100, linear, batches, torch.optim.SGD(linear.parameters(), lr=1e-5))

# %%
beside(linear(all_inputs), all_targets).iloc[:5]

# %% tags=["check"]
assert history[-1] < 60 < history[9]
assert all(later < earlier for earlier, later in zip(history[9::10], history[19::10], strict=False))

# %% [markdown]
# ## 8. The exact answer
#
# How good could it get? For a linear model and squared errors the question has an exact answer. At the
# bottom of the valley all slopes are zero, and that is a system of linear equations, which `numpy` solves
# directly (**least squares**):


# %%
def exact(x, y):
    """Least squares: weights with the bias last, and their MSE."""
    with_ones = np.column_stack([x, np.ones(len(x))])
    solution = np.linalg.lstsq(with_ones, y, rcond=None)[0]
    return solution, ((with_ones @ solution - y) ** 2).mean()


_, best_of_five = exact(inputs.double().numpy(), targets.double().numpy())
solution, best = exact(all_inputs.double().numpy(), all_targets.double().numpy())
print(f"least possible MSE of five rows: {best_of_five:.6f}, of fifteen: {best:.6f}")
print(f"SGD ended at {history[-1]:.2f}: {history[-1] / best:.0f} times that")

# %% tags=["check"]
assert abs(best_of_five - 0.483121) < 1e-6
assert abs(best - 0.909446) < 1e-6

# %% [markdown]
# After a hundred epochs the loss looks small beside 15,000 and is still many times what is possible. Nobody
# who only watches a loss go down can tell. That is worth remembering: **where an exact answer exists, hold
# the trained model against it.**
#
# Why not always solve exactly, then? For a small linear model one should, and `cropyield` computes the
# exact answer too, to prove its training. SGD is what works when the model isn't linear or the rows don't
# fit in memory, and a linear model is the one place where you can see how well it does.
#
# ### What was found: a plane
#
# With two features the fitted yields lie on a plane, which can be drawn. Here are the fifteen harvests of
# apples over temperature and rainfall, and the best plane through them; vertical lines are the misses.

# %% caption="Apples over temperature and rainfall: fifteen harvests, the best plane, the misses."
two = table[["temperature", "rainfall"]].to_numpy(float)
apples = table["apples"].to_numpy(float)
(to_temperature, to_rainfall, constant), mse_of_two = exact(two, apples)
on_plane = to_temperature * two[:, 0] + to_rainfall * two[:, 1] + constant

figure = plt.figure(figsize=(7, 5))
axes = figure.add_axes((0, 0, 1, 1), projection="3d", computed_zorder=False)
grid_t, grid_r = np.meshgrid(np.linspace(65, 105, 9), np.linspace(40, 140, 11))
plane = to_temperature * grid_t + to_rainfall * grid_r + constant
axes.plot_surface(grid_t, grid_r, plane, alpha=0.35)
for (t, r), harvested, planned in zip(two, apples, on_plane, strict=True):
    axes.plot([t, t], [r, r], [planned, harvested], color="black", linewidth=1)
axes.scatter(two[:, 0], two[:, 1], apples, s=14, color="tab:red", depthshade=False)
axes.set_xlabel("temperature (°F)")
axes.set_ylabel("rainfall (mm)")
axes.set_zlabel("apples (t/ha)")
axes.view_init(elev=12, azim=-70)
axes.set_box_aspect((4, 4, 3))
_, mse_of_three = exact(all_inputs.double().numpy(), apples)
print(f"MSE of apples with two features {mse_of_two:.1f}, with three {mse_of_three:.2f}")

# %% [markdown]
# Humidity, the third feature, takes the plane to where nobody can draw it, and most of the misses away.
#
# ## 9. Scaling
#
# Two million to one was the trouble. Measure every feature from its own mean, in units of its own spread
# (its standard deviation), and all become alike: **z-scores**.
#
# $$ z = \frac{x - \text{mean}}{\text{standard deviation}} $$

# %%
means, spreads = all_inputs.mean(dim=0), all_inputs.std(dim=0, correction=0)
z = (all_inputs - means) / spreads
z_ones = np.column_stack([z.numpy().astype(float), np.ones(15)])
bends = np.linalg.eigvalsh(2 / (15 * 2) * z_ones.T @ z_ones)
print(f"most bent over least bent: {bends[-1] / bends[0]:.1f}")
print(f"largest stable rate: {2 / bends[-1]:.2f}")

# %% [markdown]
# From two million to seven, and the rate may be a hundred thousand times as large. Mini-batches see a
# larger bend than the whole table, so we stay well below the border, with 0.2:

# %%
torch.manual_seed(0)
scaled_batches = DataLoader(TensorDataset(z, all_targets), batch_size=5, shuffle=True)
constant_rate = nn.Linear(3, 2)
optimizer = torch.optim.SGD(constant_rate.parameters(), lr=0.2)
rough = fit(100, constant_rate, scaled_batches, optimizer, every=25)
print(f"above the exact answer by {rough[-1] / best - 1:.1e}")

# %% [markdown]
# Near the bottom it dances: every mini-batch pulls towards its own optimum, and a constant rate follows
# each of them. If the rate falls to zero, the dance dies down.

# %% caption="How far above the exact answer each training is, as a fraction of it."
torch.manual_seed(0)
falling_rate = nn.Linear(3, 2)
optimizer = torch.optim.SGD(falling_rate.parameters(), lr=0.2)
smooth = []
for epoch in range(100):
    optimizer.param_groups[0]["lr"] = 0.2 * (1 - epoch / 100)
    smooth += fit(1, falling_rate, scaled_batches, optimizer, every=0)
print(f"above the exact answer by {smooth[-1] / best - 1:.1e}")

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
trainings = {"raw features": history, "scaled": rough, "scaled, falling rate": smooth}
for label, path in trainings.items():
    axes.plot(range(1, 101), np.array(path) / best - 1, label=label)
axes.set_yscale("log")
axes.set_xlabel("epochs")
axes.set_ylabel("MSE / least possible MSE − 1")
axes.legend()
plt.show()
# %% tags=["check"]
assert 1e-4 < rough[-1] / best - 1 < 0.1
assert -1e-6 < smooth[-1] / best - 1 < 1e-4
assert history[-1] / best - 1 > 10

# %% [markdown]
# These weights are per spread. To read them in tons per hectare *per degree, millimetre and per cent*, undo
# the scaling: $w = w_z / \text{spread}$, and the bias gives back what the means took. Now they stand beside
# the exact ones:

# %%
with torch.no_grad():
    raw_w = falling_rate.weight / spreads
    raw_b = falling_rate.bias - raw_w @ means

learned = torch.cat([raw_w.T, raw_b[None]]).numpy()
pd.DataFrame(
    np.column_stack([learned, solution]),
    index=[*FEATURES, "bias"],
    columns=pd.MultiIndex.from_product([["learned", "exact"], TARGETS]),
).round(3)

# %% [markdown]
# A millimetre of rain is worth 0.84 t/ha of apples, and a degree Fahrenheit costs 0.42, *in this table*:
# five regions say nothing about a sixth climate.
#
# ### A new region
#
# Kanto's neighbour had 75 °F, 63 mm and 44 %:

# %%
new = np.array([75.0, 63.0, 44.0])
answer = np.append(new, 1) @ solution
print("learned", (new @ learned[:3] + learned[3]).round(2), "exact", answer.round(4))

# %% tags=["check"]
assert np.allclose(answer, [53.7956, 66.8065], atol=1e-4)
assert np.allclose(new @ learned[:3] + learned[3], answer, atol=0.05)

# %% [markdown]
# ## 10. The same job with cropyield
#
# `cropyield train` reads a settings file: where the files are, which measures make the features, which
# crops to predict. Here is the one for this table, without its comments:

# %%
for line in Path("tutorial/settings.toml").read_text().splitlines():
    if line and not line.startswith("#"):
        print(line)

# %% [markdown]
# One command reads both files, checks every row, scales, trains `nn.Linear` with `optim.SGD` and a falling
# rate, and publishes what it found into a folder, the *store*:

# %% language="bash"
# cropyield train tutorial/settings.toml --store store

# %% [markdown]
# ### Reading the report
#
# The last line names a page to open in a browser, `report.html`. From its top:
#
# - **The typical error** of each crop (its RMSE) and the share of the variance that is explained, R²: 99.9
#   %. It says at once that no season was kept for a test. These are rows that the model has seen, so that
#   they tell how well it *fits*, not how well it *forecasts*.
# - **Against what one would have said without weather.** Here the textbook's table has a surprise: the
#   model's MSE is *worse* than saying for each region what it usually yields. `skill` is negative. Fifteen
#   rows are five regions seen three times, and whoever knows the region needs no weather.
# - **Coefficients**: our weights, in raw units, with a bar for how much each feature matters.
# - **Where it misses most**, by region and row.
#
# All of it is also there for programs: `predictions.parquet` has a row for each region, year and crop. So the
# numbers that we know from sections 8 and 9 can be computed from what was published:

# %%
published = pd.read_parquet("store/predictions.parquet")
trained = ((published["predicted"] - published["actual"]) ** 2).mean()
print(f"MSE over both crops: {trained:.6f}, exact: {best:.6f}")
print(f"above the exact answer by {trained / best - 1:.0e}")

# %% tags=["check"]
assert abs(trained - 0.909446) < 1e-6
assert abs(trained / best - 1) < 1e-8

# %%
run = json.loads(Path("store/current.json").read_text())["run_id"]
file = next(Path(f"store/runs/{run}/model").rglob("coefficients.parquet"))
coefficients = pd.read_parquet(file)
of_kanto = coefficients[coefficients["region"] == "Kanto"]
of_kanto.pivot(index="term", columns="crop", values="coefficient").round(3)

# %% [markdown]
# ### The new region once more
#
# A forecast is a prediction for weather whose harvest isn't known yet. We add the new region to the
# weather, with a name of its own, and ask:

# %%
Path("with-new-region").mkdir()
row = {"region": "Alola", "year": 2004, "temperature": 75.0, "rainfall": 63.0, "humidity": 44.0}
with_new = pd.concat([weather, pd.DataFrame([row])])
with_new.to_parquet("with-new-region/weather.parquet")

# %% language="bash"
# cropyield forecast tutorial/settings.toml --store store \
#   --weather with-new-region/weather.parquet

# %%
forecasts = pd.read_parquet("store/forecasts.parquet")
forecasts[["region", "year", "crop", "unit", "predicted", "known_region"]].round(4)

# %% tags=["check"]
assert np.allclose(forecasts["predicted"], [53.7956, 66.8065], atol=1e-4)
assert not forecasts["known_region"].any()

# %% [markdown]
# The same numbers a third time. There is no interval beside them, and the command says why: an interval is
# made from errors of past forecasts, and three seasons are too few to have any.
#
# ## What next
#
# You have built everything that is in `cropyield`'s core: a linear model, the mean squared error, SGD over
# shuffled mini-batches, scaling, a falling rate, and the exact answer beside it. What it adds is what real
# regions need:
#
# - Yields rise from year to year whatever the weather, so it models
#   [departures from each region's trend](../explanation/trend.md).
# - A season is made of days, so it builds features from daily or monthly weather;
#   [your own files](../how-to/your-data.md) will do.
# - A model that fits may still forecast badly, so it is tested on
#   [seasons that it has not seen](../explanation/split.md), and a gate keeps back what does surely worse than
#   knowing the region.
