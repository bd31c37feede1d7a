"""ModelServingEndpoint, as a user's own Python code would use it."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from infra.declared.endpoint import (
    ABTest,
    AutoCapture,
    Challenger,
    Feedback,
    InferenceTable,
    Permission,
    ServedModel,
)

CATALOG = "healthcare_catalog_dev"


def ab_test(**changes: Any) -> ABTest:
    return ABTest(
        **{
            "endpoint": "ab-test",
            "champion": ServedModel(model="keras", version=3),
            "challengers": (
                Challenger(model="torch", version=1, traffic=10),
                Challenger(model="torch", version=2, traffic=5),
            ),
            **changes,
        }
    )


@pytest.fixture
def serve(stack: Any) -> Callable[..., Any]:
    from infra.constructs.serving import ModelServingEndpoint

    def serve(endpoint: Any, id: str = "ab-test", **options: Any) -> Any:  # noqa: A002
        return ModelServingEndpoint(stack, id, endpoint, **{"catalog": CATALOG, **options})

    return serve


@pytest.fixture
def synthesized(
    serve: Callable[..., Any], stack: Any, synthesize: Callable[[Any], Any]
) -> Callable[..., Any]:
    """The resource that Terraform gets for an endpoint."""

    def synthesized(endpoint: Any, **options: Any) -> Any:
        serve(endpoint, **options)
        return synthesize(stack)["resource"]["databricks_model_serving"]["ab-test"]

    return synthesized


def test_its_address_in_terraform_is_its_own_id(serve: Callable[..., Any]) -> None:
    assert serve(ab_test()).address == "databricks_model_serving.ab-test"


def test_a_served_entity_is_named_by_model_and_version(synthesized: Callable[..., Any]) -> None:
    entities = synthesized(ab_test())["config"]["served_entities"]

    assert [it["name"] for it in entities] == ["keras-3", "torch-1", "torch-2"]


def test_a_served_entity_refers_to_the_three_level_name_and_the_version_as_text(
    synthesized: Callable[..., Any],
) -> None:
    champion = synthesized(ab_test(), models_schema="registry")["config"]["served_entities"][0]

    assert champion["entity_name"] == "healthcare_catalog_dev.registry.keras"
    assert champion["entity_version"] == "3"


def test_routes_are_derived_champion_first_with_the_remainder(
    synthesized: Callable[..., Any],
) -> None:
    routes = synthesized(ab_test())["config"]["traffic_config"]["routes"]

    assert routes == [
        {"served_model_name": "keras-3", "traffic_percentage": 85},
        {"served_model_name": "torch-1", "traffic_percentage": 10},
        {"served_model_name": "torch-2", "traffic_percentage": 5},
    ]


def test_a_challenger_without_traffic_keeps_its_route(synthesized: Callable[..., Any]) -> None:
    idle = (Challenger(model="torch", version=1, traffic=0),)

    routes = synthesized(ab_test(challengers=idle))["config"]["traffic_config"]["routes"]

    assert routes[1] == {"served_model_name": "torch-1", "traffic_percentage": 0}


def test_every_key_of_a_nested_block_arrives_in_the_json(synthesized: Callable[..., Any]) -> None:
    """Dicts in the place of structs would lose their snake_case keys in silence."""
    champion = ServedModel(
        model="keras",
        version=3,
        workload_size="Medium",
        workload_type="GPU_SMALL",
        scale_to_zero=True,
        environment_vars={"LOG_LEVEL": "info", "TOKEN": "{{secrets/scope/token}}"},
    )

    assert synthesized(ab_test(champion=champion))["config"]["served_entities"][0] == {
        "name": "keras-3",
        "entity_name": "healthcare_catalog_dev.models.keras",
        "entity_version": "3",
        "workload_size": "Medium",
        "workload_type": "GPU_SMALL",
        "scale_to_zero_enabled": True,
        "environment_vars": {"LOG_LEVEL": "info", "TOKEN": "{{secrets/scope/token}}"},
    }


def test_one_model_is_served_by_the_same_construct(synthesized: Callable[..., Any]) -> None:
    config = synthesized(Feedback(endpoint="feedback", model="processor", version=2))["config"]

    assert [it["name"] for it in config["served_entities"]] == ["processor-2"]
    assert config["traffic_config"]["routes"] == [
        {"served_model_name": "processor-2", "traffic_percentage": 100}
    ]


class TestInferenceTable:
    TABLE = InferenceTable(schema_name="gold", prefix="classifier")

    def test_it_is_written_through_the_ai_gateway(self, synthesized: Callable[..., Any]) -> None:
        endpoint = synthesized(ab_test(inference_table=self.TABLE))

        assert endpoint["ai_gateway"] == {
            "inference_table_config": {
                "catalog_name": CATALOG,
                "schema_name": "gold",
                "table_name_prefix": "classifier",
                "enabled": True,
            }
        }
        assert "auto_capture_config" not in endpoint["config"]

    def test_it_may_lie_in_another_catalog(self, synthesized: Callable[..., Any]) -> None:
        table = InferenceTable(catalog="audit", schema_name="gold", prefix="classifier")

        gateway = synthesized(ab_test(inference_table=table))["ai_gateway"]

        assert gateway["inference_table_config"]["catalog_name"] == "audit"

    def test_switched_off_it_stays_in_the_json(self, synthesized: Callable[..., Any]) -> None:
        """The provider crashes on a removed block and keeps logging."""
        off = self.TABLE.model_copy(update={"enabled": False})

        config = synthesized(ab_test(inference_table=off))["ai_gateway"]["inference_table_config"]

        assert config["enabled"] is False
        assert config["table_name_prefix"] == "classifier"

    def test_no_arm_falls_back_on_another(self, synthesized: Callable[..., Any]) -> None:
        """An answer that another arm gave would be counted for the wrong one."""
        gateway = synthesized(ab_test(inference_table=self.TABLE))["ai_gateway"]

        assert "fallback_config" not in gateway


class TestAutoCapture:
    def test_an_endpoint_that_has_it_keeps_it(self, synthesized: Callable[..., Any]) -> None:
        captured = AutoCapture(
            schema_name="gold", prefix="captured", enabled_since=date(2025, 6, 30)
        )

        assert synthesized(ab_test(auto_capture=captured))["config"]["auto_capture_config"] == {
            "catalog_name": CATALOG,
            "schema_name": "gold",
            "table_name_prefix": "captured",
            "enabled": True,
        }

    @pytest.mark.parametrize("since", [None, date(2026, 2, 20), date(2026, 11, 24)])
    def test_a_new_endpoint_is_refused_with_the_dates_and_the_way_out(
        self, since: date | None
    ) -> None:
        with pytest.raises(ValidationError, match=r"2026-02-20.*2026-03-20; write an \[inference"):
            AutoCapture(schema_name="gold", prefix="captured", enabled_since=since)


class TestAccess:
    def test_permissions_go_to_the_endpoint_by_its_id(
        self, serve: Callable[..., Any], stack: Any, synthesize: Callable[[Any], Any]
    ) -> None:
        readers = Permission(group="readers", level="CAN_QUERY")
        pipeline = Permission(service_principal="0a1b", level="CAN_MANAGE")
        auditor = Permission(user="auditor@example.com", level="CAN_VIEW")

        serve(ab_test(permissions=(readers, pipeline, auditor)))

        (permissions,) = synthesize(stack)["resource"]["databricks_permissions"].values()
        assert permissions == {
            "serving_endpoint_id": "${databricks_model_serving.ab-test.serving_endpoint_id}",
            "access_control": [
                {"group_name": "readers", "permission_level": "CAN_QUERY"},
                {"service_principal_name": "0a1b", "permission_level": "CAN_MANAGE"},
                {"user_name": "auditor@example.com", "permission_level": "CAN_VIEW"},
            ],
        }

    def test_without_permissions_terraform_leaves_them_alone(
        self, serve: Callable[..., Any], stack: Any, synthesize: Callable[[Any], Any]
    ) -> None:
        serve(ab_test())

        assert "databricks_permissions" not in synthesize(stack)["resource"]


def test_tags_are_sorted_by_key(synthesized: Callable[..., Any]) -> None:
    tags = synthesized(ab_test(), tags={"team": "ml", "environment": "dev"})["tags"]

    assert tags == [{"key": "environment", "value": "dev"}, {"key": "team", "value": "ml"}]


def test_timeouts_hold_for_create_and_update(synthesized: Callable[..., Any]) -> None:
    timeouts = synthesized(ab_test(timeout_minutes=90))["timeouts"]

    assert timeouts == {"create": "90m", "update": "90m"}


class TestIgnoreVersionChanges:
    @pytest.fixture
    def ignored(self, synthesized: Callable[..., Any]) -> Callable[..., list[str]]:
        def ignored(**changes: Any) -> list[str]:
            endpoint = synthesized(ab_test(**changes))
            return list(endpoint.get("lifecycle", {}).get("ignore_changes", []))

        return ignored

    def test_by_default_terraform_deploys_the_versions_of_the_file(
        self, ignored: Callable[..., list[str]]
    ) -> None:
        assert ignored() == []

    def test_it_ignores_each_arms_version_by_position(
        self, ignored: Callable[..., list[str]]
    ) -> None:
        paths = ignored(ignore_version_changes=True)

        assert [path for path in paths if path.endswith(".entity_version")] == [
            f"config[0].served_entities[{position}].entity_version" for position in range(3)
        ]

    def test_it_ignores_what_belongs_to_the_version_and_nothing_else(
        self, ignored: Callable[..., list[str]]
    ) -> None:
        one_arm = ignored(ignore_version_changes=True, challengers=())

        assert one_arm == [
            "config[0].served_entities[0].entity_version",
            "config[0].served_entities[0].entity_name",
            "config[0].served_entities[0].name",
            "config[0].traffic_config[0].routes[0].served_model_name",
        ]

    @pytest.fixture
    def both(self, serve: Callable[..., Any], stack: Any, synthesize: Any) -> tuple[Any, Any]:
        """The rules before and after a challenger is added behind the others."""
        before = ab_test(endpoint="before", ignore_version_changes=True)
        added = Challenger(model="jax", version=1, traffic=1)
        after = ab_test(
            endpoint="after",
            ignore_version_changes=True,
            challengers=(*before.challengers, added),
        )
        serve(before, "before")
        serve(after, "after")
        resources = synthesize(stack)["resource"]["databricks_model_serving"]
        rules = [resources[key]["lifecycle"]["ignore_changes"] for key in ("before", "after")]
        return rules[0], rules[1]

    def test_a_challenger_added_behind_leaves_the_rules_of_the_others_as_they_are(
        self, both: tuple[list[str], list[str]]
    ) -> None:
        before, after = both

        assert after[: len(before)] == before
        assert all("[3]" in path for path in after[len(before) :])


def test_adopt_imports_the_endpoint_by_its_name(
    serve: Callable[..., Any], stack: Any, synthesize: Callable[[Any], Any]
) -> None:
    serve(ab_test(adopt=True))

    assert synthesize(stack)["import"] == [
        {"id": "ab-test", "to": "databricks_model_serving.ab-test"}
    ]


def test_without_adopt_there_is_no_import(
    serve: Callable[..., Any], stack: Any, synthesize: Callable[[Any], Any]
) -> None:
    serve(ab_test())

    assert "import" not in synthesize(stack)


class TestRefusals:
    def test_a_dict_is_no_endpoint(self, serve: Callable[..., Any]) -> None:
        with pytest.raises(TypeError, match=r"must be an ABTest or a Feedback, got: \{"):
            serve({"endpoint": "ab-test"})

    @pytest.mark.parametrize(
        "change",
        [
            {"endpoint": "databricks-ab-test"},
            {"timeout_minutes": 1},
            {"champion": ServedModel(model="torch", version=1)},
            {"challengers": (Challenger(model="torch", version=1, traffic=100),) * 2},
        ],
        ids=["reserved name", "short timeout", "two arms of one name", "above 100 percent"],
    )
    def test_a_copy_that_breaks_a_rule_is_refused(
        self, serve: Callable[..., Any], change: dict[str, Any]
    ) -> None:
        """`model_copy` does not check what it is given; the construct does."""
        with pytest.raises(ValidationError, match=f"(?s){next(iter(change))}"):
            serve(ab_test().model_copy(update=change))

    @pytest.mark.parametrize("catalog", ["Health-Care", "system", ""])
    def test_a_bad_catalog_is_refused(self, serve: Callable[..., Any], catalog: str) -> None:
        with pytest.raises(ValidationError, match=r"Unity Catalog name|reserves the catalogs"):
            serve(ab_test(), catalog=catalog)

    def test_two_endpoints_of_one_name_are_refused_at_synthesis(
        self, serve: Callable[..., Any], stack: Any, synthesize: Callable[[Any], Any]
    ) -> None:
        serve(ab_test(), "one")
        serve(ab_test(), "two")

        with pytest.raises(RuntimeError, match=r"\[stack/one\].*unique.*got: ab-test twice"):
            synthesize(stack)

    def test_two_endpoints_with_one_table_are_refused_at_synthesis(
        self, serve: Callable[..., Any], stack: Any, synthesize: Callable[[Any], Any]
    ) -> None:
        table = InferenceTable(schema_name="gold", prefix="shared")
        serve(ab_test(inference_table=table), "one")
        serve(ab_test(endpoint="other", inference_table=table), "two")

        with pytest.raises(RuntimeError, match=rf"got: {CATALOG}\.gold\.shared_payload twice"):
            synthesize(stack)


class TestWarnings:
    @pytest.fixture
    def warnings(self, serve: Callable[..., Any]) -> Callable[..., list[str]]:
        def warnings(**changes: Any) -> list[str]:
            metadata = serve(ab_test(**changes)).node.metadata
            return [str(it.data) for it in metadata if it.type == "@cdktf/warn"]

        return warnings

    def test_there_are_none_by_default(self, warnings: Callable[..., list[str]]) -> None:
        assert warnings() == []

    def test_an_entity_that_stays_awake_needs_none(
        self, warnings: Callable[..., list[str]]
    ) -> None:
        awake = ServedModel(model="keras", version=3, scale_to_zero=False)

        assert warnings(champion=awake) == []

    def test_what_is_sent_at_the_creation_alone_is_said(
        self, warnings: Callable[..., list[str]]
    ) -> None:
        (warning,) = warnings(description="films", budget_policy_id="b")

        assert warning.startswith("description, budget_policy_id: provider 1.99.0 sends them when")
        assert "rollout status" in warning

    def test_a_way_of_its_own_says_what_it_costs(self, warnings: Callable[..., list[str]]) -> None:
        (warning,) = warnings(route_optimized=True)

        assert "destroys the endpoint" in warning

    def test_a_table_switched_off_says_how_to_make_sure(
        self, warnings: Callable[..., list[str]]
    ) -> None:
        off = InferenceTable(schema_name="gold", prefix="classifier", enabled=False)

        (warning,) = warnings(inference_table=off)

        assert "PUT /api/2.0/serving-endpoints/ab-test/ai-gateway" in warning

    def test_versions_left_alone_say_where_arms_may_be_added(
        self, warnings: Callable[..., list[str]]
    ) -> None:
        (warning,) = warnings(ignore_version_changes=True)

        assert "at the end only" in warning

    def test_auto_capture_says_that_it_is_over(self, warnings: Callable[..., list[str]]) -> None:
        captured = AutoCapture(schema_name="g", prefix="p", enabled_since=date(2025, 6, 30))

        (warning,) = warnings(auto_capture=captured)

        assert "no longer supported" in warning
