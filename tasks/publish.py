"""Publishing: the run folder, its manifest last, then the pointer, if the gate lets it through."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from data.errors import CropyieldError
from data.runs import MANIFEST, folder, read_manifest, to_json
from data.storage import Store


def write_run(store: Store, run: str, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the files of a run, then the manifest that makes them a run; the manifest.

    Files that lie there already with the same bytes are left alone, so a killed publication goes on.
    Raises CropyieldError when the run is finished with other bytes: it would not be reproducible.
    """
    digests = {
        name: {"sha256": _sha256(content), "size": len(content)} for name, content in sorted(files.items())
    }
    finished = read_manifest(store, run)
    if finished is not None:
        differing = sorted(name for name, digest in digests.items() if finished["files"].get(name) != digest)
        if differing:
            raise CropyieldError(
                f"run {run} was computed again and {', '.join(differing)} came out with other bytes; "
                "the published run is left as it was. `cropyield verify` tells whether its files are damaged"
            )
    for name, content in sorted(files.items()):
        path = f"{folder(run)}/{name}"
        if store.get(path) != content:
            store.put(path, content)
    if finished is not None:
        return finished
    manifest = dict(facts) | {"run_id": run, "files": digests}
    store.put(f"{folder(run)}/{MANIFEST}", to_json(manifest))
    return manifest


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
