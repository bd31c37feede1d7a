"""The lock files: complete, in step with pyproject.toml, and free of machine-specific addresses."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def locked(name: str) -> dict[str, str]:
    pins = re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE)
    return dict(pins)


def declared(*extras: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    return project["dependencies"] + [line for extra in extras for line in optional[extra]]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_carries_a_hash(lock: Path) -> None:
    blocks = re.split(r"\n(?=\S)", lock.read_text().strip())

    assert [block for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ("ml", "rollout", "local", "dev")),
        ("requirements-rollout.lock", ("rollout",)),
        ("requirements-infra.lock", ()),
    ],
)
def test_a_lock_holds_every_declared_dependency_at_its_pin(
    lock: str, extras: tuple[str, ...]
) -> None:
    pins = locked(lock)
    names = {re.split(r"[<>=]", line)[0]: line for line in declared(*extras)}

    assert sorted(set(names) - set(pins)) == []
    exact = {name: line.split("==")[1] for name, line in names.items() if "==" in line}
    assert {name: pins[name] for name in exact} == exact


@pytest.mark.parametrize("lock", ["requirements-infra.lock", "requirements-rollout.lock"])
def test_infra_alone_installs_no_machine_learning_framework(lock: str) -> None:
    heavy = {"keras", "mlflow", "mlflow-skinny", "scikit-learn", "tensorflow", "torch"}

    assert heavy & set(locked(lock)) == set()


@pytest.mark.parametrize("lock", ["requirements-infra.lock", "requirements-rollout.lock"])
def test_infra_alone_and_the_whole_project_use_the_same_versions(lock: str) -> None:
    whole, alone = locked("requirements.lock"), locked(lock)

    assert {name: whole.get(name) for name in alone} == alone


@pytest.mark.parametrize("lock", [*LOCKS, ROOT / "package-lock.json"], ids=lambda lock: lock.name)
def test_no_lock_names_a_registry_host(lock: Path) -> None:
    assert re.findall(r'"resolved"|--index-url|--find-links| @ https?:', lock.read_text()) == []
