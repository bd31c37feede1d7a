"""The command and the client, against real arms."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin.dicom_files import dicom, film
from tests.plugin.prediction import ENDPOINT, SIZE
from tests.plugin.workspaces import ENDPOINTS, REPOSITORY, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.commands import Call
    from tests.plugin.workspaces import RunningWorkspace

pytestmark = [pytest.mark.programs, pytest.mark.xdist_group("two arms")]

# The command, which stops itself, all its threads wherever they are, before it writes down the
# answer of so many.
STOPPING = """
import itertools
import os
import signal
import sys
from ml import predict
from ml.terminal.command import run
from ml.prediction.journal import Journal

last = int(sys.argv.pop(1))
calls, original = itertools.count(1), Journal.answered

def stopping(*arguments):
    if next(calls) > last:
        os.kill(os.getpid(), signal.SIGSTOP)
    original(*arguments)

Journal.answered = stopping
sys.exit(run("ml.predict", predict.main))
"""


@pytest.fixture
def films(tmp_path: Path) -> Callable[[int], Path]:
    """A folder with that many films, no two of them alike."""
    import numpy as np
    from PIL import Image

    def make(count: int) -> Path:
        random = np.random.default_rng(0)
        folder = tmp_path / "films"
        folder.mkdir()
        for number in range(count):
            pixels = random.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"film-{number:04}.png")
        return folder

    return make


@pytest.fixture
def predict(run_main: Call, two_arms_file: Path, tmp_path: Path) -> Call:
    """Runs the command, with a journal of the test's own."""
    options = ("--environment", two_arms_file, "--journal", tmp_path / "journal.db")
    return lambda *arguments, **environment: run_main(
        "ml.predict", *arguments, *options, **environment
    )


def requests_of(two_arms: RunningWorkspace, journal: Path) -> dict[str, int]:
    """How often the endpoint logged each request of a journal."""
    with contextlib.closing(sqlite3.connect(journal)) as database:
        ids = [request_id for [request_id] in database.execute("SELECT request_id FROM request")]
    listed = ", ".join(f"'{it}'" for it in ids)
    statement = (
        f"SELECT client_request_id, count(*) FROM local.gold.{ENDPOINT}_payload "
        f"WHERE client_request_id IN ({listed}) GROUP BY client_request_id"
    )
    found = eventually(lambda: two_arms.sql(statement), lambda rows: len(rows) == len(ids))
    return {request_id: int(count) for request_id, count in found}


class TestOneFilm:
    def test_a_line_says_film_probability_and_call_and_not_the_arm(
        self, predict: Call, films: Callable[[int], Path]
    ) -> None:
        film = films(1) / "film-0000.png"

        run = predict(film)

        ((name, probability, call),) = run.table
        assert (run.status, name) == (0, str(film))
        assert call == ("PNEUMONIA" if float(probability) >= 0.5 else "NORMAL")
        assert "keras" not in run.err
        assert "torch" not in run.err

    @pytest.mark.parametrize(("threshold", "call"), [("0", "PNEUMONIA"), ("1", "NORMAL")])
    def test_the_threshold_decides_the_call(
        self, predict: Call, films: Callable[[int], Path], threshold: str, call: str
    ) -> None:
        run = predict(films(1) / "film-0000.png", "--threshold", threshold)

        assert [line[2] for line in run.table] == [call]

    @pytest.mark.parametrize("arm", ["keras-1", "torch-1"])
    def test_one_arm_can_be_asked(
        self, predict: Call, films: Callable[[int], Path], arm: str
    ) -> None:
        run = predict(films(5), "--served-entity", arm, "--show-arm")

        assert [line[3] for line in run.table] == [arm] * 5

    def test_the_arm_sees_the_image_that_training_prepares(
        self, two_arms_file: Path, films: Callable[[int], Path], two_arms: RunningWorkspace
    ) -> None:
        from ml.client import PredictionClient
        from ml.data.preparation import decode

        film = films(1) / "film-0000.png"
        journal = film.parent / "journal.db"
        with PredictionClient.connect(
            two_arms_file, served_entity="torch-1", journal=journal
        ) as client:
            predicted = client.predict(film).probability
            assert client.image_size == SIZE

        image = decode(film.read_bytes(), SIZE).tolist()
        answer = two_arms.invoke(ENDPOINT, {"inputs": [image]}, entity="torch-1").json()
        assert predicted == answer["predictions"][0][0]

    @pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
    def test_an_image_of_any_real_type_is_asked_about(
        self, two_arms_file: Path, films: Callable[[int], Path], dtype: str
    ) -> None:
        from ml.client import PredictionClient
        from ml.data.preparation import decode

        film = films(1) / "film-0000.png"
        image = decode(film.read_bytes(), SIZE)
        with PredictionClient.connect(
            two_arms_file, served_entity="torch-1", journal=film.parent / "journal.db"
        ) as client:
            expected = client.predict(film).probability
            assert client.predict(image.astype(dtype)).probability == pytest.approx(
                expected, abs=1e-2 if dtype == "<f2" else 1e-6
            )


