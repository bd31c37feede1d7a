"""Whatever stands in a file: it is read or refused with problems, never with a traceback."""

import tomllib
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.declared.environment import InvalidEnvironment, load

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
    reading reading.readers reading.audit_share reading.seed
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
