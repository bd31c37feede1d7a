"""Tests take nothing from whoever starts them: no setting, credential, proxy or signal."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_THE_DEVELOPER: Final = re.compile(
    r"(MLFLOW|DATABRICKS|AWS|AZURE|ARM|GOOGLE|TF|GIT|CDKTF|PYTEST_CURRENT)_|"
    r"(https?|all|no|ftp)_proxy$",
    re.IGNORECASE,
)
DEVELOPERS: Final[dict[str, str]] = {}
"""What was taken out of the environment, for the few tests that install packages."""

_OURS: Final = {
    # No file of the developer's or the machine's; a name, so that commits can be made.
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Tests",
    "GIT_AUTHOR_EMAIL": "tests@example.com",
    "GIT_COMMITTER_NAME": "Tests",
    "GIT_COMMITTER_EMAIL": "tests@example.com",
    "DATABRICKS_CONFIG_FILE": os.devnull,
    # jsii says at every start that Node.js 20 has reached its end of life.
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
}

# What fails here fails everywhere and again, and a busy machine is no failure.
settings.register_profile(
    "reproducible", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("reproducible")


def pytest_configure() -> None:
    for name in [name for name in os.environ if _OF_THE_DEVELOPER.match(name)]:
        DEVELOPERS[name] = os.environ.pop(name)
    os.environ.update(_OURS)
    # A shell that runs the tests in the background has them ignore Ctrl-C, and every process that
    # they start would inherit that. A handler is not inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _mlflow_forgets_its_registry() -> Iterator[None]:
    """`mlflow.set_registry_uri` also sets a variable that later tests' processes would inherit."""
    yield
    for name in ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI"):
        os.environ.pop(name, None)
    if mlflow := sys.modules.get("mlflow"):
        mlflow.set_registry_uri("")
        mlflow.set_tracking_uri(None)
