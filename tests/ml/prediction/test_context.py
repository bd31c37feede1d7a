"""What may be known of a film: closed vocabularies and short tokens, from tags and from sheets."""

from __future__ import annotations

import hashlib
import hmac
import warnings
from dataclasses import astuple
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.declared.context import ContextPlan
from ml.contract.errors import InvalidData, UserError
from ml.prediction.context import AGE_BANDS, Context, age_band_of, sex_of, token_of, view_of
from ml.prediction.contexts import Contexts
from ml.prediction.listed import Stated, is_sheet, stated_in
from ml.prediction.patient_key import NoSecret, PatientKeys
from tests.ml.prediction.dicom_film import dicom_film

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "0123456789abcdef0123456789abcdef"
PLAN = ContextPlan(sites={"north": ("Northern General",), "south": ()})


@pytest.fixture
def contexts() -> Contexts:
    return Contexts(PatientKeys(SECRET), PLAN, SimpleNamespace(destination="nowhere"))


class TestKeys:
    def test_a_key_is_an_hmac_that_only_the_secret_gives(self) -> None:
        key = PatientKeys(SECRET).key("4711")

        expected = hmac.new(SECRET.encode(), b"patient key 1\x004711", hashlib.sha256)
        assert key == expected.hexdigest()
        assert PatientKeys(SECRET[::-1]).key("4711") != key

    @pytest.mark.parametrize("padded", ["4711 ", " 4711", "4711\0", "4711\r\n"])
    def test_what_pads_an_id_means_nothing(self, padded: str) -> None:
        assert PatientKeys(SECRET).key(padded) == PatientKeys(SECRET).key("4711")

    @pytest.mark.parametrize("nobody", ["", "  ", "\0"])
    def test_no_id_is_no_patient(self, nobody: str) -> None:
        assert PatientKeys(SECRET).key(nobody) is None

    @pytest.mark.parametrize(
        ("secret", "said"),
        [
            ("", "is empty"),
            (" \n", "is empty"),
            ("short", "has 5 characters"),
            ("s" * 31, "has 31"),
        ],
    )
    def test_a_secret_that_is_none_is_refused_and_not_shown(
        self, secret: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "secret"
        file.write_text(secret)
        monkeypatch.setenv("PATIENT_KEY_SECRET", secret)

        for found in (lambda: PatientKeys.found(file), PatientKeys.found):
            with pytest.raises(NoSecret, match=said) as refused:
                found()
            assert "secrets.token_hex" in str(refused.value)
            assert "short" not in str(refused.value).partition("Make one")[0]

    def test_a_file_goes_before_the_variable_and_may_end_in_a_line_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "secret").write_text(f"{SECRET}\n")
        monkeypatch.setenv("PATIENT_KEY_SECRET", SECRET[::-1])

        assert PatientKeys.found(tmp_path / "secret").key("1") == PatientKeys(SECRET).key("1")
        assert PatientKeys.found().key("1") == PatientKeys(SECRET[::-1]).key("1")

    def test_without_any_both_ways_to_give_one_are_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PATIENT_KEY_SECRET", raising=False)

        with pytest.raises(NoSecret, match=r"--patient-secret FILE, or set PATIENT_KEY_SECRET"):
            PatientKeys.found()

    def test_a_secret_shows_in_no_representation(self) -> None:
        keys = PatientKeys(SECRET)

        assert SECRET not in f"{keys!r}{keys}"


