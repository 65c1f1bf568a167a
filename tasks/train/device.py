"""The training device: its choice, what fits on it, how many threads a batch deserves."""

from __future__ import annotations

import torch

from data.errors import DeviceError

# what must stay free beside the rows: a batch's activations and the allocator's slack
_HEADROOM = 0.8


def available_devices() -> tuple[str, ...]:
    """Names of the devices of this machine that `training.device` takes, besides `auto`."""
    cuda = [f"cuda:{at}" for at in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return (*cuda, *mps, "cpu")


def choose_device(name: str, precision: str = "float32") -> torch.device:
    """The device that `training.device` asks for; `auto` takes CUDA, then MPS, then the CPU.

    MPS knows no float64, so `auto` passes it over at that precision. Raises DeviceError naming the
    devices that exist.
    """
    there = available_devices()
    usable = [device for device in there if not (device == "mps" and precision == "float64")]
    if name == "auto":
        return torch.device(usable[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise DeviceError(
            f"training.device: this machine has no {name!r}; it has {', '.join(there)} (or write 'auto')"
        )
    if wanted not in usable:
        raise DeviceError(
            "training.device: mps has no float64; "
            "set training.precision = 'float32' or training.device = 'cpu'"
        )
    return torch.device(wanted)


def fits_in_memory(size: int, device: torch.device) -> bool:
    """Whether tensors of `size` bytes may move to the device once and for all."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return size < _HEADROOM * free
    return True  # the CPU's and MPS's memory is the one the rows lie in already
