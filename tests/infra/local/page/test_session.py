"""Who may see the page: whoever has the link, or the token; nobody else sees any of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.local.page.session import path_with_key
from tests.plugin.workspaces import NO_CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.workspaces import RunningWorkspace

ADDRESSES = ("/", "/page/live", "/page/static/page.js", "/page/dashboards/x", "/page/charts/x.svg")


@pytest.fixture
def stranger(workspace_process: RunningWorkspace) -> Iterator[httpx.Client]:
    """A client without token and cookie."""
    with httpx.Client(base_url=workspace_process.host, verify=NO_CERTIFICATES) as client:
        yield client


@pytest.mark.parametrize("path", [*ADDRESSES, "/?key=", "/?key=wrong", "/?key=%C3%A9"])
def test_without_the_link_one_line_says_how_to_get_in(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(path)

    assert answer.status_code == 401
    assert answer.text.count("\n") == 1
    assert "Open the link that `python -m infra.local` has printed" in answer.text


def test_the_link_that_is_printed_lets_in_and_leaves_the_address_bar(
    workspace_process: RunningWorkspace, stranger: httpx.Client
) -> None:
    printed = re.search(r"page +(\S+)", workspace_process.log.read_text())
    assert printed

    answer = stranger.get(printed[1])

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    [cookie] = answer.headers.get_list("set-cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert workspace_process.token not in cookie
    assert stranger.get("/").status_code == 200


def test_the_cookie_opens_no_api(
    workspace_process: RunningWorkspace, stranger: httpx.Client
) -> None:
    stranger.get(path_with_key(workspace_process.token))

    assert stranger.get("/api/2.0/serving-endpoints").status_code == 401


def test_the_token_opens_the_page_too(workspace_process: RunningWorkspace) -> None:
    answer = workspace_process.client.get("/")

    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_nothing_is_changed_there(workspace_process: RunningWorkspace) -> None:
    assert workspace_process.client.post("/", json={}).status_code == 405


@pytest.mark.parametrize("path", ["/page/", "/page/dashboards/none", "/page/static/../routes.py"])
def test_what_is_not_there_is_said_to_be_missing(
    workspace_process: RunningWorkspace, path: str
) -> None:
    assert workspace_process.client.get(path).status_code == 404
