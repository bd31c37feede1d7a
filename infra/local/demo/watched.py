"""The last act: a challenger that answers slowly and wrongly, the alert, the brake, the page."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import tomlkit

from infra.declared.environment import load
from infra.declared.watching import Watch
from infra.local.alerts.alerts import EVALUATION
from infra.local.alerts.condition import TRIGGERED
from infra.local.demo.commands import DemoFailed, console, deploy, run
from infra.local.demo.project import ENVIRONMENT, environment_file
from infra.local.page.session import path_with_key
from infra.progress import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from infra.declared.environment import Environment

PERCENT: Final = 5
MODEL: Final = "slow_classifier"
_LIMIT: Final = "latency_p95_ms"
_FOLDER: Final = Path("slow_model")
_FIRES_IN: Final = 90.0


def monitoring() -> dict[str, Any]:
    """The table `[monitoring]` of the demo's file: what a minute can show, and no more."""
    return {
        "window_minutes": 15,
        "every_minutes": 1,
        "muted_minutes": 0,
        "minimum_requests": 10,
        "limits": {
            _LIMIT: 1000,
            "error_rate": 0.05,
            **dict.fromkeys(("share_deviation", "unlogged", "drift", "input_drift"), False),
            **dict.fromkeys(("waiting", "rollback"), False),
        },
        "guard": {_LIMIT: 1000},
        "notify": [{"user": "oncall@clinic.example"}],
    }


def register() -> None:
    """A new version of the slow model."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    run([sys.executable, "-m", "infra.local.demo.slow_model", str(_FOLDER)])
    command = [sys.executable, "-m", "ml.register", "--from", str(_FOLDER), "--name", MODEL]
    run([*command, "--environment", ENVIRONMENT])


def declare(version: int) -> Environment:
    """Adds it to the arms of the demo's file, as one more challenger."""
    file = environment_file()
    document: Any = tomlkit.parse(file.read_text(encoding="utf-8"))
    arm = tomlkit.table()
    arm.update({"model": MODEL, "version": version, "workload_size": "Small", "traffic": PERCENT})
    document["ab_test"]["challengers"].append(arm.add(tomlkit.nl()))
    file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return load(file)


def deploy_and_stop(client: WorkspaceClient, environment: Environment) -> None:
    """All of it while requests flow: the arm, the views that know it, the alert, the brake."""
    deploy("serving")
    deploy("analysis")
    console.print(f"  The alert: {fired(client, environment)}", markup=False, soft_wrap=True)
    arm = environment.ab_test.challengers[-1].served_entity_name
    command = [sys.executable, "-m", "infra.rollout", "guard", "--stop", "--challenger", arm]
    run([*command, "--why", "answers are slow", "--environment", ENVIRONMENT])


def show_page(client: WorkspaceClient) -> None:
    """Looks whether the page shows the brake, and says where to look."""
    host = str(client.config.host)
    token = str(client.config.token)
    answer = httpx.get(f"{host}/", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    if not answer.is_success or "The brake is on" not in answer.text:
        raise DemoFailed(f"the page at {host}/ does not show the brake ({answer.status_code}).")
    console.print(
        "  The page shows arms, split, requests, the alert and the brake, and draws the "
        f"dashboard, as long as the workspace runs:\n  {host}{path_with_key(token)}",
        markup=False,
        soft_wrap=True,
    )


def fired(client: WorkspaceClient, environment: Environment) -> str:
    """What the alert on slow answers has told. It looks once a minute; here it is asked to."""
    watch = Watch.of(environment)
    titles = {it.name: it.title for it in watch.alerts} if watch else {}
    [alert] = [it for it in client.alerts_v2.list_alerts() if it.display_name == titles.get(_LIMIT)]
    deadline = time.monotonic() + _FIRES_IN
    with progress("  the alert looks"):
        while True:
            looked: Any = client.api_client.do("POST", f"{EVALUATION}/{alert.id}/evaluate")
            if looked["evaluation"]["state"] == TRIGGERED:
                break
            if time.monotonic() > deadline:
                raise DemoFailed(f"{alert.display_name}: did not fire in {_FIRES_IN:.0f} s.")
            time.sleep(1)
    told: Any = client.api_client.do("GET", f"{EVALUATION}/fired")
    [*_, entry] = [it for it in told["fired"] if it["alert_id"] == alert.id]
    return "; ".join((f"{entry['state']}, {entry['summary']} ms", *entry["told"]))
