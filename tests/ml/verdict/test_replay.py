"""`python -m ml.replay` on two real arms behind a local endpoint."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.plugin.prediction import ENDPOINT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.workspaces import RunningWorkspace

pytestmark = pytest.mark.xdist_group("two arms")


@pytest.fixture
def trial(experiment) -> Path:
    """The arms of the endpoint: keras-1 and torch-1."""
    file = experiment()
    file.write_text(file.read_text().replace("version = 2", "version = 1"))
    return file


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Forty films with labels."""
    random = np.random.default_rng(0)
    file = tmp_path / "films.npz"
    empty, no_labels = np.empty((0, 28, 28), np.uint8), np.empty((0, 1), np.uint8)
    np.savez(
        file,
        train_images=empty,
        train_labels=no_labels,
        val_images=random.integers(0, 256, (40, 28, 28), dtype=np.uint8),
        val_labels=random.integers(0, 2, (40, 1), dtype=np.uint8),
    )
    return file


@pytest.fixture
def replay(tmp_path: Path, two_arms_file: Path):
    """Runs the command; returns its decision."""

    def run(trial: Path, *arguments: str | Path):
        from ml.contract.decision import Decision
        from ml.replay import main

        output = tmp_path / "out"
        given = [trial, "--output", output, "--environment", two_arms_file, *arguments]
        assert main([str(it) for it in given]) == 0
        return Decision.read(output / "decision.json")

    return run


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "answers.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.programs
def test_both_arms_answer_every_film(
    replay,
    trial: Path,
    films: Path,
    tmp_path: Path,
    two_arms: RunningWorkspace,
) -> None:
    decision = replay(trial, "--data", films)

    assert decision.mode == "replay"
    assert decision.numbers["films"] == 40
    with np.load(films) as archive:
        image = archive["val_images"][0].astype(float) / 255
    by_hand = [
        two_arms.invoke(ENDPOINT, {"inputs": [image[..., None].tolist()]}, arm).json()
        for arm in ("keras-1", "torch-1")
    ]
    answers = {(row["champion"], row["challenger"]) for row in rows(tmp_path)}
    expected = tuple(it["predictions"][0][0] for it in by_hand)
    assert any(
        (float(champion), float(challenger)) == pytest.approx(expected, abs=1e-5)
        for champion, challenger in answers
    )


