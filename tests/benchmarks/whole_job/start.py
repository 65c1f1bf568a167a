"""`python -m tests.benchmarks.whole_job.start`: what every `cropyield train` begins with, and nothing else.

Imports and embedded server at once, as the command has them; then the server is ended again.
"""

from flows.cli import launch
from flows.server.embedded import EMBEDDED
from flows.server.environment import prepare_environment

prepare_environment(debug=False)
with launch.beginning(as_json=True):
    import flows.training  # noqa: F401

    with launch.served(debug=False):
        pass
EMBEDDED.stop()
