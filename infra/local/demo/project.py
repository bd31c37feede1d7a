"""The demo's own project in `.local/demo`: its files are its own, the code is this repository's.

Workspace, state, registry, environment and experiments lie below the folder in which a command
runs, so that one in there finds the demo's, and one in the repository never does.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

import tomlkit

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = Path(".local") / "demo"
"""From the repository's root."""
ENVIRONMENT: Final = "demo"
HOST: Final = "http://127.0.0.1:8181"
_PATTERN: Final = "local"
"""The environment of the repository that the demo's is a copy of."""
_CODE: Final = (".venv", "cdktf.json", "ml", "node_modules", "pyproject.toml")
_OWN: Final = frozenset({"__pycache__", "environments", "experiments"})
"""What of `infra` is the demo's own, or Python's."""


def prepare(folder: Path) -> None:
    """The folder, with the code where commands look for it. Raises OSError."""
    infra = folder / "infra"
    for own in ("environments", "experiments"):
        (infra / own).mkdir(parents=True, exist_ok=True)
    for name in _CODE:
        _link(folder / name, ROOT / name)
    # Python looks for what a script imports beside the file itself, not beside a link to it.
    main = folder / "main.py"
    main.unlink(missing_ok=True)
    shutil.copy(ROOT / "main.py", main)
    for source in (ROOT / "infra").iterdir():
        if source.name not in _OWN:
            _link(infra / source.name, source)


def environment_file() -> Path:
    """From the demo's folder."""
    return Path("infra", "environments", f"{ENVIRONMENT}.toml")


def environment() -> Any:
    """The repository's local environment as a document, in another catalog and workspace; comments
    and order kept."""
    text = (ROOT / "infra" / "environments" / f"{_PATTERN}.toml").read_text(encoding="utf-8")
    rest = text.partition("\n")[2]
    renamed = rest.replace(f"_{_PATTERN}", f"_{ENVIRONMENT}").replace(
        f'"{_PATTERN}"', f'"{ENVIRONMENT}"'
    )
    document: Any = tomlkit.parse(f"# {ENVIRONMENT}: written by `make demo`.\n{renamed}")
    document["workspace"]["host"] = HOST
    return document


def _link(name: Path, target: Path) -> None:
    if name.is_symlink():
        name.unlink()
    if target.exists():
        name.symlink_to(os.path.relpath(target, name.parent))  # the repository may be moved
