"""Rollouts on real servers, under a steady load that never waits.

    python benchmarks/rollouts.py swaps --times 100   # promotions and rollbacks: failures, stale answers, p99
    python benchmarks/rollouts.py equal --times 200   # canaries of a model against itself: how many are taken back
    python benchmarks/rollouts.py twice --times 20    # candidates that take twice as long: how soon they are found
    python benchmarks/rollouts.py overhead --times 6  # throughput with and without routing, log and evidence

Two servers of one project with two trained models, on one machine together with the client. The policies are those of
production with shorter times, so that a canary takes seconds. ``--json FILE`` keeps all figures.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import stdev
from typing import Any

from rollout_site import Project, Site, make_models

QUICK = {"min_step_s": 1, "min_units": 20, "reference_requests": 60, "reference_max_s": 20, "rollback_window_s": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(MEASURES))
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--rps", type=float, default=50.0)
    parser.add_argument("--yamnet", default="", help="a SavedModel; without one, models on log-mel statistics")
    parser.add_argument("--json", type=Path, help="where all figures are written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "benchmark")
        clips = make_models(folder, given.yamnet)
        figures = MEASURES[given.what](Project(folder, clips, given.rps), given.times)
    print(json.dumps(figures, indent=2))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


# -- what is measured --------------------------------------------------------------------------------


def _swaps(project: Project, times: int) -> dict[str, Any]:
    """Promote by hand and take back by hand, again and again; before that, as long without any rollout."""
    with project.servers("whole", "whole") as site:
        return _swapped(site, times)


def _swapped(site: Site, times: int) -> dict[str, Any]:
    with site.load() as before:
        time.sleep(20)
    took: dict[str, list[float]] = {"promoted": [], "rolled_back": []}
    windows: list[tuple[float, float]] = []
    with site.load() as during:
        for number in range(2 * times):
            promoting = number % 2 == 0
            began = time.time()
            if promoting:
                body = {"candidate": site.other(), "strategy": "canary", "policy": {**QUICK, "rollback_window_s": 600}}
                rollout = site.post("/rollouts", body)["rollout"]["id"]
                site.post(f"/rollouts/{rollout}/promote", {"why": "benchmark"})
            else:
                rollout = site.post("/rollback", {"why": "benchmark"})["rollout"]["id"]
            state = "promoted" if promoting else "rolled_back"
            site.wait(rollout, state)
            took[state].append(round(time.time() - began, 2))
            windows.append((began, time.time()))
            if not promoting:
                site.unlatch()
    swapping = [row for row in during if any(first <= row[0] <= last for first, last in windows)]
    return {
        "promotions": _spread(took["promoted"]),
        "rollbacks": _spread(took["rolled_back"]),
        "requests": len(during),
        "failed": [row[2] for row in during if row[2] != "200"][:5],
        "stale": site.stale(during),
        "before_ms": _latency(before),
        "during_ms": _latency(swapping),
        "complaints": site.complaints(),
    }


def _equal(project: Project, times: int) -> dict[str, Any]:
    """Canaries of the champion against itself: whatever takes one back errs."""
    policy = {**QUICK, "steps": [10, 50, 100]}
    outcomes: Counter[str] = Counter()
    took, reasons = [], []
    with project.servers("whole", "whole") as site, site.load() as rows:
        for _ in range(times):
            began = time.time()
            body = {"candidate": "champion", "strategy": "canary", "policy": policy}
            rollout = site.post("/rollouts", body)["rollout"]["id"]
            ended = site.wait(rollout, "promoted", "rolled_back", "paused", timeout_s=300)
            outcomes[ended["state"]] += 1
            took.append(round(time.time() - began, 1))
            if ended["state"] != "promoted":
                reasons.append(ended["outcome"])
                print(ended["state"], ended["outcome"], file=sys.stderr)
                if ended["state"] == "paused":
                    site.post(f"/rollouts/{rollout}/abort", {})
                site.unlatch()
    failed = [row[2] for row in rows if row[2] != "200"]
    return {
        "canaries": times,
        "outcomes": dict(outcomes),
        "reasons": reasons,
        "seconds": _spread(took),
        "requests": len(rows),
        "failed": failed[:5],
    }


def _twice(project: Project, times: int) -> dict[str, Any]:
    """Canaries of 10%, each answer of the candidate twice as long as the same model's: from its first client on."""
    policy = {**QUICK, "steps": [10, 100], "reference_requests": 200, "min_step_s": 600}
    found_s, answers, after_s, said = [], [], [], Counter[str]()
    with project.servers("twice", "twice") as site, site.load() as rows:
        for _ in range(times):
            body = {"candidate": site.other(), "strategy": "canary", "policy": policy}
            rollout = site.post("/rollouts", body)["rollout"]["id"]
            site.wait(rollout, "rolled_back", timeout_s=300)
            incident = next(each for each in site.get("/incidents")["incidents"] if each["rollout_id"] == rollout)
            said[incident["trigger"]["name"]] += 1
            decided, met = datetime.fromisoformat(incident["opened_at"]), site.met_by_candidate(rollout)
            found_s.append((decided - met[0]).total_seconds())
            after_s.append((met[-1] - decided).total_seconds())
            answers.append(len(met))
            site.unlatch()
    return {
        "canaries": times,
        "found": _spread(found_s),
        "candidate_answers": sorted(answers),
        "last_answer_after_s": round(max(after_s), 2),
        "triggers": dict(said),
        "requests": len(rows),
        "failed": [row[2] for row in rows if row[2] != "200"][:5],
    }


