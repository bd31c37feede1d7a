"""The rows of an environment's workspace: all of them, or its days as they were counted before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml.contract.errors import UserError
from ml.verdict.counting.counts import Rows, WorkspaceViews
from ml.verdict.counting.days import CountedDays, VerdictDays
from ml.verdict.counting.queries import Queries

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis
    from infra.declared.environment import Environment
    from infra.declared.experiment import Experiment, Split
    from ml.workspace.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True)
class WorkspaceRows:
    """The rows, and how they are reached. Raises WorkspaceError."""

    views: WorkspaceViews
    warehouse: "Warehouse"
    analysis: "Analysis"
    host: str
    days_there: bool
    """Whether there is a table of days that were counted before."""

    @classmethod
    def of(
        cls, environment: "Environment", experiment: "Experiment", warehouse_name: str | None
    ) -> "WorkspaceRows":
        """Those of an environment about one test; raises UserError where that logs nothing, or is
        of another task than the experiment."""
        from infra.declared.analysis import Analysis
        from ml.workspace.connection import connect
        from ml.workspace.unity_catalog import exists
        from ml.workspace.warehouse import Warehouse

        analysis = Analysis.of(environment)
        if analysis is None:
            raise UserError(
                f"environment {environment.name}: its endpoint logs nothing, so that there is "
                "nothing to compare. Give it an inference table: "
                f"[{environment.test}.inference_table] in "
                f"infra/environments/{environment.name}.toml."
            )
        if analysis.task != experiment.task:
            raise UserError(
                f"the experiment {experiment.name} is of the task {experiment.task.name}, and the "
                f"test of environment {environment.name} of {analysis.task.name}. Name the same "
                "task in both files."
            )
        client = connect(environment)
        if not exists(client, "table", analysis.full_name("answers")):
            raise UserError(
                f"{client.config.host}: there is no view {analysis.full_name('answers')}, or you "
                "may not see it. It comes with the analysis stack, once requests were logged: "
                f"cdktf deploy analysis-{environment.name}, or python -m infra.local.terraform "
                f"apply --stack analysis --environment {environment.name}."
            )
        warehouse = Warehouse.named(client, warehouse_name or environment.warehouse_name)
        return cls(
            views=WorkspaceViews(warehouse, analysis, experiment.subgroups),
            warehouse=warehouse,
            analysis=analysis,
            host=str(client.config.host),
            days_there=exists(client, "table", analysis.full_name("verdict_days")),
        )

    def days(
        self, environment: "Environment", experiment: "Experiment", splits: Sequence["Split"]
    ) -> VerdictDays:
        """The days of an experiment that were counted, or will be."""
        from infra.declared.analysis import may_simulate

        queries = Queries(
            rows=self.views.relations,
            experiment=experiment,
            splits=splits,
            simulations_count=may_simulate(environment),
        )
        return VerdictDays(self.warehouse, self.analysis, queries)

    def by_days(
        self,
        environment: "Environment",
        experiment: "Experiment",
        splits: Sequence["Split"],
        as_of: datetime | None,
    ) -> tuple[Rows, datetime | None, str]:
        """The days that were counted, if these say what all rows say, and else all rows; the
        moment; and which of the two it is, where there is something to say of it."""
        if not self.days_there:
            return self.views, as_of, ""
        days = self.days(environment, experiment, splits)
        until = days.fresh(as_of, datetime.now(UTC))
        if isinstance(until, str):
            return self.views, as_of, f"All rows were counted: {days.table} {until}."
        return (
            CountedDays(self.views, days, until),
            until,
            f"The days of {days.table} were added up, until {until.isoformat()}. "
            "--from-payload counts all rows, and later ones too.",
        )
