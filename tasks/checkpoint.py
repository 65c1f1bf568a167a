"""What a killed training run continues from: one file, replaced whole, that knows which run it belongs to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

_FILE = "training.safetensors"


@dataclass
class Progress:
    """Where a run stands between two epochs."""

    epoch: int = 0
    """Epochs done."""
    begun: int = 0
    """The epoch that settling begins with."""
    waited: int = 0
    """Epochs without a better validation loss."""
    best: float = float("inf")
    """Best validation loss so far."""
    squares: list[list[float]] = field(default_factory=list)
    """Each epoch's mean squared error per crop."""


def fingerprint(tensors: Iterable[Tensor], *facts: object) -> str:
    """Digest of what a training run depends on."""
    digest = hashlib.sha256(repr(facts).encode())
    for tensor in tensors:
        digest.update(repr((tensor.shape, tensor.dtype)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()


def save_progress(
    folder: Path, run: str, progress: Progress, model: torch.nn.Linear, optimizer: torch.optim.SGD
) -> None:
    """Write the run's state to a temporary name and rename it."""
    tensors = {
        "run": torch.frombuffer(bytearray.fromhex(run), dtype=torch.uint8),
        "counts": torch.tensor([progress.epoch, progress.begun, progress.waited]),
        "best": torch.tensor(progress.best, dtype=torch.float64),
        "squares": torch.tensor(progress.squares, dtype=torch.float64),
    }
    for name, parameter in model.named_parameters():
        tensors[name] = parameter.detach().cpu().contiguous()
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"{name}_momentum"] = momentum.cpu().contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{_FILE}.tmp"
    with temporary.open("wb") as file:
        file.write(save(tensors))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / _FILE)


def load_progress(
    folder: Path, run: str, model: torch.nn.Linear, optimizer: torch.optim.SGD
) -> Progress | None:
    """The state of this very run, put into model and optimizer; None where there is none."""
    try:
        tensors = load((folder / _FILE).read_bytes())
    except (FileNotFoundError, SafetensorError):
        return None
    if bytes(tensors["run"].tolist()).hex() != run:
        return None
    restore: Callable[[Tensor, Tensor], Tensor] = lambda like, value: value.to(like.device)  # noqa: E731
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])
            if f"{name}_momentum" in tensors:
                optimizer.state[parameter]["momentum_buffer"] = restore(
                    parameter, tensors[f"{name}_momentum"]
                )
    epoch, begun, waited = (int(count) for count in tensors["counts"])
    return Progress(epoch, begun, waited, float(tensors["best"]), tensors["squares"].tolist())
