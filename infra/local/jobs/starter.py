"""The process of a Python task: `starter.py DESCRIPTOR FILE ARGUMENT...`; standard library only.

It ends, with all that it has started, when the other end of the descriptor closes: no task
outlives the workspace, however that ended. The file's folder is the working directory and first on
the path, as on Databricks (https://docs.databricks.com/files/cwd-dbr-14.html).
"""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Run the file as `python FILE ARGUMENT...` does."""
    descriptor, file, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_end_with_parent, args=(descriptor,), daemon=True).start()
    sys.argv = [file, *arguments]
    sys.path[0] = os.path.dirname(file)  # noqa: PTH120 - pathlib is one more import for each task
    runpy.run_path(file, run_name="__main__")


def _end_with_parent(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
