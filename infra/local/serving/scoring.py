"""One served entity's answers: MLflow's scoring protocol over a loaded model.

Runs inside the entity's own process. Keras and PyTorch models with one unnamed tensor as input
take a short road: the requests that wait are decoded into one array and computed in one call.
Everything else, and every request that the short road does not understand, goes through MLflow's
own scoring server functions, so that their answers and errors are MLflow's.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel, scoring_server

if TYPE_CHECKING:
    from mlflow.types import TensorSpec

Array = npt.NDArray[Any]
Native = Callable[[Array], Array]

_JSON = "application/json"
_PLAIN_JSON = frozenset({_JSON, f"{_JSON}; charset=utf-8", f"{_JSON};charset=utf-8"})
_LONGEST_MESSAGE = 4_000
_PREDICT_FAILED = (
    "Encountered an unexpected error while evaluating the model. Verify that the input is "
    "compatible with the model for inference."
)
_TENSOR_KEYS = frozenset({scoring_server.INPUTS, scoring_server.INSTANCES})
_ENVELOPE = frozenset({"client_request_id", "usage_context"})

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request as it came."""

    content_type: str
    body: bytes


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the client gets, and what is logged of it."""

    status: int
    body: bytes
    content_type: str = _JSON
    execution_ms: float = 0.0
    """Time in the model alone."""
    client_request_id: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Parsed:
    """A request whose JSON is valid; `tensor` if the short road takes it."""

    call: Call
    document: dict[str, Any] | None
    """None on the short road: what JSON was decoded to is dropped before the next is decoded."""
    client_request_id: str | None = None
    tensor: Array | None = None


class Scorer:
    """Answers calls with one model."""

    def __init__(self, model: PyFuncModel) -> None:
        self._model = model
        self._schema = _metadata(model).get_input_schema()
        self._tensor = _single_tensor(model)
        self._native = native_predict(model, self._tensor) if self._tensor else None
        if self._native is not None and not self._batches():
            self._native = None

    @property
    def batches(self) -> bool:
        """Whether requests may be computed together; else each is a call of its own."""
        return self._native is not None

    def answer_all(self, calls: Sequence[Call]) -> list[Answer]:
        """One answer for each call, in order."""
        parsed = [self._parse(call) for call in calls]
        answers: dict[int, Answer] = {}
        tensors: list[tuple[int, _Parsed, Array]] = []
        for index, item in enumerate(parsed):
            if isinstance(item, Answer):
                answers[index] = item
            elif item.tensor is not None:
                tensors.append((index, item, item.tensor))
            else:
                answers[index] = self._answer_alone(item)
        if tensors:
            together = self._answer_together([(item, tensor) for _, item, tensor in tensors])
            answers |= zip((index for index, _, _ in tensors), together, strict=True)
        return [answers[index] for index in range(len(calls))]

    def _parse(self, call: Call) -> _Parsed | Answer:
        if not call.content_type.lower().startswith(_JSON):
            return _Parsed(call=call, document=None)
        try:
            document = orjson.loads(call.body)
        except orjson.JSONDecodeError as error:
            return _bad_request(
                "Invalid input. Ensure that input is a valid JSON formatted string. "
                f"Error: '{error}'"
            )
        if not isinstance(document, dict):
            return _bad_request(
                f"Invalid input. {scoring_server.REQUIRED_INPUT_FORMAT}. "
                f"Received unexpected input type '{type(document).__name__}'."
            )
        given_id = document.get("client_request_id")
        if isinstance(given_id, dict | list | bool):
            return _bad_request("Invalid input. client_request_id must be a string.")
        client_request_id = None if given_id is None else str(given_id)
        parsed = _Parsed(call=call, document=document, client_request_id=client_request_id)
        if self._tensor is None or call.content_type.lower() not in _PLAIN_JSON:
            return parsed
        keys = document.keys() - _ENVELOPE
        if len(keys) != 1 or not keys <= _TENSOR_KEYS:
            return parsed
        value = document[keys.pop()]
        if not isinstance(value, list):
            return parsed
        try:
            tensor = to_tensor(value, self._tensor)
        except (ValueError, TypeError, OverflowError):
            return parsed
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            return _bad_request(
                "Invalid input. The input holds values that are null or out of range for "
                f"{tensor.dtype.name}.",
                client_request_id=client_request_id,
            )
        if self._native is None or not _fits(tensor, self._tensor):
            return parsed
        return _Parsed(call=call, document=None, client_request_id=client_request_id, tensor=tensor)

    def _answer_together(self, items: Sequence[tuple[_Parsed, Array]]) -> list[Answer]:
        if self._native is None:
            raise AssertionError("tensors are only parsed for a model with a native predict")
        tensors = [tensor for _, tensor in items]
        bounds = np.cumsum([len(tensor) for tensor in tensors])[:-1]
        batch = tensors[0] if len(tensors) == 1 else np.concatenate(tensors)
        started = time.perf_counter()
        try:
            outputs = np.split(self._native(batch), bounds)
        except Exception:
            # Whose fault it was, MLflow's road finds out for each request alone.
            _log.exception("A batch of %d requests failed; computing each alone", len(items))
            return [self._answer_alone(item) for item, _ in items]
        execution_ms = (time.perf_counter() - started) * 1000
        return [
            _predictions(output, item.client_request_id, execution_ms)
            for (item, _), output in zip(items, outputs, strict=True)
        ]

    def _answer_alone(self, item: _Parsed) -> Answer:
        started = time.perf_counter()
        document = orjson.loads(item.call.body) if item.tensor is not None else item.document
        try:
            result = scoring_server.invocations(  # type: ignore[no-untyped-call]
                item.call.body if document is None else document,
                item.call.content_type,
                self._model,
                self._schema,
            )
        except MlflowException as error:
            return _model_error(error, item.client_request_id, started)
        except Exception:
            # Malformed input that MLflow's parser does not foresee.
            _log.exception("A request could not be parsed")
            return _bad_request(_PREDICT_FAILED, client_request_id=item.client_request_id)
        body = result.response.encode()
        if result.status == 200 and not _is_json(body):
            return _not_finite(item.client_request_id)
        return Answer(
            status=result.status,
            body=body,
            content_type=result.mimetype,
            execution_ms=_since(started),
            client_request_id=item.client_request_id,
        )

    def _batches(self) -> bool:
        """Try the native road on batches of one and two; this also warms the model up."""
        if self._native is None or self._tensor is None:
            return False
        for rows in (1, 2):
            zeros = np.zeros((rows, *self._tensor.shape[1:]), dtype=self._tensor.type)
            try:
                output = self._native(zeros)
            except Exception:
                _log.exception("The model does not compute batches of %d; one call each", rows)
                return False
            if not isinstance(output, np.ndarray) or output.shape[:1] != (rows,):
                return False
        return True


def native_predict(model: PyFuncModel, tensor: TensorSpec) -> Native | None:
    """The framework's own inference call for models whose rows do not depend on each other."""
    loaded: Any = model  # untyped in MLflow
    match model.loader_module:
        case "mlflow.pytorch":
            return _torch_predict(loaded.get_raw_model())
        case "mlflow.tensorflow" | "mlflow.keras":
            return _keras_predict(loaded.get_raw_model(), tensor)
        case _:
            return None


