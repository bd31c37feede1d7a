"""Whether a command runs where `make set-up` has installed its packages; one line where not.

Read by any Python 3, before anything else of the project: the standard library, and no newer form.
"""

import os
import sys
from pathlib import Path
from typing import Mapping  # noqa: UP035 - the newer one is no annotation before Python 3.9

_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = _ROOT / ".venv"
_OURS = ("infra", "ml")

VARIABLES = {
    # cdktf-cli keeps to itself, and jsii keeps silent about the age of Node.js 20.
    "CHECKPOINT_DISABLE": "1",
    "DISABLE_VERSION_CHECK": "1",
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
}
"""What `activate` and the Makefile set too."""


def prepare_command() -> None:
    """Where a command starts, as `python -m ml.predict` or `python main.py`: what it misses is said
    in one line, and it finds the programs of its own environment, active or not."""
    if sys.argv[:1] != ["-m"] and Path(sys.argv[0] if sys.argv else "").name != "main.py":
        return  # imported: by a test, a notebook, a served version
    if sys.version_info < (3, 11):  # noqa: UP036 - whatever Python is on PATH comes here
        sys.exit(
            "{} is Python {}.{}, and the project needs 3.11 or newer. {}".format(
                sys.executable, *sys.version_info[:2], _way_out()
            )
        )
    sys.excepthook = _explain
    os.environ.update(home(os.environ, _ROOT))
    if _is_active():
        for name, value in VARIABLES.items():
            os.environ.setdefault(name, value)
        programs = [str(_ENVIRONMENT / "bin"), str(_ROOT / "node_modules" / ".bin")]
        known = os.environ.get("PATH", os.defpath)
        if programs[0] not in known.split(os.pathsep):
            os.environ["PATH"] = os.pathsep.join([*programs, known])


def home(environment: Mapping[str, str], root: Path) -> Mapping[str, str]:
    """Variables for a user whose HOME is missing or cannot be written to: Node.js, jsii and npm end
    in stack traces there, or wait for ever, so that they get a home in the folder of what can be
    built, or where that cannot be written to either, in the one of temporary files."""
    known = environment.get("HOME", "")
    if known and _takes_files(Path(known)):
        return {}
    temporary = environment.get("TMPDIR") or "/tmp"  # noqa: S108 - another user's is refused
    places = root / ".local" / "home", Path(temporary, f"champion-challenger-{os.getuid()}")
    ours = next(filter(_is_made, places), None)
    if ours is None:
        return {}  # who needs one says so
    profiles = os.path.join(known, ".databrickscfg")  # noqa: PTH118 - pathlib raises where it may not look
    if known and os.path.isfile(profiles):  # noqa: PTH113
        return {"HOME": str(ours), "DATABRICKS_CONFIG_FILE": profiles}
    return {"HOME": str(ours)}


def _is_made(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder.stat().st_uid == os.getuid() and _takes_files(folder)
    except OSError:
        return False


def _takes_files(folder: Path) -> bool:
    """Tried, not asked for: root may write to /proc, which takes nothing."""
    file = folder / f".written-{os.getpid()}"
    try:
        file.touch(exist_ok=False)
        file.unlink()
    except OSError:
        return False
    return True


def _is_active() -> bool:
    return Path(sys.prefix).resolve() == _ENVIRONMENT.resolve()


def _explain(kind, error, traceback) -> None:  # type: ignore[no-untyped-def] # as sys.excepthook
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or not missing or missing in _OURS:
        sys.__excepthook__(kind, error, traceback)
        return
    print(f"{sys.executable} has no package {missing!r}. {_way_out()}", file=sys.stderr)


def _way_out() -> str:
    if _is_active():
        return f"It is older than the lock files, or incomplete: run make set-up in {_ROOT}."
    first = "" if _ENVIRONMENT.exists() else "run make set-up there, then "
    return f"The project's environment is not active: in {_ROOT}, {first}source ./activate."