class TestAFolder:
    def test_every_film_is_asked_once_under_an_id_of_its_own(
        self,
        predict: Call,
        films: Callable[[int], Path],
        two_arms: RunningWorkspace,
        tmp_path: Path,
    ) -> None:
        run = predict(films(40), "--show-arm")  # of one arm alone once in 10^11 times

        assert (run.status, len(run.table)) == (0, 40)
        assert {line[3] for line in run.table} == {"keras-1", "torch-1"}
        logged = requests_of(two_arms, tmp_path / "journal.db")
        assert list(logged.values()) == [1] * 40

    def test_what_was_answered_is_told_again_and_not_asked_again(
        self, predict: Call, films: Callable[[int], Path], tmp_path: Path
    ) -> None:
        folder = films(5)
        first = predict(folder)

        again = predict(folder)

        assert sorted(again.table) == sorted(first.table)
        assert "0 films asked, 5 were answered before" in again.err
        with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as database:
            assert database.execute("SELECT count(*) FROM request").fetchall() == [(5,)]

    def test_a_copy_of_a_film_is_not_asked_again(
        self, predict: Call, films: Callable[[int], Path]
    ) -> None:
        folder = films(3)
        shutil.copy(folder / "film-0000.png", folder / "copy.png")

        run = predict(folder)

        assert "3 films asked, 1 were answered before" in run.err
        probabilities = {Path(name).name: probability for name, probability, _ in run.table}
        assert probabilities["copy.png"] == probabilities["film-0000.png"]

    def test_again_asks_anew(self, predict: Call, films: Callable[[int], Path]) -> None:
        folder = films(3)
        predict(folder)

        assert "3 films asked." in predict(folder, "--again").err

    def test_another_arm_has_not_been_asked_yet(
        self, predict: Call, films: Callable[[int], Path]
    ) -> None:
        folder = films(3)
        predict(folder, "--served-entity", "keras-1")

        assert "3 films asked." in predict(folder, "--served-entity", "torch-1").err

    def test_a_film_that_cannot_be_read_is_told_and_keeps_no_other_from_being_asked(
        self, predict: Call, films: Callable[[int], Path]
    ) -> None:
        folder = films(3)
        (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
        (folder / "text.jpeg").write_text("no film")

        run = predict(folder)

        assert (run.status, len(run.table)) == (3, 3)
        assert "broken.png: " in run.err
        assert "text.jpeg: the content is neither JPEG nor PNG nor DICOM; not sent" in run.err

    def test_films_of_an_archive_are_asked_about_and_each_bad_one_is_told(
        self, predict: Call, films: Callable[[int], Path]
    ) -> None:
        folder = films(1)
        pixels = film(12)
        (folder / "chest.dcm").write_bytes(dicom(pixels, bits=12, Modality="DX"))
        (folder / "IM000002").write_bytes(dicom(pixels // 2, bits=12))
        (folder / "slice.dcm").write_bytes(dicom(pixels // 3, bits=12, Modality="CT"))
        (folder / "empty.dcm").write_bytes(dicom(pixels, bits=12, RescaleSlope=""))
        (folder / "__MACOSX").mkdir()
        (folder / "__MACOSX" / "film-0000.png").write_bytes(b"left behind")
        not_utf8 = os.fsdecode(os.fsencode(folder) + b"/r\xf6ntgen.png")
        Path(not_utf8).write_bytes((folder / "film-0000.png").read_bytes())

        run = predict(folder)

        assert (run.status, len(run.table)) == (3, 4)
        assert "r\\xf6ntgen.png" in run.out
        assert "slice.dcm: its Modality (0008,0060) is CT" in run.err
        assert "empty.dcm: cannot be decoded: Rescale Slope (0028,1053)" in run.err
        assert len(predict(folder, "--any-modality").table) == 5

    def test_after_kill_9_the_same_command_asks_the_rest_and_nothing_twice(
        self,
        two_arms_file: Path,
        predict: Call,
        films: Callable[[int], Path],
        two_arms: RunningWorkspace,
        tmp_path: Path,
    ) -> None:
        folder, journal = films(100), tmp_path / "journal.db"
        with subprocess.Popen(
            [
                *(sys.executable, "-c", STOPPING, "20", str(folder), "--concurrency", "2"),
                *("--environment", str(two_arms_file), "--journal", str(journal)),
            ],
            cwd=REPOSITORY,
            env={**os.environ, "DATABRICKS_TOKEN": two_arms.token},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            ended = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            process.kill()
            assert ended is not None
            assert ended.si_code == os.CLD_STOPPED, process.communicate()[1]
        before = answered(journal)
        assert 20 <= before < 100

        run = predict(folder)

        assert (run.status, len(run.table)) == (0, 100)
        assert f"{100 - before} films asked, {before} were answered before" in run.err
        client_has = journalled(journal)
        counted = eventually(lambda: last_answers(two_arms, journal), lambda it: it == client_has)
        assert counted == client_has
        logged = requests_of(two_arms, journal)
        assert len(logged) == 100
        in_flight = sum(logged.values()) - 100
        assert 1 <= in_flight <= 2, "only what was on its way at the kill may have come twice"

    def test_a_film_that_the_endpoint_refuses_keeps_no_other_from_being_asked(
        self, predict: Call, films: Callable[[int], Path]
    ) -> None:
        folder = films(6)
        # Of another size than the arms take: the endpoint refuses what it is asked about.
        run = predict(folder, "--image-size", SIZE + 1)

        assert (run.status, run.table) == (3, [])
        assert run.err.count(" answered 400: ") == 6
        assert "6 films asked, 6 were refused." in run.err

        assert (predict(folder).status, len(predict(folder).table)) == (0, 6)


def last_answers(two_arms: RunningWorkspace, journal: Path) -> dict[str, str]:
    """Of each request of a journal, the answer that the views count (`predictions.sql`)."""
    ids = ", ".join(f"'{it}'" for it in journalled(journal))
    rows = two_arms.sql(
        "SELECT client_request_id, databricks_request_id FROM ("
        "  SELECT *, row_number() OVER (PARTITION BY client_request_id"
        "    ORDER BY request_time DESC, databricks_request_id DESC) AS answer_number"
        f" FROM local.gold.{ENDPOINT}_payload WHERE client_request_id IN ({ids}))"
        " WHERE answer_number = 1"
    )
    return dict(rows)


def journalled(journal: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(journal)) as database:
        rows = database.execute("SELECT request_id, databricks_request_id FROM request").fetchall()
    return dict(rows)


def answered(journal: Path) -> int:
    with contextlib.closing(sqlite3.connect(journal)) as database:
        [[count]] = database.execute("SELECT count(*) FROM request WHERE answered_at IS NOT NULL")
    return int(count)


class TestMistakes:
    def test_what_is_no_film_is_named(self, predict: Call) -> None:
        run = predict("nowhere.png")

        assert run.status == 1
        assert "nowhere.png: there is no such file or folder" in run.err

    def test_an_empty_folder_is_named(self, predict: Call, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()

        run = predict(tmp_path / "empty")

        assert run.status == 1
        assert "no film is below this folder" in run.err

    def test_an_endpoint_that_is_not_there_is_told_with_those_that_are(
        self, predict: Call, films: Callable[[int], Path], two_arms: RunningWorkspace
    ) -> None:
        listed = two_arms.client.get(ENDPOINTS).json()["endpoints"]
        there = sorted(endpoint["name"] for endpoint in listed)
        assert ENDPOINT in there

        run = predict(films(1), "--endpoint", "nobody")

        assert run.status == 1
        assert f"no serving endpoint 'nobody'; there: {', '.join(there)}." in run.err

    def test_an_arm_that_is_not_there_is_told_with_those_that_are(
        self, predict: Call, films: Callable[[int], Path]
    ) -> None:
        run = predict(films(1), "--served-entity", "keras-9")

        assert run.status == 1
        assert "serves no entity 'keras-9'; it serves keras-1, torch-1" in run.err

    def test_a_journal_that_is_none_is_named_before_anything_is_sent(
        self, predict: Call, films: Callable[[int], Path], tmp_path: Path
    ) -> None:
        (tmp_path / "journal.db").write_text("no database" * 100)

        run = predict(films(1))

        assert run.status == 1
        assert "journal.db: the journal cannot be used" in run.err


def test_the_command_imports_nothing_that_trains_or_builds(
    two_arms_file: Path, films: Callable[[int], Path], run_command: Call, tmp_path: Path
) -> None:
    options = ("--environment", two_arms_file, "--journal", tmp_path / "journal.db")

    done = run_command("-X", "importtime", "-m", "ml.predict", films(2), *options, cwd=tmp_path)

    assert done.status == 0, done.err
    assert len(done.table) == 2
    assert "ml.client" in done.imported
    heavy = {"tensorflow", "keras", "torch", "mlflow", "jsii", "cdktf"}
    assert not heavy & done.imported


SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def platform(two_arms: RunningWorkspace) -> None:
    """What the platform stack makes for films and for their predictions."""
    from ml.contract.tables import FILMS, PREDICTION_CONTEXT
    from tests.plugin.ingestion import create_table

    client = two_arms.client
    warehouse = {"name": "champion-challenger-two-arms", "cluster_size": "2X-Small"}
    client.post("/api/2.0/sql/warehouses", json=warehouse).raise_for_status()
    two_arms.create_schema("local", "bronze")
    volume = {"catalog_name": "local", "schema_name": "bronze", "name": "xray_images"}
    client.post(
        "/api/2.1/unity-catalog/volumes", json={**volume, "volume_type": "MANAGED"}
    ).raise_for_status()
    columns = ", ".join(f"{column.name} {column.type}" for column in FILMS.columns)
    two_arms.sql(f"CREATE TABLE {FILMS.full_name('local')} ({columns})")
    two_arms.sql(create_table(PREDICTION_CONTEXT, "local"))


@pytest.fixture
def contexts(two_arms: RunningWorkspace) -> Callable[[Path], list[list[str | None]]]:
    """Patient, site and sex of each request of a journal, as the table has them."""

    def read(journal: Path) -> list[list[str | None]]:
        with contextlib.closing(sqlite3.connect(journal)) as database:
            ids = [it for [it] in database.execute("SELECT request_id FROM request")]
        return two_arms.sql(
            "SELECT patient_key, site, sex FROM local.gold.prediction_context "
            f"WHERE prediction_id IN ({', '.join(repr(it) for it in ids)})"
        )

    return read


@pytest.mark.usefixtures("platform")
class TestIngestedFilms:
    @pytest.fixture
    def image_id(self, two_arms: RunningWorkspace, films: Callable[[int], Path]) -> str:
        """A film in the volume, with its row, as `ml.ingest` leaves them."""
        from ml.contract.tables import FILMS
        from ml.data.image_id import image_id_of

        client = two_arms.client
        content = (films(1) / "film-0000.png").read_bytes()
        image_id = image_id_of(content)
        path = f"/Volumes/local/bronze/xray_images/films/{image_id}.png"
        client.put(f"/api/2.0/fs/files{path}", content=content).raise_for_status()
        two_arms.sql(f"DELETE FROM {FILMS.full_name('local')}")
        two_arms.sql(
            f"INSERT INTO {FILMS.full_name('local')} (image_id, label, volume_path, patient_key) "
            f"VALUES ('{image_id}', 'PNEUMONIA', '{path}', 'p7')"
        )
        return image_id

    def test_a_film_is_asked_about_by_its_image_id(
        self, predict: Call, image_id: str, tmp_path: Path
    ) -> None:
        by_id = predict(image_id, "--served-entity", "torch-1")
        by_file = predict(tmp_path / "films", "--served-entity", "torch-1", "--again")

        assert [line[0] for line in by_id.table] == [image_id]
        assert by_id.table[0][1:] == by_file.table[0][1:]

        unknown = predict("0" * 32)

        assert unknown.status == 1
        assert f"has no film {'0' * 32}" in unknown.err

    def test_its_patient_is_the_one_that_ingestion_knows(
        self,
        predict: Call,
        image_id: str,
        contexts: Callable[[Path], list[list[str | None]]],
        tmp_path: Path,
    ) -> None:
        from ml.prediction.patient_key import PatientKeys

        run = predict(
            image_id, "--context", "--site", "north", "--again", PATIENT_KEY_SECRET=SECRET
        )

        assert run.status == 0, run.err
        ((patient, site, _),) = contexts(tmp_path / "journal.db")
        assert (patient, site) == (PatientKeys(SECRET).key("p7"), "north")


@pytest.mark.usefixtures("platform")
class TestContext:
    def test_a_sheet_says_what_is_known_of_each_film_it_names(
        self,
        predict: Call,
        films: Callable[[int], Path],
        contexts: Callable[[Path], list[list[str | None]]],
        tmp_path: Path,
    ) -> None:
        from ml.prediction.patient_key import PatientKeys

        films(3)
        (tmp_path / "films.csv").write_text(
            "film,patient_id,site,sex\n"
            "films/film-0000.png,4711,north,F\n"
            "films/film-0001.png,4711,north,F\n"
            "films/film-0002.png,,,M\n"
        )
        (tmp_path / "secret").write_text(f"{SECRET}\n")

        first = predict("@films.csv", "--patient-secret", "secret")
        again = predict("@films.csv", "--patient-secret", "secret")

        assert (first.status, again.status) == (0, 0), first.err + again.err
        assert "not known: patient_key of 1, site of 1, device_maker of 3" in first.err
        assert "3 were answered before" in again.err
        key = PatientKeys(SECRET).key("4711")
        found = contexts(tmp_path / "journal.db")
        assert sorted(found, key=str) == sorted(
            [[key, "north", "F"], [key, "north", "F"], [None, None, "M"]], key=str
        )
        assert "4711" not in first.err + first.out

    @pytest.mark.parametrize(
        ("options", "secret", "said"),
        [
            (["--context"], None, "--patient-secret FILE, or set PATIENT_KEY_SECRET"),
            (["--context"], "short", "PATIENT_KEY_SECRET has 5 characters"),
            (["--context", "--patient-secret", "none"], None, "none: cannot be read: No such file"),
            (["--context", "--site", "east"], SECRET, "--site is none that the environment"),
            (["--site", "north"], SECRET, "--site: no context is written. Add --context."),
        ],
    )
    def test_a_context_that_cannot_be_written_is_refused_before_anything_is_sent(
        self,
        predict: Call,
        films: Callable[[int], Path],
        tmp_path: Path,
        options: list[str],
        secret: str | None,
        said: str,
    ) -> None:
        given = {"PATIENT_KEY_SECRET": secret} if secret else {}

        run = predict(films(2), *options, **given)

        assert (run.status, run.out) == (1, "")
        assert said in run.err
        assert not (tmp_path / "journal.db").exists()
