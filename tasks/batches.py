"""How rows become batches: dealt once like cards, then served as whole blocks in a new order each epoch.

Shapes: N rows, B rows of a block, P columns, T crops, K blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tasks.device import fits


class Batch(NamedTuple):
    """One block: inputs, targets (0 where not grown) and which are grown (None: all)."""

    x_BP: Tensor
    y_BT: Tensor
    grown_BT: Tensor | None


@dataclass(frozen=True, eq=False)
class Dealt(Dataset[Batch]):
    """Rows in the order of their blocks; a block is a view, found without touching a row."""

    x_NP: Tensor
    y_NT: Tensor
    grown_NT: Tensor | None
    edges: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __getitem__(self, block: int) -> Batch:
        rows = slice(self.edges[block], self.edges[block + 1])
        return Batch(self.x_NP[rows], self.y_NT[rows], None if self.grown_NT is None else self.grown_NT[rows])

    def tensors(self) -> list[Tensor]:
        return [tensor for tensor in (self.x_NP, self.y_NT, self.grown_NT) if tensor is not None]

    def to(self, device: torch.device) -> Dealt:
        """All rows on the device if they fit there; else pinned, so that blocks travel while it works."""
        if device.type == "cpu":
            return self
        if fits(sum(tensor.nbytes for tensor in self.tensors()), device):
            return self._each(lambda tensor: tensor.to(device))
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, move: object) -> Dealt:
        assert callable(move)
        grown = None if self.grown_NT is None else move(self.grown_NT)
        return Dealt(move(self.x_NP), move(self.y_NT), grown, self.edges)


def deal(x_NP: Tensor, y_NT: Tensor, batch_size: int, seed: int) -> Dealt:
    """Deal rows to K = ceil(N / batch_size) blocks whose sizes differ by one at most.

    Each run of K neighbours is dealt one row to each block, starting at a random block: a random
    row of every run, so that a block is a good sample of the whole however the rows are sorted
    (region, year, yield), and the memory is read in order. NaN in y means not grown.
    """
    N = len(x_NP)
    K = max(1, -(-N // batch_size))
    grown_NT = ~y_NT.isnan()
    complete = bool(grown_NT.all())
    if K > 1:
        order_N, edges = _cards(N, K, seed)
        x_NP, y_NT = x_NP[order_N], y_NT[order_N]
        grown_NT = grown_NT if complete else grown_NT[order_N]
    else:
        edges = (0, N)
    if not complete:
        y_NT = torch.where(grown_NT, y_NT, 0.0)
    return Dealt(x_NP, y_NT, None if complete else grown_NT.to(y_NT.dtype), edges)


def _cards(N: int, K: int, seed: int) -> tuple[Tensor, tuple[int, ...]]:
    """Rows in the order of blocks, and where each block begins."""
    runs = -(-N // K)
    start = torch.randint(K, (runs,), generator=torch.Generator().manual_seed(seed))
    first = torch.arange(runs) * K
    blocks, edges = [], [0]
    for block in range(K):
        rows = first + (block - start) % K
        if rows[-1] >= N:  # the last run is short
            rows = rows[:-1]
        blocks.append(rows)
        edges.append(edges[-1] + len(rows))
    return torch.cat(blocks), tuple(edges)


class _Order(Sampler[int]):
    """Blocks in an order of their own for each epoch, the same whenever the epoch is run."""

    def __init__(self, blocks: int, seed: int) -> None:
        self.blocks, self.seed, self.epoch = blocks, seed, 0

    def __len__(self) -> int:
        return self.blocks

    def __iter__(self) -> Iterator[int]:
        # one stream of random numbers per epoch, so that a resumed run needs no history
        mixed = (self.seed * 1_000_003 + self.epoch + 1) % 2**63
        return iter(torch.randperm(self.blocks, generator=torch.Generator().manual_seed(mixed)).tolist())


class Batches:
    """A DataLoader over dealt rows: `epoch(e)` yields its batches on the device."""

    def __init__(self, dealt: Dealt, device: torch.device, seed: int) -> None:
        self._order = _Order(len(dealt), seed)
        self._device = device
        # batch_size None: an item is already a whole batch, so nothing is collated row by row
        self._loader = DataLoader(dealt, batch_size=None, sampler=self._order, collate_fn=_as_it_is)

    def __len__(self) -> int:
        return len(self._order)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        self._order.epoch = epoch
        ahead: Batch | None = None
        for batch in self._loader:
            # the next block travels while the device works on this one
            coming = Batch(*(None if t is None else t.to(self._device, non_blocking=True) for t in batch))
            if ahead is not None:
                yield ahead
            ahead = coming
        if ahead is not None:
            yield ahead


def _as_it_is(batch: Batch) -> Batch:
    return batch
