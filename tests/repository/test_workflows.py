"""The workflows for GitHub: pinned, with the least rights, and in step with the commands."""

import os
import re
import runpy
import shlex
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.declared.environment import available, load
from infra.declared.state import LocalState
from infra.rollout.__main__ import parser

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FILES = [*WORKFLOWS, *sorted((GITHUB / "actions").glob("*/action.yml"))]
JOBS = [
    pytest.param(job, id=f"{file.stem}.{name}")
    for file in WORKFLOWS
    for name, job in yaml.safe_load(file.read_text())["jobs"].items()
]


def steps(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "steps":
                yield from value
            else:
                yield from steps(value)


def by_name(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def test_there_is_a_plan_an_apply_a_proposal_and_a_test() -> None:
    assert [file.stem for file in WORKFLOWS] == ["apply", "guard", "plan", "propose", "test"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name + "/" + file.name)
def test_every_action_is_pinned_by_the_digest_of_a_named_release(file: Path) -> None:
    lines = re.findall(r"^\s*(?:- )?uses: (.*)$", file.read_text(), re.MULTILINE)

    assert lines
    for line in lines:
        if not line.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+(, .*)?", line), line


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name + "/" + file.name)
def test_one_action_has_one_digest(file: Path) -> None:
    pins = {use for it in FILES for use in re.findall(r"uses: ([\w/-]+@\S+)", it.read_text())}
    actions = [pin.partition("@")[0] for pin in pins]

    assert len(actions) == len(set(actions))


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_by_itself_may_do_nothing(file: Path) -> None:
    assert by_name(file)["permissions"] == {}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_runs_code_of_the_repository_can_not_write_to_it(job: Any) -> None:
    checks_out = any("actions/checkout" in step.get("uses", "") for step in job["steps"])
    writes = {right for right, level in job["permissions"].items() if level == "write"}

    assert writes <= ({"id-token"} if checks_out else {"contents", "pull-requests"})
    assert set(job["permissions"]) <= {"contents", "id-token", "pull-requests"}


@pytest.mark.parametrize("job", JOBS)
def test_the_checkout_leaves_no_token_behind(job: Any) -> None:
    for step in job["steps"]:
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name + "/" + file.name)
def test_there_is_no_secret_to_tell(file: Path) -> None:
    text = file.read_text()

    assert "secrets." not in text
    assert not re.search(r"TOKEN: (?!\$\{\{ github\.token \}\})", text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name + "/" + file.name)
def test_no_command_is_put_together_from_what_others_write(file: Path) -> None:
    """An expression in a script is code; in `env` it is a value."""
    for step in steps(by_name(file)):
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("job", JOBS)
def test_every_job_ends(job: Any) -> None:
    assert job["timeout-minutes"] <= 120


def test_a_change_from_a_fork_gets_no_identity() -> None:
    condition = by_name(GITHUB / "workflows" / "plan.yml")["jobs"]["plan"]["if"]

    assert "head.repo.full_name == github.repository" in condition
    assert "pull_request_target" not in (GITHUB / "workflows" / "plan.yml").read_text()


def test_nothing_is_applied_before_the_reviewers_of_the_environment() -> None:
    for file in WORKFLOWS:
        for job in by_name(file)["jobs"].values():
            script = "\n".join(step.get("run", "") for step in job["steps"])
            if "terraform" in script and " apply " in script:
                assert job["environment"] == "${{ matrix.environment }}"
                assert job["needs"] == "plan"
                assert "reviewed.tfplan" in script
            elif "environment" in job:
                assert job["environment"] == "${{ matrix.environment }}-plan"


