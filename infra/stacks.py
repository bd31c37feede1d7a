"""The stacks of an environment: what is deployed, and destroyed, together."""

from typing import Final

from cdktf import Annotations, TerraformOutput, TerraformResource, TerraformStack
from cdktf_cdktf_provider_databricks.data_databricks_current_user import DataDatabricksCurrentUser
from cdktf_cdktf_provider_databricks.permissions import Permissions
from cdktf_cdktf_provider_databricks.provider import DatabricksProvider
from cdktf_cdktf_provider_databricks.sql_table import SqlTable
from constructs import Construct

from infra.constructs.access import Grants, access_control, create_secret_scope
from infra.constructs.alerts import Alerts
from infra.constructs.backends import keep_state
from infra.constructs.catalog import UnityCatalog
from infra.constructs.compute import create_warehouse, find_warehouse
from infra.constructs.dashboard import ABTestDashboard
from infra.constructs.jobs import (
    IngestionJob,
    MonitoringJob,
    RetrainingJob,
    ShadowJob,
    VerdictDaysJob,
    VerdictJob,
)
from infra.constructs.serving import ModelServingEndpoint
from infra.declared.analysis import VIEWS, Analysis, analyses
from infra.declared.endpoint import ABTest, Feedback, SingleModel
from infra.declared.endpoints import of_test
from infra.declared.environment import Environment
from infra.declared.feedback import feedback_variables
from infra.declared.grants import Securable, endpoint_permissions, platform_grants, view_grants
from infra.declared.holdings import left_alone
from infra.declared.literal import literal, literals
from infra.declared.local_workspace import is_on_this_machine
from infra.declared.platform import HOW_TO_DESTROY, Jobs
from infra.declared.principal import Principal
from infra.declared.tables import FILM_FILES
from infra.declared.watching import WATCHED, Watch

IN_A_CLOSED_NETWORK: Final = (
    "Where `terraform init` cannot reach registry.terraform.io, plain cdktf commands need, once in "
    'a shell: eval "$(python -m infra.local.terraform install)"'
)
"""What cdktf's commands say of a workspace on this machine; they cannot know the network."""


class _EnvironmentStack(TerraformStack):
    """One stack of an environment: its state and its workspace.

    The stacks know each other's objects by plain names only, never by Terraform's references, so
    that each is planned, deployed and destroyed without the others' states.

    Here texts of a file become arguments of constructs: a stack builds from an environment whose
    texts are literals, and never sees the other one. So what looks like a reference is one.
    """

    def __init__(self, scope: Construct, name: str, environment: Environment) -> None:
        super().__init__(scope, name)
        # As it is: Terraform evaluates nothing in a backend, and the file's rules let nothing pass
        # that would have to be escaped.
        keep_state(self, name, environment.backend)
        environment = literals(environment)
        self._environment = environment
        # Never a token: credentials come from DATABRICKS_* variables or from the profile.
        DatabricksProvider(
            self,
            "databricks",
            host=environment.workspace.host,
            profile=environment.workspace.profile,
        )
        self._build(environment)

    def _build(self, environment: Environment) -> None:
        """Add what this stack deploys."""
        raise NotImplementedError


