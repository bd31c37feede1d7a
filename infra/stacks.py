"""The stacks of an environment: what is deployed, and destroyed, together."""

from cdktf import TerraformOutput, TerraformStack
from cdktf_cdktf_provider_databricks.data_databricks_current_user import DataDatabricksCurrentUser
from cdktf_cdktf_provider_databricks.provider import DatabricksProvider
from constructs import Construct

from infra.backends import keep_state
from infra.endpoint import Endpoint
from infra.environment import Environment
from infra.serving import ModelServingEndpoint


class ServingStack(TerraformStack):
    """The endpoints, which refer to model versions that exist already."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, environment.serving_stack)
        self._environment = environment
        keep_state(self, environment.serving_stack, environment.backend)
        # Never a token: credentials come from DATABRICKS_* variables or from the profile.
        DatabricksProvider(
            self,
            "databricks",
            host=environment.workspace.host,
            profile=environment.workspace.profile,
        )
        host = environment.workspace.host or self._host_at_deployment()
        self._serve("ab-test", environment.ab_test, url="ab_test_endpoint_url", host=host)
        if environment.feedback:
            self._serve("feedback", environment.feedback, url="feedback_endpoint_url", host=host)

    def _host_at_deployment(self) -> str:
        """The workspace that the provider has found, for a file that names none.

        A reference, so that the JSON does not depend on the DATABRICKS_HOST of whoever synthesizes.
        `endpoint_url` would not do: the provider fills it for route-optimized endpoints only.
        """
        return DataDatabricksCurrentUser(self, "deployer").workspace_url

    def _serve(self, name: str, endpoint: Endpoint, *, url: str, host: str) -> None:
        served = ModelServingEndpoint(
            self,
            name,
            endpoint,
            catalog=self._environment.catalog,
            models_schema=self._environment.models_schema,
            tags=self._environment.tags,
        )
        output = TerraformOutput(
            self,
            url,
            value=f"{host}{served.path}",
            description=f"POST requests for {endpoint.endpoint} here",
        )
        # No URL before there is something behind it. Not by `depends_on`: cdktf renders that as
        # "${...}", which Terraform refuses in an output.
        output.add_override("depends_on", [served.address])
