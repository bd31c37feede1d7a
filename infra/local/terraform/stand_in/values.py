"""Terraform values as Python ones: dicts, lists, scalars, None for null, UNKNOWN for not yet known.

Terraform sends them as MessagePack with two extensions for unknown values; sets travel as lists.
Source: the wire format of Terraform's object values (docs/plugin-protocol in hashicorp/terraform).
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgpack

if TYPE_CHECKING:
    from infra.local.terraform.stand_in.schema import Block

_UNKNOWN_CODES = frozenset({0, 12})  # unknown, and unknown with refinements


class _Unknown(enum.Enum):
    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown.UNKNOWN

Value = Any
"""None, UNKNOWN, bool, int, float, str, a list of values, or a dict from name to value."""


def decode(packed: bytes) -> Value:
    """A value as Terraform sends it, in MessagePack."""
    return msgpack.unpackb(packed, ext_hook=_extension, strict_map_key=False)


def encode(value: Value) -> bytes:
    """A value in MessagePack, as Terraform takes it."""
    packed: bytes = msgpack.packb(value, default=_unknown)
    return packed


def _extension(code: int, _: bytes) -> Value:
    if code in _UNKNOWN_CODES:
        return UNKNOWN
    raise ValueError(f"Terraform sent a value with the unknown MessagePack extension {code}")


def _unknown(value: object) -> msgpack.ExtType:
    if value is UNKNOWN:
        return msgpack.ExtType(0, b"\x00")
    raise TypeError(f"{type(value).__name__} is no Terraform value")


def is_zero(value: Value) -> bool:
    """Whether Go sees nothing here: null, false, 0, "" or an empty collection."""
    return value is None or (value is not UNKNOWN and not value)


def zero(type_: object) -> Value:
    """What Go reads for an attribute of this type that is not set."""
    match type_:
        case "bool":
            return False
        case "number":
            return 0
        case "string":
            return ""
        case ["map", _]:
            return {}
        case _:
            return []


def known(value: Value) -> Value:
    """The value with null wherever it is unknown."""
    if value is UNKNOWN:
        return None
    if isinstance(value, Mapping):
        return {name: known(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [known(inner) for inner in value]
    return value


def number(value: float) -> int | float:
    """MessagePack may carry a whole number as a float; JSON must not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def in_set_order(elements: list[Value], block: Block | None = None) -> list[Value]:
    """Elements of a set in the order in which Terraform's Go SDK lists them.

    It sorts by the CRC-32 of a serialisation, compared as text (helper/schema of
    terraform-plugin-sdk v2); request bodies list them so.
    """
    if block is None:
        return sorted(elements, key=_hash_code)
    return sorted(elements, key=lambda element: _hash_code(_serialise(element, block)))


def _hash_code(text: str) -> str:
    return str(zlib.crc32(text.encode()))


def _serialise(element: Mapping[str, Value], block: Block) -> str:
    """Of a block whose settings are strings: the only blocks in sets that are sent."""
    return "".join(f"{name}:{element.get(name) or ''};" for name in sorted(block.attributes))


def convert_json(block: Block, raw: Mapping[str, Value]) -> dict[str, Value]:
    """A state from JSON as a value of `block`, without what `block` does not have."""
    value: dict[str, Value] = {name: raw.get(name) for name in block.attributes}
    for name, nested in block.blocks.items():
        inner = raw.get(name)
        if nested.nesting == "single":
            value[name] = None if inner is None else convert_json(nested.block, inner)
        else:
            value[name] = [convert_json(nested.block, element) for element in inner or []]
    return value