class TestVocabularies:
    @pytest.mark.parametrize(
        ("text", "band"),
        [
            ("006M", "0-1"),
            ("020D", "0-1"),
            ("103W", "0-1"),
            ("105W", "2-5"),
            ("002Y", "2-5"),
            ("017Y", "12-17"),
            ("18", "18-39"),
            ("064Y", "40-64"),
            ("080Y", "80+"),
            ("103Y", "80+"),
            ("40-64", "40-64"),
            ("", None),
            ("999Y", None),
            ("Doe", None),
            ("-4", None),
            ("19700101", None),
        ],
    )
    def test_an_age_is_a_band(self, text: str, band: str | None) -> None:
        assert age_band_of(text) == band

    def test_a_view_and_a_sex_are_of_a_closed_list(self) -> None:
        assert [view_of(it) for it in ("pa ", "LL", "RLD", "LLO", "Doe^Jane", "")] == [
            "PA",
            "LATERAL",
            "DECUBITUS",
            "OBLIQUE",
            None,
            None,
        ]
        assert [sex_of(it) for it in ("F", "male", "o", "Doe", "")] == ["F", "M", "O", None, None]

    @pytest.mark.parametrize(
        ("text", "token"),
        [
            ("GE MEDICAL SYSTEMS, LLC", "GE-MEDICAL-SYSTEMS-LLC"),
            ("Discovery XR656", "DISCOVERY-XR656"),
            ("Köhler & Söhne", "KOHLER-SOHNE"),
            ("x" * 100, "X" * 32),
            ("a\0b\nc\tdrop table", "A-B-C-DROP-TABLE"),
            ("DRX 1970-01-01", None),
            ("SN 123456", None),
            ("富士", None),
            ("", None),
        ],
    )
    def test_a_makers_name_is_a_short_token_without_long_numbers(
        self, text: str, token: str | None
    ) -> None:
        assert token_of(text) == token

    @given(st.text())
    def test_whatever_is_read_may_be_written(self, text: str) -> None:
        Context(
            device_maker=token_of(text),
            view=view_of(text),
            age_band=age_band_of(text),
            sex=sex_of(text),
            patient_key=PatientKeys(SECRET).key(text),
        )

    @pytest.mark.parametrize(
        "known",
        [
            {"patient_key": "4711"},
            {"patient_key": "Doe^Jane"},
            {"site": "Northern General"},
            {"device_model": "free text"},
            {"device_maker": "A" * 33},
            {"device_maker": "SN-1234-56"},
            {"view": "frontal"},
            {"age_band": "45"},
            {"sex": "female"},
        ],
    )
    def test_nothing_else_can_be_a_context_and_the_refusal_does_not_repeat_it(
        self, known: dict[str, str]
    ) -> None:
        ((name, value),) = known.items()

        with pytest.raises(InvalidData, match=name) as refused:
            Context(**known)
        assert value not in str(refused.value)


