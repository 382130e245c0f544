"""GET /status, /metrics, /health* and the front page: what is going on."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from serving.assembly import Assembly
from serving.errors import json_response
from serving.metrics import preferred_type
from serving.routes.documenting import errors
from serving.schemas import HealthAnswer, StatusAnswer

__all__ = ["watching_routes"]

T = TypeVar("T")


def watching_routes(assembly: Assembly) -> APIRouter:
    router = APIRouter(tags=["watch"])
    # Threads of their own: a database that hangs must not keep anybody from being told so.
    health_threads, figure_threads = CapacityLimiter(4), CapacityLimiter(2)

    async def off_loop(work: Callable[[], T], threads: CapacityLimiter) -> T:
        return await to_thread.run_sync(work, limiter=threads)

    @router.get("/status", responses={200: {"model": StatusAnswer}, **errors()})
    async def status() -> Response:
        """What runs here: model, classes, accuracy, counts, retraining."""
        return json_response(await off_loop(assembly.figures.status, figure_threads))

    @router.get(
        "/metrics",
        responses={200: {"content": {"application/json": {}, "text/plain": {}, "application/openmetrics-text": {}}}},
    )
    async def metrics(request: Request) -> Response:
        """Figures as JSON, or as Prometheus text for a scraper (Accept: text/plain or openmetrics)."""
        wanted = preferred_type(request.headers.get("accept", ""))
        if wanted == "application/json":
            return json_response(await off_loop(assembly.figures.metrics, figure_threads))
        text, content_type = assembly.metrics.as_text(wanted)
        return Response(text, media_type=content_type)

    @router.get("/health/live", responses={200: {"model": HealthAnswer}})
    async def live() -> Response:
        """The process answers."""
        return json_response({"status": "alive", "reasons": {}})

    @router.get("/health/ready", responses={200: {"model": HealthAnswer}, 503: {"model": HealthAnswer}})
    @router.get("/health", responses={200: {"model": HealthAnswer}, 503: {"model": HealthAnswer}})
    async def ready() -> Response:
        """A model is loaded and warm, and the stores can be reached; otherwise 503 and the reasons."""
        reasons = await off_loop(assembly.readiness.reasons, health_threads)
        status, headers = ("not ready", {"Retry-After": "1"}) if reasons else ("ready", {})
        return json_response({"status": status, "reasons": reasons}, 503 if reasons else 200, headers)

    @router.get("/", include_in_schema=False)
    async def front_page(request: Request) -> Response:
        """The routes, as a page that needs nothing from elsewhere, or as JSON."""
        routes = [
            {"method": method.upper(), "path": path, "does": operation.get("description", "").split("\n")[0]}
            for path, operations in request.app.openapi()["paths"].items()
            for method, operation in operations.items()
        ]
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_page(routes))
        return json_response({"service": "ecosight", "docs": "/docs", "openapi": "/openapi.json", "routes": routes})

    return router


def _page(routes: list[dict[str, str]]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(each['method'])} {html.escape(each['path'])}</code><td>{html.escape(each['does'])}"
        for each in routes
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>EcoSight</title>"
        "<body style='font-family:sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem'><h1>EcoSight</h1>"
        "<p>Try it: <code>curl -F file=@recording.wav http://HOST:PORT/predict</code>. "
        "<a href=/docs>Interactive documentation</a> (loads its scripts from a CDN), "
        "<a href=/openapi.json>OpenAPI</a>.<table cellpadding=6>" + rows + "</table>"
    )
