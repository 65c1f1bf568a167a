"""`python -m tests.benchmarks.whole_job.start`: what every `cropyield train` begins with, and nothing else.

Imports and embedded server at once, as in flows/start.py; then the server is ended again.
"""

from flows.embedded import EMBEDDED
from flows.start import prepare_environment

prepare_environment(debug=False)
EMBEDDED.start()

import torch._dynamo  # noqa: E402, F401

import flows.runners  # noqa: E402
import flows.training  # noqa: E402, F401

EMBEDDED.wait()
EMBEDDED.stop()
