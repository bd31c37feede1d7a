"""The reading room over HTTP: a real workspace, real predictions, the real feedback endpoint."""

from __future__ import annotations

import contextlib
import io
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image

from ml.contract.errors import UserError
from tests.ml.reading_room.clinic import CATALOG, Road, film, text_of
from tests.plugin.workspaces import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ml.reading_room.clinic import Clinic, OpenRoomWith, StartRoom
    from tests.plugin.films import Arrays

pytestmark = [pytest.mark.programs, pytest.mark.xdist_group("reading room")]

ALL = "audit_share = 1"
TWO = "readers = 2\naudit_share = 1"


def test_a_reading_is_saved_with_all_that_is_known_of_it(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token = reader.next()["film"]

    answer = reader.read(token, "PNEUMONIA", confidence="MEDIUM", notes="left lower lobe")

    assert answer.json() == {"state": "WRITTEN", "said": "Saved."}
    [row] = clinic.readings()
    said = ("prediction_id", "ground_truth", "confidence", "notes", "feedback_source", "supersedes")
    assert [row[name] for name in said] == [
        *("request-1", "PNEUMONIA", "MEDIUM", "left lower lobe", "reading-room", None)
    ]
    assert row["blind"] == "true"
    assert float(row["sampling_probability"]) == 1
    me = clinic.workspace.client.get("/api/2.0/preview/scim/v2/Me").json()
    assert row["radiologist_id"] == me["userName"]


def test_the_queue_has_all_films_called_pneumonia_and_the_audit_share_of_the_others(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    from ml.reading_room.sampler import Sampler

    for number in range(30):
        clinic.predict(f"request-{number}", 0.8 if number < 6 else 0.2)
    clinic.logged(30)
    sampler = Sampler(audit_share=0.25, seed=3)
    expected = {f"request-{number}": 1.0 for number in range(6)}
    expected |= {
        it.prediction_id: 0.25
        for number in range(6, 30)
        if (it := sampler.draw(f"request-{number}", called_positive=False))
    }
    assert 6 < len(expected) < 30

    open_room(reading="audit_share = 0.25\nseed = 3").client().read_all()

    written = {it["prediction_id"]: float(it["sampling_probability"]) for it in clinic.readings()}
    assert written == expected


def test_before_a_reading_nothing_on_the_line_says_what_anybody_thinks_of_the_film(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    """Not the id of the request, which a client may have made of a file's name."""
    probability = clinic.predict("person7_bacteria_3", 0.8125)
    clinic.logged(1)
    reader = open_room().client()
    page = reader.http.get("/")
    assets = re.findall(r'(?:src|href)="(/page/[^"]+)"', page.text)
    turn = reader.http.post("/next", json={})
    answers = [
        page,
        turn,
        reader.http.get(f"/films/{turn.json()['film']}"),
        *(reader.http.get(asset) for asset in [*assets, "/page/viewer.js"]),
        reader.reveal(turn.json()["film"]),
    ]

    assert [answer.status_code for answer in answers] == [200] * (len(answers) - 1) + [409]
    for answer in answers:
        said = f"{answer.url}{text_of(answer)}"
        for secret in ("person7", "bacteria", str(probability)[:5], "pneumonia_poc", "/Volumes"):
            assert secret not in said
    assert set(turn.json()) == {"film", "waiting", "unavailable", "unsent"}


def test_a_film_has_another_name_for_every_reader(clinic: Clinic, open_room: OpenRoomWith) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    room = open_room(behind_proxy=True, reading=TWO)
    tokens = {room.client(name).next()["film"] for name in ("ada", "bo")}

    assert len(tokens) == 2
    assert all(len(token) >= 20 for token in tokens)


def test_a_reader_cannot_look_at_or_read_the_film_of_another(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    room = open_room(behind_proxy=True)
    token = room.client("ada").next()["film"]
    bo = room.client("bo")

    assert bo.http.get(f"/films/{token}").status_code == 404
    assert bo.read(token).status_code == 404
    assert bo.reveal(token).status_code == 404
    assert clinic.readings() == []


def test_two_readers_at_once_get_different_films(clinic: Clinic, open_room: OpenRoomWith) -> None:
    clinic.predict("request-1", 0.9)
    clinic.predict("request-2", 0.9)
    clinic.logged(2)
    room = open_room(behind_proxy=True)
    ada, bo, cy = (room.client(name) for name in ("ada", "bo", "cy"))
    ada.read(ada.next()["film"])
    bo.read(bo.next()["film"])

    assert {row["prediction_id"] for row in clinic.readings()} == {"request-1", "request-2"}
    assert cy.next()["film"] is None


def test_a_reader_who_comes_back_has_the_same_film(clinic: Clinic, open_room: OpenRoomWith) -> None:
    clinic.predict("request-1", 0.9)
    clinic.predict("request-2", 0.9)
    clinic.logged(2)
    reader = open_room().client()

    assert reader.next() == reader.next()


def test_where_two_readers_disagree_a_third_one_reads_and_nobody_twice(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    room = open_room(behind_proxy=True, reading=TWO)
    ada, bo, cy, di = (room.client(name) for name in ("ada", "bo", "cy", "di"))

    assert ada.read_all("NORMAL") == 1
    assert ada.next()["film"] is None
    assert bo.read_all("PNEUMONIA") == 1
    assert ada.next()["film"] is None
    assert bo.next()["film"] is None
    assert cy.read_all("PNEUMONIA") == 1
    assert di.next()["film"] is None
    assert [row["radiologist_id"] for row in clinic.readings()] == ["ada", "bo", "cy"]


def test_where_two_readers_agree_nobody_else_is_asked(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    room = open_room(behind_proxy=True, reading=TWO)

    assert room.client("ada").read_all("NORMAL") == 1
    assert room.client("bo").read_all("NORMAL") == 1
    assert room.client("cy").next()["film"] is None


def test_a_mind_that_changed_after_the_reveal_makes_no_disagreement(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    said = [
        ("ada", "PNEUMONIA", True, 0),
        ("ada", "NORMAL", False, 1),
        ("bo", "PNEUMONIA", True, 2),
    ]
    for reader, truth, blind, minute in said:
        reading = {
            "feedback_id": f"reading-{minute}",
            "prediction_id": "request-1",
            "radiologist_id": reader,
            "ground_truth": truth,
            "timestamp": f"2026-03-02T12:0{minute}:00+00:00",
            "blind": blind,
        }
        clinic.workspace.invoke("feedback-endpoint", {"dataframe_records": [reading]})
    assert len(clinic.readings()) == len(said)

    room = open_room(behind_proxy=True, reading=TWO)

    assert room.client("cy").next()["film"] is None


def test_what_was_read_elsewhere_is_not_read_again(clinic: Clinic, open_room: OpenRoomWith) -> None:
    """The table decides, not the journal of one machine."""
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    assert open_room(folder="one machine").client().read_all() == 1

    assert open_room(folder="another machine").client().next()["film"] is None


def test_a_film_that_a_simulation_has_read_waits_for_a_reader(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    """The demonstration simulates readers; a person who opens the room after it has films."""
    from ml.contract.tables import SIMULATION

    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    for source in (SIMULATION, "sheet"):
        reading = {
            "feedback_id": source,
            "prediction_id": "request-1",
            "radiologist_id": f"reader of the {source}",
            "ground_truth": "NORMAL",
            "timestamp": "2026-03-02T12:00:00+00:00",
            "blind": True,
            "feedback_source": source,
        }
        answer = clinic.workspace.invoke("feedback-endpoint", {"dataframe_records": [reading]})
        assert answer.json()["predictions"][0]["status"] == "written", answer.text
        waiting = open_room(folder=source).client().next()["waiting"]
        assert waiting == (1 if source == SIMULATION else 0)


def test_predictions_on_one_film_are_answered_by_one_reading(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    """Both arms may have been asked about it."""
    image = film(0.9)
    clinic.predict("first", image)
    clinic.predict("second", image)
    clinic.logged(2)
    reader = open_room().client()

    assert reader.read_all() == 1
    assert {row["prediction_id"] for row in clinic.readings()} == {"first", "second"}


def test_an_ingested_film_is_shown_at_its_full_size(
    clinic: Clinic, open_room: OpenRoomWith, bundled: Arrays
) -> None:
    from ml.data.image_id import image_id_of, new_request_id
    from ml.ingestion.store import film_folder

    content = io.BytesIO()
    Image.fromarray(bundled["val_images"][0]).resize((500, 400)).save(content, "JPEG")
    image_id = image_id_of(content.getvalue())
    clinic.workspace.client.put(
        f"/api/2.0/fs/files{film_folder(CATALOG)}/{image_id}.jpeg", content=content.getvalue()
    ).raise_for_status()
    clinic.predict(new_request_id(image_id), 0.9)
    clinic.logged(1)
    reader = open_room().client()

    picture = reader.http.get(f"/films/{reader.next()['film']}")

    with Image.open(io.BytesIO(picture.content)) as shown:
        assert shown.size == (500, 400)


def test_a_film_that_is_nowhere_is_left_out_and_counted(
    clinic: Clinic, open_room: OpenRoomWith, caplog: pytest.LogCaptureFixture
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    clinic.workspace.sql(f"UPDATE {clinic.analysis.filled_in('$payload')} SET request = NULL")

    turn = open_room().client().next()

    assert (turn["film"], turn["unavailable"]) == (None, 1)
    assert "request-1" in caplog.text


def test_the_models_probability_is_told_after_the_reading_and_that_is_recorded(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    probability = clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token = reader.next()["film"]
    assert reader.reveal(token).status_code == 409
    reader.read(token, "NORMAL")

    answer = reader.reveal(token)

    [output] = answer.json()["output"]
    assert output["probability"] == pytest.approx(probability)
    assert output["label"] == "PNEUMONIA"
    first, record = clinic.readings()
    assert first["output_shown_at"] is None
    assert record["supersedes"] == first["feedback_id"]
    assert record["output_shown_at"] > record["timestamp"]
    same = ("prediction_id", "ground_truth", "timestamp", "blind", "radiologist_id")
    assert [record[name] for name in same] == [first[name] for name in same]


def test_asking_again_is_recorded_once(clinic: Clinic, open_room: OpenRoomWith) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token = reader.next()["film"]
    reader.read(token)

    assert reader.reveal(token).json() == reader.reveal(token).json()
    assert len(clinic.readings()) == 2


def test_a_correction_supersedes_and_is_blind_only_before_the_probability_was_shown(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token = reader.next()["film"]

    reader.read(token, "NORMAL")
    reader.read(token, "INDETERMINATE")
    reader.reveal(token)
    reader.read(token, "PNEUMONIA")

    rows = {row["feedback_id"]: row for row in clinic.readings()}
    [last] = [row for row in rows.values() if row["ground_truth"] == "PNEUMONIA"]
    chain = [last]
    while chain[-1]["supersedes"]:
        chain.append(rows[chain[-1]["supersedes"]])
    assert [row["ground_truth"] for row in chain] == [
        *("PNEUMONIA", "INDETERMINATE", "INDETERMINATE", "NORMAL")
    ]
    assert [row["blind"] for row in chain] == ["false", "true", "true", "true"]


def test_a_film_is_blind_for_the_next_reader_whatever_the_first_was_shown(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    room = open_room(behind_proxy=True, reading=TWO)
    ada, bo = room.client("ada"), room.client("bo")
    token = ada.next()["film"]
    ada.read(token)
    ada.reveal(token)
    own = bo.next()["film"]

    assert bo.reveal(own).status_code == 409
    bo.read(own)
    assert [it["blind"] for it in clinic.readings() if it["radiologist_id"] == "bo"] == ["true"]


def test_a_reading_that_is_sent_twice_is_written_once(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    """The page sends it again when the answer to the first was lost."""
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token, entry = reader.next()["film"], str(uuid.uuid4())

    answers = [reader.read(token, feedback_id=entry) for _ in range(2)]

    assert [answer.json()["state"] for answer in answers] == ["WRITTEN"] * 2
    assert len(clinic.readings()) == 1


@pytest.mark.parametrize(
    "another", [{"verdict": "PNEUMONIA"}, {"confidence": "LOW"}, {"notes": "after all"}]
)
def test_an_entry_that_was_saved_is_not_said_to_be_saved_with_something_else(
    clinic: Clinic, open_room: OpenRoomWith, another: dict[str, str]
) -> None:
    """The answer to the first save was lost; the reader has changed their mind meanwhile."""
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token, entry = reader.next()["film"], str(uuid.uuid4())
    reader.read(token, "NORMAL", feedback_id=entry)

    answer = reader.read(token, **{"verdict": "NORMAL", "feedback_id": entry, **another})

    assert answer.status_code == 409
    assert "it said NORMAL, HIGH then" in answer.json()["error"]
    [first] = clinic.readings()
    assert reader.read(token, **{"verdict": "NORMAL", **another}).json()["state"] == "WRITTEN"
    assert [it["supersedes"] for it in clinic.readings()] == [None, first["feedback_id"]]


def test_readings_that_are_saved_at_once_each_supersede_the_one_before(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token = reader.next()["film"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: reader.read(token), range(8)))

    assert [it.json()["state"] for it in answers] == ["WRITTEN"] * 8
    rows = clinic.readings()
    superseded = [it["supersedes"] for it in rows if it["supersedes"]]
    assert len(rows) == 8
    assert len({*superseded}) == 7, "one chain, in which no reading is corrected twice"
    assert {*superseded} < {it["feedback_id"] for it in rows}


def test_a_room_is_open_to_those_who_have_the_link_that_was_printed(
    clinic: Clinic, start_room: StartRoom
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    room = start_room()
    with httpx.Client(base_url=room.url, headers={"Sec-Fetch-Site": "same-origin"}) as stranger:
        for method, path in (("GET", "/"), ("GET", "/?key=guessed"), ("POST", "/next")):
            response = stranger.request(method, path)
            assert response.status_code == 401
            assert "Open the link" in response.json()["error"]
    page = room.client().http.get("/")
    assert (page.status_code, page.url.path, page.url.query) == (200, "/", b"")
    assert room.client().next()["film"]
    key = room.log.with_name("journal.sqlite.key")
    assert key.stat().st_mode & 0o077 == 0
    assert key.read_text().strip() in room.link


NO_READINGS = (
    {"ground_truth": "HEALTHY"},
    {"confidence": "certain"},
    {"confidence": None},
    {"notes": "a" * 4001},
    {"notes": "\x00"},
    {"feedback_id": "1"},
    {"radiologist_id": "mallory"},
    {"blind": True},
    {"sampling_probability": 0.5},
)


def test_what_is_no_reading_is_refused_and_not_kept(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token = reader.next()["film"]

    for entered in NO_READINGS:
        answer = reader.read(token, **entered)
        assert answer.status_code == 422, entered
        assert answer.json()["error"]

    assert reader.next()["film"] == token


def test_sql_in_the_notes_is_text(clinic: Clinic, open_room: OpenRoomWith) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    notes = "'); DROP TABLE x; -- :notes {{secrets/a/b}} \\ \" <script>"

    reader.read(reader.next()["film"], notes=notes)

    assert [row["notes"] for row in clinic.readings()] == [notes]


def test_while_the_endpoint_is_away_readings_are_kept_and_then_written(
    clinic: Clinic, start_room: StartRoom, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.predict("request-2", 0.9)
    clinic.logged(2)
    room = start_room()
    reader = room.client()
    with clinic.without_feedback_endpoint():
        token = reader.next()["film"]
        answer = reader.read(token, "PNEUMONIA")
        assert answer.status_code == 200
        assert answer.json()["state"] == "KEPT"
        assert "sent again" in answer.json()["said"]
        assert reader.reveal(token).status_code == 409
        turn = reader.next()
        assert (turn["film"] is not None, turn["unsent"]) == (True, 1)
        assert clinic.readings() == []
        room.kill()

    open_room()

    rows = eventually(clinic.readings)
    assert [row["ground_truth"] for row in rows] == ["PNEUMONIA"]


def test_a_reader_goes_on_with_the_same_film_after_the_server_was_killed(
    clinic: Clinic, start_room: StartRoom, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    room = start_room()
    token = room.client().next()["film"]
    room.kill()
    reader = open_room().client()

    assert reader.read(token).json()["state"] == "WRITTEN"


def test_ctrl_c_closes_the_room(clinic: Clinic, start_room: StartRoom) -> None:
    room = start_room()
    room.client().http.get("/")

    assert room.interrupt() == 0
    assert "Closed." in room.log.read_text()
    assert "Traceback" not in room.log.read_text()


def test_a_second_room_on_one_journal_is_refused(
    clinic: Clinic, start_room: StartRoom, open_room: OpenRoomWith
) -> None:
    start_room()

    with pytest.raises(UserError, match="another reading room"):
        open_room()


FROM_ELSEWHERE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "", "Origin": "https://elsewhere.example"},
    {"Sec-Fetch-Site": "", "Origin": "null"},
    {"Sec-Fetch-Site": ""},
)


def test_another_site_cannot_make_a_readers_browser_read(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token = reader.next()["film"]

    for headers in FROM_ELSEWHERE:
        reader.http.headers.update(headers)
        assert reader.read(token).status_code == 403, headers
        assert reader.http.post("/next", json={}).status_code == 403, headers
    assert clinic.readings() == []


def test_a_browser_without_fetch_metadata_is_known_by_its_origin(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    room = open_room()

    answer = httpx.post(f"{room.url}/next", json={}, headers={"Origin": room.url}, timeout=240)

    assert answer.status_code == 200


def test_another_name_for_this_machine_is_not_answered(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    """A site whose name is made to lead to 127.0.0.1 would be of the same origin as itself."""
    room = open_room()

    assert httpx.get(room.url, headers={"Host": "rebound.example"}, timeout=60).status_code == 400


def test_every_answer_has_the_headers_that_protect_it(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    from ml.reading_room.protection import HEADERS

    http = open_room().client().http
    for answer in (http.get("/"), http.get("/page/room.js"), http.get("/films/x"), http.get("/y")):
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers


def test_the_page_asks_no_other_server_for_anything(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    http = open_room().client().http

    for path in ("/", "/page/room.js", "/page/viewer.js", "/page/room.css"):
        # The name of SVG's vocabulary is none that is fetched.
        assert re.findall(r"(?:https?:)?//\w[\w.]*\.\w+", http.get(path).text) == []


def test_behind_a_proxy_nobody_reads_who_is_not_named(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    http = open_room(behind_proxy=True).client().http

    assert http.get("/").status_code == 401
    assert http.post("/next", json={}).status_code == 401


def test_without_a_proxy_a_header_makes_nobody_somebody_else(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    mallory = open_room().client("mallory")

    mallory.read(mallory.next()["film"])

    assert [row["radiologist_id"] == "mallory" for row in clinic.readings()] == [False]


def test_a_body_without_end_is_cut_off(clinic: Clinic, open_room: OpenRoomWith) -> None:
    http = open_room().client().http

    answer = http.post("/readings", content=(b" " * 65_536 for _ in range(3)))

    assert answer.status_code == 413


def test_while_the_workspace_does_not_answer_the_reader_is_told_and_nothing_is_recorded(
    clinic: Clinic, open_room: OpenRoomWith
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    reader = open_room().client()
    token = reader.next()["film"]
    reader.read(token)
    with clinic.without_views():
        answer = reader.reveal(token)

    assert answer.status_code == 503
    assert "does not answer" in answer.json()["error"]
    assert len(clinic.readings()) == 1
    assert reader.reveal(token).status_code == 200


@pytest.fixture
def road(clinic: Clinic) -> Iterator[Road]:
    """From the rooms of the test to the workspace."""
    with contextlib.closing(Road(clinic.workspace.host)) as road:
        yield road


def test_while_the_workspace_cannot_be_reached_readings_are_kept_and_then_written(
    clinic: Clinic, road: Road, open_room: OpenRoomWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.reading_room.opening._CALL_SECONDS", 1)
    monkeypatch.setattr("ml.reading_room.delivery.AGAIN_SECONDS", 0.2)
    clinic.predict("request-1", 0.9)
    clinic.predict("request-2", 0.9)
    clinic.logged(2)
    reader = open_room(host=road.host).client()
    token = reader.next()["film"]
    road.cut()

    assert reader.read(token, "PNEUMONIA").json()["state"] == "KEPT"
    answer = reader.http.post("/next", json={})
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["error"]
    road.mend()

    rows = eventually(clinic.readings)
    assert [row["ground_truth"] for row in rows] == ["PNEUMONIA"]
    assert reader.next()["film"] is not None
