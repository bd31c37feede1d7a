"""Models of other makers: asked, judged and registered by ``python -m ml.register``."""

from __future__ import annotations

import json
import shutil
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from ml.contract.errors import UserError
from ml.contract.task import load
from ml.registration.foreign import Foreign
from ml.registration.judged import Labelled
from ml.registration.scoring import probabilities

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml.contract.task import Task
    from tests.plugin.commands import Call, Run

TASK = """
    labels = ["benign", "très malin"]
    positive = "très malin"
    probability = {path}
    [input]
    id = "sample"
    [input.columns]
    size = "number"
    colour = "text"
    [words]
    case = ["mole", "moles"]
"""
ENVIRONMENT = """
    catalog = "clinic"
    [workspace]
    host = "http://127.0.0.1:9"
    [mole_test]
    task = "task.toml"
    endpoint = "moles"
    [mole_test.champion]
    model = "moles"
    version = 1
"""
ROWS = pd.DataFrame(
    {
        "sample": [f"s{number}" for number in range(8)],
        "size": np.arange(8) / 8,
        "colour": ["pale", "dark, very"] * 4,
        "ground_truth": ["benign"] * 3 + ["très malin", "benign"] + ["très malin"] * 3,
    }
)
MODEL = """
    import mlflow, numpy as np, pandas as pd

    class Model(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            p = np.asarray(model_input["size"], float)
            return {answer}

    mlflow.models.set_model(Model())
"""


@pytest.fixture
def task(tmp_path: Path) -> Callable[[str], Task]:
    """The task of moles with this path of the probability."""

    def make(path: str) -> Task:
        file = tmp_path / "task.toml"
        file.write_text(dedent(TASK.format(path=path)), encoding="utf-8")
        return load(file)

    return make


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], Path]:
    """A model from code that answers this expression of `p`, the sizes."""

    def make(answer: str) -> Path:
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        code, folder = tmp_path / "code.py", tmp_path / "saved"
        code.write_text(dedent(MODEL.format(answer=answer)), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        columns = [ColSpec("double", "size"), ColSpec("string", "colour")]
        mlflow.pyfunc.save_model(
            folder,
            python_model=code,
            signature=ModelSignature(inputs=Schema(columns)),
            pip_requirements=["mlflow"],
        )
        return folder

    return make


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    ROWS.to_csv(file, index=False)
    return file


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ("np.stack([1 - p, p], axis=1)", "[1]"),
        ("p[:, None]", "[0]"),
        ("p", "[]"),
        ("p.tolist()", "[]"),
        ("pd.DataFrame({'p': p, 'label': 'x'})", '["p"]'),
        ("pd.Series(p, name='p')", '["p"]'),
        ("[{'scores': [1 - x, x]} for x in p]", '["scores", 1]'),
        ("[[{'p': x}] for x in p]", '[0, "p"]'),
    ],
)
def test_a_probability_is_found_where_the_task_says(
    task: Callable[[str], Task],
    model: Callable[[str], Path],
    rows: Path,
    tmp_path: Path,
    answer: str,
    path: str,
) -> None:
    asked = task(path)
    foreign = Foreign.fetched(str(model(answer)), tmp_path)

    assert foreign.asked(asked, rows) == 0
    known = Labelled.read(rows, asked, None)
    np.testing.assert_allclose(probabilities(foreign.model, known.cases, "it", asked), ROWS["size"])


@pytest.mark.parametrize(
    ("answer", "path", "said"),
    [
        ("{'p': p}", '["p"]', "one answer to all inputs together"),
        ("p * 3 - 1", "[]", "finds no probability of très malin"),
        ("p * np.nan", "[]", "finds no probability of très malin"),
        ("np.stack([p, p, p], axis=1)", "[1]", "a list of 2"),
        ("['benign' for _ in p]", "[]", "the answer itself"),
        ("p.tolist() + [.5]", "[]", "gave 2 answers to one input"),
        ("1 / 0", "[]", "division by zero"),
        ("model_input['weight']", "[]", "weight"),
        ("object()", "[]", "JSON"),
    ],
)
def test_an_answer_without_one_is_refused_in_one_line(
    task: Callable[[str], Task],
    model: Callable[[str], Path],
    rows: Path,
    tmp_path: Path,
    answer: str,
    path: str,
    said: str,
) -> None:
    foreign = Foreign.fetched(str(model(answer)), tmp_path)

    with pytest.raises(UserError, match="--from") as refused:
        foreign.asked(task(path), rows)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture
def run(
    run_main: Call, task: Callable[[str], Task], empty_registry: Path, tmp_path: Path
) -> Callable[..., Run]:
    """A command about the test of moles, with a registry of its own."""
    task("[1]")
    (tmp_path / "clinic.toml").write_text(dedent(ENVIRONMENT), encoding="utf-8")
    shutil.copy(empty_registry, tmp_path / "mlflow.db")
    return lambda command, *given: run_main(
        command,
        *given,
        *("--environment", tmp_path / "clinic.toml"),
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
    )