class PlatformStack(_EnvironmentStack):
    """What must exist before training and serving: catalog, warehouse, jobs, access, dashboard."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, environment.platform_stack, environment)

    def _build(self, environment: Environment) -> None:
        warehouse_id = self._warehouse()
        catalog = UnityCatalog(self, environment, warehouse_id=warehouse_id)
        Grants(self, "grants", platform_grants(environment), created=catalog.created)
        create_secret_scope(self, environment)
        if environment.platform.jobs:
            self._jobs(environment.platform.jobs)
        for test, analysis in analyses(environment).items():
            self._dashboard(test, analysis, warehouse_id)
        forgotten = [
            {"from": address, "lifecycle": {"destroy": False}}
            for address in left_alone(environment)
        ]
        if forgotten:
            self.add_override("removed", forgotten)
        if is_on_this_machine(environment.workspace.host or ""):
            Annotations.of(self).add_info(IN_A_CLOSED_NETWORK)
        if environment.protected:
            Annotations.of(self).add_info(HOW_TO_DESTROY.format(name=environment.name))

        TerraformOutput(
            self,
            "films_path",
            value=FILM_FILES.path(environment.catalog),
            description="Films are ingested to here",
        )
        TerraformOutput(
            self,
            "warehouse_id",
            value=warehouse_id,
            description=f"The SQL warehouse {environment.warehouse_name}",
        )

    def _warehouse(self) -> str:
        if not self._environment.platform.warehouse.create:
            return find_warehouse(self, self._environment).id
        warehouse = create_warehouse(self, self._environment)
        roles = self._environment.roles
        services = [it for it in (roles.endpoint_creator, roles.reading_room) if it]
        callers = roles.callers if self._environment.context else ()
        self._permit(
            "warehouse-permissions",
            [(it, "CAN_USE") for it in (*services, *callers, *roles.trainers, *roles.analysts)],
            sql_endpoint_id=warehouse.id,
        )
        return warehouse.id

    def _jobs(self, jobs: Jobs) -> None:
        created: dict[
            str,
            IngestionJob | MonitoringJob | RetrainingJob | ShadowJob | VerdictDaysJob | VerdictJob,
        ] = {
            "ingestion": IngestionJob(self, "ingestion", self._environment, jobs),
            "retraining": RetrainingJob(self, "retraining", self._environment, jobs),
        }
        if self._environment.monitoring:
            created["monitoring"] = MonitoringJob(self, "monitoring", self._environment, jobs)
        if jobs.shadow:
            created["shadow"] = ShadowJob(self, "shadow", self._environment, jobs, jobs.shadow)
        if jobs.verdict_days:
            created["verdict-days"] = VerdictDaysJob(
                self, "verdict-days", self._environment, jobs, jobs.verdict_days
            )
        if jobs.verdict:
            created["verdict"] = VerdictJob(self, "verdict", self._environment, jobs, jobs.verdict)
        for name, job in created.items():
            self._permit(
                f"{name}-permissions",
                [(it, "CAN_MANAGE_RUN") for it in self._environment.roles.trainers],
                job_id=job.resource.id,
            )

    def _dashboard(self, test: str, analysis: Analysis, warehouse_id: str) -> None:
        dashboard = ABTestDashboard(
            self,
            of_test(test, "dashboard"),
            analysis,
            environment=self._environment.about(test),
            warehouse_id=warehouse_id,
        )
        self._permit(
            of_test(test, "dashboard-permissions"),
            [(it, "CAN_RUN") for it in self._environment.roles.analysts],
            dashboard_id=dashboard.resource.id,
        )

    def _permit(
        self,
        id: str,  # noqa: A002 - named as in every construct
        levels: list[tuple[Principal, str]],
        *,
        sql_endpoint_id: str | None = None,
        job_id: str | None = None,
        dashboard_id: str | None = None,
    ) -> None:
        control = access_control(self._environment, levels)
        if control:
            Permissions(
                self,
                id,
                access_control=control,
                sql_endpoint_id=sql_endpoint_id,
                job_id=job_id,
                dashboard_id=dashboard_id,
            )


class AnalysisStack(_EnvironmentStack):
    """The views. Deployed after the first requests: a view needs the table that serving creates
    with the first logged one, and Databricks creates no view over a table that is not there."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, environment.analysis_stack, environment)

    def _build(self, environment: Environment) -> None:
        logging = analyses(environment)
        if not logging:
            return
        warehouse_id = find_warehouse(self, environment).id
        for test, analysis in logging.items():
            self._views(test, analysis, warehouse_id)

    def _views(self, test: str, analysis: Analysis, warehouse_id: str) -> None:
        watch = Watch.of(self._environment.about(test))
        queries = [(view, analysis.query(view.name)) for view in VIEWS]
        queries += [(view, watch.query(view.name)) for view in WATCHED] if watch else []
        created: dict[Securable, TerraformResource] = {}
        for view, query in queries:
            created[Securable(kind="table", name=analysis.full_name(view.name))] = SqlTable(
                self,
                of_test(test, view.name),
                catalog_name=analysis.catalog,
                schema_name=analysis.schema,
                name=analysis.view_name(view.name),
                table_type="VIEW",
                comment=literal(analysis.comment(view)),
                view_definition=literal(query),
                warehouse_id=warehouse_id,
                depends_on=[
                    created[Securable(kind="table", name=analysis.full_name(it))]
                    for it in view.reads
                ]
                or None,
            )
        Grants(
            self,
            of_test(test, "grants"),
            view_grants(
                self._environment,
                [analysis.full_name(view.name) for view, _ in queries],
                drawn_from=[analysis.full_name("predictions"), analysis.payload],
                counted_from=[
                    *(analysis.full_name(it) for it in ("requests", "answers", "contexts")),
                    analysis.payload,
                ],
            ),
            created=created,
        )
        if watch:
            alerts = Alerts(
                self,
                of_test(test, "alerts"),
                watch,
                environment=self._environment.name,
                warehouse_id=warehouse_id,
            )
            for alert in alerts.resources:
                alert.node.add_dependency(*created.values())


class ServingStack(_EnvironmentStack):
    """The endpoints, which refer to model versions that exist already."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, environment.serving_stack, environment)

    def _build(self, environment: Environment) -> None:
        host = environment.workspace.host or self._host_at_deployment()
        for name, endpoint in environment.endpoints.items():
            if isinstance(endpoint, Feedback):
                variables = feedback_variables(
                    environment, host=host, warehouse_id=find_warehouse(self, environment).id
                )
                endpoint = endpoint.model_copy(update={"environment_vars": variables})
            self._serve(name, endpoint, host=host)

    def _host_at_deployment(self) -> str:
        """The workspace that the provider has found, for a file that names none.

        A reference, so that the JSON does not depend on the DATABRICKS_HOST of whoever synthesizes.
        `endpoint_url` would not do: the provider fills it for route-optimized endpoints only.
        """
        return DataDatabricksCurrentUser(self, "deployer").workspace_url

    def _serve(self, name: str, endpoint: ABTest | SingleModel, *, host: str) -> None:
        permissions = endpoint_permissions(self._environment, endpoint)
        served = ModelServingEndpoint(
            self,
            name.replace("_", "-"),
            endpoint.model_copy(update={"permissions": permissions}),
            catalog=self._environment.catalog,
            models_schema=self._environment.models_schema,
            tags=self._environment.tags,
        )
        output = TerraformOutput(
            self,
            f"{name}_endpoint_url",
            value=served.resource.endpoint_url
            if endpoint.route_optimized
            else f"{host}{served.path}",
            description=f"POST requests for {endpoint.endpoint} here",
        )
        # No URL before there is something behind it. Not by `depends_on`: cdktf renders that as
        # "${...}", which Terraform refuses in an output.
        output.add_override("depends_on", [served.address])
