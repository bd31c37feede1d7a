"""Registered models of Unity Catalog over HTTP: models, their versions, their aliases.

API: https://docs.databricks.com/api/workspace/registeredmodels.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from minilake.services.unity_catalog import METASTORE_ID
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.catalog.models import mlflow
from infra.local.http import json_object, text
from infra.local.refusal import Refusal, invalid, missing, not_emulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow.entities.model_registry import ModelVersion, RegisteredModel
    from starlette.requests import Request

    from infra.local.catalog.models import RegisteredModels
    from infra.local.catalog.namespaces import Namespaces

PATH: Final = "/api/2.1/unity-catalog/models"
_NAME = re.compile(r"[^\s./:\x00-\x1f]{1,255}")
_STATUS: Final = {
    "RESOURCE_DOES_NOT_EXIST": 404,
    "RESOURCE_ALREADY_EXISTS": 409,
    "INVALID_PARAMETER_VALUE": 400,
}
_DOCUMENTS: Final = "registered_models"


class ModelsApi:
    """REST calls to and from the registry; each runs on a thread of its own."""

    def __init__(
        self,
        models: RegisteredModels,
        namespaces: Namespaces,
        documents: dict[str, dict[str, Any]],
        user: str,
    ) -> None:
        self._models = models
        self._namespaces = namespaces
        self._user = user
        # What Unity Catalog knows about a model and MLflow does not, by full name.
        self._documents = documents.setdefault(_DOCUMENTS, {})

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
        catalog, schema, name = (
            text(body, field) for field in ("catalog_name", "schema_name", "name")
        )
        if not self._namespaces.has_schema(catalog, schema):
            raise Refusal(
                404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{catalog}.{schema}' does not exist."
            )
        if not _NAME.fullmatch(name):
            raise invalid(
                f"name: {name!r} is not a model name: at most 255 characters, none of them a "
                "space, a dot, a slash or a colon."
            )
        full_name = f"{catalog}.{schema}.{name}"

        def create() -> dict[str, Any]:
            if self._models.model(full_name) is not None:
                raise Refusal(
                    409,
                    "RESOURCE_ALREADY_EXISTS",
                    f"Registered model '{full_name}' already exists. Import it, or choose another "
                    "name.",
                )
            model = self._models.store.create_registered_model(
                full_name, description=body.get("comment")
            )
            self._documents[full_name] = {
                "owner": self._user,
                "created_by": self._user,
                "updated_by": self._user,
            }
            return self._describe(model)

        return await self._answer(create)

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
        if body.get("new_name"):
            raise not_emulated("Renaming a registered model")

        def update() -> dict[str, Any]:
            model = self._existing(request)
            if "comment" in body and (body["comment"] or "") != (model.description or ""):
                model = self._models.store.update_registered_model(model.name, body["comment"])
            document = self._documents.setdefault(model.name, {})
            document["updated_by"] = self._user
            if body.get("owner"):
                document["owner"] = text(body, "owner")
            return self._describe(model)

        return await self._answer(update)

    async def _delete(self, request: Request) -> Response:
        def delete() -> dict[str, Any]:
            model = self._existing(request)
            self._models.store.delete_registered_model(model.name)
            self._documents.pop(model.name, None)
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
            self._models.store.delete_model_version(version.name, str(version.version))
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
            self._existing_version(model.name, number)
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
            with _refusals():
                return work()

        return JSONResponse(await asyncio.to_thread(guarded))

    def _existing(self, request: Request) -> RegisteredModel:
        full_name = request.path_params["name"]
        if len(full_name.split(".")) != 3:
            raise invalid(f"{full_name!r} is not of the form catalog.schema.model.")
        model = self._models.model(full_name)
        if model is None:
            raise missing(f"Registered model '{full_name}' does not exist.")
        return model

    def _version(self, request: Request) -> ModelVersion:
        return self._existing_version(self._existing(request).name, request.path_params["version"])

    def _existing_version(self, full_name: str, number: int) -> ModelVersion:
        for version in self._models.versions(full_name):
            if int(version.version) == number:
                return version
        raise missing(f"Registered model '{full_name}' has no version {number}.")

    def _describe(self, model: RegisteredModel, *, with_aliases: bool = False) -> dict[str, Any]:
        catalog, schema, name = model.name.split(".")
        document = self._documents.get(model.name, {})
        info: dict[str, Any] = {
            "name": name,
            "catalog_name": catalog,
            "schema_name": schema,
            "full_name": model.name,
            "owner": document.get("owner", self._user),
            "metastore_id": METASTORE_ID,
            "storage_location": f"models:/{model.name}",
            "created_at": model.creation_timestamp,
            "created_by": document.get("created_by", self._user),
            "updated_at": model.last_updated_timestamp,
            "updated_by": document.get("updated_by", self._user),
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
            "created_by": version.user_id or self._user,
            "updated_at": version.last_updated_timestamp,
            "updated_by": version.user_id or self._user,
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


@contextmanager
def _refusals() -> Iterator[None]:
    """MLflow's refusals in Databricks' form."""
    try:
        yield
    except mlflow().exceptions.MlflowException as error:
        status = _STATUS.get(error.error_code, 500)
        raise Refusal(status, error.error_code, error.message) from error
