"""The id of a run: a digest of all that its bytes depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.locations.uris import LOCATIONS
from tasks.job import machine

if TYPE_CHECKING:  # reading a store's history needs no settings, and they take long to import
    from data.settings.schema import Settings
_NOT_IN_ID: dict[str, Any] = {
    **dict.fromkeys((*LOCATIONS, "runner", "runner_address", "gate", "public_url"), True),
    "training": {"device": True},
}


def run_id(settings: Settings, inputs: Mapping[str, Sequence[Mapping[str, Any]]], kind: str = "train") -> str:
    """16 hex digits over all that a run's files depend on.

    `inputs` maps an input's name to its files with "name" and "sha256". Locations, runner, gate
    and `public_url` are left out: the same data elsewhere is the same run.
    """
    parts = {
        "kind": kind,
        "inputs": {
            name: [[file["name"], file["sha256"]] for file in files] for name, files in inputs.items()
        },
        "settings": json.loads(settings.model_dump_json(exclude=_NOT_IN_ID)),
        **machine.identity(settings.training.device),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def run_settings(settings: Settings) -> str:
    """The part of the settings that a run's files depend on, as TOML."""
    from data.settings.files import dump_settings

    return dump_settings(settings, without=_NOT_IN_ID)
