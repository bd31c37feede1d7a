"""Where Terraform finds the lock file of its provider."""

from pathlib import Path

from infra.constructs.provider_lock import lock


def test_the_lock_file_of_git_lies_beside_every_stack(tmp_path: Path) -> None:
    file = tmp_path / "provider.lock.hcl"
    file.write_text("# which builds may run\n")
    for name in ("platform-dev", "serving-dev"):
        (tmp_path / "stacks" / name).mkdir(parents=True)
        (tmp_path / "stacks" / name / "cdk.tf.json").write_text("{}")

    lock(tmp_path / "stacks", file)

    for name in ("platform-dev", "serving-dev"):
        beside = tmp_path / "stacks" / name / ".terraform.lock.hcl"
        assert beside.read_text() == file.read_text()


def test_without_one_nothing_is_written(tmp_path: Path) -> None:
    lock(tmp_path, tmp_path / "provider.lock.hcl")

    assert list(tmp_path.iterdir()) == []
