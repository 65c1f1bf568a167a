"""`python -m tests.benchmarks.whole_job.start`: what every `cropyield train` begins with, and nothing else.

Imports and embedded server at once, as in flows/cli/launch.py; then the server is ended again.
"""

from flows.server.embedded import EMBEDDED
from flows.server.environment import prepare_environment

prepare_environment(debug=False)
EMBEDDED.start()

import prefect.flow_engine  # noqa: E402
import prefect.task_engine  # noqa: E402, F401

import flows.training  # noqa: E402, F401

EMBEDDED.wait()
EMBEDDED.stop()
