"""A deployed feedback endpoint beside the arms, set up as its users would."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

from ml.contract.tables import PREDICTION_FEEDBACK
from tests.end_to_end.serving.sandbox import Sandbox, in_process
from tests.plugin.workspaces import RunningWorkspace, eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCOPE = "champion-challenger-sandbox"
WAREHOUSE = "champion-challenger-sandbox"


def register(environment_file: Path, registry: str, folder: Path) -> str:
    """`python -m ml.register_feedback`, in this process; its output."""
    from ml.register_feedback import main

    done = in_process(
        main,
        *("--skip-if-registered", "--environment", environment_file),
        cwd=folder,
        MLFLOW_TRACKING_URI=registry,
        MLFLOW_EXPERIMENT_NAME="feedback",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class FeedbackSandbox(Sandbox):
    """A sandbox with a feedback endpoint; `url` is the stack's output."""

    def __init__(
        self,
        root: Path,
        workspace: RunningWorkspace,
        terraform: Mapping[str, str],
        registry: str,
    ) -> None:
        super().__init__(root, workspace, terraform)
        self._registry = registry
        self.feedback_endpoint = f"feedback-{self.endpoint}"
        self.url = ""

    def __enter__(self) -> Self:
        self._create_what_the_platform_stack_creates()
        output = register(self.file, self._registry, self.root)
        found = re.search(r"local\.models\.feedback_processor version (\d+)", output)
        assert found, output
        with self.edited() as document:
            document["feedback"] = {
                "endpoint": self.feedback_endpoint,
                "model": "feedback_processor",
                "version": int(found[1]),
                "authentication": "token",
            }
        self.url = self.deploy().output("feedback_endpoint_url")
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.workspace.client.delete(f"/api/2.0/serving-endpoints/{self.feedback_endpoint}")

    def send(self, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        """Rows to the endpoint; the outcomes."""
        response = self.workspace.client.post(self.url, json={"dataframe_records": list(rows)})
        assert response.status_code == 200, response.text
        outcomes: list[dict[str, Any]] = response.json()["predictions"]
        return outcomes

    def written(self, columns: str) -> list[list[Any]]:
        return self.workspace.sql(f"SELECT {columns} FROM local.gold.prediction_feedback")

    def logged(self, request_id: str) -> bool:
        """Whether the inference table has the request, soon."""
        statement = (
            f"SELECT 1 FROM local.gold.{self.table}_payload "
            f"WHERE client_request_id = '{request_id}'"
        )
        return bool(eventually(lambda: self.workspace.sql(statement)))

    def _create_what_the_platform_stack_creates(self) -> None:
        client = self.workspace.client
        warehouses = client.get("/api/2.0/sql/warehouses").json().get("warehouses", [])
        if WAREHOUSE not in {it["name"] for it in warehouses}:
            body = {"name": WAREHOUSE, "cluster_size": "2X-Small"}
            client.post("/api/2.0/sql/warehouses", json=body).raise_for_status()
        columns = ", ".join(f"{it.name} {it.type}" for it in PREDICTION_FEEDBACK.columns)
        table = PREDICTION_FEEDBACK.full_name("local")
        self.workspace.sql(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        client.post("/api/2.0/secrets/scopes/create", json={"scope": SCOPE})
        secret = {"scope": SCOPE, "key": "feedback-token", "string_value": self.workspace.token}
        client.post("/api/2.0/secrets/put", json=secret).raise_for_status()
