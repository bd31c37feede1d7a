"""Everything behind the page, from an environment's name for it to the application."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.declared.analysis import Analysis
from ml.contract.errors import UserError
from ml.contract.task import TableInput
from ml.feedback.client import FeedbackClient
from ml.reading_room.delivery import PATIENCE_SECONDS, Delivery
from ml.reading_room.films import Films, IngestedFilms, Logged
from ml.reading_room.identity import FORWARDED_EMAIL, ForwardedIdentity, WorkspaceIdentity
from ml.reading_room.journal import Journal
from ml.reading_room.queue import Queue
from ml.reading_room.room import Room
from ml.reading_room.rows import Rows
from ml.reading_room.server import application
from ml.workspace.connection import connect
from ml.workspace.endpoint import Endpoint
from ml.workspace.warehouse import StatementError, Warehouse

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from starlette.applications import Starlette

    from infra.declared.environment import Environment

_CALL_SECONDS: Final = 10
"""For which a call to the workspace tries again: a reader waits for it."""


@contextmanager
def opened(
    environment: "Environment",
    journal: Path,
    *,
    warehouse: str | None = None,
    behind_proxy: bool = False,
    proxy_header: str = FORWARDED_EMAIL,
    secret: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Iterator["Starlette"]:
    """The room of an environment, while it is open. Raises UserError.

    Behind a proxy, `proxy_header` names the reader. With a `secret`, the room is open to those who
    have its link. A reader is made to wait for the feedback endpoint for `patience_seconds`.
    """
    analysis = Analysis.of(environment)
    if analysis is None:
        raise UserError(
            f"environment {environment.name} logs no predictions, so there is nothing to read. "
            f"Add [{environment.test}.inference_table] to its file and deploy it."
        )
    if environment.feedback is None:
        raise UserError(
            f"environment {environment.name} has no feedback endpoint, so no reading would be "
            "written. Add [feedback] to its file and deploy it."
        )
    client = connect(environment, retry_timeout_seconds=_CALL_SECONDS)
    named = Warehouse.named(client, warehouse or environment.warehouse_name)
    endpoint = FeedbackClient(Endpoint(client, environment.feedback.endpoint))
    with closing(Journal(journal)) as kept:
        delivery = Delivery(kept, endpoint, patience_seconds)
        room = Room(
            queue=Queue(named, environment, analysis),
            films=_shown(client, named, environment, analysis),
            journal=kept,
            delivery=delivery,
            readers=environment.reading.readers,
        )
        try:
            room.look()
        except StatementError as error:
            raise UserError(
                f"{error}\nThe reading room reads {analysis.full_name('predictions')} and the "
                f"table of the verdicts. The stacks create them: {environment.platform_stack} "
                f"and, after the first logged request, {environment.analysis_stack}."
            ) from error
        identity = ForwardedIdentity(proxy_header) if behind_proxy else WorkspaceIdentity.of(client)
        with delivery.running():
            yield application(
                room, identity, analysis.task, behind_proxy=behind_proxy, secret=secret
            )


def _shown(
    client: "WorkspaceClient", warehouse: Warehouse, environment: "Environment", analysis: Analysis
) -> Logged:
    """What readers see of a case: its picture, or its columns."""
    asked = analysis.task.input
    if isinstance(asked, TableInput):
        return Rows(warehouse, analysis, columns=asked)
    return Films(warehouse, analysis, IngestedFilms(client, environment))
