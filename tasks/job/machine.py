"""Facts of machine and code that a result depends on, found without importing torch."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import mmap
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "safetensors", "prefect")
_ROOMS = ("data", "tasks", "flows")
_MUCH = 1 << 30  # bytes
_ROOT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES}


def source_digest() -> str:
    """SHA-256 over the source code of the rooms: changed code is a different run."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for file in sorted((_ROOT / room).rglob("*")):
            if file.suffix in (".py", ".html", ".js", ".css"):
                name = file.relative_to(_ROOT).as_posix()
                digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def code_version() -> dict[str, str | bool]:
    """Git commit and whether files differ from it, or the package's version outside a checkout."""
    found: dict[str, str | bool] = {"source": source_digest()}
    with contextlib.suppress(metadata.PackageNotFoundError):
        found["package"] = metadata.version("cropyield")
    if (_ROOT / ".git").exists():
        commit = _git(_ROOT, "rev-parse", "HEAD")
        if commit:
            found |= {"commit": commit, "dirty": bool(_git(_ROOT, "status", "--porcelain"))}
    return found


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def cpu_capability() -> str:
    """Machine type and widest vector instructions: they decide the last bits of sums and products."""
    from numpy._core._multiarray_umath import __cpu_features__

    for name, needed in (("AVX512", ("AVX512_SKX",)), ("AVX2", ("AVX2", "FMA3"))):
        if all(__cpu_features__.get(feature) for feature in needed):
            return f"{platform.machine()} {name}"
    return platform.machine()


def device_class(device: str) -> str:
    """cuda, mps or cpu: what a training device of this name will be on this machine."""
    if device != "auto":
        return device.partition(":")[0]
    if not metadata.version("torch").endswith("+cpu") and _has_cuda():
        return "cuda"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps"
    return "cpu"


def _has_cuda() -> bool:
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        return False


def release_memory() -> None:
    """Give freed memory back to the system: allocators keep it, and the next step asks for more.

    Two thirds of what a run on 438 million rows held between two tasks were free. To get memory again takes
    time, which small jobs are spared.
    """
    with contextlib.suppress(OSError, AttributeError):
        _, resident, *_ = Path("/proc/self/statm").read_bytes().split()
        if int(resident) * mmap.PAGESIZE > _MUCH:
            import pyarrow as pa

            pa.default_memory_pool().release_unused()
            ctypes.CDLL(None).malloc_trim(0)


def facts() -> dict[str, str]:
    """What of the machine matters for reproducing a result to the byte."""
    return {"system": platform.system(), "machine": platform.machine(), "cpu_capability": cpu_capability()}


def identity(device: str) -> dict[str, Any]:
    """All of code and machine that a run's bytes depend on, with a training device of this name."""
    return {
        "source": source_digest(),
        "versions": versions(),
        "device": device_class(device),
        "cpu": cpu_capability(),
    }
