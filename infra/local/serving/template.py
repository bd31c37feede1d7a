"""What every served entity's process begins with, imported once: each is a fork of this.

MLflow takes 1.7 seconds of a processor to import, more than a small model takes to load. The
frameworks are not imported: a served entity has its own alone. Imported by multiprocessing's fork
server, in whose process alone it may be imported: it leaves nothing of the workspace's variables.
"""

import gc
import os

from infra.local.serving.process import base_environment

# NumPy reads its number of threads here and never again; every thread would be one to fork.
_variables = base_environment(threads=1)
os.environ.clear()
os.environ.update(_variables)

from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches  # noqa: E402

from infra.local.serving import scoring  # noqa: E402, F401 - for what it imports

# Loading a model looks through all that is installed, and MLflow remembers what it has found.
warn_dependency_requirement_mismatches(["numpy"])

# Collecting garbage in a fork would write to, and so copy, every page that it shares with others.
gc.collect()
gc.freeze()
