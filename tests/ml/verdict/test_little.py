"""Experiments that have hardly begun: a verdict all the same, and a report."""

from __future__ import annotations

import datetime

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION, START


def test_films_that_are_all_too_young(experiment, log, command):
    from ml.contract.decision import Decision

    log.film(CHAMPION, 0.9, "PNEUMONIA")
    log.film(CHALLENGER, 0.1, "NORMAL")

    decision = Decision.read(command(experiment(maturity=72)) / "decision.json")

    assert decision.verdict == "INCONCLUSIVE"
    assert decision.numbers["champion"]["films too young"] == 1
    assert decision.numbers["gains"]["sensitivity"] is None
    assert decision.numbers["labels needed"]["as_expected"] > 0


def test_one_arm_alone(experiment, log, command):
    from ml.contract.decision import Decision

    log.films(CHAMPION, {"TP": 3, "TN": 3})

    decision = Decision.read(command(experiment(maturity=0)) / "decision.json")

    assert decision.verdict == "INCONCLUSIVE"
    assert decision.numbers["challenger"]["requests"] == 0
    assert decision.numbers["challenger"]["figures"]["latency p50 ms"] is None


def test_requests_that_all_failed(experiment, log, command):
    from ml.contract.decision import Decision

    for arm in (CHAMPION, CHALLENGER):
        log.film(arm, None, status_code=500)

    decision = Decision.read(command(experiment(maturity=0)) / "decision.json")

    assert decision.verdict == "INCONCLUSIVE"
    assert decision.numbers["champion"]["figures"]["error rate"]["value"] == 1


def test_one_class_alone(experiment, log, command):
    from ml.contract.decision import Decision

    log.films(CHAMPION, {"TP": 4, "FN": 1})
    log.films(CHALLENGER, {"TP": 5})

    decision = Decision.read(command(experiment(maturity=0)) / "decision.json")

    assert decision.numbers["gains"]["specificity"] is None
    assert decision.numbers["champion"]["figures"]["auc"] is None


def test_a_moment_before_the_first_request_is_refused(experiment, log, compare):
    from ml.contract.errors import UserError

    log.film(CHAMPION, 0.9, "PNEUMONIA", hours=48)

    with pytest.raises(UserError, match="--as-of"):
        compare(experiment(), as_of=START + datetime.timedelta(hours=1))


def test_requests_of_other_versions_alone_are_refused(experiment, log, compare):
    from ml.contract.errors import UserError

    log.film("torch-9", 0.9, "PNEUMONIA")

    with pytest.raises(UserError, match="keras-1"):
        compare(experiment(maturity=0))
