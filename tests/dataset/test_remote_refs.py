"""Refs of a remote: the port's promises in a folder and in a bucket, also between processes."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from dataset.moving.file_refs import FileRefs
from dataset.moving.s3_refs import S3Refs
from ecosight.errors import IntegrityError, Unavailable
from ecosight.testing import RefStoreConformance

BUCKET = "ecosight-tests"


class TestFileRefs(RefStoreConformance):
    @pytest.fixture
    def refs(self, tmp_path: Path) -> FileRefs:
        return FileRefs(tmp_path / "refs")


class TestS3Refs(RefStoreConformance):
    @pytest.fixture
    def refs(self, s3_endpoint: str) -> S3Refs:
        return S3Refs(BUCKET, secrets.token_hex(6), s3_endpoint, None)


def count_up(folder: str, times: str) -> None:
    refs = FileRefs(Path(folder))
    for _ in range(int(times)):
        while True:
            now = refs.get("count")
            if refs.compare_and_set("count", now, str(int(now or 0) + 1)):
                break


def test_processes_that_move_one_ref_lose_no_move(tmp_path: Path) -> None:
    code = "import runpy,sys; runpy.run_path(sys.argv[1])['count_up'](*sys.argv[2:])"
    children = [
        subprocess.Popen([sys.executable, "-c", code, __file__, str(tmp_path / "refs"), "30"]) for _ in range(3)
    ]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    assert FileRefs(tmp_path / "refs").get("count") == "90"


def test_a_damaged_ref_in_a_folder_says_so(tmp_path: Path) -> None:
    refs = FileRefs(tmp_path)
    assert refs.compare_and_set("dataset/main/head", None, "x")
    next(tmp_path.glob("=*")).write_bytes(b"\xff\xfe")
    with pytest.raises(IntegrityError, match="the ref 'dataset/main/head' of the remote is damaged"):
        refs.get("dataset/main/head")


def test_a_damaged_ref_in_a_bucket_says_so(s3_endpoint: str) -> None:
    refs = S3Refs(BUCKET, prefix := secrets.token_hex(6), s3_endpoint, None)
    client = boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/refs/head", Body=b"\xff\xfe")
    with pytest.raises(IntegrityError, match="the ref 'head' of the remote is damaged"):
        refs.get("head")


def test_a_bucket_that_is_away_says_so(s3_endpoint: str) -> None:
    with pytest.raises(Unavailable, match="no-such-bucket"):
        S3Refs("no-such-bucket", "", s3_endpoint, None).names()
