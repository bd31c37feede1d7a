"""`pin --newest --unless-worse`: newer versions whose cards show that they are no worse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.declared.environment import load
from infra.rollout import workspace
from infra.rollout.__main__ import main
from infra.rollout.environment_file import EnvironmentFile
from infra.rollout.proposal import HIGHER_IS_BETTER, propose, report
from infra.rollout.refusal import Refused
from infra.rollout.versions import Registry

Write = Callable[..., Path]
KERAS, TORCH = (f"healthcare_catalog_dev.models.{name}" for name in ("keras", "torch"))
SIGNATURE = {"inputs": '[{"type": "tensor"}]', "outputs": '[{"type": "tensor"}]'}
FIGURES = {"auc": 0.99, "sensitivity": 0.95, "specificity": 0.93, "accuracy": 0.94}


def card(films: str = "f", **figures: float) -> bytes:
    """As `ml.registration.model_card` writes it."""
    estimates = {name: {"value": value, "n": 524} for name, value in (FIGURES | figures).items()}
    validation = estimates | {"brier": 0.04, "calibration_error": 0.02}
    return json.dumps({"validation": validation, "data": {"sha256": films}}).encode()


class Workspace:
    """A workspace's models by name, number and file, as the SDK's client gives them."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, int], dict[str, bytes]] = {}
        self.status: dict[tuple[str, int], str] = {}
        self.model_versions = self.files = self
        for model, newest in ((KERAS, 1), (TORCH, 2)):
            for number in range(1, newest + 1):
                self.add(model, number, card())

    def add(
        self,
        model: str,
        number: int,
        model_card: bytes | None,
        *,
        signature: dict[str, str] = SIGNATURE,
        status: str = "READY",
    ) -> None:
        files = {"MLmodel": json.dumps({"signature": signature}).encode()}
        if model_card is not None:
            files |= {"model_card.json": model_card, "model_card.md": b"# The card\n"}
        self.versions[model, number] = files
        self.status[model, number] = status

    def get(self, model: str, number: int) -> Any:
        return self._version(model, number)

    def list(self, model: str) -> Iterator[Any]:
        return (self._version(*it) for it in self.versions if it[0] == model)

    def download(self, path: str) -> Any:
        import io

        from databricks.sdk.errors import NotFound

        _, _, catalog, schema, model, number, name = path.split("/")
        files = self.versions[f"{catalog}.{schema}.{model}", int(number)]
        if name not in files:
            raise NotFound(path)
        return SimpleNamespace(contents=io.BytesIO(files[name]))

    def _version(self, model: str, number: int) -> Any:
        from databricks.sdk.errors import NotFound

        if (model, number) not in self.versions:
            raise NotFound(model)
        status = SimpleNamespace(value=self.status[model, number])
        return SimpleNamespace(version=number, status=status)


@pytest.fixture
def models() -> Workspace:
    return Workspace()


def weigh(file: Path, models: Workspace, *names: str) -> dict[str, str | None]:
    """What hinders each arm; None where its newest version was pinned."""
    registry = Registry(models)  # type: ignore[arg-type]
    found = propose(EnvironmentFile(file), registry, models=names)
    return {it.model: it.hindrance for it in found}


@pytest.mark.parametrize("gain", [0, 0.01])
def test_a_newer_version_that_is_equal_or_better_is_pinned(
    environment: Write, models: Workspace, gain: float
) -> None:
    file = environment()
    models.add(TORCH, 3, card(**{name: value + gain for name, value in FIGURES.items()}))

    found = weigh(file, models)

    assert found == {"keras": "there is no newer READY version", "torch": None}
    assert load(file).ab_test.challengers[0].version == 3
    assert load(file).ab_test.champion.version == 1


@pytest.mark.parametrize("figure", HIGHER_IS_BETTER)
def test_a_version_that_is_worse_in_one_figure_is_not(
    environment: Write, models: Workspace, figure: str
) -> None:
    file = environment()
    before = file.read_bytes()
    models.add(TORCH, 3, card(**{figure: FIGURES[figure] - 0.01}))

    found = weigh(file, models)

    assert f"{figure} {FIGURES[figure] - 0.01:.4f} < {FIGURES[figure]:.4f}" in str(found["torch"])
    assert file.read_bytes() == before


def test_a_version_with_another_signature_is_not(environment: Write, models: Workspace) -> None:
    file = environment()
    models.add(TORCH, 3, card(), signature=SIGNATURE | {"inputs": '[{"type": "string"}]'})

    assert "another signature than version 2" in str(weigh(file, models)["torch"])
    assert load(file).ab_test.challengers[0].version == 2


