"""What the journal keeps, whatever happens to the process."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.contract.errors import UserError
from ml.feedback.reading import Reading
from ml.reading_room.journal import Journal, Loan, State
from ml.reading_room.sampler import Drawn

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOAN = Loan(
    token="t",
    reader="ada",
    film="f",
    predictions=(Drawn(prediction_id="p", sampling_probability=0.1),),
    until=NOON + timedelta(minutes=30),
)
READING = Reading(
    feedback_id="1",
    prediction_id="p",
    radiologist_id="ada",
    ground_truth="NORMAL",
    timestamp=NOON,
    blind=True,
    sampling_probability=0.1,
    notes="überdeckt: '; DROP TABLE entry; --",
)

Open = Callable[[], Journal]


@pytest.fixture
def reopened(tmp_path: Path) -> Open:
    """Opens the same file again, after the one before was closed."""
    journals: list[Journal] = []

    def open_again() -> Journal:
        for journal in journals:
            journal.close()
        journals.append(Journal(tmp_path / "journal.sqlite"))
        return journals[-1]

    return open_again


def test_a_loan_and_its_reading_outlive_the_process(reopened: Open) -> None:
    journal = reopened()
    journal.lend(LOAN)
    journal.keep("t", [READING])

    journal = reopened()

    assert journal.loan("t") == LOAN
    assert [entry.reading for entry in journal.kept()] == [READING]


def test_what_was_killed_in_the_middle_of_its_work_has_lost_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    program = (
        "import os, sys; from pathlib import Path\n"
        "from tests.ml.reading_room.test_journal import LOAN, READING\n"
        "from ml.reading_room.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); journal.lend(LOAN); journal.keep('t', [READING])\n"
        "os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(file)], check=False)
    assert ended.returncode == -9

    assert [entry.reading for entry in Journal(file).kept()] == [READING]


def test_a_reading_is_kept_until_it_is_written_or_refused(reopened: Open) -> None:
    journal = reopened()
    journal.lend(LOAN)
    journal.keep("t", [READING])

    journal.mark("1", State.WRITTEN)

    assert journal.kept() == []
    assert [entry.state for entry in journal.entries("t")] == [State.WRITTEN]


def test_what_was_written_does_not_become_refused(reopened: Open) -> None:
    journal = reopened()
    journal.lend(LOAN)
    journal.keep("t", [READING])
    journal.mark("1", State.WRITTEN)

    journal.mark("1", State.REFUSED, "late")

    assert [entry.state for entry in journal.entries("t")] == [State.WRITTEN]


def test_the_same_reading_again_changes_nothing(reopened: Open) -> None:
    journal = reopened()
    journal.lend(LOAN)
    journal.keep("t", [READING])
    journal.keep("t", [READING])

    assert len(journal.entries("t")) == 1


def test_a_refused_reading_counts_for_nothing_and_its_reason_is_kept(reopened: Open) -> None:
    journal = reopened()
    journal.lend(LOAN)
    journal.keep("t", [READING])

    journal.mark("1", State.REFUSED, "no such prediction")

    assert journal.counting() == []
    assert [entry.reason for entry in journal.entries("t")] == ["no such prediction"]


def test_a_loan_ends_with_its_time_and_with_its_reading(reopened: Open) -> None:
    journal = reopened()
    journal.lend(LOAN)

    assert journal.unread(NOON) == [LOAN]
    assert journal.unread(LOAN.until) == []

    journal.keep("t", [READING])
    assert journal.unread(NOON) == []


def test_a_second_room_on_the_same_file_is_refused(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal.sqlite")

    with pytest.raises(UserError, match=r"another\s+reading room"):
        Journal(tmp_path / "journal.sqlite")
    first.close()


def test_nobody_else_on_the_machine_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    Journal(file).close()

    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_journal_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "films.csv"
    file.write_text("image_id\n" * 200)

    with pytest.raises(UserError, match=r"films\.csv.*--journal"):
        Journal(file)
