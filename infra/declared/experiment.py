"""An experiment is one file, `infra/experiments/<name>.toml`, written before the test begins.

It says what is compared and by which rule the verdict falls; a hash over its content freezes it.
What changes while the test runs, the split of the traffic, is in `experiments/splits/<name>.toml`.
Knows no cdktf.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, broken_rule, problem, read
from infra.declared.naming import Identifier, ServedEntityName
from infra.declared.problem import (
    InvalidFile,
    Problem,
    as_problem,
    as_toml,
    named_file,
    names_in,
    parse,
)
from infra.declared.rules import Moment, number, one_of, whole_number
from infra.declared.safeguards import FinalTest, Guardrails, Missing, Ramp, Readers
from infra.declared.served_model import Version, served_entity_name
from infra.declared.task import FOLDER, TaskKey
from ml.contract.task import PNEUMONIA

EXPERIMENTS: Final = Path(__file__).parents[1] / "experiments"
SPLITS: Final = "splits"
"""The folder beside the experiments that holds how the traffic was split."""

Metric = Literal["sensitivity", "specificity", "accuracy"]


class InvalidExperiment(InvalidFile):
    """An experiment or its splits that cannot be used. `str()` lists every problem at once."""


def _different(columns: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise broken_rule("every subgroup once", f"remove the second {repeated[0]!r}")
    return columns


def _said(text: str) -> str:
    if not text.strip() or len(text.splitlines()) > 1:
        raise broken_rule(
            "one line that says what the challenger is better at outside of the metrics",
            'write it, for example: benefit = "it answers in half the time"; without such a '
            "benefit remove the key, and the primary metric has to be better",
        )
    return text


Probability = Annotated[
    float, number(0, 1, "a number between 0 and 1", "write a share, for example: 0.9 for 90 %")
]
Share = Annotated[
    float,
    number(
        0, 1 + 1e-12, "a number above 0 and at most 1", "write a share, for example: 0.2 for 20 %"
    ),
]
Tolerance = Annotated[
    float, number(-1e-12, 1, "a number from 0, below 1", "write a share, for example: 0.05")
]
Margin = Annotated[
    float,
    number(
        0,
        0.5,
        "a number between 0 and 0.5: the largest loss that would be accepted",
        "write it in parts of one, for example: 0.03 for three percentage points",
    ),
]
Alpha = Annotated[
    float,
    number(
        0,
        0.2 + 1e-12,
        "a number above 0 and at most 0.2: how often a wrong interval is accepted",
        "write alpha = 0.05 for intervals of 95 %",
    ),
]
Labels = Annotated[
    int,
    whole_number(1, None, "a positive whole number of labels", "write it without quotes: 2000"),
]
Hours = Annotated[
    int,
    whole_number(0, 24 * 365, "whole hours, up to a year", "write it without quotes: 72"),
]
ArmPercent = Annotated[
    int,
    whole_number(0, 100, "a whole number of percent from 0 to 100", "write it without quotes: 50"),
]


class Arm(Declaration):
    """One of the two versions that are compared."""

    model: Identifier = Field(examples=['model = "pneumonia_poc_classifier"'])
    version: Version = Field(examples=["version = 1"])
    served_entity: ServedEntityName | None = None
    """The name of its own that the environment's file gives it."""

    @property
    def served_entity_name(self) -> str:
        """The name under which it is served and logged."""
        return served_entity_name(self.model, self.version, self.served_entity)


class Split(Declaration):
    """How the endpoint divides its requests from a moment on, in percent of all requests."""

    since: Moment = Field(examples=["since = 2026-03-02T00:00:00Z"])
    champion: ArmPercent = Field(examples=["champion = 50"])
    challenger: ArmPercent = Field(examples=["challenger = 50"])

    @property
    def propensity(self) -> float:
        """The probability that a request of one of the two arms is the challenger's."""
        both = self.champion + self.challenger
        return self.challenger / both if both else 0.0

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """Both arms get at most all requests."""
        yield from super().disagreements(table)
        champion, challenger = read(table, "champion"), read(table, "challenger")
        if type(champion) is int and type(challenger) is int and champion + challenger > 100:
            yield problem(
                ("challenger",),
                challenger,
                "both arms together get at most 100 percent",
                f"write at most {max(0, 100 - champion)}; other arms of the endpoint get the rest",
            )


