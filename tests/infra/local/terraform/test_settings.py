"""Every setting that a resource's schema has works, or is refused: none is dropped without a word.

Each is set alone, on a resource that is otherwise as small as it can be, and goes through the
provider itself: Terraform would add only the time that it takes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.terraform.stand_in.provider import Provider
from infra.local.terraform.stand_in.schema import provider_schema
from infra.local.terraform.stand_in.values import convert_json
from tests.infra.local.terraform.conftest import Clock
from tests.infra.local.terraform.server import Server
from tests.infra.local.terraform.test_lifecycle import LIVES, Settings
from tests.plugin.terraform import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.terraform.stand_in.schema import Block
    from tests.infra.local.terraform.server import Answer, Request
    from tests.infra.local.terraform.workspace import Workspace

NAMES = ("name", "display_name", "cluster_name", "key", "principal")
WORDS = {
    "apply_auto_limit": True,
    "cluster_keys": ["id"],
    "data_source_format": "DELTA",
    "enable_photon": False,
    "enable_predictive_optimization": "ENABLE",
    "isolation_mode": "OPEN",
    "partitions": ["id"],
    "spot_instance_policy": "RELIABILITY_OPTIMIZED",
    "warehouse_type": "PRO",
}
"""Values of settings that take certain words only."""
PLATFORMS = {
    "databricks_catalog": {"browse_only", "metastore_id", "effective_predictive_optimization_flag",
                           "provisioning_info"},
    "databricks_dashboard": {"create_time", "dashboard_change_detected", "dashboard_id", "etag",
                             "lifecycle_state", "md5", "path", "update_time"},
    "databricks_job": {"format"},
    "databricks_notification_destination": {"destination_type"},
    "databricks_registered_model": {"aliases", "browse_only", "created_at", "created_by",
                                    "full_name", "metastore_id", "updated_at", "updated_by"},
    "databricks_schema": {"metastore_id"},
    "databricks_secret_scope": {"backend_type"},
    "databricks_sql_endpoint": {"data_source_id"},
}  # fmt: skip
"""What the platform gives, though the schema lets it be set; the real provider sends none of it."""
PROVIDERS = {
    "databricks_catalog": {"force_destroy"},
    "databricks_cluster": {"is_pinned", "no_wait"},
    "databricks_schema": {"force_destroy"},
    "databricks_sql_endpoint": {"no_wait"},
    "databricks_sql_table": {"storage_credential_name", "view_definition", "warehouse_id"},
}
"""What says how the provider is to work, or what it sends for another kind of object only."""

SECURABLES = {"catalog", "credential", "external_location", "foreign_connection", "function",
              "metastore", "model", "pipeline", "recipient", "schema", "share",
              "storage_credential", "table", "volume"}  # fmt: skip
"""Of which a grant has one."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A path in a resource, and how it is written."""

    path: str
    settings: Settings


def settings_of(type_: str) -> Iterator[Setting]:
    """Each optional setting of the type, and of its blocks."""
    block = provider_schema().resources[type_].block
    for name, value in _optional(block):
        yield Setting(name, {name: value})
    for name, nested in block.blocks.items():
        if nested.nesting == "single":
            continue
        for inner, value in _optional(nested.block):
            whole = [_required(nested.block) | {inner: value}]
            yield Setting(f"{name}.{inner}", {name: whole})


def _optional(block: Block) -> Iterator[tuple[str, Any]]:
    for name, attribute in block.attributes.items():
        if attribute.optional and attribute.type and name != "id":
            yield name, WORDS.get(name, _value(name, attribute.type))


def _required(block: Block) -> Settings:
    return {
        name: _value(name, attribute.type)
        for name, attribute in block.attributes.items()
        if attribute.required and attribute.type
    }


def _value(name: str, type_: Any) -> Any:
    match type_:
        case "string":
            return f"a-{name}"
        case "bool":
            return True
        case "number":
            return 7
        case ["list" | "set", inner]:
            return [_value(name, inner)]
        case ["map", inner]:
            return {"k": _value(name, inner)}
        case _:
            raise AssertionError(type_)


class Recorded:
    """A provider that works with the workspace, and what it has sent."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.sent: list[str] = []

    def __call__(self, request: Request) -> Answer:
        if request.method != "GET":
            self.sent.append(json.dumps([request.path, request.body]))
        return self.workspace(request)


def lived(provider: Provider, type_: str, config: Settings, sent: list[str]) -> str:
    """How one resource has lived: "" if with an empty second plan, else what was wrong with it."""
    block = provider_schema().resources[type_].block
    whole = convert_json(block, config)
    if refused := provider.validate(type_, whole):
        return f"refused: {refused[0].summary}"
    plan, refused = provider.plan(type_, None, whole)
    if plan is None:
        return f"refused: {refused[0].summary}"
    sent.clear()
    created = provider.apply(type_, None, plan.planned)
    if created.diagnostics or created.state is None:
        return f"refused: {created.diagnostics}"
    body = "".join(sent)
    try:
        read = provider.read(type_, created.state)
        assert read.state is not None, read.diagnostics
        again, _ = provider.plan(type_, read.state, whole)
        assert again is not None
        changed = {name for name in again.planned if again.planned[name] != read.state[name]}
        return f"changes again: {sorted(changed)}" if changed else body
    finally:
        gone = provider.apply(type_, created.state, None)
        assert not gone.diagnostics


OTHERS = {"databricks_alert_v2", "databricks_permissions"}
"""Of the newer framework, which Terraform itself plans for; a name of one of many kinds."""


@pytest.mark.parametrize("type_", sorted(set(LIVES) - OTHERS))
def test_a_setting_works_or_is_refused(
    type_: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_HOST", raising=False)
    ids = {"{job}": workspace.job, "{warehouse}": workspace.warehouse}
    text = json.dumps(LIVES[type_].first)
    for name, id_ in ids.items():
        text = text.replace(name, id_)
    recorded, provider = Recorded(workspace), Provider(clock=Clock())
    own = PLATFORMS.get(type_, set()) | PROVIDERS.get(type_, set())
    given = set(LIVES[type_].first) - SECURABLES - {"column", "config", "task"}
    wrong = {}

    def live(number: int, setting: Setting) -> str:
        base = json.loads(text) | setting.settings
        if setting.path in SECURABLES:
            base = {name: base[name] for name in base if name not in SECURABLES - {setting.path}}
        for name in NAMES:
            if name in base:
                base[name] = f"n{number}"
                break
        return lived(provider, type_, base, recorded.sent).replace(f"n{number}", "NAME")

    with contextlib.closing(Server(recorded)) as server:
        assert all(it.is_warning for it in provider.configure({"host": server.url, "token": TOKEN}))
        without = live(0, Setting("", {}))
        assert "NAME" in without or not without.startswith("refused: ")
        for number, setting in enumerate(settings_of(type_), 1):
            said = live(number, setting)
            if said.startswith("refused: ") or setting.path.partition(".")[0] in own | given:
                continue
            if said == without or said.startswith("changes again"):
                wrong[setting.path] = said
        provider.close()
    assert wrong == {}
