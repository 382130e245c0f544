"""Rollouts on real servers, under a steady load that never waits.

    python benchmarks/rollouts.py swaps --times 100   # promotions and rollbacks: failures, stale answers, p99
    python benchmarks/rollouts.py equal --times 200   # canaries of a model against itself: how many are taken back
    python benchmarks/rollouts.py twice --times 20    # candidates that take twice as long: how soon they are found
    python benchmarks/rollouts.py overhead --times 20 # throughput with and without routing, log and evidence

Two servers of one project with two trained models, on one machine together with the client. The policies are those of
production with shorter times, so that a canary takes seconds. ``--json FILE`` keeps all figures.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import stdev
from typing import Any

import httpx

from ecosight.rollouts import CANDIDATE
from modalities.sound.demo import write_demo
from pipeline.wiring import open_workbench

HERE = Path(__file__).parent
QUICK = {"min_step_s": 1, "min_units": 20, "reference_requests": 60, "reference_max_s": 20, "rollback_window_s": 2}
STALE_S = 1.0


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
        clips = _make_models(folder, given.yamnet)
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
    beginning to the end, each in a project of its own and halted while others are asked, and turns are short.
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
                found[kind].append(sites[kind].throughput(seconds=4))
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


def _ratio(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Of the sums, and the standard error by turns."""
    by_turn = [one / other for one, other in zip(ours, theirs, strict=True)]
    error = stdev(by_turn) / len(by_turn) ** 0.5 if len(by_turn) > 1 else math.inf
    return {"ratio": round(sum(ours) / sum(theirs), 3), "error": round(error, 3)}


MEASURES = {"swaps": _swaps, "equal": _equal, "twice": _twice, "overhead": _overhead}


# -- the site ----------------------------------------------------------------------------------------


class Project:
    """A project with two trained models, and the clips to ask about."""

    def __init__(self, folder: Path, clips: list[str], rps: float) -> None:
        self.folder, self.clips, self.rps = folder, clips, rps

    def copy(self, name: str) -> Project:
        """The same models in a project that shares nothing with this one."""
        folder = self.folder.parent / f"{self.folder.name}-{name}"
        shutil.copytree(self.folder, folder)
        settings = json.loads((folder / "config.yaml").read_text())
        settings["project"]["root"] = str(folder / "project")
        (folder / "config.yaml").write_text(json.dumps(settings))
        return Project(folder, self.clips, self.rps)

    @contextmanager
    def servers(self, *kinds: str) -> Iterator[Site]:
        """Servers of these kinds (see rollout_server.py), ready."""
        ports = [_free_port() for _ in kinds]
        groups = []
        with ExitStack() as stack:
            for kind, port in zip(kinds, ports, strict=True):
                command = [sys.executable, "-m", "benchmarks.rollout_server", str(self.folder / "config.yaml")]
                log = stack.enter_context((self.folder / f"server-{port}.log").open("wb"))
                process = subprocess.Popen(
                    [*command, str(port), kind], stdout=log, stderr=log, cwd=HERE.parent, start_new_session=True
                )
                groups.append(process.pid)
                stack.callback(process.wait, 60)
                stack.callback(process.terminate)
            for port in ports:
                _wait_until_ready(port)
            yield Site(self, ports, groups)


