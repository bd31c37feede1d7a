"""Waiting until an endpoint serves what it should: progress meanwhile, build logs where it fails.

An update that has ended is not enough: after it, or after a start of the workspace, an endpoint may
be NOT_READY for minutes. And one that has failed may be of yesterday: what counts is whether the
arms that the file declares are those that serve.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.progress import progress
from infra.rollout.endpoints import (
    FAILED,
    GIVEN_UP,
    UPDATING,
    Document,
    deployments,
    live,
    not_serving,
    update_of,
)
from infra.rollout.refusal import Refused

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

PAUSES: Final = (1.0, 2.0, 5.0, 10.0)
"""Seconds between looks; the last one again and again. A build takes about ten minutes."""
LOG_LINES: Final = 30


@dataclass(frozen=True, kw_only=True)
class BuildLog:
    """The end of what building and starting a served entity has printed."""

    served_entity: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the waiting ended; `logs` are of the entities that are not ready."""

    failed: bool
    logs: tuple[BuildLog, ...]


def wait(
    client: "WorkspaceClient",
    name: str,
    *,
    seconds: float,
    say: Callable[[str], None],
    is_declared: Callable[[Document], bool],
) -> Outcome:
    """Looks until the endpoint serves, or will not, and says what changes.

    `is_declared` tells whether the configuration in force is the one that is wanted: a failed
    update is no failure then. Raises Refused where it is not there, or the time is over.
    """
    started = time.monotonic()
    said = ""
    look = 0
    while True:
        document = live(client, name)
        if document is None:
            raise Refused(f"{name} does not exist, so that nothing is to be waited for.")
        elapsed = time.monotonic() - started
        if (line := _progress(document)) != said:
            say(f"{elapsed:5.0f} s  {line}")
            said = line
        ended = _ended(document, is_declared)
        if ended is False and not is_declared(document):
            say("it serves, but not the arms that the file declares: infra.rollout status")
        if ended is not None:
            return Outcome(failed=ended, logs=_logs(client, name, document) if ended else ())
        if elapsed >= seconds:
            for log in _logs(client, name, document):
                say(f"build log of {log.served_entity}:\n  " + "\n  ".join(log.lines))
            raise Refused(_too_late(name, document, elapsed))
        with progress(f"  {elapsed:5.0f} s  waiting"):
            time.sleep(min(PAUSES[min(look, len(PAUSES) - 1)], max(0.0, seconds - elapsed)))
        look += 1


def _ended(document: Document, is_declared: Callable[[Document], bool]) -> bool | None:
    """Whether it has failed; None while that is open."""
    update, idle = update_of(document), not_serving(document)
    if update == UPDATING:
        return None
    if update in FAILED and not is_declared(document):
        return True
    if not idle:
        return False
    return True if GIVEN_UP.issuperset(idle.values()) else None


def _too_late(name: str, document: Document, elapsed: float) -> str:
    minutes = f"after {elapsed / 60:.0f} minutes"
    if update_of(document) == UPDATING:
        return (
            f"{name} is still being updated {minutes}. Databricks gives up by itself (30 minutes "
            "after the build on CPU); wait again, or look at the build logs above. No second "
            "update is accepted before."
        )
    idle = ", ".join(f"{entity} is {state}" for entity, state in not_serving(document).items())
    return f"{name} does not serve {minutes}: {idle}. Look at the build logs above, or wait again."


def _progress(document: Document) -> str:
    entities = "; ".join(
        f"{name}: {state.removeprefix('DEPLOYMENT_')}{f' ({message})' if message else ''}"
        for name, (state, message) in deployments(document).items()
    )
    idle = ", NOT_READY" if not_serving(document) and update_of(document) != UPDATING else ""
    return f"{update_of(document)}{idle}  {entities}"


def _logs(client: "WorkspaceClient", name: str, document: Document) -> tuple[BuildLog, ...]:
    from databricks.sdk.errors.base import DatabricksError

    found = []
    for entity, (state, _) in deployments(document).items():
        if state == "DEPLOYMENT_READY":
            continue
        try:
            text = client.serving_endpoints.build_logs(name, entity).logs
        except DatabricksError as error:
            text = f"no build log: {str(error).splitlines()[0]}"
        lines = tuple((text or "no build log yet").splitlines()[-LOG_LINES:])
        found.append(BuildLog(served_entity=entity, lines=lines))
    return tuple(found)
