"""Deploys a stack of an environment, with the real provider or, in a closed network, the stand-in.

Synthesis, `terraform init` and then Terraform itself, with its own prompt, output and exit status.
If `terraform init` can reach the registry, the real provider does the work and nothing of ours
stands between. If it cannot and the environment's workspace is on this machine, the stand-in does.
The state moves over when the provider changes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from infra.declared.local_workspace import (
    FOLDER,
    is_on_this_machine,
    pass_by_proxies,
    token_file,
    tokens,
    without_other_workspaces,
)
from infra.declared.platform import HOW_TO_DESTROY
from infra.declared.state import LocalState
from infra.local.terraform.existing import refuse_what_exists
from infra.local.terraform.installation import Installation
from infra.local.terraform.order import refusal
from infra.local.terraform.planned import apply
from infra.local.terraform.refusal import NotDeployed
from infra.local.terraform.stack_folder import StackFolder, has_resources, move_state
from infra.local.terraform.stand_in import VERSION
from infra.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from infra.declared.environment import Environment

CHANGING: Final = ("apply", "destroy")
"""The commands that Terraform asks before."""

_UNREACHABLE = re.compile(
    r"could not connect to|registry service is unreachable|no such host|connection refused"
    r"|i/o timeout|Client\.Timeout|context deadline exceeded|network is unreachable|proxyconnect"
)
_UNREACHABLE_SECONDS = 600.0
"""How long a registry that was not reached is not asked again: a firewall lets us wait for it."""
_ANSWER_SECONDS = 5.0


class Deployment:
    """One stack of an environment, from the repository at `root`.

    `stack` is one of STACKS, `provider` one of "auto", "registry" and "stand-in"; `named` is what
    the environment is called by on the command line.
    """

    def __init__(
        self,
        *,
        root: Path,
        environment: Environment,
        stack: str = "serving",
        provider: str = "auto",
        named: str = "",
    ) -> None:
        self._kind = stack
        self._stack: str = getattr(environment, f"{stack}_stack")
        self._named = named or environment.name
        self._declared = environment
        self._provider = provider
        self._host = environment.workspace.host or os.environ.get("DATABRICKS_HOST") or ""
        self._is_local = bool(self._host) and is_on_this_machine(self._host)
        self._root = root
        self._stand_in = Installation(root=root)
        tools = os.pathsep.join(
            [str(root / "node_modules" / ".bin"), str(root / ".venv" / "bin"), os.environ["PATH"]]
        )
        inherited = self._stand_in.without(os.environ)
        if self._is_local:
            inherited = without_other_workspaces(inherited)
        self._environment = {
            **inherited,
            "PATH": tools,
            "CHECKPOINT_DISABLE": "1",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        }
        if shutil.which("terraform", path=tools) is None:
            raise NotDeployed("terraform is neither in .venv nor on PATH: run make set-up.")

    def run(self, command: str, options: Sequence[str] = (), *, auto_approve: bool = False) -> int:
        """Runs plan, apply, destroy or output; returns Terraform's exit status.

        Raises NotDeployed.
        """
        if command == "destroy":
            self._check_that_it_may_go()
        if command in CHANGING:
            if auto_approve:
                options = [*options, "-auto-approve", "-input=false"]
            elif not sys.stdin.isatty():
                raise NotDeployed(
                    f"{command} asks before it changes anything, and there is no terminal to "
                    f"answer at. See what it would do (python -m infra.local.terraform plan), then "
                    f"say so beforehand: {command} --auto-approve"
                )
        if command == "output":
            with self._opened(sys.stderr) as folder:
                return folder.run(command, *options)
        self._sign_in()
        with self._opened(sys.stdout) as folder:
            if command == "apply" and self._kind == "platform":
                with _process_environment(self._environment):
                    refuse_what_exists(
                        self._declared, folder, needs_install=self._is_stand_ins(folder)
                    )
            with self._attached(folder) as attached:
                if command == "apply":
                    return apply(self._declared, attached, auto_approve=auto_approve)
                return attached.run(command, *options)

    def has_resources(self) -> bool:
        """Whether anything of the stack is deployed. Raises NotDeployed."""
        if self._states_are_files:
            return has_resources(self._registry.state) or has_resources(self._closed.state)
        with self._opened(sys.stderr) as folder:
            listed = folder.ask("state", "list")
        if listed.returncode:
            raise NotDeployed(f"terraform state list failed:\n{listed.stdout}{listed.stderr}")
        return any(not it.startswith("data.") for it in listed.stdout.splitlines())

    def _check_that_it_may_go(self) -> None:
        if self._kind == "platform" and self._declared.protected:
            raise NotDeployed(HOW_TO_DESTROY.format(name=self._declared.name))
        refused = refusal(
            self._kind,
            self._declared.name,
            is_deployed=lambda stack: Deployment(
                root=self._root,
                environment=self._declared,
                stack=stack,
                provider=self._provider,
            ).has_resources(),
            command=lambda stack: (
                f"python -m infra.local.terraform destroy --environment {self._named}"
                f" --stack {stack}"
            ),
        )
        if refused:
            raise NotDeployed(refused)

    def _sign_in(self) -> None:
        if self._is_local:
            pass_by_proxies(self._environment)
            self._environment["DATABRICKS_HOST"] = self._host
            self._environment["DATABRICKS_TOKEN"] = self._token()

    @contextlib.contextmanager
    def _opened(self, said: object) -> Iterator[StackFolder]:
        """The stack's folder, ready for Terraform. Which provider is at work goes to `said`."""
        self._synthesize()
        if self._is_real_provider_ready():
            provider = f"databricks/databricks {VERSION} from the registry."
            folder = self._registry
        else:
            provider = (
                f"the stand-in for databricks/databricks {VERSION}, with the local workspace at "
                f"{self._host} only."
            )
            folder = self._prepare_stand_in()
        print(f"Provider: {provider}", file=said, flush=True)  # type: ignore[call-overload]
        yield folder

    @contextlib.contextmanager
    def _attached(self, folder: StackFolder) -> Iterator[StackFolder]:
        """The folder with a stand-in that is started once for all that happens inside."""
        if not self._is_stand_ins(folder):
            yield folder
            return
        with self._stand_in.attached(folder.environment) as environment:
            yield dataclasses.replace(folder, environment=environment)

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
            with progress(f"Asking the workspace at {self._host}"):
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
        from infra.local.terraform import synthesis

        folder = self._registry
        if synthesis.is_current(self._declared, folder.file):
            return
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder.path).close()
        except OSError as problem:
            raise NotDeployed(
                f"{problem.filename or folder.path}: {problem.strerror}: what Terraform works with "
                "is kept there. Make it writable."
            ) from problem
        try:
            with (
                progress(f"Synthesizing {self._stack}"),
                _process_environment(self._environment),  # it starts Node.js
            ):
                synthesis.synthesize(self._kind, self._declared, folder.output)
        except Exception as problem:
            raise NotDeployed(f"The stack could not be synthesized:\n{problem}") from problem
        synthesis.note(self._declared, folder.file)

    @property
    def _registry(self) -> StackFolder:
        """For the real provider; its state is where a plain `cdktf deploy` keeps it too."""
        return StackFolder(
            output=self._stand_in.folder / "registry" / "cdktf.out",
            stack=self._stack,
            state=self._root / f"terraform.{self._stack}.tfstate",
            backend=self._declared.backend,
            environment=self._environment,
        )

    @property
    def _closed(self) -> StackFolder:
        """For the stand-in."""
        return StackFolder(
            output=self._stand_in.output,
            stack=self._stack,
            state=self._stand_in.state(self._stack),
            backend=self._declared.backend,
            environment=self._stand_in.environment(self._environment),
        )

    def _is_stand_ins(self, folder: StackFolder) -> bool:
        return folder.output == self._stand_in.output

    @property
    def _states_are_files(self) -> bool:
        return isinstance(self._declared.backend, LocalState)

    def _is_real_provider_ready(self) -> bool:
        """Whether `terraform init` finds the real provider. Other failures of it are final."""
        if self._provider == "stand-in":
            self._check_is_local("The stand-in provider")
            return False
        folder = self._registry
        may_stand_in = self._is_local and self._provider == "auto"
        if may_stand_in and folder.was_unreachable(seconds=_UNREACHABLE_SECONDS):
            return False
        with progress("Asking the registry for the provider"):
            done = folder.init(TF_REGISTRY_DISCOVERY_RETRY="0", TF_REGISTRY_CLIENT_TIMEOUT="5")
        if done is None or done.returncode == 0:
            if self._is_local:
                move_state(self._closed.state, folder.state)
            return True
        text = done.stdout + done.stderr
        if self._provider == "registry" or not _UNREACHABLE.search(text):
            raise NotDeployed(f"terraform init failed:\n{text}")
        self._check_is_local("The registry of providers cannot be reached, and the stand-in")
        folder.note_unreachable()
        return False

    def _check_is_local(self, subject: str) -> None:
        if not self._is_local:
            raise NotDeployed(
                f"{subject} works with a workspace on this machine only, not with"
                f" {self._host or 'the one of a profile'}."
            )

    def _prepare_stand_in(self) -> StackFolder:
        self._stand_in.write()
        folder = self._closed
        folder.path.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._registry.file, folder.file)
        move_state(self._registry.state, folder.state)
        with progress("terraform init"):
            done = folder.init()
        if done and done.returncode:
            raise NotDeployed(f"terraform init failed:\n{done.stdout}{done.stderr}")
        return folder


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
