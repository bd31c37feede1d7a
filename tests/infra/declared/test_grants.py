"""Least privilege: what each role may do, and what it may not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.declared.environment import Environment, load
from infra.declared.grants import Grant, endpoint_permissions, platform_grants, view_grants

Write = Callable[..., Path]

CATALOG = "healthcare_catalog_dev"
MODELS = ("feedback_processor", "pneumonia_poc_classifier", "pneumonia_poc_classifier_pytorch")


@pytest.fixture
def granted(write: Write) -> Callable[[str], dict[str, set[str]]]:
    """The privileges of `someone` in one role, by securable without the catalog."""

    def granted(role: str) -> dict[str, set[str]]:
        environment = load(write(add=f"[roles]\n{role}"))
        grants = platform_grants(environment)
        assert {grant.principal for grant in grants} <= {"someone"}
        return {
            f"{grant.on.kind} {grant.on.name.removeprefix(f'{CATALOG}.')}": set(grant.privileges)
            for grant in grants
        }

    return granted


Granted = Callable[[str], dict[str, set[str]]]


def test_the_endpoint_creator_reads_models_and_writes_where_serving_logs(granted: Granted) -> None:
    assert granted('endpoint_creator = { service_principal = "someone" }') == {
        f"catalog {CATALOG}": {"USE_CATALOG"},
        "schema models": {"USE_SCHEMA"},
        **{f"model models.{model}": {"EXECUTE"} for model in MODELS},
        "schema gold": {"USE_SCHEMA", "CREATE_TABLE"},
        "table gold.prediction_feedback": {"SELECT", "MODIFY"},
        "table gold.prediction_context": {"SELECT"},
    }


def test_trainers_ingest_films_and_register_versions(granted: Granted) -> None:
    assert granted('trainers = [{ group = "someone" }]') == {
        f"catalog {CATALOG}": {"USE_CATALOG"},
        "schema bronze": {"USE_SCHEMA"},
        "volume bronze.xray_images": {"READ_VOLUME", "WRITE_VOLUME"},
        "table bronze.kaggle_xray_metadata": {"SELECT", "MODIFY"},
        "schema models": {"USE_SCHEMA"},
        **{f"model models.{model}": {"EXECUTE", "CREATE_MODEL_VERSION"} for model in MODELS},
    }


def test_readers_see_films_and_neither_labels_nor_predictions(granted: Granted) -> None:
    assert granted('readers = [{ group = "someone" }]') == {
        f"catalog {CATALOG}": {"USE_CATALOG"},
        "schema bronze": {"USE_SCHEMA"},
        "volume bronze.xray_images": {"READ_VOLUME"},
    }


def test_the_reading_room_sees_films_and_verdicts_and_writes_neither(granted: Granted) -> None:
    assert granted('reading_room = { service_principal = "someone" }') == {
        f"catalog {CATALOG}": {"USE_CATALOG"},
        "schema bronze": {"USE_SCHEMA"},
        "volume bronze.xray_images": {"READ_VOLUME"},
        "schema gold": {"USE_SCHEMA"},
        "table gold.prediction_feedback": {"SELECT"},
    }


def test_the_reading_room_draws_from_the_predictions_and_shows_what_was_sent(write: Write) -> None:
    environment = load(write(add='[roles]\nreading_room = { service_principal = "someone" }'))

    grants = view_grants(environment, ["c.gold.outcomes"], drawn_from=["c.gold.predictions"])

    assert [(it.on.name, it.principal, it.privileges) for it in grants] == [
        ("c.gold.predictions", "someone", ("SELECT",))
    ]


def test_the_reading_room_sends_verdicts_and_no_films(write: Write) -> None:
    environment = load(write(add='[roles]\nreading_room = { service_principal = "someone" }'))
    assert environment.feedback is not None

    levels = {
        endpoint.endpoint: {it.name: it.level for it in endpoint_permissions(environment, endpoint)}
        for endpoint in (environment.ab_test, environment.feedback)
    }

    assert levels == {
        "pneumonia-classifier-ab-test": {},
        "feedback-endpoint": {"someone": "CAN_QUERY"},
    }


def test_callers_have_no_privilege_on_data(granted: Granted) -> None:
    assert granted('callers = [{ group = "someone" }]') == {}


def test_callers_write_the_context_where_it_is_declared(granted: Granted) -> None:
    assert granted('callers = [{ group = "someone" }]\n[context]') == {
        f"catalog {CATALOG}": {"USE_CATALOG"},
        "schema gold": {"USE_SCHEMA"},
        "table gold.prediction_context": {"SELECT", "MODIFY"},
    }


def test_analysts_may_enter_the_schema_of_the_views(granted: Granted) -> None:
    assert granted('analysts = [{ group = "someone" }]') == {
        f"catalog {CATALOG}": {"USE_CATALOG"},
        "schema gold": {"USE_SCHEMA"},
    }


def test_analysts_read_the_views_and_nothing_under_them(write: Write) -> None:
    environment = load(write(add='[roles]\nanalysts = [{ group = "someone" }]'))

    (grant,) = view_grants(environment, [f"{CATALOG}.gold.outcomes"])

    assert (grant.on.kind, grant.on.name) == ("table", f"{CATALOG}.gold.outcomes")
    assert grant.privileges == ("SELECT",)


def test_the_job_that_counts_days_reads_what_it_counts_and_writes_beside_it(write: Write) -> None:
    jobs = """
