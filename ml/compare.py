"""Which arm is better: ``python -m ml.compare EXPERIMENT``."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.decision import DECISION_FILE, JOURNAL_FILE
from ml.contract.errors import UserError
from ml.terminal.command import (
    Options,
    add_environment_option,
    add_experiment_argument,
    add_no_report_option,
    add_test_option,
    add_warehouse_option,
    moment,
    require_writable,
    run,
)

if TYPE_CHECKING:
    from rich.console import Console

    from infra.declared.environment import Environment
    from infra.declared.experiment import Experiment, Split
    from ml.contract.decision import Decision
    from ml.verdict.counting.counts import Rows
    from ml.verdict.counting.journals import Journals
    from ml.verdict.counting.tally import Tally
    from ml.verdict.judgement import Judgement

_EPILOG = """\
The verdict is PROMOTE, KEEP, ROLLBACK or INCONCLUSIVE; infra/experiments/README.md says when. It
may be asked for every day: its intervals hold on all days together. The same rows give the same
bytes.

Exit status: 0 whatever the verdict is; 1 where there is none, or where --verify finds another.
"""


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.compare",
        description="Judges the arms of an experiment by the verdicts of readers: prints the "
        f"figures, and writes {DECISION_FILE} for machines and report.html for people.",
        epilog=_EPILOG,
    )
    add_experiment_argument(parser)
    add_environment_option(parser, "whose workspace has the rows")
    add_test_option(parser)
    add_warehouse_option(parser)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="a file of labelled rows instead of a workspace: Parquet, a folder of Parquet parts, "
        "or a DuckDB database with a table or view named labelled",
    )
    parser.add_argument(
        "--journal",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a journal of python -m ml.predict: its answers that the log does not have are "
        f"counted, and those of the experiment go into {JOURNAL_FILE}; may be given several times",
    )
    parser.add_argument(
        "--splits",
        type=Path,
        metavar="FILE",
        help="how the split has changed. Default: splits/EXPERIMENT.toml beside the experiment's "
        "file, if it is there",
    )
    parser.add_argument(
        "--from-payload",
        action="store_true",
        help="count all rows of the workspace again, also where python -m ml.count_days has "
        "counted their days; --verify always does",
    )
    parser.add_argument(
        "--as-of",
        type=moment,
        metavar="TIME",
        help="look at nothing later, such as 2026-03-02T18:00:00Z. Default: the last thing that "
        "happened",
    )
    parser.add_argument(
        "--verify",
        type=Path,
        metavar="DECISION",
        help="make this decision again, as of its moment, and say whether it is the same; writes "
        "nothing",
    )
    parser.add_argument(
        "--shadow",
        action="store_true",
        help="judge what python -m ml.shadow has written, film by film: both arms have answered "
        "each, whatever the traffic was",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="also write the verdict into the environment's table of verdicts, which alerts read",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the files go; default: .local/decisions/EXPERIMENT",
    )
    parser.add_argument(
        "--no-files",
        action="store_true",
        help="write no files, only say what the verdict is: where --record keeps it",
    )
    add_no_report_option(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from rich.console import Console

    from infra.declared.experiment import load, splits, splits_of
    from ml.terminal.progress import status

    console = Console(highlight=False, markup=False)
    experiment = load(given.experiment)
    recorded = splits_of(given.experiment)
    in_force = splits(experiment, given.splits or (recorded if recorded.is_file() else None))
    if given.shadow:
        return _shadow(given, experiment, console)
    if given.verify is not None:
        return _verify(given, experiment, in_force, console)
    folder = given.output or Path(".local", "decisions", experiment.name)
    if given.no_files and given.output is not None:
        raise UserError("--no-files writes nothing into --output. Leave one of them out.")
    if not given.no_files:
        require_writable(folder, "--output")
    if given.record and given.data is not None:
        raise UserError(
            "--record: a verdict on a file is none of an environment. Leave out --data, or "
            "--record."
        )
    with status(console, f"Judging {experiment.name}"):
        from ml.verdict.report.conclusion import show, write
        from ml.verdict.report.html_report import remark, report
        from ml.verdict.report.tabular import tables

        found = _decided(given, experiment, in_force, given.as_of)
        page = (
            report(experiment, found.judgement, found.tally, found.decision)
            if given.report and not given.no_files
            else None
        )
    journaled = found.tally.journaled
    written = (
        ()
        if given.no_files
        else write(folder, found.decision, page, journaled.text() if journaled else None)
    )
    show(
        console,
        found.decision,
        tables(found.judgement),
        remark=remark(found.judgement),
        task=experiment.task,
    )
    if found.counted_from:
        console.print(found.counted_from, soft_wrap=True)
    if written:
        console.print(f"Written: {', '.join(map(str, written))}", soft_wrap=True)
    if given.record:
        _record(given, experiment, found)
        console.print("Recorded, for the alerts that read it.")
    return 0


def _shadow(given: argparse.Namespace, experiment: "Experiment", console: "Console") -> int:
    """Judges both arms' answers to what the champion was asked."""
    refused = ("data", "journal", "splits", "as_of", "verify", "record", "no_files")
    if named := [f"--{it.replace('_', '-')}" for it in refused if getattr(given, it)]:
        raise UserError(
            f"--shadow judges pairs of answers of a workspace, as they are: {', '.join(named)} "
            "does not belong to it. Leave it out."
        )
    from infra.declared.environment import load
    from ml.contract.decision import ANSWERS_FILE
    from ml.verdict.counting import answers_file
    from ml.verdict.counting.shadow_pairs import shadow_pairs
    from ml.verdict.counting.workspace_rows import WorkspaceRows
    from ml.verdict.report.pairs import conclude

    folder = given.output or Path(".local", "shadows", experiment.name)
    require_writable(folder, "--output")
    environment = _about(load(given.environment, given.test), experiment)
    rows = WorkspaceRows.of(environment, experiment, given.warehouse)
    answers = shadow_pairs(experiment, rows.warehouse, rows.analysis, environment.catalog)
    answers_file.write(folder / ANSWERS_FILE, answers, experiment.task)
    written = conclude(
        experiment,
        answers,
        folder,
        console,
        environment=environment.name,
        source="what the champion was asked, in the order in which the truths came",
        with_report=given.report,
    )
    console.print(f"Written: {', '.join(map(str, written))}", soft_wrap=True)
    return 0