class TestTags:
    def test_the_tags_of_a_dicom_file_are_its_context(self, contexts: Contexts) -> None:
        content = dicom_film(
            PatientID="4711 ",
            InstitutionName="NORTHERN  General",
            Manufacturer="Philips",
            ManufacturerModelName="DigitalDiagnost C90",
            ViewPosition="PA",
            PatientAge="045Y",
            PatientSex="F",
        )

        assert contexts.of("film.dcm", content) == Context(
            patient_key=PatientKeys(SECRET).key("4711"),
            site="north",
            device_maker="PHILIPS",
            device_model="DIGITALDIAGNOST-C90",
            view="PA",
            age_band="40-64",
            sex="F",
        )
        assert contexts.unknown == {}

    @pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff no DICOM", dicom_film()[:200]])
    def test_a_file_without_tags_has_no_context(self, contexts: Contexts, content: bytes) -> None:
        assert contexts.of("film", content) == Context()

    def test_a_film_without_a_preamble_has_tags_too(self, contexts: Contexts) -> None:
        assert contexts.of("film", dicom_film(PatientSex="F")[132:]).sex == "F"

    @pytest.mark.parametrize(
        "tags",
        [
            {"Manufacturer": "Doe Jane X-rays", "PatientName": "Doe^Jane"},
            {"ManufacturerModelName": "xdoejanex", "PatientName": "Doejane"},
            {"ManufacturerModelName": "Mc Intyre", "ReferringPhysicianName": "INTYRE^A"},
            {"ManufacturerModelName": "AB-4711", "PatientID": "4711"},
            {"ManufacturerModelName": "19700101", "PatientBirthDate": "19700101"},
        ],
    )
    def test_a_device_that_is_called_like_a_person_is_not_known(
        self, contexts: Contexts, tags: dict[str, str]
    ) -> None:
        context = contexts.of("film", dicom_film(**tags))

        assert (context.device_maker, context.device_model) == (None, None)

    @given(
        st.dictionaries(
            st.sampled_from(
                [
                    *("PatientID", "PatientName", "PatientBirthDate", "PatientAge", "PatientSex"),
                    *("InstitutionName", "Manufacturer", "ManufacturerModelName", "ViewPosition"),
                    *("OtherPatientNames", "PatientComments", "AccessionNumber"),
                ]
            ),
            st.text(st.characters(codec="latin-1"), min_size=1, max_size=20)
            | st.sampled_from(["Doe^Jane", "4711", "19700101", "\\", "PA\\AP", "=", "\x1b$B"]),
        )
    )
    def test_no_hostile_value_is_a_context_or_a_warning(self, tags: dict[str, str]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = dicom_film(**tags)
        contexts = Contexts(PatientKeys(SECRET), PLAN, SimpleNamespace(destination="nowhere"))

        said = astuple(contexts.of("film", content))

        people = {"PatientName", "OtherPatientNames", "PatientComments", "AccessionNumber"}
        for name, value in tags.items():
            words = [it for it in value.upper().split() if len(it) > 2 and it.isalnum()]
            if name in people | {"PatientID", "PatientBirthDate"}:
                assert not any(word in str(it) for it in said[1:] for word in words)


class TestSheets:
    @pytest.fixture
    def sheet(self, tmp_path: Path):
        def write(text: str, encoding: str = "utf-8") -> Path:
            file = tmp_path / "films.csv"
            file.write_bytes(text.encode(encoding))
            return file

        return write

    @pytest.mark.parametrize("separator", [",", "\t"])
    def test_a_head_says_what_the_columns_are(self, sheet, separator: str) -> None:
        text = (
            "Film,patient_id,site,device_maker,view,age,sex\n"
            "a.png,4711,north,Philips,PA,45,F\n\n"
            "b.png,,,,,,\n"
        )

        stated = stated_in(sheet(text.replace(",", separator)), PLAN)

        assert stated == {
            "a.png": Stated(
                patient="4711",
                known={
                    "site": "north",
                    "device_maker": "PHILIPS",
                    "view": "PA",
                    "age_band": "40-64",
                    "sex": "F",
                },
            ),
            "b.png": Stated(),
        }
        assert "4711" not in repr(stated)

    @pytest.mark.parametrize("text", ["a.png\nb.png\n", "film\na.png\n", "a.png,1\n", ""])
    def test_a_plain_list_has_none(self, sheet, text: str) -> None:
        assert not is_sheet(sheet(text))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("film,name\na,Doe", "line 1: column 'name'"),
            ("film,sex,sex\na,F,M", "line 1: a column twice"),
            ("film,sex\na,Doe^Jane", "line 2: sex is not one of F, M, O"),
            ("film,view\na,F\nb,PA", "line 2: view is not one of AP, PA"),
            ("film,age\na,19700101", "line 2: age is not years"),
            ("film,device_model\na,SN 4711987", "line 2: device_model is not a name"),
            ("film,site\na,Doe", "line 2: site is none that the environment declares: north"),
            ("film,sex\n,F", "line 2: film is empty"),
            ("film,sex\na,F,M", "line 2: 3 cells under 2 columns"),
            ("film,sex\na,F\na,M", "line 3: a is there twice"),
            ('film,sex\n"a,F', "is no row of a sheet"),
            ("film;sex\na;F", "its columns apart by ';'"),
        ],
    )
    def test_what_is_wrong_is_named_by_its_line_and_no_value_is_repeated(
        self, sheet, text: str, said: str
    ) -> None:
        with pytest.raises(UserError, match=said) as refused:
            stated_in(sheet(text), PLAN)
        for value in ("Doe", "19700101", "4711987"):
            assert value not in str(refused.value)

    def test_a_sheet_goes_before_the_tags_and_leaves_the_rest_to_them(
        self, contexts: Contexts
    ) -> None:
        contexts.state({"film.dcm": Stated(patient="12", known={"sex": "M"})})

        context = contexts.of(
            "film.dcm", dicom_film(PatientID="11", PatientSex="F", PatientAge="3")
        )

        assert context == Context(
            patient_key=PatientKeys(SECRET).key("12"), sex="M", age_band=AGE_BANDS[1]
        )


class TestSites:
    def test_a_site_of_all_films_goes_before_an_institutions_name(self) -> None:
        table = SimpleNamespace(destination="nowhere")
        contexts = Contexts(PatientKeys(SECRET), PLAN, table, site="south")

        film = dicom_film(InstitutionName="Northern General")
        assert contexts.of("film", film).site == "south"

    def test_one_that_is_not_declared_is_refused(self) -> None:
        with pytest.raises(UserError, match=r"--site is none .* north, south"):
            Contexts(PatientKeys(SECRET), PLAN, SimpleNamespace(destination=""), site="east")

    def test_an_institution_that_is_not_declared_is_written_nowhere(
        self, contexts: Contexts
    ) -> None:
        assert contexts.of("film", dicom_film(InstitutionName="Doe's practice")) == Context()
        assert contexts.unknown["site"] == 1
