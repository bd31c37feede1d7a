"""Texts of a file, in the synthesized JSON: read by Terraform, each is what the file says."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.declared.environment import InvalidEnvironment, load
from infra.declared.literal import literal
from infra.declared.monitoring import Limits
from infra.declared.watching import WATCHED
from tests.plugin.hostile import HOSTILE, texts

EVERY_TEXT = """
catalog = "healthcare_catalog_dev"

[workspace]
profile = "text-00"

[tags]
text-01 = "text-02"

[platform.catalog]
storage_root = "text-03"

[platform.warehouse]
name = "text-04"

[platform.jobs]
repository = "https://github.com/clinic/text-05"
branch = "text-06"
node_type = "text-07"
runtime = "text-08"
run_as = "text-11"

[platform.jobs.ingestion]
source = "text-09"
schedule = "0 0 3 ? * SUN"

[monitoring]
notify = [{ user = "$${x}@u" }, { id = "text-22" }, { webhook = "https://host/text-23" }]
run_as = "text-24"

[roles]
endpoint_creator = { service_principal = "text-12" }
trainers = [{ service_principal = "text-11" }]
callers = [{ group = "text-13" }]
readers = [{ group = "text-14" }]
reading_room = { service_principal = "text-15" }
analysts = [{ user = "text-16" }]

[ab_test]
endpoint = "ab-test"
description = "text-25"
budget_policy_id = "text-26"
email_notifications = { on_update_failure = ["${x}@a"], on_update_success = ["%{if}$${y}@z"] }
tags = { text-27 = "text-28" }
rate_limits = [{ calls = 1, key = "user_group", principal = "text-21" }]

[ab_test.champion]
model = "champion"
version = 1
environment_vars = { NAME = "text-17" }

[[ab_test.challengers]]
model = "challenger"
version = 1
traffic = 50
environment_vars = { NAME = "text-18", SECRET = "{{secrets/scope/key}}" }

[[ab_test.permissions]]
group = "text-19"
level = "CAN_QUERY"

[[ab_test.permissions]]
user = "text-10"
level = "CAN_MANAGE"

[ab_test.inference_table]
schema = "gold"
prefix = "prefix"

[feedback]
endpoint = "feedback"
model = "feedback_processor"
version = 1
environment_vars = { NAME = "text-20" }
"""
"""Each key whose text no rule restricts to letters has another one."""

COUNT = 29
_PLACE = re.compile(r"text-(\d\d)")
_SPECIAL = re.compile(
    r'(?P<doubled>[$%])(?P=doubled)\{|\$\{"(?P<quoted>[^"]*)"\}|\$\{(?P<reference>[^}]*)\}|%\{'
)

Synthesized = Callable[[Any], Counter[str]]


def filled(value: Any, given: list[str]) -> Any:
    """The same with the given texts in their places."""
    match value:
        case dict():
            return {filled(key, given): filled(it, given) for key, it in value.items()}
        case list():
            return [filled(it, given) for it in value]
        case str():
            return _PLACE.sub(lambda place: given[int(place[1])], value)
    return value


def as_terraform_reads(text: str) -> str:
    """The text after evaluation. References, and directives if there were any, stand out."""

    def read(found: re.Match[str]) -> str:
        if found["doubled"]:
            return found[0][1:]
        if found["quoted"] is not None:
            return found["quoted"]
        return f"<<reference {found[0]}>>"

    return _SPECIAL.sub(read, text)


def arguments(value: Any) -> Iterator[str]:
    """Every text in a stack, and every key of a table that a file can write."""
    match value:
        case dict():
            for key, it in value.items():
                if key in {"tags", "custom_tags"} and isinstance(it, dict):
                    yield from it
                yield from arguments(it)
        case list():
            for it in value:
                yield from arguments(it)
        case str():
            yield value


@pytest.fixture
def synthesized(cdktf: Any, synthesize: Callable[[Any], Any], tmp_path: Path) -> Synthesized:
    """What Terraform reads in the three stacks of an environment's table, how often."""
    import infra.stacks

    def synthesized(table: Any) -> Counter[str]:
        (file := tmp_path / "dev.toml").write_text(tomlkit.dumps(table), encoding="utf-8")
        environment = load(file)
        app = cdktf.Testing.app(outdir=str(tmp_path / "cdktf.out"))
        found: Counter[str] = Counter()
        for kind in ("PlatformStack", "ServingStack", "AnalysisStack"):
            stack = synthesize(getattr(infra.stacks, kind)(app, environment))
            found.update(as_terraform_reads(it) for it in arguments(stack))
        return found

    return synthesized


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],  # a smaller example would take minutes to find
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(given_texts=st.lists(texts(), min_size=COUNT, max_size=COUNT, unique=True))
def test_every_text_of_a_file_is_read_as_it_stands_and_every_reference_as_one(
    given_texts: list[str], synthesized: Synthesized
) -> None:
    table = tomllib.loads(EVERY_TEXT)
    plain = synthesized(table)
    assert {int(it) for text in plain for it in _PLACE.findall(text)} == set(range(COUNT))

    hostile = synthesized(filled(table, given_texts))

    expected = Counter({filled(text, given_texts): 0 for text in plain})
    for text, count in plain.items():
        expected[filled(text, given_texts)] += count
    assert hostile == expected