def _torch_predict(module: Any) -> Native:
    import torch

    def predict(batch: Array) -> Array:
        with torch.inference_mode():
            output: Array = module(torch.from_numpy(batch)).numpy()
        return output

    return predict


def _keras_predict(model: Any, tensor: TensorSpec) -> Native | None:
    import keras

    if not isinstance(model, keras.Model) or keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    # One graph for every batch size: `Model.predict` would trace and set up a data pipeline
    # for each call, which costs tens of milliseconds.
    graph = tf.function(
        lambda batch: model(batch, training=False),
        input_signature=[tf.TensorSpec((None, *tensor.shape[1:]), tensor.type)],
    ).get_concrete_function()

    def predict(batch: Array) -> Array:
        output: Array = graph(tf.constant(batch)).numpy()
        return output

    return predict


def _single_tensor(model: PyFuncModel) -> TensorSpec | None:
    """The input of a model that takes one unnamed tensor with free batch size, no parameters."""
    metadata = _metadata(model)
    schema = metadata.get_input_schema()
    if schema is None or not schema.is_tensor_spec() or schema.has_input_names():
        return None
    if metadata.get_params_schema() is not None:
        return None
    spec: TensorSpec = schema.inputs[0]
    shape = spec.shape
    fixed = shape[:1] == (-1,) and all(size > 0 for size in shape[1:])
    return spec if fixed and spec.type.kind in "fiu" else None


def to_tensor(value: list[Any], spec: TensorSpec) -> Array:
    """The array that `np.array` makes, in half the time where the lists have the fixed shape."""
    sizes = spec.shape[1:]
    level: list[Any] = value
    if spec.type.kind == "f":
        for size in sizes:
            if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
                break
            level = list(itertools.chain.from_iterable(level))
        else:
            flat = np.fromiter(level, dtype=spec.type, count=len(level))
            return flat.reshape(len(value), *sizes)
    return np.array(value, dtype=spec.type)


def _metadata(model: PyFuncModel) -> Any:
    """Untyped in MLflow."""
    return model.metadata


def _fits(tensor: Array, spec: TensorSpec) -> bool:
    return len(tensor) > 0 and tensor.shape[1:] == tuple(spec.shape[1:])


def _predictions(output: Array, client_request_id: str | None, execution_ms: float) -> Answer:
    if output.dtype.kind == "f" and not np.isfinite(output).all():
        return _not_finite(client_request_id)
    return Answer(
        status=200,
        body=orjson.dumps({"predictions": output.tolist()}),
        execution_ms=execution_ms,
        client_request_id=client_request_id,
    )


def _model_error(error: MlflowException, client_request_id: str | None, started: float) -> Answer:
    # What a model raises is the request's fault: 5xx is kept for faults of the workspace
    # (docs/reference/serving.md#invocations), also where MLflow left its default code.
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    document: dict[str, Any] = orjson.loads(error.serialize_as_json())  # type: ignore[no-untyped-call]
    if not 400 <= status < 500:
        status, document["error_code"] = 400, "BAD_REQUEST"
    document["message"] = str(document.get("message", ""))[:_LONGEST_MESSAGE]
    return Answer(
        status=status,
        body=orjson.dumps(document),
        execution_ms=_since(started),
        client_request_id=client_request_id,
    )


def _not_finite(client_request_id: str | None) -> Answer:
    return _bad_request(
        f"{_PREDICT_FAILED} The predictions are not finite numbers, which JSON can not carry.",
        client_request_id=client_request_id,
    )


def _bad_request(message: str, *, client_request_id: str | None = None) -> Answer:
    body = orjson.dumps({"error_code": "BAD_REQUEST", "message": message[:_LONGEST_MESSAGE]})
    return Answer(status=400, body=body, client_request_id=client_request_id)


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