class Margins(Declaration):
    """Non-inferiority: the largest losses that would be accepted for what is gained elsewhere."""

    sensitivity: Margin = Field(examples=["sensitivity = 0.03"])
    specificity: Margin = Field(examples=["specificity = 0.05"])


class Accuracy(Declaration):
    """How good an arm is believed to be."""

    sensitivity: Probability = Field(examples=["sensitivity = 0.9"])
    specificity: Probability = Field(examples=["specificity = 0.8"])


class Expected(Declaration):
    """What is believed before the test. Wrong beliefs make the test longer, never the verdict
    wrong: they plan it, and they centre its intervals."""

    prevalence: Probability = Field(examples=["prevalence = 0.3"])
    champion: Accuracy = Field(examples=["[expected.champion]"])
    challenger: Accuracy = Field(examples=["[expected.challenger]"])


class Tolerances(Declaration):
    """Beyond these the data are not what the test assumes, and there is no verdict."""

    sample_ratio_alpha: Alpha = 0.001
    """How often an intact split may be taken for a broken one."""
    unresolved: Tolerance = 0.1
    """The share of films chosen for readers that may be without a truth when they are mature."""
    orphans: Tolerance = 0.02
    """The share of verdicts and answers that may have lost their arm or their prediction, and of
    the answers that clients' journals know that may have lost their row in the log."""


