"""How an environment's endpoints are, and how that differs from what was declared."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.declared.endpoint import Endpoint
from infra.declared.environment import Environment
from infra.rollout import brake, settings
from infra.rollout.drift import Drift, drifts
from infra.rollout.endpoints import (
    Document,
    as_deployed,
    deployments,
    live,
    not_serving,
    update_of,
)
from infra.rollout.terraform_state import TerraformState

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A served entity: its version, its share of the requests in percent, its deployment."""

    served_entity: str
    version: str
    percent: int
    deployment: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """One endpoint. `drifts` is empty where the file, the state and the endpoint agree."""

    endpoint: str
    ready: str
    update: str
    arms: tuple[Arm, ...]
    drifts: tuple[Drift, ...]
    remark: str = ""

    @property
    def is_as_declared(self) -> bool:
        """Whether it serves, nothing differs from the file and nothing is remarked."""
        return not self.drifts and not self.remark


def statuses(
    client: "WorkspaceClient", environment: Environment, state: TerraformState
) -> tuple[Status, ...]:
    """The status of each endpoint that the file declares, or that Terraform's state knows; that of
    a test alone, where one was named.
    """
    found = []
    declared = {endpoint.endpoint for endpoint in environment.endpoints.values()}
    for endpoint in as_deployed(environment, client):
        document = live(client, endpoint.endpoint)
        if document is None:
            found.append(
                Status(
                    endpoint=endpoint.endpoint,
                    ready="ABSENT",
                    update=_believed(endpoint.endpoint, state),
                    arms=(),
                    drifts=(),
                    remark=f"It does not exist. Deploy it: cdktf deploy "
                    f"{environment.serving_stack}",
                )
            )
            continue
        remembered = state.endpoints.get(endpoint.endpoint)
        found.append(
            Status(
                endpoint=endpoint.endpoint,
                ready=str((document.get("state") or {}).get("ready")),
                update=update_of(document),
                arms=_arms(document),
                drifts=drifts(
                    environment,
                    endpoint,
                    file=settings.declared(environment, endpoint),
                    state=None if remembered is None else settings.found(remembered),
                    live=settings.found(document),
                ),
                remark=" ".join(
                    filter(
                        None,
                        (
                            _unknown_to(state, endpoint.endpoint),
                            _braked(endpoint, document),
                            _idle(document),
                        ),
                    )
                ),
            )
        )
    if environment.named_test is None:
        found += [
            _undeclared(client, environment, it) for it in state.endpoints if it not in declared
        ]
    return tuple(found)


def _undeclared(client: "WorkspaceClient", environment: Environment, name: str) -> Status:
    """Of an endpoint that was deployed from the file, which has it no more."""
    document = live(client, name)
    deploy = f"the next cdktf deploy {environment.serving_stack}"
    return Status(
        endpoint=name,
        ready="ABSENT" if document is None else str((document.get("state") or {}).get("ready")),
        update="in Terraform's state" if document is None else update_of(document),
        arms=() if document is None else _arms(document),
        drifts=(),
        remark=f"{environment.name}.toml does not declare it, and Terraform's state knows it: "
        + (f"{deploy} forgets it." if document is None else f"{deploy} destroys it. ")
        + ("" if document is None else "To keep it, declare it again."),
    )


def _braked(endpoint: Endpoint, document: Document) -> str:
    """What the brake did, until the file says the same."""
    said = brake.told(document)
    declared = {route.served_entity: route.percent for route in endpoint.split.routes}
    if not said or declared == settings.traffic(settings.found(document)):
        return ""
    return f"The brake is on: {said}. Merge the file's change that it made before any deployment."


def _idle(document: Document) -> str:
    idle = ", ".join(f"{entity} is {state}" for entity, state in not_serving(document).items())
    if not idle:
        return ""
    return f"It does not serve: {idle}. python -m infra.rollout wait shows how it goes on."


def _believed(name: str, state: TerraformState) -> str:
    """What Terraform believes about an endpoint that is not there."""
    return "in Terraform's state" if name in state.endpoints else "-"


def _unknown_to(state: TerraformState, name: str) -> str:
    if state.endpoints and name not in state.endpoints:
        return (
            "Terraform's state does not know it: somebody else made it. Take it over with "
            "adopt = true in its table of the environment file."
        )
    return ""


def _arms(document: Document) -> tuple[Arm, ...]:
    found = settings.found(document)
    states = deployments({**document, "pending_config": None})
    return tuple(
        Arm(
            served_entity=name,
            version=str(found.get(f"{settings.ARM}{name}.version", "")),
            percent=percent,
            deployment=states.get(name, ("", ""))[0].removeprefix("DEPLOYMENT_"),
        )
        for name, percent in settings.traffic(found).items()
    )
