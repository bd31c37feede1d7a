"""Who may use an endpoint, in the habits of the AWS CDK: grants, and references by name."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from infra.declared.endpoint import ABTest, Permission, ServedModel
from infra.declared.principal import Principal

READERS, ROOM = Principal(group="readers"), Principal(service_principal="1234-abcd")


@pytest.fixture
def serve(stack: Any) -> Callable[..., Any]:
    from infra.constructs.serving import ModelServingEndpoint

    def serve(*permissions: Permission) -> Any:
        model = ServedModel(model="keras", version=3)
        test = ABTest(endpoint="ab-test", champion=model, permissions=permissions)
        return ModelServingEndpoint(stack, "ab-test", test, catalog="clinic")

    return serve


@pytest.fixture
def levels(stack: Any, synthesize: Callable[[Any], Any]) -> Callable[[], dict[str, str]]:
    """The level of each principal, out of the one resource that holds all."""

    def levels() -> dict[str, str]:
        (resource,) = synthesize(stack)["resource"]["databricks_permissions"].values()
        found = {}
        for it in resource["access_control"]:
            level = it.pop("permission_level")
            (name,) = it.values()
            assert name not in found
            found[name] = level
        return found

    return levels


def test_a_grant_stands_beside_what_was_declared(
    serve: Callable[..., Any], levels: Callable[[], dict[str, str]]
) -> None:
    endpoint = serve(Permission(group="owners", level="CAN_MANAGE"))

    endpoint.grant_query(READERS, ROOM)

    assert levels() == {
        "owners": "CAN_MANAGE",
        "readers": "CAN_QUERY",
        "1234-abcd": "CAN_QUERY",
    }


def test_a_grant_without_declared_permissions_is_enough(
    serve: Callable[..., Any], levels: Callable[[], dict[str, str]]
) -> None:
    serve().grant_query(READERS)

    assert levels() == {"readers": "CAN_QUERY"}


@pytest.mark.parametrize(
    ("declared", "granted", "level"),
    [
        ("CAN_VIEW", "query", "CAN_QUERY"),
        ("CAN_MANAGE", "query", "CAN_MANAGE"),
        ("CAN_QUERY", "query", "CAN_QUERY"),
        ("CAN_QUERY", "manage", "CAN_MANAGE"),
    ],
)
def test_a_principal_has_the_highest_level_that_it_was_given(
    serve: Callable[..., Any],
    levels: Callable[[], dict[str, str]],
    declared: Any,
    granted: str,
    level: str,
) -> None:
    endpoint = serve(Permission(group="readers", level=declared))

    getattr(endpoint, f"grant_{granted}")(READERS)

    assert levels() == {"readers": level}


def test_whom_nobody_may_grant_to_is_refused_by_the_rule_of_the_file(
    serve: Callable[..., Any],
) -> None:
    with pytest.raises(ValidationError, match="workspace admins manage every endpoint"):
        serve().grant_query(Principal(group="admins"))


def test_a_name_alone_is_no_principal(serve: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="A grant needs a Principal, got: 'readers'"):
        serve().grant_query("readers")


class TestAReference:
    @pytest.fixture
    def refer(self, stack: Any) -> Callable[[str], Any]:
        from infra.constructs.serving import ModelServingEndpoint

        return lambda name: ModelServingEndpoint.from_endpoint_name(stack, "theirs", name)

    def test_it_knows_where_requests_go_and_declares_nothing(
        self, refer: Callable[[str], Any], stack: Any, synthesize: Callable[[Any], Any]
    ) -> None:
        theirs = refer("triage-ab-test")

        assert theirs.endpoint_name == "triage-ab-test"
        assert theirs.path == "/serving-endpoints/triage-ab-test/invocations"
        assert "resource" not in synthesize(stack)

    def test_a_name_that_no_endpoint_can_have_is_refused(self, refer: Callable[[str], Any]) -> None:
        with pytest.raises(ValidationError):
            refer("triage ab test")

    def test_a_name_that_is_known_at_deployment_is_taken(
        self, refer: Callable[[str], Any], stack: Any, cdktf: Any
    ) -> None:
        name = cdktf.TerraformVariable(stack, "theirs-name", type="string").string_value

        assert refer(name).endpoint_name == name

    def test_a_grant_that_would_take_others_away_is_refused(
        self, refer: Callable[[str], Any]
    ) -> None:
        with pytest.raises(TypeError, match="grant where its ModelServingEndpoint is made"):
            refer("triage-ab-test").grant_query(READERS)
