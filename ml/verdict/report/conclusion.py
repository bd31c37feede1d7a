"""How a command that judges ends: files in a folder, tables and a verdict on a console."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table as Shown

from ml.contract.decision import DECISION_FILE, JOURNAL_FILE, Decision
from ml.contract.errors import UserError
from ml.verdict.report.tabular import Table

REPORT_FILE: Final = "report.html"


def write(folder: Path, made: Decision, page: str, *, journal: str | None = None) -> None:
    """Writes the decision, its report, and the journals' answers that it was made with.

    Raises UserError where the folder cannot be written.
    """
    files = {DECISION_FILE: made.text(), REPORT_FILE: page, JOURNAL_FILE: journal}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if text is not None:
                (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"--output {folder}: cannot be written: {error.strerror}. Choose another folder."
        ) from error


def show(console: Console, made: Decision, found: Iterable[Table], *, remark: str = "") -> None:
    """Prints the tables, the verdict with its reason, and what the next step takes."""
    for table in found:
        shown = Shown(*table.heads, title=table.title, title_justify="left", caption=table.note)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    if made.mode == "live":
        for finding in made.findings:
            mark = "yes" if finding.holds else "NO "
            console.print(f"  {mark} {finding.condition}: {finding.because}", soft_wrap=True)
    console.print(f"\n{made.verdict}: {made.reason}", style="bold", soft_wrap=True)
    if remark:
        console.print(remark, soft_wrap=True)
