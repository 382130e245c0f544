"""The kernel's checks tell what is well, and what to do about what is not."""

from __future__ import annotations

from pathlib import Path

from ecosight.blobs import LocalBlobs, S3Blobs
from ecosight.config import Config
from ecosight.health import check_folder, kernel_checks
from ecosight.state import Database


def test_a_working_installation_is_well_in_every_point(database: Database, tmp_path: Path) -> None:
    config = Config(project={"root": tmp_path / "root"})  # type: ignore[arg-type]
    store = LocalBlobs(config.blob_folder)
    checks = kernel_checks(config, database, store)
    assert [check.name for check in checks] == ["data folder", "spool folder", "database", "blob store"]
    assert all(check.ok for check in checks), checks
    assert list(store.digests()) == []
    assert list(config.spool_folder.iterdir()) == []


def test_what_is_not_there_is_told_with_a_hint(s3_endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = Config(project={"root": tmp_path / "file"}, redis={"url": "redis://127.0.0.1:1"})  # type: ignore[arg-type]
    blobs = S3Blobs("no-such-bucket", "", s3_endpoint, None)
    checks = {check.name: check for check in kernel_checks(config, None, blobs)}
    assert set(checks) == {"data folder", "spool folder", "blob store", "redis"}
    assert not any(check.ok for check in checks.values())
    assert all(check.detail and check.hint for check in checks.values())


def test_checking_a_folder_makes_it_and_leaves_nothing(tmp_path: Path) -> None:
    assert "writable" in check_folder(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
