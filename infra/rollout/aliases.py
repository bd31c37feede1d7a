"""The registry's aliases follow the roles that are live: moved after a deployment, never before.

Moving an alias deploys nothing (docs/reference/mlflow.md#versions-and-aliases). It tells people and
`pin` which version has the role.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.declared.endpoint import ABTest
from infra.declared.environment import Environment
from infra.rollout import settings
from infra.rollout.endpoints import live
from infra.rollout.environment_file import CHAMPION
from infra.rollout.pin import CHALLENGER
from infra.rollout.refusal import Refused
from infra.rollout.versions import Registry

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


@dataclass(frozen=True, kw_only=True)
class Move:
    """An alias of a model: to a version, or None where the model loses it."""

    model: str
    alias: str
    version: int | None

    def __str__(self) -> str:
        to = "removed" if self.version is None else f"-> version {self.version}"
        return f"{self.model}@{self.alias} {to}"


def moves(registry: Registry, environment: Environment) -> Iterator[Move]:
    """What is to be moved so that the aliases say what the file says; nothing where they do.

    They are a model's, whichever test it is in: of two tests that give it a role, what the first
    one in the file says holds.
    """
    wanted: dict[tuple[str, str], int] = {}
    for test in environment.tests.values():
        for alias, arms in ((CHAMPION, (test.champion,)), (CHALLENGER, test.challengers)):
            for arm in arms:
                wanted.setdefault((environment.full_model_name(arm), alias), arm.version)
    models = (
        environment.full_model_name(arm) for it in _chosen(environment) for arm in it.served_models
    )
    for model in dict.fromkeys(models):
        there = registry.aliases(model)
        for alias in (CHAMPION, CHALLENGER):
            version = wanted.get((model, alias))
            if there.get(alias) != version:
                yield Move(model=model, alias=alias, version=version)


def require_live(client: "WorkspaceClient", environment: Environment) -> None:
    """Raises Refused where an endpoint of a test does not serve what the file says."""
    for test in _chosen(environment):
        document = live(client, test.endpoint)
        declared = settings.arms(settings.declared(environment, test))
        if document is None or settings.arms(settings.found(document)) != declared:
            raise Refused(
                f"{test.endpoint} does not serve what {environment.name}.toml declares, and "
                f"aliases follow a deployment. Deploy it first: cdktf deploy "
                f"{environment.serving_stack}; python -m infra.rollout status --environment "
                f"{environment.name} shows what differs."
            )


def _chosen(environment: Environment) -> tuple[ABTest, ...]:
    """The tests whose models' aliases are moved: all, or the one that is meant."""
    return tuple(it for it in environment.chosen.values() if isinstance(it, ABTest))


def move(client: "WorkspaceClient", move: Move) -> None:
    """Moves one alias."""
    if move.version is None:
        client.registered_models.delete_alias(move.model, move.alias)
    else:
        client.registered_models.set_alias(move.model, move.alias, move.version)
