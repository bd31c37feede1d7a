"""Every rule of an environment file, each broken once in an otherwise valid file."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from infra.declared import environment
from infra.declared.declaration import Declaration
from infra.declared.endpoint import (
    ABTest,
    Feedback,
)
from infra.declared.environment import (
    ENVIRONMENTS,
    Environment,
    InvalidEnvironment,
    Problem,
    available,
    load,
    load_all,
)
from infra.declared.reading import ReadingPlan
from ml.contract.serving import FEEDBACK_MODEL, KERAS_MODEL, PYTORCH_MODEL

Problems = Callable[..., dict[str, Problem]]
Write = Callable[..., Path]

CHAMPION = '[ab_test.champion]\nmodel = "pneumonia_poc_classifier"\nversion = 1'
INFERENCE_TABLE = '[ab_test.inference_table]\nschema = "gold"\nprefix = "pneumonia_classifier"'
CHALLENGER = 'model = "pneumonia_poc_classifier_pytorch"\nversion = 1\ntraffic = 50'


def test_the_environments_are_local_dev_pilot_and_prod() -> None:
    assert available() == ("dev", "local", "pilot", "prod")
    assert [it.name for it in load_all()] == ["dev", "local", "pilot", "prod"]


@pytest.mark.parametrize("name", ["dev", "local", "pilot", "prod"])
def test_every_environment_has_a_catalog_of_its_own(name: str) -> None:
    assert load(name).catalog == f"healthcare_catalog_{name}"


def test_a_model_is_registered_under_its_environments_three_level_name() -> None:
    full_name = load("dev").full_model_name("pneumonia_poc_classifier")

    assert full_name == "healthcare_catalog_dev.models.pneumonia_poc_classifier"


def test_another_schema_for_models_can_be_named(write: Write) -> None:
    file = write(("[ab_test]", 'models_schema = "registry"\n\n[ab_test]'))

    assert load(file).full_model_name("m") == "healthcare_catalog_dev.registry.m"


def test_dev_is_the_guides_deployment() -> None:
    dev = load("dev")

    assert dev.ab_test.endpoint == "pneumonia-classifier-ab-test"
    champion, challenger = dev.ab_test.served_models
    assert (champion.model, champion.version) == ("pneumonia_poc_classifier", 1)
    assert (challenger.model, challenger.version) == ("pneumonia_poc_classifier_pytorch", 1)
    assert {(it.workload_size, it.scale_to_zero) for it in (champion, challenger)} == {
        ("Small", True)
    }
    assert [route.percent for route in dev.ab_test.split.routes] == [50, 50]
    assert dev.ab_test.inference_table is not None
    assert dev.ab_test.inference_table.schema_name == "gold"
    assert dev.ab_test.inference_table.prefix == "pneumonia_classifier"
    assert dev.feedback is not None
    assert dev.feedback.endpoint == "feedback-endpoint"
    assert dev.feedback.served_models[0].served_entity_name == "feedback_processor-1"


def test_the_served_models_are_those_that_ml_registers() -> None:
    dev = load("dev")

    assert [arm.model for arm in dev.ab_test.served_models] == [KERAS_MODEL, PYTORCH_MODEL]
    assert dev.feedback is not None
    assert dev.feedback.model == FEEDBACK_MODEL


def keys_of(declaration: type[Declaration]) -> Iterator[str]:
    for name, field in declaration.model_fields.items():
        if not field.exclude:
            yield field.alias or name


def declarations_in(annotation: Any) -> Iterator[type[Declaration]]:
    """What a file may say by a key of that type, and by the keys within."""
    if isinstance(annotation, type) and issubclass(annotation, Declaration):
        yield annotation
        for field in annotation.model_fields.values():
            yield from declarations_in(field.annotation)
    for part in get_args(annotation):
        yield from declarations_in(part)


@pytest.mark.parametrize(
    "declaration", dict.fromkeys([*declarations_in(Environment), ABTest, Feedback])
)
def test_every_key_is_documented_beside_the_files(declaration: type[Declaration]) -> None:
    documented = re.findall(r"`\[*\.?([a-z0-9_.]+)\]*`", (ENVIRONMENTS / "README.md").read_text())
    words = {word for path in documented for word in path.split(".")}

    assert [key for key in keys_of(declaration) if key not in words] == []


def test_a_path_is_read_as_a_name_is(write: Write) -> None:
    file = write(name="trial")

    assert load(file).name == "trial"
    assert load(str(file)) == load(file)


def test_without_a_reading_table_one_reader_reads_what_is_called_and_a_tenth_of_the_rest(
    write: Write,
) -> None:
    assert load(write()).reading == ReadingPlan(readers=1, audit_share=0.1, seed=0)


def test_an_environment_cannot_be_changed_after_it_was_checked() -> None:
    dev = load("dev")

    with pytest.raises(ValidationError, match="frozen"):
        dev.ab_test.champion.version = 2
    with pytest.raises(TypeError):
        dev.ab_test.champion.environment_vars["A"] = "b"  # type: ignore[index]


# name of the rule, (text of the file, what stands there instead), key, value, rule, way out
RULES = [
    (
        "another way with unknown requests",
        ("[feedback]", '[feedback]\nunknown_request = "ignore"'),
        ("feedback.unknown_request", '"ignore"', "one of pending, refuse", "write 'pending'"),
    ),
    (
        "unknown requests refused though nothing is logged",
        (f"{INFERENCE_TABLE}\n\n[feedback]", '[feedback]\nunknown_request = "refuse"'),
        ("feedback.unknown_request", '"refuse"', "there is none", "[ab_test.inference_table]"),
    ),
    (
        "another way to sign in",
        ("[feedback]", '[feedback]\nauthentication = "password"'),
        (
            "feedback.authentication",
            '"password"',
            "one of oauth, token, passthrough",
            "write 'oauth'",
        ),
    ),
    (
        "unknown key",
        ("traffic = 50", "traffic = 50\nscale_to_zro = true"),
        (
            "ab_test.challengers[0].scale_to_zro",
            "true",
            "known keys here: model, version",
            "did you mean 'scale_to_zero'?",
        ),
    ),
    (
        "unknown key unlike any other",
        ("[ab_test]", "zzz = 1\n[ab_test]"),
        ("zzz", "1", "known keys here: catalog", "remove the key"),
    ),
    (
        "missing key",
        ('catalog = "healthcare_catalog_dev"', ""),
        ("catalog", "", "required", 'catalog = "healthcare_catalog_dev"'),
    ),
    (
        "missing key of a challenger",
        ("\ntraffic = 50", ""),
        ("ab_test.challengers[0].traffic", "", "required", "traffic = 10"),
    ),
    (
        "missing table",
        (CHAMPION, ""),
        ("ab_test.champion", "", "required", "[ab_test.champion]"),
    ),
    (
        "a name in the file",
        ('catalog = "', 'name = "prod"\ncatalog = "'),
        ("name", '"prod"', "named by its file", "remove the key"),
    ),
    (
        "endpoint with a space",
        ("pneumonia-classifier-ab-test", "ab test"),
        ("ab_test.endpoint", '"ab test"', "letters, digits, '-' and '_'", "rename"),
    ),
    (
        "endpoint that ends in a hyphen",
        ("pneumonia-classifier-ab-test", "ab-test-"),
        ("ab_test.endpoint", '"ab-test-"', "the last a letter or digit", "rename"),
    ),
    (
        "endpoint of 64 characters",
        ("pneumonia-classifier-ab-test", "e" * 64),
        ("ab_test.endpoint", f'"{"e" * 64}"', "1 to 63", "shorten it: 64 characters"),
    ),
    (
        "reserved endpoint prefix",
        ("pneumonia-classifier-ab-test", "databricks-ab-test"),
        ("ab_test.endpoint", '"databricks-ab-test"', "reserved", "another beginning"),
    ),
    (
        "catalog with a hyphen",
        ("healthcare_catalog_dev", "healthcare-catalog"),
        ("catalog", '"healthcare-catalog"', "lower-case letters, digits and '_'", "rename"),
    ),
    (
        "catalog in capitals",
        ("healthcare_catalog_dev", "Healthcare"),
        ("catalog", '"Healthcare"', "lower-case", "healthcare"),
    ),
    (
        "catalog of Databricks",
        ("healthcare_catalog_dev", "system"),
        ("catalog", '"system"', "reserves the catalogs", "your own"),
    ),
    (
        "schema of Databricks",
        ('schema = "gold"', 'schema = "information_schema"'),
        ("ab_test.inference_table.schema", '"information_schema"', "reserves", "your own"),
    ),
    (
        "model with its catalog",
        ('"pneumonia_poc_classifier"', '"c.models.classifier"'),
        ("ab_test.champion.model", '"c.models.classifier"', "Unity Catalog name", "without dots"),
    ),
    (
        "model too long for a served entity",
        ('"pneumonia_poc_classifier"', f'"{"m" * 62}"'),
        ("ab_test.champion.model", f'"{"m" * 62}"', "at most 63", "shorter name"),
    ),
    (
        "version as a text",
        ('classifier"\nversion = 1', 'classifier"\nversion = "1"'),
        ("ab_test.champion.version", '"1"', "positive whole number", "without quotes"),
    ),
    (
        "version as an alias",
        ('classifier"\nversion = 1', 'classifier"\nversion = "champion"'),
        ("ab_test.champion.version", '"champion"', "no alias", "the number"),
    ),
    (
        "version 0",
        ('classifier"\nversion = 1', 'classifier"\nversion = 0'),
        ("ab_test.champion.version", "0", "positive whole number", "for example: 1"),
    ),
    (
        "version true",
        ('classifier"\nversion = 1', 'classifier"\nversion = true'),
        ("ab_test.champion.version", "true", "positive whole number", "for example: 1"),
    ),
    (
        "traffic above 100",
        ("traffic = 50", "traffic = 101"),
        ("ab_test.challengers[0].traffic", "101", "from 0 to 100", "champion gets the rest"),
    ),
    (
        "traffic below 0",
        ("traffic = 50", "traffic = -1"),
        ("ab_test.challengers[0].traffic", "-1", "from 0 to 100", "champion gets the rest"),
    ),
    (
        "traffic as a fraction",
        ("traffic = 50", "traffic = 0.5"),
        ("ab_test.challengers[0].traffic", "0.5", "whole number of percent", "without quotes"),
    ),
    (
        "traffic true",
        ("traffic = 50", "traffic = true"),
        ("ab_test.challengers[0].traffic", "true", "whole number of percent", "without quotes"),
    ),
    (
        "traffic above 100 together",
        (
            CHALLENGER,
            f"{CHALLENGER}\n[[ab_test.challengers]]\n{CHALLENGER}".replace(
                "version = 1\ntraffic = 50", "version = 2\ntraffic = 60", 1
            ),
        ),
        ("ab_test.challengers[*].traffic", '"60 + 50 = 110"', "at most 100", "10 percent off"),
    ),
    (
        "challenger that is the champion",
        ("pneumonia_poc_classifier_pytorch", "pneumonia_poc_classifier"),
        ("ab_test.challengers[0]", '"pneumonia_poc_classifier-1"', "champion has", "remove one"),
    ),
    (
        "two challengers of one name",
        (CHALLENGER, f"{CHALLENGER}\n[[ab_test.challengers]]\n{CHALLENGER}"),
        (
            "ab_test.challengers[1]",
            '"pneumonia_poc_classifier_pytorch-1"',
            "challengers[0] has",
            "serve another version",
        ),
    ),
    (
        "more than ten served entities",
        (
            CHALLENGER,
            "\n[[ab_test.challengers]]\n".join(
                f'model = "challenger"\nversion = {version}\ntraffic = 1'
                for version in range(1, 11)
            ),
        ),
        ("ab_test.challengers", '"10 challengers"', "at most 10 served entities", "remove 1"),
    ),
    (
        "unknown size",
        ("traffic = 50", 'traffic = 50\nworkload_size = "small"'),
        (
            "ab_test.challengers[0].workload_size",
            '"small"',
            "one of Small, Medium, Large",
            "'Small'",
        ),
    ),
    (
        "unknown hardware",
        ("traffic = 50", 'traffic = 50\nworkload_type = "GPU_SMAL"'),
        ("ab_test.challengers[0].workload_type", '"GPU_SMAL"', "CPU_MEDIUM", "'GPU_SMALL'"),
    ),
    (
        "scale to zero as a text",
        ("traffic = 50", 'traffic = 50\nscale_to_zero = "yes"'),
        ("ab_test.challengers[0].scale_to_zero", '"yes"', "true or false", "without quotes"),
    ),
    (
        "timeout shorter than a build",
        ("[ab_test.champion]", "timeout_minutes = 20\n[ab_test.champion]"),
        ("ab_test.timeout_minutes", "20", "at least 45", "45 or more"),
    ),
    (
        "table prefix with its suffix",
        ('prefix = "pneumonia_classifier"', 'prefix = "pneumonia_payload"'),
        ("ab_test.inference_table.prefix", '"pneumonia_payload"', "itself", "'pneumonia'"),
    ),
    (
        "table prefix that makes the name too long",
        ('prefix = "pneumonia_classifier"', f'prefix = "{"p" * 248}"'),
        ("ab_test.inference_table.prefix", f'"{"p" * 79}…', "at most 247", "248 characters"),
    ),
    (
        "table prefix with a hyphen",
        ('prefix = "pneumonia_classifier"', 'prefix = "pneumonia-classifier"'),
        ("ab_test.inference_table.prefix", '"pneumonia-classifier"', "'_'", "rename"),
    ),
    (
        "a key by its name in Python",
        ('schema = "gold"', 'schema_name = "gold"\nschema = "gold"'),
        ("ab_test.inference_table.schema_name", '"gold"', "known keys here", "'schema'"),
    ),
    (
        "list instead of a table",
        ("[ab_test.inference_table]", "[[ab_test.inference_table]]"),
        ("ab_test.inference_table", "[1 elements]", "a table", "keys and values"),
    ),
    (
        "text instead of a list",
        (f"[[ab_test.challengers]]\n{CHALLENGER}", '[ab_test.challengers]\na = "b"'),
        ("ab_test.challengers", "{ a }", "a list", "[[table]]"),
    ),
    (
        "one name for both endpoints",
        ("feedback-endpoint", "pneumonia-classifier-ab-test"),
        ("feedback.endpoint", '"pneumonia-classifier-ab-test"', "unique", "rename one"),
    ),
]


@pytest.mark.parametrize(
    ("change", "expected"), [it[1:] for it in RULES], ids=[it[0] for it in RULES]
)
def test_a_broken_rule_is_named_with_key_value_and_way_out(
    problems: Problems, change: tuple[str, str], expected: tuple[str, str, str, str]
) -> None:
    key, value, rule, way_out = expected

    found = problems(change)

    assert list(found) == [key]
    assert found[key].value == value
    assert rule in found[key].rule
    assert way_out in found[key].way_out


# name of the rule, what is added to the file, key, value, rule, way out
ADDITIONS = [
    (
        "plain-text secret by its name",
        '[ab_test.champion.environment_vars]\nDATABRICKS_TOKEN = "abc"',
        (
            "ab_test.champion.environment_vars.DATABRICKS_TOKEN",
            "(not shown)",
            "no secret in plain text",
            '"{{secrets/SCOPE/databricks_token}}"',
        ),
    ),
    (
        "plain-text secret by its form",
        f'[ab_test.champion.environment_vars]\nSETTING = "dapi{"0" * 32}"',
        (
            "ab_test.champion.environment_vars.SETTING",
            "(not shown)",
            "no secret in plain text",
            "put it into a secret scope",
        ),
    ),
    (
        "secret inside a text",
        '[ab_test.champion.environment_vars]\nURL = "https://{{secrets/scope/host}}/"',
        (
            "ab_test.champion.environment_vars.URL",
            "(not shown)",
            "the whole value",
            "{{secrets/SCOPE/url}}",
        ),
    ),
    (
        "variable with a hyphen",
        '[ab_test.champion.environment_vars]\nLOG-LEVEL = "info"',
        (
            "ab_test.champion.environment_vars.LOG-LEVEL",
            '"LOG-LEVEL"',
            "a variable's name",
            "rename the variable",
        ),
    ),
    (
        "variable that is a number",
        "[ab_test.champion.environment_vars]\nWORKERS = 2",
        ("ab_test.champion.environment_vars.WORKERS", "2", "a text", "double quotes"),
    ),
    (
        "more than fifty variables",
        "[ab_test.champion.environment_vars]\n" + "\n".join(f'V{i} = ""' for i in range(52)),
        ("ab_test.champion.environment_vars", None, "at most 50", "remove 2"),
    ),
    (
        "two kinds of principal",
        '[[ab_test.permissions]]\ngroup = "a"\nuser = "b"\nlevel = "CAN_QUERY"',
        ("ab_test.permissions[0]", "", "exactly one of group, user, service_principal", "each"),
    ),
    (
        "no principal",
        '[[ab_test.permissions]]\nlevel = "CAN_QUERY"',
        ("ab_test.permissions[0]", "", "exactly one of", "each"),
    ),
    (
        "empty principal",
        '[[ab_test.permissions]]\ngroup = ""\nlevel = "CAN_QUERY"',
        ("ab_test.permissions[0].group", '""', "not empty", "remove the key"),
    ),
    (
        "the group of admins",
        '[[ab_test.permissions]]\ngroup = "admins"\nlevel = "CAN_MANAGE"',
        ("ab_test.permissions[0].group", '"admins"', "admins manage every endpoint", "remove"),
    ),
    (
        "unknown permission level",
        '[[ab_test.permissions]]\ngroup = "readers"\nlevel = "CAN_READ"',
        ("ab_test.permissions[0].level", '"CAN_READ"', "CAN_VIEW, CAN_QUERY, CAN_MANAGE", "write"),
    ),
    (
        "principal named twice",
        '[[ab_test.permissions]]\ngroup = "readers"\nlevel = "CAN_QUERY"\n'
        '[[ab_test.permissions]]\ngroup = "readers"\nlevel = "CAN_VIEW"',
        ("ab_test.permissions[1].group", '"readers"', "one permission level", "the higher level"),
    ),
    (
        "auto-capture of a new endpoint",
        '[ab_test.auto_capture]\nschema = "gold"\nprefix = "captured"',
        (
            "ab_test.auto_capture.enabled_since",
            "",
            "on none since 2026-02-20 and stopped supporting it on 2026-03-20",
            "[inference_table] with the same schema and prefix",
        ),
    ),
    (
        "auto-capture enabled after its end",
        '[ab_test.auto_capture]\nschema = "gold"\nprefix = "captured"\nenabled_since = 2026-02-20',
        ("ab_test.auto_capture.enabled_since", "2026-02-20", "already", "[inference_table]"),
    ),
    (
        "auto-capture enabled at a time of day",
        '[ab_test.auto_capture]\nschema = "g"\nprefix = "p"\nenabled_since = 2025-06-30T08:00:00',
        ("ab_test.auto_capture.enabled_since", "2025-06-30 08:00:00", "a date", "2025-06-30"),
    ),
    (
        "one table for two endpoints",
        '[feedback.inference_table]\nschema = "gold"\nprefix = "pneumonia_classifier"',
        (
            "feedback.inference_table.prefix",
            '"healthcare_catalog_dev.gold.pneumonia_classifier_payload"',
            "ab_test.inference_table writes it",
            "another prefix",
        ),
    ),
    (
        "no reader",
        "[reading]\nreaders = 0",
        ("reading.readers", "0", "1 or 2", "write 1 or 2"),
    ),
    (
        "more readers than two",
        "[reading]\nreaders = 3",
        ("reading.readers", "3", "where two disagree", "write 1 or 2"),
    ),
    (
        "no audit of what was not called",
        "[reading]\naudit_share = 0",
        ("reading.audit_share", "0", "what the models miss", "0.1"),
    ),
    (
        "audit share in percent",
        "[reading]\naudit_share = 10",
        ("reading.audit_share", "10", "above 0 and up to 1", "0.1"),
    ),
    (
        "audit strata that do not ascend",
        "[reading]\naudit_strata = [{ from = 0.3, share = 0.5 }, { from = 0.2, share = 0.2 }]",
        ("reading.audit_strata[1].from", "0.2", "begins at 0.3", "in order"),
    ),
    (
        "an audit stratum of what is read anyway",
        "[reading]\naudit_strata = [{ from = 0.7, share = 0.5 }]",
        ("reading.audit_strata[0].from", "0.7", "between 0 and 0.5", "from = 0.2"),
    ),
    (
        "audit share that is no number",
        "[reading]\naudit_share = nan",
        ("reading.audit_share", "nan", "above 0 and up to 1", "0.1"),
    ),
    (
        "seed that is no number",
        '[reading]\nseed = "7"',
        ("reading.seed", '"7"', "a whole number", "seed = 0"),
    ),
    (
        "a site by its name",
        '[context.sites]\n"Northern General" = []',
        ("context.sites.Northern General", "[0 elements]", "the code of a site", "north = ["),
    ),
    (
        "an institution of two sites",
        '[context.sites]\nnorth = ["Northern General"]\nsouth = ["northern  GENERAL"]',
        (
            "context.sites.south[0]",
            '"northern  GENERAL"',
            "this one is north already",
            "remove it from one of the two",
        ),
    ),
    (
        "host with a path",
        '[workspace]\nhost = "https://adb-1.7.azuredatabricks.net/?o=1"',
        (
            "workspace.host",
            '"https://adb-1.7.azuredatabricks.net/?o=1"',
            "nothing behind them",
            "write https://adb-1.7.azuredatabricks.net",
        ),
    ),
    (
        "host without https",
        '[workspace]\nhost = "http://adb-1.7.azuredatabricks.net"',
        ("workspace.host", '"http://adb-1.7.azuredatabricks.net"', "https", "write https://adb"),
    ),
    (
        "host with credentials",
        '[workspace]\nhost = "https://me:pw@adb-1.7.azuredatabricks.net"',
        ("workspace.host", "(not shown)", "nothing behind them", "write it like https://adb-"),
    ),
    (
        "host without a scheme",
        '[workspace]\nhost = "adb-1.7.azuredatabricks.net"',
        ("workspace.host", '"adb-1.7.azuredatabricks.net"', "scheme and host", "https://adb-"),
    ),
    (
        "address that ends in a slash",
        '[backend]\ntype = "http"\naddress = "https://state.example.com/"',
        ("backend.address", '"https://state.example.com/"', "without a slash", "write it like"),
    ),
    (
        "address of another scheme",
        '[backend]\ntype = "http"\naddress = "file:///state"',
        ("backend.address", '"file:///state"', "an http(s) address", "write it like"),
    ),
    (
        "key prefix with a slash at the end",
        '[backend]\ntype = "s3"\nregion = "eu-central-1"\nbucket = "state"\nkey_prefix = "x/"',
        ("backend.key_prefix", '"x/"', "without a slash at either end", "added behind it"),
    ),
    (
        "token",
        '[workspace]\ntoken = "abc"',
        ("workspace.token", "(not shown)", "known keys here: host, profile", "remove the key"),
    ),
    (
        "tag that is a number",
        "[tags]\ncost_center = 7",
        ("tags.cost_center", "7", "a text", "double quotes"),
    ),
    (
        "unknown backend",
        '[backend]\ntype = "gcs"',
        ("backend", "{ type }", "one of local, s3, http, cloud", "write one of them"),
    ),
    (
        "backend without its type",
        '[backend]\nbucket = "state"',
        ("backend", "{ bucket }", "required key: type", 'type = "local"'),
    ),
    (
        "bucket with its scheme",
        '[backend]\ntype = "s3"\nregion = "eu-central-1"\nbucket = "s3://state"',
        ("backend.bucket", '"s3://state"', "3 to 63", "without s3://"),
    ),
    (
        "backend with credentials",
        '[backend]\ntype = "s3"\nregion = "eu-central-1"\nbucket = "state"\naccess_key = "A"',
        ("backend.access_key", "(not shown)", "known keys here: type, bucket", "remove the key"),
    ),
    (
        "address with credentials",
        '[backend]\ntype = "http"\naddress = "https://me:pw@gitlab.example.com/state"',
        ("backend.address", "(not shown)", "no credentials", "TF_HTTP_PASSWORD"),
    ),
]


@pytest.mark.parametrize(
    ("addition", "expected"), [it[1:] for it in ADDITIONS], ids=[it[0] for it in ADDITIONS]
)
def test_an_addition_that_breaks_a_rule_is_named_with_key_value_and_way_out(
    problems: Problems, addition: str, expected: tuple[str, str | None, str, str]
) -> None:
    key, value, rule, way_out = expected

    found = problems(add=addition)

    assert list(found) == [key]
    assert value is None or found[key].value == value
    assert rule in found[key].rule
    assert way_out in found[key].way_out


@pytest.mark.parametrize(
    "addition",
    [
        '[ab_test.champion.environment_vars]\nAPI_TOKEN = "{{secrets/scope/api-token}}"',
        '[ab_test.champion.environment_vars]\nTOKENIZERS_PARALLELISM = "false"\nMAX_TOKENS = "9"',
        '[workspace]\nhost = "http://127.0.0.1:8180"',
        '[workspace]\nprofile = "healthcare"',
        '[ab_test.auto_capture]\nschema = "gold"\nprefix = "old"\nenabled_since = 2025-06-30',
        "[reading]",
        "[reading]\nreaders = 2\naudit_share = 0.05\nseed = 7",
        "[reading]\naudit_share = 1",
        '[backend]\ntype = "http"\naddress = "https://gitlab.example.com/state"',
        '[backend]\ntype = "cloud"\norganization = "clinic"',
    ],
)
def test_a_valid_addition_is_accepted(problems: Problems, addition: str) -> None:
    assert problems(add=addition) == {}


@pytest.mark.parametrize("name", ["e", "E2e_2", "e" * 63])
def test_a_valid_endpoint_name_is_accepted(problems: Problems, name: str) -> None:
    assert problems(("pneumonia-classifier-ab-test", name)) == {}


@pytest.mark.parametrize("traffic", [0, 1, 99, 100])
def test_traffic_from_0_to_100_is_accepted(problems: Problems, traffic: int) -> None:
    assert problems(("traffic = 50", f"traffic = {traffic}")) == {}


def test_two_versions_of_one_model_may_compete(problems: Problems) -> None:
    same_model = CHALLENGER.replace("_pytorch", "").replace("version = 1", "version = 2")

    assert problems((CHALLENGER, same_model)) == {}


def test_an_ab_test_needs_no_challenger_and_no_feedback(write: Write) -> None:
    lonely = load(write((f"[[ab_test.challengers]]\n{CHALLENGER}", "")))

    assert [route.percent for route in lonely.ab_test.split.routes] == [100]
    assert load("local").feedback is None


def test_all_problems_come_at_once(problems: Problems) -> None:
    """Also those between keys, where one of the keys has a problem of its own."""
    found = problems(
        ('catalog = "healthcare_catalog_dev"', 'catalogue = "healthcare_catalog_dev"'),
        ("pneumonia-classifier-ab-test", "databricks-ab-test"),
        ("traffic = 50", 'traffic = 60\nworkload_size = "Huge"'),
        (
            "[ab_test.inference_table]",
            '[[ab_test.challengers]]\nmodel = "pneumonia_poc_classifier_pytorch"\nversion = 1\n'
            "traffic = 70\n\n[ab_test.inference_table]",
        ),
        ("feedback-endpoint", "databricks-ab-test"),
        ('"feedback_processor"\nversion = 1', '"feedback_processor"\nversion = "1"'),
    )

    assert set(found) == {
        "catalog",
        "catalogue",
        "ab_test.endpoint",
        "ab_test.challengers[0].workload_size",
        "ab_test.challengers[1]",
        "ab_test.challengers[*].traffic",
        "feedback.endpoint",
        "feedback.version",
    }


def test_a_problem_is_printed_with_file_key_value_rule_and_way_out(write: Write) -> None:
    file = write(("traffic = 50", "traffic = 101"))

    with pytest.raises(InvalidEnvironment) as refusal:
        load(file)

    assert str(refusal.value) == (
        f"{file}: ab_test.challengers[0].traffic = 101\n"
        "    rule:    a whole number of percent from 0 to 100\n"
        "    way out: write the share of this challenger alone, without quotes; the champion gets "
        "the rest"
    )


def test_a_secret_is_not_repeated_in_the_refusal(write: Write) -> None:
    secrets = (
        '[workspace]\ntoken = "hunter2"\n[ab_test.champion.environment_vars]\nPASSWORD = "hunter2"'
    )

    with pytest.raises(InvalidEnvironment) as refusal:
        load(write(add=secrets))

    assert "hunter2" not in str(refusal.value)


def test_a_mistake_of_toml_is_named_with_line_and_column(write: Write) -> None:
    with pytest.raises(InvalidEnvironment, match=r"dev\.toml\n.*line 12, column 11"):
        load(write(("version = 1\ntraffic", "version = \ntraffic")))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_bytes(b'catalog = "\xff"')

    with pytest.raises(InvalidEnvironment, match="UTF-8"):
        load(file)


def test_an_unknown_environment_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidEnvironment, match=r"(?s)dev, local, pilot, prod.*mean 'prod'"):
        load("prd")


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidEnvironment, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


def test_a_file_name_that_cannot_name_a_stack_is_refused(write: Write) -> None:
    with pytest.raises(InvalidEnvironment, match="rename the file"):
        load(write(name="Dev 2"))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`write` writes into the folder of all environments."""
    monkeypatch.setattr(environment, "ENVIRONMENTS", tmp_path)


