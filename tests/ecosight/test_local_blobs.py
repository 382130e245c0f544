"""Blobs in a local folder: the port's promises, full disks, damaged files and killed writers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecosight.blobs import LocalBlobs
from ecosight.errors import IntegrityError, Unavailable
from ecosight.ids import content_digest
from ecosight.testing import BlobStoreConformance

WRITER = """
import os, sys
from pathlib import Path
from ecosight.blobs import LocalBlobs
blobs = LocalBlobs(Path(sys.argv[1]))
while True:
    print(blobs.put(os.urandom(300_000)), flush=True)
"""

FILLER = """
import resource, sys
from pathlib import Path
from ecosight.blobs import LocalBlobs
from ecosight.errors import Unavailable
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
blobs = LocalBlobs(Path(sys.argv[1]))
blobs.put(b"small")
try:
    blobs.put(b"x" * 5000)
except Unavailable as error:
    print(error.message)
"""


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class TestLocalBlobs(BlobStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalBlobs:
        return LocalBlobs(tmp_path / "blobs")


def test_blobs_fan_out_over_folders_of_two_characters(store: LocalBlobs, tmp_path: Path) -> None:
    digest = store.put(b"a sound")
    assert files(tmp_path) == [tmp_path / "blobs" / digest[:2] / digest]


def test_what_lies_about_in_the_folder_is_no_blob(store: LocalBlobs, tmp_path: Path) -> None:
    digest = store.put(b"a sound")
    (tmp_path / "blobs" / "README").touch()
    (tmp_path / "blobs" / "ab").mkdir(exist_ok=True)
    (tmp_path / "blobs" / "ab" / ".DS_Store").touch()
    (tmp_path / "blobs" / "ab" / ("f" * 64)).touch()  # in the wrong folder
    assert list(store.digests()) == [digest]


def test_a_damaged_blob_is_never_handed_out(store: LocalBlobs, tmp_path: Path) -> None:
    digest = store.put(b"a sound")
    (tmp_path / "blobs" / digest[:2] / digest).write_bytes(b"a s0und")
    with pytest.raises(IntegrityError, match=digest):
        store.get(digest)


def test_putting_the_original_again_mends_a_truncated_blob(store: LocalBlobs, tmp_path: Path) -> None:
    digest = store.put(b"a sound")
    (tmp_path / "blobs" / digest[:2] / digest).write_bytes(b"a s")
    store.put(b"a sound")
    assert store.get(digest) == b"a sound"


def test_temporary_files_of_dead_writers_are_removed_when_they_are_old(store: LocalBlobs, tmp_path: Path) -> None:
    old, young = (tmp_path / "blobs" / "writing" / name for name in ("old", "young"))
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 3700,) * 2)
    LocalBlobs(tmp_path / "blobs")
    assert files(tmp_path) == [young]


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # A limit on the size of files stands for the full disk: the kernel refuses the write in the same way.
    filler = subprocess.run([sys.executable, "-c", FILLER, tmp_path], check=True, capture_output=True, text=True)
    assert "cannot be used" in filler.stdout
    assert [file.name for file in files(tmp_path)] == [content_digest(b"small")]


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be used"):
        LocalBlobs(tmp_path / "file" / "blobs")


def test_a_kill_leaves_every_acknowledged_blob_whole(tmp_path: Path) -> None:
    acknowledged = []
    for alive_s in (0.0, 0.05, 0.13):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        acknowledged.append(writer.stdout.readline())  # it has begun
        time.sleep(alive_s)
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().splitlines(keepends=True)
        writer.wait()
        writer.stdout.close()
    store = LocalBlobs(tmp_path)
    digests = {line.decode().strip() for line in acknowledged if line.endswith(b"\n")}
    listed = set(store.digests())
    assert digests <= listed
    for digest in listed:
        assert len(store.get(digest)) == 300_000
    for left in (tmp_path / "writing").iterdir():
        os.utime(left, (0, 0))
    LocalBlobs(tmp_path)
    assert len(files(tmp_path)) == len(listed)
