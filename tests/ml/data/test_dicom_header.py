"""What stays of a DICOM header in a film that is kept."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml.data.dicom.film import film as shown
from ml.data.dicom.header import without_the_patient
from ml.data.image_id import image_id_of
from tests.plugin.dicom_files import dataset, film, png, table, written

if TYPE_CHECKING:
    from pydicom import Dataset

SECRET = "Doe-4711"
NAMED = (
    *("PatientName", "PatientID", "PatientAddress", "OtherPatientNames", "PatientComments"),
    *("AccessionNumber", "ReferringPhysicianName", "OperatorsName", "InstitutionName"),
    *("StationName", "StudyDescription", "SeriesDescription", "StudyID", "DeviceSerialNumber"),
    *("RequestedProcedureDescription", "ImageComments", "ProtocolName", "PerformedStationName"),
)


def a_film(**tags: Any) -> Dataset:
    return dataset(film(12), bits=12, **tags)


def read(content: bytes) -> Dataset:
    from pydicom import dcmread

    return dcmread(io.BytesIO(content))


@pytest.mark.parametrize("name", NAMED)
def test_what_names_anybody_is_not_kept(name: str) -> None:
    given = written(a_film(**{name: SECRET, "PatientBirthDate": "19700131"}))
    assert SECRET.encode() in given

    kept = without_the_patient(given)

    assert SECRET.encode() not in kept
    assert b"19700131" not in kept
    assert shown(kept).patient is None


def test_a_name_in_a_private_element_an_item_or_before_the_header_is_not_kept() -> None:
    from pydicom import Dataset

    made, region, request = a_film(), Dataset(), Dataset()
    made.private_block(0x0009, SECRET, create=True).add_new(1, "LO", SECRET)
    made.private_block(0x0029, SECRET, create=True).add_new(1, "LO", SECRET)
    region.CodeValue, region.CodeMeaning, region.InstitutionName = "51185008", "Chest", SECRET
    request.RequestedProcedureDescription = SECRET
    made.AnatomicRegionSequence, made.RequestAttributesSequence = [region], [request]
    made.file_meta.SourceApplicationEntityTitle = SECRET

    kept = without_the_patient(written(made))

    assert SECRET.encode() not in kept
    assert read(kept).AnatomicRegionSequence[0].CodeMeaning == "Chest"


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"WindowCenter": 2000, "WindowWidth": 800},
        {"RescaleSlope": -2, "RescaleIntercept": 8000},
        {"VOILUTSequence": [table([*range(4096)][::-1], [4096, 0, 12])]},
        {"PresentationLUTShape": "INVERSE"},
        {"interpretation": "MONOCHROME1"},
    ],
    ids=lambda it: "-".join(it) or "plain",
)
def test_the_picture_is_what_it_was(tags: dict[str, Any]) -> None:
    given = written(a_film(**tags))

    kept = without_the_patient(given)

    np.testing.assert_array_equal(shown(kept).picture, shown(given).picture)


def test_what_a_context_says_is_kept() -> None:
    told = {"PatientSex": "F", "PatientAge": "045Y", "Manufacturer": "Maker", "ViewPosition": "PA"}

    kept = read(without_the_patient(written(a_film(**told))))

    assert {name: kept[name].value for name in told} == told
    assert kept.PatientIdentityRemoved == "YES"


def test_a_film_has_the_same_id_before_and_after() -> None:
    one, other = (written(a_film(PatientName=it, StudyDate="20260102")) for it in ("Doe", "Roe"))

    kept = without_the_patient(one)

    assert without_the_patient(kept) == kept
    assert image_id_of(one) == image_id_of(kept) == image_id_of(other)


@pytest.mark.parametrize("content", [png(film(8)), b"", b"no film"])
def test_any_other_file_stays_as_it_is(content: bytes) -> None:
    assert without_the_patient(content) == content


def test_a_damaged_file_has_an_id_too() -> None:
    assert image_id_of(bytes(128) + b"DICM" + b"\xff" * 9) == image_id_of(
        bytes(128) + b"DICM" + b"\xff" * 9
    )
