"""The JSON bodies of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from infra.local.refusal import Refusal, invalid

if TYPE_CHECKING:
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
