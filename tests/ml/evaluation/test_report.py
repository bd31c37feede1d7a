"""The report and the model card, from probabilities alone."""

import json

import numpy as np
import pytest
from PIL import Image

from ml.data.films import DataSet, Excluded, Films
from ml.evaluation.calibration import middle_of_bin, short
from ml.evaluation.report import report
from ml.registration.model_card import ModelCard


@pytest.fixture
def data(few_films):
    """A data set with a test part and more films left out than a page lists."""
    return DataSet(
        source="somewhere",
        digest="0" * 64,
        image_size=28,
        parts={
            "test": Films(
                images=few_films["test_images"][..., np.newaxis].astype(np.float32) / 255,
                labels=few_films["test_labels"][:, 0],
            )
        },
        excluded=tuple(Excluded(film=f"film-{i}", reason="unreadable") for i in range(30)),
        remarks=("Something was done.",),
    )


@pytest.fixture
def probabilities(data):
    labels = data.parts["test"].labels
    noise = np.random.default_rng(0).normal(0, 0.2, len(labels))
    return np.clip(0.2 + 0.6 * labels + noise, 0, 1)[:, np.newaxis]


def test_markdown_has_every_figure_with_its_interval(data, probabilities):
    text = report("model version 1", data, "test", probabilities).markdown()

    for line in (
        "| AUC |",
        "| sensitivity |",
        "| specificity |",
        "| accuracy |",
        "| Brier score |",
    ):
        assert line in text
    assert "(DeLong)" in text
    assert "(Wilson)" in text
    assert "Something was done." in text
    assert "not a medical device" in text


def test_films_that_are_left_out_are_counted_and_the_first_named(data, probabilities):
    text = report("model version 1", data, "test", probabilities).markdown()

    assert "30 left out, unreadable: film-0, film-1" in text
    assert "film-19 and 10 more" in text


def test_json_names_every_film_that_is_left_out(data, probabilities, tmp_path):
    report("model version 1", data, "test", probabilities).write(tmp_path)

    written = json.loads((tmp_path / "report.json").read_text())
    assert len(written["data"]["excluded"]) == 30
    assert written["figures"]["sensitivity"]["n"] + written["figures"]["specificity"]["n"] == 90
    assert written["figures"]["confidence"] == 0.95


def test_equal_reports_are_equal_files(data, probabilities, tmp_path):
    for folder in ("first", "second"):
        report("model version 1", data, "test", probabilities).write(tmp_path / folder)

    for name in ("report.md", "report.json", "roc.png", "calibration.png"):
        first, second = (tmp_path / folder / name for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("films", [[], [0], [1]])
def test_films_without_both_classes_give_an_honest_report_and_plots(data, films, tmp_path):
    test = data.parts["test"]
    chosen = np.flatnonzero(np.isin(test.labels, films))
    data.parts["test"] = test.take(chosen)

    judged = report("model version 1", data, "test", np.full((len(chosen), 1), 0.7))
    judged.write(tmp_path)

    assert "not defined" in judged.markdown()
    with Image.open(tmp_path / "roc.png") as plot:
        assert plot.size == (500, 500)
    assert json.loads((tmp_path / "report.json").read_text())["figures"]["auc"] is None


def test_the_model_card_says_what_a_reader_must_know(data, probabilities):
    card = ModelCard(
        name="catalog.models.model",
        architecture="network",
        parameters=1234,
        training={"seed": "0"},
        data=data,
        evaluation=report("model", data, "test", probabilities).evaluation,
    )

    text = card.markdown()
    for fact in (
        "not a medical device",
        "children of one to five years",
        "one centre",
        "1,234 parameters",
        "| test |",
        "(Wilson)",
        "(DeLong)",
        "30 left out",
        "seed: `0`",
    ):
        assert fact in text
    assert json.loads(json.dumps(card.as_dict()))["validation"]["n"] == 90


def test_an_interval_without_a_width_is_not_given_as_one(data):
    labels = data.parts["test"].labels
    text = report("model", data, "test", labels[:, np.newaxis].astype(float)).markdown()

    assert "| AUC | 1.000 | no interval: no error (DeLong) |" in text


@pytest.mark.parametrize(
    ("probability", "middle"),
    [(0.0, 0.05), (0.0999, 0.05), (0.1, 0.15), (1.0, 0.95), (np.average([0.1] * 7), 0.15)],
)
def test_what_is_said_of_a_bin_stands_at_its_middle(probability, middle):
    assert middle_of_bin(probability) == pytest.approx(middle)


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (0, "0"),
        (9_999, "9999"),
        (10_000, "10k"),
        (999_499, "999k"),
        (999_999, "1.0M"),
        (12_345_678, "12M"),
    ],
)
def test_a_number_of_films_has_room_under_its_bin(n, shown):
    assert short(n) == shown
    assert len(short(n)) <= 4
