"""The types of resources and data sources that the stand-in knows, one module a family."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from infra.local.terraform.stand_in.schema import provider_schema

if TYPE_CHECKING:
    from infra.local.terraform.stand_in.resources.data_sources import DataSource
    from infra.local.terraform.stand_in.resources.resource import Resource

_MODULES = {
    "databricks_alert_v2": ("alerts", "AlertV2"),
    "databricks_catalog": ("unity_catalog", "Catalog"),
    "databricks_cluster": ("compute", "Cluster"),
    "databricks_cluster_policy": ("compute", "ClusterPolicy"),
    "databricks_dashboard": ("sql", "Dashboard"),
    "databricks_grant": ("grants", "Grant"),
    "databricks_grants": ("grants", "Grants"),
    "databricks_job": ("compute", "Job"),
    "databricks_model_serving": ("model_serving", "ModelServing"),
    "databricks_notification_destination": ("alerts", "NotificationDestination"),
    "databricks_permissions": ("permissions", "Permissions"),
    "databricks_query": ("sql", "Query"),
    "databricks_registered_model": ("unity_catalog", "RegisteredModel"),
    "databricks_schema": ("unity_catalog", "Schema"),
    "databricks_secret": ("secrets", "Secret"),
    "databricks_secret_acl": ("secrets", "SecretAcl"),
    "databricks_secret_scope": ("secrets", "SecretScope"),
    "databricks_sql_endpoint": ("sql", "SqlEndpoint"),
    "databricks_sql_table": ("sql_table", "SqlTable"),
    "databricks_volume": ("unity_catalog", "Volume"),
}


def behaviour_of(type_: str) -> Resource:
    """The type's behaviour; its module is imported when it is first used."""
    module, name = _MODULES[type_]
    imported = importlib.import_module(f"{__name__}.{module}")
    behaviour: Resource = getattr(imported, name)(provider_schema().resources[type_].block)
    return behaviour


def reader_of(type_: str) -> DataSource:
    """How to read a data source of this type."""
    from infra.local.terraform.stand_in.resources.data_sources import DATA_SOURCES

    return DATA_SOURCES[type_]
