"""`python -m infra.rollout` around deployments on the local workspace by the real Terraform."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.workspaces import BRIGHTNESS, ENDPOINTS, entity, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.serving.sandbox import Sandbox

pytestmark = pytest.mark.programs

MODELS = "/api/2.1/unity-catalog/models"


def as_one_line(text: str) -> str:
    return " ".join(text.split())


def put(sandbox: Sandbox, part: str, body: dict[str, Any], method: str = "PUT") -> None:
    """A change by hand, past Terraform."""
    answer = sandbox.workspace.client.request(
        method, f"{ENDPOINTS}/{sandbox.endpoint}/{part}", json=body
    )
    assert answer.status_code == 200, answer.text


def commit(sandbox: Sandbox, message: str) -> None:
    git(sandbox, "add", sandbox.file.name)
    git(sandbox, "commit", "--quiet", "-m", message)


def git(sandbox: Sandbox, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=sandbox.root, check=True)


@pytest.fixture
def aliases(sandbox: Sandbox) -> Iterator[dict[str, Any]]:
    """Sets aliases of the registered models; the test leaves none behind."""
    client = sandbox.workspace.client

    class Aliases(dict[str, Any]):
        def set(self, model: str, alias: str, version: int) -> None:
            path = f"{MODELS}/local.models.{model}/aliases/{alias}"
            answer = client.put(path, json={"version_num": version})
            assert answer.status_code == 200, answer.text

        def of(self, model: str) -> dict[str, int]:
            found = client.get(f"{MODELS}/local.models.{model}?include_aliases=true").json()
            return {it["alias_name"]: it["version_num"] for it in found.get("aliases", [])}

    found = Aliases()
    yield found
    for model in ("brightness", "contrast"):
        for alias in found.of(model):
            client.delete(f"{MODELS}/local.models.{model}/aliases/{alias}")


class TestStatus:
    def test_a_deployment_as_declared_has_no_drift(self, deployed: Sandbox) -> None:
        shown = deployed.rollout("status")

        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert "READY, NOT_UPDATING" in shown.stdout
        assert "50 %" in shown.stdout
        assert "no drift" in shown.stdout

    def test_an_endpoint_that_is_not_there_is_said_with_the_command_that_deploys_it(
        self, sandbox: Sandbox
    ) -> None:
        shown = sandbox.rollout("status")

        assert shown.returncode == 3, shown.stdout + shown.stderr
        assert f"{sandbox.endpoint}: ABSENT" in shown.stdout
        assert "cdktf deploy serving-sandbox" in shown.stdout

    def test_traffic_moved_by_hand_is_drift_that_a_deployment_heals(
        self, deployed: Sandbox
    ) -> None:
        config = deployed.live()["config"]
        routes = [
            {"served_entity_name": name, "traffic_percentage": percent}
            for name, percent in (("brightness-1", 30), ("contrast-1", 70))
        ]
        entities = [
            entity(it["entity_name"], it["entity_version"], it["name"], scale_to_zero_enabled=True)
            for it in config["served_entities"]
        ]
        put(deployed, "config", {"served_entities": entities, "traffic_config": {"routes": routes}})
        deployed.workspace.settled(deployed.endpoint)

        shown = deployed.rollout("status")
        deployed.deploy()

        assert shown.returncode == 3
        assert "arm contrast-1.traffic: file 50, state 50, live 70" in shown.stdout
        assert "heal: cdktf deploy serving-sandbox" in shown.stdout
        assert deployed.rollout("status").returncode == 0

    def test_what_no_plan_shows_is_shown_with_the_call_that_heals_it(
        self, sandbox: Sandbox
    ) -> None:
        sandbox.deploy()
        mails = {"on_update_failure": ["night@example.com"]}
        put(sandbox, "notifications", {"email_notifications": mails}, "PATCH")
        put(sandbox, "tags", {"delete_tags": ["project"]}, "PATCH")
        assert "No changes." in sandbox.plan()

        shown = sandbox.rollout("status")

        assert shown.returncode == 3
        assert 'tag project: file "champion-challenger"' in shown.stdout
        assert "email_notifications: file -, state -, live" in shown.stdout
        assert "night@example.com" in shown.stdout
        assert shown.stdout.count("a deployment does not heal it") == 2
        for call in healing_calls(shown.stdout):
            put(sandbox, *call)
        healed = sandbox.rollout("status")
        assert healed.returncode == 0, healed.stdout

    def test_logging_that_should_have_ended_is_shown_with_the_call_that_ends_it(
        self, sandbox: Sandbox
    ) -> None:
        sandbox.deploy()
        with sandbox.edited() as document:
            del document["ab_test"]["inference_table"]
        sandbox.refused()  # the provider cannot remove the block
        assert "No changes." in sandbox.plan()

        shown = sandbox.rollout("status")

        table = f'"local.gold.{sandbox.table}_payload"'
        assert shown.returncode == 3
        assert f"inference table: file -, state -, live {table}" in shown.stdout
        assert "crashes once and is silent after that" in shown.stdout
        for call in healing_calls(shown.stdout):
            put(sandbox, *call)
        assert not sandbox.live()["ai_gateway"]["inference_table_config"]["enabled"]
        healed = sandbox.rollout("status")
        assert healed.returncode == 0, healed.stdout


def healing_calls(shown: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What `databricks api` would send: the part of the endpoint, the body, the method."""
    for line in dict.fromkeys(shown.splitlines()):
        command = line.strip().removeprefix("heal: databricks api ")
        if command != line.strip():
            method, path, _, body = command.split(" ", 3)
            yield path.rpartition("/")[2], json.loads(body.strip("'")), method.upper()


