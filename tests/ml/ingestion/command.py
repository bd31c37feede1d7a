"""A run of the command, as its user sees it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Run:
    """How the command ended and what it said."""

    status: int
    output: str
    errors: str


Ingest = Callable[..., Run]
"""Runs the command with these arguments."""
