"""What counts as deployed: what serves, compared with what is declared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.declared.environment import load
from infra.rollout import wait as waiting
from infra.rollout.__main__ import main
from infra.rollout.check import check_serving
from infra.rollout.endpoints import arms_are_as_declared, endpoints_of
from infra.rollout.refusal import Refused
from infra.rollout.status import statuses
from infra.rollout.terraform_state import TerraformState
from infra.rollout.wait import Outcome, wait
from tests.infra.several import SEVERAL

Write = Callable[..., Path]


def document(
    challenger: int = 20, *, update: str = "NOT_UPDATING", ready: str = "READY", **arms: str
) -> dict[str, Any]:
    """The endpoint of the test's environment file, with the deployments of its arms."""
    return {
        "name": "ab",
        "id": "1",
        "state": {"ready": ready, "config_update": update},
        "config": {
            "served_entities": [
                {
                    "name": name,
                    "entity_name": f"healthcare_catalog_dev.models.{name.partition('-')[0]}",
                    "entity_version": name.rpartition("-")[2],
                    "workload_size": size,
                    "scale_to_zero_enabled": True,
                    "state": {
                        "deployment": f"DEPLOYMENT_{arms.get(name.partition('-')[0], 'READY')}"
                    },
                }
                for name, size in (("keras-1", "Small"), ("torch-2", "Medium"))
            ],
            "traffic_config": {
                "routes": [
                    {"served_entity_name": "keras-1", "traffic_percentage": 100 - challenger},
                    {"served_entity_name": "torch-2", "traffic_percentage": challenger},
                ]
            },
        },
        "ai_gateway": {
            "inference_table_config": {
                "catalog_name": "healthcare_catalog_dev",
                "schema_name": "gold",
                "table_name_prefix": "pneumonia_classifier",
                "enabled": True,
            }
        },
    }


class Client:
    """Answers one document after the other, the last one for ever; None is no endpoint."""

    def __init__(self, **endpoints: list[dict[str, Any] | None]) -> None:
        self.endpoints = endpoints
        self.api_client = self
        self.serving_endpoints = self
        self.warehouses = self

    def do(self, _method: str, path: str) -> dict[str, Any]:
        from databricks.sdk.errors import NotFound

        answers = self.endpoints.get(path.rpartition("/")[2], [None])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            raise NotFound("no such endpoint")
        return answer

    def list(self) -> list[Any]:
        return []

    def build_logs(self, _name: str, entity: str) -> Any:
        class Logs:
            logs = f"log of {entity}"

        return Logs


@pytest.fixture
def waited(
    environment: Write, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Outcome, list[str]]]:
    monkeypatch.setattr(waiting, "PAUSES", (0.0,))

    def waited(*answers: dict[str, Any] | None, seconds: float = 60) -> tuple[Outcome, list[str]]:
        declared = load(environment(20))
        said: list[str] = []
        outcome = wait(
            Client(ab=list(answers)),  # type: ignore[arg-type]
            "ab",
            seconds=seconds,
            say=said.append,
            is_declared=partial(arms_are_as_declared, declared, declared.ab_test),
        )
        return outcome, said

    return waited


def test_an_endpoint_that_is_not_ready_is_waited_for(waited: Any) -> None:
    starting = document(ready="NOT_READY", keras="RECOVERING")

    outcome, said = waited(starting, starting, document())

    assert not outcome.failed
    assert "NOT_UPDATING, NOT_READY  keras-1: RECOVERING" in said[0]
    assert "NOT_UPDATING  keras-1: READY" in said[1]


def test_an_arm_that_does_not_serve_is_waited_for_beside_one_that_does(waited: Any) -> None:
    outcome, said = waited(document(torch="CREATING"), document())

    assert not outcome.failed
    assert len(said) == 2


def test_an_arm_that_was_given_up_is_a_failure_with_its_log(waited: Any) -> None:
    outcome, _ = waited(document(ready="NOT_READY", torch="FAILED"))

    assert outcome.failed
    assert [(log.served_entity, log.lines) for log in outcome.logs] == [
        ("torch-2", ("log of torch-2",))
    ]


def test_what_does_not_become_ready_is_refused_when_the_time_is_over(waited: Any) -> None:
    with pytest.raises(Refused, match="keras-1 is RECOVERING"):
        waited(document(ready="NOT_READY", keras="RECOVERING"), seconds=0)


