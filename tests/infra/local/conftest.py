"""Tests of the data side have it in this process, those of serving and Terraform have their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.served import Served


@pytest.fixture
def workspace(lake_workspace: Served) -> Served:
    """A new workspace for the test alone."""
    return lake_workspace
