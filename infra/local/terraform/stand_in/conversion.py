"""Between Terraform values and the JSON of the API, as the provider's reflection does it.

Facts: `common/reflect_resource.go` of the provider. Into a request goes what is set to something
else than Go's zero value (so `false` is left out); a required attribute always goes. From an
answer comes what is there; the rest of the state stays as it was.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from infra.local.terraform.stand_in.values import (
    UNKNOWN,
    Value,
    in_set_order,
    is_zero,
    number,
    zero,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.terraform.stand_in.schema import Attribute, Block, NestedBlock


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion:
    """How one type of resource travels.

    `names` maps a path in Terraform (`task.library`) to the API's name of its last part.
    `always_sent` are the paths that go even with the zero value, besides the required ones.
    """

    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    always_sent: frozenset[str] = frozenset()
    omits_required_zeros: bool = False

    def name(self, path: str) -> str:
        """What the API calls the attribute at a path."""
        return self.names.get(path) or path.rpartition(".")[2]

    def request(
        self, block: Block, value: Mapping[str, Value], *, only: frozenset[str] | None = None
    ) -> dict[str, Any]:
        """The JSON body for `value`; `only` keeps these settings of the top level."""
        body = self._body(block, value, prefix="")
        if only is None:
            return body
        kept = {self.name(name) for name in only}
        return {name: inner for name, inner in body.items() if name in kept}

    def _body(self, block: Block, value: Mapping[str, Value], *, prefix: str) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, attribute in block.attributes.items():
            path = prefix + name
            inner = value.get(name)
            if is_zero(inner) or inner is UNKNOWN:
                if inner is not None and self._is_sent_when_zero(path, attribute):
                    body[self.name(path)] = inner
                continue
            body[self.name(path)] = _json(attribute, inner)
        for name, nested in block.blocks.items():
            path = prefix + name
            elements = value.get(name)
            if nested.nesting == "single" or not elements:
                continue
            if nested.nesting == "set":
                elements = in_set_order(elements, nested.block)
            bodies = [self._body(nested.block, element, prefix=path + ".") for element in elements]
            body[self.name(path)] = bodies[0] if nested.is_object else bodies
        return body

    def _is_sent_when_zero(self, path: str, attribute: Attribute) -> bool:
        if path in self.always_sent:
            return True
        return attribute.required and not self.omits_required_zeros

    def read(
        self,
        block: Block,
        answer: Mapping[str, Any],
        state: Mapping[str, Value],
        *,
        is_new: bool,
        without: frozenset[str] = frozenset(),
    ) -> dict[str, Value]:
        """The state after `answer`.

        A setting that is not computed and not in the state is dropped unless the resource `is_new`
        (just created or imported). `without` are settings the API does not have.
        """
        result = dict(state)
        for name, attribute in block.attributes.items():
            if name in without or name == "id":
                continue
            old = state.get(name)
            if not is_new and not attribute.computed and is_zero(old):
                continue
            new = answer.get(self.name(name))
            if is_zero(new):
                if attribute.type in ("bool", "number"):
                    # A null that the configuration left stays null; an import has no such nulls.
                    result[name] = None if name in state and old is None else zero(attribute.type)
                elif not attribute.optional:
                    result[name] = zero(attribute.type)
                continue
            result[name] = _value(attribute, new)
        for name, nested in block.blocks.items():
            if name in without or nested.nesting == "single":
                continue
            old = state.get(name) or []
            if not is_new and not nested.computed and not old:
                continue
            elements = self._elements(nested, answer.get(self.name(name)), old, path=name)
            if elements:
                result[name] = elements
        return result

    def _elements(
        self, nested: NestedBlock, answer: Any, state: list[dict[str, Value]], *, path: str
    ) -> list[dict[str, Value]]:
        if answer is None:
            return []
        answers = [answer] if nested.is_object else answer
        elements = []
        for index, one in enumerate(answers):
            old = state[index] if nested.nesting == "list" and index < len(state) else None
            element = self._element(nested.block, one or {}, old, prefix=path + ".")
            if any(not is_zero(inner) for inner in element.values()) or old is not None:
                elements.append(element)
        return elements

    def _element(
        self,
        block: Block,
        answer: Mapping[str, Any],
        old: Mapping[str, Value] | None,
        *,
        prefix: str,
    ) -> dict[str, Value]:
        element: dict[str, Value] = {}
        for name, attribute in block.attributes.items():
            new = answer.get(self.name(prefix + name))
            if not is_zero(new):
                element[name] = _value(attribute, new)
            elif attribute.type in ("bool", "number") or not attribute.optional:
                # Go writes its zero value. Where the state has null, null is the same to the
                # provider's planning, and keeps the state what the configuration says.
                element[name] = (
                    None if old is not None and old.get(name) is None else zero(attribute.type)
                )
            else:
                element[name] = None
        for name, nested in block.blocks.items():
            inner = (old or {}).get(name) or []
            path = prefix + name
            element[name] = self._elements(nested, answer.get(self.name(path)), inner, path=path)
        return element


def _json(attribute: Attribute, value: Value) -> Any:
    match attribute.type:
        case "number":
            return number(value)
        case ["set", _]:
            return in_set_order(value)
        case _:
            return value


def _value(attribute: Attribute, answer: Any) -> Value:
    return convert(attribute.type, answer)


def convert(type_: Any, answer: Any) -> Value:
    """An answer as a value of Terraform's type; what the type does not have is left out."""
    if answer is None:
        return None
    match type_:
        case "string":
            return answer if isinstance(answer, str) else str(answer)
        case "bool":
            return bool(answer)
        case "number":
            return answer
        case ["list" | "set", inner]:
            return [convert(inner, one) for one in answer]
        case ["map", inner]:
            return {str(key): convert(inner, one) for key, one in answer.items()}
        case ["object", fields]:
            return {name: convert(inner, answer.get(name)) for name, inner in fields.items()}
        case _:
            raise ValueError(f"a type that the stand-in does not know: {type_!r}")
