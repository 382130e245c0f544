"""/rollouts, /routing, /rollback and /incidents: what `ecosight rollout` and `ecosight rollback` do, over HTTP.

Every change is made in the name of the API key that asked for it, which is what the audit trail shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Response

from ab_testing.moments import moment_asked_for
from ecosight.errors import NotFound, Unauthenticated
from serving.assembly import Assembly
from serving.errors import json_response
from serving.incident_reports import incident_page, whole_report
from serving.rollout_schemas import (
    DecisionsAnswer,
    IncidentAnswer,
    IncidentsAnswer,
    ResumeRequest,
    RollbackRequest,
    RolloutAnswer,
    RolloutChanged,
    RolloutsAnswer,
    RoutingAnswer,
    StartRequest,
    WishRequest,
)
from serving.routes.documenting import errors
from serving.security import Guard

if TYPE_CHECKING:
    from ab_testing.records import RolloutRecords
    from ab_testing.service import RolloutService
    from ecosight.rollouts import Rollout

__all__ = ["rollout_routes"]

T = TypeVar("T")

NEWEST = "newest"
"""Stands for the id of the rollout that is under way, or of the last one."""
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""An incident page shows what clients sent (keys, labels): it may run nothing and load nothing."""
_Limit = Query(50, ge=1, le=1000)


class _Desk:
    """What the routes share: the service, the records, threads of their own, and who is asking."""

    def __init__(self, assembly: Assembly, guard: Guard) -> None:
        self._parts, self._guard = assembly.parts, guard
        self.clock = assembly.parts.clock
        self.usual_strategy = assembly.parts.config.ab_testing.strategy
        # Threads of their own: a dashboard that waits for a locked database must not keep uploads waiting.
        self._threads = CapacityLimiter(4)

    @property
    def service(self) -> RolloutService:
        return _given(self._parts.rollouts)

    @property
    def records(self) -> RolloutRecords:
        return _given(self._parts.rollout_records)

    async def do(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._threads)

    async def change(self, wish: Callable[[RolloutService], Rollout], *, status: int = 200) -> Response:
        """Carry a wish out, and tell the rollout as it is then."""
        rollout = await self.do(lambda: self.records.shown(wish(self.service)))
        told = {"success": True, "rollout": rollout, "location": f"/rollouts/{rollout['id']}"}
        return json_response(told, status)

    def actor(self, request: Request) -> str:
        caller = self._guard.caller(request.scope["headers"])
        if caller is None:  # the guard let nobody in without one
            raise Unauthenticated("an API key is needed")
        return caller.name


def rollout_routes(assembly: Assembly, guard: Guard) -> APIRouter:
    """The routes over one assembly."""
    router = APIRouter(tags=["roll out"])
    desk = _Desk(assembly, guard)
    _add_reading(router, desk)
    _add_changing(router, desk)
    _add_incidents(router, desk)
    return router


def _add_reading(router: APIRouter, desk: _Desk) -> None:
    @router.get("/rollouts", responses={200: {"model": RolloutsAnswer}, **errors(422, 503)})
    async def rollouts(limit: int = _Limit) -> Response:
        """The rollouts, newest first."""
        return _told(rollouts=await desk.do(lambda: desk.records.rollouts(limit)))

    @router.get("/rollouts/{rollout_id}", responses={200: {"model": RolloutAnswer}, **errors(404, 422, 503)})
    async def rollout(rollout_id: str) -> Response:
        """One rollout on a page: state, weights, evidence, verdict, what cannot be said yet. `newest` is an id too."""
        return _told(**await desk.do(lambda: desk.records.overview(_id(rollout_id))))

    @router.get(
        "/rollouts/{rollout_id}/decisions", responses={200: {"model": DecisionsAnswer}, **errors(404, 422, 503)}
    )
    async def decisions(rollout_id: str, limit: int = _Limit) -> Response:
        """What was decided, by whom, and from which evidence; newest first."""
        return _told(decisions=await desk.do(lambda: desk.records.decisions(_id(rollout_id), limit)))

    @router.get("/routing", responses={200: {"model": RoutingAnswer}, **errors(404, 422, 503)})
    async def routing(
        at: str = Query("now", max_length=60, description="now, 03:12, or ISO 8601; UTC where no zone is given"),
        key: str | None = Query(None, max_length=256, description="A sticky key: which model answered it?"),
    ) -> Response:
        """Who answered which key at a moment."""
        moment = moment_asked_for(at, desk.clock.now())
        return _told(**await desk.do(lambda: desk.service.live_at(moment, key)))


