"""Bodies that are too large, too slow or too many at once; clients that leave; nothing is left on disk."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from doubles import CountingServable
from sounds import tone_wav
from waiting import wait_until

from ecosight.errors import Overloaded
from serving.limits import Admission, Limits, Memory
from serving.protocol import LimitedProtocol

MIB = 2**20
BOUNDARY = "frontier"


def form(data: bytes, field: str = "file") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="a.wav"\r\n\r\n'
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def head(path: str = "/predict", *more: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Line:
    """A bare connection, for what no client library would send."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.socket = socket.create_connection((place.hostname, place.port), timeout=15)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[int, dict]:
        """The next answer: status and JSON."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        raw, _, body = received.partition(b"\r\n\r\n")
        length = int(raw.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._more()
        return int(raw[9:12]), json.loads(body)

    def ended(self) -> bool:
        """Whether the server closed the connection, waiting for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        assert data, "the server closed the connection without an answer"
        return data

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


@pytest.fixture(scope="module")
def small(module_serve):
    """A server for files up to 200 kB."""
    return module_serve(sound={"max_bytes": 200_000})


@pytest.fixture
def no_new_files(small, tmp_path, monkeypatch):
    """Whatever happens in the test, no file appears in the temporary folder, named or not, nor among the blobs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # the server is a thread of this process
    spooled = []
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda *_, **__: spooled.append(1))
    yield
    assert not spooled
    assert not [*tmp_path.iterdir()]
    assert not [each for each in small.parts.config.blob_folder.rglob("*") if each.is_file()]


@pytest.mark.usefixtures("no_new_files")
class TestSizes:
    def test_a_declared_gigabyte_is_refused_at_once(self, small):
        with Line(small.url) as line:
            line.send(head("/predict", f"Content-Length: {1024 * MIB}"))
            status, told = line.answer()
        assert status == 413
        assert told["error"]["code"] == "media_too_large"
        assert told["error"]["hint"]

    def test_a_client_that_goes_on_sending_still_gets_the_answer(self, small):
        answer = small.http.post("/predict", files={"file": ("a.wav", bytes(80 * MIB))})
        assert answer.status_code == 413

    def test_a_chunked_body_is_counted_while_it_comes_in(self, small):
        def endless():
            yield form(b"")[: -len(f"\r\n--{BOUNDARY}--\r\n")]
            for _ in range(1000):
                yield bytes(65536)

        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        answer = small.http.post("/predict", content=endless(), headers=headers)
        assert answer.status_code == 413

    def test_a_file_within_the_allowance_of_the_form_but_above_its_own_limit_is_413(self, small):
        answer = small.predict(bytes(201_000))
        assert answer.status_code == 413
        assert "200000" in answer.json()["error"]["message"]

    def test_a_json_body_has_a_small_limit(self, small):
        answer = small.http.post("/feedback", json={"prediction_id": "x" * 100_000, "true_label": "y"})
        assert answer.status_code == 413
        chunks = (b" " * 50_000 for _ in range(4))
        answer = small.http.post("/feedback", content=chunks, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413

    def test_the_connection_can_be_used_again_after_a_small_refusal(self, small):
        with Line(small.url) as line:
            for _ in range(3):
                body = form(b"no sound at all")
                line.send(head("/predict", f"Content-Length: {len(body)}") + body)
                assert line.answer()[0] == 415

    @pytest.mark.parametrize("length", ["-5", "abc", "1e3", "5, 6", "99999999999999999999999999"])
    def test_a_content_length_that_is_no_number_is_4xx(self, small, length):
        with Line(small.url) as line:
            line.send(head("/predict", f"Content-Length: {length}"))
            assert 400 <= line.answer()[0] < 500


def part(disposition: str, data: bytes) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data


KEY, END = 'form-data; name="key"', f"\r\n--{BOUNDARY}--\r\n".encode()
WHOLE = form(b"RIFF and so on" * 100)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "breaks off"),
        (b"nonsense", "malformed"),
        (WHOLE[:500], "breaks off"),
        (WHOLE.replace(b"frontier--", b"frontier"), "breaks off"),
        (f"--{BOUNDARY}\r\n\r\nno headers".encode() + END, "no file"),
        (END[2:], "no file"),
        (form(b"x", "fiel"), "no file"),
        (WHOLE.removesuffix(END) + b"\r\n" + WHOLE, "more than 1 files"),
        (part(KEY, b"k" * 9000), "longer than"),
        (part(KEY, b"\xff\xfe") + END, "UTF-8"),
        (part(KEY, b"a\x00b") + END, "control"),
        (part("x" * 9000, b""), "malformed"),
        (f"--{BOUNDARY}\r\n{'a: b' * 3}\r\n".encode() * 50, "malformed"),
        (b"\r\n".join(part(f'form-data; name="f{n}"', b"x") for n in range(40)) + END, "more than 16"),
    ],
)
def test_a_malformed_form_is_422_with_a_sentence(small, body, said):
    answer = small.http.post(
        "/predict", content=body, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    )
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "audio/wav",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        "multipart/form-data; boundary=" + "x" * 300,
        'multipart/form-data; boundary="',
        ";;;=",
        "ä",
    ],
)
def test_a_body_that_is_no_form_is_422_with_a_sentence(small, content_type):
    headers = {"Content-Type": content_type.encode("utf-8")}
    answer = small.http.post("/predict", content=form(tone_wav(300)), headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["hint"] or answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "C:\\windows\\x", "a\x00b", "", "x" * 5000, "\u202e.wav", "a\r\nb"]
)
def test_a_file_name_is_never_more_than_data(serve, name):
    server = serve()
    answer = server.upload(tone_wav(300), "low", name=name or "unnamed")
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        source = server.parts.samples.get(answer.json()["sample_id"]).source
        assert "/" not in source
        assert "\\" not in source
        assert len(source) <= 255


def test_a_body_that_stops_coming_is_408(make_parts, monkeypatch, serve):
    monkeypatch.setattr(Limits, "for_files_of", classmethod(lambda cls, n: quick_limits(n)))
    server = serve()
    with Line(server.url) as line:
        began = time.monotonic()
        line.send(head("/predict", "Content-Length: 5000") + form(b"x" * 10)[:50])
        status, told = line.answer()
        assert (status, told["error"]["code"]) == (408, "too_slow")
        assert time.monotonic() - began < 3
        assert line.ended()


def test_a_body_that_trickles_is_408(serve, monkeypatch):
    monkeypatch.setattr(Limits, "for_files_of", classmethod(lambda cls, n: quick_limits(n)))
    server = serve()
    with Line(server.url) as line:
        line.send(head("/predict", "Content-Length: 5000") + form(b"")[: -len(BOUNDARY) - 8])
        stop = threading.Event()

        def trickle():
            while not stop.wait(0.05):
                try:
                    line.send(b"-")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        assert line.answer()[0] == 408
        stop.set()
        thread.join()


def quick_limits(file_bytes: int) -> Limits:
    return Limits(
        file_bytes=file_bytes, batch_bytes=file_bytes, total_bytes=4 * file_bytes, idle_s=0.5, grace_s=1.0, linger_s=1.0
    )


def test_a_head_that_never_ends_is_cut_off(small, monkeypatch):
    monkeypatch.setattr(LimitedProtocol, "head_s", 0.5)
    with Line(small.url) as silent, Line(small.url) as slow:
        slow.send(b"POST /predict HTTP/1.1\r\nX-A: ")
        assert silent.ended()
        assert slow.ended()


def test_a_head_that_is_too_large_is_431(small):
    for piece in (b"X-A: b\r\n", b"b" * 1000):
        with Line(small.url) as line:
            line.send(b"GET /status HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
            try:
                for _ in range(200_000 // len(piece)):
                    line.send(piece)
            except ConnectionError:
                pass
            else:
                assert line.answer()[0] == 431


@pytest.mark.parametrize(
    "line",
    [
        b"GET /\xff HTTP/1.1",
        b"GET http://[::1 HTTP/1.1",
        b"GET //evil/..%2f HTTP/1.1",
        b"GET /jobs/%ff%fe HTTP/1.1",
        b"GET http://example.org:99999/status HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET ?x HTTP/1.1",
        b"CONNECT localhost:80 HTTP/1.1",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: gzip, chunked",
        b"GET /status HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade",
        b"PRI * HTTP/2.0",
        b"GET /training-history?limit=%00&%ff=%zz HTTP/1.1",
    ],
)
def test_a_strange_request_line_is_never_a_fault_of_the_server(small, line):
    with Line(small.url) as connection:
        connection.send(line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n0\r\n\r\n")
        received = connection.socket.recv(65536)
    assert received.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), received[:200]


def test_what_is_no_http_is_400_in_the_same_shape(small):
    with Line(small.url) as line:
        line.send(b"\x16\x03\x01 this is TLS or worse\r\n\r\n")
        status, told = line.answer()
    assert (status, told["success"]) == (400, False)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/nowhere", 404), ("PUT", "/", 405)]
)
def test_the_frameworks_own_refusals_have_the_same_shape(small, method, path, status):
    answer = small.http.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "hint", "context"}
    if status == 405:
        assert answer.headers["allow"]


class CountingModality:
    """Serves a counting servable whatever the folder holds."""

    name = "sound"
    extensions = frozenset({".txt"})
    max_bytes = 2**26

    def __init__(self, servable):
        self._servable = servable

    def load_servable(self, folder, *, engine, threads):
        return self._servable


def test_beyond_the_queue_limit_the_answer_is_429_and_says_when_to_return(serve):
    servable = CountingServable()
    server = serve(serving={"queue_limit": 4}, modality=CountingModality(servable))
    servable.gate.clear()
    with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=server.url, timeout=20, trust_env=False) as http:
        held = [pool.submit(http.post, "/predict", files={"file": str(n).encode()}) for n in range(4)]
        wait_until(lambda: metric(server, "in_flight_files") == 4)
        with Line(server.url) as line:  # refused from its head alone: the body was not sent
            line.send(head("/predict", "Content-Length: 100000"))
            status, told = line.answer()
        assert (status, told["error"]["code"]) == (429, "overloaded")
        refused = server.predict(b"5")
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        servable.gate.set()
        assert [each.result().status_code for each in held] == [200] * 4
    assert server.predict(b"6").status_code == 200
    assert metric(server, "rejected_429") == 2
    assert metric(server, "in_flight_files") == 0


def metric(server, name):
    return server.http.get("/metrics").json()["serving"][name]


def test_clients_that_leave_do_not_disturb_those_who_stay(serve):
    servable = CountingServable()
    server = serve(modality=CountingModality(servable))
    servable.gate.clear()
    body = form(b"7")
    whole = head("/predict", f"Content-Length: {len(body)}") + body
    leaving = []
    for cut in (len(whole), len(whole), len(whole) - 20, 60):
        line = Line(server.url)
        line.send(whole[:cut])
        leaving.append(line)
    with ThreadPoolExecutor(3) as pool:
        staying = [pool.submit(server.predict, str(n).encode()) for n in range(3)]
        wait_until(lambda: metric(server, "in_flight_files") >= 5)
        for line in leaving:
            line.socket.close()
        servable.gate.set()
        answers = [each.result() for each in staying]
    assert [answer.json()["all_probabilities"]["digit"] for answer in answers] == pytest.approx([0.0, 0.1, 0.2])
    wait_until(lambda: metric(server, "in_flight_files") == 0)
    assert metric(server, "held_bytes") == 0
    statuses = {each["status"] for each in server.http.get("/metrics").json()["serving"]["requests"]}
    assert 500 not in statuses


def test_all_bodies_together_are_bounded():
    memory = Memory(100)
    memory.take(60)
    with pytest.raises(Overloaded):
        memory.take(50)
    memory.give_back(60)
    memory.take(100)


def test_a_request_that_is_alone_may_take_more_places_than_there_are():
    admission = Admission(4, lambda: 0.5)
    admission.enter()
    admission.widen(9)
    assert admission.taken == 10
    with pytest.raises(Overloaded) as caught:
        admission.enter()
    assert caught.value.context["retry_after_s"] == 5
    admission.leave(10)
    admission.enter()
    admission.enter()
    with pytest.raises(Overloaded):
        admission.widen(4)
    assert admission.taken == 2