def registered(folder: Path, version: int) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """Tags, card and reference of a version."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    tags = client.get_model_version("clinic.models.moles", str(version)).tags
    into = folder / f"downloaded-{version}"
    into.mkdir()
    found = mlflow.artifacts.download_artifacts(
        f"models:/clinic.models.moles/{version}",
        dst_path=str(into),
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
    )
    card, reference = (
        json.loads((into / found / name).read_text()) if (into / found / name).exists() else {}
        for name in ("model_card.json", "reference.json")
    )
    return tags, card, reference


def test_labelled_rows_judge_a_model_as_training_judges_its_own(
    run: Callable[..., Run], model: Callable[[str], Path], rows: Path, tmp_path: Path
) -> None:
    saved = model("np.stack([1 - p, p], axis=1)")

    done = run("ml.register", "--from", saved, "--name", "moles", "--data", rows)

    assert done.status == 0, done.err
    tags, card, reference = registered(tmp_path, 1)
    assert (tags["validation_auc"], tags["validation_films"]) == ("0.9375", "8")
    assert card["validation"]["sensitivity"]["value"] == 0.75
    assert len(card["data"]["sha256"]) == 64
    assert reference.keys() == {"probability", "size"}
    again = run("ml.evaluate", "--model", "moles", "--version", 1, "--data", rows)
    assert "8 moles, 4 benign and 4 très malin" in again.out
    assert "0.938" in again.out
    report = tmp_path / ".local/evaluations/moles-1/report.json"
    figures = json.loads(report.read_text())["figures"]
    assert (figures["n_benign"], figures["n_très_malin"]) == (4, 4)


def test_a_registered_version_and_a_logged_one_can_be_registered_again(
    run: Callable[..., Run], model: Callable[[str], Path], rows: Path, tmp_path: Path
) -> None:
    import mlflow

    saved = model("np.stack([1 - p, p], axis=1)")
    first = run("ml.register", "--from", saved, "--name", "moles", "--sample", rows)
    assert first.status == 0, first.err
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    logged = client.get_model_version("clinic.models.moles", "1").run_id

    for source in (f"runs:/{logged}/model", "models:/clinic.models.moles/1"):
        done = run("ml.register", "--from", source, "--name", "moles", "--sample", rows)
        assert done.status == 0, done.err

    assert registered(tmp_path, 3)[0]["source"] == "models:/clinic.models.moles/1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--data", "nowhere.csv"), "no such file. Name a CSV or Parquet file of rows"),
        (("--data", "{rows}", "--truth", "colour"), "colour = 'pale' is no label of the task"),
        (("--data", "{rows}", "--truth", "diagnosis"), "--truth which one holds the label"),
        (("--data", "{rows}", "--part", "val"), "--part is of films"),
        (("--truth", "diagnosis"), "Add --data"),
        ((), "without an example of its input. Give --sample FILE"),
    ],
)
def test_what_it_cannot_be_judged_by_is_named_and_nothing_is_registered(
    run: Callable[..., Run],
    model: Callable[[str], Path],
    rows: Path,
    tmp_path: Path,
    given: tuple[str, ...],
    said: str,
) -> None:
    saved = model("np.stack([1 - p, p], axis=1)")
    sample = ("--sample", rows) if given else ()

    done = run(
        "ml.register", "--from", saved, "--name", "moles", *sample,
        *(it.format(rows=rows) for it in given),
    )  # fmt: skip

    assert done.status == 1
    assert said in done.err
    import mlflow

    assert not mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_registered_models()


def test_a_task_of_rows_has_no_bundled_data(run: Callable[..., Run]) -> None:
    done = run("ml.evaluate", "--model", "moles", "--version", 1)

    assert done.status == 1
    assert "--data is missing" in done.err
    assert "sample, size, colour, and ground_truth" in done.err


PICTURES = """
    labels = ["sound", "ill"]
    positive = "ill"
    [input]
    image = [6, 4, 1]
"""
LOOKS = """
    import mlflow

    class Model(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            assert model_input.shape[1:] == (6, 4, 1)
            return model_input.mean(axis=(1, 2))

    mlflow.models.set_model(Model())
"""


def test_a_model_of_pictures_that_are_no_squares_is_judged_on_a_folder_of_its_labels(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    from PIL import Image

    (tmp_path / "task.toml").write_text(dedent(PICTURES))
    (tmp_path / "looks.py").write_text(dedent(LOOKS))
    tensor = TensorSpec(np.dtype(np.float32), (-1, 6, 4, 1))
    mlflow.pyfunc.save_model(
        tmp_path / "looks",
        python_model=tmp_path / "looks.py",
        signature=ModelSignature(inputs=Schema([tensor])),
        pip_requirements=["mlflow"],
    )
    random = np.random.default_rng(0)
    for label, brightest in (("sound", 120), ("Ill", 255)):
        folder = tmp_path / "films" / "val" / label
        folder.mkdir(parents=True)
        for number in range(6):
            greys = random.integers(0, brightest, (30, 50), dtype=np.uint8)
            Image.fromarray(greys).save(folder / f"p{number}.png")

    done = run(
        "ml.register", "--from", tmp_path / "looks", "--name", "moles",
        "--data", tmp_path / "films",
    )  # fmt: skip

    assert done.status == 0, done.err
    tags, card, reference = registered(tmp_path, 1)
    assert (tags["validation_auc"], tags["validation_films"]) == ("1.0000", "12")
    assert (card["validation"]["n_sound"], card["validation"]["n_ill"]) == (6, 6)
    assert reference.keys() == {"probability", "mean", "spread", "dark", "bright"}
    again = run("ml.evaluate", "--model", "moles", "--version", 1, "--data", tmp_path / "films")
    assert "on the part 'val'" in again.out, again.err
    assert "6 sound and 6 ill" in again.out
