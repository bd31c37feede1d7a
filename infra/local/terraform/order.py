"""The order in which an environment's stacks go: what stands on the platform first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

STACKS: Final = ("platform", "serving", "analysis")
"""In the order of their deployment."""


def refusal(
    kind: str, name: str, *, is_deployed: Callable[[str], bool], command: Callable[[str], str]
) -> str:
    """Why the stack `kind` of the environment `name` must not be destroyed yet, and the way out;
    empty where it may be. `command` destroys a stack of that kind."""
    if kind != STACKS[0]:
        return ""
    above = [it for it in reversed(STACKS[1:]) if is_deployed(it)]
    if not above:
        return ""
    stacks = " and ".join(f"{it}-{name}" for it in above)
    return "\n".join(
        [
            f"{kind}-{name} holds what {stacks} {'use' if above[1:] else 'uses'}. Nothing was "
            "destroyed; destroy in the opposite order of deployment:",
            *(f"  {command(it)}" for it in (*above, kind)),
        ]
    )
