"""Champion/challenger serving endpoints of Databricks for an app of CDKTF.

What `pip wheel .` gives to other apps, there as `import champion_challenger`
(docs/adr/0007-a-library-under-its-own-name.md).
"""

from infra.constructs.serving import ModelServingEndpoint, ReferencedEndpoint
from infra.declared.endpoint import ABTest, AutoCapture, InferenceTable, Permission, SingleModel
from infra.declared.gateway import (
    Notifications,
    RateLimit,
    Telemetry,
    TelemetryTables,
    UsageTracking,
)
from infra.declared.principal import Principal
from infra.declared.served_model import Challenger, ServedModel
from ml.contract.task import Task

__all__ = [
    "ABTest",
    "AutoCapture",
    "Challenger",
    "InferenceTable",
    "ModelServingEndpoint",
    "Notifications",
    "Permission",
    "Principal",
    "RateLimit",
    "ReferencedEndpoint",
    "ServedModel",
    "SingleModel",
    "Task",
    "Telemetry",
    "TelemetryTables",
    "UsageTracking",
]
