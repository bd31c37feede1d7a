"""The names that Databricks accepts, as types of a declaration.

docs/reference/serving.md#names-and-limits
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator

from infra.declared.declaration import broken_rule

LONGEST_SERVING_NAME = 63
"""Characters of an endpoint's name; the served entity's limit is not documented, so the same."""

LONGEST_IDENTIFIER = 255
"""Characters of a Unity Catalog name."""

_RESERVED_ENDPOINT_PREFIX = "databricks-"
_RESERVED_CATALOGS = frozenset({"hive_metastore", "samples", "system"})
_RESERVED_SCHEMAS = frozenset({"information_schema"})
_PAYLOAD_SUFFIX = "_payload"

Rule = Callable[[str], str]


def _endpoint_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", name):
        raise broken_rule(
            f"1 to {LONGEST_SERVING_NAME} letters, digits, '-' and '_', the first and the last a "
            "letter or digit",
            f"shorten it: {len(name)} characters"
            if len(name) > LONGEST_SERVING_NAME
            else "rename the endpoint, for example: pneumonia-classifier-ab-test",
        )
    if name.lower().startswith(_RESERVED_ENDPOINT_PREFIX):
        raise broken_rule(
            f"the prefix '{_RESERVED_ENDPOINT_PREFIX}' is reserved by Databricks",
            "choose a name with another beginning",
        )
    return name


def _served_entity_name(name: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LONGEST_SERVING_NAME}}}", name):
        raise broken_rule(
            f"1 to {LONGEST_SERVING_NAME} letters, digits, '-' and '_'",
            "rename the served entity, for example: trees-3",
        )
    return name


def _identifier(name: str) -> str:
    if not re.fullmatch(rf"[a-z_][a-z0-9_]{{0,{LONGEST_IDENTIFIER - 1}}}", name):
        if "." in name:
            way_out = "write one name without dots; catalog and schema have keys of their own"
        elif name != name.lower():
            way_out = f"write it in lower case, as Unity Catalog stores it: {name.lower()}"
        else:
            way_out = "rename it, for example: healthcare_catalog_dev"
        raise broken_rule(
            f"a Unity Catalog name: 1 to {LONGEST_IDENTIFIER} lower-case letters, digits and '_', "
            "no digit first",
            way_out,
        )
    return name


def _unreserved(kind: str, reserved: frozenset[str]) -> Rule:
    def check(name: str) -> str:
        if name in reserved:
            raise broken_rule(
                f"Databricks reserves the {kind}s {', '.join(sorted(reserved))}",
                f"name a {kind} of your own",
            )
        return name

    return check


def _table_prefix(prefix: str) -> str:
    longest = LONGEST_IDENTIFIER - len(_PAYLOAD_SUFFIX)
    if len(prefix) > longest:
        raise broken_rule(
            f"at most {longest} characters, because the table is named PREFIX{_PAYLOAD_SUFFIX}",
            f"shorten it: {len(prefix)} characters",
        )
    if prefix.endswith(_PAYLOAD_SUFFIX):
        raise broken_rule(
            f"Databricks adds '{_PAYLOAD_SUFFIX}' to the prefix itself",
            f"write {prefix.removesuffix(_PAYLOAD_SUFFIX)!r}",
        )
    return prefix


def _tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    if not all(tags):
        raise broken_rule("every tag has a key", "write the key before the '='")
    return MappingProxyType(dict(tags))


def payload_table(catalog: str, schema: str, prefix: str) -> str:
    """The full name of the table that serving writes."""
    return f"{catalog}.{schema}.{prefix}{_PAYLOAD_SUFFIX}"


EndpointName = Annotated[str, AfterValidator(_endpoint_name)]
ServedEntityName = Annotated[str, AfterValidator(_served_entity_name)]
Identifier = Annotated[str, AfterValidator(_identifier)]
CatalogName = Annotated[Identifier, AfterValidator(_unreserved("catalog", _RESERVED_CATALOGS))]
SchemaName = Annotated[Identifier, AfterValidator(_unreserved("schema", _RESERVED_SCHEMAS))]
TablePrefix = Annotated[Identifier, AfterValidator(_table_prefix)]
Tags = Annotated[Mapping[str, str], AfterValidator(_tags)]
