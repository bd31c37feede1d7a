"""What runs SQL and jobs: the warehouse, and the machine of a job."""

from cdktf_cdktf_provider_databricks.data_databricks_sql_warehouse import DataDatabricksSqlWarehouse
from cdktf_cdktf_provider_databricks.job import JobJobClusterNewCluster
from cdktf_cdktf_provider_databricks.sql_endpoint import (
    SqlEndpoint,
    SqlEndpointTags,
    SqlEndpointTagsCustomTags,
)
from constructs import Construct

from infra.declared.environment import Environment
from infra.declared.platform import Jobs


def create_warehouse(scope: Construct, environment: Environment) -> SqlEndpoint:
    """The environment's SQL warehouse: one cluster, which stops by itself."""
    warehouse = environment.platform.warehouse
    return SqlEndpoint(
        scope,
        "warehouse",
        name=environment.warehouse_name,
        cluster_size=warehouse.size,
        auto_stop_mins=warehouse.auto_stop_minutes,
        max_num_clusters=1,
        enable_serverless_compute=warehouse.serverless,
        # Serverless exists for this type alone.
        warehouse_type="PRO",
        tags=SqlEndpointTags(
            custom_tags=[
                SqlEndpointTagsCustomTags(key=key, value=value)
                for key, value in sorted(environment.tags.items())
            ]
        )
        if environment.tags
        else None,
    )


def find_warehouse(scope: Construct, environment: Environment) -> DataDatabricksSqlWarehouse:
    """The warehouse of that name, which exists when Terraform runs."""
    return DataDatabricksSqlWarehouse(scope, "warehouse", name=environment.warehouse_name)


def single_node(jobs: Jobs, environment: Environment) -> JobJobClusterNewCluster:
    """One machine without workers: training here needs no Spark, only Unity Catalog's access.

    All three settings together make a cluster of one node; `num_workers = 0` alone makes one that
    waits for workers for ever (docs/reference/terraform-provider.md#clusters-of-one-node).
    """
    return JobJobClusterNewCluster(
        spark_version=jobs.runtime,
        node_type_id=jobs.node_type,
        num_workers=0,
        spark_conf={"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"},
        custom_tags={**environment.tags, "ResourceClass": "SingleNode"},
        data_security_mode="SINGLE_USER",
    )
