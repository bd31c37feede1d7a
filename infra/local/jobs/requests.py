"""What requests of the Jobs API have in common: ids that come as text, and pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from infra.local.refusal import invalid

if TYPE_CHECKING:
    from starlette.requests import Request


def id_in(given: Any, field: str) -> int:
    """An id, which some clients send as text. Raises Refusal."""
    if (isinstance(given, int) and not isinstance(given, bool)) or (
        isinstance(given, str) and given.isdecimal()
    ):
        return int(given)
    raise invalid(f"{field}: {given!r} is no id.")


def paged(
    found: Iterable[dict[str, Any]], request: Request, *, usual: int, most: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A page of what was found, and how an answer says that there are more."""
    listed = [*found]
    given = {name: request.query_params.get(name, "") for name in ("limit", "page_token", "offset")}
    for name, value in given.items():
        if value and not value.isdecimal():
            raise invalid(f"{name}: {value!r} is not one of this API's.")
    limit = int(given["limit"] or 0) or usual
    if limit > most:
        raise invalid(f"limit: {limit} is more than {most}.")
    first = int(given["page_token"] or given["offset"] or 0)
    last = first + limit
    further: dict[str, Any] = {"has_more": last < len(listed)}
    if last < len(listed):
        further["next_page_token"] = str(last)
    if first:
        further["prev_page_token"] = str(max(0, first - limit))
    return listed[first:last], further
