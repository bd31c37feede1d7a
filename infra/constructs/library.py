"""Champion/challenger serving endpoints of Databricks for an app of CDKTF.

What `pip wheel .` gives to other apps, there as `import champion_challenger`
(docs/adr/0007-a-library-under-its-own-name.md).
"""

from infra.constructs.serving import ModelServingEndpoint, ReferencedEndpoint
from infra.declared.endpoint import ABTest, InferenceTable, Permission
from infra.declared.principal import Principal
from infra.declared.served_model import Challenger, ServedModel

__all__ = [
    "ABTest",
    "Challenger",
    "InferenceTable",
    "ModelServingEndpoint",
    "Permission",
    "Principal",
    "ReferencedEndpoint",
    "ServedModel",
]
