"""The model behind the feedback endpoint: takes readings, writes them, says what became of each.

MLflow loads this file as the model (models from code), with the modules of `ml` that it imports
beside it; `ml.register_feedback` logs both. No Spark: serving containers have none.
"""

import math
import os
from collections.abc import Mapping
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from ml.feedback.book import ReadingBook
from ml.feedback.setting import Setting
from ml.workspace.warehouse import Warehouse

_PATIENCE_SECONDS = 60
"""Of one call to the workspace, retries included."""


class FeedbackProcessor(PythonModel):
    """Validates readings and writes them through the SQL Statement API."""

    def load_context(self, context: PythonModelContext) -> None:  # noqa: ARG002 - MLflow's signature
        """Raises NotSetUp where a variable is missing, and ValueError where no credentials are."""
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.core import Config

        setting = Setting.from_variables(os.environ)
        client = WorkspaceClient(config=Config(retry_timeout_seconds=_PATIENCE_SECONDS))
        self._book = ReadingBook(Warehouse(client, setting.warehouse_id), setting)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: Any,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> list[dict[str, str | bool | None]]:
        """One outcome for each row of a data frame of readings, in order."""
        rows = map(_present, model_input.to_dict("records"))
        return [outcome.as_row() for outcome in self._book.write(rows)]


def _present(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The fields that are there: a row that lacks a field of another has NaN in the data frame."""
    return {str(name): value for name, value in row.items() if not _is_missing(value)}


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


set_model(FeedbackProcessor())
