"""What stands in the way of a deployment, as `check` reports it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that stands in the way, and the command that takes it away."""

    subject: str
    problem: str
    heal: str
