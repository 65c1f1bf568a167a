"""Dealing rows to blocks, and serving the blocks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from tasks.train.batches import ArrayRows, Batches, Blocks, make_blocks


def _dealt(rows: int, batch_size: int, seed: int = 0, missing: bool = False) -> Blocks:
    x = np.arange(rows, dtype=np.float64)[:, None]
    y = np.column_stack((x[:, 0], -x[:, 0]))
    if missing:
        y[::3, 1] = np.nan
    return make_blocks(ArrayRows(x, y), batch_size, seed, torch.float64)


@given(st.integers(1, 5000), st.integers(1, 600), st.integers(0, 9), st.booleans())
@trials(deadline=None, max_examples=40)
def test_every_row_is_dealt_once_with_its_yields(rows: int, batch: int, seed: int, missing: bool) -> None:
    blocks = _dealt(rows, batch, seed, missing)
    assert len(blocks) == -(-rows // batch)
    assert max(blocks.sizes) - min(blocks.sizes) <= 1
    assert max(blocks.sizes) <= batch
    seen = []
    for block in range(len(blocks)):
        x, y, observed = (None if each is None else each.T for each in blocks.batch(block))
        assert x is not None
        assert y is not None
        seen += x[:, 0].tolist()
        if observed is None:
            observed = torch.ones_like(y)
        assert torch.equal(y[:, 0], x[:, 0])
        assert torch.equal(y[:, 1], -x[:, 0] * observed[:, 1])
        assert torch.equal(observed[:, 1] == 0, (x[:, 0] % 3 == 0) & missing)
    assert sorted(seen) == list(range(rows))
    assert blocks.observed_T[1] == (rows - len(range(0, rows, 3)) if missing else rows)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize(
    ("rows", "batch", "missing"), [(1000, 64, False), (1000, 64, True), (300_000, 7001, False)]
)
def test_pieces_hold_every_row_once(rows: int, batch: int, missing: bool, resident: bool) -> None:
    batches = Batches(_dealt(rows, batch, missing=missing), torch.device("cpu"), 0, resident)
    x, empty, marked = [], 0, 0
    for piece in batches.pieces():
        assert torch.equal(piece.x_GPB[:, 0], piece.y_GTB[:, 0])
        x += piece.x_GPB[:, 0].flatten().tolist()
        empty += piece.empty
        if piece.observed_GTB is not None:
            marked += int((piece.observed_GTB[:, 0] == 0).sum())
    # rows that stand for nothing are zeros, and are either counted or marked
    assert sorted(x)[empty + marked :] == list(range(rows))
    assert sorted(x)[: empty + marked] == [0] * (empty + marked)


def test_blocks_of_sorted_rows_are_good_samples() -> None:
    blocks = _dealt(100_000, 1000)
    means = np.array([float(blocks.batch(block).x_PB.mean()) for block in range(len(blocks))])
    # each block takes one row of every hundred neighbours: far closer than a random sample's 900
    assert np.abs(means - 49_999.5).max() < 10


def test_blocks_don_t_follow_a_period() -> None:
    # 40 seasons a region, and 40 divides into the number of blocks
    blocks = _dealt(400_000, 1000)
    for block in range(0, len(blocks), 50):
        season = blocks.batch(block).x_PB[0] % 40
        assert len(season.unique()) == 40  # type: ignore[no-untyped-call]


def test_order_is_new_each_epoch_and_the_same_again() -> None:
    blocks = _dealt(1000, 10)
    batches = Batches(blocks, torch.device("cpu"), 3)

    def order(epoch: int) -> list[float]:
        return [float(batch.x_PB[0, 0]) for batch in batches.epoch(epoch)]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1))
    assert [float(b.x_PB[0, 0]) for b in Batches(blocks, torch.device("cpu"), 4).epoch(0)] != order(0)


def test_the_process_s_random_numbers_are_left_alone() -> None:
    before = torch.random.get_rng_state()
    list(Batches(_dealt(100, 10), torch.device("cpu"), 0).epoch(0))
    assert torch.equal(before, torch.random.get_rng_state())


def test_streamed_batches_equal_resident_ones() -> None:
    blocks = _dealt(1000, 64, missing=True)
    resident = Batches(blocks, torch.device("cpu"), 0, resident=True)
    streamed = Batches(blocks, torch.device("cpu"), 0, resident=False)
    for one, other in zip(resident.epoch(5), streamed.epoch(5), strict=True):
        for left, right in zip(one, other, strict=True):
            assert left is not None
            assert right is not None
            assert torch.equal(left, right)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("resident", [True, False])
def test_batches_lie_on_the_gpu(resident: bool) -> None:
    blocks = _dealt(1000, 64, missing=True)
    there = Batches(blocks, torch.device("cuda:0"), 0, resident=resident)
    here = Batches(blocks, torch.device("cpu"), 0)
    for one, other in zip(there.epoch(2), here.epoch(2), strict=True):
        assert one.x_PB.is_cuda
        assert torch.equal(one.y_TB.cpu(), other.y_TB)
