"""An environment file declares any number of endpoints, each by the name of its table."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.declared.analysis import analyses
from infra.declared.endpoint import ABTest, Feedback, SingleModel
from infra.declared.endpoints import NoSuchTest
from infra.declared.environment import InvalidEnvironment, load
from infra.declared.feedback import feedback_variables
from tests.infra.several import SEVERAL

Write = Callable[..., Path]

SECOND = """
[second_test]
endpoint = "columns"
[second_test.champion]
model = "trees"
version = 1
"""


@pytest.fixture
def several(tmp_path: Path) -> Path:
    file = tmp_path / "several.toml"
    file.write_text(SEVERAL, encoding="utf-8")
    return file


def test_a_table_is_what_it_declares(several: Path) -> None:
    endpoints = load(several).endpoints

    assert {name: type(it) for name, it in endpoints.items()} == {
        "ab_test": ABTest,
        "second_test": ABTest,
        "triage": SingleModel,
        "feedback": Feedback,
    }


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ('model = "feedback_processor"', Feedback),
        ('model = "of_ours"\nauthentication = "token"', Feedback),
        ('model = "of_ours"', SingleModel),
    ],
)
def test_what_takes_readings_is_told_by_its_model_or_its_keys(
    write: Write, table: str, kind: type[SingleModel]
) -> None:
    file = write(('[feedback]\nendpoint = "feedback-endpoint"\nmodel = "feedback_processor"\n', ""))
    text = file.read_text().rstrip().removesuffix("version = 1")
    file.write_text(f'{text}[other]\nendpoint = "other"\nversion = 1\n{table}\n')

    assert type(load(file).endpoints["other"]) is kind


def test_an_environment_may_have_a_single_model_alone(tmp_path: Path) -> None:
    file = tmp_path / "alone.toml"
    file.write_text('catalog = "c"\n[triage]\nendpoint = "t"\nmodel = "m"\nversion = 1\n')

    environment = load(file)

    assert list(environment.endpoints) == ["triage"]
    with pytest.raises(NoSuchTest, match=r"alone\.toml declares no A/B test"):
        _ = environment.ab_test


def test_one_test_is_meant_without_being_named(write: Write) -> None:
    assert load(write()).test == "ab_test"


def test_of_several_tests_one_has_to_be_named(several: Path) -> None:
    with pytest.raises(NoSuchTest) as refused:
        _ = load(several).ab_test

    assert str(refused.value) == (
        "several.toml declares several A/B tests: name one of them, --test ab_test or "
        "--test second_test."
    )
    assert load(several, "second_test").ab_test.champion.model == "trees"


def test_a_test_that_there_is_not_is_refused_by_name(several: Path) -> None:
    with pytest.raises(NoSuchTest, match="it declares ab_test, second_test"):
        load(several, "triage")


def test_models_tell_which_test_is_meant(several: Path) -> None:
    environment = load(several)

    assert environment.about_models("trees", "linear").test == "second_test"
    with pytest.raises(NoSuchTest):
        _ = environment.about_models("trees", "torch").test


def test_every_test_that_logs_has_views_of_its_own(several: Path) -> None:
    found = {test: it.full_name("outcomes") for test, it in analyses(load(several)).items()}

    assert found == {
        "ab_test": "c.gold.films_outcomes",
        "second_test": "c.silver.columns_outcomes",
    }


def test_the_feedback_knows_the_requests_of_every_test(several: Path) -> None:
    told = feedback_variables(load(several, "second_test"), host="h", warehouse_id="w")

    assert told["FEEDBACK_PAYLOAD_TABLE"] == "c.gold.films_payload,c.silver.columns_payload"


@pytest.mark.parametrize(
    ("add", "key", "rule", "way_out"),
    [
        (
            SECOND.replace("columns", "pneumonia-classifier-ab-test"),
            "second_test.endpoint",
            "ab_test has this one",
            "rename one of the two",
        ),
        (
            f'{SECOND}[second_test.inference_table]\nschema = "gold"\n'
            'prefix = "pneumonia_classifier"',
            "second_test.inference_table.prefix",
            "ab_test.inference_table writes it",
            "another prefix",
        ),
        (
            '[readings]\nendpoint = "r"\nmodel = "feedback_processor"\nversion = 2',
            "readings",
            "one endpoint takes the readings of every test, and feedback does",
            "remove one of the two",
        ),
        (
            SECOND.replace("second_test", "Second-Test"),
            "Second-Test",
            "lower-case letters, digits and '_'",
            "[second_test]",
        ),
        (SECOND.replace("second_test", "warehouse"), "warehouse", "not named", "[warehouse_test]"),
        ("[platfrom]\nprotect = true", "platfrom", "known keys here", "did you mean 'platform'?"),
        ('[second_test]\nendpoint = "e"', "second_test.champion", "a required key", "champion"),
        (
            f"{SECOND}challenger = 1",
            "second_test.champion.challenger",
            "known keys here: model",
            "remove the key",
        ),
    ],
)
def test_what_two_endpoints_must_not_share_names_both(
    write: Write, add: str, key: str, rule: str, way_out: str
) -> None:
    with pytest.raises(InvalidEnvironment) as refused:
        load(write(add=f"\n{add}"))

    problem = {it.key: it for it in refused.value.problems}[key]
    assert rule in problem.rule
    assert way_out in problem.way_out


def test_every_test_logs_where_unknown_requests_are_refused(write: Write) -> None:
    file = write(("[feedback]", '[feedback]\nunknown_request = "refuse"'), add=SECOND)

    with pytest.raises(InvalidEnvironment, match=r"\[second_test.inference_table\]"):
        load(file)


def test_an_environment_needs_more_than_feedback(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_text(
        'catalog = "c"\n[feedback]\nendpoint = "f"\nmodel = "feedback_processor"\nversion = 1\n'
    )

    with pytest.raises(InvalidEnvironment) as refused:
        load(file)

    (problem,) = refused.value.problems
    assert problem.key == "ab_test"
    assert "at least one endpoint" in problem.rule


@pytest.mark.parametrize(
    ("place", "line", "key"),
    [
        (
            "[ab_test.champion]",
            "burst_scaling_enabled = true",
            "ab_test.champion.burst_scaling_enabled",
        ),
        ("[feedback]", "burst_scaling_enabled = true", "feedback.burst_scaling_enabled"),
        (
            "[ab_test]",
            'telemetry_config = { telemetry_profile_id = "p" }',
            "ab_test.telemetry_config",
        ),
    ],
)
def test_a_key_that_the_installed_bindings_lack_is_refused_by_name(
    write: Write, place: str, line: str, key: str
) -> None:
    with pytest.raises(InvalidEnvironment) as refused:
        load(write((place, f"{place}\n{line}")))

    (problem,) = refused.value.problems
    assert problem.key == key
    assert "the installed bindings" in problem.rule
    assert "docs/adr/0001" in problem.way_out


@pytest.mark.parametrize(
    ("lines", "key", "rule"),
    [
        ("min_provisioned_concurrency = 4", "max_provisioned_concurrency", "both bounds"),
        (
            "min_provisioned_concurrency = 4\nmax_provisioned_concurrency = 6",
            "max_provisioned_concurrency",
            "multiples of 4",
        ),
        (
            "min_provisioned_concurrency = 8\nmax_provisioned_concurrency = 4",
            "min_provisioned_concurrency",
            "at most max_provisioned_concurrency = 4",
        ),
        (
            "min_provisioned_concurrency = 4\nmax_provisioned_concurrency = 8\n"
            'workload_size = "Small"',
            "workload_size",
            "a size or the bounds",
        ),
        ('served_entity = "a b"', "served_entity", "letters, digits"),
        ('served_entity = "pneumonia_poc_classifier_pytorch-1"', "", "has this name already"),
        ('instance_profile_arn = "serving"', "instance_profile_arn", "ARN"),
        ('schema = "information_schema"', "schema", "reserves"),
    ],
)
def test_what_an_arm_may_have_has_rules(write: Write, lines: str, key: str, rule: str) -> None:
    with pytest.raises(InvalidEnvironment) as refused:
        load(write(("[ab_test.champion]", f"[ab_test.champion]\n{lines}")))

    found = {it.key: it.rule for it in refused.value.problems}
    wanted = f"ab_test.champion.{key}" if key else "ab_test.challengers[0]"
    assert rule in found[wanted]


def test_an_arm_may_be_registered_elsewhere(write: Write) -> None:
    environment = load(
        write(("[ab_test.champion]", '[ab_test.champion]\ncatalog = "other"\nschema = "s"'))
    )

    champion = environment.ab_test.champion
    assert environment.full_model_name(champion) == "other.s.pneumonia_poc_classifier"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "rate_limits = [{ calls = 9 }, { calls = 8 }]",
            r"rate_limits\[1\]\.key = \"endpoint\".*the same calls as rate_limits\[0\]",
        ),
        (
            'rate_limits = [{ calls = 9, key = "user" }, { calls = 8, key = "user" }]',
            r"rate_limits\[1\]\.key = \"user\".*the same calls as rate_limits\[0\]",
        ),
        (
            'email_notifications = { on_update_failure = ["nobody"] }',
            r'on_update_failure\[0\] = "nobody".*an e-mail address',
        ),
    ],
)
def test_what_an_endpoint_may_have_is_refused_by_name(
    tmp_path: Path, lines: str, said: str
) -> None:
    file = tmp_path / "dev.toml"
    file.write_text(SEVERAL.replace('endpoint = "films"', f'endpoint = "films"\n{lines}'))

    with pytest.raises(InvalidEnvironment, match=f"(?s){said}"):
        load(file)


def test_limits_of_different_callers_stand_beside_each_other(tmp_path: Path) -> None:
    limits = 'rate_limits = [{ calls = 9 }, { calls = 8, key = "user" }]'
    file = tmp_path / "dev.toml"
    file.write_text(SEVERAL.replace('endpoint = "films"', f'endpoint = "films"\n{limits}'))

    assert len(load(file).about("ab_test").ab_test.rate_limits) == 2
