"""The incident report as one JSON object: everything that is known about a rollback, made from records only.

A pure function of what it is given; the page is drawn from the object alone, so it can be drawn again years later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ab_testing.evidence import CandidateEvidence, Evidence
from ecosight.clock import iso
from ecosight.rollouts import BUCKETS, Decision, Exposure, Incident, Rollout, Routing
from ecosight.values import ModelRef
from rollback.alerts import spoken_trigger
from rollback.report_evidence import Look, latency_shown, looks_shown, stages_shown
from rollback.worst_slices import worst_slices

__all__ = ["Look", "Material", "build_report"]

MOST_FAILED = 50
MOST_REVIEWED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a report is made from.

    Attributes:
        routings, decisions, looks: of the rollout, oldest first.
        evidence: the last there is.
        exposed_keys, exposed_requests: that the model was meant to answer; None: not counted.
        failed_keys, wrong_keys: of these; None: as far as they were compared when the last evidence was recorded.
        last_answer_at: when a client last got an answer from it.
        failed: requests that it failed, newest first.
        review: samples that a person should look at, worst first: ``sample_id``, ``prediction_id``, ``why``, ….
        dataset_diff: between the training data of the restored model and of this one; None: not known.
        config_hash: of the configuration in force.
    """

    incident: Incident
    rollout: Rollout
    routings: Sequence[Routing] = ()
    decisions: Sequence[Decision] = ()
    looks: Sequence[Look] = ()
    evidence: Evidence | None = None
    exposed_keys: int | None = None
    exposed_requests: int | None = None
    failed_keys: int | None = None
    wrong_keys: int | None = None
    last_answer_at: datetime | None = None
    failed: Sequence[Exposure] = ()
    review: Sequence[Mapping[str, Any]] = ()
    dataset_diff: Mapping[str, Any] | None = None
    config_hash: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)


def build_report(material: Material, *, made_at: datetime) -> dict[str, Any]:
    """The report. A pure function."""
    incident, rollout = material.incident, material.rollout
    arm = _arm(incident, rollout)
    candidate = _candidate(material.evidence, arm)
    verify = _last_step(incident, "verify")
    return {
        "format": 1,
        "id": incident.id,
        "made_at": iso(made_at),
        "title": f"{incident.model} was taken back",
        "headline": spoken_trigger(incident),
        "verified": bool(verify and verify["status"] == "done"),
        "probes": dict(verify["details"]) if verify else None,
        "trigger": dict(incident.trigger),
        "arm": arm,
        "models": {"taken_back": _model(incident.model), "restored": _model(incident.restored)},
        "rollout": {
            "id": rollout.id,
            "strategy": rollout.strategy,
            "started_at": iso(rollout.started_at),
            "started_by": rollout.actor,
            "stage": rollout.stage,
            "threshold_ms": rollout.threshold_ms,
            "policy": dict(rollout.policy),
        },
        "speed": _speed(material, arm),
        "exposure": _exposure(material, candidate),
        "timeline": _timeline(material, arm),
        "weights": _weights(material),
        "looks": looks_shown(material.looks, arm),
        "stages": stages_shown(candidate),
        "latency": latency_shown(candidate, rollout.threshold_ms),
        "failed": [_failed(each) for each in material.failed[:MOST_FAILED]],
        "slices": worst_slices(material.evidence.slices) if material.evidence else [],
        "dataset_diff": dict(material.dataset_diff) if material.dataset_diff is not None else None,
        "review": [dict(each) for each in material.review[:MOST_REVIEWED]],
        "config_hash": material.config_hash,
        "replay": _replay(material),
        "notes": dict(material.notes),
    }


def _speed(material: Material, arm: str) -> dict[str, Any]:
    """How long it took, from the first trace of harm to the last answer of the model."""
    incident = material.incident
    out = next((r for r in material.routings if r.made_at >= _began(material) and _is_out(r, arm)), None)
    detected = incident.opened_at
    decided = [each.at for each in material.decisions if each.action == "roll_back"]
    if decided:
        detected = min(detected, decided[0])
    last = material.last_answer_at
    return {
        "detected_at": iso(detected),
        "traffic_gone_at": iso(out.made_at) if out else None,
        "last_answer_at": iso(last) if last else None,
        "detection_to_last_answer_s": _seconds(detected, last),
        "closed_s": _seconds(detected, incident.closed_at),
        "exposed_s": _seconds(_began(material), last),
    }


