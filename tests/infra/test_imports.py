"""`ml` and `infra` stay apart: the contracts of pyproject.toml, kept and able to break."""

from copy import deepcopy
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.forbidden import ForbiddenContract

CONFIGURATION = read_configuration(str(Path(__file__).parents[2] / "pyproject.toml"))
ML_BUILDS_NOTHING = "ml never imports what builds infrastructure"
SYNTHESIS_TRAINS_NOTHING = "Synthesis never imports what trains"
DEPLOYMENTS_ARE_NOT_LOCAL = "A deployment does not know the local workspace"


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Who imports whom, as `lint-imports` finds it."""
    packages = CONFIGURATION["session_options"]["root_packages"]
    return grimp.build_graph(*packages, include_external_packages=True, cache_dir=None)


def broken(imports: grimp.ImportGraph) -> list[str]:
    contracts = [
        ForbiddenContract(options["name"], CONFIGURATION["session_options"], options)
        for options in CONFIGURATION["contracts_options"]
    ]
    # A check takes the imports that it is to ignore out of its graph.
    return [it.name for it in contracts if not it.check(deepcopy(imports), verbose=False).kept]


def test_the_contracts_are_kept(imports: grimp.ImportGraph) -> None:
    assert broken(imports) == []


def test_every_contract_is_one_that_these_tests_break() -> None:
    assert [(it["name"], it["type"]) for it in CONFIGURATION["contracts_options"]] == [
        (ML_BUILDS_NOTHING, "forbidden"),
        (SYNTHESIS_TRAINS_NOTHING, "forbidden"),
        (DEPLOYMENTS_ARE_NOT_LOCAL, "forbidden"),
    ]


@pytest.mark.parametrize(
    ("importer", "imported", "contract"),
    [
        pytest.param("ml.contract.serving", "cdktf", ML_BUILDS_NOTHING, id="ml imports cdktf"),
        pytest.param(
            "ml.contract.serving",
            "infra.constructs.serving",
            ML_BUILDS_NOTHING,
            id="ml imports infra's heavy side",
        ),
        pytest.param(
            "infra.declared.endpoint", "mlflow", SYNTHESIS_TRAINS_NOTHING, id="infra imports mlflow"
        ),
        pytest.param(
            "infra.declared.environment",
            "ml.train_keras",
            SYNTHESIS_TRAINS_NOTHING,
            id="infra imports what trains through ml",
        ),
        *(
            pytest.param(
                deployment,
                "infra.local.settings",
                DEPLOYMENTS_ARE_NOT_LOCAL,
                id=f"{deployment} imports the local workspace",
            )
            for deployment in ("infra.constructs.serving", "infra.declared.platform")
        ),
    ],
)
def test_a_broken_contract_is_found(
    imports: grimp.ImportGraph, importer: str, imported: str, contract: str
) -> None:
    changed = deepcopy(imports)
    assert {importer, imported} <= changed.modules
    changed.add_import(importer=importer, imported=imported)

    assert contract in broken(changed)
