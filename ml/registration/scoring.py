"""A model of MLflow asked on this machine as serving asks it: through MLflow's scoring server."""

import json
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from ml.contract.errors import UserError
from ml.contract.task import Task
from ml.data.prepared import PreparedImages
from ml.prediction.rows import RowOfFile

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel
    from numpy.typing import NDArray

    from ml.data.films import Images

_JSON: Final = "application/json"
_AT_ONCE: Final = 256
_LONGEST: Final = 300


class NotOfTheTask(UserError):
    """The model does not take what the task sends, or answers without its probability."""


def answered(model: "PyFuncModel", document: bytes, name: str, task: Task) -> list[Any]:
    """The predictions on a request's body. Raises NotOfTheTask, naming the model so."""
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import scoring_server

    schema = _metadata(model).get_input_schema()
    invocations: Any = scoring_server.invocations  # untyped in MLflow
    said = ""
    try:
        said = str(invocations(json.loads(document), _JSON, model, schema).response)
        predictions = json.loads(said)["predictions"]
    except MlflowException as error:
        raise NotOfTheTask(
            f"{name}: does not take what the task {task.name} sends: {cause_of(error)}. "
            f"Its signature takes {str(schema)[:_LONGEST]}."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        found = said or str(error)
        raise NotOfTheTask(f"{name}: answered what is no JSON: {found[:_LONGEST]}.") from error
    return _each(predictions, name, task)


def probability_in(answer: Any, name: str, task: Task) -> float:
    """The probability in the answer to one input. Raises NotOfTheTask."""
    found = task.in_answer(answer)
    if found is None:
        raise NotOfTheTask(
            f"{name}: answered {str(answer)[:_LONGEST]}, in which the task {task.name} finds no "
            f"probability of {task.positive}: it looks at "
            f"{list(task.probability) or 'the answer itself'} of each answer"
            + (f", a list of {task.values}. " if _ends_in_a_list(task) else ". ")
            + "Log the model so that it gives one (of scikit-learn: "
            'pyfunc_predict_fn="predict_proba"), or say in the task where it stands.'
        )
    return found


def probabilities(
    model: "PyFuncModel",
    cases: "Images | PreparedImages | Sequence[RowOfFile]",
    name: str,
    task: Task,
) -> "NDArray[np.float64]":
    """Of images [n, h, w, 1], or of rows: [n]. Raises NotOfTheTask, naming the model so."""
    found: list[float] = []
    for start in range(0, len(cases), _AT_ONCE):
        some = cases[start : start + _AT_ONCE]
        answers = (
            _predicted(model, some, name, task)
            if isinstance(some, np.ndarray)
            else answered(model, _records(some), name, task)
        )
        if len(answers) != len(some):
            raise NotOfTheTask(f"{name}: gave {len(answers)} answers to {len(some)} inputs.")
        found += [probability_in(answer, name, task) for answer in answers]
    return np.array(found, np.float64)


def cause_of(error: BaseException) -> str:
    """What went wrong in one line: of what MLflow wraps, the model's own words."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST].rstrip(".")


def _records(rows: "Sequence[RowOfFile]") -> bytes:
    return orjson.dumps({"dataframe_records": [row.asking.checked(row.row) for row in rows]})


def _predicted(model: "PyFuncModel", images: "Images", name: str, task: Task) -> list[Any]:
    """The same without JSON for the pictures, which takes longer than the models do."""
    from mlflow.pyfunc import scoring_server

    to_json: Any = scoring_server.predictions_to_json  # untyped in MLflow
    try:
        predicted: Any = model.predict(images)
        if isinstance(predicted, np.ndarray):
            return _each(predicted.tolist(), name, task)
        text = StringIO()
        to_json(predicted, text)
        return _each(json.loads(text.getvalue())["predictions"], name, task)
    except NotOfTheTask:
        raise
    except Exception as error:  # whatever the model's own code raises
        raise NotOfTheTask(
            f"{name}: does not take pictures of {images.shape[1]} x {images.shape[2]} x 1: "
            f"{cause_of(error)}."
        ) from error


def _each(predictions: Any, name: str, task: Task) -> list[Any]:
    if not isinstance(predictions, list):
        raise NotOfTheTask(
            f"{name}: answered {str(predictions)[:_LONGEST]}: one answer to all inputs together. "
            "Log the model so that it gives a list with one answer to each input, such as an "
            f"array or a DataFrame, in which the task {task.name} finds a probability."
        )
    return predictions


def _ends_in_a_list(task: Task) -> bool:
    return any(isinstance(step, int) for step in task.probability)


def _metadata(model: "PyFuncModel") -> Any:
    """Untyped in MLflow."""
    return model.metadata
