"""Real Terraform against the local workspace: a process on loopback, its data in a folder."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

ROOT = Path(__file__).resolve().parents[2]
_TOOLS = os.pathsep.join(
    [str(ROOT / ".venv" / "bin"), str(ROOT / "node_modules" / ".bin"), os.environ["PATH"]]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workspace:
    """A running local workspace."""

    host: str
    token: str
    client: httpx.Client

    def get(self, path: str, **query: str) -> Any:
        response = self.client.get(path, params=query)
        response.raise_for_status()
        return response.json()

    def exists(self, path: str, **query: str) -> bool:
        return self.client.get(path, params=query).is_success

    def sql(self, statement: str, warehouse: str) -> list[list[str | None]]:
        answer = self.client.post(
            "/api/2.0/sql/statements",
            json={"statement": statement, "warehouse_id": warehouse},
        ).json()
        assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
        rows: list[list[str | None]] = answer["result"].get("data_array", [])
        return rows


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow registry without models: its tables take seconds to create, a copy takes none."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    file = tmp_path_factory.mktemp("registry") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{file}").engine.dispose()
    return file


@pytest.fixture
def workspace(tmp_path: Path, empty_registry: Path) -> Iterator[Workspace]:
    import httpx

    data = tmp_path / "workspace"
    registry = shutil.copy(empty_registry, tmp_path / "mlflow.db")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "infra.local"),
            *("--data", str(data), "--port", "0", "--registry", f"sqlite:///{registry}"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        host = None
        while host is None:
            line = process.stdout.readline() if process.stdout else ""
            assert line, f"the local workspace ended with status {process.wait()}"
            match = re.search(r"host +(http://\S+)", line)
            host = match[1] if match else None
        token = (data / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=host, headers=headers, timeout=60) as client:
            yield Workspace(host=host, token=token, client=client)
    finally:
        process.terminate()
        process.communicate(timeout=120)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stack:
    """A synthesized stack and Terraform in its folder."""

    folder: Path
    environment: dict[str, str]

    def apply(self, *, check: bool = True) -> str:
        return self._terraform("apply", "-auto-approve", check=check)

    def destroy(self, *, check: bool = True) -> str:
        return self._terraform("destroy", "-auto-approve", check=check)

    def changes(self) -> list[str]:
        """What the next apply would do, as `address: actions`; nothing where all is as declared."""
        self._terraform("plan", "-out=plan")
        plan = json.loads(self._run("show", "-json", "plan").stdout)
        return [
            f"{it['address']}: {'+'.join(it['change']['actions'])}"
            for it in plan.get("resource_changes", ())
            if it["change"]["actions"] not in (["no-op"], ["read"])
        ]

    def output(self, name: str) -> str:
        value: str = json.loads(self._run("output", "-json", name).stdout)
        return value

    def _terraform(self, *arguments: str, check: bool = True) -> str:
        done = self._run(*arguments, "-input=false", "-no-color")
        # Terraform breaks lines where its frame ends.
        text = re.sub(r"\s+", " ", re.sub(r"[│╷╵]", " ", done.stdout + done.stderr))
        if check and done.returncode:
            pytest.fail(f"terraform {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return text

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="session")
def terraform_environment() -> dict[str, str]:
    """Terraform with the stand-in provider, and nothing of whoever runs the tests."""
    from infra.local.terraform.installation import Installation, NotInstalled

    if shutil.which("terraform", path=_TOOLS) is None:
        pytest.skip("terraform is not on PATH")
    installation = Installation(root=ROOT)
    try:
        installation.write()
    except NotInstalled as problem:
        pytest.skip(str(problem))
    inherited = {name: value for name, value in os.environ.items() if name[:3] != "TF_"}
    return {**installation.environment(inherited), "PATH": _TOOLS}


@pytest.fixture
def synthesize(
    workspace: Workspace, terraform_environment: dict[str, str], tmp_path: Path
) -> Callable[..., dict[str, Stack]]:
    """The three stacks of `local` on this workspace, by the first word of their names.

    `add` goes to the end of the environment file; replacements are made in it before.
    """
    environment = {**terraform_environment, "DATABRICKS_TOKEN": workspace.token}

    def synthesize(*replacements: tuple[str, str], add: str = "") -> dict[str, Stack]:
        import cdktf

        from infra.declared.environment import load
        from infra.stacks import AnalysisStack, PlatformStack, ServingStack

        text = (ROOT / "infra/environments/local.toml").read_text(encoding="utf-8")
        for old, new in (("http://127.0.0.1:8180", workspace.host), *replacements):
            assert old in text, f"local.toml has no {old!r} to replace"
            text = text.replace(old, new, 1)
        file = tmp_path / "local.toml"
        file.write_text(text + add, encoding="utf-8")
        output = tmp_path / "cdktf.out"
        output.mkdir(exist_ok=True)
        app = cdktf.App(outdir=str(output))
        for stack in (PlatformStack, ServingStack, AnalysisStack):
            stack(app, load(file))
        app.synth()
        stacks = {}
        for kind in ("platform", "serving", "analysis"):
            folder = output / "stacks" / f"{kind}-local"
            stacks[kind] = Stack(folder=folder, environment=environment)
            stacks[kind]._terraform("init")
        return stacks

    return synthesize
