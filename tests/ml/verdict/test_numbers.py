"""Numbers as people read them: no nought has a sign below, in no table and no sentence."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ml
from ml.verdict.numbers import decimal, span
from ml.verdict.report.table import text
from ml.verdict.statistics.betting import Interval
from tests.ml.verdict.log import CHALLENGER, CHAMPION

NOUGHT_BELOW = re.compile(r"[-−]0(\.0+)?(?![.\d])")
HOME = Path(ml.__file__).parent / "verdict" / "numbers.py"


@given(
    st.floats(-0.01, 0.01) | st.just(-0.0) | st.floats(-1e4, 1e4),
    st.booleans(),
    st.integers(0, 3),
)
def test_nought_has_no_sign_below(value, signed, digits):
    shown = decimal(value, signed=signed, digits=digits)

    assert not NOUGHT_BELOW.search(shown)
    assert float(shown) == pytest.approx(value, abs=0.5000001 * 10**-digits)


def test_ends_of_an_interval_have_none_either():
    assert span(-0.0004, -0.0, signed=True) == "+0.000 to +0.000"
    assert text(Interval(value=-0.0004, low=-0.0006, high=0.0002, n=9)) == (
        "0.000 (-0.001 to 0.000), n = 9"
    )


def test_people_read_none_of_equal_arms(command, experiment, log, capsys):
    """Both arms' figures are alike, up to what a computer rounds."""
    for site, arm in itertools.product(("north", "south"), (CHAMPION, CHALLENGER)):
        log.films(arm, {"TP": 93, "FN": 7, "TN": 81, "FP": 19}, site=site)
    for row in log.rows[::7]:
        row["probability"] += 1e-5

    page = (command(experiment(maturity=0, subgroups='["site"]')) / "report.html").read_text()

    for read in (page, capsys.readouterr().out):
        assert "+0.000" in read
        texts = re.sub(r"<style.*?</style>|<[^>]*>", " ", read, flags=re.DOTALL)
        assert not NOUGHT_BELOW.search(texts)


def test_signed_decimals_have_one_home():
    """Elsewhere a format with a sign could write one before nought."""
    elsewhere = [
        f"{file.name}:{node.lineno}"
        for file in HOME.parents[1].rglob("*.py")
        if file != HOME
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FormattedValue)
        and node.format_spec is not None
        and re.fullmatch(
            r"[+ ][^z]*[f%e]",
            "".join(it.value for it in node.format_spec.values if isinstance(it, ast.Constant)),
        )
    ]

    assert elsewhere == []
