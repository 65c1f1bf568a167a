"""The linear layer: its initial weights, one step of it.

Shapes: N rows, P trained columns, T crops.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn, optim

from data.contracts.season_table import Floats


def take_step(optimizer: optim.SGD, rate: float, momentum: float) -> None:
    """One step along the gradient gathered so far."""
    for group in optimizer.param_groups:
        group["lr"], group["momentum"] = rate, momentum
    optimizer.step()
    optimizer.zero_grad()


def given_parameters(weight: Floats | None, bias: Floats | None) -> dict[str, Tensor]:
    """The parameters that somebody has given, by the names that the layer has for them."""
    given = {"weight": weight, "bias": bias}
    return {name: torch.tensor(values) for name, values in given.items() if values is not None}


def linear_layer(P: int, T: int, seed: int, start: dict[str, Tensor], dtype: torch.dtype) -> nn.Linear:
    """nn.Linear, initialised as it is by default but from a stream of random numbers of its own."""
    model = nn.Linear(P, T, device="meta", dtype=dtype).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    bound = max(P, 1) ** -0.5
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.uniform_(-bound, bound, generator=generator)
            if name in start:
                parameter.copy_(start[name])
    return model
