"""Which builds of the provider may run, and where Terraform finds that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.constructs.provider_lock import LOCK, lock
from infra.declared.environment import load
from tests.infra.local.terraform.terraform import Terraform

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"databricks_schema": {"this": {"catalog_name": "c", "name": "t"}}}


def folder_of(stack: str, stacks: Path) -> Path:
    (stacks / stack).mkdir(parents=True)
    return stacks / stack


def stacks_of(name: str, stacks: Path) -> list[Path]:
    return [folder_of(f"{kind}-{name}", stacks) for kind in ("platform", "serving", "analysis")]


def test_the_lock_file_of_git_lies_beside_every_stack_of_a_real_workspace(tmp_path: Path) -> None:
    stacks = stacks_of("prod", tmp_path)

    lock(tmp_path, [load("prod")])

    for stack in stacks:
        assert (stack / ".terraform.lock.hcl").read_bytes() == LOCK.read_bytes()


def test_the_stand_in_which_is_none_of_them_is_not_locked_out(tmp_path: Path) -> None:
    stacks = stacks_of("local", tmp_path)

    lock(tmp_path, [load("local")])

    assert not any([*stack.iterdir()] for stack in stacks)


def test_without_one_nothing_is_written(tmp_path: Path) -> None:
    (stack, *_) = stacks_of("prod", tmp_path)

    lock(tmp_path, [load("prod")], tmp_path / "none")

    assert not [*stack.iterdir()]


def test_it_names_the_builds_of_the_version_that_is_deployed_with_for_six_platforms(
    tmp_path: Path, terraform_environment: dict[str, str]
) -> None:
    text = LOCK.read_text()

    for kind in ("h1:[A-Za-z0-9+/]{43}=", "zh:[0-9a-f]{64}"):
        assert len(set(re.findall(f'"{kind}"', text))) == 6
    # Terraform agrees with the version, and would not run what is none of them.
    terraform = Terraform(tmp_path, "http://127.0.0.1", terraform_environment)
    terraform.write(**SCHEMA)
    (tmp_path / ".terraform.lock.hcl").write_text(text)
    refused = terraform.run("init", "-input=false", "-no-color", "-lockfile=readonly", check=False)
    said = " ".join(refused.stderr.replace("│", " ").split())
    assert refused.returncode == 1
    assert "while installing databricks/databricks v1.99.0" in said
    assert "doesn't match any of the checksums previously recorded" in said
