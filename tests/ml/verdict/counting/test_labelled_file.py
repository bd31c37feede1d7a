"""Labelled rows in a DuckDB database: the verdict of the same rows in Parquet, and refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ml.contract.errors import UserError
from ml.verdict.counting.labelled_file import labelled_file
from tests.ml.verdict.log import CHALLENGER, CHAMPION

PLAIN = "CREATE TABLE labelled AS SELECT * FROM '{parquet}'"


@pytest.fixture
def rows(log) -> Path:
    """Films of both arms, some not read, one read twice, and a verdict without its prediction."""
    log.films(CHAMPION, {"TP": 40, "FN": 10, "TN": 40, "FP": 10}, site="north")
    log.films(CHALLENGER, {"TP": 45, "FN": 5, "TN": 40, "FP": 10}, site="south")
    log.unread(CHAMPION, 0.7, 3)
    log.rows.append(log.rows[0] | {"radiologist_id": "reader-2", "ground_truth": "NORMAL"})
    log.rows.append(
        {
            "prediction_id": "lost",
            "ground_truth": "PNEUMONIA",
            "decided_at": log.rows[0]["decided_at"],
        }
    )
    return log.parquet()


def parts(rows: Path, folder: Path) -> Path:
    """The rows as Spark writes them: two parts, and what is hidden."""
    written = folder / "spark"
    written.mkdir()
    (written / "_SUCCESS").touch()
    (written / ".part-00000.snappy.parquet.crc").write_bytes(b"crc")
    for number in range(2):
        duckdb.connect().execute(
            f"COPY (SELECT * FROM (SELECT *, row_number() OVER () % 2 AS part FROM '{rows}') "
            f"WHERE part = {number}) TO '{written}/part-0000{number}.snappy.parquet'"
        )
    return written


@pytest.fixture
def database(rows: Path, tmp_path: Path):
    """Writes the rows into a database, by statements; returns its file."""

    def write(*statements: str, name: str = "rows.duckdb") -> Path:
        file = tmp_path / name
        with duckdb.connect(str(file)) as connection:
            for statement in statements or (PLAIN,):
                connection.execute(statement.format(parquet=rows))
        return file

    return write


@pytest.fixture
def decided(experiment):
    """The decision on a file."""

    def decide(file: Path, **values):
        from infra.declared.experiment import load, splits
        from ml.compare import decide

        trial = load(experiment(maturity=0, **values))
        rows = labelled_file(file, trial.subgroups)
        return decide(trial, splits(trial), rows, as_of=None, environment=None).decision

    return decide


class TestTheSameRows:
    def test_give_the_same_verdict_and_the_same_digests_of_what_was_counted(
        self, rows, database, decided
    ):
        parquet, duck = decided(rows), decided(database())

        assert (duck.verdict, duck.reason) == (parquet.verdict, parquet.reason)
        assert duck.numbers == parquet.numbers
        assert duck.findings == parquet.findings
        assert duck.data.digest == parquet.data.digest
        assert duck.data.query_digest == parquet.data.query_digest

    def test_count_the_same_where_several_ids_have_one_hash(self, rows, decided, monkeypatch):
        expected = decided(rows)
        monkeypatch.setattr(f"{labelled_file.__module__}._IDENTITY", "LENGTH(prediction_id)")

        assert decided(rows).data.digest == expected.data.digest

    def test_differ_in_the_digest_of_the_file_they_came_from(self, rows, database, decided):
        parquet, duck = decided(rows).data.origin, decided(database()).data.origin

        assert (duck["file"], duck["table"]) == ("rows.duckdb", "main.labelled")
        assert duck["sha256"] != parquet["sha256"]

    def test_have_their_subgroups_in_a_database_too(self, rows, database, decided):
        found = decided(database(), subgroups='["site"]').numbers["subgroups"]

        assert found == decided(rows, subgroups='["site"]').numbers["subgroups"]
        # Some films have neither a truth nor a site.
        assert list(found["site"]) == ["", "north", "south"]

    def test_may_be_a_view_with_a_workspaces_prefix_in_any_schema(self, rows, database, decided):
        file = database(
            "CREATE SCHEMA gold",
            "CREATE TABLE gold.answers AS SELECT * FROM '{parquet}'",
            "CREATE VIEW gold.classifier_labelled AS SELECT * FROM gold.answers",
        )

        assert decided(file).data.origin["table"] == "gold.classifier_labelled"
        assert decided(file).numbers == decided(rows).numbers

    def test_are_found_by_what_the_file_is_and_not_by_its_name(self, rows, database, decided):
        assert decided(database(name="rows.data")).numbers == decided(rows).numbers

    def test_may_be_a_folder_of_parts(self, rows, decided, tmp_path):
        found = decided(parts(rows, tmp_path))

        assert found.numbers == decided(rows).numbers
        assert found.data.digest == decided(rows).data.digest
        assert found.data.origin["parts"] == "2"

    @pytest.mark.parametrize("name", ["part-00001", "PART-00001.PARQUET", "part.00001"])
    def test_may_be_parts_of_any_name_and_behind_links(self, rows, decided, tmp_path, name):
        folder = parts(rows, tmp_path)
        (folder / "part-00001.snappy.parquet").rename(folder / name)
        (folder / "README.txt").write_text("of the export")
        elsewhere = folder.rename(tmp_path / "elsewhere")
        folder.mkdir()
        (folder / "linked").symlink_to(elsewhere)

        assert decided(folder).data.origin["parts"] == "2"

    def test_may_be_partitioned_by_a_column(self, rows, decided, tmp_path):
        duckdb.connect().execute(
            f"COPY (FROM '{rows}') TO '{tmp_path / 'by-arm'}' (FORMAT parquet, PARTITION_BY (arm))"
        )

        assert decided(tmp_path / "by-arm").numbers == decided(rows).numbers

    def test_may_be_in_a_file_whose_name_looks_like_a_pattern(self, rows, decided):
        odd = rows.rename(rows.with_name("rows [1]*.parquet"))

        assert decided(odd).data.origin["file"] == "rows [1]*.parquet"

    def test_are_read_without_ever_fetching_an_extension(self, rows):
        read = labelled_file(rows, ())._connection

        assert read.execute(
            "SELECT DISTINCT current_setting('autoinstall_known_extensions'), "
            "current_setting('autoload_known_extensions')"
        ).fetchall() == [(False, False)]

    def test_are_not_written_to(self, database, decided):
        file = database()
        before = file.read_bytes()
        file.chmod(0o400)

        decided(file)

        assert file.read_bytes() == before
        assert not list(file.parent.glob("rows.duckdb?*"))


def test_the_command_gives_the_same_bytes_again(database, experiment, tmp_path):
    from ml.compare import main

    trial, file = str(experiment(maturity=0)), str(database())
    for folder in ("first", "second"):
        given = [trial, "--data", file, "--output", str(tmp_path / folder), "--no-report"]
        assert main(given) == 0

    first, second = ((tmp_path / it / "decision.json").read_bytes() for it in ("first", "second"))
    assert first == second
    assert json.loads(first)["data"]["origin"]["table"] == "main.labelled"
    assert main([trial, "--data", file, "--verify", str(tmp_path / "first/decision.json")]) == 0


class TestARefusalNamesTheFileWhatIsMissingAndTheWayOut:
    def refused(self, file: Path) -> str:
        with pytest.raises(UserError) as refusal:
            labelled_file(file, ())
        assert str(refusal.value).startswith(f"{file}: ")
        return str(refusal.value)

    @pytest.mark.parametrize("content", [b"", b"prediction_id,arm\n", b"x" * 5000])
    def test_where_it_is_no_database(self, tmp_path, content):
        file = tmp_path / "rows.duckdb"
        file.write_bytes(content)

        assert "no DuckDB database, whatever its name says" in self.refused(file)

    @pytest.mark.parametrize("content", [b"", b"prediction_id,arm\n", b"x" * 5000])
    def test_where_it_is_no_parquet(self, tmp_path, content):
        file = tmp_path / "rows.csv"
        file.write_bytes(content)

        assert "is no Parquet file, or not all of one. --data takes" in self.refused(file)

    @pytest.mark.parametrize("suffix", [b".parquet", b".duckdb"])
    def test_where_duckdb_cannot_open_its_name(self, tmp_path, suffix):
        file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xf6ntgen" + suffix))
        file.write_bytes(b"x")

        with pytest.raises(UserError, match=r"r\\xf6ntgen.*the name is not UTF-8.*Rename it"):
            labelled_file(file, ())

    def test_where_it_is_not_there(self, tmp_path):
        assert "a Parquet or a DuckDB file" in self.refused(tmp_path / "none.duckdb")

    def test_where_it_is_a_folder_without_parts(self, tmp_path):
        assert "no Parquet file is in this folder" in self.refused(tmp_path)

    @pytest.mark.parametrize("name", ["_temporary", "_delta_log"])
    def test_where_the_parts_are_not_all_of_it_or_more(self, rows, tmp_path, name):
        folder = parts(rows, tmp_path)
        (folder / name).mkdir()

        assert f"({name})" in self.refused(folder)

    def test_where_it_is_a_journal(self, tmp_path):
        from ml.prediction.journal import Journal

        file = tmp_path / "predictions.db"
        Journal(file).close()

        said = self.refused(file)

        assert "SQLite" in said
        assert "--journal takes that" in said
        assert "\n" not in said

    @pytest.mark.parametrize(
        ("written", "named"),
        [
            ("lower(ground_truth)", "'normal' ("),
            ("CASE ground_truth WHEN 'PNEUMONIA' THEN 1 WHEN 'NORMAL' THEN 0 END", "'0' ("),
            ("ground_truth = 'PNEUMONIA'", "'false' ("),
        ],
    )
    def test_where_its_truths_are_spelt_otherwise(self, database, written, named):
        said = self.refused(
            database(
                "CREATE TABLE labelled AS SELECT * REPLACE "
                f"({written} AS ground_truth) FROM '{{parquet}}'"
            )
        )

        assert "ground_truth has unknown values: " in said
        assert named in said
        assert "Known are NORMAL, PNEUMONIA, INDETERMINATE" in said

    def test_where_it_has_no_such_table(self, database):
        said = self.refused(database("CREATE TABLE answers AS SELECT 1 AS a"))

        assert "no tables or views are named labelled" in said
        assert "it has main.answers" in said
        assert "CREATE VIEW labelled AS SELECT" in said

    def test_where_it_has_several(self, database):
        said = self.refused(
            database(
                "CREATE TABLE a_labelled AS SELECT 1 AS a", "CREATE VIEW b_labelled AS SELECT 1"
            )
        )

        assert "2 tables or views" in said
        assert "main.a_labelled, main.b_labelled" in said

    def test_where_the_table_lacks_a_column(self, database):
        said = self.refused(
            database("CREATE TABLE labelled AS SELECT * EXCLUDE (arm) FROM '{parquet}'")
        )

        assert "main.labelled has no column arm; it has prediction_id, request_time" in said
        assert "infra/experiments/README.md" in said

    def test_where_the_view_reads_what_the_files_digest_does_not_cover(self, database):
        said = self.refused(database("CREATE VIEW labelled AS SELECT * FROM '{parquet}'"))

        assert "main.labelled reads from outside of the file" in said
        assert "CREATE TABLE labelled AS SELECT" in said

    def test_where_changes_lie_beside_it(self, database):
        file = database()
        crash = "connection.execute('UPDATE labelled SET arm = NULL'); os._exit(9)"
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"import duckdb, os; connection = duckdb.connect({str(file)!r}); {crash}",
            ],
            check=False,
        )

        assert "rows.duckdb.wal beside it has changes" in self.refused(file)

    def test_where_another_process_has_it_open_for_writing(self, database):
        file = database()
        hold = (
            f"import duckdb; connection = duckdb.connect({str(file)!r}); print(flush=True); input()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            holder.stdout.readline()
            said = self.refused(file)
            holder.communicate(os.linesep.encode())

        assert "another process has it open for writing" in said
        assert "copy the file" in said


@pytest.mark.parametrize(("answer", "says"), [(1, False), (2, True)])
def test_a_choice_that_is_empty_where_it_matters_is_not_logged(log, answer, says):
    """Of an earlier answer to an id nothing is chosen."""
    log.film(CHAMPION, 0.1, chosen=False, answer_number=1)
    log.film(CHAMPION, 0.1, chosen=None, answer_number=answer)

    assert ("chosen" not in labelled_file(log.parquet(), ()).assumed) is says
