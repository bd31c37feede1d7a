"""`python -m ml.plan`: what a test costs."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def plan(tmp_path, experiment, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, **values):
        from ml.plan import main

        folder = tmp_path / "plan"
        given = [str(experiment(**{"maximum": 3000} | values)), "--output", str(folder)]
        assert main([*given, "--runs", "300", *arguments]) == 0
        return json.loads((folder / "plan.json").read_text()), capsys.readouterr().out

    return run


def test_it_plans_live_traffic_and_a_replay(plan, tmp_path):
    record, shown = plan()

    live, replay = record["plans"]
    assert live["way"].startswith("live")
    assert replay["labels_for_power"] < live["labels_for_power"]
    assert live["promoted_low"] <= live["promoted"] <= live["promoted_high"]
    assert live["days_for_power"] == pytest.approx(live["labels_for_power"] / 100, abs=1)
    assert "promoted within 3000 labels" in shown
    assert (tmp_path / "plan" / "plan.svg").read_text().startswith("<svg")


def test_the_plot_names_its_lines_and_no_curve_falls_where_runs_end(plan, tmp_path, monkeypatch):
    from ml.verdict.report import plots

    drawn = []
    draw = plots.chances
    monkeypatch.setattr(plots, "chances", lambda it, *rest: drawn.extend(it) or draw(it, *rest))
    plan("--prevalence", "0.45")

    assert len(drawn) == 4
    for name, _, chance in drawn:
        assert chance[-1] >= chance.max() - 0.05, name
    picture = (tmp_path / "plan" / "plan.svg").read_text()
    assert "wanted: 80%" in picture
    assert "maximum_labels" in picture


def test_the_plot_ends_where_its_curves_no_longer_rise():
    import re

    import numpy as np

    from ml.verdict.report.plots import chances

    labels = np.arange(0, 24_000, 100.0)
    svg = chances([("live", labels, np.minimum(labels / 2000, 1))], "labels", 0.8, 6000)

    assert max(int(it) for it in re.findall(r">(\d{4,5})<", svg)) == 6000


def test_a_smaller_difference_takes_more_labels(plan):
    much, _ = plan("--sensitivity", "0.8", "0.95")
    little, _ = plan("--sensitivity", "0.8", "0.88")

    assert little["plans"][1]["labels_median"] > much["plans"][1]["labels_median"]


def test_a_narrower_margin_takes_more_labels(plan):
    wide, _ = plan("--margin-specificity", "0.1")
    narrow, _ = plan("--margin-specificity", "0.04")

    assert narrow["plans"][1]["labels_median"] > wide["plans"][1]["labels_median"]
    assert narrow["margins"]["specificity"] == 0.04


def test_rare_pneumonia_takes_more_labels(plan):
    common, _ = plan("--prevalence", "0.5")
    rare, _ = plan("--prevalence", "0.1")

    assert rare["plans"][1]["labels_median"] > common["plans"][1]["labels_median"]


def test_equal_arms_are_hardly_ever_promoted(plan):
    record, shown = plan("--sensitivity", "0.9", "0.9")

    assert all(way["promoted"] < 0.05 for way in record["plans"])
    assert record["plans"][0]["labels_for_power"] is None
    assert "more than 12000" in shown
    assert "too small" in shown


def test_with_a_declared_benefit_equal_arms_are(plan):
    record, shown = plan("--sensitivity", "0.9", "0.9", benefit="it is faster")

    assert record["benefit"] == "it is faster"
    assert record["plans"][1]["promoted"] > 0.8
    assert 'for the benefit that is declared: "it is faster"' in shown


def test_a_seed_gives_the_same_plan(plan, tmp_path):
    first, _ = plan("--seed", "3")
    picture = (tmp_path / "plan" / "plan.svg").read_bytes()
    second, _ = plan("--seed", "3")

    assert first == second
    assert (tmp_path / "plan" / "plan.svg").read_bytes() == picture


def test_a_split_without_the_challenger_leaves_the_replay(plan):
    record, _ = plan(champion=100, challenger=0)

    assert [way["way"] for way in record["plans"]] == ["replay, both arms on every film"]


@pytest.mark.parametrize("share", ["1.2", "0", "nine"])
def test_what_is_no_share_is_refused(plan, share, capsys):
    with pytest.raises(SystemExit):
        plan("--prevalence", share)

    assert "is not a share from 0 to 1" in capsys.readouterr().err
