"""How an error becomes an HTTP answer: one shape for our own, the framework's, and the unexpected ones.

``{"success": false, "error": {"code", "message", "hint", "context"}}``, and the headers that the status asks for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ecosight.errors import EcosightError, InvalidInput, http_status
from ecosight.ids import new_id
from ecosight.logs import get_logger

__all__ = [
    "Fault",
    "error_response",
    "json_response",
    "on_ecosight_error",
    "on_http_exception",
    "on_invalid_request",
    "status_response",
    "unexpected_error",
    "unexpected_response",
]

_CODES = {404: "not_found", 405: "method_not_allowed", 408: "too_slow"}
_HINTS = {404: "GET / lists the routes.", 405: "GET / lists the routes and their methods."}


class Fault(HTTPException):
    """An error raised where FastAPI would turn any class but HTTPException into a 400: while a body is read.

    Attributes:
        answer: the finished answer.
    """

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON with plain ASCII, so that lone surrogates in a client's text cannot break the encoding."""
    try:
        text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):  # a context with a path, a date or a NaN: rare, so only then walked
        text = json.dumps(_plain(content), allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, headers, "application/json")


def error_response(error: EcosightError) -> Response:
    """The answer to one of our own errors."""
    status = http_status(error)
    return json_response({"success": False, "error": error.as_dict()}, status, _headers(status, error.context))


def status_response(status: int, message: str, hint: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a fault of the protocol, which has no class in the tree."""
    code = _CODES.get(status, HTTPStatus(status).name.lower())
    error = {"code": code, "message": message, "hint": hint or _HINTS.get(status, ""), "context": {}}
    return json_response({"success": False, "error": error}, status, {**_headers(status, {}), **(headers or {})})


def unexpected_response(error: BaseException) -> Response:
    """The answer to what should not happen: a 500 with an id and nothing else."""
    return json_response({"success": False, "error": unexpected_error(error)}, 500)


def unexpected_error(error: BaseException) -> dict[str, Any]:
    """Log what should not happen under an id, and what a client is told about it."""
    fault = new_id("fault")
    get_logger("serving").error("unexpected", fault=fault, exc_info=error)
    message = "something went wrong in the server; the request may be fine"
    hint = f"The server's log has the details under {fault}."
    return {"code": "internal", "message": message, "hint": hint, "context": {"fault": fault}}


async def on_ecosight_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EcosightError)
    if http_status(error) >= 500 and type(error).code not in ("unavailable", "no_model"):
        get_logger("serving").error("request_failed", path=request.url.path, exc_info=error)
    return error_response(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Our own faults, and the framework's 404, 405 and unreadable bodies."""
    assert isinstance(error, HTTPException)
    if isinstance(error, Fault):
        return error.answer
    if error.status_code == 400:
        return error_response(InvalidInput("the body cannot be read", hint="Send valid JSON in UTF-8."))
    sentences = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.url.path} does not answer to {request.method}",
    }
    return status_response(
        error.status_code, sentences.get(error.status_code, str(error.detail)), headers=error.headers
    )


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """FastAPI's validation errors as one sentence that names every bad field. The input is not echoed."""
    assert isinstance(error, RequestValidationError)
    faults = [{"field": _field(each["loc"]), "message": each["msg"]} for each in error.errors()]
    sentence = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
    return error_response(
        InvalidInput(f"the request is not valid: {sentence}", hint="/docs shows the fields.", faults=faults)
    )


def _field(location: tuple[Any, ...]) -> str:
    """``('body', 'epochs')`` -> ``epochs``; a fault of the body as a whole is called ``body``."""
    parts = [str(part) for part in location if not isinstance(part, int)]
    return ".".join(parts[1:]) or parts[0] if parts else "request"


def _headers(status: int, context: Mapping[str, Any]) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="ecosight"'}
    if status in (429, 503):
        return {"Retry-After": str(max(1, math.ceil(float(context.get("retry_after_s", 1)))))}
    return {}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool) or value is None else str(value)