def test_no_plan_is_kept_or_applied_before_it_is_checked_that_no_table_is_erased() -> None:
    """After `terraform init`, without which the check could not read the state."""
    for name, guarded in (("plan", "upload-artifact"), ("apply", "apply -input=false")):
        steps = by_name(GITHUB / "workflows" / "apply.yml")["jobs"][name]["steps"]
        texts = [step.get("run", step.get("uses", "")) for step in steps]

        def first(text: str, texts: list[str] = texts) -> int:
            return next(index for index, it in enumerate(texts) if text in it)

        checked = first('infra.rollout check --environment "$ENVIRONMENT" --stack platform')
        assert first(" init ") < checked < first(guarded)


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_a_change_is_not_verified_by_its_own_code(name: str) -> None:
    jobs = by_name(GITHUB / "workflows" / f"{name}.yml")["jobs"]
    calls = {
        job: "\n".join(step.get("run", "") for step in content["steps"])
        for job, content in jobs.items()
    }
    base, change = (
        step["with"] for step in jobs["verify"]["steps"] if "checkout" in step.get("uses", "")
    )
    revision = {"plan": "pull_request.base.sha", "apply": "before"}[name]

    assert [job for job, script in calls.items() if "infra.rollout verify" in script] == ["verify"]
    assert base["ref"] == f"${{{{ github.event.{revision} }}}}" == jobs["verify"]["env"]["BASE"]
    assert "path" not in base  # the code that runs
    assert "ref" not in change
    assert (
        f'--environment "{change["path"]}/infra/environments/$ENVIRONMENT.toml"'
        in (calls["verify"])
    )


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_every_plan_meets_the_policy_with_the_provider_of_the_lock_file(name: str) -> None:
    jobs = by_name(GITHUB / "workflows" / f"{name}.yml")["jobs"]
    scripts = {
        job: "\n".join(step.get("run", "") for step in content["steps"])
        for job, content in jobs.items()
    }

    for script in scripts.values():
        assert script.count(" init ") == script.count("-lockfile=readonly")
        assert script.count(" plan -input") == script.count("infra.rollout policy")
    plan = scripts["plan"]
    assert plan.index(" show -json") < plan.index("infra.rollout policy")
    if name == "apply":
        assert jobs["plan"]["needs"] == "verify"
        uses = [step.get("uses", step.get("run", "")) for step in jobs["plan"]["steps"]]
        policy = next(index for index, it in enumerate(uses) if "rollout policy" in it)
        assert policy < next(index for index, it in enumerate(uses) if "upload-artifact" in it)


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_a_missing_lock_file_is_said_in_one_line_before_anything_is_done(
    name: str, tmp_path: Path
) -> None:
    steps = by_name(GITHUB / "workflows" / f"{name}.yml")["jobs"]["plan"]["steps"]
    (script,) = (it["run"] for it in steps if it.get("name") == "Plan")

    ended = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 1
    (said,) = (ended.stdout + ended.stderr).splitlines()
    assert "make provider-lock" in said


GITHUBS_LIMIT = 65_536


def test_the_comment_fits_into_githubs_limit_whatever_is_planned(tmp_path: Path) -> None:
    workflow = by_name(GITHUB / "workflows" / "plan.yml")["jobs"]
    text = "ä plan with a fence ````\n" * 40_000

    for environment in ("pilot", "prod"):
        for part, (job, name) in enumerate(
            (("verify", "Write its part of the comment"), ("plan", "Write the comment")), start=1
        ):
            folder = tmp_path / f"{environment}-{part}"
            (folder / "report").mkdir(parents=True)
            (folder / "verified.txt").write_text(text)
            plans = (f"platform-{environment}", f"serving-{environment}")
            for file in (*plans, "diff", "policy", "check"):
                (folder / "report" / f"{file}.txt").write_text(text)
            (step,) = (it for it in workflow[job]["steps"] if it.get("name") == name)
            _run(step, folder, ENVIRONMENT=environment, GITHUB_STEP_SUMMARY="summary")
            part_file = folder / ("comment.md" if part == 1 else "report/comment.md")
            target = tmp_path / "comments" / f"comment-{environment}-{part}" / "comment.md"
            target.parent.mkdir(parents=True)
            target.write_bytes(part_file.read_bytes())
    (step,) = workflow["comment"]["steps"][1:]
    gh = tmp_path / "gh"
    gh.write_text("#!/bin/sh\nexit 0\n")
    gh.chmod(0o755)
    _run(step, tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}", NUMBER="1")

    comment = (tmp_path / "comment.md").read_text()
    assert len(comment) <= GITHUBS_LIMIT
    assert comment.count("````") % 2 == 0  # nothing ends in the middle of a block
    assert [it for it in comment.splitlines() if it.startswith("## ")] == ["## pilot", "## prod"]
    assert comment.count("cut here") == 10
    assert comment.count("not reached") == 2  # the status, which was not there


