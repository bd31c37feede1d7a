"""The registry as MLflow's client of `databricks-uc` asks for it: a door to the one registry that
training writes, serving reads, and Terraform declares models in.

Messages: `mlflow/protos/databricks_uc_registry_messages.proto` and `..._service.proto`, which say
of each call its path, its request and its answer. Files go by the Files API (`artifacts_api`).
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response
from starlette.routing import Route

from infra.local.catalog.model_rules import refusals
from infra.local.catalog.models import mlflow
from infra.local.http import json_object
from infra.local.refusal import Refusal, invalid, missing, not_emulated
from infra.local.tracking.runs_api import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel
    from starlette.requests import Request

    from infra.local.catalog.model_rules import ModelRules

_PREFIX: Final = f"{PATH}/unity-catalog"
_PAGE: Final = 100


class RegistryApi:
    """Answers each call from MLflow's store, after Unity Catalog's rules."""

    def __init__(self, rules: ModelRules) -> None:
        self._rules = rules
        self._models = rules.models
        self._calls: dict[str, Callable[[Any], dict[str, Any]]] = {
            "CreateRegisteredModel": self._create_model,
            "UpdateRegisteredModel": self._update_model,
            "DeleteRegisteredModel": self._delete_model,
            "GetRegisteredModel": self._get_model,
            "SearchRegisteredModels": self._search_models,
            "CreateModelVersion": self._create_version,
            "UpdateModelVersion": self._update_version,
            "DeleteModelVersion": self._delete_version,
            "GetModelVersion": self._get_version,
            "SearchModelVersions": self._search_versions,
            "GetModelVersionDownloadUri": self._locate_version,
            "FinalizeModelVersion": self._finalize_version,
            "SetRegisteredModelAlias": self._set_alias,
            "DeleteRegisteredModelAlias": self._delete_alias,
            "GetModelVersionByAlias": self._get_version_by_alias,
            "SetRegisteredModelTag": self._set_model_tag,
            "DeleteRegisteredModelTag": self._delete_model_tag,
            "SetModelVersionTag": self._set_version_tag,
            "DeleteModelVersionTag": self._delete_version_tag,
            # Lineage is not kept.
            "EmitModelVersionLineage": lambda _sent: {},
            # Files go by the Files API: there is no cloud to give credentials for.
            "IsDatabricksSdkModelsArtifactRepositoryEnabled": lambda _sent: {
                "is_databricks_sdk_models_artifact_repository_enabled": True
            },
        }

    def routes(self) -> list[Route]:
        """The calls of the registry's service; for the rest an honest 501."""
        methods = ["GET", "POST", "PATCH", "DELETE"]
        return [Route(f"{_PREFIX}/{{call:path}}", self._call, methods=methods)]

    async def _call(self, request: Request) -> Response:
        fields = await json_object(request) or dict(request.query_params)
        return await asyncio.to_thread(self._answer, request, fields)

    def _answer(self, request: Request, fields: dict[str, Any]) -> Response:
        from google.protobuf.json_format import ParseError

        json_of = mlflow().utils.proto_json_utils
        path = request.url.path.removeprefix(PATH.removesuffix("/mlflow"))
        name, sent, answer = _messages().get((request.method, path), ("", None, None))
        call = self._calls.get(name)
        if call is None or sent is None or answer is None:
            raise not_emulated(f"{request.method} {request.url.path}")
        try:
            json_of.parse_dict(fields, message := sent())
        except ParseError as error:
            raise Refusal(400, "MALFORMED_REQUEST", f"{name}: {error}.") from error
        with refusals():
            content = json_of.message_to_json(answer(**call(message)))
        return Response(content, media_type="application/json")

    def _create_model(self, sent: Any) -> dict[str, Any]:
        if sent.deployment_job_id:
            raise not_emulated("deployment_job_id of a registered model")
        model = self._rules.create(sent.name, sent.description or None, _tags(sent.tags))
        return self._one_model(model.name)

    def _update_model(self, sent: Any) -> dict[str, Any]:
        if sent.new_name:
            raise not_emulated("Renaming a registered model")
        if sent.deployment_job_id:
            raise not_emulated("deployment_job_id of a registered model")
        comment = sent.description if sent.HasField("description") else None
        return self._one_model(self._rules.update(sent.name, comment=comment).name)

    def _delete_model(self, sent: Any) -> dict[str, Any]:
        self._rules.delete(sent.name)
        return {}

    def _get_model(self, sent: Any) -> dict[str, Any]:
        return self._one_model(sent.name)

    def _search_models(self, sent: Any) -> dict[str, Any]:
        models = self._models.list()
        start, end = _page(sent, len(models))
        return {
            "registered_models": [self._model(model) for model in models[start:end]],
            "next_page_token": str(end) if end < len(models) else "",
        }

    def _create_version(self, sent: Any) -> dict[str, Any]:
        added = self._models.add_version(
            self._rules.existing(sent.name).name,
            source=sent.source or None,
            run_id=sent.run_id or None,
            description=sent.description or None,
            tags={tag.key: tag.value for tag in sent.tags},
            user=self._rules.user,
        )
        return self._one_version(sent.name, added.version)

    def _update_version(self, sent: Any) -> dict[str, Any]:
        self._existing(sent)
        self._models.store.update_model_version(sent.name, sent.version, sent.description)
        return self._one_version(sent.name, sent.version)

    def _delete_version(self, sent: Any) -> dict[str, Any]:
        self._models.delete_version(sent.name, int(self._existing(sent).version))
        return {}

    def _get_version(self, sent: Any) -> dict[str, Any]:
        return self._one_version(sent.name, self._existing(sent).version)

    def _search_versions(self, sent: Any) -> dict[str, Any]:
        page = self._models.store.search_model_versions(
            sent.filter or None,
            max_results=sent.max_results or _PAGE,
            page_token=sent.page_token or None,
        )
        return {
            "model_versions": [
                self._version(version) for version in page if version.name.count(".") == 2
            ],
            "next_page_token": page.token or "",
        }

    def _locate_version(self, sent: Any) -> dict[str, Any]:
        self._existing(sent)
        # Its place on this machine's disk is nobody's business.
        return {"artifact_uri": f"models:/{sent.name}/{sent.version}"}

    def _finalize_version(self, sent: Any) -> dict[str, Any]:
        self._models.make_ready(sent.name, int(self._existing(sent).version))
        return self._one_version(sent.name, sent.version)

    def _set_alias(self, sent: Any) -> dict[str, Any]:
        self._existing(sent)
        self._models.store.set_registered_model_alias(sent.name, sent.alias, sent.version)
        return {}

    def _delete_alias(self, sent: Any) -> dict[str, Any]:
        self._rules.existing(sent.name)
        self._models.store.delete_registered_model_alias(sent.name, sent.alias)
        return {}

    def _get_version_by_alias(self, sent: Any) -> dict[str, Any]:
        model = self._rules.existing(sent.name)
        if sent.alias not in model.aliases:
            raise missing(f"Alias '{sent.alias}' does not exist on registered model '{sent.name}'.")
        return self._one_version(sent.name, model.aliases[sent.alias])

    def _set_model_tag(self, sent: Any) -> dict[str, Any]:
        self._rules.existing(sent.name)
        [tag] = _tags([sent])
        self._models.store.set_registered_model_tag(sent.name, tag)
        return {}

    def _delete_model_tag(self, sent: Any) -> dict[str, Any]:
        self._rules.existing(sent.name)
        self._models.store.delete_registered_model_tag(sent.name, sent.key)
        return {}

    def _set_version_tag(self, sent: Any) -> dict[str, Any]:
        self._existing(sent)
        [tag] = _tags([sent])
        self._models.store.set_model_version_tag(sent.name, sent.version, tag)
        return {}

    def _delete_version_tag(self, sent: Any) -> dict[str, Any]:
        self._existing(sent)
        self._models.store.delete_model_version_tag(sent.name, sent.version, sent.key)
        return {}

    def _existing(self, sent: Any) -> ModelVersion:
        if not sent.version.isdecimal():
            raise invalid(f"version: {sent.version!r} is not a number of a version.")
        return self._rules.version(sent.name, int(sent.version))

    def _one_model(self, name: str) -> dict[str, Any]:
        return {"registered_model": self._model(self._rules.existing(name), whole=True)}

    def _one_version(self, name: str, number: object) -> dict[str, Any]:
        # What is searched for comes without tags and aliases, as in Unity Catalog.
        version = self._models.store.get_model_version(name, str(number))
        return {"model_version": self._version(version, whole=True)}

    def _model(self, model: RegisteredModel, *, whole: bool = False) -> Message:
        from mlflow.protos import databricks_uc_registry_messages_pb2 as messages

        described: Message = messages.RegisteredModel(
            name=model.name,
            creation_timestamp=model.creation_timestamp,
            last_updated_timestamp=model.last_updated_timestamp,
            user_id=self._rules.known(model.name)["owner"],
            description=model.description,
        )
        if whole:
            aliases = sorted(model.aliases.items())
            described.aliases.extend(
                messages.RegisteredModelAlias(alias=alias, version=str(version))
                for alias, version in aliases
            )
            described.tags.extend(
                messages.RegisteredModelTag(key=key, value=value)
                for key, value in model.tags.items()
            )
        return described

    def _version(self, version: ModelVersion, *, whole: bool = False) -> Message:
        from mlflow.protos import databricks_uc_registry_messages_pb2 as messages

        scheme, _, logged_model = (version.source or "").partition(":/")
        described: Message = messages.ModelVersion(
            name=version.name,
            version=str(version.version),
            creation_timestamp=version.creation_timestamp,
            last_updated_timestamp=version.last_updated_timestamp,
            user_id=version.user_id or self._rules.user,
            description=version.description,
            source=version.source,
            run_id=version.run_id,
            status=messages.ModelVersionStatus.Value(version.status),
            storage_location=f"models:/{version.name}/{version.version}",
            model_id=logged_model if scheme == "models" and "/" not in logged_model else None,
        )
        if whole:
            described.aliases.extend(
                messages.RegisteredModelAlias(alias=alias, version=str(version.version))
                for alias in version.aliases
            )
            described.tags.extend(
                messages.ModelVersionTag(key=key, value=value)
                for key, value in version.tags.items()
            )
        return described


@functools.cache
def _messages() -> dict[tuple[str, str], tuple[str, type[Message], type[Message]]]:
    """Of each call, by its method and path: its name, its request, its answer."""
    from mlflow.protos.databricks_pb2 import rpc
    from mlflow.protos.databricks_uc_registry_service_pb2 import UcModelRegistryService

    found = {}
    service = UcModelRegistryService()
    for call in service.DESCRIPTOR.methods:
        for end in call.GetOptions().Extensions[rpc].endpoints:
            found[end.method, end.path] = (
                call.name,
                service.GetRequestClass(call),
                service.GetResponseClass(call),
            )
    return found


def _tags(sent: Any) -> list[Any]:
    tag_of = mlflow().entities.model_registry.RegisteredModelTag
    return [tag_of(tag.key, tag.value) for tag in sent]


def _page(sent: Any, number: int) -> tuple[int, int]:
    if not (sent.page_token or "0").isdecimal():
        raise invalid(f"page_token: {sent.page_token!r} is not one of this workspace's.")
    start = int(sent.page_token or 0)
    return start, min(number, start + (sent.max_results or _PAGE))
