"""The layer and its optimizer do what torch's own do, without torch's compiler."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn, optim

from tasks.train.linear import LinearOfColumns, PlainSGD, linear_layer, take_step


@pytest.mark.parametrize("beside", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_steps_are_those_of_torch_s_sgd(beside: dict[str, Any]) -> None:
    random = torch.Generator().manual_seed(0)
    x_BP, y_BT = (torch.randn(50, columns, generator=random) for columns in (3, 2))
    made = []
    for kind in (optim.SGD, PlainSGD):
        model = nn.Linear(3, 2)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(0.5)
        optimizer = kind(model.parameters(), lr=0.1, **beside)
        for rate in (0.1, 0.05, 0.01):
            (model(x_BP) - y_BT).square().mean().backward()
            take_step(optimizer, rate, beside.get("momentum", 0.0))
        assert all(parameter.grad is None for parameter in model.parameters())
        made.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(*made)


def test_columns_go_through_the_layer_as_rows_do() -> None:
    layer = linear_layer(3, 2, 0, {}, torch.float64)
    assert isinstance(layer, LinearOfColumns)
    x_GPB = torch.randn(4, 3, 7, dtype=torch.float64)
    by_row = nn.functional.linear(x_GPB.mT, layer.weight, layer.bias).mT
    torch.testing.assert_close(layer(x_GPB), by_row)
    torch.testing.assert_close(layer(x_GPB[1]), by_row[1])


def test_initial_weights_leave_the_process_s_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    one, other = (linear_layer(3, 2, 5, {}, torch.float32) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one.weight, other.weight)
    assert one.weight.abs().max() <= 3**-0.5


def test_a_fit_doesn_t_import_torch_s_compiler() -> None:
    code = (
        "import sys; from tests.tasks.worlds import settings, world; from tasks.train.fit import fit_model; "
        "fit_model(world(), settings(training={'momentum': 0.5}), 'x'); "
        "print([name for name in ('torch._dynamo', 'torch._inductor', 'sympy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
