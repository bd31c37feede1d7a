"""Deploys a stack of an environment, with the real provider or, in a closed network, the stand-in.

Synthesis, `terraform init`, `cdktf deploy`. If `terraform init` can reach the registry, the
real provider does the work and nothing of ours stands between. If it cannot and the environment's
workspace is on this machine, the stand-in does. Each has a folder, a lock and a state of its own,
so that one never finds what the other left; the state moves over when the provider changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Final

from infra.declared.holdings import created, is_adoptable, known
from infra.declared.local_workspace import (
    FOLDER,
    is_on_this_machine,
    pass_by_proxies,
    token_file,
    tokens,
    without_other_workspaces,
)
from infra.declared.platform import HOW_TO_DESTROY
from infra.local.terraform.installation import Installation
from infra.local.terraform.planned import why_not
from infra.local.terraform.stand_in import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.declared.environment import Environment

COMMANDS: Final = {"plan": "diff", "apply": "deploy", "destroy": "destroy"}
STACKS: Final = ("platform", "serving", "analysis")
"""In the order in which they are deployed; they are destroyed in the opposite one."""

_UNREACHABLE = re.compile(
    r"could not connect to|registry service is unreachable|no such host|connection refused"
    r"|i/o timeout|Client\.Timeout|context deadline exceeded|network is unreachable|proxyconnect"
)
_ANSWER_SECONDS = 5.0


class NotDeployed(RuntimeError):
    """Why nothing was changed, and the way out."""


class Deployment:
    """One stack of an environment, from the repository at `root`.

    `stack` is one of STACKS, `provider` one of "auto", "registry" and "stand-in".
    """

    def __init__(
        self,
        *,
        root: Path,
        environment: Environment,
        stack: str = "serving",
        provider: str = "auto",
    ) -> None:
        self._kind = stack
        self._stack: str = getattr(environment, f"{stack}_stack")
        self._how_to_destroy = (
            HOW_TO_DESTROY.format(name=environment.name)
            if stack == "platform" and environment.protected
            else None
        )
        self._declared = environment
        self._provider = provider
        self._host = environment.workspace.host or os.environ.get("DATABRICKS_HOST") or ""
        self._is_local = bool(self._host) and is_on_this_machine(self._host)
        self._root = root
        self._stand_in = Installation(root=root)
        self._registry_output = self._stand_in.folder / "registry" / "cdktf.out"
        tools = os.pathsep.join(
            [str(root / "node_modules" / ".bin"), str(root / ".venv" / "bin"), os.environ["PATH"]]
        )
        inherited = without_other_workspaces(os.environ) if self._is_local else os.environ
        self._environment = {
            **inherited,
            "PATH": tools,
            "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1",
            "CHECKPOINT_DISABLE": "1",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        }
        for tool in ("cdktf", "terraform"):
            if shutil.which(tool, path=tools) is None:
                raise NotDeployed(
                    f"{tool} is neither in node_modules nor on PATH: run make set-up."
                )

    def run(self, command: str, *, auto_approve: bool) -> int:
        """Runs a command of COMMANDS; returns its exit status. Raises NotDeployed."""
        if command == "destroy" and self._how_to_destroy:
            raise NotDeployed(self._how_to_destroy)
        if self._is_local:
            pass_by_proxies(self._environment)
            self._environment["DATABRICKS_HOST"] = self._host
            self._environment["DATABRICKS_TOKEN"] = self._token()
        self._synthesize()
        with contextlib.ExitStack() as stack:
            if self._is_real_provider_ready():
                print(f"Provider: databricks/databricks {VERSION} from the registry.", flush=True)
                output, environment = self._registry_output, self._real_environment
            else:
                print(
                    f"Provider: the stand-in for databricks/databricks {VERSION}, with the local"
                    f" workspace at {self._host} only.",
                    flush=True,
                )
                output = self._stand_in.output
                environment = self._prepare_stand_in()
                environment = stack.enter_context(self._stand_in.attached(environment))
            if command == "apply" and self._kind == "platform":
                self._check_that_nothing_is_erased(output, environment)
            if command == "apply":
                self._check_the_plan(output, environment)
            arguments = ["cdktf", COMMANDS[command], self._stack]
            arguments += ["--skip-synth", "--output", str(output.relative_to(self._root))]
            if command != "plan":
                arguments.append("--skip-provider-lock")
                if auto_approve:
                    arguments.append("--auto-approve")
            if not sys.stdout.isatty():
                environment = environment | {"CI": "true"}  # no spinner in a log
            return subprocess.run(
                arguments, cwd=self._root, env=environment, check=False
            ).returncode

    def _token(self) -> str:
        """The first token that the workspace knows; without one the provider would try again for
        five minutes."""
        refused: NotDeployed | None = None
        for token in tokens(os.environ, self._root / FOLDER):
            try:
                self._check_workspace(token)
            except NotDeployed as problem:
                refused = problem
            else:
                return token
        if refused:
            raise refused
        raise NotDeployed(
            f"{token_file()} does not exist: start the local workspace first"
            " (make workspace), or set DATABRICKS_TOKEN."
        )

    def _check_workspace(self, token: str) -> None:
        """Ask who we are."""
        request = urllib.request.Request(  # noqa: S310 - http(s), by the environment file
            f"{self._host.rstrip('/')}/api/2.0/preview/scim/v2/Me",
            headers={"Authorization": f"Bearer {token}"},
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            direct.open(request, timeout=_ANSWER_SECONDS).close()
        except urllib.error.HTTPError as refusal:
            raise NotDeployed(
                f"The workspace at {self._host} answers HTTP {refusal.code} to its token:"
                f" {refusal.read().decode(errors='replace')[:300]}"
            ) from refusal
        except OSError as problem:
            raise NotDeployed(
                f"No workspace answers at {self._host} ({problem}): start it with make workspace."
            ) from problem

    def _synthesize(self) -> None:
        from infra.local.terraform.synthesis import synthesize

        self._registry_output.mkdir(parents=True, exist_ok=True)
        try:
            with _process_environment(self._environment):  # it starts Node.js
                synthesize(self._kind, self._declared, self._registry_output)
        except Exception as problem:
            raise NotDeployed(f"The stack could not be synthesized:\n{problem}") from problem

    def _check_that_nothing_is_erased(self, output: Path, environment: Mapping[str, str]) -> None:
        """Refuse to create what exists: a table would lose its rows."""
        from ml.workspace.connection import WorkspaceError, connect
        from ml.workspace.unity_catalog import exists

        folder = _stack_file(output, self._stack).parent
        pulled = self._terraform(folder, environment, "state", "pull")
        if pulled.returncode:
            raise NotDeployed(f"terraform state pull failed:\n{pulled.stdout}{pulled.stderr}")
        new = created(self._declared, known(json.loads(pulled.stdout or "{}")))
        if not new:
            return
        try:
            with _process_environment(self._environment):
                client = connect(self._declared)
                erased = [it for it in new if exists(client, it[0].kind, it[0].name)]
        except WorkspaceError as problem:
            raise NotDeployed(
                f"Whether a table would be erased cannot be told, so nothing is deployed: {problem}"
            ) from problem
        if erased:
            problems = [
                f"{holding.name}: {holding.problem()}"
                + (f" adopt = true under {holding.key} imports it." * is_adoptable(commands))
                for holding, commands in erased
            ]
            terraform = f"terraform -chdir={folder.relative_to(self._root)}"
            commands = [f"{terraform} {it}" for _, commands in erased for it in commands]
            if output == self._stand_in.output:
                commands.insert(0, 'eval "$(python -m infra.local.terraform install)"')
            raise NotDeployed(
                "\n".join(
                    [
                        *problems,
                        "Nothing was changed. If something else takes care of it, write create ="
                        " false under its key of the environment file; if it is not ours, choose"
                        " another catalog. If it is ours, let the state know it, then apply again:",
                        *(f"  {it}" for it in commands),
                    ]
                )
            )

    def _check_the_plan(self, output: Path, environment: Mapping[str, str]) -> None:
        """Refuse to destroy what nobody can create again without a word in the file."""
        folder = _stack_file(output, self._stack).parent
        problem = why_not(self._declared, partial(self._terraform, folder, environment))
        if problem:
            raise NotDeployed(problem)

    @property
    def _real_environment(self) -> dict[str, str]:
        return self._environment | self._state_arguments(self._real_state)

    @property
    def _real_state(self) -> Path:
        """Where a plain `cdktf deploy` of the stack keeps its state too."""
        return self._root / f"terraform.{self._stack}.tfstate"

    @property
    def _stand_in_state(self) -> Path:
        return self._stand_in.output.parent / f"terraform.{self._stack}.tfstate"

    def _state_arguments(self, state: Path) -> dict[str, str]:
        """Terraform's way to say where a state is, for stacks that keep theirs in a file."""
        document = json.loads(_stack_file(self._registry_output, self._stack).read_text())
        if "local" not in document.get("terraform", {}).get("backend", {}):
            return {}
        # Terraform takes the value apart as a shell does.
        return {"TF_CLI_ARGS_init": shlex.quote(f"-backend-config=path={state}")}

    def _is_real_provider_ready(self) -> bool:
        """Whether `terraform init` finds the real provider. Other failures of it are final."""
        if self._provider == "stand-in":
            self._check_is_local("The stand-in provider")
            return False
        environment = self._real_environment | {
            "TF_REGISTRY_DISCOVERY_RETRY": "0",
            "TF_REGISTRY_CLIENT_TIMEOUT": "5",
        }
        done = self._terraform_init(self._registry_output, environment)
        if done.returncode == 0:
            if self._is_local:
                _move_state(self._stand_in_state, self._real_state)
            return True
        text = done.stdout + done.stderr
        if self._provider == "registry" or not _UNREACHABLE.search(text):
            raise NotDeployed(f"terraform init failed:\n{text}")
        self._check_is_local("The registry of providers cannot be reached, and the stand-in")
        return False

    def _check_is_local(self, subject: str) -> None:
        if not self._is_local:
            raise NotDeployed(
                f"{subject} works with a workspace on this machine only, not with"
                f" {self._host or 'the one of a profile'}."
            )

    def _prepare_stand_in(self) -> dict[str, str]:
        self._stand_in.write()
        target = _stack_file(self._stand_in.output, self._stack)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_stack_file(self._registry_output, self._stack), target)
        shutil.copy(self._registry_output / "manifest.json", self._stand_in.output)
        _move_state(self._real_state, self._stand_in_state)
        environment = self._stand_in.environment(self._environment)
        environment |= self._state_arguments(self._stand_in_state)
        done = self._terraform_init(self._stand_in.output, environment)
        if done.returncode:
            raise NotDeployed(f"terraform init failed:\n{done.stdout}{done.stderr}")
        return environment

    def _terraform_init(
        self, output: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        folder = _stack_file(output, self._stack).parent
        return self._terraform(folder, environment, "init", "-input=false", "-no-color")

    @staticmethod
    def _terraform(
        folder: Path, environment: Mapping[str, str], *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *arguments],  # noqa: S607 - the one on PATH
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


@contextlib.contextmanager
def _process_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """This process has the variables, for what it starts inside."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _stack_file(output: Path, stack: str) -> Path:
    return output / "stacks" / stack / "cdk.tf.json"


def _move_state(source: Path, target: Path) -> None:
    """Let the provider that is at work now know what the other one deployed."""
    if _has_resources(source) and not _has_resources(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)


def _has_resources(state: Path) -> bool:
    try:
        return bool(json.loads(state.read_text()).get("resources"))
    except (FileNotFoundError, ValueError):
        return False
