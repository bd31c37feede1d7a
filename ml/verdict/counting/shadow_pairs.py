"""Both arms' answers to what the champion was asked, where readers have said the truth."""

from string import Template
from typing import TYPE_CHECKING, Final

import numpy as np

from ml.contract.errors import UserError
from ml.contract.tables import SHADOW_ANSWERS
from ml.verdict.paired import Answers

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis
    from infra.declared.experiment import Experiment
    from ml.workspace.warehouse import Warehouse

_PAIRS: Final = """
SELECT
  shadow.prediction_id,
  MIN(shadow.champion_probability) AS champion,
  MIN(shadow.challenger_probability) AS challenger,
  COUNT_IF(labelled.ground_truth = '$positive') AS said_positive,
  COUNT_IF(labelled.ground_truth = '$negative') AS said_negative,
  COUNT(*) AS readers,
  MIN(labelled.sampling_probability) AS sampling_probability,
  MIN(labelled.patient_key) AS patient_key,
  MIN(labelled.decided_at) AS known_since
FROM IDENTIFIER(:shadow) AS shadow
JOIN IDENTIFIER(:labelled) AS labelled
  ON labelled.prediction_id = shadow.prediction_id
WHERE shadow.champion = :champion
  AND shadow.challenger = :challenger
  AND labelled.blind
  AND shadow.request_time >= CAST(:start AS TIMESTAMP)
GROUP BY shadow.prediction_id
ORDER BY known_since, prediction_id
"""


def shadow_pairs(
    experiment: "Experiment", warehouse: "Warehouse", analysis: "Analysis", catalog: str
) -> Answers:
    """The films in the order in which their truths came. Raises UserError where there is none."""
    task = analysis.task
    rows = warehouse.execute(
        Template(_PAIRS).substitute(positive=task.positive, negative=task.negative),
        shadow=SHADOW_ANSWERS.full_name(catalog),
        labelled=analysis.full_name("labelled"),
        champion=experiment.champion.served_entity_name,
        challenger=experiment.challenger.served_entity_name,
        start=experiment.start.isoformat(sep=" "),
    )
    kept = []
    for row in rows:
        if row["challenger"] is None:  # refused
            continue
        positive, negative, readers = (
            int(str(row[name])) for name in ("said_positive", "said_negative", "readers")
        )
        if 2 * max(positive, negative) > readers:
            kept.append((row, positive > negative))
    if not kept:
        raise UserError(
            f"no film that both arms of {experiment.name} have answered has a truth. Ask the "
            "challenger first, python -m ml.shadow, and let the readers read."
        )

    def sampling(probability: float, logged: str | None) -> float:
        by_rule = (
            experiment.review_share if probability >= task.threshold else experiment.audit_share
        )
        return float(logged) if logged else by_rule

    champion = [float(str(row["champion"])) for row, _ in kept]
    keys = [row["patient_key"] for row, _ in kept]
    return Answers(
        film=[str(row["prediction_id"]) for row, _ in kept],
        sick=np.array([sick for _, sick in kept]),
        # The champion's call drew the film for a reader: the challenger's had no part in it.
        sampling=np.array(
            [
                sampling(probability, row["sampling_probability"])
                for probability, (row, _) in zip(champion, kept, strict=True)
            ]
        ),
        champion=np.array(champion),
        challenger=np.array([float(str(row["challenger"])) for row, _ in kept]),
        patient_key=keys if any(keys) else None,
        threshold=task.threshold,
        known_since=[str(row["known_since"]) for row, _ in kept],
    ).in_order()
