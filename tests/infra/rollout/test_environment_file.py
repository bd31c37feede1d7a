"""Edits of an environment file: what is not edited stays byte for byte."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.declared.environment import ENVIRONMENTS, InvalidEnvironment, available, load
from infra.rollout.environment_file import CHAMPION, EnvironmentFile
from infra.rollout.guard import step_back
from infra.rollout.refusal import Refused
from ml.contract.task import TASKS


def changed_lines(before: str, after: str) -> list[str]:
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return [new for old, new in pairs if old != new]


@pytest.mark.parametrize("name", available())
def test_an_unedited_file_is_byte_for_byte_what_it_was(name: str) -> None:
    file = EnvironmentFile(name)

    assert file.text.encode() == (ENVIRONMENTS / f"{name}.toml").read_bytes()
    assert file.difference == ""


@pytest.mark.parametrize("name", available())
def test_a_new_share_changes_its_line_alone(name: str) -> None:
    file = EnvironmentFile(name)
    file.set_traffic(0, 20)

    [line] = changed_lines((ENVIRONMENTS / f"{name}.toml").read_text(), file.text)
    assert line.startswith("traffic       = 20 ")


def test_a_comment_stays_in_its_column(environment: Callable[..., Path]) -> None:
    file = EnvironmentFile(environment(5))
    before = file.text
    file.set_traffic(0, 50)
    file.set_version(CHAMPION, 12)

    for line in changed_lines(before, file.text):
        [old] = [it for it in before.splitlines() if it.split("=")[0] == line.split("=")[0]][:1]
        assert line.index("#") in (old.index("#"), old.index("#") + 1)
    assert "version       = 12                                  # a number" in file.text


def test_windows_line_ends_are_kept(environment: Callable[..., Path]) -> None:
    path = environment()
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    file = EnvironmentFile(path)
    file.set_traffic(0, 50)
    file.save()

    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n")
    assert load(path).ab_test.challengers[0].traffic == 50


def test_a_byte_order_mark_is_kept(environment: Callable[..., Path]) -> None:
    path = environment()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    file = EnvironmentFile(path)
    file.set_traffic(0, 50)
    file.save()

    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert load(path).ab_test.challengers[0].traffic == 50


class TestSwappedRoles:
    def test_the_arms_change_places_with_all_that_they_run_on(
        self, environment: Callable[..., Path]
    ) -> None:
        before = load(environment(100)).ab_test
        file = EnvironmentFile(environment(100))
        file.swap_roles(0)
        after = file.edited().ab_test

        assert after.champion.served_entity_name == "torch-2"
        assert after.champion.workload_size == before.challengers[0].workload_size
        assert [arm.served_entity_name for arm in after.challengers] == ["keras-1"]
        assert after.challengers[0].traffic == 0

    def test_what_is_served_to_whom_stays(self, environment: Callable[..., Path]) -> None:
        before = {
            it.served_entity: it.percent for it in load(environment(100)).ab_test.split.routes
        }
        file = EnvironmentFile(environment(100))
        file.swap_roles(0)

        routes = file.edited().ab_test.split.routes
        assert {it.served_entity: it.percent for it in routes} == before

    def test_a_remark_goes_with_what_it_is_about(self, environment: Callable[..., Path]) -> None:
        file = EnvironmentFile(environment(100))
        file.swap_roles(0)

        champion, rival = file.text.split("# The rival.")
        assert "# the PyTorch arm" in champion
        assert "# it needs more" in champion
        assert "# the Keras arm" in rival
        assert "# a number, no alias" in rival
        assert "# percent; the champion gets the rest" in rival

    @pytest.mark.parametrize(
        "variables",
        [
            '[ab_test.champion.environment_vars]\nLOG = "1"\n',
            'environment_vars = { LOG = "1" }\n',
        ],
        ids=["as a table", "inline"],
    )
    def test_environment_variables_go_along(
        self, environment: Callable[..., Path], variables: str
    ) -> None:
        path = environment(100, ("\n# The rival.", f"{variables}\n# The rival."))
        file = EnvironmentFile(path)
        file.swap_roles(0)

        test = file.edited().ab_test
        assert dict(test.champion.environment_vars) == {}
        assert dict(test.challengers[0].environment_vars) == {"LOG": "1"}

    def test_twice_is_where_it_began(self, environment: Callable[..., Path]) -> None:
        file = EnvironmentFile(environment(100))
        before = file.edited()
        file.swap_roles(0)
        file.swap_roles(0)
        file.set_traffic(0, 100)

        assert file.edited() == before


def test_an_edit_that_breaks_a_rule_is_refused_and_nothing_is_written(
    environment: Callable[..., Path],
) -> None:
    path = environment()
    before = path.read_bytes()
    file = EnvironmentFile(path)
    file.set_traffic(0, 101)

    with pytest.raises(InvalidEnvironment, match=r"challengers\[0\]\.traffic = 101"):
        file.save()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_wrong_already_is_refused(environment: Callable[..., Path]) -> None:
    with pytest.raises(InvalidEnvironment, match="workload_size"):
        EnvironmentFile(environment(20, ('"Medium"', '"Huge"')))


def test_a_task_beside_the_file_is_there_for_the_edited_text_too(
    environment: Callable[..., Path],
) -> None:
    path = environment(5, ("[ab_test]\n", '[ab_test]\ntask = "mine.toml"\n'))
    shipped = (TASKS / "pneumonia.toml").read_text()
    (path.parent / "mine.toml").write_text(shipped.replace("PNEUMONIA", "TB"))
    file = EnvironmentFile(path)
    file.set_traffic(0, 20)

    assert file.edited().ab_test.task.positive == "TB"


def test_what_another_command_has_written_meanwhile_is_not_lost(
    environment: Callable[..., Path],
) -> None:
    path = environment(20)
    file, other = EnvironmentFile(path), EnvironmentFile(path)
    other.set_version(CHAMPION, 12)
    other.save()

    with pytest.raises(Refused, match=r"dev\.toml: somebody else has changed it"):
        step_back(file, "torch-2", {}, at=datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC))

    assert load(path).ab_test.champion.version == 12
    assert [it.name for it in path.parent.iterdir()] == ["dev.toml"]
