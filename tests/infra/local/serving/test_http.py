"""HTTP as clients of many kinds speak it, and what is bounded of it."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from infra.local.bodies import MAX_DOCUMENT_BYTES
from infra.local.protocol import MAX_HEAD_BYTES
from tests.plugin.workspaces import ENDPOINTS, eventually

if TYPE_CHECKING:
    from tests.plugin.workspaces import Workspace

BODY = json.dumps({"dataframe_records": [{"action": "echo:hello"}]}).encode()
OFFERS = {
    "Java's client": (
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    ),
    "a WebSocket": (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    ),
    "anything": "Upgrade: something/1\r\nConnection: keep-alive, upgrade\r\n",
}


def head(workspace: Workspace, method: str, path: str, size: int, more: str = "") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {workspace.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n{more}\r\n"
    ).encode()


def connected(workspace: Workspace) -> socket.socket:
    address = urlsplit(workspace.host)
    connection = socket.create_connection((address.hostname, address.port or 80), timeout=60)
    connection.settimeout(60)
    return connection


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the body of the next answer."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        size = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        return status, stream.read(size)


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_an_offer_of_another_protocol_is_not_taken_up_and_loses_no_body(
    workspace: Workspace, probe: str, offer: str, pieces: int
) -> None:
    path = f"/serving-endpoints/{probe}/invocations"
    request = head(workspace, "POST", path, len(BODY), offer) + BODY
    with connected(workspace) as connection:
        for _ in range(2):  # the connection goes on as it was
            step = -(-len(request) // pieces)
            for start in range(0, len(request), step):
                connection.sendall(request[start : start + step])
            assert answer(connection) == (200, b'{"predictions": ["hello"]}')


def test_a_websocket_is_no_way_around_the_token(workspace: Workspace) -> None:
    with connected(workspace) as connection:
        offer = OFFERS["a WebSocket"]
        connection.sendall(f"GET /api/2.0/any HTTP/1.1\r\nHost: localhost\r\n{offer}\r\n".encode())
        assert answer(connection)[0] == 401


def test_a_head_without_an_end_is_refused_before_it_is_read(workspace: Workspace) -> None:
    with connected(workspace) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * (2 * MAX_HEAD_BYTES))
        assert answer(connection)[0] == 431


def test_a_whole_head_is_bounded_as_well_and_one_of_usual_size_is_not(workspace: Workspace) -> None:
    for size, status in ((MAX_HEAD_BYTES + 2000, 431), (MAX_HEAD_BYTES // 2, 200)):
        with connected(workspace) as connection:
            lines = f"X: {'x' * 1000}\r\n" * (size // 1000)
            connection.sendall(head(workspace, "GET", "/health", 0, lines))
            assert answer(connection)[0] == status


def test_a_large_body_leaves_its_connection_to_the_next_request(
    workspace: Workspace, probe: str
) -> None:
    path = f"/serving-endpoints/{probe}/invocations"
    body = BODY + b" " * (4 * MAX_HEAD_BYTES)
    with connected(workspace) as connection:
        for _ in range(2):
            connection.sendall(head(workspace, "POST", path, len(body)) + body)
            assert answer(connection)[0] == 200


def test_a_body_of_the_other_apis_is_bounded(workspace: Workspace) -> None:
    content = b'{"name": "' + b"x" * MAX_DOCUMENT_BYTES + b'"}'
    for path in (ENDPOINTS, "/api/2.0/sql/statements", "/api/2.0/secrets/scopes/create"):
        response = workspace.client.post(path, content=content)
        assert (response.status_code, response.json()["error_code"]) == (
            413,
            "REQUEST_SIZE_EXCEEDED",
        )


def test_a_compressed_body_is_answered_and_logged_as_it_was(
    workspace: Workspace, probe: str
) -> None:
    response = workspace.client.post(
        f"/serving-endpoints/{probe}/invocations",
        content=gzip.compress(BODY),
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
    )
    assert response.json() == {"predictions": ["hello"]}
    request_id = response.headers["x-databricks-request-id"]
    statement = (
        f"SELECT request FROM local.gold.probe_payload WHERE databricks_request_id = '{request_id}'"
    )
    assert eventually(lambda: workspace.sql(statement)) == [[BODY.decode()]]


def test_a_compressed_body_of_the_other_apis_is_understood(workspace: Workspace) -> None:
    response = workspace.client.post(
        "/api/2.0/secrets/scopes/create",
        content=gzip.compress(b'{"scope": "compressed"}'),
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
    )
    assert response.status_code == 200, response.text
    scopes = workspace.client.get("/api/2.0/secrets/scopes/list").json()["scopes"]
    assert "compressed" in [scope["name"] for scope in scopes]


@pytest.mark.parametrize(
    ("encoding", "content", "status", "said"),
    [
        ("gzip", BODY, 400, "said to be gzip"),
        ("gzip", gzip.compress(BODY, mtime=0)[:-9], 400, "ends too early"),
        (
            "gzip",
            gzip.compress(b" " * (MAX_DOCUMENT_BYTES + 1), mtime=0),
            413,
            "when it is decompressed",
        ),
        ("br", BODY, 415, "'br' is not understood"),
        ("deflate", zlib.compress(BODY), 415, "'deflate' is not understood"),
    ],
)
def test_a_body_that_can_not_be_read_is_refused_in_words(
    workspace: Workspace, probe: str, encoding: str, content: bytes, status: int, said: str
) -> None:
    for path in (f"/serving-endpoints/{probe}/invocations", ENDPOINTS):
        response = workspace.client.post(
            path, content=content, headers={"Content-Encoding": encoding}
        )
        assert response.status_code == status
        assert said in response.json()["message"]


def test_a_body_in_an_unknown_transfer_encoding_is_not_taken_for_plain(
    workspace: Workspace, probe: str
) -> None:
    path = f"/serving-endpoints/{probe}/invocations"
    request = head(workspace, "POST", path, 0, "Transfer-Encoding: gzip, chunked\r\n")
    request = request.replace(b"Content-Length: 0\r\n", b"")
    with connected(workspace) as connection:
        connection.sendall(request + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))
        status, said = answer(connection)
    assert status == 501
    assert b"'gzip, chunked' is not understood" in said


def test_an_endpoint_that_serves_nothing_is_no_reason_to_try_again(workspace: Workspace) -> None:
    assert workspace.client.post(ENDPOINTS, json={"name": "bare"}).status_code == 200
    response = workspace.invoke("bare", {})
    assert response.status_code == 400
    assert "has no config" in response.json()["message"]
