"""What a create or an update call is refused for, before anything is changed."""

from typing import Any

import pytest

from infra.local.refusal import Refusal
from infra.local.serving.requests import parse_config, parse_create, parse_gateway


def entity(**fields: Any) -> dict[str, Any]:
    return {
        "name": "champion",
        "entity_name": "c.s.m",
        "entity_version": "1",
        "scale_to_zero_enabled": True,
    } | fields


def route(name: str = "champion", percentage: Any = 100) -> dict[str, Any]:
    return {"served_entity_name": name, "traffic_percentage": percentage}


def config(*entities: dict[str, Any], routes: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"served_entities": list(entities)}
    if routes is not None:
        body["traffic_config"] = {"routes": routes}
    return body


TWO = (entity(), entity(name="challenger", entity_version="2"))
INVALID = (400, "INVALID_PARAMETER_VALUE")

REFUSED_CONFIGS = {
    "no served entity": (config(), "at least one"),
    "traffic above 100": (config(entity(), routes=[route(percentage=101)]), "between 0 and 100"),
    "traffic below 0": (config(entity(), routes=[route(percentage=-1)]), "between 0 and 100"),
    "a fraction": (config(entity(), routes=[route(percentage=99.5)]), "traffic_percentage"),
    "a sum below 100": (
        config(*TWO, routes=[route(percentage=50), route("challenger", 40)]),
        "must be 100, got 90",
    ),
    "a sum above 100": (
        config(*TWO, routes=[route(percentage=50), route("challenger", 60)]),
        "must be 100, got 110",
    ),
    "a route to nowhere": (config(entity(), routes=[route("nobody")]), "'nobody'"),
    "two routes to one": (
        config(entity(), routes=[route(percentage=50), route(percentage=50)]),
        "more than once",
    ),
    "an entity without route": (config(*TWO, routes=[route()]), "lacks challenger"),
    "two entities, no routes": (config(*TWO), "routes is required"),
    "two entities of one name": (config(entity(), entity(), routes=[route()]), "more than once"),
    "eleven entities": (config(*(entity(name=f"e{i}") for i in range(11))), "at most 10"),
    "an alias for a version": (config(entity(entity_version="champion")), "takes no alias"),
    "no version": (config(entity(entity_version=None)), "entity_version is required"),
    "a bad entity name": (config(entity(name="a b")), "alphanumeric"),
    "an unknown size": (config(entity(workload_size="Huge")), "Small, Medium, Large"),
    "size and concurrency": (
        config(entity(workload_size="Small", max_provisioned_concurrency=4)),
        "exclude each other",
    ),
    "a concurrency of 5": (
        config(entity(min_provisioned_concurrency=0, max_provisioned_concurrency=5)),
        "multiples of 4",
    ),
    "a minimum above the maximum": (
        config(entity(min_provisioned_concurrency=8, max_provisioned_concurrency=4)),
        "8 is above max_provisioned_concurrency 4",
    ),
    "a workload type that there is not": (
        config(entity(workload_type="TOASTER")),
        "'TOASTER' is unknown: use one of CPU",
    ),
    "two spellings of two models": (
        config(entity())
        | {"served_models": [{"name": "champion", "model_name": "a.b.c", "model_version": "9"}]},
        "send one of them",
    ),
    "51 variables": (
        config(entity(environment_vars={f"V{i}": "x" for i in range(51)})),
        "at most 50",
    ),
    "half a secret": (
        config(entity(environment_vars={"URL": "https://{{secrets/a/b}}@host"})),
        "whole value",
    ),
    "a legacy inference table": (
        config(entity()) | {"auto_capture_config": {"catalog_name": "c", "schema_name": "s"}},
        "2026-02-20",
    ),
}


@pytest.mark.parametrize(("body", "text"), REFUSED_CONFIGS.values(), ids=REFUSED_CONFIGS)
def test_an_invalid_config_is_refused_with_the_field_and_the_way_out(
    body: dict[str, Any], text: str
) -> None:
    with pytest.raises(Refusal, match=text) as refused:
        parse_config(body)
    assert (refused.value.status, refused.value.error_code) == INVALID


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("burst_scaling_enabled", True),
        ("external_model", {"name": "gpt"}),
        ("max_provisioned_throughput", 100),
        ("provisioned_model_units", 2),
    ],
)
def test_what_would_not_be_done_is_not_said_to_be(field: str, value: Any) -> None:
    with pytest.raises(Refusal, match=field) as refused:
        parse_config(config(entity(**{field: value})))
    assert refused.value.status == 501
    with pytest.raises(Refusal, match="telemetry_config") as refused:
        parse_create({"name": "a", "telemetry_config": {"table_names": {"logs_table": "a.b.c"}}})
    assert refused.value.status == 501


