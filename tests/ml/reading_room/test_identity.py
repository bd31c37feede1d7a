"""Who a reader is."""

import pytest
from starlette.requests import Request

from ml.reading_room.identity import ForwardedIdentity, UnknownReader, WorkspaceIdentity


def request(*headers: tuple[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


def test_behind_a_proxy_the_reader_is_whom_it_names() -> None:
    named = request(("X-Forwarded-Email", "ada@clinic.example"), ("X-Forwarded-User", "17@1"))

    assert ForwardedIdentity().reader(named) == "ada@clinic.example"
    assert ForwardedIdentity("X-Forwarded-User").reader(named) == "17@1"


@pytest.mark.parametrize(
    ("sets", "sent"),
    [
        ("X-Forwarded-Email", "X-Forwarded-User"),
        ("X-Forwarded-User", "X-Forwarded-Email"),
        ("X-Auth-Request-Email", "X-Forwarded-Email"),
    ],
)
def test_a_header_that_the_proxy_does_not_set_is_a_clients_and_names_nobody(
    sets: str, sent: str
) -> None:
    with pytest.raises(UnknownReader, match=f"no header {sets}"):
        ForwardedIdentity(sets).reader(request((sent, "mallory@x.example")))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Forwarded-Email", "")],
        [("X-Forwarded-Email", "   ")],
        [("X-Forwarded-Email", "a" * 257)],
        [("X-Forwarded-Email", "ada\x07")],
        [("X-Forwarded-Preferred-Username", "ada")],
        [("X-Forwarded-Email", "mallory@x.example"), ("X-Forwarded-Email", "ada@clinic.example")],
    ],
)
def test_whoever_is_not_named_once_and_plainly_is_nobody(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(UnknownReader):
        ForwardedIdentity().reader(request(*headers))


def test_without_a_proxy_no_header_makes_anybody_somebody_else() -> None:
    claimed = request(("X-Forwarded-Email", "mallory@x.example"))

    assert WorkspaceIdentity(name="ada@clinic.example").reader(claimed) == "ada@clinic.example"
