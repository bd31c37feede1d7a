"""How a command that judges ends: files in a folder, tables and a verdict on a console."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from ml.contract.decision import DECISION_FILE, JOURNAL_FILE, Decision, FindingRecord
from ml.contract.errors import UserError
from ml.contract.task import PNEUMONIA, Task
from ml.terminal.tables import table as folding
from ml.verdict.report.table import Table

REPORT_FILE: Final = "report.html"


def write(
    folder: Path, made: Decision, page: str | None, journal: str | None = None
) -> Sequence[Path]:
    """Writes the decision, its report where there is one, and the journals' answers that it was
    made with. Returns where the first two are. Raises UserError."""
    decision, report = folder / DECISION_FILE, folder / REPORT_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        decision.write_text(made.text(), encoding="utf-8")
        if page is None:
            report.unlink(missing_ok=True)  # of another decision
        else:
            report.write_text(page, encoding="utf-8")
        if journal is not None:
            (folder / JOURNAL_FILE).write_text(journal, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"--output {folder}: cannot be written: {error.strerror}. Choose another folder."
        ) from error
    return [decision] if page is None else [decision, report]


def show(
    console: Console,
    made: Decision,
    found: Iterable[Table],
    *,
    remark: str = "",
    task: Task = PNEUMONIA,
) -> None:
    """Prints the tables, the verdict with its reason, and what the next steps take, in the words
    of a task."""
    said = task.said
    for table in found:
        shown = folding(*map(said, table.heads), title=said(table.title), caption=said(table.note))
        for row in table.rows:
            shown.add_row(*map(said, row))
        console.print(shown)
    if made.mode == "live":
        for finding in made.findings:
            mark = "yes" if finding.holds else "NO "
            console.print(f"  {mark} {finding.condition}: {finding.because}", soft_wrap=True)
    console.print(f"\n{made.verdict}: {made.reason}", style="bold", soft_wrap=True)
    if remark:
        console.print(said(remark), soft_wrap=True)
    if made.early_step is not None:
        console.print(on_early_step(made, made.early_step), soft_wrap=True)


def on_early_step(made: Decision, found: FindingRecord) -> str:
    """Whether an early step of the ramp may rest on a decision, in a sentence that comes after the
    decision's reason."""
    if found.because == f"{made.verdict}: {made.reason}":
        return f"An early step ({found.condition}) may not rest on this either."
    may = "may" if found.holds else "may not"
    return f"An early step ({found.condition}) {may} rest on this: {found.because}"
