"""The feedback endpoint, deployed by the serving stack and asked over HTTP."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ml.feedback.__main__ import main
from tests.end_to_end.serving.feedback import FeedbackSandbox
from tests.end_to_end.serving.sandbox import in_process
from tests.plugin.readings import row
from tests.plugin.workspaces import IMAGE, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.workspaces import RunningWorkspace

pytestmark = pytest.mark.programs

METACHARACTERS = (
    "'; DROP TABLE local.gold.prediction_feedback; --",
    "\\'); DELETE FROM local.gold.prediction_feedback WHERE ('1'='1",
    '" OR 1=1 --',
    ":readings ${table} {{secrets/scope/key}} %(x)s",
    "\\u0027 \\\\ ` /* */ ; --",
)


@pytest.fixture(scope="module")
def feedback(
    tmp_path_factory: pytest.TempPathFactory,
    workspace_process: RunningWorkspace,
    terraform: dict[str, str],
    registry: str,
) -> Iterator[FeedbackSandbox]:
    folder = tmp_path_factory.mktemp("feedback")
    with FeedbackSandbox(folder, workspace_process, terraform, registry) as sandbox:
        yield sandbox


def test_the_stacks_output_is_its_live_address(feedback: FeedbackSandbox) -> None:
    (outcome,) = feedback.send(row(feedback_id="live"))

    assert feedback.url.endswith(f"/serving-endpoints/{feedback.feedback_endpoint}/invocations")
    reason = outcome.pop("reason")
    assert outcome == {"feedback_id": "live", "status": "written", "pending": True}
    assert "no such prediction is in" in reason
    assert ["live"] in feedback.written("feedback_id")


def test_a_verdict_joins_the_prediction_that_it_is_about(feedback: FeedbackSandbox) -> None:
    request_id = str(uuid.uuid4())
    body = {"inputs": [IMAGE], "client_request_id": request_id}
    assert feedback.workspace.invoke(feedback.endpoint, body).status_code == 200
    assert feedback.logged(request_id)

    (outcome,) = feedback.send(row(prediction_id=request_id))

    assert (outcome["status"], outcome["pending"]) == ("written", False)


def test_no_credential_is_in_what_the_endpoint_says_of_itself(feedback: FeedbackSandbox) -> None:
    shown = feedback.workspace.client.get(
        f"/api/2.0/serving-endpoints/{feedback.feedback_endpoint}"
    ).text

    assert feedback.workspace.token not in shown
    assert "{{secrets/champion-challenger-sandbox/feedback-token}}" in shown


def test_the_rollout_knows_what_the_stack_tells_the_container(feedback: FeedbackSandbox) -> None:
    shown = feedback.rollout("status").stdout

    assert feedback.feedback_endpoint in shown
    assert "environment_vars" not in shown


def test_a_batch_of_good_and_bad_rows_is_answered_row_by_row(feedback: FeedbackSandbox) -> None:
    good, bad = row(), row(ground_truth=7, blind="yes")

    outcomes = feedback.send(good, bad, {"feedback_id": None}, row(notes=["a", "list"]))

    assert [it["status"] for it in outcomes] == ["written", "refused", "refused", "refused"]
    assert "ground_truth = 7" in outcomes[1]["reason"]
    assert "blind = 'yes'" in outcomes[1]["reason"]


def test_text_with_sqls_own_characters_is_stored_as_text(feedback: FeedbackSandbox) -> None:
    rows = [row(radiologist_id=text, notes=text) for text in METACHARACTERS]

    outcomes = feedback.send(*rows)

    assert {it["status"] for it in outcomes} == {"written"}
    stored = {
        (feedback_id, reader, notes)
        for feedback_id, reader, notes in feedback.written("feedback_id, radiologist_id, notes")
    }
    assert {(it["feedback_id"], it["notes"], it["notes"]) for it in rows} <= stored


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(METACHARACTERS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)
ROWS = st.dictionaries(st.sampled_from([*row(), "notes", "supersedes", "confidence"]), JSON).map(
    lambda changes: row() | changes
) | st.dictionaries(st.text(max_size=8), JSON, max_size=4)
BODIES = (
    st.lists(ROWS, max_size=4).map(lambda rows: {"dataframe_records": rows})
    | st.lists(ROWS, max_size=2).map(lambda rows: {"inputs": rows})
    | st.dictionaries(st.sampled_from(["dataframe_split", "instances", "inputs"]), JSON)
    | JSON
)


def fuzzed(count: int) -> list[Any]:
    """Bodies of requests: readings with changed fields, rows of anything, anything at all."""
    bodies: list[Any] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(BODIES)
    def collect(body: Any) -> None:
        bodies.append(body)

    collect()
    return bodies


@pytest.mark.parametrize(
    "count", [200, pytest.param(2000, marks=pytest.mark.slow("2,000 fuzzed requests"))]
)
def test_fuzzed_requests_crash_nothing_and_write_no_row_that_was_not_asked_for(
    feedback: FeedbackSandbox, count: int
) -> None:
    bodies = fuzzed(count)
    assert len(bodies) == count
    before = {it for [it] in feedback.written("feedback_id")}
    pids = set(feedback.workspace.workers_of(feedback.feedback_endpoint))

    def ask(body: Any) -> tuple[int, Any]:
        response = feedback.workspace.client.post(
            feedback.url, content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        return response.status_code, response.json()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, bodies))

    assert {status for status, _ in answers} <= {200, 400}
    outcomes = [it for status, answer in answers if status == 200 for it in answer["predictions"]]
    assert {it["status"] for it in outcomes} == {"written", "refused"}
    reported = {it["feedback_id"] for it in outcomes if it["status"] == "written"}
    assert {it for [it] in feedback.written("feedback_id")} - before == reported
    assert set(feedback.workspace.workers_of(feedback.feedback_endpoint)) == pids


class TestTheCommand:
    HEAD = "prediction_id,radiologist_id,ground_truth,timestamp,blind"
    LINE = "request-{number},reader-1,NORMAL,2026-03-02T12:00:00+00:00,true"

    @pytest.fixture
    def sheet(self, tmp_path: Path) -> Callable[..., Path]:
        """A CSV file of that many readings, with further lines behind them."""

        def write(count: int, *further: str) -> Path:
            file = tmp_path / "readings.csv"
            prefix = uuid.uuid4().hex
            lines = [self.LINE.format(number=f"{prefix}-{number}") for number in range(count)]
            file.write_text("\n".join([self.HEAD, *lines, *further]) + "\n")
            return file

        return write

    @pytest.fixture
    def run(self, feedback: FeedbackSandbox) -> Callable[..., subprocess.CompletedProcess[str]]:
        def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
            return in_process(
                main,
                *(*arguments, "--environment", feedback.file),
                cwd=REPOSITORY,
                DATABRICKS_TOKEN=feedback.workspace.token,
            )

        return run

    @staticmethod
    def count(feedback: FeedbackSandbox) -> int:
        return len(feedback.written("feedback_id"))

    def test_a_dry_run_checks_every_line_and_sends_nothing(
        self, feedback: FeedbackSandbox, sheet: Callable[..., Path], run: Callable[..., Any]
    ) -> None:
        before = self.count(feedback)

        done = run(sheet(3, self.LINE.replace("NORMAL", "sick")), "--dry-run")

        assert done.returncode == 3
        assert "readings.csv:5: invalid: ground_truth = 'sick'" in done.stdout
        assert "3 of 4 readings are valid; nothing was sent." in done.stdout
        assert self.count(feedback) == before

    def test_a_sheet_is_written_once_however_often_it_is_sent(
        self, feedback: FeedbackSandbox, sheet: Callable[..., Path], run: Callable[..., Any]
    ) -> None:
        before, file = self.count(feedback), sheet(700)

        first, second = run(file), run(file)

        assert (first.returncode, second.returncode) == (0, 0), first.stdout + first.stderr
        assert "700 of 700 readings are written; 700 wait for their prediction" in first.stdout
        assert self.count(feedback) == before + 700

    def test_the_report_has_every_line(
        self, sheet: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
    ) -> None:
        done = run(sheet(2, "too,short"), "--report", tmp_path / "report.csv")

        assert done.returncode == 3
        with (tmp_path / "report.csv").open(newline="") as file:
            report = list(csv.DictReader(file))
        assert [(it["line"], it["status"]) for it in report] == [
            ("2", "written"),
            ("3", "written"),
            ("4", "invalid"),
        ]

    def test_one_reading_is_by_whoever_is_authenticated(
        self, feedback: FeedbackSandbox, run: Callable[..., Any]
    ) -> None:
        me = feedback.workspace.client.get("/api/2.0/preview/scim/v2/Me").json()["userName"]

        done = run(
            *("--prediction", "request-1", "--verdict", "INDETERMINATE", "--blind"),
            *("--confidence", "LOW", "--notes", "rotated", "--feedback-id", "by-hand"),
        )

        assert done.returncode == 0, done.stderr
        assert ["by-hand", me, "INDETERMINATE", "LOW", "rotated", "true"] in feedback.written(
            "feedback_id, radiologist_id, ground_truth, confidence, notes, blind"
        )

    def test_a_reading_that_is_refused_is_a_failure_with_the_reason(
        self, feedback: FeedbackSandbox
    ) -> None:
        """As its user runs it: a process of its own."""
        reading = ("--prediction", "request-1", "--verdict", "NORMAL", "--not-blind")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ml.feedback", *reading, "--supersedes", "nothing"),
                *("--environment", str(feedback.file)),
            ],
            cwd=REPOSITORY,
            env=feedback.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

        assert done.returncode == 1
        assert "supersedes = 'nothing': there is no such reading" in done.stderr