@pytest.mark.usefixtures("folder")
class TestFilesBesideEachOther:
    def test_problems_of_every_file_come_at_once(self, write: Write) -> None:
        write(("traffic = 50", "traffic = 101"), name="one")
        write(("version = 1", "version = 0"), name="two")

        with pytest.raises(InvalidEnvironment, match=r"(?s)one\.toml.*two\.toml"):
            load_all()

    @pytest.mark.parametrize(
        "workspace", ['host = "https://adb-1.7.azuredatabricks.net"', 'profile = "clinic"']
    )
    def test_they_share_no_endpoint_of_one_workspace(self, write: Write, workspace: str) -> None:
        write(add=f"[workspace]\n{workspace}", name="one")
        write(
            ("healthcare_catalog_dev", "healthcare_catalog_two"),
            add=f"[workspace]\n{workspace}",
            name="two",
        )

        with pytest.raises(InvalidEnvironment) as refusal:
            load_all()

        assert [it.key for it in refusal.value.problems] == [
            "ab_test.endpoint",
            "feedback.endpoint",
        ]
        assert "one.toml claims it with ab_test.endpoint" in refusal.value.problems[0].rule

    def test_they_may_use_one_endpoint_name_in_two_workspaces(self, write: Write) -> None:
        write(add='[workspace]\nprofile = "one"', name="one")
        write(
            ("healthcare_catalog_dev", "healthcare_catalog_two"),
            add='[workspace]\nprofile = "two"',
            name="two",
        )

        assert [it.name for it in load_all()] == ["one", "two"]

    def test_they_share_no_inference_table(self, write: Write) -> None:
        write(name="one")
        write(name="two")

        with pytest.raises(InvalidEnvironment) as refusal:
            load_all()

        (problem,) = refusal.value.problems
        assert problem.key == "ab_test.inference_table.prefix"
        assert problem.value == "healthcare_catalog_dev.gold.pneumonia_classifier_payload"


def test_the_values_can_be_built_and_are_checked_in_python_too() -> None:
    with pytest.raises(ValidationError, match="at most 100 percent"):
        Environment.model_validate(
            {
                "name": "dev",
                "catalog": "c",
                "ab_test": {
                    "endpoint": "e",
                    "champion": {"model": "a", "version": 1},
                    "challengers": [
                        {"model": "b", "version": 1, "traffic": 60},
                        {"model": "b", "version": 2, "traffic": 60},
                    ],
                },
            }
        )
