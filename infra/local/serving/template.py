"""What every served entity's process begins with, imported once: each is a fork of this.

MLflow takes 1.7 seconds of a processor to import, more than a small model takes to load. The
frameworks are not imported: a served entity has its own alone. Imported by multiprocessing's fork
server, in whose process alone it may be imported: it leaves nothing of the workspace's variables.
"""

import gc
import os

from infra.local.serving.process import base_environment

os.environ.clear()
# NumPy reads its number of threads here and never again; every thread would be one to fork.
os.environ.update(base_environment(threads=1))

from infra.local.serving import scoring  # noqa: F401 - for what it imports, after the above

# Collecting garbage in a fork would write to, and so copy, every page that it shares with others.
gc.collect()
gc.freeze()
