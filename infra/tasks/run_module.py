"""What a job's task runs: `run_module.py MODULE ARGUMENT...` is `python -m MODULE ARGUMENT...`.

A job of Databricks runs a file, not a module, with the file's folder as its working directory and
on its path (https://docs.databricks.com/files/cwd-dbr-14.html). This one stands in for `-m`: it
makes the repository the working directory, so that `ml` and `infra` are found, and relative paths
mean what they mean on a laptop.
"""

import os
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Run the module that the first argument names, with the others."""
    if len(sys.argv) < 2:
        sys.exit("run_module.py: name a module, for example: ml.ingest --help")
    folder = Path.cwd() if "__file__" not in globals() else Path(__file__).resolve().parent
    repository = folder.parents[1]
    os.chdir(repository)
    sys.path[0] = str(repository)
    module, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
