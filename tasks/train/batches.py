"""Batches: rows dealt once to blocks, each a good sample, then served in a new order each epoch.

Shapes: N rows, K blocks, G of them, B rows of a block, P columns, T crops, C = P + T (+ T where crops are
missing). A block lies by column: arithmetic on few crops is several times as fast along rows as across them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from data.contracts.season_table import Floats
from tasks.train.device import fits_in_memory

# numbers that are put into place while they lie in a core's cache
_CHUNK = 1 << 17
# rows of a piece: where blocks are small, what a step costs besides its rows counts
_PIECE = 1 << 16


class Rows(Protocol):
    """Training rows that can be had piece by piece, so that no whole copy of them is made."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, P and T."""

    def fill(self, rows: slice, out_BC: npt.NDArray[Any]) -> None:
        """Put inputs into the first P columns and targets (NaN: not grown) into the next T."""


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows that lie ready in two arrays, x_NP and y_NT."""

    x_NP: Floats
    y_NT: Floats

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.x_NP.shape, self.y_NT.shape[1])

    def fill(self, rows: slice, out_BC: npt.NDArray[Any]) -> None:
        P = self.x_NP.shape[1]
        out_BC[:, :P] = self.x_NP[rows]
        out_BC[:, P:] = self.y_NT[rows]


class Batch(NamedTuple):
    """One block: inputs, targets (0 where not grown) and 1 where grown (None: all are)."""

    x_PB: Tensor
    y_TB: Tensor
    observed_TB: Tensor | None


class Piece(NamedTuple):
    """Neighbouring blocks at once; `empty` rows of zeros among them count for nothing."""

    x_GPB: Tensor
    y_GTB: Tensor
    observed_GTB: Tensor | None
    empty: int


@dataclass(frozen=True, eq=False)
class Blocks(Dataset[Tensor]):
    """Rows in the order of their blocks; a block is a view, found without touching a row.

    `rows_KCB` holds inputs, targets and, where any is missing, a column per crop that is 1 where
    it is grown. `sizes` are the rows of each block: they differ by one at most, and behind a short one is a
    row of zeros.
    """

    rows_KCB: Tensor
    sizes: tuple[int, ...]
    inputs: int
    crops: int
    observed_T: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, block: int) -> Tensor:
        return self.rows_KCB[block]

    def batch(self, block: int) -> Batch:
        """A block's columns by what they are."""
        return self.split(self[block], block)

    def split(self, rows_CB: Tensor, block: int) -> Batch:
        """The columns of a block's rows, wherever they lie by now."""
        at, rows_CB = self.inputs + self.crops, rows_CB[:, : self.sizes[block]]
        observed_TB = rows_CB[at:] if len(rows_CB) > at else None
        return Batch(rows_CB[: self.inputs], rows_CB[self.inputs : at], observed_TB)

    def pieces(self) -> Iterator[Piece]:
        """All rows in few pieces; empty rows are counted where nothing else marks them as such."""
        K, C, B = self.rows_KCB.shape
        some, at = max(1, _PIECE // B), self.inputs + self.crops
        for block in range(0, K, some):
            rows_GCB, sizes = self.rows_KCB[block : block + some], self.sizes[block : block + some]
            marked = at < C
            empty = 0 if marked else len(sizes) * B - sum(sizes)
            observed_GTB = rows_GCB[:, at:] if marked else None
            yield Piece(rows_GCB[:, : self.inputs], rows_GCB[:, self.inputs : at], observed_GTB, empty)


def make_blocks(source: Rows, batch_size: int, seed: int, dtype: torch.dtype) -> Blocks:
    """Deal rows to K = ceil(N / batch_size) blocks.

    Each run of K neighbours is dealt one row to each block, beginning at a random block. So a block
    holds a random row of every run: a good sample of the whole however the rows are sorted (region,
    year, yield), and also where they repeat with a period. Memory is read in order.
    """
    N, P, T = source.shape
    K = max(1, -(-N // batch_size))
    runs = -(-N // K)
    begin_R = torch.randint(K, (runs,), generator=torch.Generator().manual_seed(seed)).numpy()
    kind = np.float64 if dtype == torch.float64 else np.float32
    C = P + T
    blocks_KCB = np.zeros((K, C, runs), kind)
    some = max(1, _CHUNK // (K * C))
    piece_CB = np.empty((C, some * K), kind)
    card_K = np.arange(K)[:, None]
    for run in range(0, runs, some):
        rows = slice(run * K, min(N, (run + some) * K))
        source.fill(rows, piece_CB[:, : rows.stop - rows.start].T)
        begin = begin_R[run : run + some]
        order_KR = (card_K - begin) % K + np.arange(len(begin)) * K
        for at in range(C):
            blocks_KCB[:, at, run : run + some] = piece_CB[at].take(order_KR)
    sizes = np.full(K, runs)
    if runs * K > N:  # the last run is short: some blocks got what isn't there
        missing = (np.arange(K) - begin_R[-1]) % K >= N - (runs - 1) * K
        sizes[missing] -= 1
        blocks_KCB[missing, :, -1] = 0.0
    y_KTB = blocks_KCB[:, P:]
    observed_T = (float(N),) * T
    if np.isnan(y_KTB).any():
        observed_KTB = (~np.isnan(y_KTB)).astype(kind)
        observed_KTB[sizes < runs, :, -1] = 0.0
        blocks_KCB = np.concatenate((blocks_KCB[:, :P], np.nan_to_num(y_KTB), observed_KTB), axis=1)
        observed_T = tuple(observed_KTB.sum(axis=(0, 2), dtype=np.float64).tolist())
    return Blocks(torch.from_numpy(blocks_KCB), tuple(sizes.tolist()), P, T, observed_T)


class _Order(Sampler[int]):
    """Blocks in an order of their own for each epoch, the same whenever the epoch is run."""

    def __init__(self, blocks: int, seed: int) -> None:
        self.blocks, self.seed, self.epoch = blocks, seed, 0

    def __len__(self) -> int:
        return self.blocks

    def __iter__(self) -> Iterator[int]:
        # random numbers of its own for each epoch, so that a resumed run needs no history
        mixed = (self.seed * 1_000_003 + self.epoch + 1) % 2**63
        return iter(torch.randperm(self.blocks, generator=torch.Generator().manual_seed(mixed)).tolist())


class Batches:
    """A DataLoader over dealt rows: `epoch(e)` yields its batches on the device.

    Rows that fit on the device go there once. Others stay in pinned memory, and each block travels while
    the device works on the one before (`resident` overrides the choice).
    """

    def __init__(self, blocks: Blocks, device: torch.device, seed: int, resident: bool | None = None) -> None:
        rows = blocks.rows_KCB
        self._streams = not (fits_in_memory(rows.nbytes, device) if resident is None else resident)
        self._side = torch.cuda.Stream(device) if self._streams and device.type == "cuda" else None  # type: ignore[no-untyped-call]
        if not self._streams:
            rows = rows.to(device)
        elif device.type == "cuda":
            rows = rows.pin_memory()
        self._blocks = Blocks(rows, blocks.sizes, blocks.inputs, blocks.crops, blocks.observed_T)
        self._device = device
        self._order = _Order(len(blocks), seed)
        # batch_size None: an item is a whole block already, nothing is collated row by row;
        # a generator of its own: the loader must not draw from the process's random numbers
        self._loader = DataLoader(
            self._blocks, batch_size=None, sampler=self._order, generator=torch.Generator(),
            collate_fn=_as_it_is,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._order)

    def retarget(self, targets: Blocks) -> None:
        """Replace the targets by others of the same rows, dealt alike without inputs."""
        at = self._blocks.inputs
        self._blocks.rows_KCB[:, at : at + targets.crops] = targets.rows_KCB[:, : targets.crops]

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Batches of one epoch (0-based), in its own order."""
        self._order.epoch = epoch
        blocks: Iterator[Tensor] = iter(self._loader)
        if self._streams:
            blocks = self._ahead(blocks)
        return map(self._blocks.split, blocks, self._order)

    def pieces(self) -> Iterator[Piece]:
        """All rows once, as large pieces as are worth it."""
        if not self._streams:
            return self._blocks.pieces()
        blocks = self._ahead(iter(self._loader))
        return (Piece(x[None], y[None], None if seen is None else seen[None], 0)
                for x, y, seen in map(self._blocks.split, blocks, self._order))  # fmt: skip

    def _ahead(self, blocks: Iterator[Tensor]) -> Iterator[Tensor]:
        waiting: Tensor | None = None
        for block in blocks:
            with torch.cuda.stream(self._side) if self._side else nullcontext():
                coming = block.to(self._device, non_blocking=True)
            if waiting is not None:
                yield waiting
            if self._side:
                torch.cuda.current_stream(self._device).wait_stream(self._side)
                coming.record_stream(torch.cuda.current_stream(self._device))
            waiting = coming
        if waiting is not None:
            yield waiting


def _as_it_is(block: Any) -> Any:
    return block
