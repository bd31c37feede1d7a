"""The brake: a challenger's traffic is 0 at once, and its champion has the rest.

Through the serving API, because it must not wait for a review nor for the lock of a state. What it
did is a tag of the endpoint, so that every other checkout of the repository sees it too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from infra.declared.environment import Environment
from infra.rollout import settings
from infra.rollout.endpoints import PATH, UPDATING, Document, live, update_of
from infra.rollout.refusal import Refused

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

TAG: Final = settings.BRAKE
_LONGEST_TAG: Final = 255
_TOLD_ONLY: Final = (
    *("creation_timestamp", "creator", "state", "entity_source", "foundation_model"),
    *("external_model", "max_provisioned_throughput", "min_provisioned_throughput"),
)
"""What an endpoint says of a served entity, and no request may."""


@dataclass(frozen=True, kw_only=True)
class Braked:
    """What was done: the arm, the share that it had, the share that its champion has now."""

    arm: str
    had: int
    champion: str
    champion_has: int
    untold: str = ""
    """Why the endpoint has no tag of it; empty where it has."""


def arm_to_stop(environment: Environment, document: Document, wanted: str | None) -> str:
    """The challenger that is meant: the only one with traffic, unless one is named."""
    percents = settings.traffic(settings.found(document))
    champion = _champion(environment, percents)
    challengers = {name: it for name, it in percents.items() if name != champion}
    if wanted is not None:
        if wanted not in challengers:
            raise Refused(
                f"{environment.ab_test.endpoint} has no challenger {wanted}; it serves "
                f"{', '.join(challengers) or 'none'} beside its champion {champion}."
            )
        return wanted
    running = [name for name, percent in challengers.items() if percent]
    if len(running) != 1:
        raise Refused(
            f"{environment.ab_test.endpoint} has "
            + (f"several challengers with traffic: {', '.join(running)}" if running else "none")
            + (". Name one: --challenger." if running else " with traffic: nothing is to stop.")
        )
    return running[0]


def stop(
    client: "WorkspaceClient",
    environment: Environment,
    arm: str,
    *,
    who: str,
    why: str,
    now: datetime,
) -> Braked:
    """Takes the arm's traffic away at once. Raises Refused during an update, with what to do."""
    from databricks.sdk.errors.base import DatabricksError

    name = environment.ab_test.endpoint
    document = live(client, name)
    if document is None:
        raise Refused(f"{name} does not exist, so that nothing is to stop.")
    if update_of(document) == UPDATING:
        raise Refused(
            f"{name} is being updated, and takes no other configuration meanwhile. Wait for the "
            f"end, and stop then: python -m infra.rollout wait --environment {environment.name}. "
            "An update that moves no traffic of this arm does not make it worse."
        )
    config = document.get("config") or {}
    percents = settings.traffic(settings.found(document))
    champion = _champion(environment, percents)
    if arm not in percents:
        raise Refused(
            f"{name} serves {arm} no more: somebody has changed it since it was looked at."
        )
    had = percents[arm]
    after = {**percents, arm: 0, champion: percents[champion] + had}
    if had:
        client.api_client.do("PUT", f"{PATH}/{name}/config", body=_config(config, after))
    said = f"{arm} stopped by {who} at {now:%Y-%m-%dT%H:%M:%SZ}: {why}"[:_LONGEST_TAG]
    untold = ""
    try:
        client.api_client.do(
            "PATCH", f"{PATH}/{name}/tags", body={"add_tags": [{"key": TAG, "value": said}]}
        )
    except DatabricksError as error:  # the traffic has moved, and the file must say so too
        untold = str(error)
    return Braked(arm=arm, had=had, champion=champion, champion_has=after[champion], untold=untold)


def told(document: Document) -> str:
    """What the brake's tag says; empty where there is none."""
    tags = document.get("tags") or ()
    return next((str(tag.get("value") or "") for tag in tags if tag["key"] == TAG), "")


def _champion(environment: Environment, percents: Mapping[str, int]) -> str:
    champion = environment.ab_test.champion.served_entity_name
    if champion in percents:
        return champion
    # The file is ahead of the endpoint: its champion has another version there.
    challengers = {it.served_entity_name for it in environment.ab_test.challengers}
    others = [name for name in percents if name not in challengers]
    if len(others) != 1:
        raise Refused(
            f"{environment.ab_test.endpoint} serves {', '.join(percents)}, and the file's champion "
            f"{champion} is none of them, so that nobody knows who has to take the traffic. Run it "
            "with the file that was deployed."
        )
    return others[0]


def _config(config: Mapping[str, Any], percents: Mapping[str, int]) -> dict[str, Any]:
    """The configuration as it is, with these shares: every entity as it was."""
    entities: Sequence[Mapping[str, Any]] = config.get("served_entities") or ()
    body: dict[str, Any] = {
        "served_entities": [
            {key: value for key, value in entity.items() if key not in _TOLD_ONLY}
            for entity in entities
        ],
        "traffic_config": {
            "routes": [
                {"served_entity_name": name, "traffic_percentage": percent}
                for name, percent in percents.items()
            ]
        },
    }
    if config.get("auto_capture_config"):
        captured = config["auto_capture_config"]
        body["auto_capture_config"] = {
            key: captured[key]
            for key in ("catalog_name", "schema_name", "table_name_prefix", "enabled")
            if key in captured
        }
    return body