class Experiment(Declaration):
    """One comparison of a challenger with the champion, decided before it begins."""

    name: str = Field(exclude=True)
    """The file's name without its ending; not part of the hash."""

    task: TaskKey = Field(default=PNEUMONIA, examples=['task = "pneumonia"'])
    """What both arms answer: a task's name, or a path relative to the experiment's file."""
    champion: Arm = Field(examples=["[champion]"])
    challenger: Arm = Field(examples=["[challenger]"])
    split: Split = Field(examples=["[split]"])
    """Of the first day; the experiment starts with it."""

    primary_metric: Annotated[Metric, one_of(*get_args(Metric))] = Field(
        examples=['primary_metric = "sensitivity"']
    )
    """What the challenger has to be better at, unless there is a benefit."""
    benefit: Annotated[str, AfterValidator(_said)] | None = None
    """What the challenger is better at outside of the metrics, such as its cost. With it, not
    being worse by the margins is enough for a promotion. No number can check it: people do, when
    they review the experiment, and the decision repeats it."""
    margins: Margins = Field(examples=["[margins]"])
    alpha: Alpha = 0.05
    maximum_labels: Labels = Field(examples=["maximum_labels = 4000"])
    """Of both arms together; with them the test is over."""
    minimum_per_arm: Labels = Field(examples=["minimum_per_arm = 100"])
    """Labels that each arm needs before it can be promoted."""
    label_maturity_hours: Hours = 72
    """A film younger than this is not judged: slow readers see the hard ones."""
    review_share: Share = 1.0
    """The smallest probability with which an answer of the positive label is given to a reader."""
    audit_share: Share = 1.0
    """The smallest probability with which an answer of the negative label is given to a reader."""
    subgroups: Annotated[tuple[Identifier, ...], AfterValidator(_different)] = Field(
        default=(), strict=False
    )
    """Columns of the labelled rows by which the figures are shown too; no verdict depends on
    them."""
    expected: Expected = Field(examples=["[expected]"])
    tolerances: Tolerances = Tolerances()
    missing: Missing | None = None
    ramp: Ramp | None = None
    final_test: FinalTest | None = None
    """Without it all of alpha is spent on the daily looks."""
    guardrails: Guardrails | None = None
    readers: Readers | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over the content, hexadecimal: of values, not of comments or their order.

        An optional key that is not there is no content, so that an experiment keeps the hash that
        it was frozen by when such a key is invented later.
        """
        content = self.model_dump(mode="json", exclude_none=True, exclude={"task"})
        if self.task != PNEUMONIA:
            content["task"] = asdict(self.task)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def start(self) -> datetime:
        """Requests before this moment are not of the experiment."""
        return self.split.since

    @property
    def smallest_sampling(self) -> float:
        """The smallest probability with which any answer is given to a reader."""
        return min(self.review_share, self.audit_share)

    @property
    def label_maturity(self) -> timedelta:
        """The age from which a film is judged."""
        return timedelta(hours=self.label_maturity_hours)

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """The arms differ, and the smallest numbers of labels fit into the largest."""
        yield from super().disagreements(table)
        arms = [read(table, arm) for arm in ("champion", "challenger")]
        first, second = ((read(arm, "model"), read(arm, "version")) for arm in arms)
        if first == second and None not in first:
            yield problem(
                ("challenger", "version"),
                second[1],
                "the challenger is another version than the champion",
                "write the version that is to be compared",
            )
        minimum, maximum = read(table, "minimum_per_arm"), read(table, "maximum_labels")
        if type(minimum) is int and type(maximum) is int and 2 * minimum > maximum:
            yield problem(
                ("minimum_per_arm",),
                minimum,
                f"both arms' labels fit into maximum_labels = {maximum}",
                f"write at most {maximum // 2}, or a larger maximum_labels",
            )


class _Changes(Declaration):
    """The content of a file of splits."""

    split: tuple[Split, ...] = Field(min_length=1, strict=False, examples=["[[split]]"])


def available() -> tuple[str, ...]:
    """The names of the experiments that exist, sorted."""
    return names_in(EXPERIMENTS)


def load(name_or_path: str | Path, *, folder: Path | None = None) -> Experiment:
    """The experiment of that name, or in that file. Of a copy, ``folder`` is where the file is.

    Raises InvalidExperiment with every problem of the file.
    """
    file = named_file(name_or_path, EXPERIMENTS, InvalidExperiment)
    table = parse(file, InvalidExperiment)
    problems = []
    if "name" in table:
        problems.append(
            Problem(
                file=file,
                key="name",
                value=as_toml("name", table.pop("name")),
                rule="an experiment is named by its file",
                way_out="remove the key, or rename the file",
            )
        )
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", file.stem):
        problems.append(
            Problem(
                file=file,
                key="",
                value="",
                rule="an experiment's file: lower-case letters, digits, '-' and '_', a letter "
                "first",
                way_out="rename the file, for example: pneumonia_ab.toml",
            )
        )
    try:
        experiment = Experiment.model_validate(
            {"name": file.stem, **table},
            by_name=False,
            by_alias=True,
            context={FOLDER: folder or file.parent},
        )
    except ValidationError as error:
        problems += [as_problem(file, details) for details in error.errors(include_url=False)]
    if problems:
        raise InvalidExperiment(problems)
    return experiment


def splits_of(name_or_path: str | Path) -> Path:
    """Where the changes of an experiment's split are recorded, beside its file; whether or not
    there are any. Raises InvalidExperiment where there is no such experiment."""
    file = named_file(name_or_path, EXPERIMENTS, InvalidExperiment)
    return file.parent / SPLITS / file.name


def splits(experiment: Experiment, file: Path | None = None) -> tuple[Split, ...]:
    """How the traffic was split, oldest first: the experiment's own split, then every change of
    it that the file records (default: `experiments/splits/<name>.toml`, if there is one).

    Raises InvalidExperiment with every problem of the file.
    """
    changes = file or EXPERIMENTS / SPLITS / f"{experiment.name}.toml"
    if file is None and not changes.is_file():
        return (experiment.split,)
    try:
        later = _Changes.model_validate(parse(changes, InvalidExperiment)).split
    except ValidationError as error:
        raise InvalidExperiment(
            [as_problem(changes, details) for details in error.errors(include_url=False)]
        ) from None
    every = (experiment.split, *later)
    problems = [
        Problem(
            file=changes,
            key=f"split[{number}].since",
            value=after.since.isoformat(),
            rule=f"later than the split before it, of {before.since.isoformat()}",
            way_out="order the splits by time; the first one is in the experiment's file",
        )
        for number, (before, after) in enumerate(zip(every, later, strict=False))
        if after.since <= before.since
    ]
    if problems:
        raise InvalidExperiment(problems)
    return every
