"""Shared by every test. Heavy libraries are imported by the fixtures that need them."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# jsii says at every start that Node.js 20 has reached its end of life; the value is the version.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")


# What fails here fails everywhere and again, and a busy machine is no failure.
settings.register_profile(
    "reproducible", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("reproducible")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: starts other programs; seconds, not milliseconds")
    # A developer's own tracking server and workspace are not for tests.
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "DATABRICKS_"))]:
        del os.environ[name]
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
