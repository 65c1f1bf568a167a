"""The linear layer: its initial weights, one step of it.

Shapes: B rows of a batch, P trained columns, T crops.
"""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn, optim

from data.contracts.season_table import Floats


class LinearOfColumns(nn.Linear):
    """nn.Linear for rows that lie by column: x_PB to y_TB, or several blocks of them, x_GPB to y_GTB."""

    def forward(self, x_PB: Tensor) -> Tensor:
        if x_PB.dim() == 2:
            return torch.addmm(self.bias[:, None], self.weight, x_PB)
        return torch.baddbmm(self.bias[:, None], self.weight.expand(len(x_PB), -1, -1), x_PB)


class PlainSGD(optim.SGD):
    """optim.SGD, its methods taken from under what lets torch's compiler see them.

    Those decorators import the compiler at the first call, which takes as long as torch itself. The bodies
    are torch's own (`functools.wraps` keeps them); decorated in another way they would only start slower.
    """

    step = torch.no_grad()(inspect.unwrap(optim.SGD.step))
    zero_grad = inspect.unwrap(optim.SGD.zero_grad)
    add_param_group = inspect.unwrap(optim.SGD.add_param_group)


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


def linear_layer(P: int, T: int, seed: int, start: dict[str, Tensor], dtype: torch.dtype) -> LinearOfColumns:
    """nn.Linear, initialised as it is by default but from a stream of random numbers of its own."""
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten
        model = LinearOfColumns(P, T, dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    bound = max(P, 1) ** -0.5
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.uniform_(-bound, bound, generator=generator)
            if name in start:
                parameter.copy_(start[name])
    return model
