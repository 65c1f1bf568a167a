"""What can go wrong, and the exit code each kind of failure ends the command with.

CropyieldError            1   unexpected
├── SettingsError         2   bad settings or usage
│   └── DeviceError       2   a device that this machine lacks
├── InputError            3   an input is missing or breaks its contract
├── GateError             4   the run is kept, but doesn't become the current one
├── StorageError          5   the store or an input's storage failed; worth retrying
│   ├── NoBucketError     5   the bucket doesn't exist
│   └── DamageError       5   a file of the store was changed or removed by something else
└── ServerError           5   Prefect's server can't be reached or failed
"""

from __future__ import annotations

from typing import Any


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
