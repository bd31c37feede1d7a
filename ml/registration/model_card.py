"""What a reader must know before using a version: Markdown and JSON from the same facts.

reference: M. Mitchell et al., Model Cards for Model Reporting, 2019,
https://doi.org/10.1145/3287560.3287596
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.contract.serving import DECISION_THRESHOLD
from ml.contract.task import edges_of
from ml.data.films import PARTS, DataSet
from ml.evaluation.measures import Evaluation
from ml.evaluation.report import exclusions, figures_table

_INTENDED_USE = (
    "Research and education: comparing a champion and a challenger behind one endpoint. It is not "
    "a medical device and not for diagnosis; no patient's care may depend on it."
)
_POPULATION = (
    "Chest X-rays (anterior-posterior) of children of one to five years, taken as part of routine "
    "care at one centre, Guangzhou Women and Children's Medical Center."
)
_UNKNOWN_POPULATION = (
    "Whose films these are is known to the holder of the data alone. The collection that the "
    "layout is from: chest X-rays of children of one to five years, taken at one centre."
)
_LIMITS = (
    "Validation films come from the same distribution as the training films, and an AUC near .997 "
    "on them cannot rank models: expect less elsewhere, specificity first.",
    "Children of one to five years at one centre: adults, other centres, other machines and other "
    "projections are outside of what it learned from; accuracy there is unknown and likely much "
    "lower.",
    "It knows two answers. Another disease, a foreign body or a picture that is no chest X-ray "
    "gets a probability of pneumonia too.",
    "Three of four training films show pneumonia; the classes are balanced in the loss, so the "
    "probability is not one for a population with another prevalence.",
    "Sex and age of the children are not recorded: nothing is known about subgroups.",
)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The facts of one version; ``training`` are its tags."""

    name: str
    architecture: str
    parameters: int
    training: dict[str, str]
    data: DataSet
    evaluation: Evaluation

    def as_dict(self) -> dict[str, Any]:
        """The content of model_card.json."""
        height, width = edges_of(self.data.image_size)
        return {
            "name": self.name,
            "intended_use": _INTENDED_USE,
            "architecture": self.architecture,
            "parameters": self.parameters,
            "input": f"images [n, {height}, {width}, 1] in [0, 1]",
            "output": "probabilities of PNEUMONIA [n, 1]",
            "threshold": DECISION_THRESHOLD,
            "training": self.training,
            "data": {
                "source": self.data.source,
                "sha256": self.data.digest,
                "population": self._population(),
                "attribution": self.data.attribution,
                "parts": {
                    part: {
                        "normal": self.data.parts[part].count("NORMAL"),
                        "pneumonia": self.data.parts[part].count("PNEUMONIA"),
                    }
                    for part in PARTS
                    if part in self.data.parts
                },
                "remarks": list(self.data.remarks),
                "excluded": [
                    {"film": film.film, "reason": film.reason} for film in self.data.excluded
                ],
            },
            "validation": self.evaluation.as_dict(),
            "limits": list(_LIMITS),
        }

    def markdown(self) -> str:
        """The content of model_card.md."""
        facts = self.as_dict()
        lines = [
            f"# {self.name}",
            "",
            f"**Intended use.** {_INTENDED_USE}",
            "",
            f"**Model.** {self.architecture}, {self.parameters:,} parameters. Takes "
            f"{facts['input']}, gives {facts['output']}; at least {DECISION_THRESHOLD} calls "
            "pneumonia.",
            "",
            "## Data",
            "",
            f"{self.data.source} (SHA-256 `{self.data.digest}`). {self._population()}",
            "",
            "| part | normal | pneumonia |",
            "|---|---|---|",
            *(
                f"| {part} | {counts['normal']} | {counts['pneumonia']} |"
                for part, counts in facts["data"]["parts"].items()
            ),
            "",
            *(f"- {remark}" for remark in self.data.remarks),
            *(f"- {line}" for line in exclusions(self.data)),
            *([f"- Attribution: {self.data.attribution}."] if self.data.attribution else []),
            "",
            "## Validation",
            "",
            *figures_table(self.evaluation),
            "",
            "## Limits",
            "",
            *(f"- {limit}" for limit in _LIMITS),
            "",
            "## Training",
            "",
            *(f"- {name}: `{value}`" for name, value in self.training.items()),
            "",
        ]
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Writes model_card.md and model_card.json."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model_card.md").write_text(self.markdown())
        (folder / "model_card.json").write_text(json.dumps(self.as_dict(), indent=2) + "\n")

    def _population(self) -> str:
        return _POPULATION if self.data.attribution else _UNKNOWN_POPULATION

    def summary(self) -> str:
        """One paragraph, for the registry's description of the version."""
        figures = ", ".join(
            f"{name.replace('_', ' ')} {value:.3f}"
            for name, value in self.evaluation.figures().items()
        )
        return (
            f"{self.architecture}. On {self.evaluation.n} validation films: {figures}. "
            f"{_INTENDED_USE}"
        )
