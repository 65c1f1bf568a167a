"""`python -m tests.torture`: training, rollback and pruning killed at every step, and what readers see.

With --some a share of it, for the tests. Prints a tally for people, with --json for machines.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

# of the steps of a stage, one in so many is enough for the tests
SOME = {"train": 149, "force": 331, "rollback": 9, "prune": 34}


def main() -> None:
    """Run all scenes; an AssertionError says which store was found wrong, and it is kept."""
    ask = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    ask.add_argument("--some", action="store_true")
    ask.add_argument("--json", action="store_true")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--every", type=int, default=1, help="one in so many steps, one in so many random kills")
    ask.add_argument(
        "--scene", action="append", help="only this one (train, force, rollback, prune); repeatable"
    )
    given = ask.parse_args()
    root = Path(tempfile.mkdtemp(prefix="cropyield-torture-"))
    # before Prefect and matplotlib are imported
    os.environ |= {"PREFECT_HOME": str(root / "prefect"), "MPLCONFIGDIR": str(root / "matplotlib")}
    from tests.torture import command, job, scenes

    job.without_server()
    begin, tally = time.monotonic(), scenes.Tally()
    everything = scenes.scenes(root)
    found = [scene for scene in everything if not given.scene or scene.name in given.scene]
    reader = job.Reader(scenes.predictions_of(root))

    def told(what: str) -> None:
        if not given.json:
            line = ", ".join(f"{name} {count}" for name, count in asdict(tally).items())
            print(f"{time.monotonic() - begin:6.0f} s  {what:<24} {line}", flush=True)

    told("stores made")
    for scene in found if not given.json else ():
        steps = ", ".join(f"{stage} {len(names)}" for stage, names in scene.counts.items() if names)
        print(f"          steps of {scene.name}: {steps}")
    for scene in found:
        every = SOME[scene.name] if given.some else given.every
        scenes.enumerate_kills(scene, root, reader, tally, every)
        told(scene.name)
    for scene in found[:1] if given.some else found:
        scenes.enumerate_faults(scene, root, reader, tally, 141 if given.some else given.every)
        told(f"{scene.name}, refused")
    if given.scene:
        shutil.rmtree(root)
        return
    scenes.random_kills(found[0], root, reader, tally, 1 if given.some else -(-60 // given.every), given.seed)
    told("train at random")
    if given.some:
        command.kill_once(root, reader, tally, found[0].wanted)
    else:
        command.kill_command(root, reader, tally, -(-16 // given.every), given.seed)
    told("the command at random")
    if given.json:
        print(json.dumps(asdict(tally)))
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
