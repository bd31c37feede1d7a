"""Whether a challenger has to step back: its requests since the last change, and a verdict.

What is found is written beside the environment file, and the file's change is for people to review.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.declared.environment import Environment
from infra.declared.watching import Watch
from infra.rollout.detector import Minute, Rise, interval, rises
from infra.rollout.environment_file import EnvironmentFile, replace
from infra.rollout.evidence import Evidence, decisions_of
from infra.rollout.refusal import Refused
from ml.contract.decision import Verdict

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from ml.workspace.warehouse import Row

_SLOW_SHARE: Final = 0.05
"""Of the answers that may take longer than the limit of the 95th percentile."""

_LONGEST_NAME: Final = 200
_MISSING: Final = "TABLE_OR_VIEW_NOT_FOUND"


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One reason for an arm to step back."""

    arm: str
    measure: str
    said: str
    """For people: what was seen, since when, n, interval."""
    seen: Mapping[str, Any]
    """The same for machines."""
    at: datetime
    """When it was seen: the same breach, looked at again, has the same moment."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What is kept beside the file."""
        return {"measure": self.measure, "said": self.said, "seen": self.seen}


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What is known of the arms."""

    minutes: "Sequence[Row]"
    """Requests, failures and slow answers of each arm by minute."""
    rollbacks: "Sequence[Row]"
    """The verdicts ROLLBACK that stand."""


def look(client: "WorkspaceClient", environment: Environment, watch: Watch) -> Looked:
    """Asks the workspace. Raises WorkspaceError, and Refused where a view or table is missing."""
    from ml.workspace.warehouse import StatementError, Warehouse

    warehouse = Warehouse.named(client, environment.warehouse_name)
    try:
        return Looked(
            minutes=warehouse.execute(watch.query("minutes")),
            rollbacks=warehouse.execute(watch.query("rollbacks")),
        )
    except StatementError as error:
        if _MISSING not in str(error):
            raise
        raise Refused(
            f"{environment.name}: the guard reads {watch.analysis.full_name('requests')} and "
            f"{watch.filled_in('$verdicts')}, and not both are there. Deploy "
            f"{environment.platform_stack} and {environment.analysis_stack}, which create them."
        ) from error


def watch_of(environment: Environment) -> Watch:
    """The watch over the test that is meant. Raises Refused where there is none."""
    watch = Watch.of(environment)
    if watch is None:
        raise Refused(
            f"{environment.name}.toml: nothing is watched: write [monitoring] into it and give "
            f"{environment.test} an inference table."
        )
    return watch


def breaches(watch: Watch, looked: Looked) -> tuple[Breach, ...]:
    """What the workspace says of each challenger."""
    limits = watch.monitoring.guard
    found = list(map(_of_a_verdict, looked.rollbacks))
    for measure, column, limit, said in (
        ("error rate", "failures", limits.error_rate, f"{limits.error_rate:.1%} may fail"),
        (
            "latency",
            "slow",
            _SLOW_SHARE,
            f"{_SLOW_SHARE:.0%} may take longer than {limits.latency_p95_ms} ms",
        ),
    ):
        minutes = _minutes(looked.minutes, column)
        champions = minutes.get(watch.test.champion.served_entity_name, [])
        for arm in (it.served_entity_name for it in watch.test.challengers):
            for risen in rises(minutes.get(arm, ()), limit):
                if not _is_shared(risen, champions, limit):
                    found.append(_breach(arm, measure, said, limit, risen))
                    break
    return tuple(found)


def _is_shared(risen: Rise, champions: Sequence[Minute], limit: float) -> bool:
    """Whether the champion fares as badly meanwhile: stepping back would not help then."""
    meanwhile = [it for it in champions if risen.since <= it.at <= risen.seen_at]
    requests, events = sum(it.requests for it in meanwhile), sum(it.events for it in meanwhile)
    if events <= limit * requests:
        return False
    _, high = interval(events, requests)
    return risen.low <= high


def _of_a_verdict(row: "Row") -> Breach:
    as_of = datetime.fromisoformat(str(row["as_of"]))
    return Breach(
        arm=str(row["challenger"]),
        measure="verdict",
        said=f"ROLLBACK as of {as_of:%Y-%m-%dT%H:%MZ}, by {row['labels']} films of the experiment "
        f"{row['experiment']}",
        seen={
            "experiment": row["experiment"],
            "experiment_hash": row["experiment_hash"],
            "labels": int(row["labels"] or 0),
            "as_of": as_of.isoformat(),
        },
        at=as_of,
    )


def of_a_decision(environment: Environment, watch: Watch, evidence: Evidence) -> Iterator[Breach]:
    """The breach that a verdict ROLLBACK is: guardrails and harm, both valid under daily looks.

    Raises Refused for a decision of another environment, or on other arms than those that the file
    declares.
    """
    decision = evidence.decision
    if decision.environment and Path(decision.environment).stem != environment.name:
        raise Refused(
            f"{evidence.file}: environment = {decision.environment!r}, and the file is "
            f"{environment.name}.toml. Decide with python -m ml.compare --environment "
            f"{environment.name}."
        )
    arm = decision.challenger.served_entity
    declared = [it.served_entity_name for it in watch.test.challengers]
    if arm not in declared:
        raise Refused(
            f"{evidence.file}: challenger = {arm}, but {watch.test.endpoint} has "
            f"{', '.join(declared) or 'no challenger'}. Make a decision on what is deployed: "
            "python -m ml.compare."
        )
    if decision.verdict is Verdict.ROLLBACK:
        yield Breach(
            arm=arm,
            measure="verdict",
            said=f"ROLLBACK as of {decision.as_of}: {decision.reason}",
            seen={
                "experiment": decision.experiment.name,
                "reason": decision.reason,
                "as_of": decision.as_of.isoformat() if decision.as_of else None,
                "sha256": evidence.digest,
            },
            at=decision.as_of or datetime.now(UTC),
        )


def step_back(file: EnvironmentFile, arm: str, record: Mapping[str, Any], *, at: datetime) -> Path:
    """Takes the traffic of a challenger away in the file, and writes why beside it, under the
    moment that is meant."""
    file.set_traffic(challenger_in(file.environment, arm), 0)
    file.edited()
    kept = decisions_of(file.path, file.environment.test) / (
        f"{arm[:_LONGEST_NAME]}-0-{at:%Y%m%dT%H%M%SZ}.json"
    )
    content = {"environment": file.environment.name, "arm": arm, **record}
    replace(kept, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    file.save()
    return kept


def challenger_in(environment: Environment, arm: str) -> int:
    """The challenger's place in the file. Raises Refused where it has none of that name."""
    names = [it.served_entity_name for it in environment.ab_test.challengers]
    if arm not in names:
        raise Refused(
            f"{environment.name}.toml: {environment.test} has no challenger {arm}; it has "
            f"{', '.join(names) or 'none'}."
        )
    return names.index(arm)


