"""`make demo`: the whole road on one machine, through the same commands that a user would type.

In a project of its own (`infra.local.demo.project`): what is local stays as it is.

Workspace, platform, ingestion, training, the endpoint, real X-rays to it, its payload table by SQL,
the views of the analysis, readings through the feedback endpoint, a change of the traffic
split while requests keep flowing, a promotion by the decision of a replay, and a challenger that
has to step back.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import tomlkit
from databricks.sdk import WorkspaceClient

from infra.declared.environment import Environment, load
from infra.declared.local_workspace import forget_other_workspaces, token_file
from infra.local.demo import experiment, readers, requests, watched
from infra.local.demo.commands import (
    DEPLOY,
    DemoFailed,
    console,
    deploy,
    deploy_by_cdktf,
    run,
    run_together,
    step,
)
from infra.local.demo.logged_requests import Book
from infra.local.demo.project import (
    ENVIRONMENT,
    FOLDER,
    HOST,
    ROOT,
    environment_file,
    prepare,
)
from infra.local.demo.project import environment as demos_environment
from infra.progress import progress
from ml.contract.arms import KERAS, PYTORCH
from ml.contract.errors import UserError
from ml.contract.help_text import Paragraphs
from ml.contract.serving import FEEDBACK_MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILMS = 200
SHIFTED_TRAFFIC = 10
_TRAINING = {arm.model: arm.command for arm in (KERAS, PYTORCH)}
_WORKSPACE_STARTS_IN = 60.0


def main() -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.local.demo", description=__doc__, formatter_class=Paragraphs
    )
    parser.add_argument(
        "--films",
        type=int,
        default=FILMS,
        metavar="N",
        help="X-rays to send (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="of the training; default: those of the recipe"
    )
    arguments = parser.parse_args()
    forget_other_workspaces()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Its workspace, which nobody would find to stop it, ends with it.
        signal.signal(number, signal.default_int_handler)
    started = time.monotonic()
    try:
        prepare(ROOT / FOLDER)
        os.chdir(ROOT / FOLDER)
        with _workspace() as client:
            _demonstrate(client, films=arguments.films, epochs=arguments.epochs)
    except (DemoFailed, UserError) as failure:
        console.print("The demo stopped:", style="red", end=" ")
        console.print(str(failure), highlight=False, markup=False)
        return 1
    except OSError as problem:
        console.print(f"The demo stopped: {problem}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted; what was trained and deployed stays.")
        return 130
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    return 0


def _demonstrate(client: WorkspaceClient, *, films: int, epochs: int | None) -> None:
    environment = _declare()
    step("cdktf synth")
    run(["cdktf", "synth"])

    step(f"Deploy {environment.platform_stack}: python -m {DEPLOY} apply")
    deploy("platform")

    step("Ingest the bundled X-rays (only those that are not there yet)")
    _ingest()

    step("Train and register both arms (skipped when this data and code already gave a version)")
    _train(epochs)
    versions = {
        model: _newest_version(client, environment.full_model_name(model)) for model in _TRAINING
    }
    step("Register the model that takes readers' verdicts")
    readers.register()
    versions[FEEDBACK_MODEL] = _newest_version(client, environment.full_model_name(FEEDBACK_MODEL))
    readers.keep_token(client, environment)

    environment = _declare(versions)
    run([sys.executable, "-m", "ml.arms", "--environment", ENVIRONMENT])

    step(f"Deploy {environment.serving_stack}")
    deploy("serving")

    step("Declare both experiments, before the first X-ray is sent")
    experiment.declare(environment, versions, since=datetime.now(UTC))

    step(f"Send {films} X-rays to {environment.ab_test.endpoint}")
    with requests.connect(client, environment.ab_test.endpoint) as asked:
        answers = requests.ask_all(asked, films)
    requests.show_answers(answers)

    step("The payload table, by Databricks SQL")
    book = Book(client, environment)
    book.show_payload(answers)

    step(f"cdktf deploy {environment.analysis_stack}, whose views need that table")
    deploy_by_cdktf("analysis")
    book.show_traffic()

    step(
        f"Verdicts of simulated readers ({readers.ERROR_RATE:.0%} wrong), by the feedback endpoint"
    )
    readers.read(answers)
    book.show_outcomes()

    step("Which arm is better, by these verdicts")
    experiment.judge()

    step(f"Shift the traffic to {100 - SHIFTED_TRAFFIC}/{SHIFTED_TRAFFIC} under load")
    _declare(versions, traffic=SHIFTED_TRAFFIC)
    with requests.connect(client, environment.ab_test.endpoint) as asked:
        during = requests.under_load(asked, films, lambda: deploy("serving"))
        after = requests.ask_all(asked, films)
    console.print(f"  {len(during)} requests during the deployment, 0 failed")
    requests.show_answers(after)
    experiment.record_split()

    step("Both arms on all validation films, and what that allows")
    experiment.replay()
    if experiment.promote():
        deploy("serving")
        experiment.record_split()
    experiment.status()

    step("Register a challenger that answers slowly and wrongly")
    watched.register()
    version = _newest_version(client, environment.full_model_name(watched.MODEL))
    environment = watched.declare(version)

    step(f"Deploy it at {watched.PERCENT} % under load, until an alert fires, and stop it")
    with requests.connect(client, environment.ab_test.endpoint) as asked:
        during = requests.under_load(
            asked, films, lambda: watched.deploy_and_stop(client, environment)
        )
        after = requests.ask_all(asked, films)
    console.print(f"  {len(during)} requests until then, 0 failed; and {len(after)} behind it:")
    requests.show_answers(during)
    requests.show_answers(after)
    experiment.record_split()
    watched.show_page(client)
    _show_how_to_go_on(environment)


@contextlib.contextmanager
def _workspace() -> Iterator[WorkspaceClient]:
    """A client of the running local workspace; one that was not running ends with the demo."""
    host = HOST
    step(f"The demo's workspace at {host}; all that is the demo's: {FOLDER}")
    with contextlib.ExitStack() as stack:
        if _answers(host):
            console.print("  it runs already")
        else:
            port = str(httpx.URL(host).port)
            command = [sys.executable, "-m", "infra.local", "--port", port]
            server = subprocess.Popen(command, start_new_session=True)
            # Not Popen's own end, which waits for a quarter of a second alone after Ctrl-C: a demo
            # that is started again would find a workspace that is about to end.
            stack.callback(server.wait)
            stack.callback(server.terminate)
            with progress("  the workspace starts"):
                _wait_for(host, server)
        token = token_file().read_text().strip()
        os.environ["DATABRICKS_TOKEN"] = token  # the commands that follow find it here
        os.environ["DATABRICKS_HOST"] = host
        yield WorkspaceClient(host=host, token=token, auth_type="pat")


def _answers(host: str) -> bool:
    try:
        return httpx.get(f"{host}/health", timeout=2).is_success
    except httpx.TransportError:
        return False


def _wait_for(host: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _WORKSPACE_STARTS_IN
    while not _answers(host):
        if server.poll() is not None:
            raise DemoFailed("the local workspace did not start; its output above says why.")
        if time.monotonic() > deadline:
            raise DemoFailed(f"the local workspace did not answer in {_WORKSPACE_STARTS_IN:.0f} s.")
        time.sleep(0.1)


def _ingest() -> None:
    # A film that is in the bundled file twice is ingested once; that is as it should be.
    command = [sys.executable, "-m", "ml.ingest", "--environment", ENVIRONMENT]
    run([*command, "--accept", "duplicate"], "See above; the same command again goes on.")


def _train(epochs: int | None) -> None:
    """Both arms at the same time: each leaves half of two processors idle."""
    options = ["--environment", ENVIRONMENT, "--data", ENVIRONMENT, "--skip-if-registered"]
    if epochs is not None:
        options += ["--epochs", str(epochs)]
    keras, torch = ([sys.executable, "-m", module, *options] for module in _TRAINING.values())
    run_together(keras, torch)


def _newest_version(client: WorkspaceClient, name: str) -> int:
    """The version to serve: the newest that is READY."""
    ready = [
        version.version or 0
        for version in client.model_versions.list(name)
        if version.status is not None and version.status.value == "READY"
    ]
    if not ready:
        raise DemoFailed(f"{name} has no READY version in the workspace's registry.")
    return max(ready)


def _declare(versions: Mapping[str, int] | None = None, traffic: int | None = None) -> Environment:
    """Writes the demo's environment file, with these versions and this traffic."""
    document = demos_environment()
    document["monitoring"] = watched.monitoring()
    test = document["ab_test"]
    if versions:
        for arm in (test["champion"], *test["challengers"]):
            arm["version"] = versions[arm["model"]]
        document["feedback"] = readers.endpoint(versions[FEEDBACK_MODEL])
    if traffic is not None:
        test["challengers"][0]["traffic"] = traffic
    file = environment_file()
    file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return load(file)


def _show_how_to_go_on(environment: Environment) -> None:
    step("Go on")
    console.print(
        f"""  Workspace, registry, state, environment and experiments of the demo are in {FOLDER}.
  README's commands, on the environment local, start from nothing and leave it alone.
  To look into it, and to go on with it:
  source ./activate                   once a shell: python and cdktf on PATH
  cd {FOLDER}
  python -m infra.local --port {httpx.URL(HOST).port}        its workspace, in another terminal
  edit {environment_file()}
  python -m {DEPLOY} apply --environment {ENVIRONMENT}
  python -m infra.rollout status --environment {ENVIRONMENT}
  python -m ml.compare pneumonia_ab --environment {ENVIRONMENT}
  python -m ml.reading_room --environment {ENVIRONMENT}
  cdktf diff {environment.serving_stack}
  In a closed network cdktf needs before: eval "$(python -m {DEPLOY} install)"
  The same for a real workspace: infra/environments/dev.toml, then cdktf deploy serving-dev""",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
