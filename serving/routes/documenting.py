"""What the OpenAPI document says of forms and errors, which the routes read and raise themselves."""

from __future__ import annotations

from typing import Any

from serving.schemas import ErrorAnswer

__all__ = ["errors", "form"]

_SAID = {
    401: "No API key, or an unknown one",
    403: "The key's role does not allow it",
    404: "There is no such thing",
    408: "The body came in too slowly",
    409: "It contradicts what is already there, or runs already",
    413: "More bytes than allowed",
    415: "Not a medium that is known here",
    422: "Unreadable, empty, silent, too long, or a bad field",
    429: "Overloaded; Retry-After says when to come back",
    503: "No model is loaded, or a store cannot be reached",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route."""
    return {status: {"model": ErrorAnswer, "description": _SAID[status]} for status in (401, 403, *statuses)}


def form(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """The request body of a route that reads a multipart form."""
    schema = {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
