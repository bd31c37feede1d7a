"""Experiment files: what they say, what freezes them, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from infra.declared.experiment import EXPERIMENTS, InvalidExperiment, available, load, splits

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = (EXPERIMENTS / "pneumonia_ab.toml").read_text()


@pytest.fixture
def changed(tmp_path: Path):
    """The example with a text of it replaced."""

    def write(old: str = "", new: str = "", *, name: str = "trial") -> Path:
        assert old in EXAMPLE
        file = tmp_path / f"{name}.toml"
        file.write_text(EXAMPLE.replace(old, new, 1) if old else EXAMPLE + new)
        return file

    return write


def problems(file: Path) -> str:
    with pytest.raises(InvalidExperiment) as invalid:
        load(file)
    return str(invalid.value)


def test_every_experiment_of_the_repository_is_valid() -> None:
    assert available()
    for name in available():
        assert splits(load(name))


def test_an_experiment_names_its_arms_as_they_are_served() -> None:
    experiment = load("pneumonia_ab")

    assert experiment.champion.served_entity_name == "pneumonia_poc_classifier-1"
    assert experiment.challenger.served_entity_name == "pneumonia_poc_classifier_pytorch-1"
    assert experiment.start == datetime(2026, 1, 1, tzinfo=UTC)


class TestTheHash:
    def test_comments_and_order_are_not_part_of_it(self, changed) -> None:
        commented = load(changed(new="# a later remark\n"))
        reordered = load(
            changed(
                "sensitivity = 0.03\nspecificity = 0.05", "specificity = 0.05\nsensitivity = 0.03"
            )
        )

        assert commented.digest == reordered.digest == load("pneumonia_ab").digest

    def test_nor_are_defaults_that_are_written_out(self, changed) -> None:
        assert load(changed("primary_metric ", "review_share = 1.0\nprimary_metric ")).digest == (
            load("pneumonia_ab").digest
        )

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("sensitivity = 0.03", "sensitivity = 0.04"),
            ("alpha                = 0.05", "alpha                = 0.1"),
            ("version = 1", "version = 2"),
            ("since      = 2026-01-01T00:00:00Z", "since      = 2026-01-02T00:00:00Z"),
            ("orphans            = 0.02", "orphans            = 0.03"),
        ],
    )
    def test_every_value_is(self, changed, old: str, new: str) -> None:
        assert load(changed(old, new)).digest != load("pneumonia_ab").digest

    def test_it_is_of_the_moment_and_not_of_its_zone(self, changed) -> None:
        elsewhere = changed("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00")

        assert load(elsewhere).digest == load("pneumonia_ab").digest

    def test_a_key_that_is_invented_later_leaves_it_as_it_was(self) -> None:
        """Frozen before there was `benefit`: a decision of that time still fits its file."""
        frozen = "6363017fc13fbf282e2854456ab08694efec1ed20ea3baafbbd60e3564fbf724"

        assert load("pneumonia_ab").digest == frozen

    def test_a_benefit_is_part_of_it(self, changed) -> None:
        some = load(changed("primary_metric ", 'benefit = "it is faster"\nprimary_metric '))
        other = load(changed("primary_metric ", 'benefit = "it is cheaper"\nprimary_metric '))

        assert len({some.digest, other.digest, load("pneumonia_ab").digest}) == 3


class TestRefusals:
    def test_all_problems_are_reported_at_once(self, tmp_path: Path) -> None:
        file = tmp_path / "trial.toml"
        file.write_text('primary_metric = "sensitivty"\nalpha = 0.5\nfoo = 1\n')

        said = problems(file)

        assert "write 'sensitivity'" in said
        assert "alpha = 0.5" in said
        assert "foo = 1" in said
        assert "margins" in said

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("sensitivity = 0.03", 'sensitivity = "3 %"', "without quotes"),
            ("sensitivity = 0.03", "sensitivity = 3", "three percentage points"),
            ("audit_share          = 0.5", "audit_share = 0", "above 0 and at most 1"),
            ("audit_share          = 0.5", "audit_share = true", "without quotes"),
            ("T00:00:00Z", "T00:00:00", "offset from UTC"),
            ("challenger = 50", "challenger = 60", "at most 100 percent"),
            ("minimum_per_arm      = 100", "minimum_per_arm = 5000", "write at most 3000"),
            ("subgroups            = []", 'subgroups = ["a", "a"]', "every subgroup once"),
            ("subgroups            = []", 'subgroups = ["a b"]', "lower-case letters"),
            ("prevalence = 0.7", "prevalence = 1.0", "between 0 and 1"),
            ("label_maturity_hours = 72", "label_maturity_hours = 1.5", "whole hours"),
        ],
    )
    def test_a_wrong_value_says_its_rule(self, changed, old: str, new: str, message: str) -> None:
        assert message in problems(changed(old, new))

    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            ('""', "one line that says what the challenger is better at"),
            ('"  "', "one line that says what the challenger is better at"),
            (r'"it is\nfaster"', "one line that says what the challenger is better at"),
            ("true", "a text"),
        ],
    )
    def test_a_benefit_says_what_it_is(self, changed, value: str, rule: str) -> None:
        said = problems(changed("primary_metric ", f"benefit = {value}\nprimary_metric "))

        assert "trial.toml: benefit = " in said
        assert f"rule:    {rule}" in said
        assert "way out: " in said

    def test_the_arms_are_two_versions(self, changed) -> None:
        same = changed('"pneumonia_poc_classifier_pytorch"', '"pneumonia_poc_classifier"')

        assert "another version than the champion" in problems(same)

    def test_the_name_is_the_files(self, changed) -> None:
        assert "named by its file" in problems(
            changed("primary_metric ", 'name = "x"\nprimary_metric ')
        )
        assert "rename the file" in problems(changed(name="Trial 1"))

    def test_a_name_that_is_nearly_right_is_guessed(self) -> None:
        with pytest.raises(InvalidExperiment, match="did you mean 'pneumonia_ab'"):
            load("pneumonia_abs")

    def test_a_file_that_is_no_toml(self, tmp_path: Path) -> None:
        file = tmp_path / "trial.toml"
        file.write_text("primary_metric = \n")

        assert "a readable file of TOML" in problems(file)


class TestSplits:
    def record(self, tmp_path: Path, *moments: str) -> Path:
        file = tmp_path / "splits.toml"
        file.write_text(
            "".join(
                f"[[split]]\nsince = {moment}\nchampion = 80\nchallenger = 20\n"
                for moment in moments
            )
        )
        return file

    def test_without_a_record_the_first_split_lasts(self) -> None:
        (split,) = splits(load("pneumonia_ab"))

        assert split.propensity == 0.5

    def test_changes_follow_in_their_order(self, tmp_path: Path) -> None:
        file = self.record(tmp_path, "2026-01-05T00:00:00Z", "2026-01-09T00:00:00Z")

        assert [it.propensity for it in splits(load("pneumonia_ab"), file)] == [0.5, 0.2, 0.2]

    def test_a_change_before_the_start_is_refused(self, tmp_path: Path) -> None:
        file = self.record(tmp_path, "2025-12-31T00:00:00Z")

        with pytest.raises(InvalidExperiment, match=r"split\[0\].since"):
            splits(load("pneumonia_ab"), file)

    def test_with_other_arms_the_propensity_is_between_the_two(self, changed) -> None:
        file = changed("champion   = 50", "champion   = 30")

        assert load(file).split.propensity == pytest.approx(50 / 80)

    def test_a_wrong_change_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "splits.toml"
        file.write_text("[[split]]\nsince = 2026-01-05T00:00:00Z\nchampion = 80\n")

        with pytest.raises(InvalidExperiment, match=r"split\[0\].challenger"):
            splits(load("pneumonia_ab"), file)
