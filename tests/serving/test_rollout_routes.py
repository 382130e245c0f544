"""/rollouts, /routing, /rollback and /incidents over real stores, and who may use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from ab_testing.records import RolloutRecords
from ab_testing.service import RolloutService
from ecosight.clock import SystemClock, iso
from ecosight.config import load_config
from ecosight.errors import NotFound
from ecosight.rollouts import BUCKETS, Arm, Decision, Incident, Routing
from ecosight.state.database import open_database
from ecosight.state.incidents import Incidents
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from ecosight.values import ModelRef
from serving.security import KEYS_VARIABLE

PREDICT, UPLOAD, OPERATE, ANN = "p" * 16, "u" * 16, "o" * 16, "a" * 16
KEYS = {KEYS_VARIABLE: f"predict:{PREDICT},upload:{UPLOAD},operate:{OPERATE},operate/ann:{ANN}"}


def model(version: int) -> ModelRef:
    return ModelRef(name="birds", version=str(version), digest=f"{version:x}" * 64)


class Aliases:
    """A registry in memory: versions 1 to 4, and aliases."""

    def __init__(self) -> None:
        self.aliases = {"champion": model(2), "previous": model(1), "challenger": model(3)}

    def alias(self, name: str) -> ModelRef | None:
        return self.aliases.get(name)

    def get(self, version: str | int) -> ModelRef:
        if not 1 <= int(version) <= 4:
            raise NotFound(f"there is no version {version}")
        return model(int(version))

    def resolve(self, uri: str) -> ModelRef:
        return self.get(uri.rpartition("/")[2])

    def set_alias(self, name: str, ref: ModelRef, *, by: str = "", why: str = "") -> None:
        self.aliases[name] = ref

    def remove_alias(self, name: str) -> None:
        self.aliases.pop(name, None)


@dataclass
class Desk:
    http: Any
    aliases: Aliases
    rollouts: RolloutStore
    routings: RoutingStore
    incidents: Incidents

    def start(self, **wanted: Any) -> dict[str, Any]:
        answer = self.http.post("/rollouts", json={"candidate": "3", **wanted})
        assert answer.status_code == 202, answer.text
        return answer.json()["rollout"]

    def post(self, path: str, **body: Any) -> Any:
        return self.http.post(path, json=body) if body else self.http.post(path)

    def add_incident(self, number: int, report: dict[str, Any] | None = None) -> str:
        now = SystemClock().now()
        incident = Incident(
            id=f"incident_{number}",
            rollout_id=f"rollout_{number}",
            model=model(number),
            restored=model(2),
            trigger={"name": "errors", "kind": "soft", "rule": "E >= 300", "observed": "40 of 100"},
            opened_at=now,
            steps=({"step": "detect", "at": iso(now), "status": "done", "details": {}},),
            report=report or {},
        )
        self.incidents.add(incident)
        return incident.id


@pytest.fixture
def make_desk(serve, tmp_path):
    databases = []

    def make(environ: dict[str, str] | None = None) -> Desk:
        root = tmp_path / "root"
        root.mkdir()
        config = load_config(project={"root": str(root), "name": "birds"})
        database = open_database(config.database_url)
        databases.append(database)
        clock, aliases = SystemClock(), Aliases()
        stores = {
            "rollouts": RolloutStore(database),
            "routings": RoutingStore(database),
            "incidents": Incidents(database),
        }
        service = RolloutService(**stores, registry=aliases, clock=clock, config=config)
        records = RolloutRecords(
            service=service,
            rollouts=stores["rollouts"],
            incidents=stores["incidents"],
            servers=Servers(database),
            clock=clock,
        )
        server = serve(rollouts=service, rollout_records=records, environ=environ)
        return Desk(server.http, aliases, **stores)

    yield make
    for database in databases:
        database.close()


@pytest.fixture
def desk(make_desk):
    return make_desk()


def test_a_rollout_is_started_seen_paused_resumed_and_aborted(desk):
    answer = desk.post("/rollouts", candidate="challenger", policy={"steps": [10, 100]})
    assert answer.status_code == 202, answer.text
    begun = answer.json()["rollout"]
    assert (begun["state"], begun["strategy"], begun["champion"]["version"]) == ("preparing", "canary", "2")
    assert begun["candidates"]["candidate"]["version"] == "3"
    assert begun["policy"]["steps"] == [10, 100]
    location = answer.json()["location"]
    assert location == f"/rollouts/{begun['id']}"
    assert [each["id"] for each in desk.http.get("/rollouts").json()["rollouts"]] == [begun["id"]]
    for path in (location, "/rollouts/newest"):
        shown = desk.http.get(path).json()
        assert shown["rollout"]["id"] == begun["id"]
        assert (shown["evidence"], shown["cannot_say_yet"], shown["servers"]) == (None, [], [])
    assert desk.post("/rollouts", candidate="4").status_code == 409
    for wish, state in (("pause", "paused"), ("resume", "preparing"), ("abort", "aborted")):
        done = desk.post(f"{location}/{wish}", why="because")
        assert done.status_code == 200, done.text
        assert done.json()["rollout"]["state"] == state
    over = desk.post(f"{location}/pause")
    assert over.status_code == 409
    assert "aborted" in over.json()["error"]["message"]
    assert desk.post("/rollouts", candidate="4").status_code == 202


def test_the_audit_trail_names_the_keys_owner(make_desk):
    desk = make_desk(KEYS)
    sent = {"candidate": "3"}
    begun = desk.http.post("/rollouts", json=sent, headers={"X-API-Key": ANN}).json()["rollout"]
    assert begun["actor"] == "ann"
    paused = desk.http.post(f"/rollouts/{begun['id']}/pause", json={"why": "odd"}, headers={"X-API-Key": OPERATE})
    assert paused.status_code == 200, paused.text
    answer = desk.http.get(f"/rollouts/{begun['id']}/decisions", headers={"X-API-Key": PREDICT}).json()
    told = [(each["action"], each["actor"], each["verdict"]["reason"]) for each in answer["decisions"]]
    assert told[0] == ("pause", "key 3 (operate)", "odd")
    assert told[-1][:2] == ("start", "ann")


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/rollouts", "predict"),
        ("GET", "/rollouts/newest", "predict"),
        ("GET", "/rollouts/x/decisions", "predict"),
        ("GET", "/routing", "predict"),
        ("POST", "/rollouts", "operate"),
        ("POST", "/rollouts/x/pause", "operate"),
        ("POST", "/rollouts/x/resume", "operate"),
        ("POST", "/rollouts/x/promote", "operate"),
        ("POST", "/rollouts/x/abort", "operate"),
        ("POST", "/rollback", "operate"),
        ("GET", "/incidents", "operate"),
        ("GET", "/incidents/x", "operate"),
        ("GET", "/incidents/x.html", "operate"),
        ("POST", "/incidents/x/unlatch", "operate"),
    ],
)
def test_reading_rollouts_takes_any_key_and_everything_else_an_operators(make_keyed, method, path, role):
    roles = ("predict", "upload", "operate")
    for key, its_role in ((PREDICT, "predict"), (UPLOAD, "upload"), (OPERATE, "operate")):
        status = make_keyed.http.request(method, path, headers={"X-API-Key": key}, content=b"[").status_code
        assert (status == 403) is (roles.index(its_role) < roles.index(role)), (its_role, status)
        assert status != 401
    assert make_keyed.http.request(method, path).status_code == 401


@pytest.fixture(scope="module")
def make_keyed(module_serve):
    """A server with keys and without rollouts: enough to see who is let in."""
    return module_serve(environ=KEYS)


def test_a_server_without_rollouts_says_so(make_keyed):
    answer = make_keyed.http.get("/rollouts", headers={"X-API-Key": PREDICT})
    assert answer.status_code == 404
    assert answer.json()["error"]["hint"]


def test_a_start_that_cannot_be_is_refused_in_a_sentence_and_leaves_nothing(desk):
    refused = {
        b"": 422,
        b"[]": 422,
        b'{"candidate": ""}': 422,
        b'{"candidate": []}': 422,
        b'{"candidate": 3}': 422,
        b'{"candidate": "3", "polisy": {}}': 422,
        b'{"candidate": "3\\u0000"}': 422,
        b'{"candidate": "3", "strategy": "hope"}': 404,
        b'{"candidate": "3", "policy": {"stepz": [5]}}': 422,
        b'{"candidate": "3", "policy": {"steps": [50, 10]}}': 422,
        b'{"candidate": "3", "policy": {"steps": "abc"}}': 422,
        b'{"candidate": "3", "policy": {"min_units": "many"}}': 422,
        b'{"candidate": "3", "policy": {"min_step_s": NaN}}': 422,
        b'{"candidate": "3", "policy": {"auto_promote": "no"}}': 422,
        b'{"candidate": "9"}': 404,
        b'{"candidate": "nobody"}': 404,
    }
    for body, status in refused.items():
        answer = desk.http.post("/rollouts", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, (body, answer.text)
        assert answer.json()["error"]["message"]
    assert desk.http.get("/rollouts").json()["rollouts"] == []


def test_what_is_not_there_is_404(desk):
    for identity in ("rollout_0", "..%2f..%2fetc", "%00", "' OR 1=1"):
        for path in (f"/rollouts/{identity}", f"/rollouts/{identity}/decisions", f"/incidents/{identity}"):
            assert desk.http.get(path).status_code == 404, path
        for path in (f"/rollouts/{identity}/pause", f"/incidents/{identity}/unlatch"):
            assert desk.http.post(path).status_code == 404, path


def test_wishes_without_a_rollout_are_404(desk):
    assert desk.http.get("/rollouts/newest").status_code == 404
    for wish in ("pause", "resume", "promote", "abort"):
        assert desk.http.post(f"/rollouts/newest/{wish}").status_code == 404


def test_a_why_of_several_lines_is_refused(desk):
    desk.start()
    assert desk.post("/rollouts/newest/pause", why="a\nb").status_code == 422
    assert desk.post("/rollouts/newest/pause", why="x" * 501).status_code == 422


def test_the_page_shows_the_newest_evidence_also_after_a_persons_wish(desk):
    begun = desk.start()
    rollout = desk.rollouts.get(begun["id"])
    checks = [{"name": "errors", "state": "insufficient", "figures": {}, "missing": "40 units, in 9 s"}]
    health = {"state": "insufficient", "trips": [], "checks": checks}
    verdict = {"action": "hold", "reason": "too few", "missing": ["100 keys, in 3 minutes"], "health": health}
    desk.rollouts.record(
        Decision(
            id="decision_1",
            rollout_id=rollout.id,
            at=SystemClock().now(),
            actor="controller",
            epoch=1,
            action="hold",
            state={},
            evidence={"stage": 1},
            verdict=verdict,
        )
    )
    desk.post(f"/rollouts/{rollout.id}/pause")
    shown = desk.http.get(f"/rollouts/{rollout.id}").json()
    assert (shown["verdict"], shown["evidence"]) == (verdict, {"stage": 1})
    assert shown["cannot_say_yet"] == ["100 keys, in 3 minutes", "errors: 40 units, in 9 s"]
    assert shown["decided_by"] == "controller"


def test_the_history_tells_who_was_live_for_a_key(desk):
    assert desk.http.get("/routing").status_code == 404
    now = SystemClock().now()
    arms = (Arm(name="champion", model=model(2), weight=BUCKETS),)
    first = Routing(epoch=1, arms=arms, made_at=now - timedelta(hours=2), actor="controller", why="first")
    mixed = (
        Arm(name="champion", model=model(2), weight=BUCKETS // 2),
        Arm(name="candidate", model=model(3), weight=BUCKETS // 2),
    )
    second = replace(first, epoch=2, arms=mixed, made_at=now - timedelta(hours=1), rollout_id="rollout_1", salt="s")
    assert desk.routings.move(first)
    assert desk.routings.move(second)
    early = desk.http.get("/routing", params={"at": iso(now - timedelta(minutes=90)), "key": "sensor-1"}).json()
    assert (early["routing"]["epoch"], early["arm"], early["model"]["version"]) == (1, "champion", "2")
    late = {desk.http.get("/routing", params={"key": f"sensor-{n}"}).json()["model"]["version"] for n in range(20)}
    assert late == {"2", "3"}
    assert desk.http.get("/routing", params={"at": iso(now - timedelta(hours=3))}).status_code == 404
    for at in ("yesterday", iso(now + timedelta(hours=1))):
        refused = desk.http.get("/routing", params={"at": at})
        assert refused.status_code == 422, at


def test_a_roll_back_takes_the_traffic_away_at_once(desk):
    begun = desk.start()
    arms = (
        Arm(name="champion", model=model(2), weight=BUCKETS - 500),
        Arm(name="candidate", model=model(3), weight=500, isolated=True),
    )
    now = SystemClock().now()
    desk.routings.move(Routing(epoch=1, arms=arms, made_at=now, actor="c", why="", rollout_id=begun["id"], salt="s"))
    answer = desk.post("/rollback", why="the night shift saw wrong labels")
    assert answer.status_code == 202, answer.text
    assert answer.json()["rollout"]["state"] == "rolling_back"
    current = desk.routings.current()
    assert [(arm.name, arm.model, arm.weight) for arm in current.arms] == [("champion", model(2), BUCKETS)]
    again = desk.post("/rollback")
    assert (again.status_code, again.json()["rollout"]["id"]) == (202, begun["id"])


def test_a_spent_budget_is_raised_with_the_wish_to_go_on_and_frozen_rules_stay(desk):
    rollout = desk.start(policy={"max_exposed_keys": 100})
    path = f"/rollouts/{rollout['id']}"
    assert desk.post(f"{path}/pause").status_code == 200
    frozen = desk.post(f"{path}/resume", policy={"min_units": 1})
    assert frozen.status_code == 409
    assert "min_units" in frozen.json()["error"]["message"]
    resumed = desk.post(f"{path}/resume", policy={"max_exposed_keys": 2000})
    assert resumed.status_code == 200, resumed.text
    assert resumed.json()["rollout"]["policy"]["max_exposed_keys"] == 2000


def test_a_gradual_roll_back_needs_a_candidate_that_answers_beside_the_champion(desk):
    refused = desk.post("/rollback", gradual=True)
    assert refused.status_code == 409
    assert "gradual" in refused.json()["error"]["hint"]


def test_with_no_rollout_the_champion_before_comes_back(desk):
    answer = desk.post("/rollback").json()["rollout"]
    assert (answer["state"], answer["champion"]["version"]) == ("rolling_back", "1")
    assert answer["candidates"]["candidate"]["version"] == "2"


def test_with_no_earlier_champion_there_is_nothing_to_go_back_to(desk):
    desk.aliases.remove_alias("previous")
    assert desk.post("/rollback").status_code == 404
    assert desk.http.get("/rollouts").json()["rollouts"] == []


def test_an_incident_keeps_its_model_out_until_somebody_unlatches_it(make_desk):
    desk = make_desk(KEYS)
    desk.http.headers["X-API-Key"] = ANN
    identity = desk.add_incident(3, {"title": "kept", "html": "/nowhere", "json": "/nowhere"})
    (listed,) = desk.http.get("/incidents").json()["incidents"]
    assert (listed["id"], listed["latched"], listed["report"]) == (identity, True, {})
    shown = desk.http.get(f"/incidents/{identity}").json()["incident"]
    assert (shown["trigger"]["name"], shown["report"]["title"]) == ("errors", "kept")
    refused = desk.post("/rollouts", candidate="3")
    assert refused.status_code == 409
    assert identity in refused.json()["error"]["message"]
    opened = desk.post(f"/incidents/{identity}/unlatch").json()["incident"]
    assert (opened["latched"], opened["unlatched_by"]) == (False, "ann")
    again = desk.http.post(f"/incidents/{identity}/unlatch", headers={"X-API-Key": OPERATE}).json()["incident"]
    assert again["unlatched_by"] == "ann"
    assert desk.post("/rollouts", candidate="3").status_code == 202


def test_an_incidents_page_may_run_and_load_nothing(desk, incident_report):
    identity = desk.add_incident(3, incident_report)
    page = desk.http.get(f"/incidents/{identity}.html")
    assert page.status_code == 200, page.text
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "sandbox" in page.headers["Content-Security-Policy"]
    assert "<script>alert" not in page.text
    assert desk.http.get(f"/incidents/{desk.add_incident(4)}.html").status_code == 404


@pytest.fixture
def incident_report():
    """A whole report, with a key that a client chose."""
    from rollback.report import Material, build_report

    now = SystemClock().now()
    rollout = _finished_rollout(now)
    incident = Incident(
        id="incident_3",
        rollout_id=rollout.id,
        model=model(3),
        restored=model(2),
        trigger={"name": "errors", "kind": "soft", "rule": "<script>alert(1)</script>", "observed": "x"},
        opened_at=now,
    )
    return build_report(Material(incident=incident, rollout=rollout), made_at=now)


def _finished_rollout(now):
    from ecosight.rollouts import Rollout

    return Rollout(
        id="rollout_3",
        strategy="canary",
        policy={},
        champion=model(2),
        candidates={"candidate": model(3)},
        state="rolled_back",
        actor="ann",
        started_at=now,
    )
