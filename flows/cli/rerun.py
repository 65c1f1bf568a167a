"""`verify --rerun`: a finished run repeated from its recorded inputs and settings, its bytes compared."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DeviceError, InputError, StorageError
from data.locations.uris import locate
from data.settings.files import parse_settings
from data.settings.schema import Settings
from data.store.backends.local import LocalStore
from data.store.current import find_run
from data.store.manifests import folder
from flows.cli.history import current_state, existing_store
from tasks.job import machine


def rerun(
    location: str, run: str, given: Mapping[str, str | None], as_json: bool, debug: bool
) -> dict[str, Any]:
    """Repeat a run in a temporary store and compare every file with the run's manifest.

    `given` maps inputs to locations instead of the recorded ones. The store itself is only read. `differing`
    names the files that came out otherwise; `changed` says what differs from the recorded code,
    versions and machine, and then other bytes are no surprise. Raises SettingsError for an unknown
    run, InputError when the inputs aren't the recorded ones any more, DeviceError when this machine
    lacks the recorded device, StorageError.
    """
    from flows.cli import launch

    store = existing_store(location)
    manifest = find_run(store, current_state(store)[0], run).manifest
    with tempfile.TemporaryDirectory(prefix="cropyield-rerun-") as temporary:
        settings = recorded_settings(manifest, given, temporary)
        check_inputs(manifest, settings)
        result = launch.train(settings, False, None, as_json, debug)
        repeated = LocalStore(Path(temporary))
        differing = _differing(manifest, repeated, result["run_id"])
    return {
        "run_id": manifest["run_id"],
        "place": store.place(folder(manifest["run_id"])),
        "files": len(manifest["files"]),
        "differing": differing,
        "changed": changed_setup(manifest),
    }


def recorded_settings(manifest: Mapping[str, Any], given: Mapping[str, str | None], store: str) -> Settings:
    """The settings that a run was made with, on the device it was made on, for another store.

    Raises DeviceError when this machine has no such device, SettingsError when this version of
    cropyield knows the recorded settings no more.
    """
    device = manifest["device"]
    if device != "cpu" and machine.device_class("auto") != device:
        raise DeviceError(
            f"run {manifest['run_id']} was made on {device}; repeat it on a machine that has it"
        )
    recorded = dict(manifest["settings"])
    # where tasks run leaves no trace in what they make
    for name in ("runner", "runner_address"):
        recorded.pop(name, None)
    recorded["training"] = recorded["training"] | {"device": device}
    for name in manifest["inputs"]:
        location = given.get(name)
        recorded[name] = locate(location, Path()) if location else manifest["inputs"][name]["location"]
    return parse_settings(recorded | {"store": store}, f"manifest of run {manifest['run_id']}")


def check_inputs(manifest: Mapping[str, Any], settings: Settings) -> None:
    """Raise InputError when an input is no longer what the run was made from."""
    from tasks.job.digest import InputFile, changed_files, listing

    for name, recorded in manifest["inputs"].items():
        location = getattr(settings, name)
        changed = changed_files(location, tuple(InputFile(**file) for file in recorded["files"]))
        if changed:
            raise InputError(
                f"{location}: not what run {manifest['run_id']} was made from: {listing(changed)} changed, "
                f"came or went; name a folder with the recorded files by --{name}"
            )


def changed_setup(manifest: Mapping[str, Any]) -> list[str]:
    """What of code, versions and machine isn't as it was when the run was made: a sentence each."""
    code, now = manifest["code"], machine.code_version()
    changed = []
    if code["source"] != now["source"]:
        changed.append(f"code: recorded {_code(code)}, here {_code(now)}")
    for kind, recorded, here in (
        ("", manifest["versions"], machine.versions()),
        ("machine ", manifest["machine"], machine.facts()),
    ):
        for name in sorted(recorded.keys() | here.keys()):
            if recorded.get(name) != here.get(name):
                changed.append(f"{kind}{name}: recorded {recorded.get(name)}, here {here.get(name)}")
    return changed


def raise_if_different(result: Mapping[str, Any]) -> None:
    """Raises StorageError when a repetition came out with other bytes."""
    differing, changed = result["differing"], result["changed"]
    if not differing:
        return
    why = (
        f"That can come of what has changed: {'; '.join(changed)}. Restore it and repeat the command"
        if changed
        else "Code, versions, machine and inputs are the recorded ones, so the run isn't reproducible"
    )
    raise StorageError(
        f"{result['place']}: repeated, and {len(differing)} of {result['files']} files came out with other "
        f"bytes: {', '.join(differing[:5])}{' …' if len(differing) > 5 else ''}. {why}"
    )


def _differing(manifest: Mapping[str, Any], repeated: LocalStore, run: str) -> list[str]:
    place = folder(run)
    made = {name.removeprefix(f"{place}/") for name in repeated.names(place)} - {"manifest.json"}
    differing = sorted(made ^ manifest["files"].keys())
    for name in sorted(made & manifest["files"].keys()):
        content = repeated.get(f"{place}/{name}") or b""
        # other code makes another id, which stands in some of the files; all else is to be the same
        content = content.replace(run.encode(), manifest["run_id"].encode())
        if hashlib.sha256(content).hexdigest() != manifest["files"][name]["sha256"]:
            differing.append(name)
    return sorted(differing)


def _code(version: Mapping[str, Any]) -> str:
    if "commit" in version:
        return f"commit {version['commit'][:12]}{' with changes' if version['dirty'] else ''}"
    return f"package {version.get('package', 'unknown')} (source {version['source'][:12]})"
