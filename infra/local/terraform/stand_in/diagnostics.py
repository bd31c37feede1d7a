"""What the user reads when something is wrong: what was tried, the call, the server's words."""

from __future__ import annotations

import dataclasses
import re
from typing import Final

from infra.local.terraform.stand_in.calls import CallError, WaitError
from infra.local.terraform.stand_in.resources.resource import ProviderPanic, Refused

_SECRET: Final = re.compile(r"\{\{secrets/(?P<scope>[^/{}]+)/(?P<key>[^/{}]+)\}\}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """What Terraform shows of a failure, or of what should be known."""

    summary: str
    detail: str = ""
    is_warning: bool = False


def failure(type_: str, operation: str, problem: Exception, *, name: str = "") -> Diagnostic:
    """A failed operation on a resource, as `cannot create model serving: MESSAGE`."""
    noun = type_.removeprefix("databricks_").replace("_", " ")
    summary = f"cannot {operation} {noun}: {problem}"
    about = f"Resource: {type_}" + (f" {name!r}" if name else "")
    match problem:
        case CallError():
            status = "no answer" if problem.status is None else f"HTTP {problem.status}"
            code = problem.error_code or "no error code"
            lines = [about, f"Call: {problem.call}", f"Answer: {status}, {code}: {problem.message}"]
            lines += _ways_out(type_, operation, problem)
        case WaitError():
            lines = [about, f"Call: {problem.call}"]
        case ProviderPanic():
            lines = [about, problem.way_out]
        case Refused():
            lines = [about]
        case _:
            lines = [
                about,
                f"This is a fault of the stand-in provider ({type(problem).__name__}).",
            ]
    return Diagnostic(summary=summary, detail="\n".join(lines))


def _ways_out(type_: str, operation: str, problem: CallError) -> list[str]:
    if problem.error_code == "EOF":
        return [
            "Way out: the workspace may have done it all the same. Apply again; what exists by then"
            " without being in this state is taken over by `adopt = true` or `terraform import`."
        ]
    if problem.status is None:
        return ["Way out: start the workspace (make workspace), or correct the provider's host."]
    if problem.status in {401, 403} and "token" in problem.message.lower():
        return [
            "Way out: give the workspace's token, in .local/workspace/token, in DATABRICKS_TOKEN."
        ]
    if type_ != "databricks_model_serving":
        return []
    if operation == "create" and problem.status == 409:
        return [
            "Way out: the endpoint exists but is not in this state. To manage it from here, set"
            " `adopt = true` for the environment and deploy again, or run `terraform import`."
        ]
    if operation in {"create", "update"} and problem.is_missing:
        return _ways_to(problem.message)
    return []


def _ways_to(missing: str) -> list[str]:
    """What brings about that which a served entity lacks, by what the answer says of it."""
    if secret := _SECRET.search(missing):
        return [
            f"Way out: databricks secrets put-secret {secret['scope']} {secret['key']}, then apply"
            " again. The platform stack makes the scope."
        ]
    if "model" in missing.lower():
        return [
            "Way out: train and register the model first, or pin `version` of the served entity to"
            " one that exists."
        ]
    if "endpoint" in missing.lower():
        return ["Way out: it was deleted meanwhile; apply again, which creates it anew."]
    return []
