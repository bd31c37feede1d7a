"""Texts as they are written into Terraform's JSON, so that they are read as texts and nothing else.

Terraform evaluates what stands between `${` or `%{` and `}` in an argument, `${file(...)}` on the
machine of whoever deploys included, and cdktf puts a reference in the place of what looks like one
of its tokens. What is declared is neither. Pure values; knows no cdktf, only how its tokens look:
docs/reference/cdktf.md#texts-and-references.
"""

import re
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from pydantic import BaseModel

Declared = TypeVar("Declared", bound=BaseModel)

_BYTE_ORDER_MARK: Final = "\ufeff"
_RESERVED_WORDS: Final = ("String Map Token Value", "Any Map Token Value", "__proto__")
"""What cdktf, or JavaScript as a key, takes for something else than a text."""

_SPECIAL: Final = re.compile(
    r"(?P<template>[$%]+)(?=\{)"
    r"|(?<=[#&]\{)(?P<list_or_map>T)(?=fToken\[)"
    r"|(?P<number>[-|\d.+]+e[-|\d.eE+]+)",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_TOKENS_FIRST_BITS: Final = 0xFDFF


def literal(text: str) -> str:
    """The text, escaped: what Terraform and cdktf make of it is the text again.

    >>> literal("${HOME}/logs")
    '$${HOME}/logs'
    """
    if text in _RESERVED_WORDS:
        return _quoted(text[0]) + text[1:]
    escaped = _SPECIAL.sub(_escaped, text)
    if escaped.startswith(_BYTE_ORDER_MARK):  # Terraform skips it at a text's beginning
        escaped = _quoted(_BYTE_ORDER_MARK) + escaped[1:]
    return escaped


def literals(declared: Declared) -> Declared:
    """The same declaration with every text in it escaped, keys of tables included."""
    return declared.model_copy(
        update={name: _with_literals(value) for name, value in declared if value is not None}
    )


def _with_literals(value: object) -> object:
    match value:
        case str():
            return literal(value)
        case BaseModel():
            return literals(value)
        case Mapping():
            items = {_with_literals(key): _with_literals(it) for key, it in value.items()}
            return MappingProxyType(items)
        case tuple():
            return tuple(_with_literals(it) for it in value)
    return value


def _escaped(found: re.Match[str]) -> str:
    text = found[0]
    if found["number"]:
        # Nothing else than an `e` behind a digit makes cdktf look for a number's token.
        return text.replace("e", _quoted("e")) if _is_token(text) else text
    is_token = found.string.startswith("{TfToken[", found.end())
    if found["template"] and len(text) == 1 and not is_token:
        return text * 2
    # Doubling the last one of several escapes nothing: Terraform reads `$$${x}` as it stands. And
    # within `$${TfToken[...]}` cdktf still finds its token.
    return _quoted(text)


def _quoted(text: str) -> str:
    """An expression that gives the text, which holds no quotes."""
    return f'${{"{text}"}}'


def _is_token(number: str) -> bool:
    """Whether it is one of the numbers by which cdktf knows numbers that are not known yet."""
    read = _NUMBER.match(number)
    if read is None:
        return False
    (bits,) = struct.unpack(">H", struct.pack(">d", float(read[0]))[:2])
    return bool(bits == _TOKENS_FIRST_BITS)
