"""What the verbs about rollouts do, without the terminal: who acts, what a policy says, plans, wishes, replays."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput, Unfinished

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

__all__ = [
    "carry_out",
    "plan_rollout",
    "policy_differences",
    "replay_decisions",
    "roll_back",
    "str_of",
    "unfinished",
    "who",
]

POLL_S = 0.2
MOST_STAGES = 20


def who(given: str) -> str:
    """In whose name: as given, or the user of this machine who is logged in."""
    if given.strip():
        return given.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "command line"


def policy_differences(pairs: Sequence[str], steps: str = "") -> dict[str, Any]:
    """``("min_units=200", "auto_promote=false")`` and ``"5,25,100"`` as a mapping.

    Raises: InvalidInput: no ``=``, or a step that is no number.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise InvalidInput(f"{pair!r} is no KEY=VALUE", hint="Such as --policy min_units=200")
        found[name.strip().replace("-", "_")] = _value(text.strip())
    if steps:
        try:
            found["steps"] = [float(step) if "." in step else int(step) for step in steps.split(",")]
        except ValueError as error:
            raise InvalidInput(f"{steps!r} is no list of percents", hint="Such as --steps 5,25,100") from error
    return found


def plan_rollout(
    bench: Workbench,
    *,
    candidates: Sequence[str],
    strategy: str,
    differences: Mapping[str, Any],
    automatic: bool = False,
) -> dict[str, Any]:
    """What a start would do; raises what it would raise, and changes nothing."""
    from ab_testing.policy import Policy
    from ab_testing.strategies import load_strategy
    from ecosight.rollouts import BUCKETS

    draft = bench.rollout_service.draft(
        candidate=candidates, strategy=strategy, policy=differences, actor="", automatic=automatic
    )
    plan = load_strategy(strategy)
    # A strategy that draws its weights anew has stages for ever: those that can be foretold are shown.
    stages = range(min(plan.stages(Policy.from_dict(draft.policy)), MOST_STAGES) + 1)
    percents = [{arm.name: arm.weight * 100 / BUCKETS for arm in plan.arms(draft, stage)} for stage in stages]
    return {
        "dry_run": True,
        "strategy": strategy,
        "champion": str(draft.champion),
        "candidates": {name: str(model) for name, model in draft.candidates.items()},
        "stages": percents,
        "policy": dict(draft.policy),
        "servers": len(bench.rollout_records.servers()),
    }


def carry_out(
    bench: Workbench,
    wish: str,
    rollout_id: str | None,
    *,
    actor: str,
    why: str,
    dry_run: bool,
    wait_s: float = 0,
    differences: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Pause, resume, promote or abort.

    Args:
        wait_s: for the end, at most so long.
        differences: new limits, of a resume.
    Returns: ``rollout`` as it is then (as it is now, in a dry run), ``servers``, and ``ended``: whether the end that
        was waited for came; True where nobody waited.
    Raises: NotFound: no such rollout. Conflict: not in its state.
    """
    service, records = bench.rollout_service, bench.rollout_records
    more = {"policy": differences} if differences else {}
    wished = getattr(service, wish)(rollout_id, actor=actor, why=why, dry_run=dry_run, **more)
    rollout = records.overview(wished.id)["rollout"] if dry_run else _awaited(bench, records.shown(wished), wait_s)
    ended = dry_run or not wait_s or rollout["finished_at"] is not None
    return {"dry_run": dry_run, "rollout": rollout, "servers": len(records.servers()), "ended": ended}


def roll_back(
    bench: Workbench, *, actor: str, why: str, dry_run: bool, wait_s: float, by_degrees: bool = False
) -> dict[str, Any]:
    """Take the candidate back, or the champion where no rollout is under way. Returns: as ``carry_out``.

    Raises: NotFound: nothing to go back to. Refused: by degrees, where no candidate answers.
    """
    records = bench.rollout_records
    if dry_run:
        would = _would_take_back(bench, by_degrees=by_degrees)
        return {"dry_run": True, **would, "servers": len(records.servers()), "ended": True}
    rollout = records.shown(bench.rollout_service.roll_back(actor=actor, why=why, by_degrees=by_degrees))
    rollout = _awaited(bench, rollout, wait_s)
    return {
        "dry_run": False,
        "rollout": rollout,
        "taken_back": [str_of(model) for model in rollout["candidates"].values()],
        "restored": str_of(rollout["champion"]),
        "servers": len(records.servers()),
        "ended": not wait_s or rollout["finished_at"] is not None,
    }


def unfinished(rollout: Mapping[str, Any], wait_s: float) -> Unfinished:
    """What a wait that was too short comes to: a sentence, and an exit code of its own."""
    state = rollout["state"].replace("_", " ")
    return Unfinished(
        f"rollout {rollout['id']} is still {state} after {wait_s:g} s; it goes on", hint="ecosight rollout status"
    )


def replay_decisions(bench: Workbench, identity: str) -> dict[str, Any]:
    """Make one decision, or all of a rollout, again from what was recorded.

    Returns: ``same``, and for each decision what was recorded and what comes out now; what people decided is counted
        but has nothing to be made from.
    """
    from ab_testing.replaying import replay
    from ab_testing.steering import ACTOR
    from ecosight.clock import iso
    from rollback.triggers import check_health

    rows: list[dict[str, Any]] = []
    by_people = 0
    for decision in bench.rollout_records.to_replay(identity or None):
        if not decision.evidence:
            by_people += decision.actor != ACTOR
            continue
        again = replay(decision, check_health)
        rows.append(
            {
                "id": decision.id,
                "at": iso(decision.at),
                "recorded": dict(decision.verdict),
                "replayed": again.verdict.as_dict(),
                "same": again.same,
            }
        )
    return {"same": all(row["same"] for row in rows), "by_people": by_people, "decisions": rows}


def str_of(model: Mapping[str, Any]) -> str:
    """``name/version`` of a model as a JSON object."""
    return f"{model['name']}/{model['version']}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _awaited(bench: Workbench, rollout: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """The rollout at its end, or as it is after so many seconds."""
    end = bench.clock.monotonic() + wait_s
    while rollout["finished_at"] is None and bench.clock.monotonic() < end:
        bench.clock.sleep(POLL_S)
        found: dict[str, Any] = bench.rollout_records.overview(rollout["id"])["rollout"]
        rollout = found
    return rollout


def _would_take_back(bench: Workbench, *, by_degrees: bool) -> dict[str, Any]:
    active = bench.rollouts.active()
    would = bench.rollout_service.roll_back(actor="", by_degrees=by_degrees, dry_run=True)
    return {
        "rollout": bench.rollout_records.shown(active) if active is not None else None,
        "taken_back": [str(model) for model in would.candidates.values()],
        "restored": str(would.champion),
    }
