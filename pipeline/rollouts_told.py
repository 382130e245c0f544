"""Rollouts and incidents in words: the lines that a person reads at night. Pure functions of JSON objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ab_testing.plan import WITHHELD_STAGE

__all__ = [
    "incident_lines",
    "live_lines",
    "no_server_lines",
    "overview_lines",
    "plan_lines",
    "replay_lines",
    "rollout_line",
    "short_time",
    "table",
]

Told = Mapping[str, Any]


def short_time(text: str | None) -> str:
    """``2026-05-01 03:12:07`` in UTC."""
    return "-" if text is None else f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def rollout_line(rollout: Told) -> str:
    """One rollout in one line."""
    candidates = ", ".join(_model(model) for model in rollout["candidates"].values())
    return (
        f"{rollout['id']}  {rollout['state'].replace('_', ' ')}, stage {rollout['stage']}: "
        f"{rollout['strategy']} of {candidates} against {_model(rollout['champion'])}"
    )


def no_server_lines(servers: int | Sequence[Any]) -> list[str]:
    """A warning where nobody is there to act on a wish."""
    count = servers if isinstance(servers, int) else len(servers)
    return [] if count else ["no server is running: nothing happens until `ecosight serve` does"]


def overview_lines(overview: Told) -> list[str]:
    """The page of `rollout status`: what it is, who answers, what was decided and from what, what is missing."""
    rollout = overview["rollout"]
    lines = [
        rollout_line(rollout),
        f"  started {short_time(rollout['started_at'])} UTC by {rollout['actor']}; "
        f"this stage since {short_time(rollout['stage_since'])}",
    ]
    if rollout["outcome"]:
        lines.append(f"  outcome: {rollout['outcome']}")
    if overview["stands_still"]:
        end = "ecosight rollback" if rollout["state"] == "promoting" else "ecosight rollout abort"
        lines += [f"  no server can go on with it: {overview['stands_still']}", f"  to end it: {end}"]
    lines += _standing_lines(rollout)
    if overview["incident"]:
        lines.append(f"  incident: ecosight rollback show {overview['incident']}")
    if overview["arms"]:
        lines += ["", f"who answers (epoch {overview['epoch']})", *table(_arm_rows(overview))]
    lines += _verdict_lines(overview)
    lines += _evidence_lines(overview["evidence"])
    lines += ["", *_server_lines(overview["servers"], rollout)]
    return lines


def _standing_lines(rollout: Told) -> list[str]:
    """What a state means for clients, where the state alone does not say it."""
    if rollout["state"] == "paused" and rollout.get("paused_for") == "budget":
        return [
            "  clients get the champion only: the candidates wait for a person",
            "  to allow more: ecosight rollout resume --policy max_exposed_keys=N (or max_bad_answers=N)",
        ]
    if rollout["state"] == "paused" and rollout.get("paused_for") == "agreement":
        return ["  to agree: ecosight rollout resume"]
    way_back = rollout.get("way_back") or {}
    if rollout["state"] == "rolling_back" and way_back:
        steps = ", ".join(f"{percent:g}%" for percent in way_back["percents"])
        return [f"  it goes back by degrees: {steps}, {way_back['step_s']:g} s apart; at once: ecosight rollback"]
    return []


def plan_lines(plan: Told) -> list[str]:
    """What a start would do."""
    named = ", ".join(plan["candidates"].values())
    lines = [f"would start a {plan['strategy']} rollout of {named} against {plan['champion']}"]
    arms = list(dict.fromkeys(name for stage in plan["stages"] for name in stage))
    rows = [("stage", *arms)]
    for number, stage in enumerate(plan["stages"]):
        rows.append((str(number), *(f"{stage[name]:g}%" if name in stage else "-" for name in arms)))
    return [*lines, *table(rows), *no_server_lines(plan["servers"])]


def live_lines(told: Told) -> list[str]:
    """Who answered at a moment."""
    routing = told["routing"]
    what = f"rollout {routing['rollout_id']}, {_stage(routing['stage'])}" if routing["rollout_id"] else "no rollout"
    lines = [
        f"at {short_time(told['at'])} UTC: epoch {routing['epoch']}, {what}",
        f"  in force since {short_time(routing['made_at'])}, by {routing['actor']}: {routing['why']}",
    ]
    rows = [("arm", "share", "model", "digest")]
    for arm in routing["arms"]:
        share = "copies" if arm["shadow"] else f"{arm['weight'] / 100:g}%"
        rows.append((arm["name"], share, _model(arm["model"]), arm["model"]["digest"][:12]))
    lines += table(rows)
    if "key" in told:
        lines.append(f"key {told['key']!r} belonged to {told['arm']}: {_model(told['model'])}")
    return lines


def replay_lines(told: Told) -> list[str]:
    """Which decisions come out as they were recorded."""
    lines = []
    for row in told["decisions"]:
        recorded, replayed = row["recorded"], row["replayed"]
        sign = "same   " if row["same"] else "DIFFERS"
        lines.append(f"{sign} {short_time(row['at'])} {recorded['action']}: {recorded['reason']}")
        if not row["same"]:
            lines.append(f"        now it comes out as {replayed['action']}: {replayed['reason']}")
    differing = sum(not row["same"] for row in told["decisions"])
    lines.append(f"made again: {len(told['decisions'])}; differ: {differing}; decided by people: {told['by_people']}")
    return lines


def incident_lines(incident: Told) -> list[str]:
    """One incident: what tripped, what was done, whether the model is latched."""
    trigger = incident["trigger"]
    lines = [
        f"{incident['id']}  {_model(incident['model'])} was taken back, {_model(incident['restored'])} restored",
        f"  trigger: {trigger.get('name', '?')} ({trigger.get('kind', '?')}): {trigger.get('rule', '')}",
        f"  observed: {_words(trigger.get('observed', ''))}",
        f"  opened {short_time(incident['opened_at'])} UTC, "
        + (f"closed {short_time(incident['closed_at'])}" if incident["closed_at"] else "still under way"),
    ]
    for step in incident["steps"]:
        lines.append(f"    {short_time(step['at'])}  {step['step']:<8} {step['status']:<8} {_words(step['details'])}")
    speed = incident["report"].get("speed", {}) if incident["report"] else {}
    if speed.get("detection_to_last_answer_s") is not None:
        lines.append(f"  from detection to its last answer: {speed['detection_to_last_answer_s']:g} s")
    lines += _data_lines(incident["report"].get("dataset_diff") or {})
    if incident["report"]:
        lines.append(f"  report: ecosight rollback show {incident['id']} --html FILE")
    if incident["latched"]:
        lines.append(f"  latched; after a look at the report: ecosight rollback unlatch {incident['id']}")
    else:
        lines.append(f"  unlatched by {incident['unlatched_by']}")
    return lines


def _data_lines(diff: Told) -> list[str]:
    if not diff:
        return []
    counts = ", ".join(f"{diff[name]:,} {name}" for name in ("added", "removed", "relabelled") if name in diff)
    more = counts or f"they cannot be compared: {diff.get('unknown', 'not known')}"
    return [f"  training data: {diff.get('before', '?')} before, {diff.get('after', '?')} after; {more}"]


def _stage(stage: int) -> str:
    if stage < WITHHELD_STAGE:
        return f"stage {stage}"
    return f"stage {stage - WITHHELD_STAGE}, no clients for the candidates"


def _arm_rows(overview: Told) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("arm", "share", "model", "state on the servers")]
    for arm in overview["arms"]:
        share = "copies" if arm["shadow"] else f"{arm['percent']:g}%"
        rows.append((arm["name"], share, _model(arm["model"]), _states(overview["servers"], arm)))
    return rows


def _states(servers: Iterable[Told], arm: Told) -> str:
    counts: dict[str, int] = {}
    for server in servers:
        figures = server["arms"].get(arm["name"], {})
        state = figures.get("state") or server["loaded"].get(arm["model"]["digest"], "not loaded")
        counts[state] = counts.get(state, 0) + 1
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no server"


def _verdict_lines(overview: Told) -> list[str]:
    verdict = overview["verdict"]
    if verdict is None:
        return ["", "nothing was decided yet"]
    decided = f"decided {short_time(overview['decided_at'])} by {overview['decided_by']}"
    lines = ["", f"verdict: {verdict['action'].replace('_', ' ')} ({decided})", f"  {verdict['reason']}"]
    health = verdict.get("health") or {}
    lines += [f"  {trip['kind']} trip, {trip['name']}: {trip['observed']}" for trip in health.get("trips", ())]
    waits = list(verdict.get("missing", ()))
    more = [each for each in overview["cannot_say_yet"] if each not in waits]
    for title, missing in (("cannot say yet: the next step needs", waits), ("the triggers would say more with", more)):
        lines += ["", title, *(f"  {each}" for each in missing)] if missing else []
    if health.get("checks"):
        lines += ["", "triggers", *table([("check", "state", "E-value", "effect"), *map(_check, health["checks"])])]
    return lines


def _check(check: Told) -> tuple[str, ...]:
    figures = check["figures"]
    log_e, alpha, effect = (figures.get(name) for name in ("log_e", "alpha", "effect"))
    strength = "-" if log_e is None or not alpha else f"{math.exp(min(log_e, 700)):.3g} of {1 / alpha:.0f}"
    named = str(figures.get("effect_name", "effect")).replace("_", " ")
    return check["name"], check["state"].replace("_", " "), strength, "-" if effect is None else f"{named} {effect:.3g}"


def _evidence_lines(evidence: Told | None) -> list[str]:
    if not evidence:
        return []
    rows: list[tuple[str, ...]] = []
    copies: list[str] = []
    for candidate in evidence.get("candidates", ()):
        if any((candidate.get("pairs") or {}).values()):
            copies.append(_copies_line(candidate))
            continue
        for metric in ("errors", "slow", "wrong"):
            counts = (candidate.get("judged") if metric == "wrong" else None) or candidate.get(metric) or {}
            rows.append((f"{candidate['arm']} {metric}", *_rates(counts)))
    if rows:
        rows.insert(0, ("against the control", "candidate bad / keys", "control bad / keys", "candidate", "control"))
    slow = f" (slow is above {_limit(evidence.get('threshold_ms'))})" if rows else ""
    return ["", f"evidence of stage {evidence['stage']}{slow}", *copies, *(table(rows) if rows else ())]


def _copies_line(candidate: Told) -> str:
    """What became of the requests that a shadow answered as well."""
    pairs = candidate["pairs"]
    answered = sum(pairs.values())
    return (
        f"  copies to {candidate['arm']}: {answered:,} answered, {candidate['requests'] - answered:,} failed; "
        f"{answered - pairs['agreed']:,} differ from the champion's: it is right in {pairs['candidate_right']:,}, "
        f"the champion in {pairs['control_right']:,}, neither in {pairs['neither_right']:,}, "
        f"{pairs['pending']:,} wait for their label"
    )


def _limit(threshold_ms: float | None) -> str:
    return "a limit not known yet" if threshold_ms is None else f"{threshold_ms:.1f} ms"


def _rates(counts: Told) -> tuple[str, str, str, str]:
    stages = counts.get("stages", ())
    told = []
    for side in ("candidate", "control"):
        bad, units = (sum(stage[f"{side}_{part}"] for stage in stages) for part in ("bad", "units"))
        told.append((f"{bad} / {units}", f"{bad / units:.2%}" if units else "-"))
    return told[0][0], told[1][0], told[0][1], told[1][1]


def _server_lines(servers: Sequence[Told], rollout: Told) -> list[str]:
    if not servers:
        return [] if rollout["finished_at"] else no_server_lines(servers)
    lines = [f"{len(servers)} servers answer"]
    for server in servers:
        for name, figures in server["arms"].items():
            trouble = figures.get("error") or figures.get("tripped")
            if trouble:
                lines.append(f"  {server['host']} (process {server['pid']}): {name}: {_words(trouble)}")
    return lines


def _model(model: Told) -> str:
    return f"{model['name']}/{model['version']}"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    cells = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return ["  " + "  ".join(row).rstrip() for row in cells]