def _add_changing(router: APIRouter, desk: _Desk) -> None:
    answers: dict[int | str, dict[str, Any]] = {200: {"model": RolloutChanged}, **errors(404, 409, 422, 503)}
    accepted: dict[int | str, dict[str, Any]] = {202: {"model": RolloutChanged}, **errors(404, 409, 422, 503)}

    @router.post("/rollouts", status_code=202, responses=accepted)
    async def start(request: Request, wanted: StartRequest) -> Response:
        """Begin a rollout. Only one runs at a time."""
        actor, strategy = desk.actor(request), wanted.strategy or desk.usual_strategy
        return await desk.change(
            lambda service: service.start(
                candidate=wanted.candidate,
                strategy=strategy,
                policy=wanted.policy,
                actor=actor,
                automatic=wanted.automatic,
            ),
            status=202,
        )

    @router.post("/rollouts/{rollout_id}/pause", responses=answers)
    async def pause(request: Request, rollout_id: str, wish: WishRequest | None = None) -> Response:
        """Keep the weights as they are; a bad candidate is still taken back."""
        actor, why = desk.actor(request), _why(wish)
        return await desk.change(lambda service: service.pause(_id(rollout_id), actor=actor, why=why))

    @router.post("/rollouts/{rollout_id}/resume", responses=answers)
    async def resume(request: Request, rollout_id: str, wish: ResumeRequest | None = None) -> Response:
        """Go on after a pause; where the blast radius is spent, with a new limit."""
        actor, why, policy = desk.actor(request), _why(wish), wish.policy if wish is not None else {}
        return await desk.change(lambda service: service.resume(_id(rollout_id), actor=actor, why=why, policy=policy))

    @router.post("/rollouts/{rollout_id}/promote", responses=answers)
    async def promote(request: Request, rollout_id: str, wish: WishRequest | None = None) -> Response:
        """Let the candidate in now, whatever the evidence says."""
        actor, why = desk.actor(request), _why(wish)
        return await desk.change(lambda service: service.promote(_id(rollout_id), actor=actor, why=why))

    @router.post("/rollouts/{rollout_id}/abort", responses=answers)
    async def abort(request: Request, rollout_id: str, wish: WishRequest | None = None) -> Response:
        """End it without a verdict: the champion answers everything at once."""
        actor, why = desk.actor(request), _why(wish)
        return await desk.change(lambda service: service.abort(_id(rollout_id), actor=actor, why=why))

    @router.post("/rollback", status_code=202, responses=accepted)
    async def rollback(request: Request, wish: RollbackRequest | None = None) -> Response:
        """Take the candidate back now; with no rollout under way, the champion itself, for the one before it."""
        actor, why, gradual = desk.actor(request), _why(wish), wish is not None and wish.gradual
        return await desk.change(
            lambda service: service.roll_back(actor=actor, why=why, by_degrees=gradual), status=202
        )


def _add_incidents(router: APIRouter, desk: _Desk) -> None:
    @router.get("/incidents", responses={200: {"model": IncidentsAnswer}, **errors(422, 503)})
    async def incidents(limit: int = _Limit) -> Response:
        """Models that were taken back, newest first."""
        return _told(incidents=await desk.do(lambda: desk.records.incidents(limit)))

    @router.get(
        "/incidents/{incident_id}.html", responses={200: {"content": {"text/html": {}}}, **errors(404, 422, 503)}
    )
    async def page(incident_id: str) -> Response:
        """The incident's report as one page that loads nothing."""
        text = await desk.do(lambda: incident_page(desk.records.incident(incident_id)))
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": _PAGE_POLICY})

    @router.get("/incidents/{incident_id}", responses={200: {"model": IncidentAnswer}, **errors(404, 422, 503)})
    async def incident(incident_id: str) -> Response:
        """One incident: trigger, steps, and the report."""
        return _told(incident=await desk.do(lambda: _whole(desk.records.incident(incident_id))))

    @router.post(
        "/incidents/{incident_id}/unlatch", responses={200: {"model": IncidentAnswer}, **errors(404, 409, 422, 503)}
    )
    async def unlatch(request: Request, incident_id: str) -> Response:
        """Allow that the model which was taken back is tried again."""
        actor = desk.actor(request)
        return _told(incident=await desk.do(lambda: desk.records.unlatch(incident_id, actor=actor)))


def _whole(incident: dict[str, Any]) -> dict[str, Any]:
    return incident | {"report": whole_report(incident["report"])}


def _id(given: str) -> str | None:
    return None if given == NEWEST else given


def _why(wish: WishRequest | None) -> str:
    return wish.why if wish is not None else ""


def _given(part: T | None) -> T:
    if part is None:
        raise NotFound("this server was put together without rollouts", hint="`ecosight serve` has them.")
    return part


def _told(**content: Any) -> Response:
    return json_response({"success": True, **content})
