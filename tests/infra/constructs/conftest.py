"""A stack to put constructs into."""

from typing import Any

import pytest


@pytest.fixture
def stack(app: Any, cdktf: Any) -> Any:
    from cdktf_cdktf_provider_databricks.provider import DatabricksProvider

    stack = cdktf.TerraformStack(app, "stack")
    DatabricksProvider(stack, "databricks")
    cdktf.LocalBackend(stack, path="terraform.tfstate")
    return stack