[roles]
trainers = [{ service_principal = "0a1b" }]
[platform.jobs]
repository = "https://github.com/organisation/project"
branch = "main"
node_type = "i3.xlarge"
run_as = "0a1b"
"""
    days = '[platform.jobs.verdict_days]\nexperiments = ["pneumonia_ab"]'
    verdict = '[monitoring]\n[platform.jobs.verdict]\nexperiments = ["pneumonia_ab"]'
    payload = f"{CATALOG}.gold.payload"

    def on(add: str) -> dict[str, tuple[str, ...]]:
        environment = load(write(add=add))
        grants = (
            *platform_grants(environment),
            *view_grants(environment, [], counted_from=[payload]),
        )
        return {grant.on.name: grant.privileges for grant in grants}

    counted, judged, not_counted = on(jobs + days), on(jobs + verdict), on(jobs)

    assert judged[payload] == ("SELECT",)
    assert judged[f"{CATALOG}.gold.verdicts"] == ("MODIFY", "SELECT")
    assert counted[payload] == ("SELECT",)
    assert counted[f"{CATALOG}.gold"] == ("CREATE_TABLE", "USE_SCHEMA")
    assert counted[f"{CATALOG}.gold.prediction_feedback"] == ("SELECT",)
    assert not {payload, f"{CATALOG}.gold"} & {*not_counted}


def test_a_deployer_who_did_not_create_the_catalog_is_granted_nothing_on_it(write: Write) -> None:
    deployer = '[roles]\ndeployer = { service_principal = "someone" }\n'

    created = platform_grants(load(write(add=deployer)))
    referred_to = platform_grants(load(write(add=f"{deployer}[platform.catalog]\ncreate = false")))

    assert [grant.on.kind for grant in created] == ["catalog"]
    assert "MANAGE" in created[0].privileges
    assert referred_to == ()


def test_two_roles_of_one_principal_are_one_grant(write: Write) -> None:
    """A second resource for the same pair would take away what the first one gave."""
    roles = '[roles]\ntrainers = [{ group = "someone" }]\nreaders = [{ group = "someone" }]'

    grants = platform_grants(load(write(add=roles)))

    pairs = [(grant.on, grant.principal) for grant in grants]
    assert len(pairs) == len(set(pairs))
    assert _on(grants, "volume").privileges == ("READ_VOLUME", "WRITE_VOLUME")


def test_a_schema_that_serving_logs_to_may_be_another_one(write: Write) -> None:
    file = write(
        ('schema = "gold"', 'schema = "payloads"'),
        add='[roles]\nendpoint_creator = { service_principal = "someone" }',
    )

    privileges = {grant.on.name: grant.privileges for grant in platform_grants(load(file))}

    assert privileges[f"{CATALOG}.payloads"] == ("CREATE_TABLE", "USE_SCHEMA")
    assert privileges[f"{CATALOG}.gold"] == ("USE_SCHEMA",)


class TestEndpoints:
    @pytest.fixture
    def environment(self, write: Write) -> Environment:
        return load(
            write(
                add="""
[[ab_test.permissions]]
group = "operators"
level = "CAN_MANAGE"

[roles]
endpoint_creator = { service_principal = "0a1b" }
trainers = [{ group = "ml-engineers" }, { service_principal = "0a1b" }]
callers  = [{ group = "clinic" }, { group = "operators" }]
readers  = [{ group = "clinic" }]
analysts = [{ group = "clinic" }]
"""
            )
        )

    def test_callers_ask_the_arms_and_trainers_and_analysts_watch(
        self, environment: Environment
    ) -> None:
        permissions = endpoint_permissions(environment, environment.ab_test)

        assert {it.name: it.level for it in permissions} == {
            "operators": "CAN_MANAGE",  # the endpoint's own table goes before the roles
            "clinic": "CAN_QUERY",  # which includes seeing it
            "ml-engineers": "CAN_VIEW",
        }

    def test_trainers_ask_where_their_job_asks_in_the_shadow(self, write: Write) -> None:
        environment = load(
            write(
                add="""
[roles]
trainers = [{ group = "ml-engineers" }]
[monitoring]
[platform.jobs]
repository = "https://github.com/clinic/champion-challenger"
branch = "main"
node_type = "i3.xlarge"
[platform.jobs.shadow]
experiment = "pneumonia_ab"
"""
            )
        )

        permissions = endpoint_permissions(environment, environment.ab_test)

        assert {it.name: it.level for it in permissions} == {"ml-engineers": "CAN_QUERY"}

    def test_readers_give_verdicts(self, environment: Environment) -> None:
        assert environment.feedback is not None

        permissions = endpoint_permissions(environment, environment.feedback)

        assert {it.name: it.level for it in permissions} == {"clinic": "CAN_QUERY"}

    def test_the_creator_is_left_out(self, environment: Environment) -> None:
        """It manages what it has created; the provider refuses to lower its own level."""
        permissions = endpoint_permissions(environment, environment.ab_test)

        assert "0a1b" not in {it.name for it in permissions}


def _on(grants: tuple[Grant, ...], kind: str) -> Grant:
    (grant,) = (it for it in grants if it.on.kind == kind)
    return grant
