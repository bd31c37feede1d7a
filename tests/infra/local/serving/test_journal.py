"""What the journal keeps through a restart, a kill in the middle of a write, and a full disk."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import math
import os
import time
from typing import TYPE_CHECKING

import pytest

from infra.local.serving.delivery import Delivery, rest_seconds, room
from infra.local.serving.journal import Journal
from infra.local.serving.payload import PayloadRow, PayloadTable, ServedEntityRow, UsageRow
from infra.local.serving.record import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

TABLE = PayloadTable(catalog="c", schema="s", prefix="p")
LONG = 120
"""Seconds that no test needs, however busy the machine."""
NOW = datetime.datetime(2026, 11, 24, 12, 30, 0, 250_000, tzinfo=datetime.UTC)


def entry(
    request_id: str,
    table: PayloadTable = TABLE,
    request: bytes | None = b'{"inputs": [1]}',
    response: bytes | None = b'{"predictions": [2]}',
) -> Entry:
    row = PayloadRow(
        databricks_request_id=request_id,
        request_date=NOW.date(),
        client_request_id=None,
        request_time=NOW,
        status_code=200,
        sampling_fraction=1.0,
        execution_duration_ms=3,
        logging_error_codes=(),
        served_entity_id="e",
        requester="me",
    )
    return Entry(table=table, payload=row, request=request, response=response)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Callable[..., Journal]]:
    """Opens the journal in the test's folder, as often as it likes."""
    with contextlib.ExitStack() as opened:

        def open_journal(delay_seconds: float = 0) -> Journal:
            journal = Journal(tmp_path, delay_seconds=delay_seconds)
            return opened.enter_context(contextlib.closing(journal))

        yield open_journal


def request_ids(journal: Journal, limit: int = 100) -> list[str]:
    entries = journal.read(limit).entries
    return [each.payload.databricks_request_id for each in entries if each.payload]


class Rows:
    """A sink that keeps what it is given, and can be told to fail for a table."""

    def __init__(self) -> None:
        self.payload: dict[str, list[PayloadRow]] = {}
        self.usage: list[UsageRow] = []
        self.served: list[ServedEntityRow] = []
        self.broken: set[str] = set()

    def deliver(self, table: PayloadTable, rows: Sequence[PayloadRow]) -> None:
        if table.full_name in self.broken:
            raise RuntimeError("the schema was dropped")
        self.payload.setdefault(table.full_name, []).extend(rows)

    def deliver_usage(self, rows: Sequence[UsageRow]) -> None:
        self.usage += rows

    def deliver_served_entities(self, rows: Sequence[ServedEntityRow]) -> None:
        self.served += rows


def test_a_row_comes_back_as_it_was_written(journal: Callable[..., Journal]) -> None:
    written = entry("1", request=None, response="ü€".encode())
    journal().append(written)
    [read] = journal().read(1).entries
    assert read == written
    assert read.payload_row is not None
    assert (read.payload_row.request, read.payload_row.response) == (None, "ü€")


def test_a_body_that_is_not_utf_8_is_kept_as_text_with_marks(
    journal: Callable[..., Journal],
) -> None:
    journal().append(entry("1", request=b"\xff{"))
    [read] = journal().read(1).entries
    assert read.payload_row is not None
    assert read.payload_row.request == "�{"


def test_entries_are_read_in_order_and_not_again_after_they_are_forgotten(
    journal: Callable[..., Journal],
) -> None:
    first = journal()
    for number in range(5):
        first.append(entry(str(number)))
    first.forget(first.read(2))
    assert request_ids(first) == ["2", "3", "4"]
    assert request_ids(journal()) == ["2", "3", "4"]


def test_what_a_new_run_appends_comes_after_what_the_last_run_left(
    journal: Callable[..., Journal],
) -> None:
    journal().append(entry("old"))
    second = journal()
    second.append(entry("new"))
    assert request_ids(second) == ["old", "new"]


@pytest.mark.parametrize("lost", [1, 10, 30, 200])
def test_a_record_cut_short_by_a_kill_is_dropped_and_the_rest_kept(
    journal: Callable[..., Journal], tmp_path: Path, lost: int
) -> None:
    first = journal()
    first.append(entry("whole"))
    first.append(entry("cut"))
    [segment] = tmp_path.glob("*.log")
    os.truncate(segment, segment.stat().st_size - lost)
    second = journal()
    second.append(entry("after"))
    assert request_ids(second) == ["whole", "after"]


