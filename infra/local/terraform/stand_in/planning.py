"""What Terraform would change: the planning of the Go SDK (helper/schema, SDKv2), on values.

Terraform core hands over the state, the configuration and its own proposal. The SDK then decides:
defaults, what is computed stays or is not yet known, what the provider calls the same is no
change, what forces a replacement.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from infra.local.terraform.stand_in.values import UNKNOWN, Value, is_zero

if TYPE_CHECKING:
    from infra.local.terraform.stand_in.schema import Attribute, Block, NestedBlock

Path = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One setting that the configuration and the state see differently."""

    old: Value
    new: Value
    siblings: Mapping[str, Value]
    """The settings beside it, as configured."""


Suppress = Callable[[Change], bool]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The planned state, and the paths that force a replacement."""

    planned: dict[str, Value]
    requires_replace: list[Path]


def empty_keeps_old(change: Change) -> bool:
    """The provider's usual rule: what the configuration leaves out stays as the platform has it."""
    return is_zero(change.new) and not is_zero(change.old)


def same_ignoring_case(change: Change) -> bool:
    """Whether old and new differ in case alone."""
    return _text(change.old).casefold() == _text(change.new).casefold()


def same_ignoring_white_space(change: Change) -> bool:
    """Whether old and new differ in white space alone."""
    return "".join(_text(change.old).split()) == "".join(_text(change.new).split())


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


class Planner:
    """Plans resources of one type. `suppress` maps a path to the provider's own comparison."""

    def __init__(self, block: Block, suppress: Mapping[str, Suppress]) -> None:
        self._block = block
        self._suppress = suppress

    def plan(self, prior: Mapping[str, Value] | None, config: Mapping[str, Value]) -> Plan:
        """From what was and what is configured to what will be; `prior` is None for a new one."""
        replace: list[Path] = []
        planned = self._plan_block(self._block, prior, config, names=(), path=(), replace=replace)
        return Plan(planned=planned, requires_replace=replace if prior is not None else [])

    def _plan_block(
        self,
        block: Block,
        prior: Mapping[str, Value] | None,
        config: Mapping[str, Value],
        *,
        names: tuple[str, ...],
        path: Path,
        replace: list[Path],
    ) -> dict[str, Value]:
        planned: dict[str, Value] = {}
        for name, attribute in block.attributes.items():
            planned[name] = self._plan_attribute(
                attribute, prior, config, name=name, names=(*names, name)
            )
            if attribute.force_new and prior is not None and planned[name] != prior.get(name):
                replace.append((*path, name))
        for name, nested in block.blocks.items():
            planned[name] = self._plan_nested(
                nested,
                None if prior is None else prior.get(name),
                config.get(name),
                names=(*names, name),
                path=(*path, name),
                replace=replace,
            )
        return planned

    def _plan_attribute(
        self,
        attribute: Attribute,
        prior: Mapping[str, Value] | None,
        config: Mapping[str, Value],
        *,
        name: str,
        names: tuple[str, ...],
    ) -> Value:
        configured = config.get(name)
        old = None if prior is None else prior.get(name)
        if configured is UNKNOWN:
            return UNKNOWN
        if configured is not None:
            new = configured
        elif attribute.default is not None:
            new = attribute.default
        elif attribute.computed:
            return UNKNOWN if prior is None else old
        else:
            new = None
        same = is_same_set(old, new) if _is_set(attribute, old, new) else _is_same(old, new)
        if same or _are_both_empty(old, new, configured):
            return new if prior is None else old
        if prior is not None and self._is_suppressed(attribute, names, old, new, config):
            return old
        return new

    def _is_suppressed(
        self,
        attribute: Attribute | NestedBlock,
        names: tuple[str, ...],
        old: Value,
        new: Value,
        siblings: Mapping[str, Value],
    ) -> bool:
        rule = self._suppress.get(".".join(names))
        if rule is None and attribute.suppresses_diff:
            rule = empty_keeps_old
        return rule is not None and rule(Change(old=old, new=new, siblings=siblings))

    def _plan_nested(
        self,
        nested: NestedBlock,
        prior: Value,
        config: Value,
        *,
        names: tuple[str, ...],
        path: Path,
        replace: list[Path],
    ) -> Value:
        if nested.nesting == "single":  # timeouts: kept as configured
            return config
        if config is UNKNOWN:
            return UNKNOWN
        olds = prior or []
        news = config or []
        if nested.nesting == "set":
            return self._plan_set(nested, olds, news, names=names, path=path, replace=replace)
        if not news and nested.computed:
            return UNKNOWN if prior is None else olds
        if not news and self._is_suppressed(nested, names, olds, news, {}):
            # The number of blocks stays; each setting inside goes by its own rule.
            news = [nested.block.empty() for _ in olds]
        # A block that comes or goes changes its settings from nothing, or to it.
        comes_or_goes = any(
            attribute.force_new and not is_zero(element.get(name))
            for element in (*olds[len(news) :], *news[len(olds) :])
            for name, attribute in nested.block.attributes.items()
        )
        if comes_or_goes or (len(olds) != len(news) and nested.force_new and prior is not None):
            replace.append(path)
        return [
            self._plan_block(
                nested.block,
                olds[index] if index < len(olds) else None,
                new,
                names=names,
                path=(*path, index),
                replace=replace if index < len(olds) else [],
            )
            for index, new in enumerate(news)
        ]

    def _plan_set(
        self,
        nested: NestedBlock,
        olds: list[dict[str, Value]],
        news: list[dict[str, Value]],
        *,
        names: tuple[str, ...],
        path: Path,
        replace: list[Path],
    ) -> list[dict[str, Value]]:
        planned = []
        for new in news:
            same = next((old for old in olds if _is_same_element(old, new)), None)
            planned.append(
                same
                if same is not None
                else self._plan_block(nested.block, None, new, names=names, path=path, replace=[])
            )
        if nested.force_new and not is_same_set(olds, planned):
            replace.append(path)
        return planned


def is_same_set(one: Value, other: Value) -> bool:
    """Whether both have the same elements, in whatever order."""
    return len(one) == len(other) and all(element in other for element in one)


def _is_same_element(old: Mapping[str, Value], new: Mapping[str, Value]) -> bool:
    return all(
        _is_same(old.get(name), value) or (is_zero(old.get(name)) and is_zero(value))
        for name, value in new.items()
    )


def _is_same(old: Value, new: Value) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_is_same, old, new))
    return (type(old) is type(new) and bool(old == new)) or (_is_number(old, new) and old == new)


def _is_set(attribute: Attribute, *values: Value) -> bool:
    is_typed_so = isinstance(attribute.type, list) and attribute.type[0] == "set"
    return is_typed_so and all(isinstance(value, list) for value in values)


def _is_number(*values: Value) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _are_both_empty(old: Value, new: Value, configured: Value) -> bool:
    """SDKv2 compares text: a null that was "" or [] is no change, nor is a zero no longer set."""
    if not is_zero(old) or not is_zero(new) or new is UNKNOWN:
        return False
    if old is None and new is False:  # an import has no default, which is as good as false
        return True
    return (configured is None and new is None) or isinstance(new, str | list | dict)
