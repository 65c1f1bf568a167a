"""`python -m tests.torture.store`: the long tests of a store, local and on an object store (20 minutes).

Writers in any order, killed anywhere (`store_model`); four processes, one killed every second
(`store_processes`). Prints a tally for people.
"""

from __future__ import annotations

import argparse
import json

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.torture.store_model import LocalMachine, RemoteMachine
from tests.torture.store_processes import place, torture


def main() -> None:
    """Run all of it; an AssertionError says which invariant was broken, and how to get there."""
    ask = argparse.ArgumentParser(prog="python -m tests.torture.store", description=__doc__)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--seconds", type=float, default=300, help="of the processes, for each kind of store")
    ask.add_argument(
        "--examples", type=int, default=300, help="of the model, a fifth of it on an object store"
    )
    given = ask.parse_args()
    for kind in ("local", "s3"):
        with place(kind) as uri:
            RemoteMachine.bucket = uri.removeprefix("s3://").partition("/")[0]
            machine, examples = (
                (LocalMachine, given.examples) if kind == "local" else (RemoteMachine, given.examples // 5)
            )
            many = settings(
                max_examples=examples, stateful_step_count=25, deadline=None, database=None,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            run_state_machine_as_test(seed(given.seed)(machine), settings=many)
            print(f"{kind}: {examples} histories of 25 steps", flush=True)
            print(json.dumps(torture(uri, 4, given.seconds, given.seed), indent=1), flush=True)


if __name__ == "__main__":
    main()
