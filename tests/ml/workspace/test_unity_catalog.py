"""Whether something exists: yes, no, or not said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from databricks.sdk.errors import InternalError, NotFound, PermissionDenied

from ml.workspace.connection import WorkspaceError
from ml.workspace.unity_catalog import exists

if TYPE_CHECKING:
    from collections.abc import Callable


TABLE = "c.gold.prediction_feedback"
VOLUME = "c.bronze.xray_images"
MODEL = "c.models.feedback_processor"


@pytest.fixture
def client() -> Callable[..., Any]:
    """A workspace that answers every question with one error, or with what was asked for."""

    def client(error: Exception | None = None) -> Any:
        answering = mock.Mock()
        answering.config.host = "https://workspace"
        for ask in (
            answering.tables.get,
            answering.volumes.read,
            answering.registered_models.get,
        ):
            ask.side_effect = error
        return answering

    return client


@pytest.mark.parametrize(("kind", "name"), [("table", TABLE), ("volume", VOLUME), ("model", MODEL)])
class TestEveryKind:
    def test_what_is_found_exists(self, client: Callable[..., Any], kind: Any, name: str) -> None:
        assert exists(client(), kind, name)

    def test_what_is_not_found_does_not(
        self, client: Callable[..., Any], kind: Any, name: str
    ) -> None:
        assert not exists(client(NotFound("Catalog 'c' does not exist.")), kind, name)

    @pytest.mark.parametrize("error", [PermissionDenied("no BROWSE"), InternalError("down")])
    def test_what_the_workspace_does_not_say_is_not_taken_for_absent(
        self, client: Callable[..., Any], kind: Any, name: str, error: Exception
    ) -> None:
        with pytest.raises(WorkspaceError, match="https://workspace"):
            exists(client(error), kind, name)
