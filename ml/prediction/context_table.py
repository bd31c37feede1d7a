"""The table of contexts: rows are added to it once, and none is ever changed."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, Self

from ml.contract.tables import PREDICTION_CONTEXT
from ml.prediction.context import Described
from ml.workspace.additions import addition, as_texts
from ml.workspace.connection import WorkspaceError
from ml.workspace.unity_catalog import exists
from ml.workspace.warehouse import Warehouse

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from infra.declared.environment import Environment

_WRITE: Final = addition(PREDICTION_CONTEXT, "prediction_id")


class ContextTable:
    """The table of one environment. Thread-safe."""

    def __init__(self, warehouse: Warehouse, name: str, host: str) -> None:
        self._warehouse = warehouse
        self._name = name
        self.destination = f"{host} {name}"
        """Where a journal's rows go to: the same for each run on an environment."""

    @classmethod
    def of(cls, environment: "Environment", client: "WorkspaceClient") -> Self:
        """The table of an environment, which must be there. Raises WorkspaceError."""
        name = PREDICTION_CONTEXT.full_name(environment.catalog)
        if not exists(client, "table", name):
            raise WorkspaceError(
                f"{client.config.host}: there is no table {name}, or you may not see it. Deploy "
                f"{environment.platform_stack}, which creates it and grants it to the callers."
            )
        warehouse = Warehouse.named(client, environment.warehouse_name)
        return cls(warehouse, name, str(client.config.host))

    def write(self, described: Sequence[Described]) -> None:
        """Adds what is not there yet: a retry changes nothing. Raises WorkspaceError."""
        rows = [
            {
                "prediction_id": it.prediction_id,
                **asdict(it.context),
                "recorded_at": it.recorded_at.isoformat(),
            }
            for it in described
        ]
        self._warehouse.execute(_WRITE, table=self._name, rows=as_texts(rows))
