"""The parity ledger names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECTION = (ROOT / "PARITY.md").read_text().partition("## SQL, catalog, registered models")[2]
REFERENCES = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", SECTION)))


@pytest.mark.parametrize(("file", "test"), REFERENCES)
def test_a_row_is_shown_by_a_test(file: str, test: str) -> None:
    found = [source.read_text() for source in (ROOT / "tests/infra/local").rglob(file)]
    assert any(f"def {test}(" in text for text in found)
