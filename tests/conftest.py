"""Shared by every test. Heavy libraries are imported by the fixtures that need them."""

import os

import pytest

# jsii says at every start that Node.js 20 has reached its end of life; the value is the version.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: starts other programs; seconds, not milliseconds")
