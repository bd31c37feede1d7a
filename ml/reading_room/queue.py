"""What the tables say about reading: which films were drawn, and who has read them.

The warehouse is asked for the calls of the models, because the draw depends on them; they end in
the draw. What leaves this module is which films are read and how likely that was.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from infra.declared.analysis import Analysis, standing
from ml.reading_room.assignment import Readings
from ml.reading_room.sampler import Drawn, Sampler
from ml.workspace.warehouse import Warehouse

if TYPE_CHECKING:
    from infra.declared.environment import Environment

_CALLS: Final = """
SELECT prediction_id, predicted_label, probability
FROM IDENTIFIER(:predictions)
WHERE answer_number = 1
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
        # Of readers, also where the readings of a simulation are labels.
        self._readings = standing(
            replace(analysis, simulations_count=False).readings, "prediction_id"
        )
        self._positive = analysis.task.positive
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
            called_positive = row["predicted_label"] == self._positive
            drawn = self._sampler.draw(
                str(row["prediction_id"]),
                called_positive=called_positive,
                probability=float(row["probability"] or 0),
            )
            if drawn is not None:
                yield drawn

    def readings(self) -> Mapping[str, Readings]:
        """What each reader has said of each prediction, by prediction: blind, which stays said, or
        else when the answer had been shown; of readers, not of simulations. Raises WorkspaceError.
        """
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self._warehouse.execute(
            f"SELECT prediction_id, radiologist_id, COALESCE(said_blind, ground_truth) AS said "  # noqa: S608 - names of this project
            f"FROM ({self._readings}) AS reading WHERE NOT simulated"
        ):
            found[str(row["prediction_id"])][str(row["radiologist_id"])] = str(row["said"])
        return found

    def output(self, predictions: Sequence[Drawn]) -> tuple[Output, ...]:
        """What the models said about a film: asked for when a reader has asked."""
        wanted = json.dumps([drawn.prediction_id for drawn in predictions])
        rows = self._warehouse.execute(_OUTPUT, predictions=self._predictions, wanted=wanted)
        return tuple(
            Output(probability=float(row["probability"] or 0), label=str(row["predicted_label"]))
            for row in rows
        )
