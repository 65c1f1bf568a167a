"""What training is compared with: each peer fits the same arrays and hands back raw coefficients.

Shapes: N rows, F features, T crops.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, SGDRegressor
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

from data.contracts.season_table import Floats, SeasonTable
from data.settings.schema import Settings
from tasks.train.fit import fit_model

# coefficients [T, F] and intercepts [T] in raw units
Solution = tuple[Floats, Floats]


@dataclass(frozen=True)
class Peer:
    """One way to fit, the largest table it is run on, and how often the median is taken over."""

    name: str
    fit: Callable[[SeasonTable], Solution]
    most_rows: int = 10**8
    repeats: int = 3


def made_up(rows: int, features: int) -> SeasonTable:
    """Two crops, weather of unlike units, rows sorted by the first crop's yield, in key order."""
    random = np.random.default_rng(7)
    level, spread = random.uniform(10, 300, features), random.uniform(1, 50, features)
    x_NF = random.normal(level, spread, size=(rows, features))
    weight_TF = random.normal(size=(2, features)) / spread
    y_NT = x_NF @ weight_TF.T + random.normal(size=(rows, 2)) * [1.0, 2.0]
    order_N = np.argsort(y_NT[:, 0])
    regions = -(-rows // 40)
    return SeasonTable(
        tuple(f"{region:07d}" for region in range(regions)),
        np.arange(rows) // 40,
        1980 + np.arange(rows) % 40,
        np.broadcast_to(np.array("train"), rows),
        tuple(f"f{at}" for at in range(features)),
        np.ascontiguousarray(x_NF[order_N]),
        ("one", "two"),
        np.ascontiguousarray(y_NT[order_N]),
    )


def engine(table: SeasonTable) -> Solution:
    """This project: normalising, dealing, at least ten batches, epochs as needed, and the certificate."""
    batch = min(65_536, -(-len(table) // 10))
    raw = {
        "weather": "-", "yields": "-", "store": "-", "features": [{"measure": "year"}], "baseline": "none",
        "training": {"batch_size": batch, "device": "cpu", "ridge_seasons": 0},
    }  # fmt: skip
    model = fit_model(table, Settings.model_validate(raw), "12-31")
    assert model.record["batches"] >= 10
    weight_TF, intercept_RT, _ = model.normaliser.fold(model.weight_TP, model.bias_T)
    return weight_TF, intercept_RT[-1]


def closed_form(table: SeasonTable) -> Solution:
    """scikit-learn's LinearRegression."""
    fitted = LinearRegression().fit(table.x_NF, table.y_NT)
    return fitted.coef_, fitted.intercept_


def sgd_regressor(table: SeasonTable) -> Solution:
    """scikit-learn's StandardScaler and one epoch of an SGDRegressor for each crop."""
    scaler = StandardScaler().fit(table.x_NF)
    z_NF = scaler.transform(table.x_NF)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        each = [
            SGDRegressor(penalty=None, max_iter=1, tol=None, random_state=0).fit(z_NF, y_N)
            for y_N in table.y_NT.T
        ]
    weight_TF = np.array([fitted.coef_ for fitted in each]) / scaler.scale_
    return weight_TF, np.array([fitted.intercept_[0] for fitted in each]) - weight_TF @ scaler.mean_


def default_loader(table: SeasonTable) -> Solution:
    """What a tutorial does: z-scores, TensorDataset, DataLoader(shuffle=True), one epoch of nn.Linear."""
    mean_F, scale_F = table.x_NF.mean(axis=0), table.x_NF.std(axis=0)
    y_mean_T, y_scale_T = table.y_NT.mean(axis=0), table.y_NT.std(axis=0)
    z_NF = torch.tensor((table.x_NF - mean_F) / scale_F, dtype=torch.float32)
    u_NT = torch.tensor((table.y_NT - y_mean_T) / y_scale_T, dtype=torch.float32)
    torch.manual_seed(0)
    model = torch.nn.Linear(z_NF.shape[1], 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for z_BF, u_BT in DataLoader(TensorDataset(z_NF, u_NT), batch_size=4096, shuffle=True):
        loss = torch.nn.functional.mse_loss(model(z_BF), u_BT)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    weight_TF = model.weight.detach().double().numpy() * y_scale_T[:, None] / scale_F
    bias_T = model.bias.detach().double().numpy() * y_scale_T + y_mean_T
    return weight_TF, bias_T - weight_TF @ mean_F


PEERS = (
    Peer("cropyield", engine),
    Peer("LinearRegression", closed_form),
    Peer("StandardScaler + 2 SGDRegressor, one epoch", sgd_regressor, repeats=1),
    Peer("default DataLoader, one epoch", default_loader, most_rows=1_000_000, repeats=1),
)
