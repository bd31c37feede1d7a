"""Who may do what, applied: grants in Unity Catalog, permissions in the workspace, secret scopes.

A grant is one principal's on one securable and says nothing about the others'. The provider's
`databricks_grants` would take away everyone else's
(docs/reference/terraform-provider.md#grants).
"""

from collections.abc import Iterable, Mapping

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_databricks import grant as provider
from cdktf_cdktf_provider_databricks.permissions import PermissionsAccessControl
from cdktf_cdktf_provider_databricks.secret_acl import SecretAcl
from cdktf_cdktf_provider_databricks.secret_scope import SecretScope
from constructs import Construct

from infra.constructs.catalog import keep_data
from infra.declared.environment import Environment
from infra.declared.grants import Grant, Securable
from infra.declared.principal import Principal


class Grants(Construct):
    """One `databricks_grant` for each grant, after the securable where this stack creates it."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        grants: Iterable[Grant],
        *,
        created: Mapping[Securable, ITerraformDependable],
    ) -> None:
        super().__init__(scope, id)
        for grant in grants:
            kind, name = grant.on.kind, grant.on.name
            provider.Grant(
                self,
                f"{kind}-{name.rpartition('.')[2]}-{grant.principal}",
                catalog=name if kind == "catalog" else None,
                schema=name if kind == "schema" else None,
                volume=name if kind == "volume" else None,
                table=name if kind == "table" else None,
                model=name if kind == "model" else None,
                principal=grant.principal,
                privileges=list(grant.privileges),
                depends_on=[created[grant.on]] if grant.on in created else None,
            )


def access_control(
    environment: Environment, levels: Iterable[tuple[Principal, str]]
) -> list[PermissionsAccessControl]:
    """Permission levels on one workspace object of ours; a principal keeps the first one named.

    Whoever deploys is left out: it owns the object, and the provider refuses to lower its level.
    """
    chosen: dict[Principal, str] = {}
    for principal, level in levels:
        if principal != environment.roles.deployer:
            chosen.setdefault(principal, level)
    return [
        PermissionsAccessControl(
            group_name=principal.group,
            user_name=principal.user,
            service_principal_name=principal.service_principal,
            permission_level=level,
        )
        for principal, level in chosen.items()
    ]


def create_secret_scope(scope: Construct, environment: Environment) -> None:
    """The scope, and who may read it. The secrets are put in by people, never by Terraform: they
    would be in its state."""
    created = None
    if environment.platform.secret_scope.create:
        created = SecretScope(
            scope,
            "secrets",
            name=environment.secret_scope_name,
            lifecycle=keep_data(environment),
        )
    creator = environment.roles.endpoint_creator
    if creator and creator != environment.roles.deployer:
        # An endpoint resolves {{secrets/...}} as its creator.
        SecretAcl(
            scope,
            "secrets-endpoint-creator",
            scope=environment.secret_scope_name,
            principal=creator.name,
            permission="READ",
            depends_on=[created] if created else None,
        )
