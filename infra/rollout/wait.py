"""Waiting for an update: progress while it runs, build logs where it fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.rollout.endpoints import FAILED, UPDATING, Document, deployments, live, update_of
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
    """How an update ended; `logs` are of the entities that are not ready."""

    update: str
    logs: tuple[BuildLog, ...]

    @property
    def failed(self) -> bool:
        """Whether the update ended without its config."""
        return self.update in FAILED


def wait(
    client: "WorkspaceClient", name: str, *, seconds: float, say: Callable[[str], None]
) -> Outcome:
    """Looks until the endpoint is not being updated, and says what changes.

    Raises Refused where it is not there, or the time is over.
    """
    started = time.monotonic()
    said = ""
    look = 0
    while True:
        document = live(client, name)
        if document is None:
            raise Refused(f"{name} does not exist, so that nothing is to be waited for.")
        update = update_of(document)
        elapsed = time.monotonic() - started
        if (line := _progress(document)) != said:
            say(f"{elapsed:5.0f} s  {line}")
            said = line
        if update != UPDATING:
            return Outcome(update=update, logs=_logs(client, name, document, update))
        if elapsed >= seconds:
            for log in _logs(client, name, document, update):
                say(f"build log of {log.served_entity}:\n  " + "\n  ".join(log.lines))
            raise Refused(
                f"{name} is still being updated after {elapsed / 60:.0f} minutes. Databricks gives "
                "up by itself (30 minutes after the build on CPU); wait again, or look at the "
                "build logs above. No second update is accepted before."
            )
        time.sleep(min(PAUSES[min(look, len(PAUSES) - 1)], max(0.0, seconds - elapsed)))
        look += 1


def _progress(document: Document) -> str:
    entities = "; ".join(
        f"{name}: {state.removeprefix('DEPLOYMENT_')}{f' ({message})' if message else ''}"
        for name, (state, message) in deployments(document).items()
    )
    return f"{update_of(document)}  {entities}"


def _logs(
    client: "WorkspaceClient", name: str, document: Document, update: str
) -> tuple[BuildLog, ...]:
    from databricks.sdk.errors.base import DatabricksError

    if update != UPDATING and update not in FAILED:
        return ()
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
