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


def test_the_users_id_stands_in_for_an_address() -> None:
    assert ForwardedIdentity().reader(request(("X-Forwarded-User", "17@1"))) == "17@1"


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
