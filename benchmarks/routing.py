"""What routing costs: assignments a second on one core, beside doing nothing but the hash; and how even they are.

python benchmarks/routing.py
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from hashlib import blake2b

from scipy.stats import chisquare

from ab_testing.router import Router
from ecosight.rollouts import BUCKETS, Arm, Routing
from ecosight.values import ModelRef

KEYS = [f"sensor-{number}" for number in range(500_000)]


def main() -> None:
    model = ModelRef(name="m", version="1", digest="0" * 64)
    arms = (
        Arm(name="champion", model=model, weight=8_000),
        Arm(name="candidate", model=model, weight=1_000, isolated=True),
        Arm(name="control", model=model, weight=1_000, isolated=True),
    )
    made_at = datetime.now(UTC)
    router = Router(Routing(epoch=1, arms=arms, made_at=made_at, actor="", why="", rollout_id="r", salt="r"))
    hashing = _best(lambda: [blake2b(key.encode(), digest_size=8, key=b"r").digest() for key in KEYS])
    index = _best(lambda: [router.assign_index(key) for key in KEYS])
    assign = _best(lambda: [router.assign(key) for key in KEYS])
    counts = Counter(router.assign(key).name for key in KEYS)
    expected = [arm.weight * len(KEYS) / BUCKETS for arm in arms]
    p = chisquare([counts[arm.name] for arm in arms], expected).pvalue
    for name, seconds in (("the hash alone", hashing), ("assign_index", index), ("assign", assign)):
        print(f"{name:15} {len(KEYS) / seconds:12,.0f} a second   {1e6 * seconds / len(KEYS):.2f} µs each")
    print(f"shares {dict(counts)}, chi-square p = {p:.2f}")


def _best(work: object, rounds: int = 3) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()  # type: ignore[operator]
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
