"""Secret scopes, secrets and who may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from infra.local.terraform.stand_in.conversion import Conversion
from infra.local.terraform.stand_in.resources.resource import Data, Gone, Refused, Resource

if TYPE_CHECKING:
    from infra.local.terraform.stand_in.rest import Rest

_SCOPES = "2.0/secrets/scopes"
_SECRETS = "2.0/secrets"
_SEPARATOR = "|||"


class SecretScope(Resource):
    """databricks_secret_scope."""

    type = "databricks_secret_scope"
    conversion: ClassVar[Conversion] = Conversion(names={"name": "scope"})

    def create(self, rest: Rest, data: Data) -> None:
        if data.get("keyvault_metadata"):
            raise Refused("keyvault_metadata is not supported by the stand-in")
        sent = frozenset({"name", "initial_manage_principal"})
        body = self.conversion.request(self.block, data.state, only=sent)
        rest.post(f"{_SCOPES}/create", body | {"scope_backend_type": "DATABRICKS"})
        data.id = data.text("name")

    def read(self, rest: Rest, data: Data) -> None:
        for scope in rest.get(f"{_SCOPES}/list").get("scopes") or []:
            if scope.get("name") == data.id:
                data.state["name"] = data.id
                data.state["backend_type"] = scope.get("backend_type")
                return
        raise Gone

    def delete(self, rest: Rest, data: Data) -> None:
        rest.post(f"{_SCOPES}/delete", {"scope": data.id})


class Secret(Resource):
    """databricks_secret, whose value is never read back."""

    type = "databricks_secret"

    def create(self, rest: Rest, data: Data) -> None:
        sent = frozenset({"key", "scope", "string_value"})
        rest.post(f"{_SECRETS}/put", self.conversion.request(self.block, data.state, only=sent))
        data.id = data.text("scope") + _SEPARATOR + data.text("key")

    def read(self, rest: Rest, data: Data) -> None:
        scope, key = _parts(data.id)
        for secret in rest.get(f"{_SECRETS}/list", {"scope": scope}).get("secrets") or []:
            if secret.get("key") == key:
                data.state |= {
                    "scope": scope,
                    "key": key,
                    "last_updated_timestamp": secret.get("last_updated_timestamp"),
                    "config_reference": "{{secrets/" + scope + "/" + key + "}}",
                }
                return
        raise Gone

    def delete(self, rest: Rest, data: Data) -> None:
        scope, key = _parts(data.id)
        rest.post(f"{_SECRETS}/delete", {"scope": scope, "key": key})


class SecretAcl(Resource):
    """databricks_secret_acl."""

    type = "databricks_secret_acl"

    def create(self, rest: Rest, data: Data) -> None:
        sent = frozenset({"permission", "principal", "scope"})
        rest.post(
            f"{_SECRETS}/acls/put", self.conversion.request(self.block, data.state, only=sent)
        )
        data.id = data.text("scope") + _SEPARATOR + data.text("principal")

    def read(self, rest: Rest, data: Data) -> None:
        scope, principal = _parts(data.id)
        acl = rest.get(f"{_SECRETS}/acls/get", {"principal": principal, "scope": scope})
        data.state |= {
            "scope": scope,
            "principal": principal,
            "permission": acl.get("permission"),
        }

    def delete(self, rest: Rest, data: Data) -> None:
        scope, principal = _parts(data.id)
        rest.post(f"{_SECRETS}/acls/delete", {"scope": scope, "principal": principal})


def _parts(id_: str) -> tuple[str, str]:
    scope, separator, name = id_.partition(_SEPARATOR)
    if not separator:
        raise Refused(f"{id_!r} is no id of a secret: it is SCOPE{_SEPARATOR}KEY.")
    return scope, name
