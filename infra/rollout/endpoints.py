"""The live endpoints of an environment: the raw REST answer, of which the SDK drops what is new."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from infra.declared.endpoint import Endpoint, Feedback
from infra.declared.environment import Environment
from infra.declared.feedback import feedback_variables
from infra.rollout import settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

PATH: Final = "/api/2.0/serving-endpoints"
UPDATING: Final = "IN_PROGRESS"
FAILED: Final = ("UPDATE_FAILED", "UPDATE_CANCELED")
READY: Final = "READY"
GIVEN_UP: Final = frozenset({"FAILED", "ABORTED"})
"""Deployments of a served entity that nobody works on any more."""
_ANSWERING: Final = frozenset({"DEPLOYMENT_READY", "DEPLOYMENT_UNKNOWN"})

Document = Mapping[str, Any]


def endpoints_of(environment: Environment) -> Iterator[Endpoint]:
    """The endpoints that the file declares, or that of the test that is meant."""
    yield from environment.chosen.values()


def as_deployed(environment: Environment, client: "WorkspaceClient") -> Iterator[Endpoint]:
    """The same with what the serving stack tells the container of the feedback endpoint, which
    depends on the workspace: its host, and the id of the warehouse."""
    for endpoint in environment.chosen.values():
        if not isinstance(endpoint, Feedback):
            yield endpoint
            continue
        variables = feedback_variables(
            environment,
            host=environment.workspace.host or str(client.config.host),
            warehouse_id=_warehouse_id(environment, client),
        )
        yield endpoint.model_copy(update={"environment_vars": variables})


def _warehouse_id(environment: Environment, client: "WorkspaceClient") -> str:
    named = (it.id for it in client.warehouses.list() if it.name == environment.warehouse_name)
    return next(named, None) or ""


def live(client: "WorkspaceClient", name: str) -> Document | None:
    """The endpoint as it is; None where there is none."""
    from databricks.sdk.errors import NotFound

    try:
        document = client.api_client.do("GET", f"{PATH}/{name}")
    except NotFound:
        return None
    return document if isinstance(document, dict) else None


def update_of(document: Document) -> str:
    """NOT_UPDATING, IN_PROGRESS, UPDATE_FAILED or UPDATE_CANCELED."""
    return str((document.get("state") or {}).get("config_update"))


def not_serving(document: Document) -> dict[str, str]:
    """The served entities of the configuration in force that do not answer yet, or no more, with
    their deployment; the endpoint itself, NOT_READY, where it does not say whose fault it is."""
    states = deployments({**document, "pending_config": None})
    found = {
        name: state.removeprefix("DEPLOYMENT_")
        for name, (state, _) in states.items()
        if state not in _ANSWERING
    }
    ready = (document.get("state") or {}).get("ready")
    if ready == READY or found:
        return found
    return {str(document.get("name")): str(ready)}


def arms_are_as_declared(environment: Environment, endpoint: Endpoint, document: Document) -> bool:
    """Whether the configuration in force has the arms, with all their settings, that the file
    declares; `endpoint` as it is deployed. An endpoint that has never served has none."""
    sides = (settings.declared(environment, endpoint), settings.found(document))
    file, live = (
        {name: value for name, value in side.items() if name.startswith(settings.ARM)}
        for side in sides
    )
    return file == live


def deployments(document: Document) -> dict[str, tuple[str, str]]:
    """State and message of every served entity, of the configuration that is being deployed
    where there is one."""
    config = document.get("pending_config") or document.get("config") or {}
    return {
        entity["name"]: (
            state.get("deployment") or "DEPLOYMENT_UNKNOWN",
            state.get("deployment_state_message") or "",
        )
        for entity in config.get("served_entities") or ()
        for state in [entity.get("state") or {}]
    }
