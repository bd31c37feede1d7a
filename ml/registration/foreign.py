"""A model that was logged elsewhere: fetched, asked as serving asks it, described."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ml.contract.errors import InvalidData, UserError
from ml.contract.task import ImageInput, Size, TableInput, Task, edges_of, shown, size_of
from ml.data.film_file import UnreadableFilm
from ml.prediction.asking import Asking, OfImages, OfRows
from ml.registration.scoring import NotOfTheTask, answered, cause_of, probability_in

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

    from ml.evaluation.report import Report

_GREY = 0.5


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """One model in a folder of its own, loaded."""

    source: str
    folder: Path
    model: "PyFuncModel"

    @classmethod
    def fetched(cls, source: str, into: Path) -> Self:
        """The model behind ``runs:/``, ``models:/`` or a path. Raises UserError."""
        import mlflow

        is_path = ":/" not in source
        if is_path and not (Path(source) / "MLmodel").is_file():
            raise UserError(
                f"--from {source}: there is no folder of a model of MLflow, which has a file "
                "MLmodel. Save the model with mlflow.<framework>.save_model, or name "
                "runs:/RUN/NAME or models:/NAME/VERSION."
            )
        try:
            uri = str(Path(source).resolve()) if is_path else source
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(into / "model")))
            if not (folder / "MLmodel").is_file():
                raise FileNotFoundError("there is no model of MLflow there")  # noqa: TRY301
            model = mlflow.pyfunc.load_model(str(folder))
        except Exception as error:  # whatever the model's own code raises when it is loaded
            raise UserError(
                f"--from {source}: cannot be loaded: {cause_of(error)}. What the model needs "
                "must be installed here, and MLFLOW_TRACKING_URI name where it is."
            ) from error
        if _metadata(model).signature is None:
            raise UserError(
                f"--from {source}: the model has no signature, and Unity Catalog takes none "
                "without. Log it with signature=mlflow.models.infer_signature(inputs, outputs)."
            )
        return cls(source=source, folder=folder, model=model)

    @property
    def framework(self) -> str:
        """For people: the flavour that MLflow knows the model by."""
        flavours = _metadata(self.model).flavors
        return next((str(it) for it in flavours if it != "python_function"), "python")

    def asked(self, task: Task, sample: Path | None) -> float:
        """The probability that it gives on a sample, through MLflow's own scoring server.

        Raises UserError where it does not keep to the task.
        """
        try:
            document = json.loads(self._document(task, sample))
        except (UnreadableFilm, InvalidData) as error:
            raise UserError(f"--sample {sample or 'of the model'}: {error}") from error
        del document["client_request_id"]
        name = f"--from {self.source}"
        answers = answered(self.model, json.dumps(document).encode(), name, task)
        if len(answers) != 1:
            raise NotOfTheTask(f"{name}: gave {len(answers)} answers to one input.")
        return probability_in(answers[0], name, task)

    def tags(self, task: Task) -> dict[str, str]:
        """What is kept with the version."""
        flavour = _metadata(self.model).flavors.get(self.framework, {})
        versions = [str(it) for key, it in flavour.items() if key.endswith("_version")]
        return {
            "source": self.source,
            "task": task.name,
            "positive": task.positive,
            "framework": self.framework,
            "framework_version": versions[0] if versions else "unknown",
        }

    def write_card(
        self,
        name: str,
        task: Task,
        tags: dict[str, str],
        description: str,
        judged: "Report | None" = None,
    ) -> None:
        """model_card.md and model_card.json, which travel with the version."""
        facts = {"name": name, "description": description, "tags": tags, "task": asdict(task)}
        validation: list[str] = []
        if judged is not None:
            from ml.evaluation.report import exclusions, figures_table

            data = judged.data
            facts["data"] = {"source": data.source, "sha256": data.digest, "part": judged.part}
            facts["validation"] = judged.evaluation.as_dict()
            left_out = [f"- {line}" for line in exclusions(data)]
            validation = [
                "## Validation",
                "",
                f"On {judged.counted} (SHA-256 `{data.digest}`).",
                "",
                *figures_table(judged.evaluation),
                "",
                *([*left_out, ""] if left_out else []),
            ]
        (self.folder / "model_card.json").write_text(json.dumps(facts, indent=2) + "\n")
        lines = [
            f"# {name}",
            "",
            description or "Registered from elsewhere; whoever trained it knows the data.",
            "",
            f"Takes {_taken(task)}; gives the probability of {task.positive}, which from "
            f"{task.threshold:g} on is called so, and {task.negative} below it.",
            "",
            *validation,
            *(f"- {key}: `{value}`" for key, value in tags.items()),
            "",
            "Research and education only: not a medical device.",
            "",
        ]
        (self.folder / "model_card.md").write_text("\n".join(lines))

    def _document(self, task: Task, sample: Path | None) -> bytes:
        if isinstance(task.input, TableInput):
            asking: Asking = OfRows(input=task.input)
            return asking.document(self._row(task.input, sample), "sample")
        asking = OfImages(size=self._size(task.input), any_modality=True)
        if sample is not None:
            return asking.document(asking.prepared(sample.read_bytes()), "sample")
        grey = np.full((*edges_of(asking.size), 1), _GREY, np.float32)
        return asking.document(grey, "sample")

    def image_size(self, task: Task) -> Size | None:
        """Of the pictures that it takes; None where the task is of rows."""
        return self._size(task.input) if isinstance(task.input, ImageInput) else None

    def _size(self, declared: ImageInput) -> Size:
        schema = _metadata(self.model).get_input_schema()
        match [tuple(it.shape) for it in schema.inputs if hasattr(it, "shape")]:
            case [(_, int(height), int(width), 1)] if min(height, width) > 0:
                return size_of(height, width)
        return declared.size

    def _row(self, columns: TableInput, sample: Path | None) -> Any:
        if sample is not None:
            from ml.prediction.rows import rows_in

            return rows_in(sample, columns)[0].row
        try:
            example = _metadata(self.model).load_input_example(str(self.folder))
            row = example.to_dict("records")[0]
        except (AttributeError, IndexError, OSError, TypeError):
            raise UserError(
                f"--from {self.source}: was logged without an example of its input. Give "
                "--sample FILE, rows with the task's columns."
            ) from None
        return {name: row.get(name) for name in columns.columns}


def _taken(task: Task) -> str:
    if isinstance(task.input, TableInput):
        return f"rows of {', '.join(task.input.columns)}"
    return f"pictures of {shown(task.input.size)} x 1 in [0, 1], or its signature's"


def _metadata(model: "PyFuncModel") -> Any:
    """Untyped in MLflow."""
    return model.metadata
