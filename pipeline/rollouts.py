"""What the verbs about rollouts do, without the terminal: who acts, what a policy says, plans, wishes, replays."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecosight.errors import Conflict, InvalidInput, NoModel, NotFound, Refused

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

__all__ = ["carry_out", "plan_rollout", "policy_differences", "replay_decisions", "roll_back", "who"]

POLL_S = 0.2


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
    bench: Workbench, *, candidates: Sequence[str], strategy: str, differences: Mapping[str, Any]
) -> dict[str, Any]:
    """What a start would do; raises what it would raise, and changes nothing."""
    from ab_testing.policy import Policy
    from ab_testing.strategies import load_strategy
    from ecosight.ids import new_id
    from ecosight.rollouts import BUCKETS, CANDIDATE, Rollout

    active = bench.rollouts.active()
    if active is not None:
        raise Conflict(f"rollout {active.id} is {active.state}", hint="`ecosight rollout status` shows it.")
    champion = bench.registry.champion()
    if champion is None:
        raise NoModel("no model is champion yet, so there is nothing to compare with", hint="`ecosight train`.")
    models = [bench.rollout_service.model(name) for name in candidates]
    for model in models:
        latched = bench.incidents.latched(model.digest)
        if latched is not None:
            hint = f"ecosight rollback unlatch {latched.id}"
            raise Refused(f"{model} was taken back before (incident {latched.id})", hint=hint)
    plan = load_strategy(strategy)
    policy = Policy.from_config(bench.config, **{**differences, "strategy": strategy})
    names = [CANDIDATE, *(f"{CANDIDATE}-{number}" for number in range(2, len(models) + 1))]
    draft = Rollout(
        id=new_id("rollout"),
        strategy=strategy,
        policy=policy.as_dict(),
        champion=champion,
        candidates=dict(zip(names, models, strict=True)),
        state="preparing",
        actor="",
        started_at=bench.clock.now(),
    )
    stages = range(plan.stages(policy) + 1)
    percents = [{arm.name: arm.weight * 100 / BUCKETS for arm in plan.arms(draft, stage)} for stage in stages]
    return {
        "dry_run": True,
        "strategy": strategy,
        "champion": str(champion),
        "candidates": {name: str(model) for name, model in draft.candidates.items()},
        "stages": percents,
        "policy": dict(draft.policy),
        "servers": len(bench.rollout_records.servers()),
    }


def carry_out(
    bench: Workbench, wish: str, rollout_id: str | None, *, actor: str, why: str, dry_run: bool, wait_s: float = 0
) -> dict[str, Any]:
    """Pause, resume, promote or abort. Returns: ``rollout`` as it is then (as it is now, in a dry run), ``servers``.

    Raises: NotFound: no such rollout. Conflict: not in its state.
    """
    service, records = bench.rollout_service, bench.rollout_records
    if dry_run:
        rollout = records.overview(rollout_id)["rollout"]
        if rollout["finished_at"] is not None:
            raise Conflict(f"rollout {rollout['id']} is {rollout['state']}, so it cannot {wish}")
    else:
        rollout = records.shown(getattr(service, wish)(rollout_id, actor=actor, why=why))
        rollout = _awaited(bench, rollout, wait_s)
    return {"dry_run": dry_run, "rollout": rollout, "servers": len(records.servers())}


def roll_back(bench: Workbench, *, actor: str, why: str, dry_run: bool, wait_s: float) -> dict[str, Any]:
    """Take the candidate back, or the champion where no rollout is under way. Returns: as ``carry_out``.

    Raises: NotFound: nothing to go back to.
    """
    records = bench.rollout_records
    if dry_run:
        return {"dry_run": True, **_would_take_back(bench), "servers": len(records.servers())}
    rollout = records.shown(bench.rollout_service.roll_back(actor=actor, why=why))
    rollout = _awaited(bench, rollout, wait_s)
    return {
        "dry_run": False,
        "rollout": rollout,
        "taken_back": [str_of(model) for model in rollout["candidates"].values()],
        "restored": str_of(rollout["champion"]),
        "servers": len(records.servers()),
    }


def replay_decisions(bench: Workbench, identity: str) -> dict[str, Any]:
    """Make one decision, or all of a rollout, again from what was recorded.

    Returns: ``same``, and for each decision what was recorded and what comes out now; what people decided is counted
        but has nothing to be made from.
    """
    from ab_testing.replaying import replay
    from ecosight.clock import iso
    from rollback.triggers import check_health

    rows: list[dict[str, Any]] = []
    by_people = 0
    for decision in bench.rollout_records.to_replay(identity or None):
        if not decision.evidence:
            by_people += 1
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


def _would_take_back(bench: Workbench) -> dict[str, Any]:
    active = bench.rollouts.active()
    if active is not None:
        told = bench.rollout_records.shown(active)
        return {
            "rollout": told,
            "taken_back": [str_of(model) for model in told["candidates"].values()],
            "restored": str_of(told["champion"]),
        }
    champion, previous = bench.registry.champion(), bench.registry.alias("previous")
    if champion is None or previous is None or previous.digest == champion.digest:
        raise NotFound("there is no earlier champion to go back to", hint="The alias `previous` names it.")
    return {"rollout": None, "taken_back": [str(champion)], "restored": str(previous)}
