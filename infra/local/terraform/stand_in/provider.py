"""The provider as Terraform core sees it, on plain values; `wire` puts it on the plugin protocol.

Answers carry the mark of the legacy type system, as those of every SDKv2 provider do: Terraform
then tolerates defaults, zero values and kept values that the configuration does not have. The
tests read in its log what it tolerated.
"""

from __future__ import annotations

import dataclasses
import os
import time
from typing import TYPE_CHECKING, Any

from infra.declared.local_workspace import is_on_this_machine
from infra.local.terraform.stand_in import VERSION
from infra.local.terraform.stand_in.calls import HTTP_SECONDS, RETRY_SECONDS, CallError
from infra.local.terraform.stand_in.diagnostics import Diagnostic, failure
from infra.local.terraform.stand_in.planning import Plan, Planner
from infra.local.terraform.stand_in.resources import behaviour_of, reader_of
from infra.local.terraform.stand_in.resources.resource import Data, Gone, Refused, Resource
from infra.local.terraform.stand_in.schema import Block, provider_schema
from infra.local.terraform.stand_in.values import UNKNOWN, Value, convert_json, is_zero, known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.terraform.stand_in.calls import Clock
    from infra.local.terraform.stand_in.rest import Rest

State = dict[str, Value] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """A new state, or none, and what there is to say."""

    state: State = None
    diagnostics: tuple[Diagnostic, ...] = ()


