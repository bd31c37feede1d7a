"""What the workspace knows of minilake's inside: in one module, and true of the pinned version."""

from __future__ import annotations

import ast
import re
from importlib.metadata import version
from pathlib import Path

import minilake.app
from minilake.duckdb_pool import DuckDBPool
from minilake.services import files, get_service_module, sql_statements

ROOT = Path(__file__).parents[3]
PRIVATE = {"_duckdb_pool", "_record_statement", "_resolve", "_uc_connection"}
STATES = {
    "clusters": "clusters",
    "grants": "grants",
    "jobs": "jobs",
    "saved_queries": "queries",
    "secrets": "scopes",
    "sql_warehouses": "warehouses",
    "unity_catalog": "schemas",
}


def test_the_version_is_the_pinned_one() -> None:
    pinned = re.search(r'"minilake==([\d.]+)"', (ROOT / "pyproject.toml").read_text())

    assert pinned is not None
    assert version("minilake") == pinned[1]


def test_what_is_touched_is_there(tmp_path: Path) -> None:
    assert hasattr(minilake.app, "_duckdb_pool")
    assert callable(sql_statements._record_statement)
    assert callable(files._resolve)
    assert "_uc_connection" in vars(DuckDBPool(tmp_path, extension_dir=tmp_path))
    for service, registry in STATES.items():
        assert registry in get_service_module(service)._state, service


def test_no_other_module_touches_it() -> None:
    touching = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "infra").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and (
            node.attr in PRIVATE
            # A `self._state` is one's own.
            or (node.attr == "_state" and not _is_self(node.value))
        )
    }

    assert touching == {"infra/local/emulator.py"}


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
