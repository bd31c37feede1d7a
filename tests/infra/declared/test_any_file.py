"""Whatever stands in a file: it is read or refused with problems, never with a traceback."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.declared.environment import ENVIRONMENTS, InvalidEnvironment, load

VALUES = st.recursive(
    st.booleans()
    | st.integers(-1, 101)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["ab-test", "gold", "Small", "{{secrets/scope/key}}", "{{x", "admins"])
    | st.dates()
    | st.datetimes()
    | st.times(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model", "version", "traffic", "schema", "prefix", "type", "group"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
"""Everything that TOML can say."""

KEYS = """
    catalog models_schema workspace backend tags may_destroy ab_test feedback zzz
    ab_test.endpoint ab_test.champion ab_test.challengers ab_test.inference_table
    ab_test.auto_capture ab_test.permissions ab_test.timeout_minutes ab_test.adopt
    ab_test.champion.model ab_test.champion.version ab_test.champion.environment_vars
    feedback.endpoint feedback.inference_table feedback.permissions feedback.model
    reading reading.readers reading.audit_share reading.seed reading.audit_strata
    context context.sites context.sites.north
"""


def put(table: dict[str, Any], key: str, value: object) -> None:
    *path, last = key.split(".")
    for part in path:
        inner = table.get(part)
        if not isinstance(inner, dict):
            return
        table = inner
    if value is None:  # leave the key out
        table.pop(last, None)
    else:
        table[last] = value


def refusal_of(file: Path) -> InvalidEnvironment | None:
    try:
        load(file)
    except InvalidEnvironment as refusal:
        return refusal
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(KEYS.split()), st.none() | VALUES), min_size=1, max_size=4
    )
)
def test_any_file_is_read_or_refused_in_our_words(
    changes: list[tuple[str, object]], dev: str, tmp_path: Path
) -> None:
    table = tomllib.loads(dev)
    for key, value in changes:
        put(table, key, value)
    file = tmp_path / "dev.toml"
    file.write_text(tomlkit.dumps(table), encoding="utf-8")

    refusal = refusal_of(file)

    for problem in refusal.problems if refusal else ():
        assert problem.rule
        assert problem.way_out
        assert "Input should" not in problem.rule


def test_a_byte_order_mark_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    file = tmp_path / "local.toml"
    text = (ENVIRONMENTS / "local.toml").read_text().replace("\n", "\r\n")
    file.write_text(text, encoding="utf-8-sig", newline="")

    assert load(file) == load("local")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_one_problem_of_the_file(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "local.toml"
    file.write_text(f"# é\n{(ENVIRONMENTS / 'local.toml').read_text()}", encoding=encoding)

    with pytest.raises(InvalidEnvironment, match="a readable file of TOML in UTF-8") as refusal:
        load(file)
    assert len(refusal.value.problems) == 1
    assert ("it is text in UTF-16" in str(refusal.value)) == (encoding == "utf-16")