@pytest.mark.parametrize("key", ["output", "threshold", "task"])
def test_a_version_of_another_task_is_not(environment: Write, models: Workspace, key: str) -> None:
    for number, meant in ((2, "probabilities of PNEUMONIA"), (3, "probabilities of CANCER")):
        models.add(TORCH, number, json.dumps(json.loads(card()) | {key: meant}).encode())

    assert f"of another task than version 2: the {key}" in str(
        weigh(environment(), models)["torch"]
    )


@pytest.mark.parametrize("described", [b"{", b"[]", b"signature: text", b"signature: {inputs: x}"])
def test_a_version_whose_signature_is_unreadable_keeps_no_other_from_being_proposed(
    environment: Write, models: Workspace, described: bytes
) -> None:
    file = environment()
    models.add(KERAS, 2, card())
    models.add(TORCH, 3, card())
    models.versions[TORCH, 3]["MLmodel"] = described

    found = weigh(file, models)

    assert f"{TORCH} version 3" in str(found["torch"])
    assert found["keras"] is None
    assert load(file).ab_test.champion.version == 2


def test_a_version_that_is_not_ready_is_no_newer_one(environment: Write, models: Workspace) -> None:
    models.add(TORCH, 3, card(), status="PENDING_REGISTRATION")

    assert weigh(environment(), models)["torch"] == "there is no newer READY version"


@pytest.mark.parametrize(
    "other",
    [
        None,
        b"no JSON",
        b"[]",
        b'{"validation": null}',
        b'{"validation": {"auc": 1.0}}',
        card(auc=float("nan")),
        card(auc=True),
        card(auc=1.5),
        card(auc=10**400),
    ],
)
@pytest.mark.parametrize("number", [2, 3])
def test_without_both_cards_nothing_says_which_is_worse(
    environment: Write, models: Workspace, other: bytes | None, number: int
) -> None:
    models.add(TORCH, 3, card())
    models.add(TORCH, number, other)

    found = weigh(environment(), models)["torch"]

    assert f"{TORCH} version {number} has no model_card.json with the validation figures" in str(
        found
    )


def test_a_model_in_two_places_is_left_to_people(environment: Write, models: Workspace) -> None:
    file = environment(20, ('model         = "torch"', 'model         = "keras"'))
    models.add(KERAS, 2, card())
    models.add(KERAS, 3, card())

    assert "several places" in str(weigh(file, models)["keras"])


def test_only_the_models_that_are_named_are_weighed(environment: Write, models: Workspace) -> None:
    file = environment()
    models.add(KERAS, 2, card())
    models.add(TORCH, 3, card())

    assert weigh(file, models, "torch") == {"torch": None}
    assert load(file).ab_test.champion.version == 1
    with pytest.raises(Refused, match="has no such arm; it has keras, torch"):
        weigh(file, models, "resnet")


def test_the_reviewer_sees_the_figures_and_the_card(environment: Write, models: Workspace) -> None:
    models.add(TORCH, 3, card("others", auc=0.995))
    file = EnvironmentFile(environment())

    found = propose(file, Registry(models))  # type: ignore[arg-type]

    text = report(file.environment, tuple(it for it in found if it.hindrance is None))
    assert f"## {TORCH}: 2 → 3" in text
    assert "| auc | 0.9900 | 0.9950 |" in text
    assert "| brier | 0.0400 | 0.0400 |" in text
    assert "# The card" in text
    assert "**The two were judged on different films.**" in text


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def client(self, models: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        @contextmanager
        def client(_: object) -> Iterator[Workspace]:
            yield models

        monkeypatch.setattr(workspace, "workspace", client)

    def test_it_writes_file_and_report(
        self, environment: Write, models: Workspace, tmp_path: Path, capsys: Any
    ) -> None:
        file, written = environment(), tmp_path / "new" / "report.md"
        models.add(TORCH, 3, card())

        status = main(
            ["pin", "--newest", "--unless-worse", str(written), "--environment", str(file)]
        )

        said = capsys.readouterr().out
        assert status == 0
        assert f"ab_test.challengers[0] ({TORCH}): version 3 instead of 2" in said
        assert "+version       = 3" in said
        assert "2 → 3" in written.read_text(encoding="utf-8")

    def test_it_writes_nothing_where_nothing_is_proposed(
        self, environment: Write, tmp_path: Path, capsys: Any
    ) -> None:
        file, written = environment(), tmp_path / "report.md"

        status = main(
            ["pin", "--newest", "--unless-worse", str(written), "--environment", str(file)]
        )

        assert status == 0
        assert "Nothing is proposed" in capsys.readouterr().out
        assert not written.exists()

    def test_aliases_are_not_weighed(self, environment: Write, capsys: Any) -> None:
        status = main(["pin", "--unless-worse", "report.md", "--environment", str(environment())])

        assert status == 1
        assert "give --newest too" in capsys.readouterr().err
