"""What a killed training run continues from: one file, replaced whole, that knows its run."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from data.contracts.season_table import Floats

_FILE = "training.safetensors"
_EVERY = 10


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
    losses: list[float] = field(default_factory=list)
    """Each epoch's mean over crops of the mean squared error, in yield units."""

    def add(self, mse_T: list[float], unit_T: Floats) -> float:
        """Note an epoch and return its loss."""
        self.epoch += 1
        self.losses.append(float(np.mean(np.asarray(mse_T) * unit_T**2)))
        return self.losses[-1]

    def watch(self, loss: float, patience: int) -> None:
        """Begin to settle once `patience` epochs have brought no better validation loss."""
        if self.epoch >= self.begun:
            return
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(self.best, loss)
        if self.waited >= patience:
            self.begun = self.epoch


class Checkpoint:
    """The state of one run, in a folder; without a folder it keeps nothing.

    The run is known by its rows, settings and plan, so that another run's file is passed over.
    """

    def __init__(
        self,
        folder: Path | None,
        model: torch.nn.Linear,
        optimizer: torch.optim.SGD,
        rows: Tensor,
        facts: tuple[object, ...],
    ) -> None:
        self._folder, self._model, self._optimizer = folder, model, optimizer
        self._run = torch.empty(0, dtype=torch.uint8)
        if folder is not None:
            digest = hashlib.sha256(repr(facts).encode())
            for parameter in model.parameters():
                digest.update(parameter.detach().cpu().numpy().tobytes())
            digest.update(rows.numpy().data.cast("B"))
            self._run = torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)

    def save(self, progress: Progress) -> None:
        """Keep the state every tenth epoch: written to a temporary name, flushed and renamed."""
        if self._folder is None or progress.epoch % _EVERY:
            return
        tensors = {
            "run": self._run,
            "counts": torch.tensor([progress.epoch, progress.begun, progress.waited]),
            "best": torch.tensor(progress.best, dtype=torch.float64),
            "losses": torch.tensor(progress.losses, dtype=torch.float64),
        }
        for name, parameter in self._model.named_parameters():
            tensors[name] = parameter.detach().cpu().contiguous()
            momentum = self._optimizer.state[parameter].get("momentum_buffer")
            if momentum is not None:
                tensors[f"{name}_momentum"] = momentum.cpu().contiguous()
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f"{_FILE}.tmp"
        with temporary.open("wb") as file:
            file.write(save(tensors))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / _FILE)

    def load(self) -> Progress | None:
        """Put the kept state into model and optimizer; None where this run has left none."""
        if self._folder is None:
            return None
        try:
            tensors = load((self._folder / _FILE).read_bytes())
        except (FileNotFoundError, SafetensorError):
            return None
        if not torch.equal(tensors["run"], self._run):
            return None
        with torch.no_grad():
            for name, parameter in self._model.named_parameters():
                parameter.copy_(tensors[name])
                momentum = tensors.get(f"{name}_momentum")
                if momentum is not None:
                    self._optimizer.state[parameter]["momentum_buffer"] = momentum.to(parameter.device)
        epoch, begun, waited = (int(count) for count in tensors["counts"])
        return Progress(epoch, begun, waited, float(tensors["best"]), tensors["losses"].tolist())
