"""Where Terraform finds the stand-in provider: a mirror in a folder, and a CLI configuration.

Everything is generated under `.local/terraform/`, so nothing with a path of this machine is
committed, and nothing that a run with the real provider uses is touched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.terraform.stand_in import ADDRESS, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_EXECUTABLE = f"terraform-provider-databricks_v{VERSION}"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class NotInstalled(RuntimeError):
    """The stand-in cannot be used; the text names what is missing and the way out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Installation:
    """The stand-in of the repository at `root`."""

    root: Path

    @property
    def folder(self) -> Path:
        """Of everything that is installed."""
        return self.root / ".local" / "terraform"

    @property
    def cli_config(self) -> Path:
        """Terraform's configuration that names the stand-in."""
        return self.folder / "stand-in.tfrc"

    @property
    def output(self) -> Path:
        """Where stacks are deployed from with the stand-in: with their `.terraform` and lock."""
        return self.folder / "stand-in" / "cdktf.out"

    @property
    def terraform_for_cdktf(self) -> Path:
        """Terraform as cdktf-cli is to call it with the stand-in."""
        return self.folder / "terraform-for-cdktf"

    def state(self, stack: str) -> Path:
        """Where the state of a stack is, for environments that keep theirs in a file."""
        return self.output.parent / f"terraform.{stack}.tfstate"

    @property
    def _mirror(self) -> Path:
        return self.folder / "mirror"

    @property
    def program(self) -> Path:
        """What Terraform starts as the provider."""
        return self._mirror / ADDRESS / VERSION / _platform() / _EXECUTABLE

    def write(self) -> None:
        """Write the mirror and the CLI configuration; what is already right is left alone."""
        if importlib.util.find_spec("tf") is None:
            raise NotInstalled(
                f"{sys.executable} has no package `tf`, which the stand-in provider speaks"
                " Terraform's plugin protocol with. Install it with `make set-up`, or with"
                " `uv pip sync requirements.lock`."
            )
        if _write(self.program, self._shim_text(), mode=0o755):
            # The shim's bytes are what lock files pin; they change only when the repository moves.
            for lock in self.output.glob("stacks/*/.terraform.lock.hcl"):
                lock.unlink()
        _write(self.cli_config, self._cli_config_text(), mode=0o644)
        _write(self.terraform_for_cdktf, self._for_cdktf_text(), mode=0o755)

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment in which Terraform uses the stand-in, and only where it is generated.

        Without a plugin cache: a shared one would hand the stand-in to a later run with the real
        provider.
        """
        environment = {
            name: value
            for name, value in inherited.items()
            if name not in {"TF_PLUGIN_CACHE_DIR", "TF_DATA_DIR", "TF_REATTACH_PROVIDERS"}
        }
        return environment | {
            "TF_CLI_CONFIG_FILE": str(self.cli_config),
            "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    def without(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment of a shell in which `install` was not called: with it Terraform would
        take the stand-in for the real provider, and the state would move over."""
        environment = dict(inherited)
        if environment.get("TF_CLI_CONFIG_FILE") == str(self.cli_config):
            del environment["TF_CLI_CONFIG_FILE"]
        return environment

    def shell_variables(self) -> dict[str, str]:
        """With which plain `terraform` and `cdktf` commands use the stand-in."""
        return {
            "TF_CLI_CONFIG_FILE": str(self.cli_config),
            "TERRAFORM_BINARY_NAME": str(self.terraform_for_cdktf),
            "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1",  # a shared one would hand it to others
            "CHECKPOINT_DISABLE": "1",
        }

    @contextlib.contextmanager
    def attached(self, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """One provider process for all Terraform commands inside, instead of several for each.

        Yields `environment` with what makes Terraform use it. `terraform init` has to have run
        before: it does not look at attached providers, and writes no lock for them.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.terraform.stand_in"],
            env={**environment, "PYTHONPATH": str(self.root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            attachment = process.stdout.readline() if process.stdout else ""
            if not attachment:
                raise NotInstalled(
                    f"the stand-in provider does not start (exit code {process.wait()}): install"
                    " the packages again with `make set-up`."
                )
            yield {**environment, "TF_REATTACH_PROVIDERS": attachment.strip()}
        finally:
            process.communicate()  # closes its standard input, which ends it

    def _shim_text(self) -> str:
        """Starts the code where it is, so that a change of it changes no lock.

        An interrupt at the terminal reaches it too, and is Terraform's to answer.
        """
        folder = str(Path(__file__).parent / "stand_in")
        script = f"import sys; sys.path.append({folder!r}); import start; start.main()"
        return (
            "#!/bin/sh\n"
            "trap '' INT\n"
            f"exec {shlex.quote(sys.executable)} -I -S -c {shlex.quote(script)}\n"
        )

    def _for_cdktf_text(self) -> str:
        python, root, states = (
            shlex.quote(str(it)) for it in (sys.executable, self.root, self.output.parent)
        )
        return (
            f"#!/bin/sh\nPYTHONPATH={root} exec {python} -m infra.local.terraform.for_cdktf"
            f' {states} {root} "$@"\n'
        )

    def _cli_config_text(self) -> str:
        mirror = str(self._mirror).replace("\\", "\\\\").replace('"', '\\"')
        return (
            "disable_checkpoint = true\n"
            "provider_installation {\n"
            "  filesystem_mirror {\n"
            f'    path    = "{mirror}"\n'
            f'    include = ["{ADDRESS}"]\n'
            "  }\n"
            "  direct {\n"
            f'    exclude = ["{ADDRESS}"]\n'
            "  }\n"
            "}\n"
        )


def _platform() -> str:
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{_ARCHITECTURES.get(machine, machine)}"


def _write(file: Path, text: str, *, mode: int) -> bool:
    """Whether `file` had to be written. Two runs at once write the same, so each may win."""
    if file.exists() and file.read_text() == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.replace(file)
    return True
