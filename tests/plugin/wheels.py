"""A folder of wheels, from which set-up installs without a network: uv's own, and stubs."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import distribution
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_TAG = "py3-none-any"


def wheel(
    folder: Path,
    name: str,
    files: Mapping[str, bytes],
    programs: Mapping[str, bytes],
    version: str = "1",
) -> str:
    """Writes a wheel of modules and programs; returns its line of a lock file."""
    info = f"{name.replace('-', '_')}-{version}"
    written = {
        **files,
        **{f"{info}.data/scripts/{it}": content for it, content in programs.items()},
        f"{info}.dist-info/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        ),
        f"{info}.dist-info/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {_TAG}\n".encode()
        ),
    }
    record = "".join(f"{it},{_hash(content)},{len(content)}\n" for it, content in written.items())
    written[f"{info}.dist-info/RECORD"] = f"{record}{info}.dist-info/RECORD,,\n".encode()
    file = folder / f"{info}-{_TAG}.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for it, content in written.items():
            mode = 0o755 if ".data/scripts/" in it else 0o644
            entry = zipfile.ZipInfo(it)
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, content)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


def installed(folder: Path, name: str) -> str:
    """The wheel of what is installed here, made again; returns its line of a lock file."""
    found = distribution(name)
    files, programs = {}, {}
    for file in found.files or ():
        content = file.locate().read_bytes() if file.locate().is_file() else b""
        if ".." in file.parts:
            programs[file.name] = content
        elif file.parts[0].endswith(".dist-info") or "__pycache__" in file.parts:
            continue
        else:
            files[file.as_posix()] = content
    return wheel(folder, name, files, programs, found.version)


def modules(names: Iterable[str]) -> dict[str, bytes]:
    """Empty modules, packages for those with a dot."""
    files = {}
    for name in names:
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            files["/".join([*parts[:depth], "__init__.py"])] = b""
    return files


def node(version: str) -> dict[str, bytes]:
    """Programs that stand for Node.js and npm; npm brings what the real one would put there."""
    npm = "#!/bin/sh\nmkdir -p node_modules/.bin && touch node_modules/.bin/cdktf\n"
    return {"node": f"#!/bin/sh\necho {version}\n".encode(), "npm": npm.encode()}


def _hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"
