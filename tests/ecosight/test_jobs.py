"""The queue: leases, attempts, fencing, exclusive kinds; with clocks that jump and processes that race."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ecosight.errors import AlreadyRunning, Cancelled, InvalidInput, NotFound, Refused
from ecosight.state import Database, JobQueue, Lease
from ecosight.state.jobs import WORKERS_LOST
from ecosight.testing import ManualClock

KINDS = ["retrain", "ingest"]

RACER = """
import sys
from ecosight.errors import AlreadyRunning
from ecosight.state import JobQueue, open_database
queue = JobQueue(open_database(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    print("won", queue.enqueue("retrain", {}, exclusive=True).id)
except AlreadyRunning as error:
    print("lost", error.context["running_id"])
"""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(database: Database, clock: ManualClock) -> JobQueue:
    return JobQueue(database, clock=clock, lease_seconds=30, max_attempts=3)


def claim(queue: JobQueue, worker: str = "worker") -> Lease:
    lease = queue.claim(worker, KINDS)
    assert lease is not None
    return lease


def test_a_job_goes_from_queued_to_succeeded(queue: JobQueue, clock: ManualClock) -> None:
    job = queue.enqueue("retrain", {"epochs": 3})
    assert (job.status, job.attempt, job.payload) == ("queued", 0, {"epochs": 3})
    lease = claim(queue)
    assert (lease.job.id, lease.job.status, lease.job.attempt) == (job.id, "running", 1)
    clock.advance(5)
    lease.heartbeat({"task": "fit", "done": 1})
    assert queue.get(job.id).progress == {"task": "fit", "done": 1}
    lease.succeed({"version": "4"})
    done = queue.get(job.id)
    assert (done.status, done.result, done.error, done.finished) == ("succeeded", {"version": "4"}, None, True)
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.finished_at - done.started_at == timedelta(seconds=5)


def test_the_oldest_job_of_the_wanted_kinds_comes_first(queue: JobQueue, clock: ManualClock) -> None:
    queue.enqueue("other", {})
    clock.advance(1)
    first = queue.enqueue("ingest", {})
    clock.advance(1)
    second = queue.enqueue("retrain", {})
    assert [claim(queue).job.id, claim(queue).job.id] == [first.id, second.id]
    assert queue.claim("worker", KINDS) is None
    assert queue.pending()
    assert not queue.pending(KINDS)


def test_a_claimed_job_is_nobody_elses(queue: JobQueue) -> None:
    queue.enqueue("retrain", {})
    claim(queue)
    assert queue.claim("another", KINDS) is None


def test_a_job_whose_worker_died_is_taken_up_again(queue: JobQueue, clock: ManualClock) -> None:
    job = queue.enqueue("retrain", {})
    dead = claim(queue, "dead")
    clock.advance(31)
    assert queue.pending()
    lease = claim(queue, "next")
    assert (lease.job.id, lease.job.attempt, lease.job.worker) == (job.id, 1, "next")
    assert lease.job.started_at == dead.job.started_at


def test_heartbeats_keep_the_lease(queue: JobQueue, clock: ManualClock) -> None:
    queue.enqueue("retrain", {})
    lease = claim(queue)
    for _ in range(10):
        clock.advance(20)
        lease.heartbeat()
        assert queue.claim("another", KINDS) is None


def test_the_old_holder_of_a_job_taken_over_can_write_nothing(queue: JobQueue, clock: ManualClock) -> None:
    job = queue.enqueue("retrain", {})
    # The very same worker name: its thread was stuck, and its process went on.
    old = claim(queue, "worker")
    clock.advance(31)
    new = claim(queue, "worker")
    for write in (old.heartbeat, old.release, lambda: old.succeed({}), lambda: old.fail(KeyError(), retry=True)):
        with pytest.raises(Cancelled, match="taken over"):
            write()
    new.succeed({"by": "new"})
    with pytest.raises(Cancelled):
        old.succeed({"by": "old"})
    assert queue.get(job.id).result == {"by": "new"}


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_clock_that_jumps_never_lets_two_leases_finish(queue: JobQueue, clock: ManualClock, jump_s: float) -> None:
    job = queue.enqueue("retrain", {})
    first = claim(queue, "first")
    clock.jump(jump_s)
    second = queue.claim("second", KINDS)
    holders = [first] if second is None else [first, second]
    finished = 0
    for lease in holders:
        try:
            lease.succeed({"by": lease.job.worker})
            finished += 1
        except Cancelled:
            continue
    assert finished == 1
    assert queue.get(job.id).result == {"by": holders[-1].job.worker}


def test_a_job_that_outlives_fifty_workers_is_handed_out_only_to_be_failed(queue: JobQueue, clock: ManualClock) -> None:
    job = queue.enqueue("retrain", {}, exclusive=True)
    clock.advance(1)
    queue.enqueue("ingest", {})
    assert claim(queue).job.id == job.id
    for _ in range(WORKERS_LOST - 1):
        clock.advance(31)
        lease = queue.claim("dying", ["retrain"])
        assert lease is not None
        assert (lease.job.attempt, lease.given_up) == (1, None)
    for _ in range(3):  # who is to fail it may die as well
        clock.advance(31)
        last = claim(queue, "next")
        assert last.job.id == job.id
        assert last.given_up is not None
    last.fail(last.given_up, retry=False)
    failed = queue.get(job.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "unavailable"
    queue.enqueue("retrain", {}, exclusive=True)  # the way is free again
    assert [claim(queue).given_up, claim(queue).given_up] == [None, None]


def test_a_failure_is_tried_again_after_a_growing_pause(queue: JobQueue, clock: ManualClock) -> None:
    job = queue.enqueue("retrain", {})
    for pause in (1.0, 2.0):
        claim(queue).fail(ConnectionError("no answer"), retry=True)
        assert queue.get(job.id).status == "queued"
        assert queue.next_retry_s(KINDS) == pause
        assert queue.claim("worker", KINDS) is None
        clock.advance(pause)
    claim(queue).fail(ConnectionError("no answer"), retry=True)
    failed = queue.get(job.id)
    assert (failed.status, failed.attempt) == ("failed", 3)
    assert failed.error is not None
    assert failed.error["message"] == "ConnectionError: no answer"
    assert queue.next_retry_s(KINDS) is None


def test_a_final_failure_is_not_tried_again(queue: JobQueue) -> None:
    job = queue.enqueue("retrain", {})
    claim(queue).fail(Refused("the gate said no", hint="Look.", at={1, 2}), retry=False)
    failed = queue.get(job.id)
    assert failed.status == "failed"
    assert failed.error == {
        "code": "refused",
        "message": "the gate said no",
        "hint": "Look.",
        "context": {"at": "{1, 2}"},
    }


def test_a_released_job_has_lost_no_attempt(queue: JobQueue) -> None:
    job = queue.enqueue("retrain", {})
    for _ in range(WORKERS_LOST + 5):
        lease = claim(queue)
        assert (lease.job.attempt, lease.given_up) == (1, None)
        lease.release()
        assert queue.get(job.id).status == "queued"
        with pytest.raises(Cancelled):
            lease.heartbeat()


def test_a_cancelled_job_is_not_begun(queue: JobQueue) -> None:
    job = queue.enqueue("retrain", {})
    assert queue.cancel(job.id).status == "cancelled"
    assert queue.claim("worker", KINDS) is None


def test_cancelling_a_running_job_ends_its_lease(queue: JobQueue) -> None:
    job = queue.enqueue("retrain", {})
    lease = claim(queue)
    queue.cancel(job.id)
    with pytest.raises(Cancelled, match="was cancelled"):
        lease.heartbeat()
    with pytest.raises(Cancelled, match="was cancelled"):
        lease.succeed({})
    assert queue.get(job.id).result is None


def test_cancelling_a_finished_job_changes_nothing(queue: JobQueue) -> None:
    job = queue.enqueue("retrain", {})
    claim(queue).succeed({"ok": True})
    assert queue.cancel(job.id).status == "succeeded"


def test_an_unknown_job_is_not_found(queue: JobQueue) -> None:
    with pytest.raises(NotFound):
        queue.get("job_unknown")
    with pytest.raises(NotFound):
        queue.cancel("job_unknown")


def test_a_worker_without_kinds_is_a_mistake(queue: JobQueue) -> None:
    with pytest.raises(InvalidInput):
        queue.claim("worker", [])


def test_an_exclusive_kind_has_one_unfinished_job(queue: JobQueue) -> None:
    job = queue.enqueue("retrain", {}, exclusive=True)
    queue.enqueue("ingest", {}, exclusive=True)  # another kind
    for _ in ("queued", "running"):
        with pytest.raises(AlreadyRunning) as caught:
            queue.enqueue("retrain", {}, exclusive=True)
        assert caught.value.context == {"running_id": job.id}
        queue.claim("worker", ["retrain"])
    queue.cancel(job.id)
    assert queue.enqueue("retrain", {}, exclusive=True).id != job.id


def test_a_key_names_one_job_for_good(queue: JobQueue) -> None:
    job = queue.enqueue("retrain", {"a": 1}, key="schedule 12:00", exclusive=True)
    assert queue.enqueue("retrain", {"a": 2}, key="schedule 12:00", exclusive=True) == job
    queue.cancel(job.id)
    assert queue.enqueue("retrain", {}, key="schedule 12:00").id == job.id
    assert queue.enqueue("ingest", {}, key="schedule 12:00").id != job.id


def test_jobs_are_listed_newest_first(queue: JobQueue, clock: ManualClock) -> None:
    made = []
    for kind in ("retrain", "ingest", "retrain"):
        made.append(queue.enqueue(kind, {}).id)
        clock.advance(1)
    queue.cancel(made[0])
    assert [job.id for job in queue.jobs()] == made[::-1]
    assert [job.id for job in queue.jobs(limit=1)] == [made[2]]
    assert [job.id for job in queue.jobs(kind="retrain")] == [made[2], made[0]]
    assert [job.id for job in queue.jobs(status="cancelled")] == [made[0]]
    assert queue.jobs(kind="retrain", status="running") == []


def test_of_processes_that_start_an_exclusive_job_at_once_one_wins(database: Database, database_url: str) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=30)[0].split() for racer in racers]
    [job] = JobQueue(database).jobs()
    assert sorted(word for word, _ in answers) == ["lost", "lost", "won"]
    assert {job_id for _, job_id in answers} == {job.id}


def test_many_workers_do_each_job_once(database: Database) -> None:
    queue = JobQueue(database)
    wanted = {queue.enqueue("ingest", {"number": number}).id for number in range(60)}

    def work(worker: str) -> list[str]:
        done = []
        while (lease := queue.claim(worker, KINDS)) is not None or queue.pending(KINDS):
            if lease is not None:
                lease.succeed({})
                done.append(lease.job.id)
        return done

    with ThreadPoolExecutor(6) as pool:
        done = [job_id for each in pool.map(work, map(str, range(6))) for job_id in each]
    assert sorted(done) == sorted(wanted)
