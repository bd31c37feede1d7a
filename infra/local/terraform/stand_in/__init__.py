"""A stand-in for `databricks/databricks` 1.99.0, for networks that cannot reach the registry.

It is launched by Terraform, and talks to a loopback host only. It aims to send what the real
provider sends and to drop what that drops; sources of its facts:
docs/reference/terraform-provider.md#calls-of-databricks_model_serving and the sections after it,
and the recorded calls in `tests/infra/local/provider-calls/`.
"""

ADDRESS = "registry.terraform.io/databricks/databricks"
VERSION = "1.99.0"
"""The version of the provider it stands in for."""
