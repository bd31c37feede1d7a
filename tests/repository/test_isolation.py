"""What a developer has set changes no test: for git, Databricks, MLflow, AWS, a proxy, Ctrl-C.

The tests of `TestHere` and a few others of this suite are run as a process where all of it is set.
"""

from __future__ import annotations

import http.server
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]
OTHERS = ("tests/infra/rollout/test_history.py", "tests/ml/prediction/test_endpoint.py")

GIT_CONFIG = """\
[commit]
gpgSign = true
[gpg]
program = false
[core]
hooksPath = {hooks}
[init]
defaultBranch = odd
[user]
useConfigOnly = true
"""
DATABRICKS_CONFIG = """\
[DEFAULT]
token = a-developers
"""
NOBODY = "http://127.0.0.1:9"
LEADS_ELSEWHERE = re.compile("(AWS|DATABRICKS|GIT|MLFLOW)_.*|.*_proxy", re.IGNORECASE)
AT_THE_START = {name: it for name, it in os.environ.items() if LEADS_ELSEWHERE.fullmatch(name)}
"""When tests are collected; none has run."""


class TestHere:
    def test_a_commit_is_made_by_nobodys_rules(self, tmp_path: Path) -> None:
        def git(*arguments: str) -> str:
            return subprocess.run(
                ["git", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
            ).stdout

        git("init", "--quiet")
        git("commit", "--quiet", "--allow-empty", "-m", "First")

        assert git("branch", "--show-current").strip() in {"main", "master"}  # git's own default
        assert git("log", "--format=%s %an").strip() == "First Tests"

    def test_a_process_hears_ctrl_c(self) -> None:
        waits = "import time\nprint('ready', flush=True)\ntime.sleep(600)"
        with subprocess.Popen(
            [sys.executable, "-c", waits], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                process.send_signal(signal.SIGINT)

                assert process.wait(60) == -signal.SIGINT
            finally:
                process.kill()

    def test_a_server_of_this_machine_is_reached_without_a_proxy(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.handle_request, daemon=True)
            thread.start()
            with urlopen(f"http://127.0.0.1:{server.server_port}", timeout=60) as answer:
                assert answer.status == 204
            thread.join()

    def test_the_sdk_finds_no_credentials(self) -> None:
        from databricks.sdk.core import Config

        with pytest.raises(ValueError, match="cannot configure default credentials") as refused:
            Config()
        assert "token" not in str(refused.value)

    def test_no_variable_of_the_developer_is_left(self) -> None:
        assert {
            "DATABRICKS_CONFIG_FILE": os.devnull,
            "GIT_AUTHOR_EMAIL": "tests@example.com",
            "GIT_AUTHOR_NAME": "Tests",
            "GIT_COMMITTER_EMAIL": "tests@example.com",
            "GIT_COMMITTER_NAME": "Tests",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        } == AT_THE_START


@pytest.mark.programs
def test_what_a_developer_has_set_changes_no_test(tmp_path: Path) -> None:
    home, hooks = tmp_path / "home", tmp_path / "home" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("pre-commit", "commit-msg"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    (home / ".gitconfig").write_text(GIT_CONFIG.format(hooks=hooks))
    (home / ".databrickscfg").write_text(DATABRICKS_CONFIG)
    not_isolated = {name: it for name, it in os.environ.items() if not name.startswith("GIT_")}
    not_isolated.pop("DATABRICKS_CONFIG_FILE", None)

    done = subprocess.run(
        [
            *("sh", "-c", 'trap "" INT; exec "$@"', "sh"),
            *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
            *("--basetemp", str(tmp_path / "basetemp"), f"{__file__}::TestHere", *OTHERS),
        ],
        cwd=ROOT,
        env={
            **not_isolated,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "GIT_DIR": str(home),
            "GIT_AUTHOR_NAME": "Somebody",
            "DATABRICKS_HOST": "https://dbc-2.cloud.databricks.com",
            "DATABRICKS_CLIENT_ID": "a-developers",
            "DATABRICKS_CONFIG_PROFILE": "theirs",
            "MLFLOW_TRACKING_URI": NOBODY,
            "MLFLOW_REGISTRY_URI": "databricks-uc",
            "AWS_PROFILE": "theirs",
            **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"), NOBODY),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed in", done.stdout, re.MULTILINE), done.stdout
