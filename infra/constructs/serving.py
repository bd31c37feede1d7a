"""ModelServingEndpoint: one construct for every serving endpoint of this project.

With `served`, the only module that knows the generated structs of `databricks_model_serving`. They
are used as classes throughout: a dict in their place loses its snake_case keys without a word
(docs/reference/cdktf.md#structs-instead-of-dicts).
Facts about the provider: docs/reference/terraform-provider.md#what-it-never-sends.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NoReturn, get_args

import jsii
from cdktf import Annotations, TerraformResourceLifecycle, TerraformStack, Token
from cdktf_cdktf_provider_databricks.model_serving import (
    ModelServing,
    ModelServingAiGateway,
    ModelServingAiGatewayInferenceTableConfig,
    ModelServingAiGatewayRateLimits,
    ModelServingAiGatewayUsageTrackingConfig,
    ModelServingConfigA,
    ModelServingConfigAutoCaptureConfig,
    ModelServingConfigTrafficConfig,
    ModelServingConfigTrafficConfigRoutes,
    ModelServingEmailNotifications,
    ModelServingTags,
    ModelServingTimeouts,
)
from cdktf_cdktf_provider_databricks.permissions import Permissions, PermissionsAccessControl
from constructs import Construct, IValidation
from pydantic import TypeAdapter

from infra.constructs.served import identities, newer_arguments, served
from infra.declared.endpoint import AutoCapture, Endpoint, Level, Permission
from infra.declared.gateway import Notifications
from infra.declared.naming import CatalogName, EndpointName, SchemaName, payload_table
from infra.declared.principal import PRINCIPAL_KINDS, Principal
from infra.declared.served_model import ServedModel
from infra.declared.traffic import TrafficSplit

_LEVELS: Final = get_args(Level)
"""Each includes those before it."""


class ModelServingEndpoint(Construct):
    """A serving endpoint: served entities, routes, inference table, tags, access.

    >>> ModelServingEndpoint(
    ...     stack,
    ...     "ab-test",
    ...     ABTest(
    ...         endpoint="pneumonia-classifier-ab-test",
    ...         champion=ServedModel(model="pneumonia_poc_classifier", version=1),
    ...         challengers=(Challenger(model="pneumonia_resnet", version=4, traffic=10),),
    ...     ),
    ...     catalog="healthcare_catalog_dev",
    ... )  # doctest: +SKIP

    The served entities are champion first, then challengers in the order given: the order is their
    identity for `ignore_version_changes`. No fallback is configured between the arms; an answer
    that another arm gave would be counted for the wrong one.

    Raises TypeError and ValueError (pydantic's ValidationError is one) for values that break a
    rule, even where they were copied past their checks.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        endpoint: Endpoint,
        *,
        catalog: str,
        models_schema: str = "models",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        if not isinstance(endpoint, Endpoint):
            raise TypeError(f"An endpoint must be an ABTest or a Feedback, got: {endpoint!r}")
        self.endpoint = type(endpoint).model_validate(endpoint)
        self._catalog = TypeAdapter(CatalogName).validate_python(catalog, strict=True)
        self._models_schema = TypeAdapter(SchemaName).validate_python(models_schema, strict=True)

        self.resource = ModelServing(
            # "Default" is hidden from the logical id: `databricks_model_serving.<id>`.
            self,
            "Default",
            name=self.endpoint.endpoint,
            config=ModelServingConfigA(
                **served(self.endpoint.served_models, self._full_name),
                traffic_config=_traffic_config(self.endpoint.split),
                auto_capture_config=self._auto_capture_config(self.endpoint.auto_capture),
            ),
            ai_gateway=self._ai_gateway(),
            # Only where it is declared: `false` is no block less, but another text of the JSON.
            route_optimized=self.endpoint.route_optimized or None,
            description=self.endpoint.description,
            budget_policy_id=self.endpoint.budget_policy_id,
            email_notifications=_notifications(self.endpoint.email_notifications),
            tags=[
                ModelServingTags(key=key, value=value)
                for key, value in sorted({**(tags or {}), **self.endpoint.tags}.items())
            ]
            or None,
            timeouts=ModelServingTimeouts(
                create=f"{self.endpoint.timeout_minutes}m",
                update=f"{self.endpoint.timeout_minutes}m",
            ),
            lifecycle=_lifecycle(self.endpoint),
            **newer_arguments(self.endpoint),
        )
        if self.endpoint.adopt:
            self.resource.import_from(self.endpoint.endpoint)
        self._access: Permissions | None = None
        self._granted = self.endpoint.permissions
        if self._granted:
            self._give_access()

        for warning in _warnings(self.endpoint):
            Annotations.of(self).add_warning(warning)
        self.node.add_validation(_Check(self._collisions))

    @property
    def address(self) -> str:
        """The resource's address in Terraform, for example `databricks_model_serving.ab-test`."""
        return f"{self.resource.terraform_resource_type}.{self.resource.friendly_unique_id}"

    @property
    def endpoint_name(self) -> str:
        """Its name in the workspace."""
        return self.endpoint.endpoint

    @property
    def path(self) -> str:
        """Where requests go, behind the workspace's host."""
        return _path(self.endpoint_name)

    @staticmethod
    def from_endpoint_name(
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        endpoint_name: str,
    ) -> "ReferencedEndpoint":
        """An endpoint that somebody else deploys; nobody is asked whether it exists."""
        return ReferencedEndpoint(scope, id, endpoint_name)

    def grant_query(self, *principals: Principal) -> None:
        """Lets principals send requests to the endpoint, beside those who may already."""
        for principal in principals:
            self._grant(principal, "CAN_QUERY")

    def grant_manage(self, *principals: Principal) -> None:
        """Lets principals change the endpoint, beside those who may already."""
        for principal in principals:
            self._grant(principal, "CAN_MANAGE")

    def _full_name(self, model: ServedModel) -> str:
        catalog = model.catalog or self._catalog
        return f"{catalog}.{model.schema_name or self._models_schema}.{model.model}"

    def _ai_gateway(self) -> ModelServingAiGateway | None:
        table, usage = self.endpoint.inference_table, self.endpoint.usage_tracking_config
        limits = self.endpoint.rate_limits
        if table is None and usage is None and not limits:
            return None
        return ModelServingAiGateway(
            inference_table_config=ModelServingAiGatewayInferenceTableConfig(
                catalog_name=table.catalog or self._catalog,
                schema_name=table.schema_name,
                table_name_prefix=table.prefix,
                enabled=table.enabled,
            )
            if table
            else None,
            rate_limits=[
                ModelServingAiGatewayRateLimits(
                    calls=limit.calls,
                    renewal_period="minute",
                    key=limit.key,
                    principal=limit.principal,
                )
                for limit in limits
            ]
            or None,
            usage_tracking_config=ModelServingAiGatewayUsageTrackingConfig(enabled=usage.enabled)
            if usage
            else None,
        )

    def _auto_capture_config(
        self, table: AutoCapture | None
    ) -> ModelServingConfigAutoCaptureConfig | None:
        if table is None:
            return None
        return ModelServingConfigAutoCaptureConfig(
            catalog_name=table.catalog or self._catalog,
            schema_name=table.schema_name,
            table_name_prefix=table.prefix,
            enabled=table.enabled,
        )

    def _grant(self, principal: Principal, level: Level) -> None:
        """A principal has one level on an endpoint, the highest that it was given."""
        if not isinstance(principal, Principal):
            raise TypeError(f"A grant needs a Principal, got: {principal!r}")
        who = {kind: getattr(principal, kind) for kind in PRINCIPAL_KINDS}
        given = Permission(**who, level=level)
        held = [it for it in self._granted if all(getattr(it, kind) == who[kind] for kind in who)]
        if any(_LEVELS.index(it.level) >= _LEVELS.index(level) for it in held):
            return
        self._granted = (*(it for it in self._granted if it not in held), given)
        self._give_access()

    def _give_access(self) -> None:
        """In one resource: it holds all permissions of the endpoint, and another one would take
        these away."""
        access_control = [
            PermissionsAccessControl(
                group_name=permission.group,
                user_name=permission.user,
                service_principal_name=permission.service_principal,
                permission_level=permission.level,
            )
            for permission in self._granted
        ]
        if self._access is None:
            self._access = Permissions(
                self,
                "permissions",
                serving_endpoint_id=self.resource.serving_endpoint_id,
                access_control=access_control,
            )
        else:
            self._access.put_access_control(access_control)

    def _payload_tables(self) -> Iterator[str]:
        for table in (self.endpoint.inference_table, self.endpoint.auto_capture):
            if table is not None:
                yield payload_table(table.catalog or self._catalog, table.schema_name, table.prefix)

    def _collisions(self) -> list[str]:
        """What this endpoint and another one of the same stack both claim; known at synth only."""
        constructs = TerraformStack.of(self).node.find_all()
        endpoints = [it for it in constructs if isinstance(it, ModelServingEndpoint)]
        names = Counter(it.endpoint.endpoint for it in endpoints)
        tables = Counter(table for it in endpoints for table in it._payload_tables())
        problems = []
        if names[self.endpoint.endpoint] > 1:
            problems.append(
                "an endpoint's name must be unique in its workspace, "
                f"got: {self.endpoint.endpoint} twice"
            )
        problems += [
            f"an inference table must belong to one endpoint, got: {table} twice"
            for table in dict.fromkeys(self._payload_tables())
            if tables[table] > 1
        ]
        return problems


class ReferencedEndpoint(Construct):
    """An endpoint of the workspace that another deployment holds, known by its name.

    It gives no access: Terraform's resource of permissions holds all of an endpoint, so that a
    grant from here would take away those of its owner.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        endpoint_name: str,
    ) -> None:
        super().__init__(scope, id)
        if not Token.is_unresolved(endpoint_name):
            endpoint_name = TypeAdapter(EndpointName).validate_python(endpoint_name, strict=True)
        self.endpoint_name = endpoint_name

    @property
    def path(self) -> str:
        """Where requests go, behind the workspace's host."""
        return _path(self.endpoint_name)

    def grant_query(self, *_: Principal) -> NoReturn:
        """Raises TypeError, with the way out."""
        raise TypeError(
            f"{self.endpoint_name} is declared elsewhere, and Terraform's permissions of an "
            "endpoint replace all that it has: grant where its ModelServingEndpoint is made."
        )


def _path(endpoint_name: str) -> str:
    return f"/serving-endpoints/{endpoint_name}/invocations"


@jsii.implements(IValidation)
class _Check:
    """Hands a construct's own check to the synthesis."""

    def __init__(self, problems: Callable[[], list[str]]) -> None:
        self._problems = problems

    def validate(self) -> list[str]:
        return self._problems()


def _traffic_config(split: TrafficSplit) -> ModelServingConfigTrafficConfig:
    return ModelServingConfigTrafficConfig(
        routes=[
            # Not served_entity_name as well: where both say the same, the provider drops the
            # names of a route that is new.
            ModelServingConfigTrafficConfigRoutes(
                served_model_name=route.served_entity, traffic_percentage=route.percent
            )
            for route in split.routes
        ]
    )


def _notifications(them: Notifications | None) -> ModelServingEmailNotifications | None:
    if them is None:
        return None
    return ModelServingEmailNotifications(
        on_update_failure=list(them.on_update_failure) or None,
        on_update_success=list(them.on_update_success) or None,
    )


def _lifecycle(endpoint: Endpoint) -> TerraformResourceLifecycle | None:
    """Ignores, arm by arm, which model version is deployed and under which name.

    By position, because Terraform ignores nothing at all for a path like `served_entities["a"]`
    (docs/reference/cdktf.md#paths-of-ignore_changes), and the parts of an identity together: after
    an update by somebody else the provider may list the arms in another order (it sorts them by the
    names it knew), and a name from here with a version from there would deploy a mixture. A
    challenger added behind the others leaves their paths as they are and comes with the version of
    the file: there is nothing to ignore yet. Percentages are not ignored; the split stays in the
    file's hands.
    """
    if not endpoint.ignore_version_changes:
        return None
    return TerraformResourceLifecycle(
        ignore_changes=[
            path
            for position, identity in enumerate(identities(endpoint.served_models))
            for path in (
                *identity,
                f"config[0].traffic_config[0].routes[{position}].served_model_name",
            )
        ]
    )


def _warnings(endpoint: Endpoint) -> Iterator[str]:
    fixed = [
        key
        for key in ("description", "budget_policy_id", "email_notifications")
        if getattr(endpoint, key) is not None
    ]
    if fixed:
        yield (
            f"{', '.join(fixed)}: provider 1.99.0 sends {'it' if len(fixed) == 1 else 'them'} when "
            "it creates the endpoint, and never again. What of it the endpoint shows, python -m "
            "infra.rollout status compares, and says what changes a live one."
        )
    if endpoint.route_optimized:
        yield (
            "route_optimized = true: another value destroys the endpoint and creates one anew, and "
            "it is asked at an address of its own with OAuth tokens, which python -m ml.predict "
            "does not do."
        )
    if endpoint.ignore_version_changes:
        yield (
            "ignore_version_changes = true: arms are known by their position. Add and remove "
            "challengers at the end only; what arms that are deployed already serve stays as it is."
        )
    if endpoint.inference_table is not None and not endpoint.inference_table.enabled:
        yield (
            "inference_table.enabled = false: provider 1.99.0 leaves a false out of its requests "
            "(issue 5504). Check after the deployment that logging has stopped; if it has not, "
            f"PUT /api/2.0/serving-endpoints/{endpoint.endpoint}/ai-gateway with enabled: false."
        )
    if endpoint.auto_capture is not None:
        yield (
            "auto_capture is no longer supported by Databricks. Changing its catalog, schema or "
            "prefix replaces the endpoint. Move to an inference_table."
        )