class Provider:
    """The provider without its wire: each method is one call of the protocol."""

    def __init__(self, *, clock: Clock = time) -> None:
        self._clock = clock
        self._rest: Rest | None = None
        self._not_configured = Diagnostic(summary="the provider is not configured")

    def configure(self, config: Mapping[str, Value]) -> list[Diagnostic]:
        """Take host and token from the configuration or the environment; refuse other hosts."""
        host = config.get("host")
        if host is UNKNOWN:
            return self._refuse(
                "the workspace's host is not known yet",
                "The stand-in provider must know `host` at the time of planning.",
            )
        host = host or os.environ.get("DATABRICKS_HOST") or ""
        if not host:
            return self._refuse(
                "no workspace is given",
                "Set `host` of provider databricks, or DATABRICKS_HOST, to the address of the local"
                " workspace, as http://127.0.0.1:8180.",
            )
        if "://" not in host:
            host = f"https://{host}"
        if not is_on_this_machine(host):
            return self._refuse(
                f"the stand-in provider serves the local workspace only, not {host}",
                f"host = {host!r} is not a loopback address, so nothing has been sent. This"
                " Terraform runs with the stand-in for databricks/databricks. For a real workspace"
                " use the real provider: leave TF_CLI_CONFIG_FILE unset and run `terraform init`"
                " where the registry can be reached.",
            )
        token = config.get("token")
        token = (None if token is UNKNOWN else token) or os.environ.get("DATABRICKS_TOKEN")
        if not token:
            return self._refuse(
                "no token is given",
                "Set DATABRICKS_TOKEN to the token of the local workspace, which is in"
                " .local/workspace/token after its first start.",
            )
        # Here, because HTTP takes a while to import and half of the starts never get this far.
        from infra.local.terraform.stand_in import rest

        self.close()
        self._rest = rest.Rest(
            host=host,
            token=token,
            retry_seconds=float(config.get("retry_timeout_seconds") or RETRY_SECONDS),
            http_seconds=float(config.get("http_timeout_seconds") or HTTP_SECONDS),
            clock=self._clock,
        )
        return [
            Diagnostic(
                summary="Stand-in provider, not databricks/databricks",
                detail=f"It stands in for version {VERSION} because the registry was not used, and"
                f" works with the local workspace at {host} only. It sends what the real provider"
                " sends; what that drops silently, it drops too.",
                is_warning=True,
            )
        ]

    def close(self) -> None:
        """Hang up: the command that was served has ended, or another begins."""
        if self._rest is not None:
            self._rest.close()

    def _refuse(self, summary: str, detail: str) -> list[Diagnostic]:
        self._not_configured = Diagnostic(summary=summary, detail=detail)
        return [self._not_configured]

    def validate(self, type_: str, config: Mapping[str, Value]) -> list[Diagnostic]:
        """What is wrong with the configuration of a resource."""
        block = provider_schema().resources[type_].block
        problems = [
            Diagnostic(
                summary=f"Conflicting configuration arguments: {name}",
                detail=f'"{name}": conflicts with {other} ({type_})',
            )
            for name, other in _conflicts(block, config, prefix="")
        ]
        try:
            behaviour_of(type_).validate(config)
        except Refused as problem:
            problems.append(failure(type_, "use", problem))
        return problems

    def upgrade(self, type_: str, raw: Mapping[str, Any]) -> dict[str, Value]:
        """A stored state in today's schema; what the schema does not have is left out."""
        return convert_json(provider_schema().resources[type_].block, raw)

    def plan(self, type_: str, prior: State, config: State) -> tuple[Plan | None, list[Diagnostic]]:
        """What an apply would do; no plan where something is wrong."""
        if config is None:  # a destruction needs no plan
            return None, []
        behaviour = behaviour_of(type_)
        plan = Planner(behaviour.block, behaviour.suppress).plan(prior, config)
        try:
            behaviour.customize(plan, prior)
        except Refused as problem:
            return None, [failure(type_, "plan", problem, name=_name(config))]
        return plan, []

    def apply(self, type_: str, prior: State, planned: State) -> Answer:
        """Creates, updates, replaces or, where nothing is planned, deletes."""
        if planned is None:
            return self._destroy(type_, prior or {})
        state = known(planned)
        data = Data(state=state, prior=prior or {}, is_new=prior is None)
        if prior is None:
            data.id = ""
        behaviour = behaviour_of(type_)
        operation, change = (
            ("create", behaviour.create) if prior is None else ("update", behaviour.update)
        )
        problem = self._run(behaviour, operation, data, change)
        if problem is None and behaviour.reads_after_a_change:
            problem = self._run(behaviour, "read", data, behaviour.read)
        if problem is not None:
            # What exists stays in the state. After a failed update that is the plan, as with the
            # real provider: the next refresh shows what the workspace really has.
            return Answer(state=data.state if data.id else None, diagnostics=(problem,))
        return Answer(state=data.state if data.id else None)

    def _destroy(self, type_: str, prior: dict[str, Value]) -> Answer:
        behaviour = behaviour_of(type_)
        data = Data(state=dict(prior), prior=prior)

        def delete(rest: Rest, data: Data) -> None:
            try:
                behaviour.delete(rest, data)
            except CallError as problem:
                if not problem.is_missing:
                    raise

        problem = self._run(behaviour, "delete", data, delete)
        if problem is not None:
            return Answer(state=prior, diagnostics=(problem,))
        return Answer()

    def read(self, type_: str, state: dict[str, Value]) -> Answer:
        """The state as the workspace has it; none where the resource is gone."""
        behaviour = behaviour_of(type_)
        data = Data(state=dict(state), prior=state)
        problem = self._run(behaviour, "read", data, _forgetting(behaviour))
        if problem is not None:
            return Answer(state=state, diagnostics=(problem,))
        return Answer(state=data.state if data.id else None)

    def import_state(self, type_: str, id_: str) -> Answer:
        """The state of a resource that exists under an id."""
        behaviour = behaviour_of(type_)
        data = Data(state={"id": id_}, prior={}, is_new=True)
        if not behaviour.reads_after_a_change:
            return Answer(state=behaviour.block.empty() | data.state)
        problem = self._run(behaviour, "read", data, _forgetting(behaviour))
        if problem is None and not data.id:
            noun = type_.removeprefix("databricks_").replace("_", " ")
            problem = Diagnostic(
                summary=f"cannot import {noun}: {id_!r} does not exist",
                detail=f"Resource: {type_}\nWay out: check the id, or let a deployment create it.",
            )
        if problem is not None:
            return Answer(diagnostics=(problem,))
        return Answer(state=behaviour.block.empty() | data.state)

    def read_data(self, type_: str, config: dict[str, Value]) -> Answer:
        """The answer of a data source."""
        block = provider_schema().data_sources[type_].block
        if self._rest is None:
            return Answer(diagnostics=(self._not_configured,))
        try:
            state = reader_of(type_)(self._rest, block, config)
        except Exception as problem:
            return Answer(diagnostics=(failure(type_, "read", problem, name=_name(config)),))
        return Answer(state=block.empty() | state)

    def _run(
        self,
        behaviour: Resource,
        operation: str,
        data: Data,
        work: Callable[[Rest, Data], None],
    ) -> Diagnostic | None:
        """Do it; every failure becomes a diagnostic that names the resource and the call."""
        if self._rest is None:
            return self._not_configured
        try:
            work(self._rest, data)
        except Gone:
            data.id = ""
        except Exception as problem:
            return failure(behaviour.type, operation, problem, name=_name(data.state))
        return None


def _forgetting(behaviour: Resource) -> Callable[[Rest, Data], None]:
    """A read for which an object that is missing is no failure: Terraform plans to create it."""

    def read(rest: Rest, data: Data) -> None:
        try:
            behaviour.read(rest, data)
        except CallError as problem:
            if not problem.is_missing:
                raise
            raise Gone from problem

    return read


def _name(state: Mapping[str, Value]) -> str:
    for key in ("id", "name", "full_name", "display_name", "cluster_name", "key"):
        value = state.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def _conflicts(block: Block, config: Mapping[str, Value], *, prefix: str) -> list[tuple[str, str]]:
    """Pairs of settings that are both there and exclude each other."""
    found = []
    settings = [(name, attribute.conflicts_with) for name, attribute in block.attributes.items()]
    settings += [(name, nested.conflicts_with) for name, nested in block.blocks.items()]
    for name, others in settings:
        if is_zero(config.get(name)):
            continue
        found += [
            (prefix + name, other)
            for other in others
            if other.rpartition(".")[0] == prefix.rstrip(".")
            and not is_zero(config.get(other.rpartition(".")[2]))
        ]
    for name, nested in block.blocks.items():
        elements = config.get(name)
        if nested.is_object and isinstance(elements, list) and elements:
            found += _conflicts(nested.block, elements[0], prefix=f"{prefix}{name}.")
    return found
