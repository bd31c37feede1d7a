"""The example of a third challenger: one file, another framework, no epochs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pytest

from ml.contract.errors import UserError
from ml.train import _arm
from ml.training.session import options
from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = REPOSITORY / "examples" / "boosted_challenger" / "boosted.py"


def test_its_entry_is_in_the_file_and_has_no_epochs() -> None:
    arm = _arm(str(FILE))

    assert (arm.model, arm.framework, arm.epochs) == ("pneumonia_boosted", "scikit-learn", False)
    assert "--epochs" not in options(arm).format_help()


def test_any_size_of_film_gives_the_same_features() -> None:
    _arm(str(FILE))
    from boosted import features  # type: ignore[import-not-found]

    grey = np.full((2, 28, 28, 1), 0.25, np.float32)

    assert features(grey).shape == features(np.full((2, 65, 65, 1), 0.25, np.float32)).shape
    np.testing.assert_allclose(features(grey)[:, :196], 64)  # of 254


def test_no_feature_has_more_levels_than_the_trees_tell_apart() -> None:
    _arm(str(FILE))
    from boosted import features

    films = np.random.default_rng(0).random((2000, 28, 28, 1), np.float32)

    assert max(len(np.unique(it)) for it in features(films).T) <= 255


def test_a_file_that_is_no_arm_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("ARM = 1\n")

    with pytest.raises(UserError, match=r"mine.py: needs ARM = Arm\(..., network='mine'\)"):
        _arm(str(file))
    with pytest.raises(UserError, match="no arm; there are pneumonia_poc_classifier"):
        _arm("unknown")


@pytest.mark.slow("trains on all bundled films")
def test_it_is_trained_registered_and_answers_as_the_others_do(
    run_command: Callable[..., object], empty_registry: Path, tmp_path: Path
) -> None:
    shutil.copy(empty_registry, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    done = run_command(
        *("-m", "ml.train", FILE, "--registry", uri, "--environment", "local"), cwd=tmp_path
    )

    assert done.status == 0, done.err  # type: ignore[attr-defined]
    mlflow.set_tracking_uri(uri)
    model = mlflow.pyfunc.load_model("models:/healthcare_catalog_local.models.pneumonia_boosted/1")
    answer = model.predict(np.zeros((1, 28, 28, 1), np.float32))
    assert answer.shape == (1, 1)
