"""What a DICOM file says that it shows: a chest X-ray is a film, anything else on demand alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.data.film_file import Fault, UnreadableFilm, opened
from tests.plugin.dicom_files import dicom, film


def region(value: str, meaning: str) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return [item]


@pytest.mark.parametrize(
    "tags",
    [
        *({"Modality": it} for it in ("CR", "DX", "RG", "dx", "")),
        *(
            {"BodyPartExamined": it}
            for it in ("CHEST", "Chest PA", "THORAX", "TORAX", "LUNG", "CHESTABDOMEN", "")
        ),
        {"AnatomicRegionSequence": region("51185008", "Thoracic structure")},
        {"AnatomicRegionSequence": region("T-D3000", "Chest")},
        {"AnatomicRegionSequence": []},
        {"SOPClassUID": None},
        {"Modality": "CR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    ],
    ids=str,
)
def test_a_chest_x_ray_is_a_film(tags: dict[str, Any]) -> None:
    assert opened(dicom(film(8), bits=8, **tags)).suffix == ".dcm"


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        *(
            ({"Modality": it}, rf"Modality \(0008,0060\) is {it}; .*CR, DX, RG")
            for it in ("CT", "MR", "US", "MG", "PX", "XA", "RTDOSE", "SEG", "OT")
        ),
        *(
            ({"BodyPartExamined": it}, rf"Body Part Examined \(0018,0015\) is {it}, not the chest")
            for it in ("HAND", "ABDOMEN", "TSPINE", "THORACIC SPINE", "WHOLE BODY")
        ),
        (
            {"AnatomicRegionSequence": region("85562004", "Hand")},
            r"Anatomic Region Sequence \(0008,2218\) is Hand, not the chest",
        ),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
            r"Modality \(0008,0060\) is missing, and its .* is CT Image Storage",
        ),
    ],
    ids=str,
)
def test_another_subject_is_refused_with_its_tag_and_taken_for_research(
    tags: dict[str, Any], said: str
) -> None:
    content = dicom(film(8), bits=8, **tags)

    with pytest.raises(UnreadableFilm, match=f"{said}.*--any-modality") as refusal:
        opened(content)
    assert refusal.value.fault == Fault.NO_CHEST_FILM
    assert opened(content, any_modality=True).width == 70


@pytest.mark.parametrize("grey", [0, 77, 255])
def test_pixels_of_one_grey_are_no_film_of_anything(grey: int) -> None:
    content = dicom(np.full((40, 30), grey, np.uint8), bits=8)

    with pytest.raises(UnreadableFilm, match=r"Pixel Data \(7FE0,0010\) is of one grey value"):
        opened(content, any_modality=True)


@pytest.mark.parametrize(
    "tags", [{"WindowCenter": 5000, "WindowWidth": 10}, {"WindowCenter": -900, "WindowWidth": 4}]
)
def test_a_window_without_contrast_shows_no_film(tags: dict[str, int]) -> None:
    with pytest.raises(UnreadableFilm, match="shows one grey alone, without contrast"):
        opened(dicom(film(12), bits=12, **tags))


def test_a_difference_that_nobody_sees_is_no_contrast() -> None:
    pixels = np.full((40, 30), 2000, np.uint16)
    pixels[::2] += 3

    with pytest.raises(UnreadableFilm, match="without contrast"):
        opened(dicom(pixels, bits=12))


def test_the_patient_is_known_by_the_id_alone() -> None:
    assert opened(dicom(film(8), bits=8, PatientID=" 4711 ")).patient == "4711"
    assert opened(dicom(film(8), bits=8, PatientID="")).patient is None
    assert opened(dicom(film(8), bits=8)).patient is None