def _record(given: argparse.Namespace, experiment: "Experiment", found: "Found") -> None:
    from infra.declared.environment import load
    from ml.contract.tables import VERDICTS
    from ml.monitoring.tables import MonitoringTables
    from ml.workspace.connection import connect

    environment = _about(load(given.environment, given.test), experiment)
    decision = found.decision
    tables = MonitoringTables.of(
        environment, connect(environment), given.warehouse, used=(VERDICTS,)
    )
    tables.add_verdict(
        endpoint_name=environment.ab_test.endpoint,
        experiment=decision.experiment.name,
        experiment_hash=decision.experiment.digest,
        champion=decision.champion.served_entity,
        challenger=decision.challenger.served_entity,
        as_of=decision.as_of.isoformat() if decision.as_of else None,
        verdict=decision.verdict,
        labels=sum(arm.labels for arm in found.judgement.arms),
    )


@dataclass(frozen=True, kw_only=True)
class Found:
    """A decision, and what it was made of."""

    decision: "Decision"
    judgement: "Judgement"
    tally: "Tally"
    counted_from: str = ""
    """Where there are days that were counted before: whether they were used."""


def decide(
    experiment: "Experiment",
    in_force: "Sequence[Split]",
    rows: "Rows",
    *,
    as_of: datetime | None,
    environment: str | None,
    journals: "Journals | None" = None,
    simulations_count: bool = False,
) -> Found:
    """The decision on labelled rows. Raises UserError for rows that cannot be judged."""
    from ml.contract.decision import JOURNALS, NONE_GIVEN, DataRecord
    from ml.verdict.counting.counts import count
    from ml.verdict.counting.queries import Queries
    from ml.verdict.counting.tally import Tally
    from ml.verdict.judgement import judge
    from ml.verdict.report.decision_record import decision

    queries = Queries(
        rows=rows.relations,
        experiment=experiment,
        splits=in_force,
        simulations_count=simulations_count,
    )
    counts = count(rows, queries, as_of)
    journaled = journals.compared(experiment, rows, queries, counts.as_of) if journals else None
    tally = Tally(counts=counts, journaled=journaled, choice_logged="chosen" not in rows.assumed)
    judgement = judge(experiment, in_force, tally)
    data = DataRecord(
        origin={**rows.origin, JOURNALS: journaled.origin if journaled else NONE_GIVEN},
        digest=counts.digest,
        query_digest=counts.query_digest,
        assumed=rows.assumed,
    )
    made = decision(
        experiment, in_force, judgement, environment=environment, as_of=counts.as_of, data=data
    )
    return Found(decision=made, judgement=judgement, tally=tally)


def _verify(
    given: argparse.Namespace,
    experiment: "Experiment",
    in_force: "Sequence[Split]",
    console: "Console",
) -> int:
    from ml.contract.decision import Decision, differences

    claimed = Decision.read(given.verify)
    made = _decided(given, experiment, in_force, claimed.as_of).decision
    other = differences(claimed, made)
    for line in other:
        console.print(f"  {line}", soft_wrap=True)
    console.print(
        f"{given.verify}: "
        + (
            f"not what the data say: {made.verdict}, {made.reason}"
            if other
            else f"what the data say: {made.verdict}"
        ),
        soft_wrap=True,
    )
    return 1 if other else 0


def _decided(
    given: argparse.Namespace,
    experiment: "Experiment",
    in_force: "Sequence[Split]",
    as_of: datetime | None,
) -> Found:
    """The decision on the rows that were given: a file's, or those of a workspace."""
    from infra.declared.environment import load
    from ml.verdict.counting.labelled_file import labelled_file

    rows: Rows
    if given.data is not None:
        rows = labelled_file(given.data, experiment.subgroups, experiment.task)
        journals = None
        if given.journal:
            environment = _about(load(given.environment, given.test), experiment)
            journals = _journals(given, environment, environment.workspace.host)
        return decide(experiment, in_force, rows, as_of=as_of, environment=None, journals=journals)
    from infra.declared.analysis import may_simulate
    from ml.verdict.counting.workspace_rows import WorkspaceRows

    environment = _about(load(given.environment, given.test), experiment)
    there = WorkspaceRows.of(environment, experiment, given.warehouse)
    rows, counted_from = there.views, ""
    if not given.from_payload and given.verify is None:
        rows, as_of, counted_from = there.by_days(environment, experiment, in_force, as_of)
    found = decide(
        experiment,
        in_force,
        rows,
        as_of=as_of,
        environment=environment.name,
        journals=_journals(given, environment, there.host),
        simulations_count=may_simulate(environment),
    )
    return replace(found, counted_from=counted_from)


def _about(environment: "Environment", experiment: "Experiment") -> "Environment":
    """The environment about the test of the experiment: the one that serves both its models."""
    return environment.about_models(experiment.champion.model, experiment.challenger.model)


def _journals(
    given: argparse.Namespace, environment: "Environment", host: str | None
) -> "Journals | None":
    from ml.verdict.counting.journals import Journals

    return Journals(given.journal, environment.ab_test.endpoint, host) if given.journal else None


if __name__ == "__main__":
    sys.exit(run("ml.compare", main))