class TestTheProposal:
    """`open` of propose.yml, with a `gh` that notes what it is asked."""

    @pytest.fixture
    def asked(self, tmp_path: Path) -> Any:
        gh = tmp_path / "bin" / "gh"
        gh.parent.mkdir()
        gh.write_text(
            "#!/usr/bin/env bash\n"
            'printf "%s\\n" "$*" >> asked\n'
            'case "$*" in\n'
            "  *contents/*) cat branch.toml 2> /dev/null ;;\n"
            "  *git/refs/heads/*) [ -f branch.toml ] ;;\n"
            "  'pr list'*) cat open 2> /dev/null || true ;;\n"
            "  *commits/propose/*) cat message ;;\n"
            '  *--jq*) basename "$2" ;;\n'  # blobs, trees, commits: as if they were digests
            "esac\n"
        )
        gh.chmod(0o755)

        def ask() -> str:
            (step,) = by_name(GITHUB / "workflows" / "propose.yml")["jobs"]["open"]["steps"][1:]
            path = f"{gh.parent}:{os.environ['PATH']}"
            _run(step, tmp_path, PATH=path, GH_REPO="team/project")
            file = tmp_path / "asked"
            return file.read_text() if file.exists() else ""

        return ask

    @pytest.fixture
    def proposed(self, tmp_path: Path) -> Path:
        folder = tmp_path / "proposals" / "proposal-pilot"
        folder.mkdir(parents=True)
        (folder / "report.md").write_text("ä figure\n" * 20_000)
        (folder / "environment.toml").write_text("version = 3\n")
        (folder / "base").write_text("c0ffee\n")
        return folder

    def test_nothing_is_opened_where_nothing_is_proposed(self, asked: Any) -> None:
        assert asked() == ""

    @pytest.mark.usefixtures("proposed")
    def test_one_commit_on_the_weighed_base_changes_the_one_file(
        self, asked: Any, tmp_path: Path
    ) -> None:
        calls = asked()

        assert "base_tree=c0ffee -f tree[][path]=infra/environments/pilot.toml" in calls
        assert "tree[][sha]=blobs" in calls
        assert "-f tree=trees -f parents[]=c0ffee" in calls
        assert "git/refs -f ref=refs/heads/propose/pilot -f sha=commits" in calls
        assert "pr create --base main --head propose/pilot" in calls
        assert "prod" not in calls
        body = (tmp_path / "body.txt").read_text(encoding="utf-8")
        assert len(body) <= GITHUBS_LIMIT
        assert body.endswith("and `plan` runs.\n")

    @pytest.mark.usefixtures("proposed")
    def test_an_open_one_is_brought_up_to_date(self, asked: Any, tmp_path: Path) -> None:
        (tmp_path / "branch.toml").write_text("version = 2\n")
        (tmp_path / "open").write_text("7\n")
        (tmp_path / "message").write_text("Serve newer versions in pilot\n")

        calls = asked()

        assert "refs/heads/propose/pilot -f sha=commits -F force=true" in calls
        assert "pr edit 7 --body-file body.txt" in calls
        assert "pr create" not in calls

    @pytest.mark.usefixtures("proposed")
    def test_an_open_one_that_people_have_changed_is_left_to_them(
        self, asked: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "branch.toml").write_text("version = 2\n")
        (tmp_path / "open").write_text("7\n")
        (tmp_path / "message").write_text("Not the champion\n")

        calls = asked()

        assert "sha=commits" not in calls
        assert "pr edit" not in calls

    @pytest.mark.usefixtures("proposed")
    def test_the_same_one_is_left_alone_with_its_reviews(self, asked: Any, tmp_path: Path) -> None:
        (tmp_path / "branch.toml").write_text("version = 3\n")

        calls = asked()

        assert len(calls.splitlines()) == 1
        assert "contents/infra/environments/pilot.toml?ref=propose/pilot" in calls


