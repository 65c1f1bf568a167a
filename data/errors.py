"""What can go wrong, and the exit code each kind of failure ends the command with.

CropyieldError            1
├── SettingsError         2
│   └── DeviceError       2
├── InputError            3
├── GateError             4
├── StorageError          5
│   ├── NoBucketError     5
│   └── DamageError       5
└── ServerError           5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXIT_CODES: Mapping[int, str] = {
    0: "done, or nothing new to do",
    1: "unexpected",
    2: "bad settings or usage",
    3: "an input is missing or breaks its contract",
    4: "the gate refused the run",
    5: "the store, an input's storage or Prefect's server failed",
    130: "stopped by Ctrl-C",
}
"""What the command says by its exit code, wherever people read of it."""


class CropyieldError(Exception):
    """Root of everything this project raises on purpose; the message is for people."""

    exit_code = 1


class SettingsError(CropyieldError):
    """A setting or an argument can't be used as given."""

    exit_code = 2


class DeviceError(SettingsError):
    """A training device was asked for that this machine doesn't have."""


class InputError(CropyieldError):
    """An input is missing, unreadable or breaks its contract."""

    exit_code = 3


class GateError(CropyieldError):
    """The run was finished and kept, but its gate refused to make it the current one."""

    exit_code = 4
    result: dict[str, Any] | None = None
    """The summary of the run, where somebody has drawn it up."""


class StorageError(CropyieldError):
    """Reading or writing a file system failed; the same call may succeed later."""

    exit_code = 5


class NoBucketError(StorageError):
    """The bucket that a location names doesn't exist; repeating won't help."""


class ServerError(CropyieldError):
    """Prefect's server, or the folder it keeps its data base in, can't be used."""

    exit_code = 5


class DamageError(StorageError):
    """A file of the store isn't as it was written; repeating won't help."""
