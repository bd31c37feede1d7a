"""Builds the constructs as a library: `pip wheel .` runs this file as its backend (PEP 517).

The app's folders `infra` and `ml` are no names for a package that others install. So the wheel has
the modules of `infra.constructs.library` and whatever these import of this project, under the one
name `champion_challenger`; nothing else of the app is in it. The standard library alone, so that
nothing is downloaded for it. docs/adr/0007-a-library-under-its-own-name.md
"""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PACKAGE = "champion_challenger"
LIBRARY = "infra.constructs.library"
"""Becomes the package itself."""
RENAMED = {LIBRARY: PACKAGE, "infra": PACKAGE, "ml": PACKAGE}
"""Beginnings of the names of modules; the first that fits. `infra` and `ml` have no room of the
same name."""
DATA = ("ml/contract/tasks/*.toml",)
"""Files that modules of the wheel read beside themselves."""
MADE = (1980, 1, 1, 0, 0, 0)
"""So that the same source gives the same bytes."""


def build_wheel(
    wheel_directory: str,
    config_settings: object = None,  # noqa: ARG001 - PEP 517's
    metadata_directory: str | None = None,  # noqa: ARG001
) -> str:
    """Writes the wheel; returns its file name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name = f"{project['name'].replace('-', '_')}-{project['version']}"
    info = f"{name}.dist-info"
    files = {
        **{place: text.encode() for place, text in sorted(modules().items())},
        **dict(data()),
        f"{PACKAGE}/py.typed": b"",
        f"{info}/licenses/LICENSE": (ROOT / "LICENSE").read_bytes(),
        f"{info}/METADATA": metadata(project).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: champion-challenger\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{place},{digest(content)},{len(content)}\n" for place, content in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    wheel = f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for place, content in files.items():
            archive.writestr(zipfile.ZipInfo(place, MADE), content, zipfile.ZIP_DEFLATED)
    return wheel


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001
    """There is none: what the wheel is made from is this repository."""
    raise SystemExit("wheel: there is a wheel and no sdist: python -m pip wheel --no-deps .")


def modules() -> dict[str, str]:
    """The text of each module of the wheel by its place there."""
    found: dict[str, str] = {}
    waiting = [LIBRARY]
    while waiting:
        module = waiting.pop()
        file = source(module)
        place = renamed(module).replace(".", "/")
        place += "/__init__.py" if module == LIBRARY or file.name == "__init__.py" else ".py"
        if place in found:
            continue
        text = file.read_text(encoding="utf-8")
        found[place] = rewritten(text)
        waiting += imported(text)
        # The packages above, but the top: the library is that.
        parents = module.split(".")[:-1]
        waiting += [".".join(parents[:length]) for length in range(2, len(parents) + 1)]
    return found


def data() -> Iterator[tuple[str, bytes]]:
    """The place in the wheel and the content of each file that is no module."""
    for pattern in DATA:
        for file in sorted(ROOT.glob(pattern)):
            room, _, rest = file.relative_to(ROOT).as_posix().partition("/")
            yield f"{RENAMED[room]}/{rest}", file.read_bytes()


def source(module: str) -> Path:
    """The file of a module of this project."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("infra", "ml")


def imported(text: str) -> Iterator[str]:
    """The modules of this project that a module imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and is_ours(node.module):
            yield node.module
            # `from infra.declared import problem` imports a module too.
            beneath = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (it for it in beneath if source(it).exists())
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_ours(alias.name))


def rewritten(text: str) -> str:
    """The text with the library's names in its imports; all else is left as it is."""
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and is_ours(node.module):
            line = node.lineno - 1
            lines[line] = lines[line].replace(
                f"from {node.module} import", f"from {renamed(node.module)} import", 1
            )
        elif isinstance(node, ast.Import) and any(is_ours(it.name) for it in node.names):
            raise SystemExit(f"wheel: write `from ... import`: {lines[node.lineno - 1].strip()}")
    return "".join(lines)


def renamed(module: str) -> str:
    for before, after in RENAMED.items():
        if module == before or module.startswith(f"{before}."):
            return after + module.removeprefix(before)
    raise ValueError(module)


def metadata(project: dict[str, object]) -> str:
    """Core metadata 2.4."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        "Summary: Champion/challenger serving endpoints of Databricks for apps of CDKTF",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {within(it)}" for it in project["dependencies"]),
    ]
    return "\n".join(lines) + "\n"


def within(requirement: str) -> str:
    """The app pins; a library leaves its users what is compatible with the pin."""
    pinned = re.fullmatch(r"([\w.-]+)==(\d+)\.(\d+)\.(\d+)", requirement)
    if pinned is None:
        return requirement
    name, major, minor, patch = pinned.groups()
    return f"{name}~={major}.{minor}.{patch}" if major == "0" else f"{name}~={major}.{minor}"


def digest(content: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={encoded.rstrip(b'=').decode()}"
