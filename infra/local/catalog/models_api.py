"""Registered models of Unity Catalog over HTTP: models, their versions, their aliases.

API: https://docs.databricks.com/api/workspace/registeredmodels.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from minilake.services.unity_catalog import METASTORE_ID
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.catalog.model_rules import refusals, require_name
from infra.local.http import json_object, only, text
from infra.local.refusal import invalid, missing, not_emulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow.entities.model_registry import ModelVersion, RegisteredModel
    from starlette.requests import Request

    from infra.local.catalog.model_rules import ModelRules

PATH: Final = "/api/2.1/unity-catalog/models"
_OF_A_NAME: Final = ("catalog_name", "schema_name", "name")
_OF_AN_ANSWER: Final = (
    *("created_at", "created_by", "metastore_id", "storage_location", "updated_at", "updated_by"),
)
"""What Terraform's provider sends back as it came."""


class ModelsApi:
    """REST calls to and from the registry; each runs on a thread of its own."""

    def __init__(self, rules: ModelRules) -> None:
        self._rules = rules
        self._models = rules.models

    def routes(self) -> list[Route]:
        """Registered models, their versions and aliases."""
        one = f"{PATH}/{{name}}"
        version, alias = f"{one}/versions/{{version:int}}", f"{one}/aliases/{{alias}}"
        return [
            Route(PATH, self._create, methods=["POST"]),
            Route(PATH, self._list, methods=["GET"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._update, methods=["PATCH"]),
            Route(one, self._delete, methods=["DELETE"]),
            Route(f"{one}/versions", self._list_versions, methods=["GET"]),
            Route(version, self._get_version, methods=["GET"]),
            Route(version, self._update_version, methods=["PATCH"]),
            Route(version, self._delete_version, methods=["DELETE"]),
            Route(alias, self._get_alias, methods=["GET"]),
            Route(alias, self._set_alias, methods=["PUT"]),
            Route(alias, self._delete_alias, methods=["DELETE"]),
        ]

    async def _create(self, request: Request) -> Response:
        body = await json_object(request)
        if body.get("storage_location"):
            raise not_emulated("storage_location of a registered model")
        only(body, (*_OF_A_NAME, "comment"), "a registered model")
        catalog, schema, name = (
            text(body, field) for field in ("catalog_name", "schema_name", "name")
        )
        # Here, too: a dot would make it another schema's.
        require_name(name)
        return await self._answer(
            lambda: self._describe(
                self._rules.create(f"{catalog}.{schema}.{name}", body.get("comment"))
            )
        )

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        return await self._answer(
            lambda: {
                "registered_models": [
                    self._describe(model)
                    for model in self._models.list(
                        query.get("catalog_name"), query.get("schema_name")
                    )
                ]
            }
        )

    async def _get(self, request: Request) -> Response:
        with_aliases = _flag(request, "include_aliases")
        return await self._answer(
            lambda: self._describe(self._existing(request), with_aliases=with_aliases)
        )

    async def _update(self, request: Request) -> Response:
        body = await json_object(request)
        name = request.path_params["name"]
        own = dict(zip(_OF_A_NAME, name.split("."), strict=False)) | {"full_name": name}
        if body.get("new_name") or any(body.get(it, own[it]) != own[it] for it in own):
            raise not_emulated("Renaming a registered model")
        only(body, (*own, "comment", "owner", *_OF_AN_ANSWER), "a registered model")
        if body.get("owner") is not None:
            text(body, "owner")

        def update() -> dict[str, Any]:
            return self._describe(
                self._rules.update(
                    request.path_params["name"],
                    comment=(body["comment"] or "") if "comment" in body else None,
                    owner=text(body, "owner") if body.get("owner") else None,
                )
            )

        return await self._answer(update)

    async def _delete(self, request: Request) -> Response:
        def delete() -> dict[str, Any]:
            self._rules.delete(request.path_params["name"])
            return {}

        return await self._answer(delete)

    async def _list_versions(self, request: Request) -> Response:
        def versions() -> dict[str, Any]:
            model = self._existing(request)
            found = self._models.versions(model.name)
            return {"model_versions": [self._describe_version(version) for version in found]}

        return await self._answer(versions)

    async def _get_version(self, request: Request) -> Response:
        with_aliases = _flag(request, "include_aliases")
        return await self._answer(
            lambda: self._describe_version(self._version(request), with_aliases=with_aliases)
        )

    async def _update_version(self, request: Request) -> Response:
        comment = (await json_object(request)).get("comment")

        def update() -> dict[str, Any]:
            version = self._version(request)
            updated = self._models.store.update_model_version(
                version.name, str(version.version), comment
            )
            return self._describe_version(updated)

        return await self._answer(update)

    async def _delete_version(self, request: Request) -> Response:
        def delete() -> dict[str, Any]:
            version = self._version(request)
            self._models.delete_version(version.name, int(version.version))
            return {}

        return await self._answer(delete)

    async def _get_alias(self, request: Request) -> Response:
        with_aliases = _flag(request, "include_aliases")

        def resolve() -> dict[str, Any]:
            model, alias = self._existing(request), request.path_params["alias"]
            if alias not in model.aliases:
                raise missing(f"Alias '{alias}' does not exist on registered model '{model.name}'.")
            version = self._models.store.get_model_version_by_alias(model.name, alias)
            return self._describe_version(version, with_aliases=with_aliases)

        return await self._answer(resolve)

    async def _set_alias(self, request: Request) -> Response:
        number = (await json_object(request)).get("version_num")
        if not isinstance(number, int) or isinstance(number, bool):
            raise invalid(f"version_num: an integer is required, got {number!r}.")

        def assign() -> dict[str, Any]:
            model, alias = self._existing(request), request.path_params["alias"]
            self._rules.version(model.name, number)
            self._models.store.set_registered_model_alias(model.name, alias, str(number))
            return {"alias_name": alias, "version_num": number}

        return await self._answer(assign)

    async def _delete_alias(self, request: Request) -> Response:
        def delete() -> dict[str, Any]:
            model = self._existing(request)
            self._models.store.delete_registered_model_alias(
                model.name, request.path_params["alias"]
            )
            return {}

        return await self._answer(delete)

    async def _answer(self, work: Callable[[], dict[str, Any]]) -> Response:
        def guarded() -> dict[str, Any]:
            with refusals():
                return work()

        return JSONResponse(await asyncio.to_thread(guarded))

    def _existing(self, request: Request) -> RegisteredModel:
        return self._rules.existing(request.path_params["name"])

    def _version(self, request: Request) -> ModelVersion:
        return self._rules.version(request.path_params["name"], request.path_params["version"])

    def _describe(self, model: RegisteredModel, *, with_aliases: bool = False) -> dict[str, Any]:
        catalog, schema, name = model.name.split(".")
        known = self._rules.known(model.name)
        info: dict[str, Any] = {
            "name": name,
            "catalog_name": catalog,
            "schema_name": schema,
            "full_name": model.name,
            "owner": known["owner"],
            "metastore_id": METASTORE_ID,
            "storage_location": f"models:/{model.name}",
            "created_at": model.creation_timestamp,
            "created_by": known["created_by"],
            "updated_at": model.last_updated_timestamp,
            "updated_by": known["updated_by"],
        }
        if model.description:
            info["comment"] = model.description
        if with_aliases:
            info["aliases"] = [
                {"alias_name": alias, "version_num": int(version)}
                for alias, version in sorted(model.aliases.items())
            ]
        return info

    def _describe_version(
        self, version: ModelVersion, *, with_aliases: bool = False
    ) -> dict[str, Any]:
        catalog, schema, name = version.name.split(".")
        info: dict[str, Any] = {
            "model_name": name,
            "catalog_name": catalog,
            "schema_name": schema,
            "version": int(version.version),
            "status": version.status,
            "source": version.source,
            "storage_location": version.source,
            "run_id": version.run_id,
            "metastore_id": METASTORE_ID,
            "created_at": version.creation_timestamp,
            "created_by": version.user_id or self._rules.user,
            "updated_at": version.last_updated_timestamp,
            "updated_by": version.user_id or self._rules.user,
        }
        if version.description:
            info["comment"] = version.description
        if with_aliases:
            # Of the model: what the store gives as a version may lack them.
            model = self._models.model(version.name)
            info["aliases"] = [
                {"alias_name": alias, "version_num": int(number)}
                for alias, number in sorted(model.aliases.items() if model else ())
                if int(number) == int(version.version)
            ]
        return info


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() == "true"