def _minutes(rows: "Sequence[Row]", column: str) -> Mapping[str, list[Minute]]:
    found: dict[str, list[Minute]] = defaultdict(list)
    for row in rows:
        found[str(row["arm"])].append(
            Minute(
                at=int(row["minute"] or 0),
                requests=int(row["requests"] or 0),
                events=int(row[column] or 0),
            )
        )
    return found


def _breach(arm: str, measure: str, limit_said: str, limit: float, risen: Rise) -> Breach:
    since, seen_at = (datetime.fromtimestamp(60 * it, UTC) for it in (risen.since, risen.seen_at))
    return Breach(
        arm=arm,
        measure=measure,
        said=f"{measure}: {risen.events} of {risen.requests} requests ({risen.rate:.1%}, "
        f"{risen.low:.1%} to {risen.high:.1%}) since {since:%Y-%m-%dT%H:%MZ}; {limit_said}",
        seen={
            "limit": limit,
            "events": risen.events,
            "requests": risen.requests,
            "rate": round(risen.rate, 6),
            "interval_95": [round(risen.low, 6), round(risen.high, 6)],
            "since": since.isoformat(),
            "seen_at": seen_at.isoformat(),
            "evidence": float(f"{risen.evidence:.3g}"),
        },
        at=seen_at,
    )