class TestPin:
    def test_the_newest_version_is_written_and_the_rest_of_the_file_kept(
        self, sandbox: Sandbox
    ) -> None:
        before = sandbox.file.read_text()

        pinned = sandbox.rollout("pin", "--newest")

        assert pinned.returncode == 0, pinned.stderr
        assert "+version = 2" in pinned.stdout
        contrast = before.index('model = "contrast"')
        assert sandbox.file.read_text() == before[:contrast] + before[contrast:].replace(
            "version = 1", "version = 2", 1
        )

    def test_the_alias_of_the_role_is_what_is_pinned(self, sandbox: Sandbox, aliases: Any) -> None:
        aliases.set("brightness", "champion", 1)
        aliases.set("contrast", "challenger", 2)

        pinned = sandbox.rollout("pin")

        assert pinned.returncode == 0, pinned.stderr
        assert "ab_test.challengers[0].version = 2" in pinned.stdout
        assert sandbox.file.read_text().count("version = 2") == 1

    def test_a_missing_alias_is_refused_with_the_versions_that_there_are(
        self, sandbox: Sandbox
    ) -> None:
        before = sandbox.file.read_bytes()

        refused = sandbox.rollout("pin")

        assert refused.returncode == 1
        assert "local.models.brightness: no alias 'champion'; its versions: 1" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert sandbox.file.read_bytes() == before

    def test_another_signature_than_the_champions_is_refused(self, sandbox: Sandbox) -> None:
        with sandbox.edited() as document:
            document["ab_test"]["challengers"][0]["model"] = "probe"
        before = sandbox.file.read_bytes()

        refused = sandbox.rollout("pin", "--newest")

        assert refused.returncode == 1
        assert "local.models.probe version 2 takes and gives" in refused.stderr
        assert "same signature" in as_one_line(refused.stderr)
        assert sandbox.file.read_bytes() == before

    def test_a_version_that_is_not_ready_is_refused(self, sandbox: Sandbox) -> None:
        with sandbox.edited() as document:
            document["ab_test"]["challengers"][0]["model"] = "pending"

        refused = sandbox.rollout("pin", "--newest", "--model", "pending")

        assert refused.returncode == 1
        assert "no READY version" in refused.stderr
        assert "1 (PENDING_REGISTRATION)" in refused.stderr

    def test_a_version_without_a_model_card_is_not_proposed(self, sandbox: Sandbox) -> None:
        before = sandbox.file.read_bytes()

        weighed = sandbox.rollout("pin", "--newest", "--unless-worse", "report.md")

        assert weighed.returncode == 0, weighed.stderr
        assert "local.models.brightness): there is no newer READY version" in weighed.stdout
        assert "local.models.contrast version 1 has no model_card.json" in weighed.stdout
        assert sandbox.file.read_bytes() == before
        assert not (sandbox.root / "report.md").exists()


