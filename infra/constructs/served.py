"""The served entities of an endpoint, as the provider's structs: under one of its two names.

Provider 1.99.0 leaves `scale_to_zero_enabled = false` out of `served_entities`, without which
Databricks refuses an update, and sends it in `served_models`; so that is what an endpoint has of
which an arm stays awake. The API answers with both, and to go from one to the other is an update in
place: docs/reference/terraform-provider.md#what-it-never-sends.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from cdktf_cdktf_provider_databricks import model_serving
from cdktf_cdktf_provider_databricks.model_serving import (
    ModelServingConfigServedEntities,
    ModelServingConfigServedModels,
)

from infra.declared.endpoint import Endpoint
from infra.declared.served_model import ServedModel


def stays_awake(models: Sequence[ServedModel]) -> bool:
    """Whether one of them never scales to zero."""
    return not all(it.scale_to_zero for it in models)


def served(
    models: Sequence[ServedModel], full_name: Callable[[ServedModel], str]
) -> dict[str, Any]:
    """The argument of a config that says what is served; `full_name` has all three levels."""
    if stays_awake(models):
        return {
            "served_models": [
                ModelServingConfigServedModels(
                    model_name=full_name(it), model_version=str(it.version), **_common(it)
                )
                for it in models
            ]
        }
    return {
        "served_entities": [
            ModelServingConfigServedEntities(
                entity_name=full_name(it), entity_version=str(it.version), **_common(it)
            )
            for it in models
        ]
    }


def identities(models: Sequence[ServedModel]) -> Iterator[tuple[str, str, str]]:
    """Terraform's paths of the name, the model and the version of each."""
    kind, part = (
        ("served_models", "model") if stays_awake(models) else ("served_entities", "entity")
    )
    for position in range(len(models)):
        path = f"config[0].{kind}[{position}]"
        yield f"{path}.{part}_version", f"{path}.{part}_name", f"{path}.name"


def newer_arguments(endpoint: Endpoint) -> dict[str, Any]:
    """What an endpoint has that older bindings do not know; nothing where it is not declared."""
    telemetry = endpoint.telemetry_config
    if telemetry is None:
        return {}
    # By name: what is installed may lack the structs, and the declaration was refused then.
    struct = partial(getattr, model_serving)
    tables, logged = telemetry.table_names, telemetry.inference_table
    prefix = "ModelServingTelemetryConfig"
    return {
        "telemetry_config": struct(prefix)(
            enabled_telemetry_features=list(telemetry.enabled_telemetry_features) or None,
            telemetry_profile_id=telemetry.telemetry_profile_id,
            inference_table_config=struct(f"{prefix}InferenceTableConfig")(name=logged)
            if logged
            else None,
            table_names=struct(f"{prefix}TableNames")(**tables.model_dump()) if tables else None,
        )
    }


def _common(it: ServedModel) -> dict[str, Any]:
    newer = (
        {}
        if it.burst_scaling_enabled is None
        else {"burst_scaling_enabled": it.burst_scaling_enabled}
    )
    return {
        "name": it.served_entity_name,
        "workload_size": it.size,
        "workload_type": it.workload_type,
        "scale_to_zero_enabled": it.scale_to_zero,
        "min_provisioned_concurrency": it.min_provisioned_concurrency,
        "max_provisioned_concurrency": it.max_provisioned_concurrency,
        "instance_profile_arn": it.instance_profile_arn,
        "environment_vars": dict(it.environment_vars) or None,
        **newer,
    }
