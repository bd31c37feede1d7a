"""A stand-in for `databricks/databricks` 1.99.0, for networks that cannot reach the registry.

It is launched by Terraform, and talks to a loopback host only. It aims to send what the real
provider sends and to drop what that drops; sources of its facts: reference
`terraform-provider.md`, `provider-calls/` and `databricks-serving.md` section 2.3.
"""

ADDRESS = "registry.terraform.io/databricks/databricks"
VERSION = "1.99.0"
"""The version of the provider it stands in for."""
