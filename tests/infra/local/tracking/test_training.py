"""The road to production: what trains for Databricks, unchanged, against a workspace."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from infra.declared.environment import load
from tests.plugin.served import serving
from tests.plugin.workspaces import IMAGE, entity

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.commands import Call
    from tests.plugin.films import Arrays

MODEL = "pneumonia_poc_classifier"


@pytest.mark.slow("a training in TensorFlow and two more of its processes: a minute of one core")
def test_training_registers_in_unity_catalog_what_is_evaluated_and_served(
    tmp_path: Path, empty_registry: Path, few_films: Arrays, run_command: Call
) -> None:
    shutil.copy(empty_registry, tmp_path / empty_registry.name)
    user = tmp_path / "user"
    user.mkdir()
    np.savez_compressed(user / "films.npz", **few_films)
    catalog, schema, name = load("dev").full_model_name(MODEL).split(".")
    with serving(tmp_path, f"sqlite:///{tmp_path / empty_registry.name}") as workspace:
        workspace.create_schema(catalog, schema)
        databricks = {"DATABRICKS_HOST": workspace.host, "DATABRICKS_TOKEN": workspace.token}
        options = ("--environment", "dev", "--registry", "databricks-uc", "--data", "films.npz")
        train = ("-m", "ml.train_keras", *options, "--epochs", 1)
        trained = run_command(*train, cwd=user, HOME=str(user), **databricks)
        assert trained.status == 0, trained.err
        assert f"{catalog}.{schema}.{name} version 1" in trained.out
        assert "Registered in databricks-uc" in trained.out
        assert "WARNING" not in trained.err + trained.out
        assert not (user / ".local").exists()

        again = run_command(*train, "--skip-if-registered", cwd=user, HOME=str(user), **databricks)
        assert "gave a version already" in again.out

        judge = ("-m", "ml.evaluate", *options, "--model", MODEL, "--version", 1)
        judged = run_command(*judge, cwd=user, HOME=str(user), **databricks)
        assert judged.status == 0, judged.err
        assert "ROC" in judged.out or "AUC" in judged.out

        workspace.create("trained", entity(f"{catalog}.{schema}.{name}", name="champion"))
        answer = workspace.invoke("trained", {"inputs": [IMAGE]})
        assert answer.status_code == 200, answer.text
        [[probability]] = answer.json()["predictions"]
        assert 0 <= probability <= 1