class TestTheGuard:
    """`look` and `open` of guard.yml, with a `python` and a `gh` that note what they are asked."""

    FILE = "infra/environments/pilot.toml"
    EVIDENCE = "infra/environments/decisions/pilot/torch-2-0-20260302T120000Z.json"

    @pytest.fixture
    def program(self, tmp_path: Path) -> Any:
        """Writes a program of that name in front of the others."""
        (folder := tmp_path / "bin").mkdir()

        def write(name: str, script: str) -> None:
            file = folder / name
            file.write_text(f"#!/usr/bin/env bash\n{script}")
            file.chmod(0o755)

        return write

    @pytest.fixture
    def looked(self, tmp_path: Path, program: Any) -> Any:
        """Runs the look in a repository, with a guard that says and does something."""
        (repository := tmp_path / "repository").mkdir()
        file = repository / self.FILE
        file.parent.mkdir(parents=True)
        file.write_text("traffic = 20\n")
        for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
            subprocess.run(["git", *command], cwd=repository, check=True)

        def look(script: str) -> Path:
            program("python", script)
            (_, _, step, _) = by_name(GITHUB / "workflows" / "guard.yml")["jobs"]["look"]["steps"]
            _run(
                step,
                repository,
                PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                ENVIRONMENT="pilot",
                GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
            )
            return repository / "change"

        return look

    @pytest.fixture
    def breach(self, looked: Any, tmp_path: Path) -> Path:
        """What the look hands over: the file, the evidence, the report, the base."""
        evidence = shlex.quote(self.EVIDENCE)
        change: Path = looked(
            f"echo 'traffic = 0' > {self.FILE}; mkdir -p $(dirname {evidence})\n"
            f"echo '{{}}' > {evidence}; echo 'torch-2 steps back'; exit 4"
        )
        target = tmp_path / "changes" / "change-pilot"
        target.parent.mkdir()
        change.rename(target)
        return target

    @pytest.fixture
    def opened(self, tmp_path: Path, program: Any) -> Any:
        """Runs the opening; returns what GitHub was asked."""
        program(
            "gh",
            'printf "%s\\n" "$*" >> asked\n'
            'case "$*" in\n'
            "  *'--state open'*) cat open 2> /dev/null || true ;;\n"
            "  *'--state closed'*) cat closed 2> /dev/null || true ;;\n"
            '  *contents/*) grep --quiet --fixed-strings "${2##*contents/}" known ;;\n'
            "  *commits/guard/*) cat message ;;\n"
            "  *git/refs/heads/*) false ;;\n"
            '  *--jq*) basename "$2" ;;\n'
            "esac\n",
        )

        def open_it() -> str:
            (step,) = by_name(GITHUB / "workflows" / "guard.yml")["jobs"]["open"]["steps"][1:]
            path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
            _run(step, tmp_path, PATH=path, GH_REPO="team/project")
            file = tmp_path / "asked"
            return file.read_text() if file.exists() else ""

        return open_it

    def test_nothing_is_handed_over_where_no_challenger_has_to_step_back(
        self, looked: Any, opened: Any, tmp_path: Path
    ) -> None:
        change = looked("echo 'no challenger has to step back'")

        assert list(change.iterdir()) == []
        assert "no challenger" in (tmp_path / "summary").read_text()
        assert opened() == ""

    def test_a_guard_that_can_not_look_fails_with_its_words_in_the_summary(
        self, looked: Any, tmp_path: Path
    ) -> None:
        with pytest.raises(subprocess.CalledProcessError) as failed:
            looked("echo 'infra.rollout: no workspace' >&2; exit 1")

        assert failed.value.returncode == 1
        assert "no workspace" in (tmp_path / "summary").read_text()

    def test_one_commit_has_the_file_and_the_evidence(
        self, breach: Path, opened: Any, tmp_path: Path
    ) -> None:
        base = (breach / "base").read_text().strip()

        calls = opened()

        assert f"base_tree={base} -f tree[][path]={self.EVIDENCE}" in calls
        assert f"base_tree=trees -f tree[][path]={self.FILE}" in calls
        assert f"-f tree=trees -f parents[]={base}" in calls
        assert "git/refs -f ref=refs/heads/guard/pilot -f sha=commits" in calls
        assert "pr create --base main --head guard/pilot" in calls
        assert "prod" not in calls
        body = (tmp_path / "body.txt").read_text()
        assert "torch-2 steps back" in body
        assert body.endswith("and `plan` runs.\n")

    @pytest.mark.usefixtures("breach")
    def test_an_open_one_is_left_to_its_reviewers(self, opened: Any, tmp_path: Path) -> None:
        (tmp_path / "open").write_text("7\n")
        (tmp_path / "known").write_text(f"{self.EVIDENCE}?ref=guard/pilot\n")

        assert len(opened().splitlines()) == 2

    @pytest.mark.usefixtures("breach")
    @pytest.mark.parametrize("message", ["Step back in pilot", "Not the second one"])
    def test_a_second_breach_is_added_to_an_open_one_that_people_have_not_changed(
        self, opened: Any, tmp_path: Path, message: str
    ) -> None:
        (tmp_path / "open").write_text("7\n")
        (tmp_path / "known").touch()
        (tmp_path / "message").write_text(f"{message}\n")

        asked = opened()

        is_added = message == "Step back in pilot"
        assert ("pr edit 7 --body-file" in asked) == is_added
        assert ("git/refs/heads/guard/pilot -f sha=commits -F force=true" in asked) == is_added
        assert "pr create" not in asked

    def test_one_that_people_closed_stays_closed_and_another_breach_is_another(
        self, breach: Path, opened: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "closed").write_text("c0ffee\n")
        (tmp_path / "known").write_text(f"{self.EVIDENCE}?ref=c0ffee\n")
        asked = opened()
        assert f"contents/{self.EVIDENCE}?ref=c0ffee" in asked
        assert "pr create" not in asked

        second = self.EVIDENCE.replace("torch", "another")
        subprocess.run(
            ["tar", "--append", "--file", "files.tar", "--transform", f"s,.*,{second},", "base"],
            cwd=breach,
            check=True,
        )
        assert "pr create" in opened()