def test_an_answer_may_be_sent_back_as_it_came() -> None:
    """Every answer has both spellings of what is served."""
    both = entity(model_name="local.models.probe", model_version="1")
    both |= {"entity_name": "local.models.probe", "entity_version": "1"}
    body = config(both) | {"served_models": [both]}
    assert [it.name for it in parse_config(body).served_entities] == ["champion"]


def test_the_refusal_of_a_legacy_inference_table_names_its_successor() -> None:
    with pytest.raises(Refusal, match=r"ai_gateway\.inference_table_config"):
        parse_config(config(entity()) | {"auto_capture_config": {"enabled": True}})


def test_an_update_must_say_whether_to_scale_to_zero() -> None:
    body = config(entity(scale_to_zero_enabled=None))
    assert parse_config(body).served_entities[0].scale_to_zero_enabled is False
    with pytest.raises(Refusal) as refused:
        parse_config(body, update=True)
    assert (
        refused.value.message
        == "scaleToZeroEnabled is undefined. Please set it to either true or false."
    )


def test_a_single_entity_gets_all_traffic_without_being_asked() -> None:
    [only] = parse_config(config(entity())).routes
    assert (only.served_entity_name, only.traffic_percentage) == ("champion", 100)


def test_a_route_may_name_its_entity_in_the_old_spelling() -> None:
    old = {"served_model_name": "champion", "traffic_percentage": 100}
    assert parse_config(config(entity(), routes=[old])).routes[0].served_entity_name == "champion"


def test_an_unnamed_entity_is_named_after_the_last_part_of_its_model_and_version() -> None:
    spec = parse_config(config(entity(name=None, entity_name="a.b.pneumonia", entity_version="9")))
    assert spec.served_entities[0].name == "pneumonia-9"


@pytest.mark.parametrize("name", ["", "a" * 64, "-a", "a-", "a b", "a.b", "ä", "a\n", None, 7])
def test_an_invalid_endpoint_name_is_refused_in_databricks_words(name: Any) -> None:
    with pytest.raises(Refusal) as refused:
        parse_create({"name": name, "config": config(entity())})
    assert refused.value.status == 400
    assert refused.value.message == (
        "Endpoint name must be maximum 63 characters, and alphanumeric with hyphens and "
        "underscores allowed in between."
    )


@pytest.mark.parametrize("name", ["a", "a" * 63, "A-b_c", "1"])
def test_a_valid_endpoint_name_is_taken(name: str) -> None:
    assert parse_create({"name": name, "config": config(entity())}).name == name


def test_names_that_start_with_databricks_are_reserved() -> None:
    with pytest.raises(Refusal, match="reserved"):
        parse_create({"name": "databricks-mine"})


@pytest.mark.parametrize("part", ["ai_gateway", "rate_limits"])
def test_a_gateway_needs_a_config(part: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_create({"name": "a", part: {}})
    assert refused.value.message == (
        f"Cannot specify {part} when creating endpoints without a config."
    )


def test_an_enabled_inference_table_needs_catalog_and_schema() -> None:
    with pytest.raises(Refusal, match="schema_name is required"):
        parse_gateway({"inference_table_config": {"enabled": True, "catalog_name": "c"}})


def test_the_default_prefix_of_an_inference_table_is_the_endpoint_name() -> None:
    table = {"enabled": True, "catalog_name": "c", "schema_name": "s"}
    enabled = parse_gateway({"inference_table_config": table}).enabled_table("xray")
    assert enabled is not None
    assert enabled.full_name == "c.s.xray_payload"


@pytest.mark.parametrize(
    "gateway",
    [{"fallback_config": {"enabled": True}}, {"guardrails": {"input": {"safety": True}}}],
)
def test_what_is_not_emulated_says_so(gateway: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="is not emulated") as refused:
        parse_gateway(gateway)
    assert refused.value.status == 501


@pytest.mark.parametrize(
    ("gateway", "text"),
    [
        ({"rate_limits": [{"calls": 1, "key": "toaster"}]}, "use one of endpoint, service_"),
        ({"rate_limits": [{"tokens": 1}]}, "calls"),
        (
            {
                "inference_table_config": {
                    "enabled": True,
                    "catalog_name": "c",
                    "schema_name": "s",
                    "table_name_prefix": "a b",
                }
            },
            "table_name_prefix: 'a b_payload' is not a valid name",
        ),
    ],
)
def test_a_gateway_that_could_not_do_its_work_is_refused(
    gateway: dict[str, Any], text: str
) -> None:
    with pytest.raises(Refusal, match=text) as refused:
        parse_gateway(gateway)
    assert (refused.value.status, refused.value.error_code) == INVALID


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_a_config_that_is_no_object_is_malformed(body: Any) -> None:
    with pytest.raises(Refusal) as refused:
        parse_config(body)
    assert refused.value.error_code == "MALFORMED_REQUEST"
