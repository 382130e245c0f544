"""Redis by configuration alone: passwords and TLS, what is said when it is wrong, and nothing at all without it."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_kit import RedisServer, start_redis

from ecosight.clock import SystemClock
from ecosight.config import Config
from ecosight.errors import ConfigError, Unavailable
from ecosight.health import check_redis, kernel_checks
from ecosight.state.shared.line import Line
from ecosight.testing.routings import a_routing
from pipeline.wiring import open_workbench

PASSWORD = "gehe/m@im:1"
QUOTED = "gehe%2Fm%40im%3A1"


@pytest.fixture
def locked_redis(redis_server: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    """One that asks for a password."""
    (tmp_path / "locked").mkdir()
    server = start_redis(tmp_path / "locked", "--requirepass", PASSWORD, secret=f":{QUOTED}@")
    yield server
    server.stop()


def config(tmp_path: Path, url: str | None) -> Config:
    return Config(project={"root": tmp_path / "root"}, redis={"url": url})  # type: ignore[arg-type]


def test_two_machines_meet_by_configuration_alone(locked_redis: RedisServer, tmp_path: Path) -> None:
    with open_workbench(config(tmp_path, locked_redis.url)) as one, open_workbench(one.config) as two:
        assert one.routings.move(a_routing(1))
        assert two.routings.epoch() == 1
        assert len(locked_redis.keys("routing")) == 1
        one.servers.report(a_report_now())
        assert [each.server_id for each in two.servers.live(two.clock.now())] == ["one"]
    assert locked_redis.keys("servers") != []


def test_a_wrong_password_is_told_without_being_shown(
    locked_redis: RedisServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = locked_redis.url.replace(QUOTED, "falsch")
    (check,) = [each for each in kernel_checks(config(tmp_path, wrong), None, None) if each.name == "redis"]
    assert not check.ok
    assert check.hint
    with open_workbench(config(tmp_path, wrong)) as bench:
        assert bench.routings.move(a_routing(1))  # the database stands in
        assert bench.routings.epoch() == 1
    with pytest.raises(Unavailable) as caught:
        check_redis(wrong)
    told = " ".join([check.detail, check.hint, *capfd.readouterr(), *traceback.format_exception(caught.value)])
    assert "127.0.0.1" in told
    assert "falsch" not in told


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://localhost", "redis://:pa/ss@localhost:6379", "redis://localhost?no_option=1"]
)
def test_what_is_no_url_of_redis_is_told_without_being_shown(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"redis\.url") as caught:
        Line(url, SystemClock())
    assert caught.value.hint
    assert "pa" not in str(caught.value).split("redis.url")[1]
    assert caught.value.__cause__ is None


def test_redis_over_tls_is_believed_only_with_a_certificate_that_holds(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    certificate, key = write_certificate(tmp_path)
    options = ["--tls-port", str(redis_server.port), "--port", "0", "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)]
    redis_server.stop()
    process = subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--save", "", *options], cwd=tmp_path)
    url = f"rediss://127.0.0.1:{redis_server.port}/0"
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                assert "answers" in check_redis(f"{url}?ssl_ca_certs={certificate}")
                break
            except Unavailable:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        with pytest.raises(Unavailable, match="certificate"):
            check_redis(url)
    finally:
        process.kill()
        process.wait()


def test_a_redis_that_cannot_be_written_is_no_help(redis_server: RedisServer) -> None:
    assert "answers" in check_redis(redis_server.url)
    with redis_server.client() as client:
        client.replicaof("127.0.0.1", 1)
        with pytest.raises(Unavailable, match=r"(?i)read only|readonly|master"):
            check_redis(redis_server.url)


def test_another_server_on_the_port_of_redis_is_told(tmp_path: Path) -> None:
    page = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"], stdout=subprocess.PIPE, cwd=tmp_path
    )
    assert page.stdout is not None
    port = page.stdout.readline().split(b"port ")[1].split()[0].decode()
    with pytest.raises(Unavailable, match="cannot be used"):
        check_redis(f"redis://127.0.0.1:{port}")
    page.kill()
    page.wait()
    page.stdout.close()


def test_a_redis_that_is_gone_is_asked_seldom_and_found_again(redis_server: RedisServer) -> None:
    line = Line(redis_server.url, SystemClock())
    line.run(lambda client: client.ping())
    redis_server.stop()
    tries, until = 0, time.monotonic() + 3
    while time.monotonic() < until:
        tries += tried(line)
        time.sleep(0.01)
    assert 3 <= tries <= 8
    redis_server.start()
    until = time.monotonic() + 4
    while time.monotonic() < until:
        try:
            line.run(lambda client: client.ping())
            break
        except Unavailable:
            time.sleep(0.02)
    else:
        pytest.fail("it was not found again")
    line.close()


def test_a_restart_between_two_questions_is_not_noticed(redis_server: RedisServer) -> None:
    line = Line(redis_server.url, SystemClock())
    answers = []
    for _ in range(5):
        answers.append(line.run(lambda client: client.ping()))
        redis_server.stop()
        redis_server.start()
    answers.append(line.run(lambda client: client.ping()))
    line.close()
    assert answers == [True] * 6


def test_without_a_url_redis_is_not_even_imported(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from ecosight.config import Config
from pipeline.wiring import open_workbench
with open_workbench(Config(project={"root": Path(sys.argv[1])})) as bench:
    print(type(bench.routings).__name__, type(bench.servers).__name__, bench.routings.epoch())
    print("redis" in sys.modules, any(name.startswith("ecosight.state.shared") for name in sys.modules))
"""
    told = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["RoutingStore", "Servers", "0", "False", "False"]


def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["redis"] = None
from pathlib import Path
from ecosight.config import Config
from ecosight.errors import Unavailable
from pipeline.doctor import examine
from pipeline.wiring import open_workbench
config = Config(project={"root": Path(sys.argv[1])}, redis={"url": "redis://localhost"})
print([check.hint for check in examine(config) if check.name == "redis"])
try:
    with open_workbench(config) as bench:
        bench.routings
except Unavailable as error:
    print(error.message, error.hint)
"""
    told = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert told.stdout.count("pip install 'ecosight[redis]'") == 2


def tried(line: Line) -> bool:
    """Whether it was really asked, and not only remembered to be away."""
    asked = []
    with contextlib.suppress(Unavailable):
        line.run(lambda client: (asked.append(1), client.ping()))
    return bool(asked)


def a_report_now():  # type: ignore[no-untyped-def]
    from ecosight.testing.servers import a_report

    return a_report("one", seen_at=dt.datetime.now(dt.UTC))


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """One for 127.0.0.1 that vouches for itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files
