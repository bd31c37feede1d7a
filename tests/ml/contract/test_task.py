"""A task: what one file says, what is refused, and where its words go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.declared.analysis import VIEWS, Analysis
from infra.declared.environment import InvalidEnvironment
from infra.declared.environment import load as load_environment
from ml.contract.task import PNEUMONIA, TASKS, ImageInput, InvalidTask, Task, load

TABLE = """
labels    = ["malignant", "benign"]
positive  = "malignant"
threshold = 0.3
probability = ["malignant"]

[input]
columns = { age = "number", ward = "text" }

[words]
case = ["sample", "samples"]
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "breast.toml").write_text(TABLE)
    return load("breast.toml", tmp_path)


def analysis(task: Task) -> Analysis:
    return Analysis(
        catalog="c", schema="gold", prefix="t", feedback="c.gold.f", context="c.gold.x", task=task
    )


def test_the_positive_label_is_the_one_that_the_file_names(task: Task) -> None:
    assert (task.negative, task.positive) == ("benign", "malignant")
    assert task.verdicts == ("benign", "malignant", "INDETERMINATE")
    assert [task.call(p) for p in (0.29, 0.3)] == ["benign", "malignant"]


@pytest.mark.parametrize(
    ("shape", "size"), [("[28, 28, 1]", 28), ("[60, 40, 1]", (60, 40)), ("[1, 4096, 1]", (1, 4096))]
)
def test_a_picture_has_any_height_and_width(tmp_path: Path, shape: str, size: object) -> None:
    (tmp_path / "t.toml").write_text(
        f'labels = ["sound", "ill"]\npositive = "ill"\n[input]\nimage = {shape}\n'
    )

    picture = load("t.toml", tmp_path).input

    assert isinstance(picture, ImageInput)
    assert picture.size == size


@pytest.mark.parametrize(
    "shape", ["[0, 40, 1]", "[60, 4097, 1]", "[60, 40]", "[60, 40, 3]", "[true, 40, 1]", "60"]
)
def test_a_picture_of_another_shape_is_refused_by_name(tmp_path: Path, shape: str) -> None:
    (tmp_path / "t.toml").write_text(
        f'labels = ["sound", "ill"]\npositive = "ill"\n[input]\nimage = {shape}\n'
    )

    with pytest.raises(InvalidTask, match=r"t\.toml: input\.image = .*\[height, width, 1\]"):
        load("t.toml", tmp_path)


@pytest.mark.parametrize("label", ["bösartig", "très malin", "2+", "Grignolino è", "悪性"])
def test_a_label_is_of_any_language(tmp_path: Path, label: str) -> None:
    (tmp_path / "t.toml").write_text(
        f'labels = ["benign", "{label}"]\npositive = "{label}"\n[input]\ncolumns = ["age"]\n',
        encoding="utf-8",
    )

    assert load("t.toml", tmp_path).positive == label


@pytest.mark.parametrize(
    ("path", "values", "answer", "found"),
    [
        ((), 1, 0.25, 0.25),
        ((0,), 1, [0.25], 0.25),
        ((0,), 1, [0.25, 0.75], None),
        ((0,), 2, [0.25, 0.75], 0.25),
        ((1,), 2, [0.75, 0.25], 0.25),
        (("p",), 1, {"p": 0.25, "other": 1}, 0.25),
        (("p",), 1, {"q": 0.25}, None),
        (("scores", 1), 2, {"scores": [0.75, 0.25]}, 0.25),
        ((0,), 1, [1.5], None),
        ((0,), 1, [True], None),
        ((0,), 1, [float("nan")], None),
        ((0,), 1, "0.25", None),
    ],
)
def test_the_probability_is_found_where_the_task_says(
    path: Any, values: int, answer: Any, found: float | None
) -> None:
    given = Task(
        name="t",
        labels=("a", "b"),
        threshold=0.5,
        input=PNEUMONIA.input,
        probability=path,
        values=values,
    )

    assert given.in_answer(answer) == found


def test_the_views_are_of_the_tasks_labels_threshold_and_answers(task: Task) -> None:
    found = analysis(task)

    assert "'predictions ARRAY<STRUCT<malignant: DOUBLE>>'" in found.query("answers")
    assert "answer.malignant AS probability" in found.query("answers")
    assert "probability >= 0.3 THEN 'malignant' ELSE 'benign'" in found.query("predictions")
    assert "PNEUMONIA" not in "".join(found.query(it.name) + found.comment(it) for it in VIEWS)