class TestCheck:
    def test_a_first_deployment_that_has_what_it_needs_has_no_finding(
        self, sandbox: Sandbox
    ) -> None:
        checked = sandbox.rollout("check", "--stack", "serving")

        assert checked.returncode == 0, checked.stdout + checked.stderr

    def test_every_finding_comes_at_once_with_its_command(self, sandbox: Sandbox) -> None:
        client = sandbox.workspace.client
        sandbox.workspace.create(sandbox.endpoint, entity(BRIGHTNESS, scale_to_zero_enabled=True))
        sandbox.workspace.sql(f"CREATE TABLE local.gold.{sandbox.table}_payload (a STRING)")
        client.post("/api/2.0/secrets/scopes/create", json={"scope": "there"})
        with sandbox.edited() as document:
            challenger = document["ab_test"]["challengers"][0]
            challenger["version"] = 99
            challenger["environment_vars"] = {
                "A": "{{secrets/nowhere/key}}",
                "B": "{{secrets/there/key}}",
            }
            document["roles"] = {"endpoint_creator": {"service_principal": "creator"}}

        checked = sandbox.rollout("check", "--stack", "serving")

        text = checked.stdout
        assert checked.returncode == 3, text + checked.stderr
        assert "local.models.contrast version 99" in text
        assert "infra.rollout pin" in text
        assert "{{secrets/nowhere/key}}: there is no such scope" in text
        assert "databricks secrets create-scope nowhere" in text
        assert "{{secrets/there/key}}: there is no such key" in text
        assert "databricks secrets put-secret there key" in text
        assert "adopt = true" in text
        assert f"local.gold.{sandbox.table}_payload exists" in text
        assert "schema local.gold: creator, who creates the endpoint, lacks CREATE TABLE" in text
        assert (
            "function local.models.brightness: creator, who creates the endpoint, lacks EXECUTE"
            in text
        )

    def test_grants_that_the_platform_gives_are_enough(self, sandbox: Sandbox) -> None:
        given = {
            "catalog/local": ["USE_CATALOG"],
            "schema/local.models": ["USE_SCHEMA"],
            "schema/local.gold": ["USE_SCHEMA", "CREATE_TABLE"],
            "function/local.models.brightness": ["EXECUTE"],
            "function/local.models.contrast": ["EXECUTE"],
        }
        for securable, privileges in given.items():
            answer = sandbox.workspace.client.patch(
                f"/api/2.1/unity-catalog/permissions/{securable}",
                json={"changes": [{"principal": "granted", "add": privileges}]},
            )
            assert answer.status_code == 200, answer.text
        with sandbox.edited() as document:
            document["roles"] = {"endpoint_creator": {"service_principal": "granted"}}

        checked = sandbox.rollout("check", "--stack", "serving")

        assert checked.returncode == 0, checked.stdout + checked.stderr

    @pytest.mark.parametrize("adopt", [False, True])
    def test_a_route_optimized_endpoint_is_not_planned_away(
        self, sandbox: Sandbox, adopt: bool
    ) -> None:
        body = {"name": sandbox.endpoint, "route_optimized": True}
        sandbox.workspace.client.post(
            ENDPOINTS, json=body | {"config": {"served_entities": [entity(BRIGHTNESS)]}}
        ).raise_for_status()
        sandbox.workspace.settled(sandbox.endpoint)
        with sandbox.edited() as document:
            document["ab_test"]["adopt"] = adopt

        checked = sandbox.rollout("check", "--stack", "serving")

        assert checked.returncode == 3, checked.stdout + checked.stderr
        assert "it is route-optimized" in checked.stdout
        assert "another name" in checked.stdout
        assert "adopt = true in its table" not in checked.stdout

    def test_an_endpoint_whose_creation_had_no_answer_is_told_from_a_strangers(
        self, sandbox: Sandbox
    ) -> None:
        sandbox.deploy()
        stranger = sandbox.rollout("check", "--stack", "serving")
        assert stranger.returncode == 0
        sandbox.lose_the_state()

        ours = sandbox.rollout("check", "--stack", "serving").stdout
        put(sandbox, "tags", {"delete_tags": ["project"]}, "PATCH")
        unsure = sandbox.rollout("check", "--stack", "serving").stdout

        assert "the answer to its creation, or the state, was lost" in ours
        assert "heal: adopt = true in its table" in ours
        assert "is it ours? adopt = true" in unsure

    def test_nothing_to_adopt_is_found_before_terraform_stops_at_it(self, sandbox: Sandbox) -> None:
        with sandbox.edited() as document:
            document["ab_test"]["adopt"] = True

        checked = sandbox.rollout("check", "--stack", "serving")

        assert checked.returncode == 3
        assert "there is no endpoint of this name to import" in checked.stdout

    def test_our_own_endpoint_is_no_finding(self, deployed: Sandbox) -> None:
        checked = deployed.rollout("check", "--stack", "serving")

        assert checked.returncode == 0, checked.stdout + checked.stderr


