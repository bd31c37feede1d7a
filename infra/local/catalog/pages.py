"""Pages of the lists of Unity Catalog: `max_results` and `page_token`.

Source: https://docs.databricks.com/api/workspace/catalogs/list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infra.local.refusal import invalid

if TYPE_CHECKING:
    from starlette.requests import Request


def paged(name: str, found: Sequence[dict[str, Any]], request: Request) -> dict[str, Any]:
    """The answer with the part of what was found that was asked for; all of it without a word."""
    first, most = (_number(request, field) for field in ("page_token", "max_results"))
    last = first + most if most else len(found)
    further = {"next_page_token": str(last)} if last < len(found) else {}
    return {name: found[first:last], **further}


def _number(request: Request, field: str) -> int:
    given = request.query_params.get(field) or "0"
    if not given.isdecimal():
        raise invalid(f"{field}: {given!r} is not one of this API's.")
    return int(given)
