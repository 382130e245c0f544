"""Makes the FastAPI application: routes, error handlers, middleware and lifespan over one assembly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from ecosight import __version__
from ecosight.errors import EcosightError
from serving.assembly import Assembly
from serving.errors import on_ecosight_error, on_http_exception, on_invalid_request
from serving.limits import BodyLimits
from serving.middleware import Access, Observe
from serving.parts import ServingParts
from serving.routes.learning import learning_routes
from serving.routes.predicting import ARM_HEADER, predicting_routes
from serving.routes.rollouts import rollout_routes
from serving.routes.watching import watching_routes
from serving.security import DOCS_FILES, Guard

__all__ = ["create_app"]

_ABOUT = """Classify recordings, tell the truth about the answers, upload labelled recordings, retrain;
let new models in by degrees, and take them back.

Every answer that is no success is `{"success": false, "error": {"code", "message", "hint", "context"}}`.
Where API keys are set, send one as `X-API-Key` or `Authorization: Bearer`."""


def create_app(parts: ServingParts, *, environ: Mapping[str, str] | None = None) -> FastAPI:
    """The application over these parts; its lifespan starts and stops everything that runs beside the requests.

    Args:
        environ: where API keys are read from; None takes the process's environment.
    Raises: ConfigError: bound beyond loopback without API keys, or keys that cannot be used.
    """
    guard = Guard(parts.config, environ)
    assembly = Assembly(parts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(assembly.start)
        try:
            yield
        finally:
            if assembly.traffic is not None:  # before the arms stop: that would count as their fault
                await assembly.traffic.stop()
            await to_thread.run_sync(assembly.stop)

    # Its pages load nothing from elsewhere: /docs also works where there is no network.
    app = FastAPIOffline(
        title="EcoSight",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        redoc_url=None,
        static_url=DOCS_FILES,
    )
    app.state.assembly = assembly
    app.add_exception_handler(EcosightError, on_ecosight_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    routers = [learning_routes(assembly), watching_routes(assembly)]
    routers += [routes(assembly, guard) for routes in (predicting_routes, rollout_routes)]
    for router in routers:
        app.include_router(router)
    paths = frozenset(route.path for router in routers for route in router.routes if isinstance(route, APIRoute))
    # The last one added is the outermost: figures around CORS around the guard around the limits.
    app.add_middleware(BodyLimits, limits=assembly.limits, memory=assembly.memory)
    app.add_middleware(Access, guard=guard)
    if parts.config.security.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=parts.config.security.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["X-API-Key", "Authorization", "Content-Type", ARM_HEADER],
            expose_headers=["Retry-After"],
            allow_credentials=False,  # keys travel in headers, so no page ever needs cookies
        )
    app.add_middleware(Observe, metrics=assembly.metrics, known_paths=paths)
    return app
