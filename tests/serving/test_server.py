"""A server as a process: how it starts, what it holds, how it ends."""

from __future__ import annotations

import errno
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from sounds import tone_wav

from ecosight.errors import ConfigError
from serving import run_server, serve_in_thread

SCRIPT = Path(__file__).parent / "served_process.py"


class Process:
    def __init__(self, model: Path, root: Path, port: int = 0) -> None:
        command = [sys.executable, str(SCRIPT), str(model), str(root), str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def next(self, name: str) -> object:
        """The value of the next line that says ``name``."""
        for line in self.process.stdout:
            if name in (told := json.loads(line)):
                return told[name]
        raise AssertionError(f"the process ended without saying {name!r}: {self.process.stderr.read()[-3000:]}")

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def test_a_server_starts_without_tensorflow_says_where_it_listens_and_ends_in_order(model_folders, tmp_path):
    with Process(model_folders["1"], tmp_path / "root") as server:
        assert server.next("task") == "started"
        url = re.search(r"http://\S+", server.next("announced")).group()
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
            for _ in range(3):
                assert http.post("/predict", files={"file": tone_wav(300)}).status_code == 200
            assert server.next("heavy") == []
            server.process.send_signal(signal.SIGTERM)
            assert server.next("task") == "stopped"
            assert server.next("ended") == "in order"
        assert server.process.wait(20) == 0


def test_requests_that_are_being_answered_are_finished_when_the_server_is_stopped(model_folders, tmp_path):
    with Process(model_folders["1"], tmp_path / "root") as server:
        url = re.search(r"http://\S+", server.next("announced")).group()
        long_clip = tone_wav(300, seconds=250)
        answers = []

        def ask():
            answers.append(httpx.post(f"{url}/predict", files={"file": long_clip}, timeout=30, trust_env=False))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        in_flight = 0
        while in_flight < 4 and len(answers) < 4:
            metrics = httpx.get(f"{url}/metrics", trust_env=False).json()["serving"]
            in_flight = metrics["in_flight_files"] + len(answers)
        server.process.send_signal(signal.SIGINT)
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * 4
        assert server.process.wait(20) == 0


def test_a_killed_server_has_lost_no_answered_prediction(model_folders, tmp_path, registry, make_parts):
    root = tmp_path / "root"  # the same that make_parts uses
    with Process(model_folders["1"], root) as server:
        url = re.search(r"http://\S+", server.next("announced")).group()
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
            told = [http.post("/predict", files={"file": tone_wav(300, seed=n)}).json() for n in range(20)]
            server.process.kill()
            server.process.wait()
    parts = make_parts()
    assert all(parts.predictions.get(each["prediction_id"]) is not None for each in told)
    assert parts.predictions.counts()["predictions"] == 20


def test_a_port_that_is_taken_is_a_config_error_that_says_so(make_parts):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be bound") as caught:
            run_server(make_parts(serving={"port": port}), environ={})
    assert "port" in caught.value.hint


def test_a_host_that_is_no_address_is_a_config_error(make_parts):
    parts = make_parts(serving={"host": "no.such.host.invalid"}, security={"require_keys": False})
    with pytest.raises(ConfigError, match="cannot be bound"):
        run_server(parts, environ={})


def test_a_task_that_fails_to_stop_keeps_nothing_else_from_stopping(make_parts):
    stopped = []

    class Task:
        def __init__(self, name):
            self.name = name

        def start(self):
            stopped.append(f"{self.name} started")

        def stop(self):
            stopped.append(f"{self.name} stopped")
            raise RuntimeError("no")

    with serve_in_thread(make_parts(background=(Task("a"), Task("b"))), environ={}) as url:
        assert httpx.get(f"{url}/health/live", trust_env=False).status_code == 200
    assert stopped == ["a started", "b started", "b stopped", "a stopped"]


def test_nobody_is_let_in_before_the_server_can_answer(make_parts):
    """A load balancer goes on to the next server when it is refused; with one that only listens it would wait."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tried = []

    class Slow:
        def start(self):
            with socket.socket() as client:
                tried.append(client.connect_ex(("127.0.0.1", port)))

        def stop(self):
            pass

    with serve_in_thread(make_parts(background=(Slow(),), serving={"port": port}), environ={}) as url:
        assert url.endswith(f":{port}")
        assert httpx.get(f"{url}/health/live", trust_env=False).status_code == 200
    assert tried == [errno.ECONNREFUSED]


def test_a_server_that_another_was_quicker_than_says_so_and_stops_what_it_started(make_parts):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = []

    class Quicker:
        def start(self):
            self.other = socket.create_server(("127.0.0.1", port))
            done.append("listens")

        def stop(self):
            self.other.close()
            done.append("stopped")

    with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be bound"):
        run_server(make_parts(background=(Quicker(),), serving={"port": port}), environ={})
    assert done == ["listens", "stopped"]


def test_the_face_names_what_there_is():
    import serving

    assert sorted(serving.__all__) == serving.__all__
    assert all(getattr(serving, name) is not None for name in serving.__all__)
    with pytest.raises(AttributeError):
        _ = serving.nothing_of_the_kind


def test_importing_the_package_imports_no_web_framework():
    look = "import sys, serving; print([m for m in ('fastapi', 'uvicorn', 'numpy', 'sqlalchemy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
