"""The JSON bodies of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from infra.local.refusal import Refusal, invalid, not_emulated

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object."""
    content = await request.body()
    if not content:
        return {}
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "MALFORMED_REQUEST", f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise Refusal(400, "MALFORMED_REQUEST", "The body must be a JSON object.")
    return body


def text(body: dict[str, Any], field: str) -> str:
    """A required, non-empty text field."""
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise invalid(f"{field}: a non-empty string is required, got {value!r}.")
    return value


def texts(body: dict[str, Any], field: str) -> list[str] | None:
    """A list of texts, or none."""
    value = body.get(field)
    if value is not None and not (
        isinstance(value, list) and all(isinstance(it, str) for it in value)
    ):
        raise invalid(f"{field}: a list of strings is required.")
    return value


def only(body: dict[str, Any], fields: Collection[str], what: str) -> None:
    """Refuse a field that would be passed over, for its sender takes a 200 for done."""
    for name, value in body.items():
        if name not in fields and value not in (None, False, "", [], {}):
            raise not_emulated(f"{name} of {what}")