@pytest.mark.programs
def test_a_second_replay_asks_nothing_and_gives_the_same_bytes(
    replay, trial: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml.workspace.endpoint import Endpoint

    replay(trial, "--data", films)
    first = (tmp_path / "out" / "decision.json").read_bytes()
    monkeypatch.setattr(Endpoint, "invoke", None)

    replay(trial, "--data", films)

    assert (tmp_path / "out" / "decision.json").read_bytes() == first


@pytest.mark.programs
def test_its_requests_are_marked_as_replayed(
    replay,
    trial: Path,
    films: Path,
    two_arms: RunningWorkspace,
) -> None:
    from tests.plugin.workspaces import eventually

    replay(trial, "--data", films, "--films", "3")

    ids = eventually(
        lambda: two_arms.sql(
            "SELECT client_request_id FROM local.gold.predict_payload "
            "WHERE client_request_id LIKE 'replay-%'"
        ),
        lambda found: len(found) >= 6,
    )
    assert len(ids) >= 6


@pytest.mark.programs
def test_answers_are_judged_again_without_an_endpoint(
    replay, trial: Path, films: Path, tmp_path: Path
) -> None:
    asked = replay(trial, "--data", films)
    kept = (tmp_path / "out" / "answers.csv").rename(tmp_path / "answers.csv")

    again = replay(trial, "--answers", kept)

    assert again.numbers == asked.numbers
    assert again.data.digest == asked.data.digest


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,PNEUMONIA,1,0.5,high", "line 2: challenger = 'high'"),
        ("a,SICK,1,0.5,0.5", "line 2: ground_truth = 'SICK'"),
        ("a,NORMAL,0,0.5,0.5", "line 2: sampling_probability = '0'"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str, message: str) -> None:
    from ml.contract.errors import InvalidData
    from ml.verdict.counting.answers_file import read

    file = tmp_path / "answers.csv"
    file.write_text(f"film,ground_truth,sampling_probability,champion,challenger\n{line}\n")

    with pytest.raises(InvalidData, match=message):
        read(file)


def test_a_film_that_is_there_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    from ml.contract.errors import InvalidData
    from ml.verdict.counting.answers_file import read

    file = tmp_path / "answers.csv"
    line = "NORMAL,1,0.5,0.25"
    file.write_text(
        "film,ground_truth,sampling_probability,champion,challenger\n"
        f"a,{line}\nb,{line}\na,{line}\n"
    )

    with pytest.raises(InvalidData, match="line 4: film 'a' is in line 2 already"):
        read(file)


@pytest.mark.parametrize("keys", [None, ["p", None, "p"]])
def test_answers_keep_the_patients_that_they_have(tmp_path: Path, keys) -> None:
    from ml.verdict.counting.answers_file import read, write
    from ml.verdict.paired import Answers

    answers = Answers(
        film=["a", "b", "c"],
        sick=np.array([True, False, True]),
        sampling=np.ones(3),
        champion=np.array([0.5, 0.25, 0.75]),
        challenger=np.array([0.25, 0.25, 1.0]),
        patient_key=keys,
    )

    write(tmp_path / "answers.csv", answers)

    assert read(tmp_path / "answers.csv").patient_key == keys
    assert read(tmp_path / "answers.csv").digest == answers.digest


@pytest.mark.programs
def test_the_patients_of_file_names_are_carried_as_hashes(
    replay, trial: Path, tmp_path: Path
) -> None:
    from tests.ml.ingestion.delivery import Delivery

    delivery = Delivery(tmp_path / "films")
    for number, label in enumerate(("NORMAL", "PNEUMONIA")):
        delivery.add("test", label, 3, patient=number + 1)

    decision = replay(trial, "--data", tmp_path / "films", "--part", "test")

    keys = [row["patient_key"] for row in rows(tmp_path)]
    assert (decision.numbers["films"], decision.numbers["patients"]) == (6, 2)
    assert len(set(keys)) == 2
    assert all(len(key) == 64 for key in keys)
    assert "of 2 patients, each of whom is one observation" in decision.method["independent"]


def test_a_file_that_is_no_replay_is_refused(tmp_path: Path) -> None:
    from ml.contract.errors import UserError
    from ml.verdict.counting.answers_file import read

    file = tmp_path / "answers.csv"
    file.write_text("film,label\na,1\n")

    with pytest.raises(UserError, match="no column ground_truth"):
        read(file)


def test_a_file_that_a_tool_of_windows_has_saved_is_read_or_refused_with_what_it_is(
    tmp_path: Path,
) -> None:
    from ml.contract.errors import UserError
    from ml.verdict.counting.answers_file import read

    text = "film,ground_truth,sampling_probability,champion,challenger\na,NORMAL,1,0.5,0.25\n"
    file = tmp_path / "answers.csv"
    file.write_text(f"\ufeff{text}", encoding="utf-8", newline="\r\n")
    assert read(file).film == ["a"]

    for content, what in (
        (text.encode("utf-16"), "is text in UTF-16"),
        (text.replace(",", ";").encode(), "has its columns apart by ';'"),
    ):
        file.write_bytes(content)
        with pytest.raises(UserError, match=rf"--answers .*answers\.csv {what}"):
            read(file)


@pytest.mark.parametrize("truths", [["NORMAL"], ["NORMAL", "PNEUMONIA"]])
def test_very_few_films_give_a_report_all_the_same(
    trial: Path, tmp_path: Path, truths: list[str]
) -> None:
    from ml.contract.decision import Decision
    from ml.replay import main

    file = tmp_path / "answers.csv"
    lines = [f"film-{number},{truth},1,0.25,0.75" for number, truth in enumerate(truths)]
    file.write_text(
        "film,ground_truth,sampling_probability,champion,challenger\n" + "\n".join(lines) + "\n"
    )

    output = tmp_path / "out"
    assert main([str(trial), "--answers", str(file), "--output", str(output)]) == 0

    decision = Decision.read(output / "decision.json")
    assert decision.verdict == "INCONCLUSIVE"
    assert decision.numbers["discordance"]["sensitivity"]["n"] == truths.count("PNEUMONIA")
    assert (output / "report.html").read_text().count("<svg") >= 3
