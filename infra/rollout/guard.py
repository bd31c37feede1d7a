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
from infra.rollout.detector import Minute, Rise, rise
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


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One reason for an arm to step back."""

    arm: str
    measure: str
    said: str
    """For people: what was seen, since when, n, interval."""
    seen: Mapping[str, Any]
    """The same for machines."""


def counts(client: "WorkspaceClient", environment: Environment, watch: Watch) -> "list[Row]":
    """The requests of each arm by minute. Raises WorkspaceError."""
    from ml.workspace.warehouse import Warehouse

    warehouse = Warehouse.named(client, environment.warehouse_name)
    return warehouse.execute(watch.query("minutes"))


def watch_of(environment: Environment) -> Watch:
    """The watch over the test that is meant. Raises Refused where there is none."""
    watch = Watch.of(environment)
    if watch is None:
        raise Refused(
            f"{environment.name}.toml: nothing is watched: write [monitoring] into it and give "
            f"{environment.test} an inference table."
        )
    return watch


def breaches(watch: Watch, rows: "Sequence[Row]") -> tuple[Breach, ...]:
    """What the requests say of each challenger. What happens to the champion as well is not the
    challenger's: stepping back would not help."""
    limits = watch.monitoring.guard
    champion = watch.test.champion.served_entity_name
    found = []
    for measure, column, limit, name in (
        ("error rate", "failures", limits.error_rate, f"{limits.error_rate:.1%} may fail"),
        (
            "latency",
            "slow",
            _SLOW_SHARE,
            f"{_SLOW_SHARE:.0%} may take longer than {limits.latency_p95_ms} ms",
        ),
    ):
        minutes = _minutes(rows, column)
        if rise(minutes.get(champion, ()), limit):
            continue
        for arm in (it.served_entity_name for it in watch.test.challengers):
            risen = rise(minutes.get(arm, ()), limit)
            if risen:
                found.append(_breach(arm, measure, name, limit, risen))
    return tuple(found)


def of_a_decision(watch: Watch, evidence: Evidence) -> Iterator[Breach]:
    """The breach that a verdict ROLLBACK is: guardrails and harm, both valid under daily looks.

    Raises Refused for a decision on other arms than those that the file declares.
    """
    decision = evidence.decision
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
        )


def step_back(file: EnvironmentFile, arm: str, record: Mapping[str, Any], *, now: datetime) -> Path:
    """Takes the traffic of a challenger away in the file, and writes why beside it."""
    file.set_traffic(challenger_in(file.environment, arm), 0)
    file.edited()
    kept = decisions_of(file.path, file.environment.test) / (
        f"{arm[:_LONGEST_NAME]}-0-{now:%Y%m%dT%H%M%SZ}.json"
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
    )