def _run(step: Any, folder: Path, **environment: str) -> None:
    subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env=os.environ | environment,
        check=True,
    )


@pytest.mark.parametrize("job", JOBS)
def test_the_environments_are_those_with_a_shared_state(job: Any) -> None:
    shared = [name for name in available() if not isinstance(load(name).backend, LocalState)]

    if "strategy" in job:
        assert job["strategy"]["matrix"]["environment"] == shared


def test_every_command_is_one_that_there_is() -> None:
    scripts = [step["run"] for file in FILES for step in steps(by_name(file)) if "run" in step]
    text = "\n".join(scripts).replace("\\\n", " ")
    # In quotes, for people to read, a command ends with them.
    pattern = r"(?:([\"'`])python -m infra\.rollout (.+?)\1|python -m infra\.rollout ([^|>\n]+))"
    calls = [quoted or plain for _, quoted, plain in re.findall(pattern, text)]

    assert len(calls) >= 6
    for call in calls:
        for command in ("check", "status") if '"$command"' in call else ("",):
            words = shlex.split(call.replace('"$command"', command).replace("2>&1", ""))
            parser().parse_args([word for word in words if word != "2"])


class TestTests:
    """A change is tested by the command that a developer has; what is slow, every night."""

    @pytest.fixture
    def workflow(self) -> Any:
        return by_name(GITHUB / "workflows" / "test.yml")

    @pytest.fixture
    def job(self, workflow: Any) -> Any:
        (job,) = workflow["jobs"].values()
        return job

    def test_every_change_is_tested_before_and_after_the_merge_and_again_at_night(
        self, workflow: Any
    ) -> None:
        on = workflow[True]  # `on` is a boolean to YAML 1.1

        assert set(on) == {"pull_request", "push", "schedule"}
        assert on["pull_request"] is None  # of any file
        assert on["push"] == {"branches": ["main"]}
        assert [re.sub(r"^\d+ \d+ ", "", it["cron"]) for it in on["schedule"]] == ["* * *"]

    def test_a_change_runs_what_a_developer_runs_and_the_night_runs_everything(
        self, job: Any
    ) -> None:
        runs = {step["run"]: step["if"] for step in job["steps"] if "run" in step}

        assert runs == {
            ".ci/run": "github.event_name != 'schedule'",
            "make test-all": "github.event_name == 'schedule'",
        }
        assert (ROOT / ".ci/run").read_text().rstrip().endswith("\nexec make test")
        assert os.access(ROOT / ".ci/run", os.X_OK)
        targets = re.findall(r"^([a-z-]+): set-up", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {"test", "test-all"} <= set(targets)

    def test_it_may_read_the_repository_and_nothing_else(self, job: Any) -> None:
        assert job["permissions"] == {"contents": "read"}
        assert "environment" not in job

    def test_what_is_kept_between_runs_depends_on_all_that_set_up_depends_on(
        self, job: Any
    ) -> None:
        (cache,) = (step["with"] for step in job["steps"] if "cache@" in step.get("uses", ""))
        (files,) = re.findall(r"hashFiles\((.*?)\)", cache["key"])
        set_up = runpy.run_path(str(ROOT / ".ci/set_up.py"))

        patterns = shlex.split(files.replace(",", " "))
        assert [
            it for it in set_up["INPUTS"] if not any(fnmatch(it, pattern) for pattern in patterns)
        ] == []
        assert "python-version" in cache["key"]
        kept = {ROOT / folder for folder in cache["path"].split()}
        assert [it for it in set_up["RESULTS"] if kept.isdisjoint(it.parents)] == []
