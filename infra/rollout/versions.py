"""Versions of registered models, as the workspace's registry has them.

Aliases are read and versions are written: serving takes a number only
(docs/reference/mlflow.md#versions-and-aliases).
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.rollout.refusal import Refused
from ml.contract.arms import TRAINING

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.catalog import ModelVersionInfo

READY: Final = "READY"
_TRAIN: Final = f"train it ({', '.join(TRAINING)})"


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version; `status` is READY, or why it cannot be served."""

    model: str
    number: int
    status: str

    def __str__(self) -> str:
        return f"{self.model} version {self.number}"


class Registry:
    """What the workspace registers under three-level names."""

    def __init__(self, client: "WorkspaceClient") -> None:
        self._client = client

    def version(self, model: str, number: int) -> Version:
        """Raises Refused, with the versions that there are, where there is no such one."""
        from databricks.sdk.errors import NotFound

        try:
            return _version(model, self._client.model_versions.get(model, number))
        except NotFound:
            raise Refused(self._missing(model, f"no version {number}")) from None

    def newest_ready(self, model: str) -> Version:
        """Raises Refused where none is READY."""
        ready = [version for version in self._all(model) if version.status == READY]
        if not ready:
            raise Refused(self._missing(model, "no READY version"))
        return max(ready, key=lambda version: version.number)

    def aliased(self, model: str, alias: str) -> Version:
        """Raises Refused where the model has no such alias."""
        from databricks.sdk.errors import NotFound

        try:
            found = self._client.model_versions.get_by_alias(model, alias)
        except NotFound:
            raise Refused(self._missing(model, f"no alias {alias!r}")) from None
        return _version(model, found)

    def aliases(self, model: str) -> dict[str, int]:
        """The version number of each alias; empty where the model does not exist."""
        from databricks.sdk.errors import NotFound

        try:
            found = self._client.registered_models.get(model, include_aliases=True)
        except NotFound:
            return {}
        return {str(it.alias_name): int(it.version_num or 0) for it in found.aliases or ()}

    def signature(self, version: Version) -> Any:
        """The inputs and outputs that a version takes and gives, as MLflow writes them.

        From the file MLmodel: Unity Catalog's own API does not tell. MLflow's client reads it at
        this address too.
        """
        import yaml

        content = self._file(version, "MLmodel")
        if content is None:
            raise Refused(
                f"{version}: {_path(version, 'MLmodel')} is missing, so that nobody knows its "
                "signature."
            )
        try:
            described = yaml.safe_load(content)
            signature = described.get("signature") if isinstance(described, dict) else None
            read = (
                {
                    part: json.loads(signature[part]) if signature.get(part) else None
                    for part in ("inputs", "outputs")
                }
                if signature
                else None
            )
        except (yaml.YAMLError, ValueError, TypeError, AttributeError):
            raise Refused(
                f"{version}: {_path(version, 'MLmodel')} is not what MLflow writes, so that nobody "
                f"knows its signature. Register a version anew: {_TRAIN}."
            ) from None
        if not read:
            raise Refused(
                f"{version} has no signature, so that it cannot be compared with the other arm. "
                f"Register a version with one: {_TRAIN}."
            )
        return read

    def card(self, version: Version) -> Any:
        """The facts of a version's model card; None where it has none that can be read."""
        try:
            return json.loads(self._file(version, "model_card.json") or b"null")
        except ValueError:
            return None

    def card_text(self, version: Version) -> str:
        """A version's model card in Markdown; empty where it has none."""
        return (self._file(version, "model_card.md") or b"").decode(errors="replace")

    def _file(self, version: Version, name: str) -> bytes | None:
        """One of the files that were registered with a version; None where it is missing."""
        from databricks.sdk.errors import NotFound

        try:
            contents = self._client.files.download(_path(version, name)).contents
        except NotFound:
            return None
        if contents is None:
            return None
        with contents:
            content: bytes = contents.read()
        return content

    def _all(self, model: str) -> list[Version]:
        from databricks.sdk.errors import NotFound

        try:
            return [_version(model, found) for found in self._client.model_versions.list(model)]
        except NotFound:
            return []

    def _missing(self, model: str, what: str) -> str:
        there = sorted(self._all(model), key=lambda version: version.number)
        known = ", ".join(
            f"{version.number}{'' if version.status == READY else f' ({version.status})'}"
            for version in there
        )
        if not there:
            return f"{model}: {what}: it has no version at all. Way out: {_TRAIN}."
        return (
            f"{model}: {what}; its versions: {known}. Way out: pin one of them (python -m "
            f"infra.rollout pin --newest takes the newest READY one), or {_TRAIN}."
        )


def _path(version: Version, name: str) -> str:
    return f"/Models/{version.model.replace('.', '/')}/{version.number}/{name}"


def _version(model: str, found: "ModelVersionInfo") -> Version:
    status = found.status.value if found.status else "MODEL_VERSION_STATUS_UNKNOWN"
    return Version(model=model, number=int(found.version or 0), status=status)