class TestWait:
    def test_progress_is_shown_until_the_update_has_ended(self, sandbox: Sandbox) -> None:
        made = threading.Thread(
            target=sandbox.workspace.client.post,
            args=(ENDPOINTS,),
            kwargs={
                "json": {
                    "name": sandbox.endpoint,
                    "config": {"served_entities": [entity(BRIGHTNESS)]},
                }
            },
        )
        made.start()
        path = f"{ENDPOINTS}/{sandbox.endpoint}"
        assert eventually(lambda: sandbox.workspace.client.get(path).is_success)

        waited = sandbox.rollout("wait")

        made.join()
        assert waited.returncode == 0, waited.stdout + waited.stderr
        assert "NOT_UPDATING  brightness-1: READY" in waited.stdout

    def test_a_failed_update_shows_the_build_log(self, sandbox: Sandbox) -> None:
        sandbox.deploy()
        with sandbox.edited() as document:
            document["ab_test"]["challengers"][0]["model"] = "broken"
        sandbox.refused()

        waited = sandbox.rollout("wait")

        assert waited.returncode == 3, waited.stdout + waited.stderr
        assert "UPDATE_FAILED" in waited.stdout
        assert "build log of broken-1:" in waited.stdout

    def test_what_does_not_exist_is_not_waited_for(self, sandbox: Sandbox) -> None:
        waited = sandbox.rollout("wait")

        assert waited.returncode == 1
        assert "does not exist" in waited.stderr


class TestRollback:
    def test_an_undeployed_change_goes_back_to_the_commit_that_is_live(
        self, sandbox: Sandbox
    ) -> None:
        git(sandbox, "init", "--quiet")
        commit(sandbox, "Half and half")
        deployed_file = sandbox.file.read_bytes()
        sandbox.deploy()
        with sandbox.edited() as document:
            document["ab_test"]["challengers"][0]["traffic"] = 90
        commit(sandbox, "Too bold")

        done = sandbox.rollout("rollback")

        assert done.returncode == 0, done.stderr
        assert "Half and half" in done.stdout
        assert sandbox.file.read_bytes() == deployed_file

    def test_what_is_live_goes_back_to_what_was_there_before(self, sandbox: Sandbox) -> None:
        git(sandbox, "init", "--quiet")
        commit(sandbox, "Half and half")
        first = sandbox.file.read_bytes()
        with sandbox.edited() as document:
            document["ab_test"]["challengers"][0]["traffic"] = 90
        commit(sandbox, "Too bold")
        sandbox.file.write_text("# A remark.\n" + sandbox.file.read_text())
        commit(sandbox, "Say something, change nothing")
        sandbox.deploy()

        done = sandbox.rollout("rollback")

        assert done.returncode == 0, done.stderr
        assert sandbox.file.read_bytes() == first
        sandbox.deploy()
        assert sandbox.routes() == {"brightness-1": 50, "contrast-1": 50}

    def test_what_no_commit_declares_is_refused(self, sandbox: Sandbox) -> None:
        git(sandbox, "init", "--quiet")
        with sandbox.edited() as document:
            document["ab_test"]["challengers"][0]["traffic"] = 90
        commit(sandbox, "The only one")
        sandbox.workspace.create(sandbox.endpoint, entity(BRIGHTNESS, scale_to_zero_enabled=True))

        refused = sandbox.rollout("rollback")

        assert refused.returncode == 1
        assert "rollback --to COMMIT" in refused.stderr


class TestAliases:
    def test_they_follow_the_roles_that_are_live(self, deployed: Sandbox, aliases: Any) -> None:
        aliases.set("contrast", "champion", 1)

        moved = deployed.rollout("aliases")

        assert moved.returncode == 0, moved.stderr
        assert aliases.of("brightness") == {"champion": 1}
        assert aliases.of("contrast") == {"challenger": 1}

    def test_they_stay_where_the_file_is_not_deployed(
        self, deployed: Sandbox, aliases: Any
    ) -> None:
        aliases.set("brightness", "champion", 1)
        with deployed.edited() as document:
            document["ab_test"]["challengers"][0]["traffic"] = 5

        refused = deployed.rollout("aliases")

        assert refused.returncode == 1
        assert "cdktf deploy serving-sandbox" in refused.stderr
        assert aliases.of("contrast") == {}


def test_a_workspace_that_does_not_answer_is_one_message(sandbox: Sandbox) -> None:
    with sandbox.edited() as document:
        document["workspace"]["host"] = "http://127.0.0.1:9"

    refused = subprocess.run(
        [sys.executable, "-m", "infra.rollout", "status", "--environment", sandbox.file.name],
        cwd=sandbox.root,
        env=sandbox.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert refused.returncode == 1
    assert "does not answer" in refused.stderr
    assert "Traceback" not in refused.stderr
