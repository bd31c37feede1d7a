"""A change that moves traffic changes nothing of what judges, applies or shows the move.

Whoever could do both in one change would write the judge and the verdict. In CI `verify` runs from
a checkout of the base, so that none of the change's own code is asked.
"""

from pathlib import Path
from typing import Final

from infra.declared.environment import Environment
from infra.rollout import history
from infra.rollout.refusal import Refused

JUDGES: Final = (
    ".ci/",
    ".github/",
    "infra/declared/",
    "infra/rollout/",
    "ml/compare.py",
    "ml/contract/",
    "ml/evaluation/",
    "ml/replay.py",
    "ml/verdict/",
    "infra/provider.lock.hcl",
    "requirements-rollout.lock",
    "requirements-setup.lock",
)
"""By their beginnings, from the repository's root. `infra/declared` has the rules of a file, of an
experiment and of a plan, the lock files what all of it runs on."""

_MOST_NAMED: Final = 5


def require_separate(file: Path, before: Environment, after: Environment, base: str) -> None:
    """Raises Refused for a change since `base` that moves traffic and touches a judge of it."""
    if not _moves_traffic(before, after):
        return
    touched = [it for it in history.changed(file, base) if it.startswith(JUDGES)]
    if touched:
        more = f" and {len(touched) - _MOST_NAMED} more" * (len(touched) > _MOST_NAMED)
        raise Refused(
            f"{file.name}: this change moves traffic, and since {base} it changes what judges the "
            f"move as well: {', '.join(touched[:_MOST_NAMED])}{more}. Take one of the two into a "
            "change of its own."
        )


def _moves_traffic(before: Environment, after: Environment) -> bool:
    """Whether any served entity gets another share, also one that enters or leaves."""
    shares = [
        {
            test.endpoint: {route.served_entity: route.percent for route in test.split.routes}
            for test in it.tests.values()
        }
        for it in (before, after)
    ]
    return shares[0] != shares[1]