class Site:
    """The servers of a project, and what one asks them."""

    def __init__(self, project: Project, ports: list[int], groups: list[int]) -> None:
        self._folder, self._clips, self._rps = project.folder, project.clips, project.rps
        self._ports, self._groups = ports, groups
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", timeout=60, trust_env=False)

    @contextmanager
    def load(self) -> Iterator[list[list[Any]]]:
        """Clients in a process of their own; the list is filled when it ends."""
        ports = ",".join(map(str, self._ports))
        command = [sys.executable, str(HERE / "rollout_load.py"), str(self._rps), ports, *self._clips]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        rows: list[list[Any]] = []
        try:
            time.sleep(3)
            yield rows
        finally:
            out, _ = process.communicate()
            rows.extend(json.loads(out))

    def halt(self) -> None:
        """Servers and their workers take no time of the machine until they go on."""
        for group in self._groups:
            os.killpg(group, signal.SIGSTOP)

    def go_on(self) -> None:
        for group in self._groups:
            os.killpg(group, signal.SIGCONT)
        time.sleep(1.5)  # what fell due in the meantime is done

    def throughput(self, seconds: int) -> float:
        """Requests a second of the first server, 32 at once, without pause."""
        port = str(self._ports[0])
        command = [sys.executable, str(HERE / "serving_load.py"), "127.0.0.1", port, "32", str(seconds)]
        done = subprocess.run([*command, *self._clips], stdout=subprocess.PIPE, check=True)
        return float(json.loads(done.stdout)["rps"])

    def get(self, path: str) -> dict[str, Any]:
        answer = self._http.get(path)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        if answer.is_error:
            sys.exit(f"POST {path}: {answer.status_code} {answer.text}")
        told: dict[str, Any] = answer.json()
        return told

    def other(self) -> str:
        """The version that is not champion."""
        champion = self.get("/routing")["routing"]["arms"][0]["model"]["version"]
        return "1" if str(champion) == "2" else "2"

    def wait(self, rollout_id: str, *states: str, timeout_s: float = 60) -> dict[str, Any]:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            rollout: dict[str, Any] = self.get(f"/rollouts/{rollout_id}")["rollout"]
            if rollout["state"] in states:
                return rollout
            time.sleep(0.3)
        sys.exit(f"rollout {rollout_id} stays {rollout['state']}: {rollout['outcome']}")

    def unlatch(self) -> None:
        for incident in self.get("/incidents")["incidents"]:
            if not incident.get("unlatched_by"):
                self._http.post(f"/incidents/{incident['id']}/unlatch", json={})

    def stale(self, rows: list[list[Any]]) -> int:
        """Answers by a model that no routing of the last second before the answer names."""
        epochs = self._epochs()
        stale = 0
        for _sent, answered, status, version, _variant in rows:
            if status != "200":
                continue
            ends = [*(at for at, _ in epochs[1:]), float("inf")]
            lately = [
                versions
                for (at, versions), end in zip(epochs, ends, strict=True)
                if at <= answered and end >= answered - STALE_S
            ]
            stale += version not in set().union(*lately)
        return stale

    def _epochs(self) -> list[tuple[float, set[str]]]:
        """When each routing began, and the versions that it lets answer."""
        with open_workbench(self._folder / "config.yaml") as bench:
            history = bench.routings.history(limit=100_000)
        return [(each.made_at.timestamp(), {arm.model.version for arm in each.arms if arm.weight}) for each in history]

    def met_by_candidate(self, rollout_id: str) -> list[datetime]:
        """When the candidate was to answer, in order."""
        with open_workbench(self._folder / "config.yaml") as bench:
            exposures, _ = bench.exposures.since(rollout_id, 0, limit=1_000_000)
        return sorted(each.at for each in exposures if each.intended == CANDIDATE)

    def complaints(self) -> list[str]:
        """What the servers logged as errors."""
        lines = [line for log in self._folder.glob("server-*.log") for line in log.read_text("utf-8").splitlines()]
        return [line for line in lines if '"error"' in line or "Traceback" in line][:5]


def _make_models(folder: Path, yamnet: str) -> list[str]:
    """Two versions in the registry, of which one is champion. Returns: clips to ask with."""
    sounds = write_demo(folder)
    settings: dict[str, Any] = {
        "project": {"name": "benchmark", "root": str(folder / "project")},
        "serving": {"run_jobs": False},
        "dataset": {"group_pattern": sounds.group_pattern},
    }
    if yamnet:
        settings["sound"] = {"embedder": "yamnet", "yamnet_model": yamnet}
    (folder / "config.yaml").write_text(json.dumps(settings))  # JSON is YAML
    _ecosight(folder, "ingest", str(sounds.start))
    _ecosight(folder, "train")
    for path, label in sounds.later[:40]:
        (folder / "more" / label).mkdir(parents=True, exist_ok=True)
        path.rename(folder / "more" / label / path.name)
    _ecosight(folder, "ingest", str(folder / "more"))
    _ecosight(folder, "train")
    return [str(path) for path, _ in sounds.clips]


def _ecosight(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pipeline", "--config", str(folder / "config.yaml"), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} failed:\n{done.stdout}\n{done.stderr[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(port: int) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    sys.exit("a server was not ready within two minutes")


def _latency(rows: list[list[Any]]) -> dict[str, float]:
    took = sorted(1000 * (row[1] - row[0]) for row in rows if row[2] == "200")
    return {f"p{share}": round(took[int(share / 100 * (len(took) - 1))], 1) for share in (50, 95, 99)} if took else {}


def _spread(took: list[float]) -> dict[str, float]:
    took = sorted(took)
    if not took:
        return {}
    return {"times": len(took), "median_s": round(took[len(took) // 2], 2), "longest_s": round(took[-1], 2)}


if __name__ == "__main__":
    main()
