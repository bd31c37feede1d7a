"""An endpoint whose name is taken: whether it is ours, and whether an apply would keep it.

An apply keeps it only where everything is the same that Databricks never changes in an endpoint:
for anything else Terraform destroys the live one and creates another.
docs/reference/terraform-provider.md#calls-of-databricks_model_serving
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from infra.declared.endpoint import Endpoint
from infra.declared.environment import Environment
from infra.rollout import settings
from infra.rollout.endpoints import Document
from infra.rollout.finding import Finding
from infra.rollout.terraform_state import TerraformState

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


def check_existing(
    client: "WorkspaceClient",
    environment: Environment,
    endpoint: Endpoint,
    document: Document | None,
    state: TerraformState,
) -> Iterator[Finding]:
    """What an apply would do to the endpoint `document`, or where there is none, to import."""
    file = f"infra/environments/{environment.name}.toml"
    remembered = state.endpoints.get(endpoint.endpoint)
    if document is None:
        if endpoint.adopt and remembered is None:
            yield Finding(
                subject=endpoint.endpoint,
                problem="adopt = true, and there is no endpoint of this name to import.",
                heal=f"remove adopt from its table of {file}: it is created then",
            )
        return
    is_known = remembered is not None and (remembered.get("serving_endpoint_id") == document["id"])
    differences = tuple(_never_changed(environment, endpoint, document))
    if differences and (is_known or endpoint.adopt):
        yield Finding(
            subject=endpoint.endpoint,
            problem=f"Terraform would destroy and create it: {'; '.join(differences)}. An endpoint "
            "is created with that, and never changed.",
            heal="give it another name in its table of "
            f"{file}: it is created beside this one, which goes on serving meanwhile",
        )
    if is_known or endpoint.adopt:
        return
    unread = f" ({state.unread})" if state.unread else ""
    known = "an endpoint of this name exists, and Terraform's state does not know it"
    refused = "creating it would be refused (Endpoint already exists)."
    adopt = f"adopt = true in its table of {file}, then cdktf deploy {environment.serving_stack}"
    if differences:
        yield Finding(
            subject=endpoint.endpoint,
            problem=f"{known}{unread}: {refused} Nor can it be adopted: {'; '.join(differences)}.",
            heal="choose another name",
        )
    elif _is_ours(client, environment, endpoint, document):
        yield Finding(
            subject=endpoint.endpoint,
            problem=f"{known}{unread}, but creator, tags and models are this environment's: the "
            f"answer to its creation, or the state, was lost; {refused}",
            heal=adopt,
        )
    else:
        yield Finding(
            subject=endpoint.endpoint,
            problem=f"{known}{unread}: {refused} Its creator is {document.get('creator')}.",
            heal=f"is it ours? {adopt}; if not, choose another name",
        )


def _never_changed(
    environment: Environment, endpoint: Endpoint, document: Document
) -> Iterator[str]:
    """Where the endpoint and the file differ in what forces another endpoint."""
    if bool(document.get("route_optimized")) != endpoint.route_optimized:
        its, file_s = ("", " not") if document.get("route_optimized") else (" not", "")
        yield f"it is{its} route-optimized, and the file declares one that is{file_s}"
    live = settings.found(document).get(settings.AUTO_CAPTURE)
    file = settings.declared(environment, endpoint).get(settings.AUTO_CAPTURE)
    if live != file:
        yield f"its auto_capture writes {live or 'nothing'}, and the file's {file or 'nothing'}"


def _is_ours(
    client: "WorkspaceClient", environment: Environment, endpoint: Endpoint, document: Document
) -> bool:
    """Whether it was created by whom, and with the tags and models that, the file says."""
    creator = environment.roles.endpoint_creator
    name = creator.name if creator else client.current_user.me().user_name
    tags = {it.get("key"): it.get("value") or "" for it in document.get("tags") or ()}
    config: Any = document.get("config") or document.get("pending_config") or {}
    served = {it.get("entity_name") for it in config.get("served_entities") or ()}
    return (
        document.get("creator") == name
        and {**environment.tags, **endpoint.tags}.items() <= tags.items()
        and served == {environment.full_model_name(it) for it in endpoint.served_models}
    )
