"""One thread for linear algebra, so that results don't depend on their number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch's CPU arithmetic on the calling thread alone.

    Results are then the same whatever the number of cores, and batches of a few thousand rows don't
    pay for waking threads (ten times their arithmetic).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
