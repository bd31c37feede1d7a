"""Whether plans may be applied: the policy of `infra.declared.destruction`, on files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.declared.destruction import NoPlan, refusal, unused
from infra.declared.environment import Environment
from infra.rollout.refusal import Refused


def allowed(environment: Environment, files: Sequence[Path]) -> Iterator[str]:
    """What is to say about plans that may be applied. Raises Refused where one may not."""
    file = f"infra/environments/{environment.name}.toml"
    plans = [_read(it) for it in files]
    try:
        problem = refusal(plans, environment.may_destroy, file)
        over = unused(plans, environment.may_destroy)
    except NoPlan as no_plan:
        raise Refused(f"{', '.join(map(str, files))}: {no_plan}.") from None
    if problem:
        raise Refused(problem)
    yield "Nothing is destroyed that nobody can create again" + (
        ", but what the file names." if environment.may_destroy else "."
    )
    for address in over:
        yield f"{file}: may_destroy names {address}, which nothing here destroys: take it out."


def _read(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(
            f"{file}: not readable as JSON: {error}. Write it by terraform show -json."
        ) from None
    if not isinstance(document, dict):
        raise Refused(f"{file}: no plan. Write it by terraform show -json.")
    return document
