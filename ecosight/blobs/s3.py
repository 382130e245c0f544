"""Blobs as objects of an S3 bucket, at Amazon's or at any endpoint that speaks the same protocol."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ecosight.blobs.digests import checked_digest, is_digest, verified
from ecosight.blobs.s3_client import s3_client
from ecosight.errors import IntegrityError, NotFound, Unavailable

__all__ = ["S3Blobs"]

_MISSING = {"404", "NoSuchKey", "NotFound"}
_THERE_ALREADY = {"412", "PreconditionFailed"}
_ANOTHER_IS_WRITING = {"409", "ConditionalRequestConflict"}
_NO_CONDITIONS = {"501", "NotImplemented"}


class S3Blobs:
    """A ``BlobStore`` in a bucket, below a prefix. Thread-safe. Credentials come as boto3 finds them.

    Args:
        endpoint_url: None for Amazon S3.
    """

    def __init__(
        self, bucket: str, prefix: str = "", endpoint_url: str | None = None, region: str | None = None
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/blobs/" if prefix.strip("/") else "blobs/"
        self._client = s3_client(endpoint_url, region, attempts=4)

    def put(self, data: bytes) -> str:
        """Store the bytes, unless they are there. The store checks them against their SHA-256 on arrival.

        Raises: Unavailable.
        """
        raw = hashlib.sha256(data).digest()
        request = {
            "Bucket": self._bucket,
            "Key": self._key(raw.hex()),
            "Body": data,
            "ChecksumSHA256": base64.b64encode(raw).decode(),
        }
        with self._told():
            code = self._attempt(**request, IfNoneMatch="*")
            if code in _NO_CONDITIONS | _ANOTHER_IS_WRITING:
                # Writing the same bytes under the name of their content is right in any case.
                self._client.put_object(**request)
        return raw.hex()

    def get(self, digest: str) -> bytes:
        """Raises: NotFound: no such blob. IntegrityError: damaged. Unavailable. InvalidInput: no digest."""
        with self._told(missing=digest):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(checked_digest(digest)))
            data: bytes = answer["Body"].read()
        try:
            return verified(data, digest)
        except IntegrityError as error:
            # Neither a push nor a put writes it again: it is there, under the name of its content.
            raise IntegrityError(
                f"the stored bytes of {digest} in the bucket {self._bucket!r} are damaged",
                hint=f"Replace the object {self._key(digest)} there, from a backup or from another store that has that"
                " blob; where the bucket is storage.s3_bucket, deleting it and ingesting the original file again does.",
                digest=digest,
            ) from error

    def has(self, digest: str) -> bool:
        try:
            with self._told(missing=digest):
                self._client.head_object(Bucket=self._bucket, Key=self._key(checked_digest(digest)))
        except NotFound:
            return False
        return True

    def delete(self, digest: str) -> None:
        with self._told():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(checked_digest(digest)))

    def digests(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        with self._told():
            for page in pages:
                names = (item["Key"].rsplit("/", 1)[-1] for item in page.get("Contents", []))
                yield from (name for name in names if is_digest(name))

    def _key(self, digest: str) -> str:
        return f"{self._prefix}{digest[:2]}/{digest}"

    def _attempt(self, **request: Any) -> str | None:
        """Put, and return the code of an answer that is no fault; None when the object is stored."""
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(**request)
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            if code not in _THERE_ALREADY | _ANOTHER_IS_WRITING | _NO_CONDITIONS:
                raise
            return code
        return None

    @contextmanager
    def _told(self, missing: str | None = None) -> Iterator[None]:
        from botocore import exceptions as aws

        try:
            yield
        except aws.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if missing is not None and code in _MISSING:
                raise NotFound(f"there is no blob {missing}", hint="Is this the bucket it was put into?") from None
            told = f"{code}: {error.response.get('Error', {}).get('Message', '')}"
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            raise self._unavailable(told, cut_off=status >= 500) from error
        except (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError) as error:
            raise self._unavailable(str(error), cut_off=True) from error
        except aws.BotoCoreError as error:
            raise self._unavailable(str(error), cut_off=False) from error

    def _unavailable(self, reason: str, *, cut_off: bool) -> Unavailable:
        """``cut_off``: it may be there another time. The bucket may be the project's own, or that of a remote."""
        check = "the network and the endpoint" if cut_off else "the bucket, the endpoint and the AWS_* variables"
        goes_on = " Run the same command again: what has arrived stays, and it goes on from there." if cut_off else ""
        return Unavailable(
            f"the bucket {self._bucket!r} cannot be used: {reason}",
            hint=f"Check {check} (in a remote's address, else storage.s3_*).{goes_on}",
        )
