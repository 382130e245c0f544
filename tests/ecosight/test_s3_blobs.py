"""Blobs on S3: the port's promises over HTTP, and a sentence for each way in which S3 can be away."""

from __future__ import annotations

import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest

from ecosight.blobs import LocalBlobs, S3Blobs, open_blobs
from ecosight.config import Config
from ecosight.errors import ConfigError, IntegrityError, Unavailable
from ecosight.testing import BlobStoreConformance

BUCKET = "ecosight-tests"


@pytest.fixture
def prefix() -> str:
    return secrets.token_hex(6)


@pytest.fixture
def client(s3_endpoint: str) -> Any:
    return boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1")


class TestS3Blobs(BlobStoreConformance):
    @pytest.fixture
    def store(self, s3_endpoint: str, prefix: str) -> S3Blobs:
        return S3Blobs(BUCKET, prefix, s3_endpoint, "us-east-1")


def test_blobs_live_below_the_prefix(s3_endpoint: str, prefix: str, client: Any) -> None:
    digest = S3Blobs(BUCKET, f"/{prefix}/", s3_endpoint, None).put(b"a sound")
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")["Contents"]
    assert [item["Key"] for item in listed] == [f"{prefix}/blobs/{digest[:2]}/{digest}"]


def test_stores_of_different_prefixes_do_not_see_each_other(s3_endpoint: str, prefix: str) -> None:
    one = S3Blobs(BUCKET, prefix, s3_endpoint, None)
    two = S3Blobs(BUCKET, prefix + "2", s3_endpoint, None)
    digest = one.put(b"a sound")
    assert not two.has(digest)
    assert list(two.digests()) == []


def test_what_is_there_is_not_written_again(s3_endpoint: str, prefix: str, client: Any) -> None:
    store = S3Blobs(BUCKET, prefix, s3_endpoint, None)
    digest = store.put(b"a sound")
    key = f"{prefix}/blobs/{digest[:2]}/{digest}"
    client.put_object(Bucket=BUCKET, Key=key, Body=b"damaged")
    store.put(b"a sound")
    with pytest.raises(IntegrityError, match=f"{digest} in the bucket '{BUCKET}' are damaged") as caught:
        store.get(digest)
    assert str(caught.value.hint).startswith(f"Replace the object {key} there")


def test_more_digests_than_one_page_holds_are_listed(s3_endpoint: str, prefix: str) -> None:
    store = S3Blobs(BUCKET, prefix, s3_endpoint, None)
    put = {store.put(str(number).encode()) for number in range(30)}
    store._client.meta.events.register("before-parameter-build.s3.ListObjectsV2", _ten_a_page)
    assert set(store.digests()) == put


def _ten_a_page(params: dict[str, Any], **_: Any) -> None:
    params["MaxKeys"] = 10


class WithoutConditions(BaseHTTPRequestHandler):
    """An endpoint that knows no conditional writes, or whose conditional write met another's."""

    protocol_version = "HTTP/1.1"  # else the client waits a second for its "100 Continue"
    status, code = 501, "NotImplemented"
    stored: ClassVar[list[str]] = []

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if "If-None-Match" in self.headers:
            self._answer(self.status, f"<Error><Code>{self.code}</Code></Error>".encode())
        else:
            self.stored.append(self.path)
            self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (409, "ConditionalRequestConflict")])
def test_where_a_conditional_write_cannot_be_had_a_plain_one_is_made(
    s3_endpoint: str, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    handler = type("Handler", (WithoutConditions,), {"status": status, "code": code, "stored": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = S3Blobs(BUCKET, "", f"http://127.0.0.1:{server.server_port}", None).put(b"a sound")
    assert handler.stored == [f"/{BUCKET}/blobs/{digest[:2]}/{digest}"]
    server.shutdown()
    server.server_close()


def test_a_bucket_that_is_not_there_is_unavailable(s3_endpoint: str) -> None:
    store = S3Blobs("no-such-bucket", "", s3_endpoint, None)
    for call in (lambda: store.put(b"x"), lambda: list(store.digests())):
        with pytest.raises(Unavailable, match="no-such-bucket") as caught:
            call()
        assert caught.value.hint == (
            "Check the bucket, the endpoint and the AWS_* variables (in a remote's address, else storage.s3_*)."
        )


def test_an_endpoint_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = S3Blobs(BUCKET, "", "http://127.0.0.1:1", None)
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        store.put(b"x")
    assert "Run the same command again: what has arrived stays" in str(caught.value.hint)


@pytest.mark.parametrize("cut", ["silent", "half", "busy"])
def test_a_transfer_that_was_cut_off_says_that_it_goes_on(cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    class CutOff(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if cut != "silent":
                self.send_response(200 if cut == "half" else 503)
                self.send_header("Content-Length", "100" if cut == "half" else "0")
                self.end_headers()
                self.wfile.write(b"half" if cut == "half" else b"")

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), CutOff)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(Unavailable) as caught:
        S3Blobs(BUCKET, "", f"http://127.0.0.1:{server.server_port}", None).get("0" * 64)
    assert str(caught.value.hint).endswith("and it goes on from there.")
    server.shutdown()
    server.server_close()


def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch, s3_endpoint: str, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Unavailable, match="credentials"):
        S3Blobs(BUCKET, "", s3_endpoint, None).put(b"x")


def test_the_configuration_chooses_the_store(s3_endpoint: str, tmp_path: Path) -> None:
    local = open_blobs(Config(storage={"path": tmp_path / "here"}))  # type: ignore[arg-type]
    assert isinstance(local, LocalBlobs)
    assert (tmp_path / "here").is_dir()
    storage = {"backend": "s3", "s3_bucket": BUCKET, "s3_prefix": "chosen", "s3_endpoint_url": s3_endpoint}
    remote = open_blobs(Config(storage=storage))  # type: ignore[arg-type]
    assert isinstance(remote, S3Blobs)
    assert remote.get(remote.put(b"a sound")) == b"a sound"


def test_s3_without_a_bucket_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="s3_bucket"):
        open_blobs(Config(storage={"backend": "s3"}))  # type: ignore[arg-type]
