"""The rooms know each other as pyproject.toml says: its contracts, kept and able to break."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

CONFIGURATION = read_configuration(str(Path(__file__).parents[2] / "pyproject.toml"))
KINDS: Any = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "forbidden": ForbiddenContract,
    "layers": LayersContract,
}
ML_KNOWS_WHAT_IS_DECLARED = "ml knows of infra what is declared, and nothing else"
INFRA_KNOWS_THE_CONTRACT = "infra knows of ml the contract and the workspace, and nothing else"
DECLARED_KNOWS_THE_CONTRACT = "What is declared knows of this project the contract of ml alone"
ROOMS_OF_INFRA = "The rooms of infra"
ROOMS_OF_ML = "The rooms of ml; a new one is named here, and whether infra may know it, above"
NO_CIRCLES = "No circles"
ML_BUILDS_NOTHING = "ml never imports what builds infrastructure"
SYNTHESIS_TRAINS_NOTHING = "Synthesis never imports what trains"
TRAINING_IN_ONE_FRAMEWORK = "Training in one framework imports no other"


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Who imports whom, as `lint-imports` finds it."""
    packages = CONFIGURATION["session_options"]["root_packages"]
    return grimp.build_graph(*packages, include_external_packages=True, cache_dir=None)


def broken(imports: grimp.ImportGraph) -> list[str]:
    contracts = [
        KINDS[options["type"]](options["name"], CONFIGURATION["session_options"], options)
        for options in CONFIGURATION["contracts_options"]
    ]
    # A check takes the imports that it is to ignore out of its graph.
    return [it.name for it in contracts if not it.check(deepcopy(imports), verbose=False).kept]


def test_the_contracts_are_kept(imports: grimp.ImportGraph) -> None:
    assert broken(imports) == []


BREAKING = {
    "ml imports cdktf": ("ml.contract.serving", "cdktf", ML_BUILDS_NOTHING),
    "ml imports a construct": (
        *("ml.verdict.rule", "infra.constructs.serving"),
        ML_KNOWS_WHAT_IS_DECLARED,
    ),
    "ml imports the local workspace": (
        *("ml.workspace.connection", "infra.local.settings"),
        ML_KNOWS_WHAT_IS_DECLARED,
    ),
    "infra imports a verdict": (
        *("infra.rollout.verify", "ml.compare"),
        INFRA_KNOWS_THE_CONTRACT,
    ),
    "infra imports what sends films": (
        *("infra.local.workspace", "ml.client"),
        INFRA_KNOWS_THE_CONTRACT,
    ),
    "the workspace of ml imports films, which infra would know": (
        *("ml.workspace.warehouse", "ml.data.films"),
        INFRA_KNOWS_THE_CONTRACT,
    ),
    "what is declared imports the workspace": (
        *("infra.declared.environment", "ml.workspace.connection"),
        DECLARED_KNOWS_THE_CONTRACT,
    ),
    "a construct imports a stack": (
        *("infra.constructs.jobs", "infra.stacks"),
        ROOMS_OF_INFRA,
    ),
    "a deployment imports the local workspace": (
        *("infra.constructs.serving", "infra.local.settings"),
        ROOMS_OF_INFRA,
    ),
    "data import a verdict": ("ml.data.films", "ml.verdict.rule", ROOMS_OF_ML),
    "a command imports a command": ("ml.replay", "ml.compare", ROOMS_OF_ML),
    "a circle of two modules": (
        *("infra.local.storage.database", "infra.local.storage.metadata"),
        NO_CIRCLES,
    ),
    "a circle of two rooms": ("infra.local.catalog.models", "infra.local.lake", NO_CIRCLES),
    "infra imports mlflow": ("infra.declared.endpoint", "mlflow", SYNTHESIS_TRAINS_NOTHING),
    "infra imports what trains through ml": (
        *("infra.declared.environment", "ml.train_keras"),
        INFRA_KNOWS_THE_CONTRACT,
    ),
    "training in Keras imports PyTorch": (
        *("ml.training.fitting", "torch"),
        TRAINING_IN_ONE_FRAMEWORK,
    ),
}


def test_every_contract_is_one_that_these_tests_break() -> None:
    assert {contract for *_, contract in BREAKING.values()} == {
        options["name"] for options in CONFIGURATION["contracts_options"]
    }


@pytest.mark.parametrize(("importer", "imported", "contract"), BREAKING.values(), ids=BREAKING)
def test_a_broken_contract_is_found(
    imports: grimp.ImportGraph, importer: str, imported: str, contract: str
) -> None:
    changed = deepcopy(imports)
    assert {importer, imported} <= changed.modules
    changed.add_import(importer=importer, imported=imported)

    assert contract in broken(changed)
