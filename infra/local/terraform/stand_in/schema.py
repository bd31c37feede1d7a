"""What the provider's resources are made of: read from `schema.json`.

The file holds the true schema of 1.99.0 (names, types, flags) merged with what a schema does not
say (force_new, default, suppresses_diff, conflicts, computed blocks), for the types in use.
Where it is from: docs/reference/terraform-provider.md#schema. Attributes named `description` are
from the CDKTF bindings of the same version.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = Path(__file__).with_name("schema.json")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One attribute: its type, who gives its value, and what a change of it means."""

    type: Any
    """Terraform's type expression in JSON, as `"string"` or `["map", "string"]`; None if nested."""
    nested: NestedAttributes | None = None
    required: bool = False
    optional: bool = False
    computed: bool = False
    sensitive: bool = False
    force_new: bool = False
    suppresses_diff: bool = False
    default: Any = None
    conflicts_with: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NestedAttributes:
    """Attributes that are one attribute's value."""

    nesting: Literal["single", "list", "set"]
    attributes: Mapping[str, Attribute]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NestedBlock:
    """A block in a block, and how many there may be."""

    nesting: Literal["single", "list", "set"]
    block: Block
    min_items: int = 0
    max_items: int = 0
    computed: bool = False
    force_new: bool = False
    suppresses_diff: bool = False
    conflicts_with: tuple[str, ...] = ()

    @property
    def is_object(self) -> bool:
        """Whether the API has one object where Terraform has a list of at most one."""
        return self.max_items == 1


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """The attributes and blocks of a resource or of a block in it."""

    attributes: Mapping[str, Attribute]
    blocks: Mapping[str, NestedBlock]

    def empty(self) -> dict[str, Any]:
        """A value of this block with nothing set."""
        return dict.fromkeys(self.attributes) | {
            name: None if nested.nesting == "single" else [] for name, nested in self.blocks.items()
        }


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """The block of a resource or data source, with its version."""

    version: int
    block: Block


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ProviderSchema:
    """Every resource and data source that the stand-in knows, and the provider's own block."""

    provider: Schema
    resources: Mapping[str, Schema]
    data_sources: Mapping[str, Schema]


@functools.cache
def provider_schema() -> ProviderSchema:
    """Out of schema.json, which the real provider's schema was cut down to."""
    raw = json.loads(_FILE.read_bytes())
    return ProviderSchema(
        provider=_schema(raw["provider"]),
        resources={name: _schema(schema) for name, schema in raw["resources"].items()},
        data_sources={name: _schema(schema) for name, schema in raw["data_sources"].items()},
    )


def _schema(raw: dict[str, Any]) -> Schema:
    return Schema(version=raw["version"], block=_block(raw["block"]))


def _block(raw: dict[str, Any]) -> Block:
    return Block(
        attributes=MappingProxyType(
            {name: _attribute(value) for name, value in raw.get("attributes", {}).items()}
        ),
        blocks=MappingProxyType(
            {name: _nested_block(value) for name, value in raw.get("block_types", {}).items()}
        ),
    )


def _attribute(raw: dict[str, Any]) -> Attribute:
    fields = dict(raw)
    nested = fields.pop("nested_type", None)
    fields["conflicts_with"] = tuple(fields.get("conflicts_with", ()))
    if nested is not None:
        fields["nested"] = NestedAttributes(
            nesting=nested["nesting_mode"],
            attributes={name: _attribute(value) for name, value in nested["attributes"].items()},
        )
    return Attribute(type=fields.pop("type", None), **fields)


def _nested_block(raw: dict[str, Any]) -> NestedBlock:
    fields = dict(raw)
    fields["conflicts_with"] = tuple(fields.get("conflicts_with", ()))
    return NestedBlock(
        nesting=fields.pop("nesting_mode"), block=_block(fields.pop("block")), **fields
    )
