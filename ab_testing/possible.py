"""Whether what a policy asks for can ever come about with its strategy; a rollout that never could is not begun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ab_testing.policy import Policy
from ab_testing.strategies import load_strategy
from ecosight.errors import InvalidInput
from ecosight.rollouts import CHAMPION, CONTROL, Arm, Rollout

__all__ = ["require_pauses", "require_possible"]

FORETOLD = 20
"""A strategy may have stages for ever; the first ones are like the others."""


def require_possible(rollout: Rollout) -> None:
    """Raises: InvalidInput: a pause at no step, a candidate that gets no keys, or a comparison that never happens."""
    policy, strategy = Policy.from_dict(rollout.policy), load_strategy(rollout.strategy)
    require_pauses(rollout.strategy, policy)
    last = min(strategy.stages(policy), FORETOLD)
    faults = list(_faults(rollout, policy, [strategy.arms(rollout, stage) for stage in range(1, last + 1)]))
    if faults:
        raise InvalidInput(f"this policy cannot be followed: {'; '.join(faults)}", hint="See docs/rollouts.md.")


def require_pauses(strategy: str, policy: Policy) -> None:
    """Raises: InvalidInput: the policy asks for a person before a step that there is not."""
    steps = load_strategy(strategy).stages(policy)
    never = [step for step in policy.pause_at if not 1 <= step <= steps]
    if never:
        raise InvalidInput(
            f"this policy cannot be followed: pause_at names {never}, and {strategy} has the steps 1 to {steps}",
            hint="Steps are counted, 1 is the first; they are not named by their percents.",
        )


def _faults(rollout: Rollout, policy: Policy, stages: Sequence[Sequence[Arm]]) -> Iterator[str]:
    for number, arms in enumerate(stages, 1):
        empty = [arm.name for arm in arms if arm.name in rollout.candidates and not arm.shadow and not arm.weight]
        if empty:
            yield f"the share of step {number} is so small that no key falls on {', '.join(empty)}"
    if any(map(_compares, stages)):
        return
    if policy.accuracy == "required":
        yield "accuracy is required, but at no step does the champion answer beside the candidate"
    elif getattr(load_strategy(rollout.strategy), "compares", False):
        yield f"{rollout.strategy} learns which is better, but at no step does the champion answer beside the candidate"


def _compares(arms: Sequence[Arm]) -> bool:
    """Whether answers of candidates can be held against answers of the champion's model."""
    beside = any(arm.weight for arm in arms if arm.name in (CHAMPION, CONTROL))
    return beside and any(arm.shadow or arm.weight for arm in arms if arm.name not in (CHAMPION, CONTROL))