def test_of_pneumonia_the_view_of_answers_is_what_it_was() -> None:
    text = analysis(PNEUMONIA).query("answers")

    assert "CASE WHEN size(answer) = 1 THEN answer[0] END AS probability" in text
    assert "from_json(response, 'predictions ARRAY<ARRAY<DOUBLE>>').predictions" in text


def test_texts_of_films_are_said_in_the_words_of_the_task(task: Task) -> None:
    text = "Films of 2 patients, 1 film called PNEUMONIA, 1 NORMAL; filmed"

    assert task.said(text) == "Samples of 2 subjects, 1 sample called malignant, 1 benign; filmed"
    assert PNEUMONIA.said(text) == text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["malignant", "benign"]', '["malignant"]', "labels"),
        ('["malignant", "benign"]', '["malignant", "it\'s"]', "labels"),
        ('["malignant", "benign"]', '["malignant", "INDETERMINATE"]', "labels"),
        ('= "malignant"', '= "sick"', "positive = 'sick'"),
        ("0.3", "1.0", "threshold = 1.0"),
        ("0.3", '"0.3"', "threshold = '0.3'"),
        ('["malignant"]\n\n[input]', '["a b"]\n\n[input]', "probability"),
        ('["malignant"]\n\n[input]', "[-1]\n\n[input]", "probability"),
        ("threshold", "treshold", "treshold: known keys"),
        ('"text"', '"words"', "input.columns"),
        ("[input]", "[inputs]", "inputs: known keys"),
        ('["sample", "samples"]', '["sample"]', "words.case"),
        ("[words]", "[words", "readable file of TOML"),
    ],
)
def test_a_mistake_is_said_with_file_key_value_and_way_out(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in TABLE
    file = tmp_path / "breast.toml"
    file.write_text(TABLE.replace(old, new, 1))

    with pytest.raises(InvalidTask) as refused:
        load(file)

    assert str(file) in str(refused.value)
    assert said in str(refused.value)


def test_a_task_may_be_written_by_tools_of_windows(tmp_path: Path) -> None:
    file = tmp_path / "pneumonia.toml"
    text = (TASKS / "pneumonia.toml").read_text(encoding="utf-8")
    file.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))

    assert load(file) == load("pneumonia")


@pytest.mark.parametrize(
    ("encoding", "what"), [("utf-16", "text in UTF-16"), ("cp1252", "byte 0xfc in line 2")]
)
def test_another_encoding_is_named_with_the_way_out(
    tmp_path: Path, encoding: str, what: str
) -> None:
    file = tmp_path / "task.toml"
    file.write_bytes("# a\n# f\u00fcr\n".encode(encoding))

    with pytest.raises(InvalidTask, match=what) as refusal:
        load(file)
    assert "save it again as UTF-8" in str(refusal.value)


def test_an_environment_names_a_task_that_is_not_there(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "infra/environments/local.toml").read_text()
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("[ab_test]\n", '[ab_test]\ntask = "breast.toml"\n', 1))

    with pytest.raises(InvalidEnvironment) as refused:
        load_environment(file)

    (problem,) = refused.value.problems
    assert (problem.key, problem.value) == ("ab_test.task", '"breast.toml"')
    assert "a file of your own" in problem.rule


def test_an_environment_takes_a_task_of_the_teams_own(tmp_path: Path) -> None:
    (tmp_path / "breast.toml").write_text(TABLE)
    text = (Path(__file__).parents[3] / "infra/environments/local.toml").read_text()
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("[ab_test]\n", '[ab_test]\ntask = "breast.toml"\n', 1))

    found = Analysis.of(load_environment(file))

    assert found is not None
    assert found.task.positive == "malignant"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            (),
            r"--data is missing\. Name a CSV or Parquet file of rows with .*: sample, mean radius",
        ),
        (("--logged",), r"--logged fetches films that were ingested"),
    ],
)
def test_a_replay_of_rows_without_rows_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], said: str
) -> None:
    from ml.contract.errors import UserError
    from ml.replay import main

    monkeypatch.chdir(tmp_path)
    example = Path(__file__).parents[3] / "examples" / "second_test" / "better_by_far.toml"

    with pytest.raises(UserError, match=said):
        main([str(example), *given])
