"""What Unity Catalog asks of a registered model and knows about it, for both of its doors: its own
REST API and MLflow's.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from infra.local.catalog.models import mlflow
from infra.local.refusal import Refusal, invalid, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow.entities.model_registry import ModelVersion, RegisteredModel, RegisteredModelTag

    from infra.local.catalog.models import RegisteredModels
    from infra.local.catalog.namespaces import Namespaces

_NAME: Final = re.compile(r"[^\s./:\x00-\x1f]{1,255}")
_STATUS: Final = {
    "RESOURCE_DOES_NOT_EXIST": 404,
    "RESOURCE_ALREADY_EXISTS": 409,
    "INVALID_PARAMETER_VALUE": 400,
}
_DOCUMENTS: Final = "registered_models"


class ModelRules:
    """Models of the registry as securables. Every call may take seconds at first."""

    def __init__(
        self,
        models: RegisteredModels,
        namespaces: Namespaces,
        documents: dict[str, dict[str, Any]],
        user: str,
    ) -> None:
        self.models = models
        self.user = user
        self._namespaces = namespaces
        # What Unity Catalog knows about a model and MLflow does not, by full name.
        self._documents = documents.setdefault(_DOCUMENTS, {})

    def create(
        self, full_name: str, comment: str | None, tags: Sequence[RegisteredModelTag] = ()
    ) -> RegisteredModel:
        """A new model in an existing schema, owned by the user. Raises Refusal."""
        catalog, schema, name = parts(full_name)
        if not self._namespaces.has_schema(catalog, schema):
            raise Refusal(
                404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{catalog}.{schema}' does not exist."
            )
        require_name(name)
        if self.models.model(full_name) is not None:
            raise Refusal(
                409,
                "RESOURCE_ALREADY_EXISTS",
                f"Registered model '{full_name}' already exists. Import it, or choose another "
                "name.",
            )
        model: RegisteredModel = self.models.store.create_registered_model(
            full_name, tags=tags, description=comment
        )
        self._documents[full_name] = self.known(full_name)
        return model

    def existing(self, full_name: str) -> RegisteredModel:
        """The model of that name. Raises Refusal."""
        parts(full_name)
        model = self.models.model(full_name)
        if model is None:
            raise missing(f"Registered model '{full_name}' does not exist.")
        return model

    def version(self, full_name: str, number: int) -> ModelVersion:
        """The version of that number. Raises Refusal."""
        for version in self.models.versions(self.existing(full_name).name):
            if int(version.version) == number:
                return version
        raise missing(f"Registered model '{full_name}' has no version {number}.")

    def update(
        self, full_name: str, *, comment: str | None = None, owner: str | None = None
    ) -> RegisteredModel:
        """The model with this comment and this owner; None leaves what there is."""
        model = self.existing(full_name)
        if comment is not None and comment != (model.description or ""):
            model = self.models.store.update_registered_model(full_name, comment)
        document = self._documents.setdefault(full_name, {})
        document["updated_by"] = self.user
        if owner:
            document["owner"] = owner
        return model

    def delete(self, full_name: str) -> None:
        """A model that exists, with all that is known about it."""
        self.models.delete(self.existing(full_name).name)
        self._documents.pop(full_name, None)

    def known(self, full_name: str) -> dict[str, str]:
        """`owner`, `created_by`, `updated_by`: the user, of a model that training made itself."""
        user = self.user
        document: dict[str, str] = self._documents.get(full_name, {})
        return {"owner": user, "created_by": user, "updated_by": user} | document


def parts(full_name: str) -> list[str]:
    """Catalog, schema and name of a model. Raises Refusal."""
    found = full_name.split(".")
    if len(found) != 3 or not all(found):
        # MLflow looks for these words, to tell its user of the other registry.
        raise invalid(
            f"{full_name!r} is not the name of a registered model: specify all three levels, as in "
            "catalog.schema.model."
        )
    return found


def require_name(name: str) -> None:
    """Raises Refusal for what a model can not be called."""
    if not _NAME.fullmatch(name):
        raise invalid(
            f"name: {name!r} is not a model name: at most 255 characters, none of them a "
            "space, a dot, a slash or a colon."
        )


@contextmanager
def refusals() -> Iterator[None]:
    """MLflow's refusals in Databricks' form."""
    try:
        yield
    except mlflow().exceptions.MlflowException as error:
        status = _STATUS.get(error.error_code, error.get_http_status_code())
        raise Refusal(status, error.error_code, error.message) from error
