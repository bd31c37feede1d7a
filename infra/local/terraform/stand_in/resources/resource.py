"""What every type of resource does, and the state that one of them works on."""

from __future__ import annotations

import abc
import dataclasses
import re
from typing import TYPE_CHECKING, ClassVar

from infra.local.terraform.stand_in.conversion import Conversion
from infra.local.terraform.stand_in.planning import is_same_set
from infra.local.terraform.stand_in.values import UNKNOWN, Value, is_zero

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.terraform.stand_in.planning import Plan, Suppress
    from infra.local.terraform.stand_in.rest import Rest
    from infra.local.terraform.stand_in.schema import Block


class Gone(Exception):
    """The object is not there any more: Terraform forgets it and plans to create it."""


class Refused(Exception):
    """What the real provider refuses too, in words for the user."""


class ProviderPanic(Exception):
    """A nil pointer in the real provider, which reports it as an error. Nothing has been sent."""

    def __init__(self, way_out: str) -> None:
        super().__init__("panic: runtime error: invalid memory address or nil pointer dereference")
        self.way_out = way_out


@dataclasses.dataclass(kw_only=True)
class Data:
    """The state of one resource while it is created, read, updated or deleted."""

    state: dict[str, Value]
    """What is known so far: the plan, then what the workspace answers."""
    prior: Mapping[str, Value]
    """What was there before an update; empty for a new resource."""
    is_new: bool = False
    """Just created or imported, so that what the server adds is kept."""
    caller: str | None = None
    """The calling user, where a call before has asked for it."""

    @property
    def id(self) -> str:
        """The id, empty before there is one."""
        return self.state.get("id") or ""

    @id.setter  # noqa: A003 - Terraform's own name for it
    def id(self, value: str) -> None:
        self.state["id"] = value

    def get(self, name: str) -> Value:
        """The value of an attribute; None where it has none."""
        return self.state.get(name)

    def text(self, name: str) -> str:
        """The text that an attribute is; empty where it is none."""
        value = self.state.get(name)
        return value if isinstance(value, str) else ""

    def changed(self, *names: str) -> bool:
        """Whether one of these attributes differs from what was."""
        return any(self._changed(name) for name in names)

    def _changed(self, name: str) -> bool:
        old, new = self.prior.get(name), self.state.get(name)
        if isinstance(old, list) and isinstance(new, list):
            return not is_same_set(old, new) if name in _SETS else old != new
        return old != new


_SETS = frozenset({"tags", "access_control", "grant", "privileges"})


class Resource(abc.ABC):
    """One type of resource: its calls, in the order of the real provider."""

    type: ClassVar[str]
    conversion: ClassVar[Conversion] = Conversion()
    suppress: ClassVar[Mapping[str, Suppress]] = {}
    refused: ClassVar[frozenset[str]] = frozenset()
    """Settings that the real provider works with and the stand-in does not: never dropped."""
    reads_after_a_change: ClassVar[bool] = True
    """False for the provider's newer framework: the answer to a change is the state, and what is
    imported is read when Terraform asks for it."""

    def __init__(self, block: Block) -> None:
        self.block = block

    @abc.abstractmethod
    def create(self, rest: Rest, data: Data) -> None:
        """Create it and set `data.id`: as soon as it exists, so that no failure loses it."""

    @abc.abstractmethod
    def read(self, rest: Rest, data: Data) -> None:
        """Bring `data.state` up to date, or raise `Gone`."""

    def update(self, rest: Rest, data: Data) -> None:  # noqa: ARG002 - for those that can
        """Change it in place."""
        raise Refused(f"{self.type} cannot be changed in place")

    @abc.abstractmethod
    def delete(self, rest: Rest, data: Data) -> None:
        """Deletes it in the workspace; what is gone is deleted."""

    def validate(self, config: Mapping[str, Value]) -> None:
        """Raise `Refused` for a configuration that the stand-in cannot work with."""
        for name in sorted(self.refused):
            if not is_zero(config.get(name)):
                raise Refused(f"{name} is not supported by the stand-in")

    def customize(self, plan: Plan, prior: Mapping[str, Value] | None) -> None:  # noqa: B027
        """Change the plan as the provider's CustomizeDiff does."""


def seconds(timeouts: Value, operation: str, default: float) -> float:
    """A duration in Go's notation ("45m", "1h30m") from the timeouts block, in seconds."""
    text = (timeouts or {}).get(operation)
    if text is None or text is UNKNOWN:
        return default
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if "".join(amount + unit for amount, unit in parts) != text or not parts:
        raise Refused(f"timeouts: {operation} = {text!r} is no duration: write it as 45m or 1h30m.")
    return sum(float(amount) * units[unit] for amount, unit in parts)
