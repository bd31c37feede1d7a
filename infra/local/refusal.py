"""How the workspace says no: Databricks' error form, `{"error_code": ..., "message": ...}`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request


_log = logging.getLogger(__name__)


class Refusal(Exception):
    """A request that Databricks would refuse; `status` and `error_code` as it would send them."""

    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message

    @property
    def body(self) -> bytes:
        """The JSON that Databricks sends."""
        return orjson.dumps({"error_code": self.error_code, "message": self.message})

    def response(self) -> Response:
        """The answer to the client."""
        return Response(self.body, self.status, media_type="application/json")


def invalid(message: str) -> Refusal:
    """400: a value that breaks a rule."""
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> Refusal:
    """404: nothing has that name or id."""
    return Refusal(404, "RESOURCE_DOES_NOT_EXIST", message)


def not_emulated(what: str) -> Refusal:
    """The honest answer for everything that this workspace does not do."""
    return Refusal(
        501, "NOT_IMPLEMENTED", f"{what} is not emulated by the local workspace (see PARITY.md)."
    )


def unwritten(error: Exception) -> Refusal:
    """500: what a request would change can not be written, as on a full disk."""
    _log.error("What a request changes can not be written: %s", error)
    return Refusal(
        500,
        "INTERNAL_ERROR",
        f"The local workspace can not write its data: {error}. Nothing was changed.",
    )


async def answer_refusal(_request: Request, refusal: Exception) -> Response:
    """Starlette exception handler."""
    if not isinstance(refusal, Refusal):
        raise refusal
    return refusal.response()
