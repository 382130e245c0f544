"""Content-addressed blobs, in a local folder or on S3."""

from __future__ import annotations

from ecosight.blobs.local import LocalBlobs
from ecosight.blobs.s3 import S3Blobs
from ecosight.config import Config
from ecosight.errors import ConfigError
from ecosight.ports import BlobStore

__all__ = ["LocalBlobs", "S3Blobs", "open_blobs"]


def open_blobs(config: Config) -> BlobStore:
    """The blob store that the configuration names.

    Raises: ConfigError: S3 without a bucket. Unavailable: the local folder cannot be made.
    """
    storage = config.storage
    if storage.backend == "local":
        return LocalBlobs(config.blob_folder)
    if not storage.s3_bucket:
        raise ConfigError("storage.backend is s3, but storage.s3_bucket is not set", hint="Name the bucket.")
    return S3Blobs(
        storage.s3_bucket,
        prefix=storage.s3_prefix,
        endpoint_url=storage.s3_endpoint_url,
        region=storage.s3_region,
    )