@pytest.mark.parametrize("spoilt", [*range(0, 40, 5), 200, -1])
def test_what_follows_a_byte_that_the_disk_has_changed_is_delivered_and_the_file_kept(
    journal: Callable[..., Journal],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoilt: int,
) -> None:
    first = journal()
    first.append(entry("before"))
    [segment] = tmp_path.glob("*.log")
    begin = segment.stat().st_size
    first.append(entry("spoilt"))
    end = segment.stat().st_size
    first.append(entry("behind"))
    content = bytearray(segment.read_bytes())
    content[end - 1 if spoilt < 0 else begin + spoilt] ^= 0x10
    segment.write_bytes(content)

    assert request_ids(first) == ["before", "behind"], "the run that is writing reads on as well"
    second = journal()
    second.append(entry("new"))
    batch = second.read(10)
    assert [it.payload.databricks_request_id for it in batch.entries if it.payload] == [
        "before",
        "behind",
        "new",
    ]
    second.forget(batch)
    assert f"{segment} is damaged at byte {begin}" in caplog.text
    assert segment.with_suffix(".damaged").read_bytes() == content


def test_a_last_record_that_the_disk_has_changed_is_told_apart_from_one_cut_short(
    journal: Callable[..., Journal], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal().append(entry("spoilt"))
    [segment] = tmp_path.glob("*.log")
    content = bytearray(segment.read_bytes())
    content[-1] ^= 1
    segment.write_bytes(content)
    assert request_ids(journal()) == []
    assert "is damaged at byte 0" in caplog.text


@pytest.mark.parametrize("content", [b"", b"[1", b"{}", b'["a", 2]', b"\0\0\0"])
def test_a_lost_position_delivers_all_that_is_there(
    journal: Callable[..., Journal], tmp_path: Path, content: bytes
) -> None:
    first = journal()
    for number in range(3):
        first.append(entry(str(number)))
    first.forget(first.read(2))
    (tmp_path / "position.json").write_bytes(content)
    assert request_ids(journal()) == ["0", "1", "2"]


def test_a_clock_that_is_set_back_holds_up_nothing(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = journal(delay_seconds=2)
    queue.append(entry("before"))
    set_back = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: set_back)
    assert queue.next_due_in() == 0
    assert request_ids(queue) == ["before"]
    queue.append(entry("after"))
    assert request_ids(queue) == ["before"], "what is written now waits as ever"


def test_a_batch_is_bounded_in_bytes_and_holds_one_entry_at_least(
    journal: Callable[..., Journal],
) -> None:
    queue = journal()
    for number in range(3):
        queue.append(entry(str(number), request=b"x" * 1000))
    assert len(queue.read(10, limit_bytes=1).entries) == 1
    assert len(queue.read(10, limit_bytes=3500).entries) == 2


def test_the_answers_of_one_turn_are_written_at_once_and_each_before_it_leaves(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    real = os.writev

    def counted(descriptor: int, buffers: Sequence[bytes]) -> int:
        writes.append(len(buffers))
        return real(descriptor, buffers)

    monkeypatch.setattr(os, "writev", counted)
    queue = journal()

    async def answer(number: int) -> list[str]:
        await queue.commit(entry(str(number)))
        return request_ids(queue)

    async def turn() -> list[list[str]]:
        return await asyncio.gather(*(answer(number) for number in range(3)))

    seen = asyncio.run(turn())
    assert seen == [["0", "1", "2"]] * 3
    assert len(writes) == 1


def test_a_full_disk_fails_every_answer_of_the_turn_and_keeps_none_of_them(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = journal()
    queue.append(entry("1"))
    real = os.writev

    def half(descriptor: int, buffers: Sequence[bytes]) -> int:
        whole = b"".join(buffers)
        return real(descriptor, [whole[: len(whole) // 2]])

    async def turn() -> list[object]:
        return await asyncio.gather(
            *(queue.commit(entry(str(number))) for number in range(2, 6)), return_exceptions=True
        )

    with monkeypatch.context() as full:
        full.setattr(os, "writev", half)
        assert all(isinstance(it, OSError) for it in asyncio.run(turn()))
    queue.append(entry("6"))
    assert request_ids(queue) == ["1", "6"]


def test_delivery_rests_the_less_the_older_its_rows_are() -> None:
    rests = [rest_seconds(1, age) for age in (0, 9, 10, 15, 20, 30, 3600)]
    assert rests == sorted(rests, reverse=True)
    assert rests[:3] == [math.inf, math.inf, pytest.approx(49)]
    assert rests[-2:] == [0, 0]


def test_an_answer_waits_for_room_where_there_is_a_limit(journal: Callable[..., Journal]) -> None:
    async def scenario() -> tuple[bool, bool]:
        queue = journal()
        queue.limit(1)
        await queue.commit(entry("1"))
        gone, waiting = (asyncio.create_task(queue.commit(entry(it))) for it in ("gone", "2"))
        await asyncio.sleep(0.01)
        gone.cancel()
        waited = not waiting.done()
        queue.limit(1)
        await asyncio.wait_for(waiting, LONG)
        last = asyncio.create_task(queue.commit(entry("3")))
        await asyncio.sleep(0.01)
        waited_again = not last.done()
        queue.limit(None)
        await asyncio.wait_for(last, LONG)
        return waited, waited_again

    assert asyncio.run(scenario()) == (True, True)
    assert request_ids(journal()) == ["1", "2", "3"]


def test_where_rows_are_late_no_more_come_than_have_left(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.serving.delivery._BATCH", 2)
    now, behind, limits = time.time(), [60.0], []
    monkeypatch.setattr(time, "time", lambda: now - behind[0])

    async def scenario() -> None:
        queue, sink = journal(), Rows()
        monkeypatch.setattr(queue, "limit", limits.append)
        for number in range(5):
            queue.append(entry(str(number)))
        behind[0] = 0
        delivery = asyncio.create_task(Delivery(queue, sink).run())
        while len(sink.payload.get(TABLE.full_name, [])) < 5 or len(limits) < 3:
            await asyncio.sleep(0.01)
        delivery.cancel()
        await asyncio.gather(delivery, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scenario(), LONG))
    assert limits == [1, 1, None, None], "the last when the delivery ends"


def test_the_later_rows_are_the_fewer_come() -> None:
    assert [room(1000, late) for late in (0, 30, 36, 45, 3600)] == [None, None, 800, 500, 100]


def test_a_segment_that_was_delivered_is_deleted(
    journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal().append(entry("old"))
    second = journal()
    second.append(entry("new"))
    second.forget(second.read(10))
    assert len(list(tmp_path.glob("*.log"))) == 1


def test_an_entry_is_not_read_before_its_delay_is_over(journal: Callable[..., Journal]) -> None:
    delayed = journal(delay_seconds=3600)
    delayed.append(entry("1"))
    assert request_ids(delayed) == []
    wait = delayed.next_due_in()
    assert wait is not None
    assert 3600 - LONG < wait <= 3600


def test_a_full_disk_fails_the_append_and_spoils_nothing(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = journal()
    first.append(entry("1"))
    real = os.writev

    def half(descriptor: int, buffers: Sequence[bytes]) -> int:
        return real(descriptor, [b"".join(buffers)[:40]])

    with monkeypatch.context() as full:
        full.setattr(os, "writev", half)
        with pytest.raises(OSError, match="wrote 40 of"):
            first.append(entry("lost"))
    first.append(entry("2"))
    assert request_ids(first) == ["1", "2"]


def test_delivery_hands_every_row_to_its_table_once(journal: Callable[..., Journal]) -> None:
    other = PayloadTable(catalog="c", schema="s", prefix="q")
    queue, sink = journal(), Rows()
    for number in range(3):
        queue.append(entry(str(number)))
        queue.append(entry(f"q{number}", table=other))
    delivery = Delivery(queue, sink)
    delivery.deliver_due()
    delivery.deliver_due()
    delivered = {
        name: [row.databricks_request_id for row in rows] for name, rows in sink.payload.items()
    }
    assert delivered == {"c.s.p_payload": ["0", "1", "2"], "c.s.q_payload": ["q0", "q1", "q2"]}


def test_a_table_that_can_not_be_written_keeps_its_rows_and_holds_up_no_other(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.serving.delivery._AFTER_FAILURE_SECONDS", 0)
    other = PayloadTable(catalog="c", schema="s", prefix="q")
    queue, sink = journal(), Rows()
    sink.broken.add(TABLE.full_name)
    queue.append(entry("waits"))
    queue.append(entry("goes", table=other))
    delivery = Delivery(queue, sink)
    delivery.deliver_due()
    assert list(sink.payload) == ["c.s.q_payload"]
    sink.broken.clear()
    delivery.deliver_due()
    assert [row.databricks_request_id for row in sink.payload["c.s.p_payload"]] == ["waits"]


def test_a_table_that_can_not_be_written_is_tried_less_and_less_often(
    journal: Callable[..., Journal],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("infra.local.serving.delivery._AFTER_FAILURE_SECONDS", 8)
    now, passed = time.time(), [0.0]
    monkeypatch.setattr(time, "time", lambda: now + passed[0])
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    queue, sink = journal(), Rows()
    sink.broken.add(TABLE.full_name)
    queue.append(entry("waits"))
    delivery = Delivery(queue, sink)
    for _ in range(170):
        delivery.deliver_due()
        passed[0] += 1
    said = [record.getMessage() for record in caplog.records]
    assert [it.rpartition("in ")[2] for it in said] == ["8 s", "16 s", "32 s", "60 s", "60 s"]
    sink.broken.clear()
    passed[0] += 60
    delivery.deliver_due()
    assert [row.databricks_request_id for row in sink.payload[TABLE.full_name]] == ["waits"]


def test_the_running_delivery_notices_new_entries(journal: Callable[..., Journal]) -> None:
    async def scenario() -> None:
        queue, sink = journal(), Rows()
        running = asyncio.create_task(Delivery(queue, sink).run())
        async with asyncio.timeout(LONG):
            for number in range(3):
                queue.append(entry(str(number)))
                while len(sink.payload.get(TABLE.full_name, ())) <= number:
                    await asyncio.sleep(0.01)
        running.cancel()
        rows = sink.payload[TABLE.full_name]
        assert [row.databricks_request_id for row in rows] == ["0", "1", "2"]

    asyncio.run(scenario())
