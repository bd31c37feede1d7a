"""Where a version comes from: its code, its data, its libraries."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

# What decides what a network learns and how it is judged. The file of the network joins them.
_SOURCES = (
    "ml/contract/serving.py",
    "ml/contract/task.py",
    "ml/contract/tasks/*.toml",
    "ml/evaluation/calibration.py",
    "ml/evaluation/discrimination.py",
    "ml/evaluation/measures.py",
    "ml/training/augmentation.py",
    "ml/training/fitting.py",
    "ml/training/recipe.py",
    "ml/data/*.py",
)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit of the working tree, and whether tracked files differ from it."""

    sha: str
    dirty: bool


def commit() -> Commit | None:
    """None where the code does not come from a Git repository."""
    from git import InvalidGitRepositoryError, Repo

    try:
        repository = Repo(REPOSITORY, search_parent_directories=True)
        return Commit(sha=repository.head.commit.hexsha, dirty=repository.is_dirty())
    except (InvalidGitRepositoryError, ValueError):  # ValueError: a repository without a commit
        return None


def code_digest(network: Path, packages: Iterable[str]) -> str:
    """SHA-256 of the code that makes a version: our sources, and the versions of the packages."""
    return digest(
        {file for pattern in _SOURCES for file in REPOSITORY.glob(pattern)} | {network}, packages
    )


def digest(sources: Iterable[Path], packages: Iterable[str]) -> str:
    """SHA-256 of files of this repository and of the versions of packages."""
    digest = hashlib.sha256()
    for file in sorted(sources):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{_known_as(file)} {content}\n".encode())
    for requirement in pinned(packages):
        digest.update(f"{requirement}\n".encode())
    return digest.hexdigest()


def _known_as(file: Path) -> str:
    """The path in this repository; of a file beside it, the name."""
    inside = file.resolve().is_relative_to(REPOSITORY)
    return file.resolve().relative_to(REPOSITORY).as_posix() if inside else file.name


def pinned(packages: Iterable[str]) -> list[str]:
    """Pip requirements with the versions that are installed here."""
    return [f"{package}=={version(package).partition('+')[0]}" for package in packages]
