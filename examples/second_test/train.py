"""Trains two models on scikit-learn's breast cancer data, each to be registered by `ml.register`.

    python examples/second_test/train.py FOLDER

writes FOLDER/logistic and FOLDER/boosted, models of MLflow, and three sheets of the samples that
neither has seen: samples.csv for `python -m ml.predict`, truth.csv with what is known of them, and
labelled.csv with both, to judge models by.
Data: Wolberg, Mangasarian, Street and Street, https://doi.org/10.24432/C5DW2B (CC BY 4.0).
"""

import sys
from importlib.metadata import version
from pathlib import Path

import mlflow
from mlflow.models import infer_signature
from sklearn.base import ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODELS: dict[str, ClassifierMixin] = {
    # What the clinic has today: a rule by two measures.
    "logistic": make_pipeline(
        make_column_transformer((StandardScaler(), ["mean texture", "mean smoothness"])),
        LogisticRegression(),
    ),
    "boosted": HistGradientBoostingClassifier(max_iter=60, random_state=0),
}
REQUIREMENTS = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "pandas")]


def main(folder: Path) -> None:
    """Trains both on a third of the samples, and writes the others down."""
    data = load_breast_cancer(as_frame=True)
    malignant = (data.target == 0).astype(int)  # the data set calls malignant 0
    known, asked, truth, answers = train_test_split(
        data.data, malignant, train_size=0.3, random_state=0, stratify=malignant
    )
    for name, model in MODELS.items():
        model.fit(known, truth)
        mlflow.sklearn.save_model(
            model,
            folder / name,
            signature=infer_signature(known, model.predict_proba(known)),
            input_example=known[:1],
            pip_requirements=REQUIREMENTS,
            pyfunc_predict_fn="predict_proba",
            serialization_format="cloudpickle",
        )
    names = [f"sample-{number:03}" for number in asked.index]
    asked.insert(0, "sample", names)
    asked.to_csv(folder / "samples.csv", index=False)
    said = answers.map({0: "benign", 1: "malignant"}).to_frame("ground_truth")
    said.insert(0, "sample", names)
    said.to_csv(folder / "truth.csv", index=False)
    asked.assign(ground_truth=said["ground_truth"]).to_csv(folder / "labelled.csv", index=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python examples/second_test/train.py FOLDER")
    main(Path(sys.argv[1]))