@pytest.mark.parametrize("start", range(0, len(HOSTILE), COUNT))
def test_no_kind_of_text_is_taken_for_something_else(start: int, synthesized: Synthesized) -> None:
    given_texts = [HOSTILE[(start + it) % len(HOSTILE)] for it in range(COUNT)]

    read = synthesized(filled(tomllib.loads(EVERY_TEXT), given_texts))

    assert {given_texts[place] for place in (1, 2, 3, 6, 7, 17, 18, 20)} <= set(read)
    assert {"${x}@a", "%{if}$${y}@z", "$${x}@u"} <= set(read)


def test_sql_comments_and_dashboards_are_read_as_they_stand(
    synthesized: Synthesized, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the repository, they are trusted; yet SQL may have a `${` too, Databricks' own syntax."""
    from infra.constructs import dashboard
    from infra.declared import analysis

    for module, name in ((dashboard, "DASHBOARDS"), (analysis, "_SQL")):
        copy = tmp_path / name
        copy.mkdir()
        source = getattr(module, name)
        for file in (it for it in source.rglob("*") if it.is_file()):
            text = file.read_text(encoding="utf-8")
            is_part = file.parent.name == "parts" or file.stem in {"since", "rollbacks"}
            added = "\n-- $${x} %{y}\n" if file.suffix == ".sql" and not is_part else ""
            (copy / file.relative_to(source)).parent.mkdir(exist_ok=True)
            (copy / file.relative_to(source)).write_text(text + added, encoding="utf-8")
        monkeypatch.setattr(module, name, copy)

    read = synthesized(tomllib.loads(EVERY_TEXT))

    statements = len(analysis.VIEWS) + len(WATCHED) + len(Limits.model_fields) - 1
    assert sum(text.endswith("-- ${x} %{y}") for text in read) == statements
    [layout] = [text for text in read if text.startswith('{"datasets"')]
    queries = [json.dumps(it["queryLines"]) for it in json.loads(layout)["datasets"]]
    assert all("-- ${x} %{y}" in query for query in queries)


@pytest.mark.parametrize(
    "text", ["{{secrets/scope/key}}", "plain", "", "5 $ {x}", "11e7-e12", "3e289", "-8.2e29"]
)
def test_a_text_that_nothing_evaluates_stays_as_it_is(text: str) -> None:
    assert literal(text) == text


@pytest.mark.parametrize(
    "backend",
    [
        'type = "s3"\nbucket = "states"\nregion = "${x}"',
        'type = "s3"\nbucket = "states"\nregion = "eu"\nkms_key_id = "${TfToken[TOKEN.0]}"',
        'type = "http"\naddress = "https://host/${x}"',
        'type = "cloud"\norganization = "%{x}"',
        'type = "cloud"\norganization = "clinic"\nworkspace_prefix = "${x}"',
    ],
)
def test_a_backend_takes_no_text_that_would_have_to_be_escaped(
    backend: str, write: Callable[..., Path]
) -> None:
    """Terraform evaluates nothing there, so that an escape would be read as it stands."""
    with pytest.raises(InvalidEnvironment, match=r"backend\.[\s\S]*Terraform evaluates no"):
        load(write(add=f"[backend]\n{backend}\n"))