def _overhead(project: Project, times: int) -> dict[str, Any]:
    """Requests a second of one server, 32 at once. In turns: bare, without a rollout, and with a canary.

    During the canary a tenth of the keys is the candidate's and a tenth the control's. ``shared``: both answer
    in the server's process, so what is left is the cost of routing, log and evidence. ``whole``: in their own.

    Processes of one kind differ more among each other than kinds do, and so do minutes; so all servers live from the
    beginning to the end, each in a project of its own and halted while others are asked. Turns are long, since a
    server may have something to catch up with when it goes on: in turns of 4 s less is left.
    """
    found: dict[str, list[float]] = {"bare": [], "no rollout": [], "shared": [], "whole": []}
    with ExitStack() as stack:
        sites: dict[str, Site] = {}
        canaries: dict[str, str] = {}
        for kind in found:
            server = "whole" if kind == "no rollout" else kind
            sites[kind] = stack.enter_context(project.copy(kind.replace(" ", "-")).servers(server))
            if kind in ("shared", "whole"):
                canaries[kind] = _begin_canary(sites[kind])
            sites[kind].halt()
        for _ in range(times):
            for kind in random.sample(list(found), len(found)):
                sites[kind].go_on()
                found[kind].append(sites[kind].throughput(seconds=12))
                sites[kind].halt()
        for site in sites.values():
            site.go_on()
        for kind, rollout in canaries.items():
            sites[kind].wait(rollout, "running", timeout_s=1)  # else what was measured was none
    return {"requests_per_s": found, "of_bare": {kind: _ratio(rps, found["bare"]) for kind, rps in found.items()}}


def _begin_canary(site: Site) -> str:
    policy = {**QUICK, "steps": [10, 100], "reference_requests": 1, "reference_max_s": 0, "min_step_s": 86_400}
    rollout = site.post("/rollouts", {"candidate": site.other(), "strategy": "canary", "policy": policy})["rollout"]
    site.wait(rollout["id"], "running")
    return str(rollout["id"])


# -- figures ------------------------------------------------------------------------------------------


def _ratio(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Of the sums, and the standard error by turns."""
    by_turn = [one / other for one, other in zip(ours, theirs, strict=True)]
    error = stdev(by_turn) / len(by_turn) ** 0.5 if len(by_turn) > 1 else math.inf
    return {"ratio": round(sum(ours) / sum(theirs), 3), "error": round(error, 3)}


def _latency(rows: list[list[Any]]) -> dict[str, float]:
    took = sorted(1000 * (row[1] - row[0]) for row in rows if row[2] == "200")
    return {f"p{share}": round(took[int(share / 100 * (len(took) - 1))], 1) for share in (50, 95, 99)} if took else {}


def _spread(took: list[float]) -> dict[str, float]:
    took = sorted(took)
    if not took:
        return {}
    return {"times": len(took), "median_s": round(took[len(took) // 2], 2), "longest_s": round(took[-1], 2)}


MEASURES = {"swaps": _swaps, "equal": _equal, "twice": _twice, "overhead": _overhead}


if __name__ == "__main__":
    main()
