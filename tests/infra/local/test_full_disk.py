"""A disk that is full leaves what was there, and no half of what was to come."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

SCHEMAS = "/api/2.1/unity-catalog/schemas"
FILE = "/api/2.0/fs/files/Volumes/base/s/films/a.png"


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_change_that_can_not_be_kept_has_not_happened(
    new_workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_workspace.client
    body = {"name": "new", "catalog_name": "base"}
    with monkeypatch.context() as disk:
        disk.setattr("infra.local.emulator.os.fsync", full)
        assert client.post(SCHEMAS, json=body).status_code == 500
        deleted = client.delete(f"{SCHEMAS}/base.s")
        assert deleted.status_code == 500
    assert client.get(f"{SCHEMAS}/base.new").status_code == 404
    assert client.get(f"{SCHEMAS}/base.s").status_code == 200
    assert client.post(SCHEMAS, json=body).status_code == 200


def test_half_a_file_is_none(new_workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = new_workspace.client
    assert client.put(FILE, content=b"before").status_code == 204

    async def half(_: object, write: Any) -> None:
        write(b"ha")
        full()

    with monkeypatch.context() as disk:
        disk.setattr("infra.local.objects.files._receive", half)
        assert client.put(FILE, content=b"half").status_code == 500
        assert client.put(FILE.replace("a.png", "b.png"), content=b"half").status_code == 500
    assert client.get(FILE).content == b"before"
    assert client.get(FILE.replace("a.png", "b.png")).status_code == 404
    assert list((new_workspace.folder / "uploads").glob("*")) == []


def test_a_file_is_written_as_it_comes(new_workspace: Any) -> None:
    parts = [bytes([number]) * 1_000_000 for number in range(40)]
    assert new_workspace.client.put(FILE, content=iter(parts)).status_code == 204
    assert new_workspace.client.get(FILE).content == b"".join(parts)
    again = new_workspace.client.put(f"{FILE}?overwrite=false", content=b"x")
    assert again.status_code == 400
