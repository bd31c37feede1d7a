"""What the tables say about reading: which films were drawn, and who has read them.

The warehouse is asked for the calls of the models, because the draw depends on them; they end in
the draw. What leaves this module is which films are read and how likely that was.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.declared.analysis import Analysis
from ml.contract.serving import LABELS
from ml.contract.tables import PREDICTION_FEEDBACK, SIMULATION
from ml.reading_room.assignment import Readings
from ml.reading_room.sampler import Drawn, Sampler
from ml.workspace.warehouse import Warehouse

if TYPE_CHECKING:
    from infra.declared.environment import Environment

_POSITIVE: Final = LABELS[1]

_CALLS: Final = """
SELECT prediction_id, predicted_label, probability
FROM IDENTIFIER(:predictions)
WHERE answer_number = 1
"""

_READINGS: Final = """
SELECT prediction_id, radiologist_id, ground_truth
FROM (
  SELECT
    prediction_id,
    radiologist_id,
    ground_truth,
    row_number() OVER (
      PARTITION BY prediction_id, radiologist_id
      ORDER BY timestamp DESC, written_at DESC, feedback_id DESC
    ) AS verdict_number
  FROM IDENTIFIER(:feedback) AS given
  WHERE COALESCE(given.feedback_source, '') <> :simulation AND NOT EXISTS (
    SELECT 1
    FROM IDENTIFIER(:feedback) AS correction
    WHERE correction.supersedes = given.feedback_id
      AND correction.radiologist_id = given.radiologist_id
      AND correction.prediction_id = given.prediction_id
  )
) AS reading
WHERE verdict_number = 1
"""

_OUTPUT: Final = """
SELECT prediction_id, probability, predicted_label
FROM IDENTIFIER(:predictions)
WHERE answer_number = 1
  AND prediction_id IN (SELECT explode(from_json(:wanted, 'ARRAY<STRING>')))
ORDER BY prediction_id
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A film that was drawn, with the predictions on it; a reading of it answers all of them."""

    film: str
    predictions: tuple[Drawn, ...]


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a model said about a film. Which model is nobody's business while arms compete."""

    probability: float
    label: str


class Queue:
    """Every drawn film, whoever has read it, in the order in which films are read."""

    def __init__(
        self, warehouse: Warehouse, environment: "Environment", analysis: Analysis
    ) -> None:
        self._warehouse = warehouse
        self._predictions = analysis.full_name("predictions")
        self._feedback = PREDICTION_FEEDBACK.full_name(environment.catalog)
        plan = environment.reading
        self._sampler = Sampler(
            audit_share=plan.audit_share,
            seed=plan.seed,
            strata=tuple((stratum.start, stratum.share) for stratum in plan.audit_strata),
        )

    def cases(self, name: Callable[[Collection[str]], Mapping[str, str]]) -> tuple[Case, ...]:
        """`name` says of predictions which film each is about. Raises WorkspaceError."""
        drawn = {one.prediction_id: one for one in self._drawn()}
        films: dict[str, list[Drawn]] = defaultdict(list)
        for prediction_id, film in name(sorted(drawn)).items():
            films[film].append(drawn[prediction_id])
        return tuple(
            Case(film=film, predictions=tuple(films[film]))
            for film in sorted(films, key=self._sampler.place)
        )

    def _drawn(self) -> Iterator[Drawn]:
        for row in self._warehouse.execute(_CALLS, predictions=self._predictions):
            called_positive = row["predicted_label"] == _POSITIVE
            drawn = self._sampler.draw(
                str(row["prediction_id"]),
                called_positive=called_positive,
                probability=float(row["probability"] or 0),
            )
            if drawn is not None:
                yield drawn

    def readings(self) -> Mapping[str, Readings]:
        """Each reader's latest verdict on each prediction, by prediction; of readers, not of
        simulations. Raises WorkspaceError."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        rows = self._warehouse.execute(_READINGS, feedback=self._feedback, simulation=SIMULATION)
        for row in rows:
            verdict = str(row["ground_truth"])
            found[str(row["prediction_id"])][str(row["radiologist_id"])] = verdict
        return found

    def output(self, predictions: Sequence[Drawn]) -> tuple[Output, ...]:
        """What the models said about a film: asked for when a reader has asked."""
        wanted = json.dumps([drawn.prediction_id for drawn in predictions])
        rows = self._warehouse.execute(_OUTPUT, predictions=self._predictions, wanted=wanted)
        return tuple(
            Output(probability=float(row["probability"] or 0), label=str(row["predicted_label"]))
            for row in rows
        )
