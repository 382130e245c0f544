"""What is known of rollouts, as JSON objects for people and pages: nothing here changes anything but a latch.

The command and the HTTP routes show the same objects, so that what is read at night in a terminal is what the
dashboard shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ab_testing.plan import planned
from ab_testing.service import RolloutService
from ab_testing.strategies import load_strategy
from ecosight.clock import iso
from ecosight.errors import EcosightError, NotFound
from ecosight.ports import Clock
from ecosight.rollouts import BUCKETS, Decision, Incident, Rollout
from ecosight.state.documents import plain, rollout_from
from ecosight.state.incidents import Incidents
from ecosight.state.rollouts import RolloutStore
from ecosight.state.servers import Servers
from ecosight.text import one_line

__all__ = ["RolloutRecords"]

_LOOK_BACK = 50
"""Decisions of people carry no evidence; so many are looked through for one that does."""


class RolloutRecords:
    """Reads the rows of rollouts and incidents. Thread-safe; owns nothing."""

    def __init__(
        self, *, service: RolloutService, rollouts: RolloutStore, incidents: Incidents, servers: Servers, clock: Clock
    ) -> None:
        self._service, self._rollouts, self._incidents = service, rollouts, incidents
        self._servers, self._clock = servers, clock

    def overview(self, rollout_id: str | None = None) -> dict[str, Any]:
        """Everything about one rollout on one page; the newest where no id is given.

        Returns: ``rollout``; ``arms`` with their share of the traffic now (none of a rollout that is over); ``epoch``;
            ``evidence`` and ``verdict`` of the newest decision that was made from evidence, ``decided_at`` and
            ``decided_by``; ``cannot_say_yet``: what is missing, and when, as long as it goes on; ``servers`` that
            answer now, with what they hold; ``incident``: its id, where there is one; ``stands_still``: why no server
            can go on with it, else empty.
        Raises: NotFound: there is no such rollout.
        """
        told = self._service.status(rollout_id)
        rollout, routing = told["rollout"], told["routing"]
        own = routing if routing is not None and routing["rollout_id"] == rollout["id"] else None
        decided = self._newest_with_evidence(rollout["id"])
        verdict = dict(decided.verdict) if decided is not None else None
        return {
            "rollout": rollout,
            "epoch": routing["epoch"] if routing is not None else None,
            "arms": [_arm(each) for each in own["arms"]] if own is not None else [],
            "evidence": dict(decided.evidence) if decided is not None else None,
            "verdict": verdict,
            "cannot_say_yet": [] if rollout["finished_at"] else _missing(verdict or {}, shadowed=_is_shadowed(own)),
            "decided_at": iso(decided.at) if decided is not None else None,
            "decided_by": decided.actor if decided is not None else None,
            "servers": self.servers(),
            "incident": self._incident_of(rollout["id"]),
            "stands_still": _stands_still(rollout_from(rollout)),
        }

    def rollouts(self, limit: int = 20) -> list[dict[str, Any]]:
        """Newest first."""
        return [plain(each) for each in self._service.list(limit)]

    def decisions(self, rollout_id: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Newest first, each with what it was made from. Raises: NotFound: there is no such rollout."""
        return [plain(each) for each in self._decisions(rollout_id, limit)]

    def to_replay(self, identity: str | None, limit: int = 10_000) -> list[Decision]:
        """One decision, or all of a rollout (None: of the newest), oldest first. Raises: NotFound."""
        one = self._rollouts.decision(identity) if identity is not None else None
        return [one] if one is not None else list(self._decisions(identity, limit))[::-1]

    def servers(self) -> list[dict[str, Any]]:
        """The servers that answer now, and which models they hold."""
        return [plain(each) for each in self._servers.live(self._clock.now())]

    def incidents(self, limit: int = 20) -> list[dict[str, Any]]:
        """Newest first, without their reports; ``latched``: a person still has to let the model in again."""
        return [_incident(replace(each, report={})) for each in self._incidents.list(limit)]

    def incident(self, incident_id: str) -> dict[str, Any]:
        """One, with its report. Raises: NotFound."""
        found = self._incidents.get(incident_id)
        if found is None:
            raise NotFound(f"there is no incident {incident_id!r}", hint="`ecosight rollback incidents` lists them.")
        return _incident(found)

    def unlatch(self, incident_id: str, *, actor: str) -> dict[str, Any]:
        """Let the model that was taken back be tried again. Doing so twice keeps the first name. Raises: NotFound."""
        return _incident(self._incidents.unlatch(incident_id, one_line(actor)))

    def shown(self, rollout: Rollout) -> dict[str, Any]:
        """A rollout as a JSON object."""
        told: dict[str, Any] = plain(rollout)
        return told

    def _decisions(self, rollout_id: str | None, limit: int) -> Sequence[Decision]:
        rollout = self._service.status(rollout_id)["rollout"]  # raises where there is none
        return self._rollouts.decisions(rollout["id"], limit)

    def _newest_with_evidence(self, rollout_id: str) -> Decision | None:
        return next((each for each in self._rollouts.decisions(rollout_id, _LOOK_BACK) if each.evidence), None)

    def _incident_of(self, rollout_id: str) -> str | None:
        return next((each.id for each in self._incidents.list(_LOOK_BACK) if each.rollout_id == rollout_id), None)


def _stands_still(rollout: Rollout) -> str:
    """A row may ask for what this version does not know: a rule, a strategy that is not installed any more."""
    try:
        if not rollout.finished:
            planned(rollout, load_strategy(rollout.strategy))
    except EcosightError as error:
        return error.message
    return ""


def _incident(incident: Incident) -> dict[str, Any]:
    return {**plain(incident), "latched": not incident.unlatched_by}


def _is_shadowed(routing: Mapping[str, Any] | None) -> bool:
    return routing is not None and any(arm["shadow"] for arm in routing["arms"])


def _missing(verdict: Mapping[str, Any], *, shadowed: bool) -> list[str]:
    """What the strategy waits for, then what each trigger would need to say more.

    Args:
        shadowed: the candidates have no clients, so what triggers that compare clients wait for never comes.
    """
    checks = () if shadowed else (verdict.get("health") or {}).get("checks", ())
    said = [f"{check['name'].replace('_', ' ')}: {check['missing']}" for check in checks if check["missing"]]
    return list(dict.fromkeys([*verdict.get("missing", ()), *said]))


def _arm(arm: Mapping[str, Any]) -> dict[str, Any]:
    return {**arm, "percent": arm["weight"] * 100 / BUCKETS}