def test_a_failed_update_is_a_failure_while_the_file_wants_it(waited: Any) -> None:
    outcome, _ = waited(document(challenger=10, update="UPDATE_FAILED"))

    assert outcome.failed


def test_a_failed_update_is_none_any_more_when_the_file_went_back(waited: Any) -> None:
    outcome, said = waited(document(update="UPDATE_FAILED"))

    assert not outcome.failed
    assert "UPDATE_FAILED" in said[0]


def test_a_first_update_that_failed_serves_nothing_though_it_shows_what_was_wanted(
    waited: Any,
) -> None:
    outcome, _ = waited(document(update="UPDATE_FAILED", ready="NOT_READY", torch="FAILED"))

    assert outcome.failed


class TestCheck:
    def findings(
        self, environment: Write, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
    ) -> list[str]:
        from infra.rollout import check

        parts = (
            "_models",
            "_signatures",
            "_grants",
            "_secrets",
            "check_existing",
            "_payload_table",
        )
        for part in parts:
            monkeypatch.setattr(check, part, lambda *_: ())
        found = check_serving(
            Client(ab=[answer]),  # type: ignore[arg-type]
            load(environment(20)),
            TerraformState(endpoints={}),
        )
        return [it.problem for it in found]

    def test_a_failed_update_stands_in_the_way_while_the_file_wants_it(
        self, environment: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = document(challenger=10, update="UPDATE_FAILED")
        [problem] = self.findings(environment, monkeypatch, answer)
        assert "UPDATE_FAILED" in problem

    def test_a_failed_update_is_past_when_what_is_declared_serves(
        self, environment: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = document(update="UPDATE_FAILED")
        assert self.findings(environment, monkeypatch, answer) == []


class TestStatus:
    def status(self, environment: Write, state: dict[str, Any], **live: Any) -> Any:
        return statuses(
            Client(**{name: [answer] for name, answer in live.items()}),  # type: ignore[arg-type]
            load(environment(20)),
            TerraformState(endpoints=state),
        )

    def test_what_serves_as_declared_is_as_declared(self, environment: Write) -> None:
        [found] = self.status(environment, {}, ab=document())
        assert found.is_as_declared

    def test_an_arm_that_recovers_is_not_as_declared(self, environment: Write) -> None:
        [found] = self.status(environment, {}, ab=document(torch="RECOVERING"))
        assert not found.is_as_declared
        assert "torch-2 is RECOVERING" in found.remark

    def test_an_endpoint_that_the_file_has_no_more_is_shown(self, environment: Write) -> None:
        other = document() | {"name": "feedback-endpoint"}
        states = {"ab": document(), "feedback-endpoint": other}
        found = self.status(environment, states, **{"ab": document(), "feedback-endpoint": other})

        assert [it.endpoint for it in found] == ["ab", "feedback-endpoint"]
        assert not found[1].is_as_declared
        assert "dev.toml does not declare it" in found[1].remark
        assert "destroys it" in found[1].remark

    def test_an_endpoint_of_the_state_alone_is_shown_too(self, environment: Write) -> None:
        gone = {"ab": document(), "gone": document()}
        found = self.status(environment, gone, ab=document())

        assert found[1].ready == "ABSENT"
        assert "forgets it" in found[1].remark


def test_what_serves_and_is_not_what_the_file_declares_is_said(waited: Any) -> None:
    """Somebody else's update has ended, or nobody has deployed the file yet."""
    outcome, said = waited(document(challenger=10, update="IN_PROGRESS"), document(challenger=10))

    assert not outcome.failed
    assert said[-1] == "it serves, but not the arms that the file declares: infra.rollout status"


def test_the_other_endpoints_are_waited_for_where_one_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dev.toml"
    file.write_text(SEVERAL, encoding="utf-8")
    names = [it.endpoint for it in endpoints_of(load(file))]
    client = Client(**{name: [{**document(), "name": name}] for name in names[1:]})
    monkeypatch.setattr(
        "infra.rollout.workspace.workspace", lambda _: contextlib.nullcontext(client)
    )

    assert main(["wait", "--environment", str(file)]) == 1

    told = capsys.readouterr()
    assert [line for line in told.out.splitlines() if not line.startswith(" ")] == names
    assert told.err.startswith(f"infra.rollout: {names[0]} does not exist, so that nothing is to ")