def _exposure(material: Material, candidate: CandidateEvidence | None) -> dict[str, Any]:
    keys, requests = material.exposed_keys, material.exposed_requests
    failed, wrong = material.failed_keys, material.wrong_keys
    if candidate is not None:
        keys = candidate.errors.candidate_units if keys is None else keys
        requests = candidate.requests if requests is None else requests
        failed = candidate.errors.candidate_bad if failed is None else failed
        wrong = candidate.wrong.candidate_bad if wrong is None else wrong
    return {"keys": keys, "requests": requests, "failed_keys": failed, "wrong_keys": wrong}


def _timeline(material: Material, arm: str) -> list[dict[str, Any]]:
    """What happened, in order; ``kind`` says whose doing it was."""
    rollout, incident = material.rollout, material.incident
    told = [_event(rollout.started_at, "rollout", f"{rollout.strategy} of {incident.model} begins", rollout.actor)]
    before = None
    for routing in material.routings:
        weight = routing.arm(arm)
        share = weight.weight / BUCKETS if weight else 0.0
        if share != before:
            what = f"{arm} answers {share * 100:.4g}% of the clients"
            told.append(_event(routing.made_at, "weight", what, routing.actor, epoch=routing.epoch))
        before = share
    for decision in material.decisions:
        if decision.action != "hold":
            reason = str(decision.verdict.get("reason", ""))
            what = decision.action.replace("_", " ") + (f": {reason}" if reason else "")
            told.append(_event(decision.at, "decision", what, decision.actor, id=decision.id))
    if material.last_answer_at is not None:
        told.append(_event(material.last_answer_at, "answer", f"last answer of {arm} to a client", ""))
    for step in incident.steps:
        details = step["details"]
        text = step["step"] if step["status"] == "done" else f"{step['step']} {step['status'].replace('_', ' ')}"
        if step["status"] != "done":
            text += f": {details.get('error', '')} ({details.get('tries', 1)} tries)"
        elif step["step"] == "restore" and details.get("percent"):
            text += f" to {details['percent']:g}%"
        told.append({"at": step["at"], "kind": "step", "what": text, "who": details.get("by", "")})
    return sorted(told, key=lambda each: str(each["at"]))


def _weights(material: Material) -> list[dict[str, Any]]:
    return [
        {
            "at": iso(routing.made_at),
            "epoch": routing.epoch,
            "percent": {arm.name: arm.weight * 100 / BUCKETS for arm in routing.arms if not arm.shadow},
        }
        for routing in material.routings
    ]


def _failed(exposure: Exposure) -> dict[str, Any]:
    return {
        "prediction_id": exposure.prediction_id,
        "at": iso(exposure.at),
        "fault": exposure.fault,
        "key": exposure.key,
        "latency_ms": exposure.latency_ms,
        "answered_by": exposure.answered,
    }


def _replay(material: Material) -> str:
    decided = [each for each in material.decisions if each.action == "roll_back"]
    return f"ecosight rollout replay {decided[0].id if decided else material.rollout.id}"


def _arm(incident: Incident, rollout: Rollout) -> str:
    told = incident.trigger.get("arm")
    own = next((name for name, model in rollout.candidates.items() if model == incident.model), "candidate")
    return str(told or own)


def _candidate(evidence: Evidence | None, arm: str) -> CandidateEvidence | None:
    return next((each for each in evidence.candidates if each.arm == arm), None) if evidence else None


def _is_out(routing: Routing, arm: str) -> bool:
    found = routing.arm(arm)
    return found is None or found.weight == 0


def _began(material: Material) -> datetime:
    """When the model first got clients."""
    arm = _arm(material.incident, material.rollout)
    return next((r.made_at for r in material.routings if not _is_out(r, arm)), material.rollout.started_at)


def _last_step(incident: Incident, name: str) -> Mapping[str, Any] | None:
    return next((each for each in reversed(incident.steps) if each["step"] == name), None)


def _model(ref: ModelRef) -> dict[str, str]:
    return {"name": ref.name, "version": ref.version, "digest": ref.digest}


def _event(at: datetime, kind: str, what: str, who: str, **more: Any) -> dict[str, Any]:
    return {"at": iso(at), "kind": kind, "what": what, "who": who, **more}


def _seconds(since: datetime, until: datetime | None) -> float | None:
    return None if until is None else round((until - since).total_seconds(), 3)
