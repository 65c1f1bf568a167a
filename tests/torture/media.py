"""`python -m tests.torture.media`: stores on media that are full, read-only, forbidden, limited, or vanish.

Words after it choose the faults whose names begin with one of them. Prints what each fault made of
the command, as JSON; those that this user can't bring about say so. Every fault is real: a small
tmpfs, a mount that is read-only, another user, a limit, a folder moved away.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NOBODY = 65534


def main() -> None:
    """Bring about each fault, mend it, repeat."""
    chosen = tuple(sys.argv[1:]) or ("",)
    root = Path(tempfile.mkdtemp(prefix="cropyield-media-"))
    os.environ |= {"PREFECT_HOME": str(root / "prefect"), "MPLCONFIGDIR": str(root / "matplotlib")}
    from tests.torture import job, scenes
    from tests.torture.job import contents
    from tests.torture.steps import Steps

    job.without_server()
    root.chmod(0o755)
    old, wanted = root / "old", root / "undisturbed"
    scenes.finish(lambda place, steps: scenes.train_on(place, steps, seed=1), old)
    shutil.copytree(old, wanted, symlinks=True)
    scenes.finish(scenes.train_on, wanted)
    reader = job.Reader(scenes.predictions_of(root))
    found: dict[str, Any] = {}

    def attempt(name: str, place: Path, act: scenes.Action) -> None:
        """The failing command beside a reader, unless what it reads is gone."""
        child = scenes.in_child(act, place, Steps())
        status = (
            os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if "vanishes" in name
            else reader.watch(child, place)
        )
        found[name] = {"code": status, "said": scenes.said(place) if status else ""}

    def repeat(name: str, place: Path) -> None:
        before = reader.once(place)
        found[name]["before"] = before == json.loads((old / "current.json").read_bytes())["run_id"]
        scenes.finish(scenes.train_on, place)
        found[name]["identical"] = contents(place) == contents(wanted)

    def on(name: str, size_mb: float, options: str = "") -> None:
        if not name.startswith(chosen):
            return
        place = root / name
        with _mounted(place, size_mb) as mounted:
            if not mounted:
                found[name] = {"skipped": "this user may not mount"}
                return
            shutil.copytree(old, place, dirs_exist_ok=True, symlinks=True)
            if options:
                _remount(place, options)
            attempt(name, place, scenes.train_on)
            _remount(place, "rw,size=32m")
            repeat(name, place)

    # one run with its work is about 2.7 MB
    on("disk full at once", _size_mb(old) + 0.01)
    on("disk full half way", _size_mb(old) + 1.2)
    on("disk full while publishing", _size_mb(old) + 2.0)
    on("read-only", 32, "ro")

    name, place = "permission denied", root / "denied"
    if name.startswith(chosen):
        shutil.copytree(old, place, symlinks=True)
        if os.getuid():
            place.chmod(0o555)
        attempt(name, place, _as_nobody(scenes.train_on))
        place.chmod(0o755)
        repeat(name, place)

    name, place = "file size limit", root / "limited"
    if name.startswith(chosen):
        shutil.copytree(old, place, symlinks=True)
        attempt(name, place, _limited(scenes.train_on, 60_000))
        repeat(name, place)

    for stage, step in (("assemble", 0), ("report", 0), ("publish", 0), ("publish", 60), ("publish", 90)):
        name = f"vanishes before step {step} of {stage}"
        if not name.startswith(chosen):
            continue
        place = root / name
        shutil.copytree(old, place, symlinks=True)
        attempt(name, place, _vanishing(scenes.train_on, stage, step))
        left = place.rglob("*") if place.exists() else ()
        found[name]["left"] = [str(file) for file in left if file.name in ("current.json", "manifest.json")]
        shutil.rmtree(place, ignore_errors=True)
        Path(f"{place} away").rename(place)
        repeat(name, place)
    print(json.dumps(found))
    shutil.rmtree(root)


@contextlib.contextmanager
def _mounted(place: Path, size_mb: float) -> Iterator[bool]:
    """A tmpfs of this size, if this user may mount one."""
    place.mkdir()
    options = f"size={int(size_mb * 1024)}k"
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if os.getuid() or shutil.which("mount") is None or subprocess.run(words, check=False).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def _size_mb(place: Path) -> float:
    # a tmpfs counts whole pages
    return sum(-(-file.lstat().st_size // 4096) * 4096 for file in place.rglob("*") if file.is_file()) / 2**20


def _as_nobody(act: Callable[[Path, Any], None]) -> Callable[[Path, Any], None]:
    def acting(place: Path, steps: Any) -> None:
        if os.getuid() == 0:
            codecs.lookup("utf-8-sig")  # nobody may not read the interpreter's own files either
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        act(place, steps)

    return acting


def _limited(act: Callable[[Path, Any], None], size: int) -> Callable[[Path, Any], None]:
    def acting(place: Path, steps: Any) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        act(place, steps)

    return acting


def _vanishing(act: Callable[[Path, Any], None], stage: str, step: int) -> Callable[[Path, Any], None]:
    def acting(place: Path, steps: Any) -> None:
        taken = steps.step

        def take(name: str) -> None:
            if steps.stage == stage and len(steps.names[stage]) == step:
                steps.names[stage].append("the store vanishes")
                place.rename(f"{place} away")
            taken(name)

        steps.step = take
        act(place, steps)

    return acting


if __name__ == "__main__":
    main()
