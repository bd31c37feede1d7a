"""Images that a program hands to the client: what is sent, and what is refused before it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml.client import PredictionClient
from ml.contract.errors import InvalidData
from ml.contract.task import edges_of
from ml.prediction.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 4
GREY = np.linspace(0, 1, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE, 1)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[PredictionClient]:
    """A client of an endpoint that must not be asked."""
    endpoint: Any = SimpleNamespace(url="https://nowhere", invoke=pytest.fail)
    with PredictionClient(endpoint, Journal(tmp_path / "journal.db"), image_size=SIZE) as it:
        yield it


def refused(client: PredictionClient, image: object) -> str:
    with pytest.raises(InvalidData) as refusal:
        client.predict(image)
    assert client.journal.latest(client.endpoint.url) == {}
    assert "predict(Path(...))" in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("image", "values", "way_out"),
    [
        (GREY * 255, "from 0 to 255", "image / 255"),
        (GREY * 2 - 1, "from -1 to 1", "(image + 1) / 2"),
        (GREY * 4 - 2, "from -2 to 2", "Undo the normalisation"),
        (GREY * 65535, "from 0 to 65535", "divide by white less black"),
        (GREY + np.float32(1e-3), "from 0.001 to 1.001", "image / 255"),
    ],
)
def test_other_values_than_0_to_1_are_refused_with_their_range_and_the_way_out(
    client, image, values, way_out
):
    said = refused(client, image)

    assert f"image with values {values}: they must be from 0, black, to 1, white" in said
    assert way_out in said


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(client, value):
    image = GREY.copy()
    image[1, 2] = value

    assert "image with 1 values that are NaN or infinite" in refused(client, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_, np.complex128, object])
def test_another_type_is_refused_even_where_its_values_would_do(client, dtype):
    said = refused(client, np.ones((SIZE, SIZE, 1), dtype))

    assert f"image of {np.dtype(dtype)}: its values must be real numbers" in said


@pytest.mark.parametrize(
    ("shape", "way_out"),
    [
        ((SIZE, SIZE), "image[..., np.newaxis]"),
        ((1, SIZE, SIZE), "image[0, ..., np.newaxis]"),
        ((1, SIZE, SIZE, 1), "image[0] is the first"),
        ((3, SIZE, SIZE, 1), "Ask about each of them"),
        ((8, 8, 1), "image_size=8"),
        ((SIZE, SIZE, 3), "one grey image"),
        ((0, 0, 1), "one grey image"),
        ((), "one grey image"),
    ],
)
def test_another_shape_is_refused_with_the_one_that_is_taken(client, shape, way_out):
    said = refused(client, np.zeros(shape, np.float32))

    assert f"image of shape {list(shape)}: one grey image [4, 4, 1]" in said
    assert way_out in said


def test_an_image_that_is_asked_about_under_an_id_is_looked_at_too(client):
    with pytest.raises(InvalidData, match="from 0 to 255"):
        client.ask("film-1", GREY * 255)


def test_an_image_that_is_no_square_has_height_and_width(tmp_path: Path) -> None:
    endpoint: Any = SimpleNamespace(url="https://nowhere", invoke=pytest.fail)
    with PredictionClient(endpoint, Journal(tmp_path / "j.db"), image_size=(6, 4)) as client:
        with pytest.raises(InvalidData, match=r"one grey image \[6, 4, 1\]"):
            client.predict(np.zeros((4, 6, 1), np.float32))
        with pytest.raises(InvalidData, match=r"newaxis\] has that shape"):
            client.predict(np.zeros((6, 4), np.float32))


@pytest.mark.parametrize("size", [28, (60, 40)])
def test_the_size_is_what_the_endpoint_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: Any
) -> None:
    height, width = edges_of(size)
    schema: Any = {"type": "number"}
    for edge in (1, width, height, None):
        edges = {} if edge is None else {"minItems": edge, "maxItems": edge}
        schema = {"type": "array", "items": schema, **edges}
    asked = SimpleNamespace(url="https://nowhere", request_schema=lambda: schema)
    monkeypatch.setattr("ml.client.Endpoint", lambda *_, **__: asked)
    monkeypatch.setattr("ml.workspace.connection.connect", lambda *_, **__: None)

    with PredictionClient.connect("local", journal=tmp_path / "j.db") as client:
        assert client.image_size == size
