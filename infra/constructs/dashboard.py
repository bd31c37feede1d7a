"""The Lakeview dashboard of the A/B test: layout in `dashboards/*.lvdash.json`, SQL in `*.sql`.

The layout is what Databricks exports, without the queries: a data set's statement is the file of
its name, so that SQL is reviewed and tested as SQL. Form of a layout:
https://docs.databricks.com/aws/en/dashboards/tutorials/dashboard-crud-api.
"""

import json
from pathlib import Path
from typing import Any, Final

from cdktf_cdktf_provider_databricks.dashboard import Dashboard
from constructs import Construct

from infra.declared.analysis import Analysis
from infra.declared.endpoints import FIRST_TEST
from infra.declared.environment import Environment
from infra.declared.literal import literal
from infra.declared.watching import Watch

DASHBOARDS: Final = Path(__file__).parents[1] / "dashboards"
_FOLDER: Final = "/Shared"


class ABTestDashboard(Construct):
    """Traffic, latency and outcomes by arm. Fills as soon as the views are there."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        analysis: Analysis,
        *,
        environment: Environment,
        warehouse_id: str,
    ) -> None:
        super().__init__(scope, id)
        self.resource = Dashboard(
            # Hidden from the logical id: `databricks_dashboard.<id>`.
            self,
            "Default",
            display_name=_title(environment),
            parent_path=_FOLDER,
            warehouse_id=warehouse_id,
            serialized_dashboard=literal(
                json.dumps(whole_layout(environment, analysis), ensure_ascii=False)
            ),
            # Whoever looks sees what their own rights allow, not what the publisher's would.
            embed_credentials=False,
        )


def _title(environment: Environment) -> str:
    names = [environment.name, *([] if environment.test == FIRST_TEST else [environment.test])]
    return f"Champion and challenger ({', '.join(names)})"


def whole_layout(environment: Environment, analysis: Analysis) -> dict[str, Any]:
    """The pages of the test and, where it is watched, those of the watch."""
    pages = layout("ab_test", analysis)
    watch = Watch.of(environment)
    watched = layout("watch", watch) if watch else {}
    return {kind: [*its, *watched.get(kind, ())] for kind, its in pages.items()}


def layout(name: str, source: Analysis | Watch) -> dict[str, Any]:
    """The definition of some pages, each data set with its statement."""
    definition: dict[str, Any] = json.loads(
        source.task.said((DASHBOARDS / f"{name}.lvdash.json").read_text(encoding="utf-8"))
    )
    folder = DASHBOARDS if name == "ab_test" else DASHBOARDS / name
    for dataset in definition["datasets"]:
        sql = (folder / f"{dataset['name']}.sql").read_text(encoding="utf-8")
        dataset["queryLines"] = source.filled_in(sql).splitlines(keepends=True)
    return definition
